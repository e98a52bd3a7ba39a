"""Spaces, instances, members and the messages that distributions bring."""

import msgspec

from nuvtui.model.roles import Role

MASTER = "Master"
DISTRIBUTED = "Distributed"


class Space(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """One project."""

    id: str
    name: str
    """Unique in the store."""
    created: str
    """UTC, ISO 8601 with microseconds and `+00:00`, as every time in nuvtui."""


class Instance(msgspec.Struct, frozen=True):
    """A parallel working branch of a space: one workspace, its tables, its applications."""

    id: str
    space: str
    """Id of the space."""
    name: str
    """Unique in the space."""
    workspace: str
    """Absolute path of the workspace folder, in text form (`names.path_to_text`)."""
    created: str

    @property
    def permanent(self) -> bool:
        """Master and Distributed cannot be deleted alone."""
        return self.name in (MASTER, DISTRIBUTED)


class Member(msgspec.Struct, frozen=True):
    """A user's role in a space, or in one instance of it."""

    space: str
    user: str
    """Login name, as the operating system reports it."""
    role: Role
    instance: str | None = None
    """Id of the instance; None: the role holds in the whole space."""


class Message(msgspec.Struct, frozen=True):
    """What came along with a distribution, for the users of the target instance."""

    id: str
    instance: str
    sender: str
    text: str
    created: str
    distribution: str
    read_by: list[str] = []
