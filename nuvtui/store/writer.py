"""A session that adds objects to the store.

Objects gather in groups, groups become blocks (compressed by a few threads while the caller goes on reading),
blocks become packs under temporary names. `commit` puts packs and then an index in place. Sessions run side
by side; whoever commits second finds the objects that the first one has put in place meanwhile and leaves
its own copies of them out, so that the store keeps one copy of every object.

Files of more than `WHOLE` bytes are cut by their content (FastCDC, 256 KiB to 4 MiB, 1 MiB on average), so
that a change in place or an insertion costs a chunk or two; smaller ones are one object each.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from blake3 import blake3

from nuvtui import atomic
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import Entry
from nuvtui.store import failure, index, packs

if TYPE_CHECKING:
    from nuvtui.store.store import Store

WHOLE = 512 << 10
MINIMUM, AVERAGE, MAXIMUM = 256 << 10, 1 << 20, 4 << 20
_BUFFER = 16 << 20


class Writer:
    """Made by `Store.writer()`. To be used by one thread."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self.generation = store.generation()
        """The store's generation when the session began."""
        store.index.refresh()
        self._listed = [file.name for file in store.index.files]
        """The indexes that this session has looked into: nothing in them was added again."""
        self._present = store.present_packs()
        self._gone = {
            pack for file in store.index.files for pack, size in file.packs if self._present.get(pack) != size
        }
        self._seen: set[bytes] = set()
        self._data: list[tuple[bytes, bytes]] = []
        self._data_bytes = 0
        self._trees: list[tuple[bytes, bytes]] = []
        self._tree_bytes = 0
        threads = min(8, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="nuvtui-pack")
        self._room = threading.Semaphore(threads + 2)
        self._pending: list[Future[None]] = []
        self._out = packs.PackWriter(store.home.packs, store.object_mode)
        self._after: list[Callable[[], None]] = []
        self._stored = 0
        self._closed = False

    @property
    def store(self) -> "Store":
        """The store that is written to."""
        return self._store

    @property
    def whole(self) -> bool:
        """True where every pack that the indexes list is there in full length."""
        return not self._gone

    @property
    def stored_bytes(self) -> int:
        """Bytes that the commits of this session added to the packs."""
        return self._stored

    # -- adding

    def has(self, object_id: bytes) -> bool:
        """True where the store or this session holds the object."""
        if object_id in self._seen:
            return True
        return self._held(object_id)

    def _held(self, object_id: bytes) -> bool:
        """True where a pack that is there holds the object."""
        if not self._gone:
            return self._store.index.find(object_id) is not None
        places = self._store.index.places(object_id)
        return any(file.pack_of(position) not in self._gone for file, position in places)

    def put(self, data: bytes) -> bytes:
        """Add an object; its id. Raises StoreError."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self._seen.add(object_id)
            self._data.append((object_id, data))
            self._data_bytes += len(data)
            if self._data_bytes >= packs.GROUP:
                self._flush_data()
        return object_id

    def put_stream(self, read: Callable[[int], bytes]) -> tuple[list[bytes], int]:
        """Add what `read(n)` gives until it gives nothing: ids of its chunks in order, and its length.

        `read` may give less than asked for. Its errors come through as they are.
        """
        return cut_stream(read, self.put)

    def put_tree(self, entries: list[Entry]) -> bytes:
        """Add a folder's tree object (entries sorted by name); its id."""
        return self.put_encoded_tree(tree_format.encode(entries))

    def put_encoded_tree(self, data: bytes) -> bytes:
        """Add a tree object that is encoded already; its id."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self._seen.add(object_id)
            self._trees.append((object_id, data))
            self._tree_bytes += len(data)
            if self._tree_bytes >= packs.TREE_GROUP:
                self._flush_trees()
        return object_id

    def _flush_data(self) -> None:
        if self._data:
            group, self._data, self._data_bytes = self._data, [], 0
            self._submit(group)

    def _flush_trees(self) -> None:
        if self._trees:
            group, self._trees, self._tree_bytes = self._trees, [], 0
            self._submit(group)

    def _submit(self, group: list[tuple[bytes, bytes]]) -> None:
        self._room.acquire()  # bounds the memory: the reader waits for the compression
        waiting = []
        for future in self._pending:
            if future.done():
                future.result()
            else:
                waiting.append(future)
        self._pending = waiting
        self._pending.append(self._pool.submit(self._add, group))

    def _add(self, group: list[tuple[bytes, bytes]]) -> None:
        try:
            self._out.add(group)
        finally:
            self._room.release()

    # -- committing

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once the objects added so far are durable; not at all where that fails."""
        self._after.append(action)

    def commit(self) -> None:
        """Make all that was added durable and visible. The session can go on. Raises StoreError."""
        self._flush_data()
        self._flush_trees()
        for future in self._pending:
            future.result()
        self._pending = []
        if self._out.entries:
            self._out.finish()
            with contextlib.ExitStack() as stack:
                with failure.store_errors("Locking the store"):
                    stack.enter_context(atomic.locked(self._store.commit_lock))
                self._put_in_place()
        actions, self._after = self._after, []
        for action in actions:
            action()

    def _put_in_place(self) -> None:
        store = self._store
        out = self._out
        store.index.refresh()
        if self._listed != [file.name for file in store.index.files]:
            out = self._without_copies(out)
        if out.entries:
            out.publish()
            index.write(store.home.index, index.build(out.packs, out.blocks, out.entries), store.object_mode)
            self._stored += sum(size for _, size in out.packs)
            store.index.refresh()
            self._merge()
        self._listed = [file.name for file in store.index.files]
        out.discard()
        self._out = packs.PackWriter(store.home.packs, store.object_mode)

    def _without_copies(self, out: packs.PackWriter) -> packs.PackWriter:
        """`out` without the objects that somebody else has put in place since this session began."""
        new = [entry[: index.ID] for entry in out.entries]
        self._gone = {
            pack for file in self._store.index.files for pack, size in file.packs if pack in self._gone
        }
        copies = {item for item in new if self._held(item)}
        if not copies:
            return out
        objects: list[list[tuple[bytes, int]]] = [[] for _ in out.blocks]
        for entry in sorted(out.entries, key=lambda entry: entry[index.ID :]):
            number, _, length = packs.RECORD.unpack(entry[index.ID :])
            objects[number].append((entry[: index.ID], length))
        less = packs.PackWriter(self._store.home.packs, self._store.object_mode)
        self._out = less
        try:
            packs.rewrite(
                list(zip(out.blocks, objects, strict=True)),
                lambda item: item not in copies,
                out.payload,
                less,
            )
            less.finish()
        finally:
            out.discard()
        return less

    def _merge(self) -> None:
        """Merge indexes of like size. The old ones go after the new one is durable: a crash leaves both."""
        while files := index.crowded(self._store.index.files):
            index.write(self._store.home.index, index.merge(files, self._gone), self._store.object_mode)
            with failure.store_errors("Merging indexes"):
                for file in files:
                    with contextlib.suppress(PermissionError):  # another user's, in a sticky shared folder
                        os.unlink(self._store.home.index / file.name)
                atomic.fsync_folder(self._store.home.index)
            if not self._store.index.refresh():
                return

    def close(self) -> None:
        """End the session; what was not committed is gone."""
        if self._closed:
            return
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._out.discard()


