"""Where the user is: space, instance, role, and the state that is looked at. Read in a thread, then never changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nuvtui.model.roles import Role
from nuvtui.model.space import Instance, Message, Space
from nuvtui.model.stage import StateRef

if TYPE_CHECKING:
    from nuvtui.bootstrap import Services


class Context(msgspec.Struct, frozen=True):
    """A picture of it; the app makes a new one whenever something changes."""

    space: Space | None = None
    instance: Instance | None = None
    user: str = ""
    role: Role | None = None
    messages: tuple[Message, ...] = ()
    """Messages of distributions that the user has not read."""
    trouble: str = ""
    """A sentence about the state file, where it had to be recovered."""
    state: StateRef | None = None
    """The state that Contents shows and that staging takes from."""
    state_name: str = ""
    """What it is called: `Current State`, or a snapshot's name."""


def read_context(services: Services, start: Path, instance: str | None = None) -> Context:
    """Where `start` lies, or `instance` where one is given. For a thread: reads the disk."""
    if instance is not None and services.context.view().instances.get(instance) is None:
        instance = None  # deleted meanwhile
    if instance is None:
        location = services.spaces.locate(start)
        if location is None:
            return Context(user=services.user)
        space, found = location.space, location.instance
    else:
        view = services.context.view()
        found = services.context.instance(view, instance)
        space = services.context.space(view, found.space)
    return Context(
        space=space,
        instance=found,
        user=services.user,
        role=services.members.role(space.id, found.id),
        messages=tuple(services.messages.unread(found.id)),
        trouble=services.context.state.recovered or "",
        state=StateRef(found.id),
        state_name="Current State",
    )
