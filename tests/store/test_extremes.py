"""Folders of any depth and width, paths of any length, times of any age, files of any size with nothing in them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.model import tree as tree_format
from nuvtui.model.tree import EARLIEST, FILE, FOLDER, LATEST, Entry
from nuvtui.store import descent, file_reader, scanner, trees
from nuvtui.store.chunks import AVERAGE, MAXIMUM, WHOLE, ZERO, ZERO_ID, cut_sparse, cut_stream
from nuvtui.store.descent import Descent
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from tests.store.helpers import QUIET, assert_sound, look, take

DEPTH = 1200


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)  # what tidies up after tests does not go so deep


def dig(place: Path, name: bytes, depth: int) -> None:
    """Folders in folders, with a file in the last one and one beside the first."""
    way = Descent(os.open(place, os.O_RDONLY))
    for _ in range(depth):
        os.mkdir(name, dir_fd=way.descriptor)
        way.enter(name)
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=way.descriptor))
    way.close()
    os.close(way.descriptor)
    (place / "z beside").write_bytes(b"x")


@pytest.mark.parametrize(("name", "depth"), [(b"d", DEPTH), (b"A\xff" * 125, 40)], ids=["deep", "long"])
def test_a_folder_of_any_depth_is_kept_whole(
    store: Store, place: Path, tmp_path: Path, name: bytes, depth: int
) -> None:
    dig(place, name, depth)
    before = len(os.listdir("/proc/self/fd"))
    snapshot = take(store, place, tmp_path / "cache")
    assert len(os.listdir("/proc/self/fd")) < before + 8
    assert snapshot.warnings == []
    paths = [path for path, _ in trees.walk(store.tree, bytes.fromhex(snapshot.files.root))]
    deepest = "/".join([os.fsdecode(name)] * depth)
    assert paths[depth - 1 :] == [deepest, f"{deepest}/deep", "z beside"]
    assert trees.lookup(store.tree, bytes.fromhex(snapshot.files.root), f"{deepest}/deep") is not None
    again, _ = look(store, place, tmp_path / "cache")
    assert again.root.hex() == snapshot.files.root
    told = list(trees.diff(store.tree, None, store.tree, bytes.fromhex(snapshot.files.root)))
    assert len(told) == depth + 2
    puts, removals = trees.changes(
        store.tree, store_empty(store), store.tree, bytes.fromhex(snapshot.files.root)
    )
    assert (len(puts), removals) == (depth + 2, [])
    assert_sound(store)


def store_empty(store: Store) -> bytes:
    with writing(store) as writer:
        return writer.put_tree(tree_format.encode([]))


def test_few_descriptors_are_open_and_files_on_the_way_back_are_read(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descent, "OPEN", 4)
    at = place
    for number in range(30):
        at = at / f"m{number}"
        at.mkdir()
        for name in ("a", "z"):
            (at / name).write_bytes(b"%d" % number)
        (at / "n").mkdir()
        (at / "n" / "f").write_bytes(b"x")
    most = 0

    class Counting(type(QUIET)):  # type: ignore[misc]
        def check(self) -> None:
            nonlocal most
            most = max(most, len(os.listdir("/proc/self/fd")))

    before = len(os.listdir("/proc/self/fd"))
    with writing(store) as writer:
        found = scanner.scan(place, writer, tmp_path / "cache", Counting())
    assert found.warnings == []
    assert found.count == 90
    assert most < before + 12


def test_a_folder_that_is_moved_away_meanwhile_is_named(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descent, "OPEN", 2)
    (place / "a/b/c/d/e").mkdir(parents=True)
    (place / "a" / "file").write_bytes(b"of a")
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "file").write_bytes(b"another")

    class Mover(type(QUIET)):  # type: ignore[misc]
        def check(self) -> None:
            if (place / "elsewhere").exists() and next(numbers) == 5:
                (place / "a").rename(place / "moved")
                (place / "elsewhere").rename(place / "a")

    numbers = iter(range(100))
    with writing(store) as writer:
        found = scanner.scan(place, writer, tmp_path / "cache", Mover())
    kept = [path for path, entry in trees.walk(store.tree, found.root) if entry.kind == FILE]
    assert "a/file" not in kept
    assert "a/file" in [warning.path for warning in found.warnings]


# -- times


def far(place: Path) -> list[int]:
    """Times that this file system keeps."""
    probe = place.parent / "probe"
    probe.touch()
    kept = []
    for year_ns in (2**63, 2**63 + 10**18, -(2**63), 2**64 + 10**18, -(2**64), -(10**9)):
        os.utime(probe, ns=(year_ns, year_ns))
        if probe.stat().st_mtime_ns == year_ns:
            kept.append(year_ns)
    return kept


def test_a_time_of_any_year_is_kept_or_named(store: Store, tmp_path: Path) -> None:
    shown = 0
    for number, base in enumerate(path for path in (tmp_path, Path("/dev/shm")) if path.is_dir()):
        place = base / f"nuvtui-times-{os.getpid()}"
        place.mkdir()
        try:
            for when in far(place):
                shown += 1
                (place / f"f{when}").write_bytes(b"x")
                (place / f"d{when}").mkdir()
                (place / f"l{when}").symlink_to("f")
                for kind in "fdl":
                    os.utime(place / f"{kind}{when}", ns=(when, when), follow_symlinks=False)
            for again in range(2):
                snapshot = take(store, place, tmp_path / f"cache{number}", f"{2 * number + again:016x}")
                told = {warning.path for warning in snapshot.warnings}
                for path, entry in trees.walk(store.tree, bytes.fromhex(snapshot.files.root)):
                    when = int(path[1:])
                    assert entry.mtime_ns == min(max(when, EARLIEST), LATEST)
                    assert (path in told) == (not EARLIEST < when < LATEST)
            assert look(store, place, tmp_path / f"cache{number}")[0].root.hex() == snapshot.files.root
        finally:
            subprocess.run(["rm", "-rf", place, place.parent / "probe"], check=True)
    assert shown, "no file system here keeps such times"


# -- holes

runs = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(st.integers(1, 5000), st.integers(1, 3 * MAXIMUM // 4096).map(lambda n: n * 4096)),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=25)
@given(parts=runs, more=st.integers(0, 3))
def test_holes_are_cut_as_the_zeros_that_they_read_as(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[bool, int]], more: int
) -> None:
    file = tmp_path_factory.mktemp("sparse") / "file"
    noise = os.urandom(1 << 20)
    with open(file, "wb") as made:
        made.truncate(WHOLE + 1 + more * MAXIMUM)
        for hole, length in parts:
            if hole:
                made.seek(length, os.SEEK_CUR)
            else:
                made.write((noise * (length // len(noise) + 1))[:length])
        made.truncate(max(made.tell(), WHOLE + 1 + more * MAXIMUM))
    size = file.stat().st_size
    with open(file, "rb", buffering=0) as opened:
        whole = cut_stream(opened.readinto, lambda data: blake3(data).digest())  # type: ignore[arg-type]
        found = cut_sparse(opened.fileno(), size + 1, lambda data: blake3(data).digest(), lambda: None)
    file.unlink()
    assert found == whole


def test_a_hole_is_neither_read_nor_stored(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert blake3(bytes(ZERO)).digest() == ZERO_ID
    assert AVERAGE < ZERO
    size = 64 << 30
    with open(place / "sparse", "wb") as made:
        made.truncate(size)
        made.seek(size // 2 + 12345)
        made.write(b"an island")
    read = 0
    real = os.preadv

    def counted(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        nonlocal read
        got = real(descriptor, buffers, offset)
        read += got
        return got

    monkeypatch.setattr(os, "preadv", counted)
    snapshot = take(store, place, tmp_path / "cache")
    assert read <= 2 * (16 << 20)
    assert snapshot.files.bytes == size
    assert snapshot.stored_bytes < 1 << 20
    entry = trees.lookup(store.tree, bytes.fromhex(snapshot.files.root), "sparse")
    assert entry is not None
    assert entry.size == size
    start = size // 2
    data = b""
    for piece in store.stream(entry.content, start):
        data += piece
        if len(data) > 20000:
            break
    assert data[12345 : 12345 + 9] == b"an island"


def test_a_file_larger_than_can_be_kept_is_named(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reader, "LARGEST", 1 << 20)
    (place / "large").write_bytes(b"x" * ((1 << 20) + 1))
    (place / "small").write_bytes(b"x")
    snapshot = take(store, place, tmp_path / "cache")
    assert [warning.path for warning in snapshot.warnings] == ["large"]
    assert snapshot.files.count == 1


# -- width

WIDE = """
import os, resource, sys
from pathlib import Path
from nuvtui.store.scanner import scan
from nuvtui.store.tree_only_writer import TreeOnlyWriter
from nuvtui.store.store import Store
from nuvtui.paths import Home
from nuvtui.reporter import Silent
store = Store(Home(Path(sys.argv[2])))
store.create()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scan(Path(sys.argv[1]), TreeOnlyWriter(store), Path(sys.argv[3]), Silent())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_wide_folder_takes_little_memory(place: Path, tmp_path: Path) -> None:
    """Less than 600 bytes for a file, of which 120 are what the cache and the tree hold of it."""
    count = 10_000
    for number in range(count):
        (place / f"a file with a name of usual length {number}").symlink_to("target")
    done = subprocess.run(
        [sys.executable, "-c", WIDE, place, tmp_path / "home", tmp_path / "cache"],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(scanner.__file__).parents[2])},
    )
    for line in done.stdout.split():
        assert int(line) * 1024 < 600 * count + (8 << 20)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1000, (1 << 16) - 1, 1 << 16])
def test_a_tree_made_little_by_little_is_the_tree(count: int) -> None:
    entries = [Entry(b"%09d" % one, FOLDER, 0o755, LATEST, one, [bytes(32)], count=2) for one in range(count)]
    builder = tree_format.Builder()
    for start in range(0, count, 999):
        builder.add(entries[start : start + 999])
    builder.add([])
    data = builder.finish()
    assert data == tree_format.encode(entries)
    assert list(tree_format.each(data)) == entries
