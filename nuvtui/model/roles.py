"""Who may do what: the role table of the domain."""

import enum


class Role(enum.StrEnum):
    """A user's role, in a whole space (administrator) or in one instance."""

    ADMINISTRATOR = "space administrator"
    EDITOR = "instance editor"
    VIEWER = "instance viewer"
    OBSERVER = "observer"


class Action(enum.StrEnum):
    """What a role is asked for; the value completes the sentence "You may not …"."""

    READ_README = "read the README of this instance"
    VIEW = "view the states of this instance"
    MODIFY = "change the Current State of this instance"
    EXPORT = "export an application of this instance"
    MANAGE = "manage the instances and members of this space"


_LOWEST: dict[Action, Role] = {
    Action.READ_README: Role.OBSERVER,
    Action.VIEW: Role.VIEWER,
    Action.MODIFY: Role.EDITOR,
    Action.EXPORT: Role.EDITOR,
    Action.MANAGE: Role.ADMINISTRATOR,
}
_ORDER = [Role.OBSERVER, Role.VIEWER, Role.EDITOR, Role.ADMINISTRATOR]


def needed(action: Action) -> Role:
    """The lowest role that allows `action`."""
    return _LOWEST[action]


def allows(role: Role | None, action: Action) -> bool:
    """True where `role` (None: not a member) allows `action`."""
    return role is not None and _ORDER.index(role) >= _ORDER.index(_LOWEST[action])


def highest(roles: list[Role]) -> Role | None:
    """The highest of `roles`, or None where there is none."""
    return max(roles, key=_ORDER.index, default=None)
