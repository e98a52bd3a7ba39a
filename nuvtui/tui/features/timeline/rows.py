"""The lines of the Timeline: what stands in them, and the line that they stand on.

Each state is a sign on a line that goes through all of them; an event without a snapshot of its own is a sign between
two. An automatic snapshot says what it was taken for: it is the trace of a restore or a distribution.
"""

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import NamedTuple, Protocol

from nuvtui.model.snapshot import Changes, SnapshotRecord
from nuvtui.model.snapshot_filter import FilterError, SnapshotFilter, parse
from nuvtui.model.timeline import Entry, Event, Group, Timeline, folded, sequence
from nuvtui.tui.common import describe
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.line_list import Source
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, fit, line

CURRENT = "current"
"""Key of the Current State's line."""
LINE = 3
"""Cells of the line, with its sign."""
COUNT = 5
"""Cells of a signed count: `+1.2k`."""
GAP = 2
WHERE = 6
"""Cells that say where a snapshot is: `● both`; twice as many where there is room for the names of remotes."""
LISTED = 200
"""Snapshots of a group that the detail lists."""
STATUS: dict[str, tuple[str, Tone]] = {
    "failed": ("failed", "bad"),
    "cancelled": ("cancelled", "warn"),
    "partial": ("failed for some", "bad"),
    "interrupted": ("interrupted", "bad"),
    "recalled": ("recalled", "warn"),
    "running": ("running", "accent"),
    "applying": ("under way", "accent"),
}
"""How a distribution ended, where it was not simply done."""
_SUMMARY = {
    "restored": ("restore", "restores"),
    "received": ("received", "received"),
    "recalled": ("recalled", "recalled"),
    "distributed": ("distributed", "distributed"),
    "exported": ("for export", "for exports"),
}


class Columns(NamedTuple):
    """The columns that there is room for, in cells; 0: left out."""

    name: int
    author: int = 0
    files: int = 0
    stored: int = 0
    unique: int = 0
    age: int = 6
    where: int = 0

    @classmethod
    def of(cls, width: int, several_authors: bool, remotes: bool = False) -> "Columns":
        """The columns of a list that is `width` cells wide. `remotes`: there are some, that may hold snapshots too."""
        where = (WHERE if width < 100 else 2 * WHERE) if remotes else 0
        width -= where + GAP if where else 0
        author = 10 if width >= 100 or (several_authors and width >= 64) else 0
        files = 13 if width >= 112 else 0
        stored = 7 if width >= 62 else 0
        unique = 7 if width >= 92 else 0
        others = [
            cells for cells in (3 * COUNT, author, files, stored, unique, cls._field_defaults["age"]) if cells
        ]
        name = max(8, width - LINE - sum(others) - GAP * len(others))
        return cls(name, author, files, stored, unique, where=where)

    def line(
        self,
        before: tuple[Piece, ...],
        name: Piece,
        note: Piece = ("", ""),
        *,
        changed: tuple[Piece, ...] = (("", ""),),
        author: str = "",
        files: str = "",
        stored: str = "",
        unique: str = "",
        where: str = "",
        age: str = "",
        ellipsis: str = "…",
    ) -> Line:
        """A line: the sign before it, the name with a note behind it, then what stands in the columns."""
        pieces: list[Piece] = [*before]
        room = self.name + LINE - sum(len(text) for text, _ in before)
        pieces += _in(room, name, note, ellipsis)
        # A gap belongs to what stands behind it: fewer changes of colour are fewer bytes over the line.
        for at, (text, tone) in enumerate(changed):
            cells = 3 * COUNT // len(changed) + (0 if at else GAP)
            pieces.append((fit(text, cells, "right", ellipsis), tone if text else "muted"))
        if self.author:
            pieces.append((" " * GAP + fit(author, self.author, ellipsis=ellipsis), "muted"))
        for text, cells in (
            (files, self.files),
            (stored, self.stored),
            (unique, self.unique),
            (where, self.where),
            (age, self.age),
        ):
            if cells:
                pieces.append((fit(text, cells + GAP, "right", ellipsis), "muted"))
        return Line(tuple(pieces))


def _in(room: int, name: Piece, note: Piece, ellipsis: str) -> list[Piece]:
    """A name, and a note where there is room for some of it, in exactly `room` cells."""
    if not note[0]:
        return [(fit(name[0], room, ellipsis=ellipsis), name[1])]
    said = fit(name[0], room, ellipsis=ellipsis).rstrip()
    used = min(room, len(fit(said, room).rstrip()) + GAP)
    return [
        (fit(said, used, ellipsis=ellipsis), name[1]),
        (fit(note[0], room - used, ellipsis=ellipsis), note[1]),
    ]


