"""A session that adds objects to the store.

Objects gather in groups, groups become blocks (compressed by a few threads while the caller goes on reading),
blocks become packs under temporary names. A group is a buffer that is used again and again, and small files are
read straight into it (`space`, `put_space`): no byte of them is copied before it is compressed.
`commit` puts packs and then an index in place. Sessions run side by side; whoever commits second finds the objects
that the first one has put in place meanwhile and leaves its own copies of them out, so that the store keeps one
copy of every object.

Files of more than `WHOLE` bytes are cut by their content (FastCDC, 256 KiB to 4 MiB, 1 MiB on average), so
that a change in place or an insertion costs a chunk or two; smaller ones are one object each.
"""

import contextlib
import errno
import os
import queue
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from blake3 import blake3

from nuvtui import atomic
from nuvtui.model import tree as tree_format
from nuvtui.model.tree import Entry
from nuvtui.store import failure, index, packs

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from nuvtui.store.store import Store

WHOLE = 512 << 10
MINIMUM, AVERAGE, MAXIMUM = 256 << 10, 1 << 20, 4 << 20
STREAM = 16 << 20
"""Bytes of the buffer in which a stream is cut."""

ZERO = MAXIMUM
"""Bytes of the chunk that a long run of zeros is cut into."""
ZERO_ID = bytes.fromhex("04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1")
"""Id of that chunk: of a hole of any length neither is anything read nor hashed, nor written back by a restore."""

Put = Callable[[bytes | memoryview], bytes]
Read = Callable[[memoryview], int]
"""Fills a buffer from its beginning, with as many bytes as it says; 0: there are no more."""


class _Group:
    """Objects one after the other in a buffer, on the way to becoming a block."""

    def __init__(self, buffer: bytearray | None) -> None:
        self.buffer = bytearray(packs.GROUP + MAXIMUM) if buffer is None else buffer
        self.view = memoryview(self.buffer)
        self.used = 0
        self.objects: list[tuple[bytes, int]] = []


class Writer:
    """Made by `Store.writer()`. To be used by one thread."""

    def __init__(self, store: "Store") -> None:
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
        self._buffer: bytearray | None = None
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

    def put_stream(self, read: Read) -> tuple[list[bytes], int]:
        """Add what `read` gives until it gives nothing: ids of its chunks in order, and its length.

        Its errors come through as they are.
        """
        if self._buffer is None:
            self._buffer = bytearray(STREAM)
        return cut_stream(read, self.put, self._buffer)

    def put_sparse(self, descriptor: int, limit: int, check: Callable[[], None]) -> tuple[list[bytes], int]:
        """As `put_stream` of the first `limit` bytes of an open file, whose holes are not read."""
        if self._buffer is None:
            self._buffer = bytearray(STREAM)
        return cut_sparse(descriptor, limit, self.put, check, self._buffer)

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
        if self._pool is not None:
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
        self._space = memoryview(bytearray(WHOLE + 1))
        self._buffer: bytearray | None = None

    def has(self, object_id: bytes) -> bool:
        """True where the store holds the object."""
        return self.store.index.find(object_id) is not None

    def put(self, data: bytes | memoryview) -> bytes:
        """The id of an object."""
        return blake3(data).digest()

    def space(self) -> memoryview:
        """As `Writer.space`."""
        return self._space

    def put_space(self, length: int) -> bytes:
        """As `Writer.put_space`."""
        return blake3(self._space[:length]).digest()

    def put_stream(self, read: Read) -> tuple[list[bytes], int]:
        """As `Writer.put_stream`."""
        if self._buffer is None:
            self._buffer = bytearray(STREAM)
        return cut_stream(read, self.put, self._buffer)

    def put_sparse(self, descriptor: int, limit: int, check: Callable[[], None]) -> tuple[list[bytes], int]:
        """As `Writer.put_sparse`."""
        if self._buffer is None:
            self._buffer = bytearray(STREAM)
        return cut_sparse(descriptor, limit, self.put, check, self._buffer)

    def put_tree(self, data: bytes) -> bytes:
        """The id of a folder's tree object, which is kept in memory where the store does not hold it."""
        object_id = blake3(data).digest()
        if not self.has(object_id):
            self.trees[object_id] = data
        return object_id

    def tree(self, object_id: bytes) -> list[Entry]:
        """The entries of a tree object, from memory or from the store."""
        data = self.trees.get(object_id)
        return self.store.tree(object_id) if data is None else tree_format.decode(data)


