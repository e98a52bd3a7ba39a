"""Commands of the Tasks place and of a task's own screen."""

from nuvtui.tui.toolkit.commands import Command, Scope, register

register(
    Scope("tasks", "Tasks", contains=("list",)),
    Command(
        id="tasks.cancel",
        title="Cancel the task",
        short="cancel",
        keys="c",
        help="Asks the task under the cursor to stop; what it had begun is undone or stays invisible.",
        as_command="nuvtui tasks cancel {task}",
        destructive=True,
        enabled=lambda place: place.may_cancel,
    ),
    Command(
        id="tasks.attach",
        title="Log and steps",
        help="Opens the task under the cursor: its steps, its log, how it ended.",
        as_command="nuvtui tasks attach {task}",
        enabled=lambda place: place.chosen is not None,
    ),
    Command(
        id="tasks.get",
        title="List the tasks",
        help="The same list on the command line.",
        as_command="nuvtui tasks list",
        palette=False,
    ),
    Scope("run", "Running task", contains=("export", "delivery", "list", "text", "scroll")),
    Command(
        id="run.cancel",
        title="Cancel the task",
        short="cancel",
        keys="c",
        help="Asks the task to stop; what it had begun is undone or stays invisible. Leaving the screen does not.",
        as_command="nuvtui tasks cancel {task}",
        destructive=True,
        enabled=lambda screen: screen.may_cancel,
    ),
    Command(
        id="run.steps",
        title="Show or hide the steps",
        short="steps",
        keys="s",
        help="Shows all steps with their times; Enter on one goes to its part of the log.",
        as_command="nuvtui tasks get {task}",
    ),
    Command(
        id="run.undo",
        title="The way back",
        short="undo",
        keys="u",
        help="Restores the automatic snapshot that was taken before: all of the instance is as it was.",
        as_command="nuvtui snapshots restore {backup}",
        enabled=lambda screen: screen.may_undo,
        destructive=True,
    ),
    Command(
        id="run.attach",
        title="Follow the task",
        help="The same on the command line.",
        as_command="nuvtui tasks attach {task}",
        palette=False,
    ),
)