def understood(text: str) -> SnapshotFilter:
    """A filter as far as it can be understood: what is wrong is said while it is typed."""
    try:
        return parse(text, datetime.datetime.now().astimezone())
    except FilterError as error:
        return error.understood


def heading(width: int, several_authors: bool, remotes: bool) -> Line:
    """What the columns hold."""
    return Columns.of(width, several_authors, remotes).line(
        (), ("state", ""), changed=(("changed", ""),), author="author", files="files", stored="stored",
        unique="unique", where="where", age="age",
    )  # fmt: skip


def compact(count: int) -> str:
    """A count in at most four cells: `999`, `1.2k`, `100k`, `1.2M`."""
    if count < 1000:
        return str(count)
    for unit, length in (("k", 1000), ("M", 1_000_000)):
        if count < 10 * length:
            return f"{count // (length // 10) / 10:.1f}{unit}"
        if count < 1000 * length:
            return f"{count // length}{unit}"
    return "999M"


def counts(changes: Changes) -> tuple[Piece, ...]:
    """Added, changed, removed, each with its sign; `same` where nothing is."""
    total = describe.total(changes)
    if not any(total):
        return (("same", "muted"),)
    return tuple(
        (f"{sign}{compact(count)}" if count else "", tone)
        for count, (sign, tone) in zip(total, describe.SIGNS.values(), strict=True)
    )


class Shown(Protocol):
    """What the lines need to know of the Timeline."""

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""

    @property
    def unique(self) -> dict[str, int]:
        """Of some snapshots: what each alone keeps in the store."""

    def is_open(self, group: Group) -> bool:
        """Whether the snapshots of a group are shown."""

    def current_line(self, columns: Columns, before: tuple[Piece, ...]) -> Line:
        """The line of the Current State."""


