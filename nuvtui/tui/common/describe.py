"""Snapshots, states and differences as lines: what lists and details say about them."""

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nuvtui import clock
from nuvtui.model.diff import ApplicationChange, Diff, FileChange, TableChange
from nuvtui.model.names import short, text_to_path
from nuvtui.model.snapshot import Changes, Snapshot, SnapshotRecord
from nuvtui.model.timeline import Event
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, fit, line

if TYPE_CHECKING:
    from nuvtui.model.table import ColumnStats

Change = FileChange | TableChange | ApplicationChange
SIGNS: dict[str, tuple[str, Tone]] = {
    "added": ("+", "good"),
    "changed": ("~", "warn"),
    "removed": ("-", "bad"),
}
"""Sign and tone of a change."""


def moment(text: str) -> str:
    """A time in the user's own time zone: `2026-11-23 21:40`."""
    return clock.parse(text).astimezone().strftime("%Y-%m-%d %H:%M")


def moment_of(nanoseconds: int) -> str:
    """As `moment`, of a file's time; empty where there is none."""
    try:
        return (
            datetime.datetime.fromtimestamp(nanoseconds / 1e9).strftime("%Y-%m-%d %H:%M")
            if nanoseconds
            else ""
        )
    except (OverflowError, ValueError, OSError):
        return ""


def age_of(nanoseconds: int) -> str:
    """As `age`, of a file's time; empty where there is none."""
    try:
        when = datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC) if nanoseconds else None
    except (OverflowError, ValueError, OSError):
        return ""
    return age(when.isoformat()) if when else ""


def age(text: str, now: datetime.datetime | None = None) -> str:
    """How long ago a time was, in at most six cells: `now`, `5 min`, `3 h`, `12 d`, `8 mon`, `2 y`."""
    now = now or datetime.datetime.now(datetime.UTC)
    seconds = (now - clock.parse(text)).total_seconds()
    if seconds < 60:
        return "now"
    for unit, length, most in (("min", 60, 60), ("h", 3600, 24), ("d", 86_400, 60), ("mon", 2_629_800, 24)):
        if seconds < length * most:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds // 31_557_600)} y"


def ago(text: str) -> str:
    """How long ago a time was, for a sentence: `just now`, `5 min ago`."""
    words = age(text)
    return "just now" if words == "now" else f"{words} ago"


def plural(count: int, word: str) -> str:
    """`1 file`, `12 files`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def path_shown(text: str) -> str:
    """`text` as the path that it stands for; as it is where it is not the text of a path."""
    try:
        return text_to_path(text)
    except ValueError:
        return text


def kind_sign(kind: str, glyphs: Glyphs) -> str:
    """The sign of a snapshot's kind: named, quick or automatic (the kind is also said in words)."""
    return {"named": glyphs.named, "quick": glyphs.quick, "automatic": glyphs.automatic}[kind]


def title(record: SnapshotRecord | Snapshot) -> str:
    """What a snapshot is called in a list: its name, else its cause, else its kind."""
    cause = record.cause
    if not record.name and cause is not None and cause.reason == "restore":
        return f"before restore of {cause.name or f'{cause.kind} {short(cause.id)}'}"
    return record.name or record.sentence or f"{record.kind} snapshot"


