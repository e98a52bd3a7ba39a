"""How a task went, in lines for people, and the way back from it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from nuvtui.model.export import Verification
from nuvtui.model.names import short, text_to_path
from nuvtui.model.task import TaskStatus, TaskView
from nuvtui.tui.glyphs import Glyphs
from nuvtui.tui.widgets.lines import Line, Tone, line
from nuvtui.tui.widgets.meter import size
from nuvtui.tui.widgets.moments import took

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


def outcome(task: TaskView, glyphs: Glyphs, *, result: bool = True) -> list[Line]:
    """What has to be said about a task: first what went wrong and where, then (`result`) what it brought."""
    lines: list[Line] = []
    if task.status.ended:
        mark, tone = sign(task.status, glyphs)
        time = took(task.started or task.created, task.finished)
        word = WORDS[task.status] + (" (interrupted)" if task.interrupted else "")
        failed = next((step for step in reversed(task.steps) if step.failed), None)
        where = f" at: {failed.title}" if failed is not None and task.status is TaskStatus.FAILED else ""
        lines.append(
            line((f"{mark} {word.capitalize()}{where}", tone), (f"  after {time}" if time else "", "muted"))
        )
    if task.error is not None and task.status is not TaskStatus.COMPLETED:
        if task.error.title and task.error.title.lower() != "cancelled":
            lines.append(line((task.error.title, "strong")))
        lines += [line(part) for part in task.error.message.splitlines() if part.strip()]
        if task.error.hint:
            lines.append(line((f"{glyphs.arrow} ", "accent"), task.error.hint))
    if result and task.status is TaskStatus.COMPLETED and isinstance(task.result, dict):
        lines += _result(task.kind, task.result, glyphs)
    if result:
        lines += [line((f"{glyphs.warning} {warning}", "warn")) for warning in task.warnings]
    return lines


def _result(kind: str, result: dict[str, Any], glyphs: Glyphs) -> Iterator[Line]:
    match kind:
        case "distribute" | "recall":
            for target in result.get("targets", ()):
                yield from target_lines(target, glyphs)
        case "restore":
            yield line(
                f"{result.get('files', 0):,} files written, {result.get('files_removed', 0):,} removed; "
                f"{result.get('tables', 0):,} tables written, {result.get('tables_removed', 0):,} removed; "
                f"{result.get('applications', 0):,} applications written, "
                f"{result.get('applications_removed', 0):,} removed"
            )
            if result.get("backup"):
                yield line(
                    ("u", "accent"), f" brings back what was there: snapshot {short(result['backup'])}"
                )
        case "export" | "push" | "archive":
            yield from _pairs(
                ("Image", result.get("image")),
                ("Digest", result.get("digest")),
                ("Size", size(result["size"]) if result.get("size") else ""),
                ("Archive", text_to_path(result["archive"]) if result.get("archive") else ""),
                ("Run it", result.get("run_command")),
            )
            left_out = len(result.get("excluded", ()))
            if left_out:
                yield line((f"{left_out:,} left out; r shows the report with the reasons", "muted"))
        case "verify" if result.get("verification"):
            from nuvtui.tui.screens.exports_actions import verification_lines

            yield from verification_lines(msgspec.convert(result["verification"], Verification), glyphs)
        case "load":
            for image in result.get("images", ()):
                yield line(("Image     ", "muted"), str(image))
        case "snapshot":
            name = result.get("name") or result.get("kind") or ""
            yield line("Snapshot ", (short(str(result.get("id", ""))), "accent"), f"  {name}")
        case _:
            yield from _pairs(
                *(
                    (key.replace("_", " ").capitalize(), f"{value:,}" if type(value) is int else str(value))
                    for key, value in result.items()
                    if isinstance(value, str | int | float) and not isinstance(value, bool)
                )
            )


def target_lines(target: dict[str, Any], glyphs: Glyphs) -> Iterator[Line]:
    """How a distribution went for one target, from its record as plain values."""
    status = target.get("status", "")
    tone: Tone = {"completed": "good", "recalled": "muted", "applying": "accent", "waiting": "muted"}.get(
        status, "bad"
    )  # type: ignore[assignment]
    yield line((target.get("name", ""), "strong"), "  ", (status, tone))
    for kind in ("files", "tables", "applications"):
        counts = target.get(kind) or {}
        parts = [
            f"{counts[what]:,} {what}"
            for what in ("created", "replaced", "removed", "kept")
            if counts.get(what)
        ]
        if parts and (counts.get("created") or counts.get("replaced") or counts.get("removed")):
            yield line(f"  {kind}: {', '.join(parts)}")
    if target.get("error"):
        yield line((f"  {target['error']}", "warn"))
    if target.get("backup"):
        yield line((f"  before: snapshot {short(target['backup'])}", "muted"))


def _pairs(*pairs: tuple[str, Any]) -> Iterator[Line]:
    for name, value in pairs:
        if value:
            yield line((f"{name:<9} ", "muted"), str(value))


def ways_back(task: TaskView) -> list[Back]:
    """The automatic snapshots that a task took before it changed instances."""
    result = task.result
    if not isinstance(result, dict):
        return []
    if task.kind == "restore" and result.get("backup"):
        return [Back(result["backup"], result.get("instance", ""), "")]
    if task.kind in ("distribute", "recall"):
        return [
            Back(target["backup"], target.get("instance", ""), target.get("name", ""))
            for target in result.get("targets", ())
            if target.get("backup") and target.get("status") in ("completed", "interrupted", "recalled")
        ]
    return []
