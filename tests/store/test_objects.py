"""Objects, packs, indexes, manifests: what goes in comes out, and the formats are as their docstrings say."""

import io
import os
import stat
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import FILE, Entry
from nuvtui.paths import Home
from nuvtui.store import index, packs
from nuvtui.store.check import check
from nuvtui.store.chunks import AVERAGE, MAXIMUM, WHOLE, cut_stream
from nuvtui.store.store import Store
from nuvtui.store.writer import writing
from tests.store.helpers import QUIET, assert_sound, new_store, take, temporaries


def test_what_is_put_is_read_back(store: Store) -> None:
    items = [b"", b"x", b"text " * 1000, os.urandom(300_000), bytes(5 << 20)]
    with writing(store) as writer:
        ids = [writer.put(item) for item in items]
        assert ids == [blake3(item).digest() for item in items]
        assert [writer.put(item) for item in items] == ids
    fresh = Store(store.home)
    assert [fresh.read(item) for item in ids] == items
    assert [fresh.length(item) for item in ids] == [len(item) for item in items]
    assert b"".join(fresh.stream(ids)) == b"".join(items)
    whole = b"".join(items)
    for start in (0, 1, 5000, 5001, 305_002, len(whole) - 1, len(whole), len(whole) + 1):
        assert b"".join(fresh.stream(ids, start)) == whole[start:]


def test_nothing_is_stored_twice(store: Store) -> None:
    data = os.urandom(100_000)
    with writing(store) as writer:
        writer.put(data)
        writer.put(data)
        writer.commit()
        first = writer.stored_bytes
        writer.put(data)
    assert 100_000 < first < 101_000
    assert writer.stored_bytes == first
    with writing(store) as writer:
        writer.put(data)
    assert writer.stored_bytes == 0
    assert len(list(store.home.packs.iterdir())) == 1


def test_an_exception_leaves_nothing(store: Store) -> None:
    items = [os.urandom(5 << 20) for _ in range(3)]
    item = blake3(items[0]).digest()

    def fail() -> None:
        with writing(store) as writer:
            for data in items:
                writer.put(data)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(store.home.packs.iterdir()) == []
    assert list(store.home.index.iterdir()) == []
    with pytest.raises(StoreError) as caught:
        store.read(item)
    assert item.hex()[:16] in caught.value.title
    assert "nuvtui store check --read-data" in caught.value.hint


def test_packs_are_closed_at_their_size_and_stay_readable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK", 1 << 20)
    monkeypatch.setattr(packs, "GROUP", 1 << 18)
    items = [os.urandom(200_000) for _ in range(30)]
    with writing(store) as writer:
        ids = [writer.put(item) for item in items]
    assert len(list(store.home.packs.iterdir())) >= 4
    assert [Store(store.home).read(item) for item in ids] == items
    assert check(store, True, QUIET).problems == []


def test_permissions(tmp_path: Path) -> None:
    os.umask(0)
    private = new_store(tmp_path / "private")
    shared = Store(Home(tmp_path / "shared"), shared=True)
    shared.create()
    for store, folder_mode, object_mode in ((private, 0o700, 0o400), (shared, 0o2770, 0o440)):
        (tmp_path / "w").mkdir(exist_ok=True)
        (tmp_path / "w" / "f").write_bytes(b"x")
        take(store, tmp_path / "w", tmp_path / f"{object_mode}", "0" * 16)
        for folder, _, files in os.walk(store.home.root):
            assert stat.S_IMODE(os.stat(folder).st_mode) == folder_mode
            for name in files:
                mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
                wanted = object_mode if name.endswith((".pack", ".idx")) else object_mode | object_mode >> 1
                assert mode == wanted, name
    assert Store(shared.home).shared  # seen by whoever opens it later
    assert not Store(private.home).shared


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(0, 6 << 20),
    pieces=st.lists(st.integers(1, 3 << 20), min_size=1, max_size=5),
)
def test_cuts_depend_on_the_bytes_alone(seed: int, size: int, pieces: list[int]) -> None:
    import random

    data = random.Random(seed).randbytes(size)

    def cut(sizes: list[int]) -> tuple[list[bytes], list[bytes], int]:
        at, turn, chunks = 0, 0, []

        def read(buffer: memoryview) -> int:
            nonlocal at, turn
            piece = data[at : at + min(len(buffer), sizes[turn % len(sizes)])]
            buffer[: len(piece)] = piece
            turn += 1
            at += len(piece)
            return len(piece)

        def put(chunk: memoryview) -> bytes:
            chunks.append(bytes(chunk))
            return blake3(chunk).digest()

        ids, length = cut_stream(read, put)
        return ids, chunks, length

    ids, chunks, length = cut([1 << 30])
    assert (b"".join(chunks), length) == (data, size)
    assert cut(pieces)[0] == ids
    assert len(ids) == (0 if not size else 1) or size > WHOLE
    assert all(len(chunk) <= MAXIMUM for chunk in chunks)


