"""Two trees and what leads from one to the other."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.model import tree as tree_format
from nuvtui.model.tree import FILE, FOLDER, LINK, Entry
from nuvtui.store import trees


class File(NamedTuple):
    """A name in a folder; names with the same `inode` above 0 are one file."""

    content: bytes
    mode: int = 0o644
    time: int = 0
    kind: str = FILE
    inode: int = 0


Folder = dict[str, "File | Folder"]


class Memory:
    """Tree objects by id."""

    def __init__(self) -> None:
        self.objects: dict[bytes, bytes] = {}
        self.opened = 0

    def __call__(self, object_id: bytes) -> list[Entry]:
        self.opened += 1
        return tree_format.decode(self.objects[object_id])

    def add(self, folder: Folder) -> bytes:
        entries = []
        for name, what in sorted(folder.items()):
            if isinstance(what, dict):
                entries.append(Entry(name.encode(), FOLDER, 0o755, len(what), 0, [self.add(what)]))
            elif what.kind == LINK:
                entries.append(Entry(name.encode(), LINK, 0o777, what.time, 0, target=what.content))
            else:
                entries.append(
                    Entry(
                        name.encode(),
                        FILE,
                        what.mode,
                        what.time,
                        1,
                        [blake3(what.content).digest()],
                        group=what.inode,
                    )
                )
        data = tree_format.encode(entries)
        object_id = blake3(data).digest()
        self.objects[object_id] = data
        return object_id


files = st.builds(
    File,
    st.sampled_from([b"one", b"two"]),
    st.sampled_from([0o644, 0o600]),
    st.sampled_from([0, 5, 2**63 + 5, -(2**63)]),
    st.sampled_from([FILE, FILE, FILE, LINK]),
    st.just(0),
)


def linked(folder: Folder, inodes: list[int]) -> Folder:
    """`folder` with its first files made names of the files that `inodes` say, one after the other."""
    shared: dict[int, File] = {}
    left = iter(inodes)

    def visit(inner: Folder) -> Folder:
        out: Folder = {}
        for name, what in inner.items():
            if isinstance(what, dict):
                out[name] = visit(what)
            elif what.kind == FILE and (inode := next(left, 0)):
                out[name] = shared.setdefault(inode, what._replace(inode=inode))
            else:
                out[name] = what
        return out

    return visit(folder)


names = st.sampled_from(["a", "b", "c", "d"])
plain: st.SearchStrategy[Folder] = st.dictionaries(
    names, st.one_of(files, st.dictionaries(names, st.one_of(files, st.dictionaries(names, files))))
)
folders = st.builds(linked, plain, st.lists(st.integers(0, 2), max_size=8))


def flat(tree: Callable[[bytes], list[Entry]], root: bytes) -> dict[str, Entry]:
    return dict(trees.walk(tree, root))


def look(entry: Entry) -> tuple[object, ...]:
    return entry.kind, entry.mode, entry.target, tuple(entry.content) if entry.kind == FILE else ()


@settings(deadline=None, max_examples=300)
@given(old=folders, new=folders)
def test_what_is_put_and_removed_makes_one_tree_of_the_other(old: Folder, new: Folder) -> None:
    memory = Memory()
    before, after = memory.add(old), memory.add(new)
    puts, removals = trees.changes(memory, before, memory, after)
    # A disk: what each path shows, and which file it is a name of.
    disk = {path: (look(entry), entry.group or path) for path, entry in flat(memory, before).items()}
    for path in removals:
        del disk[path]
    for path, entry in puts:
        disk[path] = (look(entry), ("put", entry.group or path))  # type: ignore[assignment]
    wanted = flat(memory, after)
    assert {path: shown for path, (shown, _) in disk.items()} == {p: look(e) for p, e in wanted.items()}
    found, expected = defaultdict(set), defaultdict(set)
    for path, entry in wanted.items():
        found[disk[path][1]].add(path)
        expected[entry.group or path].add(path)
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, expected.values()))
    if before == after:
        assert not puts
    assert puts == sorted(puts)


@settings(deadline=None, max_examples=200)
@given(old=folders, new=folders)
def test_what_differs_in_its_time_alone_is_told(old: Folder, new: Folder) -> None:
    memory = Memory()
    before, after = memory.add(old), memory.add(new)
    olds, news = flat(memory, before), flat(memory, after)
    told = trees.touched(memory, before, memory, after)
    assert told == [
        (path, entry)
        for path, entry in news.items()
        if path in olds
        and look(olds[path]) == look(entry)
        and (olds[path].mtime_ns != entry.mtime_ns or (entry.kind == FOLDER and olds[path] != entry))
    ]


def test_one_of_many_hard_links_that_changed_costs_two_walks() -> None:
    memory = Memory()
    many: Folder = {f"{number:05}": File(b"one", inode=1) for number in range(20_000)}
    old, new = memory.add(many | {"00000": File(b"two")}), memory.add(many)
    memory.opened = 0
    puts, removals = trees.changes(memory, old, memory, new)
    assert len(puts) == len(many)
    assert removals == []
    assert memory.opened == 4  # once for what differs, once for the links
