"""What the strategies do, in words and as a table."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nuvtui.model.distribution import ObjectType, Strategies, Strategy
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Cell, Line, Tone, line, row

LABELS = {ObjectType.FILES: "Files", ObjectType.TABLES: "Tables", ObjectType.APPLICATIONS: "Applications"}
TONES: dict[str, Tone] = {"removed": "bad", "replaced": "warn", "created": "good"}
WIDTH = 74
"""Cells of the table at most: as many as there are at 80 columns."""
OUTCOMES = 42
"""Cells of its columns of outcomes, with the gaps."""


class Explained(NamedTuple):
    """A strategy in words."""

    name: str
    same: str
    """What happens to a name that the target has too."""
    new: str
    """What happens to what is not in the target."""
    only: str
    """What happens to what only the target has."""
    sentence: str


EXPLAINED: dict[Strategy, Explained] = {
    Strategy.OVERWRITE: Explained(
        "Overwrite",
        "replaced",
        "created",
        "kept",
        "The usual choice: nothing in the target is lost but what has the same name.",
    ),
    Strategy.EXTRA: Explained(
        "Distribute Extra",
        "kept",
        "created",
        "kept",
        "Only adds: nothing that the target has is touched.",
    ),
    Strategy.MIRROR: Explained(
        "Mirror",
        "replaced",
        "created",
        "removed",
        "Makes the target equal to the source: what only the target has is removed.",
    ),
    Strategy.SKIP: Explained("Skip", "kept", "left out", "kept", "Nothing of this type is distributed."),
}


def of_one(kind: ObjectType, chosen: Strategy, glyphs: Glyphs, width: int) -> list[Line | str]:
    """What the strategy that is chosen for a type does, beside the others, in `width` cells."""
    same = "same path" if kind is ObjectType.FILES else "same name"
    told = EXPLAINED[chosen]
    return [
        line((f"{told.name}: ", "strong"), told.sentence),
        "",
        _head(f"{LABELS[kind]}:", same, width),
        *(
            _row(EXPLAINED[strategy], EXPLAINED[strategy].name, strategy is chosen, glyphs, width)
            for strategy in Strategy
        ),
        "",
        line(("Left and Right change the strategy. What is equal on both sides is always kept.", "muted")),
    ]


def of_all(kinds: Iterable[ObjectType], chosen: Strategies, glyphs: Glyphs, width: int) -> list[Line | str]:
    """What the chosen strategies do to all that is staged, in `width` cells."""
    found: Sequence[ObjectType] = list(kinds)
    lines: list[Line | str] = []
    for strategy in dict.fromkeys(chosen.of(kind) for kind in found):
        told = EXPLAINED[strategy]
        lines.append(line((f"{told.name}: ", "strong"), told.sentence))
    lines += ["", _head("", "same name", width)]
    for kind in found:
        told = EXPLAINED[chosen.of(kind)]
        lines.append(_row(told, f"{LABELS[kind]}: {told.name}", True, glyphs, width, mark=False))
    return lines


def _head(what: str, same: str, width: int) -> Line:
    columns = (("", 1), (what, _names(width)), (same, 10), ("not in target", 13), ("only in target", 14))
    return row(min(width, WIDTH), *(Cell(text, size, "muted") for text, size in columns), gap=1)


def _names(width: int) -> int:
    """Cells that are left for what a row is about."""
    return max(8, min(width, WIDTH) - OUTCOMES)


def _row(told: Explained, name: str, chosen: bool, glyphs: Glyphs, width: int, mark: bool = True) -> Line:
    def tone(word: str) -> Tone:
        return TONES.get(word, "") if chosen else "muted"

    return row(
        min(width, WIDTH),
        Cell(glyphs.mark if chosen and mark else "", 1, "accent"),
        Cell(name, _names(width), "strong" if chosen else "muted"),
        Cell(told.same, 10, tone(told.same)),
        Cell(told.new, 13, tone(told.new)),
        Cell(told.only, 14, tone(told.only)),
        gap=1,
    )
