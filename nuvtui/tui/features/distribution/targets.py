"""The instances that a distribution can go to: who may, what they are, what they preserved last."""

from typing import TYPE_CHECKING, NamedTuple

from nuvtui.model import order, roles
from nuvtui.model.names import text_to_path
from nuvtui.model.roles import Action, Role
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.space import DISTRIBUTED, Instance
from nuvtui.model.stage import StateRef
from nuvtui.tui.common import describe
from nuvtui.tui.toolkit.line_list import LineList
from nuvtui.tui.toolkit.lines import Cell, Line, Tone, row

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services

WIDE = 110
"""Cells from which the workspace's path is shown."""


class Target(NamedTuple):
    """An instance that may be distributed to."""

    instance: Instance
    name: str
    """With its space where that is another one."""
    role: Role | None
    problem: str
    """Why it cannot be a target; empty where it can."""
    source: bool = False
    """The instance that the stage was collected from: distributing to it is a partial restore."""
    newest: SnapshotRecord | None = None
    """Its newest snapshot."""


class TargetList(LineList):
    """The instances; `*` marks all that are not the source's own."""

    others: frozenset[str] = frozenset()
    """Ids of what `*` marks."""

    def action_mark_all(self) -> None:
        """All others that are shown, or none."""
        shown = {self.source.key(self.index(at)) for at in range(self.count)}
        wanted = self.others & shown
        done = bool(wanted) and wanted <= self.marked
        self.set_marked(self.marked - wanted if done else self.marked | wanted)


def read(services: "Services", space: str, source: StateRef | None) -> list[Target]:
    """All that the user could distribute to: the space's own instances, what collects all, those of other spaces."""
    view = services.context.view()
    spaces = {each.id: each for each in view.spaces.all()}
    newest: dict[str, SnapshotRecord] = {}
    for record in order.newest_first(view.snapshots.all()):
        newest.setdefault(record.instance, record)
    found = []
    for instance in view.instances.all():
        role = services.context.role(view, instance.space, instance.id)
        own = instance.space == space
        if role is None and not own:
            continue
        problem = ""
        if source is not None and source.instance == instance.id and source.snapshot is None:
            problem = "the source"
        elif not roles.allows(role, Action.MODIFY):
            problem = f"needs {roles.needed(Action.MODIFY)}"
        where = spaces.get(instance.space)
        name = instance.name if own or where is None else f"{where.name}/{instance.name}"
        same = source is not None and source.instance == instance.id
        seen = newest.get(instance.id) if roles.allows(role, Action.VIEW) else None
        target = Target(instance, name, role, problem, same, seen)
        found.append(((not own, instance.name == DISTRIBUTED, same), name, target))
    return [target for _rank, _name, target in sorted(found, key=lambda each: each[:2])]


def heading(width: int) -> Line:
    """The line above the targets."""
    return row(width, *_cells(width, ("instance", ""), "your role", "newest snapshot", "age", "workspace"))


def shown(target: Target, width: int) -> Line:
    """A target as a line."""
    newest = target.newest
    return row(
        width,
        *_cells(
            width,
            (
                f"{target.name} (the source)" if target.source else target.name,
                "muted" if target.problem else "",
            ),
            remark(target),
            describe.called(newest) if newest is not None else "none",
            describe.age(newest.created) if newest is not None else "",
            text_to_path(target.instance.workspace),
        ),
    )


def _cells(width: int, name: tuple[str, Tone], role: str, newest: str, age: str, path: str) -> list[Cell]:
    wide = width >= WIDE
    return [
        Cell(name[0], 28 if wide else 19, name[1]),
        Cell(role, 32 if wide else 24, "muted"),
        Cell(newest, 28 if wide else 0, "muted"),
        Cell(age, 6, "muted", "right"),
        *([Cell(path, 0, "muted")] if wide else []),
    ]


def remark(target: Target) -> str:
    """What the user may do there, or why it cannot be a target."""
    if target.problem:
        return f"not possible: {target.problem}"
    if target.instance.name == DISTRIBUTED:
        return "collects all of them"
    return "partial restore" if target.source else str(target.role or "")