def called(record: SnapshotRecord | Snapshot) -> str:
    """What a snapshot is called in a header or sentence: its name, else its id."""
    return record.name or f"{record.kind} {short(record.id)}"


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells."""
    return fit(text, width).rstrip()


def spread(found: "ColumnStats", levels: str) -> str:
    """How the values of a column are spread: a small histogram, or the most frequent values with their share."""
    filled = found.rows - found.nulls
    if found.bins and any(found.bins):
        most = max(found.bins)
        return "".join(levels[-(-count * (len(levels) - 1) // most)] for count in found.bins)
    parts = [f"{value[:24]} {100 * count / filled:.0f} %" for value, count in found.top if filled and count]
    if (
        found.distinct is not None
        and found.distinct > 20 * len(found.top)
        and found.top
        and found.top[0][1] < 2
    ):
        return "all different" if found.distinct >= 0.95 * filled else ""
    return ", ".join(parts)


def signed(counts: Sequence[int]) -> list[Piece]:
    """Added, changed and removed as `+1 ~2 -3`; nothing where all are 0."""
    pieces: list[Piece] = []
    for count, (sign, tone) in zip(counts, SIGNS.values(), strict=True):
        if count:
            pieces.append((f"{' ' if pieces else ''}{sign}{count:,}", tone))
    return pieces


def total(changes: Changes) -> tuple[int, int, int]:
    """Changes of all types together."""
    sums = [sum(counts) for counts in zip(changes.files, changes.tables, changes.applications, strict=True)]
    return sums[0], sums[1], sums[2]


def changes_of(diff: Diff) -> list[Change]:
    """All that differs: files, tables, applications."""
    return [*diff.files, *diff.tables, *diff.applications]


def counted(diff: Diff) -> Changes:
    """A difference as counts."""

    def count(found: Iterable[FileChange | TableChange | ApplicationChange]) -> tuple[int, int, int]:
        kinds = [change.change for change in found]
        return kinds.count("added"), kinds.count("changed"), kinds.count("removed")

    return Changes(count(diff.files), count(diff.tables), count(diff.applications))


def changes_line(changes: Changes, label: str) -> Line:
    """`label  files +1 ~2, tables +1`; `nothing` where nothing changed."""
    pieces: list[Piece] = [(label, "muted")]
    some = False
    for name, counts in (
        ("files", changes.files),
        ("tables", changes.tables),
        ("applications", changes.applications),
    ):
        if any(counts):
            pieces += [(", " if some else "", "muted"), (f"{name} ", ""), *signed(counts)]
            some = True
    if not some:
        pieces.append(("nothing", ""))
    return line(*pieces)


def holds(record: SnapshotRecord) -> str:
    """What a snapshot holds: `19 files, 1 table, 3 applications`."""
    parts = [plural(record.files.count, "file")]
    if record.tables:
        parts.append(plural(len(record.tables), "table"))
    if record.applications:
        parts.append(plural(len(record.applications), "application"))
    return ", ".join(parts)


def snapshot_lines(
    record: SnapshotRecord,
    manifest: Snapshot | None,
    unique: int | None = None,
    *,
    event: Event | None = None,
    remotes: Sequence[str] | None = None,
    away: bool = False,
    roomy: bool = True,
) -> list[Line | str]:
    """The detail of a snapshot. `manifest` None: not read yet, its provenance is left out.

    `unique`: bytes of the store that it alone needs; None: not known. `event`: what it was taken for. `remotes`: those
    that hold it too; None: there are none. `roomy`: with empty lines between its parts.
    """
    space: list[Line | str] = [""] if roomy else []
    lines: list[Line | str] = [
        line((title(record), "strong"), "  ", (short(record.id), "muted")),
        line(
            (
                f"{record.kind} snapshot by {record.author}, {moment(record.created)} ({ago(record.created)})",
                "muted",
            )
        ),
    ]
    if event is not None:
        lines.append(taken_for(event))
    elif record.sentence:
        lines.append(line(("Taken ", "muted"), record.sentence))
    for label, text in (("", record.description), ("Next: ", record.next_phase)):
        if text:
            lines += [*space, *(line((label, "muted"), part) for part in text.split("\n"))]
    lines += [*space, *(_parts(record) if roomy else [_parts_in_a_line(record)])]
    lines.append(changes_line(record.changes, "Changed  "))
    stored = f"{size(record.stored_bytes)} new in the store"
    if not roomy and unique is not None:
        stored = f"{stored}, {size(unique)} unique: freed by deleting it alone"
    lines.append(line(("Stored   ", "muted"), stored))
    if roomy and unique is not None:
        what = (
            f"{size(unique)}: what deleting it alone frees" if unique else "nothing: other states need it all"
        )
        lines.append(line(("Unique   ", "muted"), what))
    if remotes is not None:
        lines.append(line(("Where    ", "muted"), held_by(remotes, away)))
    if manifest is not None:
        lines += [*space, *_provenance(manifest)]
    elif record.warnings:
        lines.append(line((f"{plural(record.warnings, 'warning')}", "warn")))
    return lines


def held_by(remotes: Sequence[str], away: bool = False) -> str:
    """Where a snapshot is: `here, and on lab and usb as last seen`; `away`: only there."""
    if away:
        return f"on {listed(remotes)} only: opening it reads from there, L brings it here"
    if not remotes:
        return "on this machine only; P pushes it to a remote"
    return f"here, and on {listed(remotes)} as last seen"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `lab`, `lab and usb`, `lab, usb and vault`."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _tables(record: SnapshotRecord) -> str:
    return ", ".join(f"{table.name} ({plural(table.rows, 'row')})" for table in record.tables)


def _parts(record: SnapshotRecord) -> list[Line | str]:
    lines: list[Line | str] = [
        line(("Holds    ", "muted"), f"{holds(record)}; {size(record.files.bytes)} of files")
    ]
    if record.tables:
        lines.append(line(("Tables   ", "muted"), _tables(record)))
    if record.applications:
        lines.append(line(("Apps     ", "muted"), ", ".join(record.applications)))
    return lines


def _parts_in_a_line(record: SnapshotRecord) -> Line:
    pieces: list[Piece] = [("Holds    ", "muted")]
    pieces.append((f"{plural(record.files.count, 'file')}, {size(record.files.bytes)}", ""))
    if record.tables:
        pieces += [("; tables ", "muted"), (_tables(record), "")]
    if record.applications:
        pieces += [("; apps ", "muted"), (", ".join(record.applications), "")]
    return line(*pieces)


def taken_for(event: Event) -> Line:
    """What an automatic snapshot is, in plain words."""
    what = event.what or "something"
    back: Piece = (": r brings it back.", "muted")
    if event.kind == "restored":
        return line(("What was here before ", "muted"), what, (" was restored", "muted"), back)
    if event.kind == "received":
        return line(("What was here before ", "muted"), what, (" distributed to it", "muted"), back)
    if event.kind == "recalled":
        return line(("What was here before the recall of what came from ", "muted"), what, back)
    if event.kind == "exported":
        return line(("The Current State as ", "muted"), what, (" was exported from it.", "muted"))
    more = f" and {event.targets - 1:,} more" if event.targets > 1 else ""
    return line(("The Current State as it was distributed to ", "muted"), f"{what}{more}", (".", "muted"))


def _provenance(manifest: Snapshot) -> list[Line | str]:
    made = manifest.provenance
    lines: list[Line | str] = [
        line(("From     ", "muted"), f"{text_to_path(made.workspace)} on {made.host}"),
        line(("With     ", "muted"), f"nuvtui {made.nuvtui}, Python {made.python}, {made.platform}"),
    ]
    if made.code is not None:
        code = made.code
        branch = f" on {code.branch}" if code.branch else ""
        dirty: Piece = (", with changes not committed" if code.dirty else ", nothing uncommitted", "")
        lines.append(line(("Code     ", "muted"), f"{code.commit[:12]}{branch}", dirty))
    for application in manifest.applications:
        if application.lock is not None:
            lock = application.lock
            what = f"{application.slug}: {plural(len(lock.packages), 'package')}, {lock.interpreter}"
            lines.append(line(("Packages ", "muted"), what))
        elif application.lock_note:
            lines.append(line(("Packages ", "muted"), f"{application.slug}: {application.lock_note}"))
    for warning in manifest.warnings:
        lines.append(line(("! ", "warn"), f"{text_to_path(warning.path)}: {warning.reason}"))
    return lines


def change_name(change: Change) -> str:
    """The name of what changed."""
    if isinstance(change, FileChange):
        return text_to_path(change.path)
    return change.name if isinstance(change, TableChange) else change.slug


def change_line(change: Change) -> Line:
    """A change in one line."""
    sign, tone = SIGNS[change.change]
    kind = {FileChange: "", TableChange: "table ", ApplicationChange: "application "}[type(change)]
    return line(
        (f"{sign} ", tone), (kind, "muted"), change_name(change), right=[(change_note(change), "muted")]
    )


def change_note(change: Change) -> str:
    """What changed about it, in a few words."""
    if isinstance(change, FileChange):
        sizes = [size(each) for each in (change.old_size, change.new_size) if each is not None]
        if len(sizes) == 2 and sizes[0] == sizes[1]:
            sizes = sizes[:1]
        return ", ".join(part for part in (change.detail, " → ".join(sizes)) if part)
    if isinstance(change, TableChange):
        if change.change == "changed":
            parts = [f"{change.old_rows or 0:,} → {plural(change.new_rows or 0, 'row')}"]
            if change.rows_added or change.rows_removed:
                parts.append(f"+{change.rows_added or 0:,} -{change.rows_removed or 0:,}")
            columns = len(change.columns_added) + len(change.columns_removed) + len(change.columns_retyped)
            if columns:
                parts.append(plural(columns, "column") + " differ")
            if change.described or change.description_changed:
                parts.append("descriptions differ")
            if change.constraints_changed:
                parts.append("keys differ")
            return ", ".join(parts)
        rows = change.new_rows if change.new_rows is not None else change.old_rows
        return plural(rows or 0, "row")
    parts = ["configuration"] if change.configuration else []
    if change.packages:
        parts.append(plural(len(change.packages), "package"))
    return ", ".join(parts)
