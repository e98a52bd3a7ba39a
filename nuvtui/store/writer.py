"""A session that adds objects to the store.

Objects gather in groups, groups become blocks (compressed by a few threads while the caller goes on reading),
blocks become packs under temporary names. A group is a buffer that is used again and again, and small files are
read straight into it (`space`, `put_space`): no byte of them is copied before it is compressed.
`commit` puts packs and then an index in place. Sessions run side by side; whoever commits second finds the objects
that the first one has put in place meanwhile and leaves its own copies of them out, so that the store keeps one
copy of every object.
"""

import contextlib
import os
import queue
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING

from blake3 import blake3

from nuvtui import atomic
from nuvtui.store import failure, index, packs
from nuvtui.store.chunks import MAXIMUM, WHOLE, Cutter
from nuvtui.store.store import Store

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


class _Group:
    """Objects one after the other in a buffer, on the way to becoming a block."""

    def __init__(self, buffer: bytearray | None) -> None:
        self.buffer = bytearray(packs.GROUP + MAXIMUM) if buffer is None else buffer
        self.view = memoryview(self.buffer)
        self.used = 0
        self.objects: list[tuple[bytes, int]] = []


class ObjectWriter(Cutter):
    """Adds objects to a store; made by `writing`. To be used by one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.generation = store.generation()
        """The store's generation when the session began."""
        self._index = store.index
        self._index.refresh()
        self._listed = [file.name for file in self._index.files]
        """The indexes that this session has looked into: nothing in them was added again."""
        self._gone = store.lost_packs()
        self._seen: set[bytes] = set()
        self._group: _Group | None = None
        self._trees: list[tuple[bytes, bytes]] = []
        self._tree_bytes = 0
        threads = min(8, os.cpu_count() or 1)
        self._pool: ThreadPoolExecutor | None = None
        self._threads = threads
        self._free: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
        """Buffers to use again, None for one that is yet to be made. Their number bounds the memory."""
        for _ in range(threads + 2):
            self._free.put(None)
        self._pending: list[Future[None]] = []
        self._out = packs.PackWriter(store.home.packs, store.object_mode)
        self._after: list[Callable[[], None]] = []
        self._stored = 0
        self._closed = False

    @property
    def store(self) -> Store:
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
            return self._index.find(object_id) is not None
        places = self._index.places(object_id)
        return any(file.pack_of(position) not in self._gone for file, position in places)

    def put(self, data: bytes | memoryview) -> bytes:
        """Add an object; its id. Raises StoreError."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self._seen.add(object_id)
            length = len(data)
            if length > MAXIMUM:  # larger than any chunk
                self._submit([(object_id, bytes(data))])
            else:
                group = self._open_group()
                group.view[group.used : group.used + length] = data
                self._added(group, object_id, length)
        return object_id

    def space(self) -> memoryview:
        """Where to read the next object to, `WHOLE` bytes and one more; for `put_space`."""
        group = self._group or self._open_group()
        return group.view[group.used : group.used + WHOLE + 1]

    def put_space(self, length: int) -> bytes:
        """Add the first `length` bytes of `space` as an object; its id. Raises StoreError."""
        group = self._group or self._open_group()
        object_id = blake3(group.view[group.used : group.used + length]).digest()
        if object_id not in self._seen and not self._held(object_id):
            self._seen.add(object_id)
            self._added(group, object_id, length)
        return object_id

    def _open_group(self) -> _Group:
        if self._group is None:
            self._group = _Group(self._free.get())  # waits for the compression where all buffers are full
        return self._group

    def _added(self, group: _Group, object_id: bytes, length: int) -> None:
        group.objects.append((object_id, length))
        group.used += length
        if group.used >= packs.GROUP:
            self._flush_data()

    def put_block(self, codec: int, raw: int, payload: bytes, objects: Sequence[tuple[bytes, int]]) -> None:
        """Add a block that is compressed already, its objects (id and length of each) checked by the caller.

        Raises StoreError.
        """
        self._out.add_payload(codec, raw, payload, objects)
        self._seen.update(object_id for object_id, _ in objects)

    def put_tree(self, data: bytes) -> bytes:
        """Add a folder's tree object (`model.tree.encode`); its id."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self._seen.add(object_id)
            self._trees.append((object_id, data))
            self._tree_bytes += len(data)
            if self._tree_bytes >= packs.TREE_GROUP:
                self._flush_trees()
        return object_id

    def _flush_data(self) -> None:
        group, self._group = self._group, None
        if group is not None and group.objects:
            self._start(self._add_group, group)
        elif group is not None:
            self._free.put(group.buffer)

    def _flush_trees(self) -> None:
        if self._trees:
            trees, self._trees, self._tree_bytes = self._trees, [], 0
            self._submit(trees)

    def _submit(self, objects: list[tuple[bytes, bytes]]) -> None:
        self._start(self._add_objects, objects, self._free.get())

    def _start(self, action: Callable[..., None], *arguments: object) -> None:
        waiting = []
        for future in self._pending:
            if future.done():
                future.result()
            else:
                waiting.append(future)
        self._pending = waiting
        if self._pool is None:
            # Here: where nothing is new, nothing is compressed.
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="nuvtui-pack")
        self._pending.append(self._pool.submit(action, *arguments))

    def _add_group(self, group: _Group) -> None:
        try:
            codec, payload = packs.compress(group.view[: group.used])
            self._out.add_payload(codec, group.used, payload, group.objects)
        finally:
            self._free.put(group.buffer)

    def _add_objects(self, objects: Sequence[tuple[bytes, bytes]], buffer: bytearray | None) -> None:
        try:
            self._out.add(objects)
        finally:
            self._free.put(buffer)

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
            self._seen.clear()  # from here on an index lists them
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
            merge_indexes(store, self._gone)
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

    def close(self) -> None:
        """End the session; what was not committed is gone."""
        if self._closed:
            return
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._out.discard()


def merge_indexes(store: Store, gone: Container[bytes]) -> None:
    """Merge indexes of like size, where they are many; the caller holds the commit lock. Raises StoreError.

    `gone`: packs that are not there. The old ones go after the new one is durable: a crash leaves both.
    """
    while files := index.crowded(store.index.files):
        index.write(store.home.index, index.merge(files, gone), store.object_mode)
        with failure.store_errors("Merging indexes"):
            for file in files:
                with contextlib.suppress(PermissionError):  # another user's, in a sticky shared folder
                    os.unlink(store.home.index / file.name)
            atomic.fsync_folder(store.home.index)
        if not store.index.refresh():
            return


@contextlib.contextmanager
def writing(store: Store) -> Iterator[ObjectWriter]:
    """A session that adds objects to `store`; several processes may have one each at the same time.

    Leaving the block commits; an exception leaves nothing behind. Write the manifest inside the block,
    after `commit()`: until the block is left, gc is kept away from what only this session knows to be
    needed.
    """
    with store.using():
        store.settle()
        writer = ObjectWriter(store)
        try:
            yield writer
            writer.commit()
        finally:
            writer.close()