def test_a_small_change_in_a_big_file_costs_little(store: Store) -> None:
    data = bytearray(os.urandom(40 << 20))

    def put() -> int:
        view = bytes(data)
        with writing(store) as writer:
            ids, length = writer.put_stream(io.BytesIO(view).readinto)
            assert length == len(view)
        assert b"".join(Store(store.home).stream(ids)) == view
        return writer.stored_bytes

    assert put() > 40 << 20
    data[20 << 20 : 20 << 20] = b"inserted"
    assert put() < 3 * MAXIMUM
    data[5 << 20] ^= 1
    assert put() < 2 * MAXIMUM + AVERAGE


def test_many_sessions_leave_few_indexes(store: Store) -> None:
    ids = []
    for number in range(150):
        with writing(store) as writer:
            ids.append(writer.put(b"%d" % number))
    assert len(list(store.home.index.iterdir())) < 2 * index.TIER
    fresh = Store(store.home)
    assert [fresh.read(item) for item in ids] == [b"%d" % number for number in range(150)]
    assert_sound(store)


@settings(max_examples=25)
@given(st.sets(st.binary(min_size=32, max_size=32), max_size=400), st.binary(min_size=32, max_size=32))
def test_an_index_finds_exactly_what_it_lists(
    tmp_path_factory: pytest.TempPathFactory, ids: set[bytes], other: bytes
) -> None:
    block = packs.Block(b"p" * 16, 24, 100, 1000, packs.ZSTD)
    entries = [item + packs.RECORD.pack(0, number, 7) for number, item in enumerate(sorted(ids))]
    data = index.build([(b"p" * 16, 5000)], [block], list(reversed(entries)))
    path = tmp_path_factory.mktemp("index") / "x.idx"
    path.write_bytes(data)
    file = index.IndexFile(path)
    for number, item in enumerate(sorted(ids)):
        assert file.location(file.find(item)) == index.ObjectLocation(block, number, 7)
    assert (file.find(other) >= 0) == (other in ids)
    assert [entry[0] for entry in file.entries()] == sorted(ids)


def test_a_large_index_uses_its_fan_out(tmp_path: Path) -> None:
    block = packs.Block(b"p" * 16, 24, 100, 1000, packs.RAW)
    ids = [blake3(struct.pack("<I", number)).digest() for number in range(20_000)]
    data = index.build([(b"p" * 16, 5000)], [block], [item + packs.RECORD.pack(0, 0, 7) for item in ids])
    (tmp_path / "x.idx").write_bytes(data)
    file = index.IndexFile(tmp_path / "x.idx")
    assert all(file.find(item) >= 0 for item in ids)
    assert all(file.find(blake3(item).digest()) < 0 for item in ids)


def test_a_damaged_index_is_refused_and_says_how_to_go_on(store: Store) -> None:
    with writing(store) as writer:
        item = writer.put(b"data")
    path = next(store.home.index.iterdir())
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[60] ^= 4
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        Store(store.home).read(item)
    assert "nuvtui store repair" in caught.value.hint


def test_manifests(store: Store, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "f").write_bytes(b"x")
    snapshot = take(store, tmp_path / "w", tmp_path / "cache", "a" * 16)
    assert store.manifest_ids() == ["a" * 16]
    assert store.read_manifest("a" * 16) == snapshot
    renamed = msgspec.structs.replace(snapshot, name="réplica \x1b[31m")
    store.write_manifest(renamed)
    assert store.read_manifest("a" * 16) == renamed
    path = store.home.manifest("a" * 16)
    whole = path.read_bytes()
    for at in range(len(whole) - 2):
        if whole[at : at + 1].isspace():
            continue
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StoreError):
            store.read_manifest("a" * 16)
    for end in (0, 1, 100, len(whole) - 3):
        path.write_bytes(whole[:end])
        with pytest.raises(StoreError):
            store.read_manifest("a" * 16)
    path.write_bytes(whole.replace(b'"version":1,"blake3"', b'"version":2,"blake3"'))
    with pytest.raises(StoreError, match="version 2"):
        store.read_manifest("a" * 16)
    store.delete_manifest("a" * 16)
    store.delete_manifest("a" * 16)
    assert store.manifest_ids() == []
    with pytest.raises(NuvError) as caught:
        store.read_manifest("a" * 16)
    assert caught.value.exit_code is Exit.NOT_FOUND
    with pytest.raises(NuvError):
        store.read_manifest("../../etc/passwd")