def cut_stream(
    read: Read, put: Callable[[memoryview], bytes], room: bytearray | None = None
) -> tuple[list[bytes], int]:
    """Cut what `read` gives into chunks and hand each to `put`: their ids in order, and the whole length.

    The cut depends on the bytes alone, not on how they arrive. A chunk is to be copied by whoever keeps it.
    `room`: `STREAM` bytes to work in, where one has them already.
    """
    buffer = memoryview(room or bytearray(STREAM))
    used = _fill(read, buffer[: WHOLE + 1])
    if used <= WHOLE:
        return ([put(buffer[:used])] if used else []), used
    from pyfastcdc import FastCDC  # here: small files do not need it

    cutter = FastCDC(AVERAGE, min_size=MINIMUM, max_size=MAXIMUM)
    ids: list[bytes] = []
    total, ended = 0, False
    while used or not ended:
        used += _fill(read, buffer[used:])
        ended = used < STREAM
        done = 0
        for chunk in cutter.cut_buf(buffer[:used]):
            # A cut is certain only where it could not have come later, had more bytes been there.
            if not ended and done + MAXIMUM > used:
                break
            ids.append(put(buffer[done : done + chunk.length]))
            done += chunk.length
        total += done
        buffer[: used - done] = bytes(buffer[done:used])
        used -= done
    return ids, total


def cut_sparse(
    descriptor: int, limit: int, put: Put, check: Callable[[], None], room: bytearray | None = None
) -> tuple[list[bytes], int]:
    """As `cut_stream` of the first `limit` bytes of an open file, whose holes are not read.

    The chunks are the same: a run of zeros is cut into chunks of `ZERO` bytes, wherever it begins. `check` is called
    before each read. Raises OSError.
    """
    from pyfastcdc import FastCDC  # here: small files do not need it

    limit = min(limit, os.fstat(descriptor).st_size)
    buffer = memoryview(room or bytearray(STREAM))
    cutter = FastCDC(AVERAGE, min_size=MINIMUM, max_size=MAXIMUM)
    ids: list[bytes] = []
    at = 0
    zero = b""
    while at < limit:
        zeros = (_next_data(descriptor, at, limit) - at) // ZERO
        if zeros:
            zero = zero or put(bytes(ZERO))
            ids += [zero] * zeros
            at += zeros * ZERO
            continue
        check()
        used = 0
        while used < min(STREAM, limit - at) and (
            got := os.preadv(descriptor, [buffer[used : limit - at]], at + used)
        ):
            used += got
        if not used:
            break  # it has become shorter
        ended = used < STREAM
        done = 0
        for chunk in cutter.cut_buf(buffer[:used]):
            if not ended and done + MAXIMUM > used:
                break
            ids.append(put(buffer[done : done + chunk.length]))
            done += chunk.length
            if _next_data(descriptor, at + done, limit) - at - done >= ZERO:
                break
        at += done
    return ids, at


def _next_data(descriptor: int, at: int, limit: int) -> int:
    """Where from `at` on there is something else than a hole; `limit` where there is nothing before."""
    try:
        return min(os.lseek(descriptor, at, os.SEEK_DATA), limit)
    except OSError as error:
        return limit if error.errno == errno.ENXIO else at


def _fill(read: Read, buffer: memoryview) -> int:
    """Fill `buffer`; how much of it: less than all only at the end."""
    used = 0
    while used < len(buffer):
        got = read(buffer[used:])
        if not got:
            break
        used += got
    return used
