"""Commands of the Tasks pane."""

from nuvtui.tui.toolkit.command import Command, Scope

# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("tasks", "Tasks", contains=("list",)),
    Command("tasks.cancel", "c", "cancel", "Cancel the task",
        "Asks the task under the cursor to stop; what it had begun is undone or stays invisible.",
        "nuvtui tasks cancel {task}", destructive=True, enabled=lambda pane: pane.may_cancel),
    Command("tasks.attach", "", "", "Log and steps",
        "Opens the task under the cursor: its steps, its log, how it ended.", "nuvtui tasks attach {task}",
        enabled=lambda pane: pane.chosen is not None),
    Command("tasks.get", "", "", "List the tasks",
        "The same list on the command line.", "nuvtui tasks list", palette=False),
)
