"""Trees of a snapshot: walk them, look a path up, compare two.

`tree` is always a function from a tree object's id to its entries (`Store.tree`, `ScanResult.tree`). Paths
are relative to the workspace, `/` between components, str with surrogateescape.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Container, Iterator

from nuvtui.model.tree import FILE, FOLDER, LINK, Entry

Tree = Callable[[bytes], list[Entry]]


def walk(tree: Tree, root: bytes, prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """All entries below `root`, depth first, sorted by name (bytes), a folder before what is in it.

    `prefix` (empty or ending in `/`) is put before every path.
    """
    stack = [iter(tree(root))]
    base = prefix  # one for all folders above: of a deep one each would be long
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            base = base[: base.rfind("/", 0, -1) + 1]
            continue
        path = base + os.fsdecode(entry.name)
        yield path, entry
        if entry.kind == FOLDER:
            stack.append(iter(tree(entry.content[0])))
            base = path + "/"


def lookup(tree: Tree, root: bytes, path: str) -> Entry | None:
    """The entry at `path`; None where there is none. Links are not followed."""
    found = None
    for part in os.fsencode(path).split(b"/"):
        if found is not None:
            if found.kind != FOLDER:
                return None
            root = found.content[0]
        found = find(tree(root), part)
        if found is None:
            return None
    return found


def find(entries: list[Entry], name: bytes) -> Entry | None:
    """The entry called `name` among those of a folder, by halving: they are sorted by name."""
    at = bisect_left(entries, name, key=lambda entry: entry.name)
    return entries[at] if at < len(entries) and entries[at].name == name else None


def same(old: Entry, new: Entry) -> bool:
    """True where two entries of one name are equal but for times; what folders hold is left aside."""
    if old.kind != new.kind:
        return False
    if old.kind == LINK:
        return old.target == new.target
    if old.kind == FILE:
        return old.mode == new.mode and old.size == new.size and old.content == new.content
    return old.mode == new.mode


def diff(
    tree_old: Tree, root_old: bytes | None, tree_new: Tree, root_new: bytes | None
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Every path that differs between two trees, with its old and new entry; None where there is none.

    Sorted as `walk`; a folder that came or went is told with all that is in it; folders that both have are
    told where their mode differs. Equal subtrees are not opened. A time alone is no difference.
    """
    for path, old, new in differences(tree_old, root_old, tree_new, root_new):
        if old is None or new is None or not same(old, new):
            yield path, old, new


def changes(
    tree_old: Tree, root_old: bytes, tree_new: Tree, root_new: bytes
) -> tuple[list[tuple[str, Entry]], list[str]]:
    """What to put (paths with entries, sorted) and what to remove to come from one tree to another.

    Names of one file belong together: where one of them is put, or one is told apart from the others, all are put.
    Costs what differs; where hard links are among that, a walk of both trees.
    """
    puts: dict[str, Entry] = {}
    removals = []
    linked = False
    for path, old, new in differences(tree_old, root_old, tree_new, root_new):
        linked = linked or bool((old and old.group) or (new and new.group))
        if old is not None and new is not None and same(old, new):
            continue
        if new is None:
            removals.append(path)
        elif old is None or new.kind != FOLDER or (old.kind, old.mode) != (FOLDER, new.mode):
            puts[path] = new
    if linked:
        puts |= _relinked(tree_old, root_old, tree_new, root_new, puts)
    return sorted(puts.items()), removals


def touched(tree_old: Tree, root_old: bytes, tree_new: Tree, root_new: bytes) -> list[tuple[str, Entry]]:
    """Paths that both trees have and that differ in their time alone, with the new entry; sorted as `walk`.

    Folders also where something in them differs: putting that in place changes their time.
    """
    return [
        (path, new)
        for path, old, new in differences(tree_old, root_old, tree_new, root_new)
        if old is not None
        and new is not None
        and same(old, new)
        and (old.mtime_ns != new.mtime_ns or new.kind == FOLDER)
    ]


def _relinked(
    tree_old: Tree, root_old: bytes, tree_new: Tree, root_new: bytes, puts: Container[str]
) -> dict[str, Entry]:
    """What else to put where hard links are among what differs, beyond `puts`: a walk of both trees."""
    old_groups: dict[str, int] = {}
    old_sizes = Counter({0: 1})  # a file without a group has one name
    for path, entry in walk(tree_old, root_old):
        if entry.group:
            old_groups[path] = entry.group
            old_sizes[entry.group] += 1
    found: dict[str, Entry] = {}
    groups: dict[int, dict[str, Entry]] = {}
    for path, entry in walk(tree_new, root_new):
        if entry.group:
            groups.setdefault(entry.group, {})[path] = entry
        elif entry.kind != FOLDER and old_sizes[old_groups.get(path, 0)] > 1:
            found[path] = entry  # it no longer shares the file with the others
    for names in groups.values():
        before = {old_groups.get(path, 0) for path in names}
        same_names = len(before) == 1 and old_sizes[before.pop()] == len(names)
        if not same_names or any(path in puts for path in names):
            found |= names
    return found


def differences(
    tree_old: Tree, root_old: bytes | None, tree_new: Tree, root_new: bytes | None
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """As `diff`, with every path whose entries differ in anything, a time included."""
    if root_old == root_new:
        return
    stack = [_pairs(tree_old, root_old, tree_new, root_new)]
    base = ""
    while stack:
        pair = next(stack[-1], None)
        if pair is None:
            stack.pop()
            base = base[: base.rfind("/", 0, -1) + 1]
            continue
        old, new = pair
        name = (old or new).name  # type: ignore[union-attr]  # one of the two is there
        path = base + os.fsdecode(name)
        yield path, old, new
        below_old = old.content[0] if old is not None and old.kind == FOLDER else None
        below_new = new.content[0] if new is not None and new.kind == FOLDER else None
        if below_old != below_new:
            stack.append(_pairs(tree_old, below_old, tree_new, below_new))
            base = path + "/"


def _pairs(
    tree_old: Tree, root_old: bytes | None, tree_new: Tree, root_new: bytes | None
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """The entries of two folders side by side, by name; those that are equal in everything left out."""
    olds = tree_old(root_old) if root_old is not None else []
    news = tree_new(root_new) if root_new is not None else []
    i = j = 0
    while i < len(olds) or j < len(news):
        if j == len(news) or (i < len(olds) and olds[i].name < news[j].name):
            yield olds[i], None
            i += 1
        elif i == len(olds) or news[j].name < olds[i].name:
            yield None, news[j]
            j += 1
        else:
            if olds[i] != news[j]:
                yield olds[i], news[j]
            i += 1
            j += 1
