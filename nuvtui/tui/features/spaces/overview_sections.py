"""The sections of the overview of a space, as lines."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nuvtui.model.names import short
from nuvtui.model.task import TaskView
from nuvtui.services.spaces.overview import ExportLine, InstanceLine, MessageLine, Overview, SnapshotLine
from nuvtui.tui.common import describe, export_details
from nuvtui.tui.common.navigation import Target
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Cell, Line, Piece, line, row


class Entry(NamedTuple):
    """A line: of a thing, or (no key) the title of a section or a word where there is nothing."""

    draw: Callable[[int], Line]
    key: str = ""
    target: Target | None = None
    detail: tuple[Line | str, ...] = ()


class Section(NamedTuple):
    """A part of the overview."""

    name: str
    entries: list[Entry]
    empty: str
    note: str = ""


class Drawer:
    """Makes the sections of an overview."""

    def __init__(self, overview: Overview, glyphs: Glyphs, most: int, here: object) -> None:
        """`most`: lines of what is many; `here`: the instance that is open."""
        self._overview = overview
        self._glyphs = glyphs
        self._most = most
        self._here = getattr(here, "id", "")
        self._ids = {each.name: each.id for each in overview.instances}

    def instances(self) -> Section:
        """Instances with their newest snapshot."""
        return Section("Instances", [self._instance(each) for each in self._overview.instances], "")

    def _instance(self, each: InstanceLine) -> Entry:
        here = each.id == self._here
        newest = each.newest

        def draw(width: int) -> Line:
            count = "" if each.snapshots is None else f"{each.snapshots:,}"
            words = "" if each.snapshots is None else describe.plural(each.snapshots, "snapshot")
            what = "your role does not show its snapshots" if each.snapshots is None else "no snapshot yet"
            return row(
                width,
                Cell(f"{self._glyphs.mark if here else ' '} {each.name}", 16, "strong" if here else ""),
                Cell(_called(newest) if newest else what, 0, "" if newest else "muted"),
                Cell(words, 14, "muted", "right") if width >= 70 else Cell(count, 6, "muted", "right"),
                Cell(describe.age(newest.created) if newest else "", 7, "muted", "right"),
            )

        role = f"your role here: {each.role}" if each.role else "you have no role here"
        count = "" if each.snapshots is None else f"{describe.plural(each.snapshots, 'snapshot')}, "
        return Entry(
            draw,
            each.id,
            Target("instance", each.id, each.name),
            (
                line((each.name, "strong"), f"  {count}{role}", (", open now" if here else "", "muted")),
                line((each.workspace, "muted")),
            ),
        )

    def snapshots(self) -> Section:
        """The newest of all instances."""
        entries = [self._snapshot(each) for each in self._overview.snapshots[: self._most]]
        return Section("Newest snapshots", entries, "None yet. s in the Timeline (1) takes one.")

    def _snapshot(self, each: SnapshotLine) -> Entry:
        mark = describe.kind_sign(each.kind, self._glyphs)
        return Entry(
            lambda width: row(
                width,
                Cell(f"{mark} {_called(each)}", 0, "" if each.kind == "named" else "muted"),
                Cell(each.instance, 12, "muted"),
                Cell(describe.age(each.created), 7, "muted", "right"),
            ),
            each.id,
            Target("snapshot", each.id, _called(each), self._ids[each.instance]),
            (
                line((_called(each), "strong"), f"  {each.kind} snapshot of {each.instance}"),
                line((f"by {each.author}, {describe.moment(each.created)}, id {short(each.id)}", "muted")),
            ),
        )

    def finished(self, tasks: Sequence[TaskView], since: str) -> Section:
        """What ended since the user last closed the screens."""
        from nuvtui.worker import last_seen

        mine = [task for task in tasks if task.space in ("", self._overview.id)]
        found = last_seen.since(mine, since)
        name = f"Finished since you left {describe.ago(since)}" if since else "Finished since last time"
        return Section(
            name,
            [self._task(task) for task in found[: self._most]],
            "Nothing." if since else "Nothing: you are here for the first time.",
            f"{len(found)} in all" if len(found) > self._most else "",
        )

    def _task(self, task: TaskView) -> Entry:
        from nuvtui.tui.common.outcome import WORDS, sign

        mark, tone = sign(task.status, self._glyphs)
        when = task.finished or task.created
        why = f": {task.error.title}" if task.error else ""
        return Entry(
            lambda width: row(
                width,
                Cell(f"{mark} {WORDS[task.status]}", 11, tone),
                Cell(task.title or task.kind),
                Cell(describe.age(when), 7, "muted", "right"),
            ),
            task.id,
            Target("task", task.id, task.title or task.kind),
            (
                line((task.title or task.kind, "strong"), f"  {WORDS[task.status]}{why}"),
                line((f"{describe.moment(when)}, id {short(task.id)}", "muted")),
            ),
        )

    def messages(self) -> Section:
        """What came along with distributions."""
        found = self._overview.messages[: self._most]
        return Section(
            "Messages", [self._message(each) for each in found], "None. They come along with distributions."
        )

    def _message(self, each: MessageLine) -> Entry:
        text = " ".join(each.text.split())
        return Entry(
            lambda width: row(
                width,
                Cell("" if each.read else "new", 3, "warn"),
                Cell(each.sender, 10),
                Cell(text, 0, "muted" if each.read else ""),
                Cell(describe.age(each.created), 7, "muted", "right"),
            ),
            each.id,
            Target("message", each.id, f"The message of {each.sender}", self._ids[each.instance]),
            (
                line((text, "strong")),
                line((f"from {each.sender} to {each.instance}, {describe.moment(each.created)}", "muted")),
            ),
        )

    def exports(self) -> Section:
        """The newest exports."""
        found = self._overview.exports[: self._most]
        return Section(
            "Exports", [self._export(each) for each in found], "None yet. n in Exports (4) makes one."
        )

    def _export(self, each: ExportLine) -> Entry:
        mark, tone = export_details.sign(each.status, self._glyphs)
        return Entry(
            lambda width: row(
                width,
                Cell(f"{mark} {each.status}", 11, tone),
                Cell(each.name),
                Cell(size(each.size) if each.size else "", 8, "muted", "right"),
                Cell(describe.age(each.created), 7, "muted", "right"),
            ),
            each.id,
            Target("export", each.id, each.name),
            (
                line((each.name, "strong"), f"  application {each.application} of {each.instance}"),
                line((f"{each.image or each.status}, {describe.moment(each.created)}", "muted")),
            ),
        )

    def storage(self, store: int | None) -> Section:
        """Bytes by instance, by kind, and of the whole store."""
        held = self._overview.storage
        entries = [
            self._bar(each.name, each.stored_bytes, held.total, each.id)
            for each in self._overview.instances
            if each.stored_bytes
        ]
        kinds: list[Piece] = []
        for name, number in (("named", held.named), ("quick", held.quick), ("automatic", held.automatic)):
            if number:
                kinds += [
                    (", " if kinds else "By kind         ", "muted"),
                    (f"{name} ", "muted"),
                    (size(number), ""),
                ]
        whole = "adding up" if store is None else size(store)
        plain = f"{size(held.newest_files)} of files in the newest snapshots, as plain copies"
        entries.append(
            Entry(
                lambda _width: line(*(kinds or [("By kind         nothing yet", "muted")])),
                "kinds",
                None,
                (
                    line(("Bytes that snapshots added to the store when they were taken.", "")),
                    line((plain, "muted")),
                ),
            )
        )
        entries.append(
            Entry(
                lambda _width: line(("Store on disk   ", "muted"), whole, ("  all spaces", "muted")),
                "store",
                None,
                (
                    line("All packs on the disk. Equal content is kept once, compressed."),
                    line(
                        ("nuvtui store info tells more; nuvtui store gc frees what nothing needs.", "muted")
                    ),
                ),
            )
        )
        return Section("Storage", entries, "")

    def _bar(self, name: str, number: int, total: int, key: str) -> Entry:
        def draw(width: int) -> Line:
            length = max(8, min(30, width - 46))
            full = max(1, round(length * number / total)) if total else 0
            return row(
                width,
                Cell(f"  {name}", 14),
                Cell(
                    self._glyphs.bar_full * full + self._glyphs.bar_empty * (length - full), length, "accent"
                ),
                Cell(size(number), 8, "", "right"),
                Cell(f"{round(100 * number / total) if total else 0} %", 5, "muted", "right"),
            )

        return Entry(
            draw,
            f"bytes {key}",
            Target("instance", key, name),
            (
                line((name, "strong"), f"  its snapshots added {size(number)} to the store"),
                line(
                    (
                        "Enter opens the instance; deleting snapshots and `nuvtui store gc` free storage.",
                        "muted",
                    )
                ),
            ),
        )


def _called(snapshot: SnapshotLine) -> str:
    return snapshot.name or snapshot.cause or f"{snapshot.kind} snapshot"


def _title(section: Section) -> Entry:
    said = "" if section.entries else section.empty
    note: list[Piece] = [(section.note, "muted")] if section.note else []
    return Entry(
        lambda _width: line((section.name, "accent"), (f"  {said}" if said else "", "muted"), right=note)
    )
