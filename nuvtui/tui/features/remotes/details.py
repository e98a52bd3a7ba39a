"""What is told of a remote: a line of the list, and all that is known of one."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from nuvtui.errors import NuvError
from nuvtui.model.operations import result_of
from nuvtui.model.remote import RemoteAnswer, RemoteCheck, RemotePrune, RemoteStatus
from nuvtui.model.task import TaskView
from nuvtui.tui.common import describe
from nuvtui.tui.common.outcome import NOT_READ_THERE, WORDS, check_fields, remote_prune_fields, sign
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.detail_list import Field, field, say
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.lines import Cell, Line, Tone, line, row

KINDS = {
    "folder": "a folder",
    "s3": "an object store (S3)",
    "gs": "an object store (Google Cloud Storage)",
    "az": "an object store (Azure Blob Storage)",
    "ssh": "another server, by SSH",
}


class Known(msgspec.Struct, frozen=True):
    """A remote as far as it is known."""

    status: RemoteStatus
    seen: int
    """Snapshots that it held when this machine last saw it."""
    asking: bool = False
    answer: RemoteAnswer | None = None
    """What it said, since the screen was opened."""
    problem: NuvError | None = None
    """Why no answer came."""

    @property
    def state(self) -> tuple[str, Tone]:
        """Whether it can be used, in a word."""
        if self.asking:
            return "asking", "accent"
        if self.problem is not None:
            return "no answer", "bad"
        if self.answer is None:
            return "not asked", "muted"
        if self.answer.status.reachable:
            return "answers", "good"
        return ("write only", "muted") if self.status.write_only else ("not usable", "bad")


def heading(width: int) -> Line:
    """What the columns hold."""
    return _row(width, "name", "where", "keys", "snapshots", ("state", ""), "pushed")


def remote_line(known: Known, width: int) -> Line:
    """A remote in the list."""
    status = known.status
    held = known.answer.status.snapshots if known.answer is not None else None
    return _row(
        width,
        status.name,
        status.kind,
        "encrypted" if status.encrypted else "open",
        f"{known.seen if held is None else held:,}",
        known.state,
        describe.age(status.pushed) if status.pushed else "never",
    )


def _row(
    width: int, name: str, kind: str, keys: str, snapshots: str, state: tuple[str, Tone], pushed: str
) -> Line:
    return row(
        width,
        Cell(name),
        Cell(kind, 6, "muted"),
        Cell(keys, 9, "muted"),
        Cell(snapshots, 9, "", "right"),
        Cell(state[0], 10, state[1]),
        Cell(pushed, 6, "muted", "right"),
    )


def fields(known: Known, tasks: Sequence[TaskView], glyphs: Glyphs) -> Iterator[Field]:
    """All that is known of a remote. `tasks`: all there are, newest first."""
    status = known.status
    yield field("Address", status.url)
    yield field("Kind", KINDS[status.kind])
    if not status.encrypted:
        yield field("Encrypted", "no", "whoever can read the place can read all that is there")
    elif status.write_only:
        yield field("Encrypted", "yes", "this machine can push to it, and not read it")
    else:
        yield field("Encrypted", "yes", "lost keys are lost data: s shows a sheet to print")
    yield field("Last push", describe.moment(status.pushed) if status.pushed else "none from here")
    yield field("Added", describe.moment(status.added))
    yield from _holds(known, glyphs)
    for recipient in known.answer.recipients if known.answer is not None else ():
        yield field("Can read", recipient, what="the public key")
    mine = [task for task in tasks if task.subject == status.name]
    for kind in ("check-remote", "prune-remote"):
        newest = next((task for task in mine if task.kind == kind), None)
        if newest is not None:
            yield say("")
            yield from _task(newest, glyphs)


def _holds(known: Known, glyphs: Glyphs) -> Iterator[Field]:
    answer = known.answer
    if answer is not None and answer.status.reachable:
        held = describe.plural(answer.status.snapshots or 0, "snapshot")
        yield field("Holds", held, f"{size(answer.status.bytes or 0)} on the remote")
        return
    seen = describe.plural(known.seen, "snapshot")
    if known.status.write_only:
        yield field("Pushed", seen, "from here; others may have pushed more")
    else:
        yield field("Holds", seen, "as last seen" if known.asking else "as last seen; r asks it")
    if known.problem is not None:
        yield say((f"{glyphs.failed} No answer: {known.problem}", "bad"))
        if known.problem.hint:
            yield say(known.problem.hint)
    elif answer is not None and answer.status.problem:
        tone: Tone = "muted" if known.status.write_only else "bad"
        yield say((f"{glyphs.failed} {answer.status.problem}", tone))


def _task(task: TaskView, glyphs: Glyphs) -> Iterator[Field]:
    mark, tone = sign(task.status, glyphs)
    when = describe.moment(task.finished or task.created)
    why = f": {task.error.title}" if task.error is not None else ""
    yield Field(line((f"{mark} {task.title} {WORDS[task.status]}{why}", tone), (f"  {when}", "muted")))
    result: Any = result_of(task)
    if isinstance(result, RemoteCheck):
        yield from check_fields(result, NOT_READ_THERE, glyphs)
    elif isinstance(result, RemotePrune):
        yield from remote_prune_fields(result)
