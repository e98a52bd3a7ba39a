"""Commands of the app, of the main screen and of the program's log."""

import nuvtui.tui.common.task_commands  # noqa: F401  (registers)
from nuvtui.tui.shell.registration import FEATURES, PANES
from nuvtui.tui.toolkit.command import Command, Scope
from nuvtui.tui.toolkit.commands import register

# fmt: off
register(
    Scope("app", "Everywhere", contains=("*",)),
    Scope("waiting", "Waiting", modal=True),
    Command("waiting.again", "f5", "", "Read again what was not waited for",
        "Where a pane says that something was not read: reads it again. Esc leaves a wait.", footer=False,
        palette=False),
    *(
        Command(f"app.place-{feature.pane.id}", feature.key, "", f"Go to {feature.pane.name}",
            f"Shows {feature.pane.name}.", call=f"pane({feature.pane.id!r})", footer=False)
        for feature in FEATURES if feature.pane is not None
    ),
    Command("app.next-pane", "tab", "", "Next pane",
        "Moves the focus to the next pane.", footer=False, palette=False),
    Command("app.previous-pane", "shift+tab", "", "Previous pane",
        "Moves the focus to the pane before.", footer=False, palette=False),
    Command("app.back", "escape", "", "Back",
        "One level back; what was entered stays.", footer=False, palette=False),
    Command("app.copy", "y", "", "Copy",
        "Copies what has the focus to the clipboard, over SSH and tmux too (OSC 52).", footer=False),
    Command("app.as-command", ":", "", "Show as command",
        "Shows the command lines of what can be done here; `y` copies one.", footer=False),
    Command("app.palette", "ctrl+p", "commands", "Commands",
        "All that can be done, with its keys; type to search.", footer=False, palette=False),
    Command("app.help", "?,f1", "help", "Help", "Help for what has the focus.", footer=False),
    Command("app.theme", "f6", "", "Another theme",
        "Dark, light, and both in high contrast, in turn; the setting `theme` keeps one.", footer=False),
    Command("app.redraw", "ctrl+l", "", "Draw the screen again",
        "Draws everything again, where another program wrote into the terminal.", footer=False),
    Command("app.log", "f8", "", "Log of the program",
        "Shows nuvtui's own log: starts, faults, what was slow.", "nuvtui doctor --log", footer=False),
    Command("app.suspend", "ctrl+z", "", "Suspend", "Back to the shell; `fg` returns.", footer=False),
    Command("app.leave", "q", "quit", "Quit", "Leaves. Running tasks go on unless you say otherwise.", footer=False),
    Command("app.leave-now", "ctrl+c", "", "Quit from anywhere",
        "As `q`, also in dialogs and prompts.", footer=False, palette=False, priority=True),
    Scope("program-log", "Log of the program", contains=("text",)),
    Scope("workbench", "Places", contains=tuple(pane.id for pane in PANES)),
    Command("workbench.overview", "o", "overview", "Overview of the space",
        "Instances, newest snapshots, what finished, messages, exports, storage; s in it: all spaces.",
        "nuvtui spaces show {space}", footer=False),
    Command("workbench.spaces", "ctrl+o", "spaces", "Open another space or instance",
        "Shows all spaces and their instances; opens, creates and deletes them.", "nuvtui spaces list",
        footer=False),
    Command("workbench.remotes", "R", "remotes", "Remotes",
        "Shows the places outside this machine that hold snapshots: what each holds, its keys; adds, checks, prunes.",
        "nuvtui remotes list", footer=False),
    Command("workbench.undo", "u", "undo", "Undo the last restore or distribution",
        "Right after a restore or a distribution: restores the automatic snapshot that was taken first.",
        "nuvtui snapshots restore {backup}", footer=False, destructive=True),
    Command("workbench.messages", "", "", "Messages",
        "Shows the messages of distributions that you have not read.", footer=False),
    Command("workbench.members", "", "", "Members",
        "Shows who may do what in this space; administrators change it.", "nuvtui members list", footer=False),
)
