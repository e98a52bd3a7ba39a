"""From a workspace to trees: what a snapshot of its files holds.

Left out: `.nuvtui/` but for `.nuvtui/ignore`, and whatever that file names (gitignore syntax). Left out and named in
the warnings: pipes, sockets, devices, what cannot be read, what vanishes meanwhile, the store itself where it lies in
the workspace, nuvtui's own temporaries. A file that changes while it is read is read again; where it goes on changing
it is kept as last read, and named.

Kept of a file: permission bits without set-user-id and set-group-id (a snapshot may be restored by somebody
else), time of modification, contents, hard links. Not kept: owner, extended attributes.

Files whose size, times and inode are those of the stat cache are not read. Never trusted is a file that was modified
within `MARGIN` before the scan began, or later (it may be written again within the clock's tick), one of which the
kernel does not say that later writes set its times (`writeback`), and anything at all where the clock now shows an
earlier time than when the cache was written.

A folder is gone through from its listing, sorted by name, once; nothing is kept of a name but the bytes that the
cache and the tree need, so that a folder of any width takes little memory. Depth takes no stack and no descriptors.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nuvtui.errors import Exit, NuvError
from nuvtui.model.snapshot import Warning
from nuvtui.model.tree import Entry
from nuvtui.reporter import Reporter
from nuvtui.store import ignore
from nuvtui.store.folder_scanner import FolderScanner
from nuvtui.store.statcache import CacheWriter, StatCache
from nuvtui.store.tree_only_writer import TreeOnlyWriter
from nuvtui.store.writer import ObjectWriter

MARGIN = 2_000_000_000
"""Nanoseconds: the coarsest tick of a file system's clock that is reckoned with."""

Tree = Callable[[bytes], list[Entry]]


@dataclass(frozen=True)
class ScanResult:
    """The files of a workspace as they were."""

    root: bytes
    """Id of the root tree object."""
    warnings: list[Warning]
    tree: Tree
    """Entries of a tree object of this scan; with a Writer, from its commit on."""
    count: int
    """Files and links."""
    bytes: int
    """Logical bytes."""
    seen: Callable[[], StatCache | None]
    """The stat cache as this scan left it; None where that is not known. With a Writer, from its commit on."""


def scan(
    workspace: Path,
    writer: ObjectWriter | TreeOnlyWriter,
    cache: Path,
    reporter: Reporter,
    *,
    reread: float | None = None,
) -> ScanResult:
    """Read the workspace files into `writer`, with the help of the stat cache `cache`.

    With a Writer the cache is brought up to date when the writer commits. `reread`: read every file, whatever the
    cache says, where that was last done so many seconds ago or more; None: never.

    Raises NuvError where the workspace cannot be listed or its ignore file not be read, StoreError where the store
    fails, Cancelled.
    """
    started = time.time_ns()
    old = StatCache(cache)
    if started < old.written:
        old.forget()  # the clock was set back: what is written now may have a time that was seen before
    due = reread is not None and not started - reread * 1e9 < old.whole <= started
    new = CacheWriter(old, anew=due or old.generation != writer.generation.ljust(16, b"\0")[:16])
    try:
        descriptor = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NuvError(
            f"Workspace {workspace} cannot be read", error.strerror or str(error), "", Exit.NOT_FOUND
        ) from error
    publish = True
    try:
        scanner = FolderScanner(
            ignore.read(descriptor), writer, old, new, reporter, started, started - MARGIN, due
        )
        found = scanner.workspace(descriptor)
        if found is None:
            raise NuvError(f"Workspace {workspace} cannot be listed", "", "", Exit.FAILED)
    except BaseException:
        publish = False
        raise
    finally:
        os.close(descriptor)
        if not publish:
            new.discard()

    seen: StatCache | None = None
    whole = started if due or old.root is None else old.whole

    def keep() -> None:
        nonlocal seen
        if time.time_ns() < started:
            new.discard()  # the clock was set back meanwhile: no time that was seen says anything
            return
        # A cache that cannot be written costs time at the next scan, nothing else.
        try:
            seen = new.publish(writer.generation, started, whole)
        except OSError:
            new.discard()

    if isinstance(writer, ObjectWriter):
        writer.after_commit(keep)
        tree: Tree = writer.store.tree
    else:
        keep()
        tree = writer.tree
    warnings = sorted(scanner.warnings, key=lambda warning: warning.path)
    return ScanResult(found.id, warnings, tree, found.count, found.size, lambda: seen)
