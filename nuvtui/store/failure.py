"""Errors of the store, told apart from errors of the files that are read into it or written from it."""

import contextlib
import errno
from collections.abc import Iterator

from nuvtui import atomic
from nuvtui.errors import StoreError

CHECK_HINT = (
    "Run `nuvtui store check --read-data` to see which snapshots are affected. `nuvtui store repair` saves what is sound; "
    "the next `nuvtui snapshots create` stores again what the workspace still has."
)
REPAIR_HINT = "Run `nuvtui store check`, then `nuvtui store repair`."


@contextlib.contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn any OSError inside into a StoreError that names `what` was done."""
    try:
        yield
    except OSError as error:
        raise from_os(error, what) from error


def from_os(error: OSError, what: str) -> StoreError:
    """The StoreError for an error of the operating system."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            "The store is full",
            f"{what}: {error.strerror}{where}; nothing was added",
            "Free space on the disk that holds the store (`nuvtui store gc` may help), then try again.",
        )
    if isinstance(error, atomic.NotAFileError | atomic.NotAFolderError):
        return StoreError(
            "The store failed",
            f"{what}: {error.strerror}{where}",
            "Move it away, then try again.",
        )
    return StoreError(
        "The store failed",
        f"{what}: {error.strerror or error}{where}",
        "Check that the store's disk is mounted, writable and healthy; then `nuvtui store check`.",
    )


def damaged(object_id: bytes, detail: str) -> StoreError:
    """The StoreError for an object whose bytes are not what its id says."""
    return StoreError(f"Object {object_id.hex()[:16]} is damaged", detail, CHECK_HINT)


def missing(object_id: bytes) -> StoreError:
    """The StoreError for an object that no pack holds."""
    return StoreError(
        f"Object {object_id.hex()[:16]} is missing", "no pack of the store holds it", CHECK_HINT
    )
