"""What the store's tests share: taking and restoring snapshots, pictures of folders, faults at system calls."""

import contextlib
import os
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nuvtui.errors import NuvError
from nuvtui.model.kept import KeptFile
from nuvtui.model.snapshot import Changes, FilesPart, Provenance, Ref, Snapshot
from nuvtui.model.tree import Entry
from nuvtui.paths import Home
from nuvtui.reporter import Reporter, Silent
from nuvtui.store import folders as folders_module
from nuvtui.store import restorer, trees, writeback
from nuvtui.store.check import check
from nuvtui.store.recorded import Recorded
from nuvtui.store.restorer import Replacement
from nuvtui.store.scanner import ScanResult, scan
from nuvtui.store.staging import recover
from nuvtui.store.store import Store
from nuvtui.store.tree_only_writer import TreeOnlyWriter
from nuvtui.store.writer import writing

QUIET = Silent()
FIRST, SECOND = "1" * 16, "2" * 16


def manifest(snapshot_id: str, found: ScanResult, stored: int = 0, name: str = "a name") -> Snapshot:
    return Snapshot(
        id=snapshot_id,
        space=Ref("5" * 16, "Study"),
        instance=Ref("a" * 16, "Master"),
        name=name,
        kind="named",
        created="2026-01-01T00:00:00.000000+00:00",
        author="ada",
        description="",
        next_phase="",
        parent=None,
        provenance=Provenance("ada", "host", "Linux", "", "0", "3.11"),
        files=FilesPart(found.root.hex(), found.count, found.bytes),
        tables=[],
        applications=[],
        warnings=found.warnings,
        changes=Changes(),
        stored_bytes=stored,
    )


def new_store(root: Path) -> Store:
    store = Store(Home(root))
    store.create()
    return store


def take(store: Store, workspace: Path, cache: Path, snapshot_id: str = "0" * 16) -> Snapshot:
    """A snapshot of `workspace`, its manifest in place."""
    with writing(store) as writer:
        found = scan(workspace, writer, cache, QUIET)
        writer.commit()
        snapshot = manifest(snapshot_id, found, writer.stored_bytes)
        store.write_manifest(snapshot)
    return snapshot


def look(store: Store, workspace: Path, cache: Path) -> tuple[ScanResult, TreeOnlyWriter]:
    writer = TreeOnlyWriter(store)
    return scan(workspace, writer, cache, QUIET), writer


def changes(
    store: Store, snapshot: Snapshot, workspace: Path, cache: Path
) -> tuple[list[tuple[str, Entry]], list[str]]:
    """What has to be put and removed to make `workspace` as `snapshot`."""
    found, writer = look(store, workspace, cache)
    return trees.changes(writer.tree, found.root, store.tree, bytes.fromhex(snapshot.files.root))


def record(store: Store, workspace: Path, cache: Path) -> Recorded:
    """What `workspace` holds, put into the store as an automatic snapshot does before a change."""
    with writing(store) as writer:
        found = scan(workspace, writer, cache, QUIET)
        writer.commit()
    return Recorded(store.tree, found.root, found.seen())


def apply(
    store: Store,
    workspace: Path,
    puts: Iterable[tuple[str, Entry]],
    removals: Iterable[str],
    reporter: Reporter = QUIET,
    recorded: Recorded | None = None,
    **more: Any,
) -> list[KeptFile]:
    """One change of a workspace's files from its first step to its last; what was kept of what others wrote.

    `recorded` None: what is there now.
    """
    recorded = recorded or record(store, workspace, workspace.with_name(f"{workspace.name}.cache"))
    with Replacement(store, workspace, puts, removals, recorded, reporter, **more) as work:
        try:
            work.stage()
            work.place()
        except BaseException:
            work.roll_back()
            raise
        return list(work.finish())


def restore(store: Store, snapshot: Snapshot, workspace: Path, cache: Path) -> list[KeptFile]:
    """Restore as the service does: the Current State is in the store before anything is touched."""
    kept = recover(workspace, store.tree)
    recorded = record(store, workspace, cache)
    assert recorded.root is not None
    roots = (store.tree, recorded.root, store.tree, bytes.fromhex(snapshot.files.root))
    puts, removals = trees.changes(*roots)
    return kept + apply(store, workspace, puts, removals, QUIET, recorded, times=trees.touched(*roots))


def picture(folder: Path, *, times: bool = True) -> dict[bytes, tuple[object, ...]]:
    """All that a snapshot keeps of `folder`, by relative path; `.nuvtui` left out."""
    found: dict[bytes, tuple[object, ...]] = {}
    links: dict[int, bytes] = {}
    top = os.fsencode(folder)

    def visit(path: bytes) -> None:
        for name in sorted(os.listdir(path)):
            full = path + b"/" + name
            short = full[len(top) + 1 :]
            if short == b".nuvtui":
                continue
            status = os.lstat(full)
            when = status.st_mtime_ns if times else 0
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                found[short] = ("folder", mode)
                visit(full)
            elif stat.S_ISLNK(status.st_mode):
                found[short] = ("link", os.readlink(full), when)
            else:
                with open(full, "rb") as file:
                    data = file.read()
                first = links.setdefault(status.st_ino, short)
                found[short] = ("file", data, mode, when, first if first != short else b"")

    visit(top)
    return found


