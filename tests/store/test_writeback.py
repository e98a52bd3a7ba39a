"""What a snapshot says of a file that is being written is what was there, however it is written."""

import contextlib
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.store import scanner, trees, writeback
from nuvtui.store.scanner import scan
from nuvtui.store.statcache import StatCache
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from tests.store.helpers import QUIET, look, new_store, take

COARSE = 5
"""CLOCK_REALTIME_COARSE of Linux."""
MEMORY = Path("/dev/shm")


@contextlib.contextmanager
def mapped(file: Path) -> Iterator[mmap.mmap]:
    with open(file, "r+b") as opened:
        inside = mmap.mmap(opened.fileno(), 0)
    with contextlib.closing(inside):
        yield inside


def held(store: Store, root: str, name: str) -> bytes:
    entry = trees.lookup(store.tree, bytes.fromhex(root), name)
    assert entry is not None
    return b"".join(store.stream(entry.content))


def kind_of(folder: Path) -> writeback.Kind:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return writeback.Writeback(0, True).kind(descriptor, os.fstat(descriptor).st_dev)
    finally:
        os.close(descriptor)


def workspaces(tmp_path: Path) -> list[Path]:
    """One on the disk, one in memory where there is such a file system."""
    found = [tmp_path / "workspace"]
    if MEMORY.is_dir() and kind_of(MEMORY) is writeback.Kind.MEMORY:
        found.append(MEMORY / f"nuvtui-{os.getpid()}-{tmp_path.name}")
    return found


@pytest.fixture
def places(tmp_path: Path) -> Iterator[list[Path]]:
    found = workspaces(tmp_path)
    for place in found:
        place.mkdir()
    yield found
    for place in found[1:]:
        for file in place.iterdir():
            file.unlink()
        place.rmdir()


@pytest.mark.parametrize("many", [4096, 0], ids=["file by file", "all at once"])
def test_a_write_through_a_mapping_is_seen(
    store: Store, places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """A page that is dirty already is written to again, long after its file got its time."""
    monkeypatch.setattr(scanner, "MARGIN", 0)  # as if the first write were older than the clock's tick
    monkeypatch.setattr(writeback, "MANY", many)
    for number, place in enumerate(places):
        cache = tmp_path / f"cache{number}"
        file = place / "mapped"
        file.write_bytes(b"A" * 8192)
        os.sync()
        with mapped(file) as inside:
            inside[0:4] = b"BBBB"
            wait_for_the_clock(file)
            first = take(store, place, cache, f"{number}" * 16)
            inside[0:4] = b"CCCC"
        wait_for_the_clock(file)
        found, writer = look(store, place, cache)
        assert found.root.hex() != first.files.root
        assert not writer.store.has(found.root)
        second = take(store, place, cache, f"{number + 4}" * 16)
        assert held(store, first.files.root, "mapped")[:4] == b"BBBB"
        assert held(store, second.files.root, "mapped") == file.read_bytes()


def wait_for_the_clock(file: Path) -> None:
    """Until the kernel's clock, with which files get their times, has moved on."""
    while time.clock_gettime_ns(COARSE) <= file.stat().st_mtime_ns:
        time.sleep(0.001)


def test_in_memory_no_file_is_trusted(store: Store, places: list[Path], tmp_path: Path) -> None:
    """There a mapping that was made and gone between two snapshots leaves no trace at all."""
    if len(places) < 2:
        pytest.skip("NOT SHOWN: there is no file system in memory at /dev/shm")
    place = places[1]
    file = place / "mapped"
    file.write_bytes(b"A" * 8192)
    os.utime(file, ns=(10**18, 10**18))
    take(store, place, tmp_path / "cache")
    with mapped(file) as inside:
        assert inside[0] == ord("A")  # a page that was read may be written to without a fault
        inside[0:4] = b"BBBB"
    os.utime(file, ns=(10**18, 10**18))
    second = take(store, place, tmp_path / "cache", "1" * 16)
    assert held(store, second.files.root, "mapped") == file.read_bytes()


def test_who_writes_to_a_file_is_known(tmp_path: Path) -> None:
    if kind_of(tmp_path) is not writeback.Kind.DIRECT:
        pytest.skip("NOT SHOWN: this file system does not tell who has a file open")
    file = tmp_path / "f"
    file.write_bytes(b"x" * 100)
    reading = os.open(file, os.O_RDONLY)
    try:
        assert writeback.written_to(reading) is False
        with open(file, "ab"):
            assert writeback.written_to(reading) is True
        with mapped(file):
            assert writeback.written_to(reading) is True
        assert writeback.written_to(reading) is False
        with open(file, "ab"):  # nobody has to wait for us
            pass
    finally:
        os.close(reading)


def test_only_files_that_are_being_written_are_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind_of(tmp_path) is not writeback.Kind.DIRECT:
        pytest.skip("NOT SHOWN: this file system does not tell who has a file open")
    store, place = new_store(tmp_path / "home"), tmp_path / "workspace"
    place.mkdir()
    for name in "abc":
        (place / name).write_bytes(b"x" * 100)
    told: list[str] = []
    real = os.fdatasync

    def counted(descriptor: int) -> None:
        told.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    with mapped(place / "b"):
        look(store, place, tmp_path / "cache")
    assert told == [str(place / "b")]


# -- the clock


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "MARGIN", -3_600_000_000_000)


