"""The dry run of a distribution as a list of any length: per target and type what is removed, replaced, created, kept."""

from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal, NamedTuple

from nuvtui.model.distribution import TargetPlan
from nuvtui.model.names import text_to_path
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.line_list import Source
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, line

Outcome = Literal["removed", "replaced", "created", "kept"]
OUTCOMES: tuple[Outcome, ...] = ("removed", "replaced", "created", "kept")
KINDS = ("files", "tables", "applications")
ONE = {"files": "file", "tables": "table", "applications": "app"}


class _Part(NamedTuple):
    target: int
    outcome: Outcome | None
    """None: the heading of a target."""
    kind: str
    names: Sequence[str]


class PlanSource(Source):
    """The lines of a dry run; nothing is copied, whatever its length."""

    def __init__(
        self,
        plans: Sequence[TargetPlan],
        names: Mapping[str, str],
        glyphs: Glyphs,
        only: Outcome | None = None,
    ) -> None:
        """`names`: what target instances are called, by id. `only`: leave out other outcomes."""
        self._plans = plans
        self._names = names
        self._glyphs = glyphs
        self._parts: list[_Part] = []
        self._starts: list[int] = []
        self._count = 0
        for at, plan in enumerate(plans):
            self._add(_Part(at, None, "", ("",)))
            for outcome in OUTCOMES:
                if only in (None, outcome):
                    for kind in KINDS:
                        found = getattr(getattr(plan, kind), outcome)
                        if found:
                            self._add(_Part(at, outcome, kind, found))

    def _add(self, part: _Part) -> None:
        self._parts.append(part)
        self._starts.append(self._count)
        self._count += len(part.names)

    def count(self) -> int:
        return self._count

    def _at(self, index: int) -> tuple[_Part, int]:
        at = bisect_right(self._starts, index) - 1
        return self._parts[at], index - self._starts[at]

    def key(self, index: int) -> Hashable:
        part, at = self._at(index)
        return part.target, part.outcome, part.kind, part.names[at]

    def line(self, index: int, _width: int) -> Line:
        part, at = self._at(index)
        plan = self._plans[part.target]
        if part.outcome is None:
            return line(
                (self._names.get(plan.instance, plan.instance), "accent"), "  ", (summary([plan]), "muted")
            )
        sign, tone = self._sign(part.outcome)
        name = part.names[at]
        name = text_to_path(name) if part.kind == "files" else name
        kept: Tone = "muted" if part.outcome == "kept" else ""
        return line((f"  {sign} {part.outcome:<9}", tone), (f"{ONE[part.kind]:<6}", "muted"), (name, kept))

    def text(self, index: int) -> str:
        part, at = self._at(index)
        if part.outcome is None:
            instance = self._plans[part.target].instance
            return self._names.get(instance, instance)
        name = part.names[at]
        return f"{part.outcome} {ONE[part.kind]} {text_to_path(name) if part.kind == 'files' else name}"

    def _sign(self, outcome: Outcome) -> tuple[str, Tone]:
        return sign(outcome, self._glyphs)


def sign(outcome: Outcome, glyphs: Glyphs) -> tuple[str, Tone]:
    """The sign of an outcome, and its tone."""
    signs: dict[Outcome, tuple[str, Tone]] = {
        "removed": (glyphs.removed, "bad"),
        "replaced": (glyphs.changed, "warn"),
        "created": (glyphs.new, "good"),
        "kept": ("=", "muted"),
    }
    return signs[outcome]


def filters(plans: Sequence[TargetPlan], only: Outcome | None, glyphs: Glyphs) -> Line:
    """What the list can be filtered by, with the number of each; the filter in force stands in brackets."""
    counts = totals(plans)
    pieces: list[Piece] = []
    shown: tuple[Outcome, ...] = ("created", "replaced", "removed", "kept")
    for outcome in shown:
        mark, tone = sign(outcome, glyphs)
        text = f"{mark} {counts[outcome]:,} {outcome}"
        text = f"[{text}]" if outcome == only else f" {text} "
        pieces += [(text, tone if counts[outcome] else "muted"), ("  ", "")]
    return line(*pieces)


def totals(plans: Sequence[TargetPlan]) -> dict[Outcome, int]:
    """Objects per outcome, over all targets and types."""
    return {
        outcome: sum(len(getattr(getattr(plan, kind), outcome)) for plan in plans for kind in KINDS)
        for outcome in OUTCOMES
    }


def summary(plans: Sequence[TargetPlan]) -> str:
    """`3 created, 1 replaced, 0 removed, 12 kept`."""
    counts = totals(plans)
    return ", ".join(
        f"{counts[outcome]:,} {outcome}" for outcome in ("created", "replaced", "removed", "kept")
    )
