"""Commands of the Stage."""

from nuvtui.tui.toolkit.command import Command, Scope

# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("stage", "Stage", contains=("list",)),
    Command("stage.distribute", "d", "distribute", "Distribute",
        "Pushes what is staged to other instances: targets, strategies, dry run, message.",
        "nuvtui distribution distribute --targets {targets}", enabled=lambda pane: pane.filled or None),
    Command("stage.history", "H", "history", "Past distributions",
        "Who distributed what to whom, how it went; the way back and recall.", "nuvtui distribution list"),
    Command("stage.remove", "x,delete", "remove", "Take out of the stage",
        "Takes the marked lines or the range begun with v, else the line under the cursor, out of the stage. The "
        "source keeps them.", "nuvtui stage remove {items}", enabled=lambda pane: pane.filled or None),
    Command("stage.clear", "X", "clear", "Empty the stage",
        "Takes everything out of the stage. The source keeps it.", "nuvtui stage clear", destructive=True,
        footer=False, enabled=lambda pane: pane.filled or None),
    Command("stage.everything", "", "", "Stage the whole state",
        "Puts all of the state that Contents shows into the stage.", "nuvtui stage add --all"),
)
