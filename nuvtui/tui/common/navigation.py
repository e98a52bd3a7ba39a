"""Things that can be gone to by name, wherever the user is."""

from typing import Literal, NamedTuple

Kind = Literal["instance", "snapshot", "file", "table", "application", "export", "task", "message"]


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
