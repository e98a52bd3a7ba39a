"""Going straight to a thing: an instance, a snapshot, a file, a table, an application, an export, a task, a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from nuvtui.model.stage import StateRef

if TYPE_CHECKING:
    from nuvtui.model.space import Message
    from nuvtui.tui.shell.app import NuvApp

Kind = Literal["instance", "snapshot", "file", "table", "application", "export", "task", "message"]
TRIES = 200
LOOK = 0.05
"""How often, and how many seconds apart, it is looked whether the thing is there by now."""


class Target(NamedTuple):
    """Where to go."""

    kind: Kind
    key: str
    """Its id, path or name."""
    label: str
    """What people call it."""
    instance: str = ""
    """Id of the instance that it lies in."""
    snapshot: str | None = None
    """For a file, table or application: the state that it lies in; None: the Current State."""
    state: str = ""
    """What that state is called."""


async def go(nuv: NuvApp, target: Target) -> None:
    """Go to `target`, from wherever one is."""
    match target.kind:
        case "task":
            _open_task(nuv, target)
        case "message":
            _show_message(nuv, target)
        case "export":
            await nuv.action_place("exports")
            _place_cursor(nuv, "exports", target)
        case "instance":
            nuv.switch(target.key)
            await nuv.action_place("timeline")
        case "snapshot":
            _enter(nuv, target.instance)
            await nuv.action_place("timeline")
            _place_cursor(nuv, "timeline", target)
        case _:
            await _show_part(nuv, target)


def _enter(nuv: NuvApp, instance: str) -> None:
    here = nuv.context.instance
    if instance and (here is None or here.id != instance):
        nuv.switch(instance)


def _there(nuv: NuvApp, target: Target) -> bool:
    here = nuv.context.instance
    return not target.instance or (here is not None and here.id == target.instance)


def _place_cursor(nuv: NuvApp, place: str, target: Target) -> None:
    """Put the cursor of a place's list on the thing as soon as it is listed there."""
    from nuvtui.tui.toolkit.line_list import LineList

    def look() -> bool:
        found = nuv.workbench.place(place)
        if found is None or not _there(nuv, target):
            return False
        reveal = getattr(found, "reveal", None)
        lists = list(found.query(LineList))
        if reveal is not None:
            there = bool(reveal(target.key))
            if there:
                lists[0].focus()
            return there
        if lists and lists[0].move_to_key(target.key):
            lists[0].focus()
            return True
        return False

    _until(nuv, look, f"{target.label} is not listed here any more.")


def _until(nuv: NuvApp, look: Callable[[], bool], otherwise: str, tries: int = TRIES) -> None:
    if look():
        return
    if not tries:
        nuv.notify(otherwise, severity="warning")
        return
    nuv.set_timer(LOOK, lambda: _until(nuv, look, otherwise, tries - 1))


def _open_task(nuv: NuvApp, target: Target) -> None:
    from nuvtui.tui.common.task_screen import open_task

    found = next((task for task in nuv.tasks if task.id == target.key), None)
    if found is None:
        nuv.notify(f"{target.label} is not listed any more.", severity="warning")
    else:
        open_task(nuv, found)


def _show_message(nuv: NuvApp, target: Target) -> None:
    from nuvtui.tui.features.spaces.messages import MessagesDialog

    def show(messages: list[Message]) -> None:
        if messages:
            nuv.push_screen(MessagesDialog(messages), read)

    def read(seen: object) -> None:
        if seen:
            nuv.jobs.start(
                nuv,
                lambda: nuv.services.messages.mark_read([target.key]),
                lambda _: nuv.reread(),
                group="read",
            )

    nuv.jobs.start(nuv, lambda: nuv.services.overview.messages([target.key]), show, group="message")


async def _show_part(nuv: NuvApp, target: Target) -> None:
    """A file, table or application in Contents, opened."""
    from nuvtui.tui.features.contents.pane import Contents

    _enter(nuv, target.instance)
    await nuv.action_place("contents")
    sections = {"file": "files", "table": "tables", "application": "applications"}
    section = sections[target.kind]
    asked = False

    def look() -> bool:
        nonlocal asked
        place = nuv.workbench.place("contents")
        if not isinstance(place, Contents) or not _there(nuv, target):
            return False
        ref = StateRef(target.instance, target.snapshot)
        if nuv.context.state != ref:
            nuv.show_state(ref, target.state or "Current State")
        if not asked:
            asked = True
            nuv.call_next(place.show_section, section)
            return False
        current = place.current
        if place.section != section or current is None or current.ref != ref:
            return False
        return _open(current, target)

    _until(nuv, look, f"{target.label} is not in this state any more.")


def _open(section: object, target: Target) -> bool:
    """Put the cursor on the thing and open it; False: it is not listed yet."""
    from nuvtui.tui.features.contents.files import Files
    from nuvtui.tui.features.contents.section import Section
    from nuvtui.tui.toolkit.line_list import LineList

    assert isinstance(section, Section)
    if isinstance(section, Files):
        section.reveal(target.key)
        return True
    lists = [each for each in section.query(LineList) if each.has_class("outer")]
    if lists and lists[0].move_to_key(target.key):
        lists[0].post_message(LineList.Opened(lists[0]))
        return True
    return False