class States(Source):
    """The lines of the Timeline. Made in a thread: with 10,000 snapshots it takes a few milliseconds."""

    def __init__(
        self,
        shown: Shown,
        timeline: Timeline,
        held: Mapping[str, Sequence[str]] | None = None,
        away: Collection[str] = (),
    ) -> None:
        """`held`: by snapshot, the remotes that hold it too, as last seen; None: there are no remotes.

        `away`: snapshots that only remotes hold.
        """
        self.away = frozenset(away)
        self.timeline = timeline
        self.held = held
        self.entries = folded(timeline)
        self.groups = [entry for entry in self.entries if isinstance(entry, Group)]
        self.several_authors = len({record.author for record in timeline.records}) > 1
        self.flat = False
        """All snapshots are lines of their own, as they are looked through by a filter."""
        self._shown = shown
        self._rows: list[tuple[Entry, bool]] = []
        self._said: dict[str, tuple[str, str]] = {}
        """Of groups that were drawn: their words, and what they added to the store."""
        self.arrange()

    def arrange(self) -> None:
        """Lay the lines out again: a group was opened or closed, or a filter looks into all of them."""
        if self.flat:
            rows = sequence(self.entries, lambda _group: True)
            self._rows = [(entry, False) for entry, _ in rows if not isinstance(entry, Group)]
        else:
            self._rows = sequence(self.entries, self._shown.is_open)

    def entry(self, index: int) -> Entry | None:
        """What stands in a line; None: the Current State."""
        return self._rows[index - 1][0] if 0 < index <= len(self._rows) else None

    def group_of(self, index: int) -> Group | None:
        """The group that a line is, or lies in where it is opened."""
        while 0 < index <= len(self._rows):
            entry, inside = self._rows[index - 1]
            if isinstance(entry, Group):
                return entry
            if not inside:
                return None
            index -= 1
        return None

    def _words(self, group: Group) -> tuple[str, str]:
        said = self._said.get(group.key)
        if said is None:
            stored = size(sum(record.stored_bytes for record in group.records))
            said = self._said[group.key] = (group_words(group, self.timeline), stored)
        return said

    def visible_key(self, key: Hashable) -> Hashable:
        """The key of the line where `key` is to be found while groups are folded."""
        for group in self.groups:
            if not self._shown.is_open(group) and any(record.id == key for record in group.records):
                return group.key
        return key

    def count(self) -> int:
        return len(self._rows) + 1

    def key(self, index: int) -> str:
        entry = self.entry(index)
        if entry is None:
            return CURRENT
        if isinstance(entry, SnapshotRecord):
            return entry.id
        return entry.key if isinstance(entry, Group) else f"{entry.kind} {entry.id}"

    def marks(self, index: int) -> tuple[Hashable, ...]:
        entry = self.entry(index)
        if isinstance(entry, Event):
            return ()
        if isinstance(entry, Group):
            return tuple(record.id for record in entry.records)
        return (self.key(index),)

    def text(self, index: int) -> str:
        entry = self.entry(index)
        if entry is None:
            return "Current State"
        if isinstance(entry, Event):
            return f"{event_words(entry)}  {describe.moment(entry.at)}"
        if isinstance(entry, Group):
            return f"{group_words(entry, self.timeline)}  {group_times(entry)}"
        words = (record_words(entry, self.timeline), entry.kind, entry.id, entry.author)
        return "  ".join((*words, describe.moment(entry.created)))

    def passes(self, text: str) -> Callable[[int], bool]:
        wanted = understood(text)
        timeline = self.timeline

        def passes(index: int) -> bool:
            entry = self.entry(index)
            if entry is None:
                return wanted.accepts_text("Current State")
            if isinstance(entry, Event):
                return wanted.accepts_event(entry, event_words(entry))
            if isinstance(entry, Group):
                return False
            event = timeline.traces.get(entry.id)
            said = trace_words(event) if event else ""
            day = describe.moment(entry.created)[:10] if wanted.words else ""
            return wanted.accepts(entry, event, f"{said}\n{day}")

        return passes

    def line(self, index: int, width: int) -> Line:
        glyphs = self._shown.glyphs
        columns = Columns.of(width, self.several_authors, self.held is not None)
        entry = self.entry(index)
        if entry is None:
            top = glyphs.line_top if self._rows else " "
            return self._shown.current_line(columns, ((top, "muted"), (f"{glyphs.current} ", "accent")))
        rail: Piece = (glyphs.line_end if index == len(self._rows) else glyphs.line_node, "muted")
        if isinstance(entry, Event):
            sign, tone = event_sign(entry, glyphs), STATUS.get(entry.status, ("", ""))[1]
            words = fit(event_words(entry), width - LINE - columns.age - GAP, ellipsis=glyphs.ellipsis)
            age = describe.age(entry.at).rjust(columns.age + GAP)
            return line(rail, (f"{sign} ", tone or "muted"), (words, tone), (age, "muted"))
        if isinstance(entry, Group):
            sign = glyphs.opened if self._shown.is_open(entry) else glyphs.closed
            words, stored = self._words(entry)
            return columns.line(
                (rail, (f"{sign} ", "muted")),
                (words, "muted"),
                changed=((group_times(entry), "muted"),),
                stored=stored,
                where=self._where(entry.records, columns, glyphs),
                age=describe.age(entry.records[0].created),
                ellipsis=glyphs.ellipsis,
            )
        return self._record(entry, rail, self._rows[index - 1][1], columns, glyphs)

    def _record(
        self, record: SnapshotRecord, rail: Piece, inside: bool, columns: Columns, glyphs: Glyphs
    ) -> Line:
        event = self.timeline.traces.get(record.id)
        named = record.kind == "named"
        sign = event_sign(event, glyphs) if event and not named else describe.kind_sign(record.kind, glyphs)
        note = trace_words(event) if event and named else ""
        unique = self._shown.unique.get(record.id)
        return columns.line(
            (rail, (f"{' ' if inside else ''}{sign} ", "accent" if named else "muted")),
            (record_words(record, self.timeline), "" if named else "muted"),
            (note, "muted"),
            changed=counts(record.changes),
            author=record.author,
            files=describe.plural(record.files.count, "file"),
            stored=size(record.stored_bytes),
            unique="" if unique is None else size(unique),
            where=self._where([record], columns, glyphs),
            age=describe.age(record.created),
            ellipsis=glyphs.ellipsis,
        )

    def _where(self, records: Sequence[SnapshotRecord], columns: Columns, glyphs: Glyphs) -> str:
        """Whether remotes hold snapshots too, and which, where there is room for names."""
        if self.held is None:
            return ""
        if records[0].id in self.away:
            return f"{glyphs.down} there"
        names = [self.held.get(record.id, ()) for record in records]
        if not all(names):
            return f"{glyphs.unheld} some" if any(names) else f"{glyphs.unheld} here"
        everywhere = [name for name in names[0] if all(name in each for each in names)]
        if columns.where > WHERE and everywhere:
            return f"{glyphs.held} {', '.join(everywhere)}"
        return f"{glyphs.held} both"


# words


def record_words(record: SnapshotRecord, timeline: Timeline) -> str:
    """What a snapshot is called in the list: its name, else what it was taken for, else its kind."""
    event = timeline.traces.get(record.id)
    if record.name or event is None:
        return describe.title(record)
    return trace_words(event)


