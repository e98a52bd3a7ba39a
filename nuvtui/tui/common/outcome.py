"""How a task went, in facts for people: why it failed, what it brought, the way out and the way back."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from nuvtui.model.distribution import Counts, Distribution, TargetResult
from nuvtui.model.export import ExportRecord, Verification
from nuvtui.model.maintenance import CheckReport, PruneReport, RepairReport
from nuvtui.model.names import short, text_to_path
from nuvtui.model.operations import Loaded, RestoreResult, result_of
from nuvtui.model.remote import CloneResult, PullResult, PushResult, RemoteCheck, RemotePrune
from nuvtui.model.snapshot import SnapshotRecord
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.common.export_details import verification_fields
from nuvtui.tui.toolkit.amounts import amount, size
from nuvtui.tui.toolkit.detail_list import LABEL, Field, field, say
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, line
from nuvtui.tui.toolkit.moments import took

WORDS = {
    TaskStatus.QUEUED: "queued",
    TaskStatus.RUNNING: "running",
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "cancelled",
}


class Back(NamedTuple):
    """An automatic snapshot that brings an instance back to what it was."""

    snapshot: str
    instance: str
    name: str
    """What the instance is called; empty where the result does not say."""


def sign(status: TaskStatus, glyphs: Glyphs) -> tuple[str, Tone]:
    """The sign of a status and its tone; the word always stands beside it."""
    return {
        TaskStatus.QUEUED: (glyphs.waiting, "muted"),
        TaskStatus.RUNNING: (glyphs.running, "accent"),
        TaskStatus.COMPLETED: (glyphs.done, "good"),
        TaskStatus.FAILED: (glyphs.failed, "bad"),
        TaskStatus.CANCELLED: (glyphs.failed, "warn"),
    }[status]  # type: ignore[return-value]


def reason(task: TaskView, glyphs: Glyphs) -> list[Line]:
    """How a task ended, and where it went wrong: why, in its own words."""
    if not task.status.ended:
        return []
    mark, tone = sign(task.status, glyphs)
    time = took(task.started or task.created, task.finished)
    word = WORDS[task.status] + (" (interrupted)" if task.interrupted else "")
    failed = next((step for step in reversed(task.steps) if step.failed), None)
    where = f" at: {failed.title}" if failed is not None and task.status is TaskStatus.FAILED else ""
    lines = [line((f"{mark} {word.capitalize()}{where}", tone), (f"  after {time}" if time else "", "muted"))]
    if task.error is not None and task.status is not TaskStatus.COMPLETED:
        if task.error.title and task.error.title.lower() != "cancelled":
            lines.append(line((task.error.title, "strong")))
        lines += [line(part) for part in task.error.message.splitlines() if part.strip()]
    return lines


def way_out(task: TaskView, glyphs: Glyphs) -> list[Line]:
    """What to do where a task did not complete."""
    if task.error is None or not task.error.hint or task.status is TaskStatus.COMPLETED:
        return []
    return [line((f"{glyphs.arrow} ", "accent"), task.error.hint)]


def brought(task: TaskView, glyphs: Glyphs) -> list[Field]:
    """What a completed task brought, and its warnings."""
    found: list[Field] = []
    if task.status is TaskStatus.COMPLETED:
        found += _result(task.kind, result_of(task), glyphs)
    return found + warnings(task, glyphs)


def warnings(task: TaskView, glyphs: Glyphs) -> list[Field]:
    """What a task warned of."""
    found = [warned(warning, glyphs) for warning in task.warnings]
    if task.more_warnings:
        found.append(say((f"{task.more_warnings:,} more warnings", "warn")))
    return found


def warned(warning: str, glyphs: Glyphs) -> Field:
    """A warning."""
    return say((f"{glyphs.warning} {warning}", "warn"), value=warning, what="the warning")


def _result(kind: str, result: Any, glyphs: Glyphs) -> Iterator[Field]:
    match result:
        case Distribution():
            for target in result.targets:
                yield from target_fields(target, glyphs)
        case RestoreResult():
            for name in ("files", "tables", "applications"):
                written, removed = getattr(result, name), getattr(result, f"{name}_removed")
                yield field(name.capitalize(), f"{written:,} written, {removed:,} removed")
            yield _before(result.backup, "u brings back what was there")
        case ExportRecord(verification=Verification() as verification) if kind == "verify":
            yield from verification_fields(verification, glyphs)
        case ExportRecord():
            yield from _pairs(
                ("Image", result.image),
                ("Digest", result.digest),
                ("Size", size(result.size) if result.size else ""),
                ("Archive", text_to_path(result.archive) if result.archive else ""),
                ("Run it", result.run_command),
            )
            if result.excluded:
                yield say(
                    (f"{len(result.excluded):,} left out; r shows the report with the reasons", "muted")
                )
        case Loaded():
            for image in result.images:
                yield field("Image", image)
        case RemoteCheck():
            yield from check_fields(result, NOT_READ_THERE, glyphs)
        case CheckReport():
            yield from check_fields(result, NOT_READ, glyphs)
        case PruneReport():
            would = "would be " if result.dry_run else ""
            yield field("Would free" if result.dry_run else "Freed", size(result.freed_bytes))
            yield field(
                "Packs",
                f"{result.removed_packs:,} {would}removed, {result.rewritten_packs:,} {would}written anew",
            )
        case RepairReport():
            yield from repair_fields(result, glyphs)
        case PushResult() | PullResult():
            yield field("Snapshots", f"{len(result.snapshots):,} that were not there before")
            yield field("Objects", f"{result.objects:,}")
            yield field("Size", size(result.bytes))
        case RemotePrune():
            yield from remote_prune_fields(result)
        case CloneResult():
            yield field("Space", result.space.name)
            yield field("Folder", text_to_path(result.workspace))
            yield field("As of", short(result.restored), "", "accent", "the id of the snapshot")
            yield field("Snapshots", f"{len(result.pulled.snapshots):,} in this store")
        case SnapshotRecord():
            name = result.name or result.kind
            yield field("Snapshot", short(result.id), name, "accent", "the id of the snapshot")
        case _:
            values = msgspec.to_builtins(result)
            yield from _pairs(
                *(
                    (key.replace("_", " ").capitalize(), f"{value:,}" if type(value) is int else str(value))
                    for key, value in (values.items() if isinstance(values, dict) else ())
                    if isinstance(value, str | int | float) and not isinstance(value, bool)
                )
            )


def check_fields(found: CheckReport | RemoteCheck, not_read: str, glyphs: Glyphs) -> Iterator[Field]:
    """What a check found; `not_read`: what is said where it compared no bytes."""
    looked = (
        f"{amount(found.snapshots, 'snapshots')}, {amount(found.objects, 'objects')} "
        f"in {amount(found.packs, 'packs')}"
    )
    if found.problems:
        yield field("Check", f"{len(found.problems):,} wrong", looked, "bad")
    else:
        yield field("Check", "all there", looked, "good")
    for problem in found.problems:
        hurt = f"; hurts {', '.join(map(short, problem.snapshots))}" if problem.snapshots else ""
        yield say((f"{glyphs.failed} {problem.what}: {problem.detail}{hurt}", "bad"))
    yield field(
        "Bytes", f"{size(found.read)} read and compared" if found.read else "", "" if found.read else not_read
    )


def repair_fields(found: RepairReport, glyphs: Glyphs) -> Iterator[Field]:
    """What a repair of the store made again, or would, and what it had to set aside."""
    store, state = found.store, found.state
    would = "would be " if found.dry_run else ""
    held = f"{amount(store.packs, 'packs')} with {amount(store.objects, 'objects')}"
    yield field("Index", f"{would}made again from {held}")
    for name in store.damaged_packs:
        yield say((f"{glyphs.failed} pack {short(name)}: damaged, {would}moved to the quarantine", "bad"))
    for name in store.damaged_snapshots:
        yield say(
            (f"{glyphs.failed} snapshot {short(name)}: its manifest {would}moved to the quarantine", "bad")
        )
    if store.damaged_packs:
        yield field("Objects", f"{store.rescued_objects:,} {would}rescued, {store.lost_objects:,} lost")
    added = amount(len(state.snapshots_added), "snapshots")
    yield field(
        "Timeline", f"{added} {would}listed again, {len(state.snapshots_dropped):,} {would}taken off the list"
    )
    yield from _pairs(("Spaces", ", ".join(state.spaces)), ("Instances", ", ".join(state.instances)))


NOT_READ = "not read: nuvtui store check --read-data reads and compares every byte"
NOT_READ_THERE = "not read: C on the remote reads and compares every byte"


def remote_prune_fields(found: RemotePrune) -> Iterator[Field]:
    """What a prune of a remote freed, or would free."""
    word = "Would free" if found.dry_run else "Freed"
    yield field(word, size(found.freed), f"in {found.packs:,} packs")
    yield field("Later", size(found.condemned), "that nothing needs: a prune after a day frees it")
    if found.waiting:
        yield say((f"{len(found.waiting):,} pushes are under way: what they may need stays.", "warn"))


STATUS: dict[str, tuple[str, Tone]] = {
    "completed": ("done", "good"),
    "recalled": ("removed", "muted"),
    "applying": ("running", "accent"),
    "waiting": ("waiting", "muted"),
}
"""Glyph and tone of how a distribution went for a target; of any other status: failed."""


def target_fields(target: TargetResult, glyphs: Glyphs) -> Iterator[Field]:
    """How a distribution went for one target: where it failed, the reason first."""
    mark, tone = STATUS.get(target.status, ("failed", "bad"))
    yield Field(
        line((f"{getattr(glyphs, mark)} ", tone), (target.name, "strong"), (f"  {target.status}", tone)),
        target.name,
        "the name of the target",
    )
    if target.error:
        yield say((f"  {target.error}", "bad"), value=target.error, what="the reason")
    changed = False
    for kind in ("files", "tables", "applications"):
        counts: Counts = getattr(target, kind)
        if counts.created or counts.replaced or counts.removed:
            changed = True
            pieces: list[Piece] = [(f"  {kind:<{LABEL}}", "muted")]
            for what, tone in OUTCOMES:
                number = getattr(counts, what)
                pieces.append((f"{number:>6,} {what}", tone if number else "muted"))
            yield Field(line(*pieces))
    if target.status == "completed" and not changed:
        yield Field(line(("  nothing changed: it had all of it already", "muted")))
    if target.backup:
        yield _before(target.backup, "as it was before", "  ")


OUTCOMES: tuple[tuple[str, Tone], ...] = (
    ("created", "good"),
    ("replaced", "warn"),
    ("removed", "bad"),
    ("kept", ""),
)


def _before(snapshot: str, note: str, indent: str = "") -> Field:
    return Field(
        line(
            (f"{indent}before: snapshot ", "muted"),
            (short(snapshot), "accent"),
            (f"  {note}", "muted"),
        ),
        short(snapshot),
        "the id of the automatic snapshot",
    )


def target_lines(target: TargetResult, glyphs: Glyphs) -> Iterator[Line]:
    """`target_facts` as lines alone."""
    return (each.shown for each in target_fields(target, glyphs))


def _pairs(*pairs: tuple[str, Any]) -> Iterator[Field]:
    for name, value in pairs:
        if value:
            yield field(name, str(value))


def ways_back(task: TaskView) -> list[Back]:
    """The automatic snapshots that a task took before it changed instances."""
    match result_of(task):
        case RestoreResult() as done:
            return [Back(done.backup, done.instance, "")]
        case Distribution() as done:
            return [
                Back(target.backup, target.instance, target.name)
                for target in done.targets
                if target.backup and target.status in ("completed", "interrupted", "recalled")
            ]
        case _:
            return []