def test_a_clock_set_back_ends_all_trust(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file written after the clock was set back may have, by chance, the time that it had before."""
    settle(monkeypatch)
    place, cache = tmp_path / "workspace", tmp_path / "cache"
    place.mkdir()
    (place / "f").write_bytes(b"12345")
    first = take(store, place, cache)
    found = StatCache(cache)
    assert found.root is not None
    # What a later scan would find: other bytes, all times alike.
    monkeypatch.setattr(scanner.os, "stat", frozen(os.stat, (place / "f").stat()))
    (place / "f").write_bytes(b"54321")
    assert take(store, place, cache, "1" * 16).files == first.files  # this is what is feared
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() - 3600 * 10**9)
    second = take(store, place, cache, "2" * 16)
    assert held(store, second.files.root, "f") == b"54321"


def frozen(real: object, status: os.stat_result) -> object:
    def stat(path: object, **more: object) -> os.stat_result:
        return status if path == b"f" else real(path, **more)  # type: ignore[operator, no-any-return]

    return stat


# -- reading all of it now and then


def test_reread_finds_what_changed_without_a_trace_and_names_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    place, cache = tmp_path / "workspace", tmp_path / "cache"
    (place / "sub").mkdir(parents=True)
    for name in ("sub/f", "sub/same", "other"):
        (place / name).write_bytes(b"12345")
    first = take(store, place, cache)
    file = place / "sub" / "f"
    before = file.stat()
    monkeypatch.setattr(scanner.os, "stat", frozen(os.stat, before))
    monkeypatch.setattr(scanner.os, "fstat", alike(os.fstat, before))
    file.write_bytes(b"54321")  # as a disk does that loses a bit
    for _ in range(2):
        assert take(store, place, cache, "1" * 16).files == first.files
    for seconds, told in ((3600.0, []), (0.0, ["sub/f"]), (0.0, [])):
        with writing(store) as writer:
            found = scan(place, writer, cache, QUIET, reread=seconds)
        assert [warning.path for warning in found.warnings] == told
        assert (found.root.hex() == first.files.root) == (seconds > 0)
    # From then on the new bytes are what is known.
    last = take(store, place, cache, "3" * 16)
    assert held(store, last.files.root, "sub/f") == b"54321"


def alike(real: object, status: os.stat_result) -> object:
    def fstat(descriptor: int) -> os.stat_result:
        found = real(descriptor)  # type: ignore[operator]
        return status if found.st_ino == status.st_ino else found  # type: ignore[no-any-return]

    return fstat
