"""Past and running distributions: who, what, where, how it went; the way back and recall."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from nuvtui.model.distribution import Distribution
from nuvtui.model.names import text_to_path
from nuvtui.model.roles import Role
from nuvtui.model.space import Space
from nuvtui.model.task import TaskView
from nuvtui.tui.common.base_screen import BaseScreen
from nuvtui.tui.common.outcome import Back, target_lines
from nuvtui.tui.features.distribution.recall import ask_to_recall, backs_of, recallable
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.debounce import Debounce
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Cell, Line, Tone, line, row
from nuvtui.tui.toolkit.moments import ago, moment

FRESH = 1.0
"""Seconds between looks whether the app has read the state again."""
TONES: dict[str, Tone] = {"completed": "good", "running": "accent", "recalled": "muted"}
STRATEGIES = {
    "overwrite": "Overwrite",
    "distribute-extra": "Distribute Extra",
    "mirror": "Mirror",
    "skip": "Skip",
}


class _Found(NamedTuple):
    distributions: list[Distribution]
    labels: dict[str, str]
    """What the source states are called, by distribution."""
    role: Role | None


class History(BaseScreen):
    """The list and the detail of the one under the cursor."""

    SCOPES = ("history",)
    BINDINGS = bindings("history")
    HELP = (
        "Every distribution of this space. u restores the automatic snapshot of a target; R (administrators) removes "
        "what was distributed from all its targets again, except what was changed there since."
    )

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self._found = _Found([], {}, None)
        self._read_for: object = None
        self._timer: Timer | None = None
        self._rest = Debounce(self, self._show_detail)
        # Made here: which keys are active is asked before the screen is composed.
        self._list = LineList(id="history-list", classes="pane", title="Past distributions", empty="Reading")

    def body(self) -> list[Widget]:
        """List and detail."""
        return [_Body(self._list)]

    def on_mount(self) -> None:
        """Read; and again whenever the state changes."""
        self._list.focus()
        self._timer = self.set_interval(FRESH, self._look)
        self._look()

    def _look(self) -> None:
        if self.nuv.context is self._read_for:
            return
        self._read_for = self.nuv.context
        space = self.space.id

        def read() -> _Found:
            services = self.nuv.services
            found = services.distribution.list(space)
            labels = {each.id: services.staging.label(each.source) for each in found[:500]}
            return _Found(found, labels, services.members.role(space, None))

        self.load(read, self._read)

    def _read(self, found: _Found) -> None:
        self._found = found
        shown = self._list
        shown.empty = "Nothing was distributed in this space yet."
        shown.set_source(Items(found.distributions, self._line, key=lambda each: each.id, text=_text))
        self._show_detail()

    @property
    def distribution(self) -> Distribution | None:
        """The one under the cursor."""
        at = self._list.current
        found = self._found.distributions
        return found[at] if at is not None and at < len(found) else None

    def _line(self, each: Distribution, width: int) -> Line:
        return row(
            width,
            Cell(f"{self._sign(each.status)} {each.status}", 13, TONES.get(each.status, "warn")),
            Cell(ago(each.created), 11, "muted", "right"),
            Cell(", ".join(target.name.rpartition("/")[2] for target in each.targets), 0),
            Cell(each.author, 8, "muted"),
        )

    def _sign(self, status: str) -> str:
        glyphs = self.nuv.glyphs
        known = {"completed": glyphs.done, "running": glyphs.running, "recalled": glyphs.removed}
        return known.get(status, glyphs.failed)

    def on_line_list_highlighted(self) -> None:
        """The detail of the one under the cursor."""
        self._rest.ask()
        self.refresh_bindings()

    def _show_detail(self) -> None:
        each = self.distribution
        self.query_one("#history-detail DetailPane", DetailPane).show(self._detail(each) if each else [])

    def _detail(self, each: Distribution) -> list[Line | str]:
        lines: list[Line | str] = [
            line(("Distribution ", "muted"), (each.id[:8], "accent"), f"  {each.status}"),
            line(("when         ", "muted"), moment(each.created), f" by {each.author}"),
            line(("from         ", "muted"), self._found.labels.get(each.id, "")),
        ]
        if each.message:
            lines.append(line(("message      ", "muted"), each.message))
        used = msgspec.to_builtins(each.strategies)
        lines.append(
            line(
                ("strategies   ", "muted"),
                ", ".join(f"{kind} {STRATEGIES[how]}" for kind, how in used.items()),
            )
        )
        lines.append("")
        for target in each.targets:
            lines += target_lines(target, self.nuv.glyphs)
        lines += ["", line(("staged", "muted"))]
        if each.everything:
            lines.append("  the whole state")
        lines += [line(f"  {text_to_path(path)}") for path in each.files[:500]]
        lines += [line(f"  table {name}") for name in each.tables[:500]]
        lines += [line(f"  application {name}") for name in each.applications[:500]]
        return lines

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        """Its task, where it has one."""
        message.stop()
        each = self.distribution
        if each is not None and each.task:
            from nuvtui.tui.common.task_screen import open_task

            known = next((task for task in self.nuv.tasks if task.id == each.task), None)
            open_task(self.nuv, known or TaskView(each.task, kind="distribute", title="Distribution"))

    # commands

    def _backs(self) -> list[Back]:
        return backs_of(self.distribution) if self.distribution is not None else []

    @property
    def may_undo(self) -> bool:
        """True where an automatic snapshot was taken."""
        return bool(self._backs())

    @property
    def may_recall(self) -> bool | None:
        """True for administrators, where it has ended and was not recalled."""
        return recallable(self.distribution, self._found.role)

    def action_undo(self) -> None:
        """The way back."""
        from nuvtui.tui.common.task_screen import ask_way_back

        ask_way_back(self, self._backs(), self.space.id)

    def action_recall(self) -> None:
        """Ask, then recall."""
        if self.distribution is not None and self.may_recall:
            ask_to_recall(self, self.distribution)

    def action_show(self) -> None:
        """It is shown already."""

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """The one under the cursor."""
        each, backs = self.distribution, self._backs()
        values: dict[str, str | Sequence[str]] = {"distribution": each.id[:8]} if each else {}
        if backs:
            values |= {"backup": backs[0].snapshot[:8], "target": backs[0].name.rpartition("/")[2]}
        return values

    def copied(self) -> Copy | None:
        """Its id."""
        return Copy(self.distribution.id, "the id of the distribution") if self.distribution else None


class _Body(Vertical):
    """List above or beside the detail."""

    def __init__(self, distributions: LineList) -> None:
        super().__init__(id="history-body")
        self._list = distributions

    def compose(self) -> ComposeResult:
        """Both."""
        yield self._list
        with Vertical(id="history-detail", classes="pane"):
            yield DetailPane()


def _text(each: Distribution) -> str:
    return " ".join(
        [each.id, each.status, each.author, each.message, *(target.name for target in each.targets)]
    )