class TreeOnlyWriter:
    """Computes ids like a Writer and writes nothing: for a look at the Current State.

    Keeps the tree objects that the store does not hold, and no file's bytes.
    """

    def __init__(self, store: "Store") -> None:
        self.store = store
        self.generation = store.generation()
        store.index.refresh()
        self.trees: dict[bytes, bytes] = {}

    def has(self, object_id: bytes) -> bool:
        """True where the store holds the object."""
        return self.store.index.find(object_id) is not None

    def put(self, data: bytes) -> bytes:
        """The id of an object."""
        return blake3(data).digest()

    def put_stream(self, read: Callable[[int], bytes]) -> tuple[list[bytes], int]:
        """As `Writer.put_stream`."""
        return cut_stream(read, self.put)

    def put_tree(self, entries: list[Entry]) -> bytes:
        """The id of a folder's tree object, which is kept in memory where the store does not hold it."""
        return self.put_encoded_tree(tree_format.encode(entries))

    def put_encoded_tree(self, data: bytes) -> bytes:
        """As `put_tree`, for a tree object that is encoded already."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self.trees[object_id] = data
        return object_id

    def tree(self, object_id: bytes) -> list[Entry]:
        """The entries of a tree object, from memory or from the store."""
        data = self.trees.get(object_id)
        return self.store.tree(object_id) if data is None else tree_format.decode(data)


def cut_stream(read: Callable[[int], bytes], put: Callable[[bytes], bytes]) -> tuple[list[bytes], int]:
    """Cut what `read` gives into chunks and hand each to `put`: their ids in order, and the whole length.

    The cut depends on the bytes alone, not on how they arrive.
    """
    buffer = bytearray(_fill(read, WHOLE + 1))
    if len(buffer) <= WHOLE:
        return ([put(bytes(buffer))] if buffer else []), len(buffer)
    from pyfastcdc import FastCDC  # here: small files do not need it

    cutter = FastCDC(AVERAGE, min_size=MINIMUM, max_size=MAXIMUM)
    ids: list[bytes] = []
    total, ended = 0, False
    while buffer or not ended:
        if not ended:
            more = _fill(read, _BUFFER - len(buffer))
            ended = len(buffer) + len(more) < _BUFFER
            buffer += more
        data = bytes(buffer)
        used = 0
        for chunk in cutter.cut_buf(data):
            # A cut is certain only where it could not have come later, had more bytes been there.
            if not ended and used + MAXIMUM > len(data):
                break
            ids.append(put(data[used : used + chunk.length]))
            used += chunk.length
        total += used
        del buffer[:used]
    return ids, total


def _fill(read: Callable[[int], bytes], size: int) -> bytes:
    """Up to `size` bytes; fewer only at the end."""
    parts = []
    while size > 0:
        data = read(size)
        if not data:
            break
        parts.append(data)
        size -= len(data)
    return b"".join(parts)
