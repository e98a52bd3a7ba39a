"""Trees of a snapshot: walk them, look a path up, compare two.

`tree` is always a function from a tree object's id to its entries (`Store.tree`, `ScanResult.tree`). Paths
are relative to the workspace, `/` between components, str with surrogateescape.
"""

import os
from collections.abc import Callable, Iterator

from nuvtui.model.tree import FILE, FOLDER, LINK, Entry

Tree = Callable[[bytes], list[Entry]]


def walk(tree: Tree, root: bytes, prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """All entries below `root`, depth first, sorted by name (bytes), a folder before what is in it.

    `prefix` (empty or ending in `/`) is put before every path.
    """
    stack = [(prefix, iter(tree(root)))]
    while stack:
        base, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        path = base + os.fsdecode(entry.name)
        yield path, entry
        if entry.kind == FOLDER:
            stack.append((path + "/", iter(tree(entry.content[0]))))


def lookup(tree: Tree, root: bytes, path: str) -> Entry | None:
    """The entry at `path`; None where there is none. Links are not followed."""
    found = None
    for part in os.fsencode(path).split(b"/"):
        if found is not None:
            if found.kind != FOLDER:
                return None
            root = found.content[0]
        found = next((entry for entry in tree(root) if entry.name == part), None)
        if found is None:
            return None
    return found


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
    if root_old == root_new:
        return
    stack = [("", _pairs(tree_old, root_old, tree_new, root_new))]
    while stack:
        base, pairs = stack[-1]
        pair = next(pairs, None)
        if pair is None:
            stack.pop()
            continue
        old, new = pair
        name = (old or new).name  # type: ignore[union-attr]  # one of the two is there
        path = base + os.fsdecode(name)
        if old is None or new is None or not same(old, new):
            yield path, old, new
        below_old = old.content[0] if old is not None and old.kind == FOLDER else None
        below_new = new.content[0] if new is not None and new.kind == FOLDER else None
        if below_old != below_new:
            stack.append((path + "/", _pairs(tree_old, below_old, tree_new, below_new)))


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
