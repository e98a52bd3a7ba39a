"""Files that were kept although their place was taken: nothing that somebody wrote is overwritten unseen."""

import msgspec


class KeptFile(msgspec.Struct, frozen=True):
    """A file that no snapshot holds, moved away from a path that an operation replaced or removed."""

    path: str
    """Where it was, in text form, relative to the workspace."""
    kept_as: str
    """Where it is now, likewise."""


class KeptFolder(msgspec.Struct, frozen=True):
    """A folder of a workspace that holds kept files, or a database that could not be read."""

    path: str
    """In text form, relative to the workspace."""
    files: int
    """How many it holds."""