def assert_sound(store: Store) -> None:
    """Every listed snapshot verifies by full hash, by `check` and by reading it."""
    report = check(Store(store.home), True, QUIET)
    assert report.problems == []
    fresh = Store(store.home)
    for snapshot_id in fresh.manifest_ids():
        snapshot = fresh.read_manifest(snapshot_id)
        for _, entry in trees.walk(fresh.tree, bytes.fromhex(snapshot.files.root)):
            if entry.kind == "f":
                assert sum(map(len, fresh.stream(entry.content))) == entry.size


def temporaries(store: Store) -> list[str]:
    """Names of unfinished files anywhere in the store."""
    return [
        os.path.join(folder, name)
        for folder, folders, files in os.walk(store.home.root)
        for name in [*folders, *files]
        if name.startswith(".nuvtui-tmp-")
    ]


# -- faults

CALLS = (
    "open", "write", "fsync", "rename", "replace", "unlink", "mkdir", "rmdir", "link", "symlink", "utime",
    "fchmod", "chmod", "ftruncate",
)  # fmt: skip
"""Calls of the operating system at which work is cut."""


class Fault:
    """Cuts the n-th call: the process ends there, or the call fails with an error."""

    def __init__(self, at: int, error: OSError | None) -> None:
        self.at = at
        self.error = error
        self.count = 0
        self.hit = ""
        self.lock = threading.Lock()

    def wrap(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            with self.lock:
                self.count += 1
                now = self.count == self.at
            if now:
                self.hit = name
                if self.error is None:
                    os._exit(99)
                raise self.error
            return call(*args, **kwargs)

        return wrapped

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        saved = {name: getattr(os, name) for name in CALLS}
        sync, rename = restorer.sync_file_system, folders_module.rename2
        try:
            for name in CALLS:
                setattr(os, name, self.wrap(name, saved[name]))
            restorer.sync_file_system = writeback.sync_file_system = self.wrap("syncfs", sync)  # type: ignore[assignment]
            folders_module.rename2 = self.wrap("renameat2", rename)  # type: ignore[assignment]
            yield
        finally:
            for name, call in saved.items():
                setattr(os, name, call)
            restorer.sync_file_system = writeback.sync_file_system = sync
            folders_module.rename2 = rename


DONE, KILLED, REFUSED, BROKEN = 0, 99, 7, 8


def cut(at: int, error: OSError | None, work: Callable[[], object]) -> tuple[int, bool]:
    """Run `work` in a process of its own that is cut at the `at`-th call: how it ended, and whether it was cut."""
    from nuvtui.errors import NuvError

    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            fault = Fault(at, error)
            try:
                with fault.armed():
                    work()
                code = DONE
            except NuvError:
                code = REFUSED
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            if not fault.hit:
                code += 100
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code >= 100:
        return code - 100, False
    return code, True


def content_of(store: Store, snapshot_id: str) -> dict[str, bytes]:
    """Files of a snapshot, from a store opened anew. Raises NuvError where anything is wrong."""
    fresh = Store(store.home)
    snapshot = fresh.read_manifest(snapshot_id)
    found = {
        path: b"".join(fresh.stream(entry.content))
        for path, entry in trees.walk(fresh.tree, bytes.fromhex(snapshot.files.root))
        if entry.kind == "f"
    }
    for table in snapshot.tables:
        found[f"table {table.name}"] = b"".join(fresh.stream([bytes.fromhex(item) for item in table.content]))
    return found


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def delete(store: Store, *snapshots: str) -> None:
    for item in snapshots:
        store.delete_manifest(item)


def suffering(store: Store, snapshot_id: str, truth: dict[str, bytes]) -> set[str]:
    """What of a snapshot can no longer be read; and it is never read wrongly."""
    fresh = Store(store.home)
    try:
        snapshot = fresh.read_manifest(snapshot_id)
    except NuvError:
        return {"*"}
    lost = set()

    def visit(root: bytes, prefix: str) -> None:
        try:
            entries = fresh.tree(root)
        except NuvError:
            lost.add(prefix or "all files")
            return
        for entry in entries:
            path = prefix + os.fsdecode(entry.name)
            if entry.kind == "d":
                visit(entry.content[0], path + "/")
                continue
            try:
                assert b"".join(fresh.stream(entry.content)) == truth[path]
            except NuvError:
                lost.add(path)

    visit(bytes.fromhex(snapshot.files.root), "")
    for table in snapshot.tables:
        try:
            name = f"table {table.name}"
            assert b"".join(fresh.stream([bytes.fromhex(item) for item in table.content])) == truth[name]
        except NuvError:
            lost.add(name)
    return lost


def files_of(store: Store) -> list[Path]:
    """Every file of the store that holds what snapshots need."""
    return sorted(
        path
        for folder in (store.home.packs, store.home.index, store.home.snapshots)
        for path in folder.iterdir()
    )