def trace_words(event: Event) -> str:
    """What the automatic snapshot of an event is: mostly, what was here before it."""
    if event.kind == "restored":
        return f"before restore of {event.what}"
    if event.kind == "exported":
        return f"for export of {event.what}"
    if event.kind == "distributed":
        return f"distributed to {_targets(event)}" if event.targets else "source of a distribution"
    if not event.what:
        return "before a recall" if event.kind == "recalled" else "before a distribution"
    if event.kind == "recalled":
        return f"before recall of what {event.what} sent"
    return f"before receiving from {event.what}{_outcome(event)}"


def event_words(event: Event) -> str:
    """An event that has a line of its own."""
    if event.kind == "received":
        return f"received from {event.what}{_outcome(event)}"
    said = f", {STATUS[event.status][0]}" if event.status in STATUS else ""
    source = f" {event.source}" if event.source else ""
    return f"distributed{source} to {_targets(event)}{said}"


def _outcome(event: Event) -> str:
    if event.objects is not None:
        recalled = ", recalled" if event.status == "recalled" else ""
        return f": {describe.plural(event.objects, 'object')}{recalled}"
    return f", {STATUS[event.status][0]}" if event.status in STATUS else ""


def _targets(event: Event) -> str:
    more = f" and {event.targets - 1:,} more" if event.targets > 1 else ""
    return f"{event.what}{more}"


def event_sign(event: Event, glyphs: Glyphs) -> str:
    """The sign of what happened."""
    return {
        "restored": glyphs.restored,
        "received": glyphs.received,
        "recalled": glyphs.recalled,
        "distributed": glyphs.distributed,
        "exported": glyphs.automatic,
    }[event.kind]


def group_words(group: Group, timeline: Timeline) -> str:
    """How many automatic snapshots a group holds, and what they were taken for."""
    found: Counter[str] = Counter(
        timeline.traces[record.id].kind for record in group.records if record.id in timeline.traces
    )
    said = [
        f"{found[kind]} {one if found[kind] == 1 else many}"
        for kind, (one, many) in _SUMMARY.items()
        if found[kind]
    ]
    return f"{len(group.records):,} automatic{': ' + ', '.join(said) if said else ' snapshots'}"


def group_times(group: Group) -> str:
    """When the snapshots of a group were taken: `2 d - 3 h`."""
    old, new = (describe.age(record.created) for record in (group.records[-1], group.records[0]))
    return old if old == new else f"{old} - {new}"


def group_lines(group: Group, timeline: Timeline) -> list[Line | str]:
    """The detail of a group: each of its snapshots in a line."""
    stored = size(sum(record.stored_bytes for record in group.records))
    old, new = (describe.ago(record.created) for record in (group.records[-1], group.records[0]))
    lines: list[Line | str] = [
        line(
            (f"{len(group.records):,} automatic snapshots", "strong"),
            (f", taken {old}" if old == new else f", taken {old} to {new}", "muted"),
        ),
        line(("Enter opens and closes them, Space marks them all.  ", "muted"), f"{stored} new in the store"),
        "",
    ]
    for record in group.records[:LISTED]:
        when = f"{describe.moment(record.created)}  {record.id[:8]}"
        lines.append(line(f"  {record_words(record, timeline)}", right=[(when, "muted")]))
    if len(group.records) > LISTED:
        lines.append(line((f"  and {len(group.records) - LISTED:,} more", "muted")))
    return lines


def event_lines(event: Event) -> list[Line | str]:
    """The detail of an event."""
    status, tone = STATUS.get(event.status, (event.status or "completed", ""))
    lines: list[Line | str] = [
        line((event_words(event), "strong"), "  ", (event.id[:8], "muted")),
        line(
            (
                f"distribution by {event.author}, {describe.moment(event.at)} ({describe.ago(event.at)})",
                "muted",
            )
        ),
        line(("Result   ", "muted"), (status, tone)),
    ]
    if event.kind == "distributed":
        lines.append(line(("From     ", "muted"), event.source or "a snapshot that was deleted since"))
        lines.append(
            line(("To       ", "muted"), f"{_targets(event)} ({describe.plural(event.targets, 'instance')})")
        )
    else:
        lines.append("The automatic snapshot of what was here before was deleted since.")
    if event.message:
        lines += [
            "",
            *(
                line(("Message  ", "muted") if not at else "         ", part)
                for at, part in enumerate(event.message.split("\n"))
            ),
        ]
    lines += ["", line(("Enter shows all distributions of this space.", "muted"))]
    return lines
