"""Commands of the distribution wizard, of past distributions and of one that ended."""

from nuvtui.tui.toolkit.command import Command, Scope

# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("wizard", "Distribution", contains=("form", "list")),
    Command("wizard.next", "n", "next", "Go on",
        "To the next step; Esc goes back, answers stay.", "nuvtui distribution distribute {options} --dry-run",
        enabled=lambda screen: screen.step != "message"),
    Command("wizard.show", "o", "only", "Show only one outcome",
        "In the dry run: all, or only what is removed, replaced, created, kept.",
        "nuvtui distribution distribute {options} --dry-run", enabled=lambda screen: screen.step == "plan"),
    *(
        Command(f"wizard.only-{outcome}", key, "", f"Show only what is {outcome}",
            f"In the dry run: only what is {outcome}; again: all.", call=f"only({outcome!r})", footer=False,
            enabled=lambda screen: screen.step == "plan")
        for key, outcome in (
            ("plus", "created"),
            ("tilde", "replaced"),
            ("minus", "removed"),
            ("equals_sign", "kept"),
        )
    ),
    Command("wizard.target", "t", "target", "Show only one target",
        "In the dry run: all targets, or one after the other.", enabled=lambda screen: screen.several),
    Command("wizard.go", "", "", "Distribute now",
        "Begins the distribution as a task; a snapshot of each target is taken first.",
        "nuvtui distribution distribute {options}", enabled=lambda screen: screen.step == "message"),
    Scope("history", "Past distributions", contains=("list", "scroll")),
    Command("history.undo", "u", "undo", "The way back",
        "Restores the automatic snapshot of a target, taken before the distribution.",
        "nuvtui snapshots restore {backup} -i {target}", destructive=True, enabled=lambda screen: screen.may_undo),
    Command("history.recall", "R", "recall", "Recall",
        "Removes what a distribution brought from all its targets; what was changed there since is kept.",
        "nuvtui distribution recall {distribution}", destructive=True, enabled=lambda screen: screen.may_recall),
    Command("history.show", "", "", "Show on the command line",
        "The distribution under the cursor.", "nuvtui distribution show {distribution}", palette=False),
    Scope("delivery", "Distribution that ended"),
    Command("delivery.recall", "R", "recall", "Recall",
        "Removes what the distribution brought from all its targets; what was changed there since is kept.",
        "nuvtui distribution recall {distribution}", destructive=True, enabled=lambda screen: screen.may_recall),
)
