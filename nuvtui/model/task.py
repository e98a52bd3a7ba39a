"""Tasks: the event contract, and the fold that turns a log of events into a task's state."""

import enum
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

EVENT_VERSION = 1
KEPT = 1000
"""Steps, and warnings, that a view holds: a task may have more, a viewer cannot."""


class TaskStatus(enum.StrEnum):
    """The states of a task."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """True once the task cannot change any more."""
        return self in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a task failed, as the user is told."""

    title: str
    message: str
    hint: str = ""
    exit_code: int = 1
    plan_changed: bool = False
    """True where what would have been done was not what was approved: nothing was changed."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `events.jsonl`. `v, seq, ts, type` come first; the others as the type needs them."""

    v: int
    seq: int
    ts: str
    type: Literal["queued", "started", "step", "progress", "warning", "step_done", "finished"]
    kind: str = ""
    """queued: what the task does (`snapshot`, `restore`, `export`, …)."""
    title: str = ""
    """queued: one line for lists; step: the step's title."""
    user: str = ""
    space: str = ""
    instance: str = ""
    subject: str = ""
    """queued: id of what it works on, where it has one from the start (export, distribution)."""
    pid: int = 0
    step: str = ""
    """step, progress, step_done: name of the step."""
    done: int = 0
    total: int | None = None
    """progress: None where the total is not known."""
    unit: Literal["", "bytes", "files", "rows", "steps"] = ""
    what: str = ""
    """progress: what is worked on now; warning: the sentence."""
    log_offset: int = 0
    """Length of `build.log` in bytes when the event was written."""
    status: Literal["", "completed", "failed", "cancelled"] = ""
    result: Any = None
    error: Failure | None = None
    interrupted: bool = False
    """finished: written by a viewer, because the worker was gone without a last word."""


class StepView(msgspec.Struct, frozen=True):
    """A step of a task as a viewer sees it."""

    name: str
    title: str
    started: str
    finished: str | None = None
    log_start: int = 0
    """Offset of the step's first byte in `build.log`."""
    log_end: int | None = None
    failed: bool = False


class TaskView(msgspec.Struct, frozen=True):
    """A task as a viewer sees it: the fold of its events."""

    id: str
    kind: str = ""
    title: str = ""
    user: str = ""
    space: str = ""
    instance: str = ""
    subject: str = ""
    status: TaskStatus = TaskStatus.QUEUED
    created: str = ""
    started: str | None = None
    finished: str | None = None
    steps: tuple[StepView, ...] = ()
    """The last `KEPT`."""
    done: int = 0
    total: int | None = None
    unit: str = ""
    what: str = ""
    warnings: tuple[str, ...] = ()
    """The first `KEPT`."""
    more_warnings: int = 0
    """How many came after those."""
    result: Any = None
    error: Failure | None = None
    interrupted: bool = False
    """The worker was gone without a last word: FAILED, or CANCELLED where a cancel had to kill it."""


def advance(view: TaskView, event: Event) -> TaskView:
    """`view` after `event`. Events after the end of a task change nothing."""
    replace = msgspec.structs.replace
    if view.status.ended:
        return view
    match event.type:
        case "queued":
            return replace(
                view,
                kind=event.kind,
                title=event.title,
                user=event.user,
                space=event.space,
                instance=event.instance,
                subject=event.subject,
                created=event.ts,
            )
        case "started":
            return replace(view, status=TaskStatus.RUNNING, started=event.ts)
        case "step":
            step = StepView(event.step, event.title, event.ts, log_start=event.log_offset)
            return replace(view, steps=(*view.steps[1 - KEPT :], step), done=0, total=None, unit="", what="")
        case "progress":
            return replace(view, done=event.done, total=event.total, unit=event.unit, what=event.what)
        case "warning":
            if len(view.warnings) == KEPT:
                return replace(view, more_warnings=view.more_warnings + 1)
            return replace(view, warnings=(*view.warnings, event.what))
        case "step_done":
            return replace(view, steps=_close(view.steps, event, failed=False))
        case "finished":
            status = {"completed": TaskStatus.COMPLETED, "cancelled": TaskStatus.CANCELLED}.get(
                event.status, TaskStatus.FAILED
            )
            return replace(
                view,
                status=status,
                finished=event.ts,
                steps=_close(view.steps, event, failed=status is not TaskStatus.COMPLETED),
                result=event.result,
                error=event.error,
                interrupted=event.interrupted,
            )


def _close(steps: tuple[StepView, ...], event: Event, *, failed: bool) -> tuple[StepView, ...]:
    if not steps or steps[-1].finished is not None:
        return steps
    last = msgspec.structs.replace(steps[-1], finished=event.ts, log_end=event.log_offset, failed=failed)
    return (*steps[:-1], last)


def fold(identifier: str, events: Iterable[Event]) -> TaskView:
    """The view of task `identifier` after `events`, in order of `seq`."""
    view = TaskView(identifier)
    for event in events:
        view = advance(view, event)
    return view