def test_a_manifest_needs_what_it_refers_to(store: Store, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "f").write_bytes(b"x")
    snapshot = take(store, tmp_path / "w", tmp_path / "cache", "a" * 16)
    files = msgspec.structs.replace(snapshot.files, root="00" * 32)
    with pytest.raises(StoreError, match="missing"):
        store.write_manifest(msgspec.structs.replace(snapshot, id="b" * 16, files=files))
    assert store.manifest_ids() == ["a" * 16]


def test_a_tree_that_lies_is_refused(store: Store) -> None:
    with writing(store) as writer:
        bad = [
            writer.put(tree_format.encode([Entry(name, FILE, 0o644, 0, 0)]))
            for name in (b"..", b".", b"a/b", b"", b"a\0b", b"/etc")
        ]
        bad.append(writer.put(b"not a tree"))
    for item in bad:
        with pytest.raises(StoreError, match="damaged"):
            store.tree(item)


WRITER = """
    import os, sys
    from pathlib import Path
    from nuvtui.paths import Home
    from nuvtui.store.store import Store
    from tests.store.helpers import take

    root, number = Path(sys.argv[1]), int(sys.argv[2])
    store = Store(Home(root / "home"))
    os.write(1, b"ready")
    os.read(0, 1)
    take(store, root / "workspace", root / f"cache{number}", f"{number:016x}")
"""


def test_eight_writers_at_once_keep_one_copy_of_everything(tmp_path: Path) -> None:
    """Hard case 4."""
    store = new_store(tmp_path / "home")
    workspace = tmp_path / "workspace"
    for number in range(40):
        (workspace / f"d{number % 5}").mkdir(parents=True, exist_ok=True)
        (workspace / f"d{number % 5}" / f"f{number}").write_bytes(os.urandom(30_000) * 2)
    (workspace / "big").write_bytes(os.urandom(6 << 20))
    script = textwrap.dedent(WRITER)
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
        )
        for number in range(8)
    ]
    for child in running:
        assert child.stdout is not None
        assert child.stdout.read(5) == b"ready"
    for child in running:  # all are at the start line: off they go
        assert child.stdin is not None
        child.stdin.write(b"x")
        child.stdin.close()
    for child in running:
        assert child.wait(120) == 0
        assert child.stdout is not None
        child.stdout.close()
    assert store.manifest_ids() == [f"{number:016x}" for number in range(8)]
    assert len({store.read_manifest(item).files.root for item in store.manifest_ids()}) == 1
    assert_sound(store)
    held: list[bytes] = []
    for pack in store.present_packs():
        file = packs.PackFile(store.home.packs, pack)
        for view in packs.read_blocks(file.descriptor, pack):
            held += [item for item, _ in view.objects]
    assert len(held) == len(set(held))
    assert temporaries(store) == []


def test_a_writer_leaves_out_what_another_has_stored_meanwhile(store: Store) -> None:
    mine, theirs, both = os.urandom(9000), os.urandom(8000), os.urandom(7000)
    with writing(store) as first:
        first.put(mine)
        shared = first.put(both)
        with writing(Store(store.home)) as second:
            second.put(theirs)
            second.put(both)
    assert second.stored_bytes > 15_000
    assert 9000 < first.stored_bytes < 10_000
    fresh = Store(store.home)
    assert fresh.read(shared) == both
    assert fresh.read(blake3(mine).digest()) == mine
    assert_sound(store)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("NOT SHOWN: a full disk needs root, to mount a small tmpfs")
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT SHOWN: tmpfs cannot be mounted: {mounted.stderr.decode()}")
    yield folder
    # Lazily: an open index of the test may still be mapped.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_leaves_nothing(tiny_disk: Path, tmp_path: Path) -> None:
    """Hard case 2."""
    store = new_store(tiny_disk / "home")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "small").write_bytes(b"fits")
    first = take(store, workspace, tiny_disk / "cache", "1" * 16)
    (workspace / "large").write_bytes(os.urandom(12 << 20))
    with pytest.raises(StoreError) as caught:
        take(store, workspace, tiny_disk / "cache", "2" * 16)
    assert caught.value.title == "The store is full"
    assert "nuvtui store gc" in caught.value.hint
    assert store.manifest_ids() == ["1" * 16]
    assert temporaries(store) == []
    assert_sound(store)
    assert (workspace / "large").stat().st_size == 12 << 20
    free = os.statvfs(tiny_disk)
    assert free.f_bavail * free.f_bsize > 7 << 20  # all of it is back
    (workspace / "large").write_bytes(os.urandom(1 << 20))
    take(store, workspace, tiny_disk / "cache", "2" * 16)
    assert_sound(store)
    assert store.read_manifest("1" * 16) == first
