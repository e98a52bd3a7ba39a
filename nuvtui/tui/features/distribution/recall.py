"""The ways back from a distribution: the automatic snapshot of a target, and recall."""

from nuvtui.model.distribution import Distribution
from nuvtui.model.operations import Recall
from nuvtui.model.roles import Action, Role, allows
from nuvtui.model.task import TaskView
from nuvtui.tui.common.outcome import Back
from nuvtui.tui.common.shell import ShellTarget
from nuvtui.tui.toolkit.lines import line


def backs_of(distribution: Distribution) -> list[Back]:
    """The automatic snapshots of its targets, where something was changed; those on another server are not here."""
    if distribution.server is not None:
        return []
    return [
        Back(target.backup, target.instance, target.name)
        for target in distribution.targets
        if target.backup and target.status in ("completed", "interrupted", "recalled")
    ]


def recallable(distribution: Distribution | None, role: Role | None) -> bool | None:
    """True where it can be recalled; None where it could by an administrator."""
    if distribution is None or distribution.status in ("running", "recalled"):
        return False
    if not any(target.status in ("completed", "interrupted") for target in distribution.targets):
        return False
    return True if allows(role, Action.MANAGE) else None


def ask_to_recall(node: ShellTarget, distribution: Distribution) -> None:
    """Ask, then recall as a task."""
    from nuvtui.tui.common.submit import submit
    from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog

    title = f"Recall distribution {distribution.id[:8]}"

    def submitted(task: str) -> None:
        from nuvtui.tui.common.task_screen import open_task

        open_task(node.nuv, TaskView(task, kind="recall", title=title, space=distribution.space))

    def recall(yes: object) -> None:
        if yes:
            submit(
                node,
                Recall(distribution.id),
                title,
                submitted,
                space=distribution.space,
                subject=distribution.id,
            )

    reached = [t.name for t in distribution.targets if t.status in ("completed", "interrupted")]
    node.nuv.push_screen(
        ConfirmDialog(
            "Recall",
            [
                "Removes what this distribution brought from:",
                *(line((f"  {name}", "strong")) for name in reached),
                "What was changed there since then is kept, and named.",
            ],
            "Recall",
            destructive=True,
            backup="An automatic snapshot of each target is taken first.",
        ),
        recall,
    )
