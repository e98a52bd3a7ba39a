"""Commands of a task's own screen."""

from nuvtui.tui.toolkit.command import Command, Scope
from nuvtui.tui.toolkit.commands import register

# fmt: off
register(
    Scope("run", "Running task", contains=("export", "delivery", "list", "text", "scroll")),
    Command("run.cancel", "c", "cancel", "Cancel the task",
        "Asks the task to stop; what it had begun is undone or stays invisible. Leaving the screen does not.",
        "nuvtui tasks cancel {task}", destructive=True, enabled=lambda screen: screen.may_cancel),
    Command("run.steps", "s", "steps", "Show or hide the steps",
        "Shows all steps with their times; Enter on one goes to its part of the log.", "nuvtui tasks get {task}"),
    Command("run.undo", "u", "undo", "The way back",
        "Restores the automatic snapshot that was taken before: all of the instance is as it was.",
        "nuvtui snapshots restore {backup}", enabled=lambda screen: screen.may_undo, destructive=True),
    Command("run.again", "o", "look again", "See what the restore would do now",
        "For a restore that was refused because its target changed: shows what it would do now, to be approved anew.",
        "nuvtui snapshots restore {snapshot} --dry-run", enabled=lambda screen: screen.may_look_again),
    Command("run.attach", "", "", "Follow the task",
        "The same on the command line.", "nuvtui tasks attach {task}", palette=False),
)
