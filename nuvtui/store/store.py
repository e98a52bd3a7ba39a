"""The store: objects by id, and the manifests of snapshots.

A manifest (`manifests`) is the commit point: a snapshot exists from the moment its manifest is in place, and
everything it refers to is durable by then.

`objects/generation` holds 16 random bytes, under which a memory (a stat cache) of what the store holds may be trusted.
Whoever takes objects out of the indexes empties the file first and writes new bytes when the new index is alone in
place: what is seen meanwhile is remembered under no generation, and what was seen before under one that never comes
again. A reader therefore reads the generation first and the indexes after it.
"""

import contextlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from blake3 import blake3

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model import tree as tree_format
from nuvtui.model.snapshot import Snapshot
from nuvtui.model.tree import Entry
from nuvtui.paths import Home
from nuvtui.store import failure, manifests
from nuvtui.store.chunks import ZERO, ZERO_ID
from nuvtui.store.index import IndexSet, ObjectLocation
from nuvtui.store.manifests import Brief, BriefFiles, BriefTable
from nuvtui.store.packs import SUFFIX, Block, PackFile, decompress

CACHED_BYTES = 48 << 20
"""Decompressed blocks that are kept in memory."""
CACHED_ENTRIES = 100_000
"""Entries of tree objects that are kept in memory."""
CACHED_PACKS = 32
GENERATION = 16
"""Bytes of a generation."""
ZEROS = bytes(ZERO)
"""The object `ZERO_ID`: holes are made of it, often thousands of times."""

_ID = re.compile(r"[0-9a-f]{16}")


class Store:
    """Objects and manifests under one home. Reading is safe for several threads and processes."""

    def __init__(self, home: Home, shared: bool = False) -> None:
        self.home = home
        self.objects = home.packs.parent
        self._shared = shared
        self._index = IndexSet(home.index)
        self._lock = threading.RLock()
        self._packs: OrderedDict[bytes, PackFile] = OrderedDict()
        self._blocks: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._block_bytes = 0
        self._trees: OrderedDict[bytes, list[Entry]] = OrderedDict()
        self._tree_entries = 0

    # -- folders and locks

    @property
    def shared(self) -> bool:
        """True where the group may use the store: asked for, or seen in the folders that are there."""
        if self._shared:
            return True
        try:
            return bool(os.stat(self.objects).st_mode & 0o020)
        except OSError:
            return False

    @property
    def object_mode(self) -> int:
        """Permission bits of new packs and indexes, which nobody writes to again."""
        return 0o440 if self.shared else 0o400

    @property
    def file_mode(self) -> int:
        """Permission bits of new manifests and lock files."""
        return 0o660 if self.shared else 0o600

    @property
    def lock(self) -> Path:
        """Held shared by writers until their manifest is in place, alone by gc and repair."""
        return self.objects / "lock"

    @property
    def commit_lock(self) -> Path:
        """Held while packs and index are put in place."""
        return self.objects / "commit.lock"

    @property
    def quarantine(self) -> Path:
        """Where repair puts what is damaged."""
        return self.objects / "quarantine"

    def create(self) -> None:
        """Make the folders of the store. Harmless where they are there. Raises StoreError."""
        shared = self.shared
        mode = 0o2770 if shared else 0o700
        with failure.store_errors("Making the store"):
            for folder in (
                self.home.root,
                self.objects,
                self.home.packs,
                self.home.index,
                self.home.snapshots,
                self.home.tmp,
                self.home.cache,
            ):
                if not folder.is_dir():
                    atomic.make_folder(folder, 0o700)
                    os.chmod(folder, mode)
                elif self._shared:
                    with contextlib.suppress(PermissionError):  # made by another member of the group
                        os.chmod(folder, mode)
            for lock in (self.lock, self.commit_lock):
                with contextlib.suppress(FileExistsError):
                    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                    try:
                        os.fchmod(descriptor, self.file_mode)
                    finally:
                        os.close(descriptor)
                if self._shared:
                    with contextlib.suppress(PermissionError):
                        os.chmod(lock, self.file_mode)
            if not os.path.lexists(self._generation_file):
                self._write_generation(os.urandom(GENERATION))

    @property
    def _generation_file(self) -> Path:
        return self.objects / "generation"

    def generation(self) -> bytes:
        """A token (16 bytes) that changes whenever objects are taken out of the store; to be read before the indexes.

        While that goes on, and where it was cut off, a token that nobody gets again: what is remembered under it is
        never believed.
        """
        return self._generation() or os.urandom(GENERATION)

    def _generation(self) -> bytes:
        """What the file says; empty: the indexes are being changed, or a change was cut off."""
        with failure.store_errors("Reading the store's generation"):
            try:
                data = atomic.read_file(self._generation_file)
            except FileNotFoundError:
                return b""
        return data if len(data) == GENERATION else b""

    def _write_generation(self, data: bytes) -> None:
        with failure.store_errors("Writing the store's generation"):
            atomic.write_file(self._generation_file, data, self.file_mode)

    @contextlib.contextmanager
    def taking_out(self) -> Iterator[None]:
        """Around every change of the indexes that takes objects out. The caller holds `alone`.

        Cut off, it leaves no generation: the next writer, which has seen the indexes as they then stay, begins one.
        """
        self._write_generation(b"")
        try:
            yield
        finally:
            self._write_generation(os.urandom(GENERATION))

    def settle(self) -> None:
        """Begin a generation where there is none. The caller holds `alone` or `using`: nobody changes the indexes."""
        if not self._generation():
            self._write_generation(os.urandom(GENERATION))

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Keep gc and repair away; any number of processes may hold this at once."""
        with contextlib.ExitStack() as stack:
            with failure.store_errors("Locking the store"):
                stack.enter_context(atomic.locked(self.lock, shared=True))
            yield

    @contextlib.contextmanager
    def alone(self, timeout: float = 10.0) -> Iterator[None]:
        """Keep every writer away. Raises NuvError (conflict) where one works on for `timeout` seconds."""
        with contextlib.ExitStack() as stack:
            with failure.store_errors("Locking the store"):
                stack.enter_context(atomic.locked(self.lock, timeout=timeout, what="The store"))
            yield

    # -- objects

    @property
    def index(self) -> IndexSet:
        """The indexes as they were last seen."""
        if not self._index.seen:
            self._index.refresh()
        return self._index

    def has(self, object_id: bytes) -> bool:
        """True where an index lists the object."""
        return self.index.find(object_id) is not None

    def present_packs(self) -> dict[bytes, int]:
        """Id and size of every pack file. Raises StoreError."""
        found = {}
        with failure.store_errors("Listing the packs"), os.scandir(self.home.packs) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    # The second: a link to a place that is not there; what an index lists there counts as missing.
                    with contextlib.suppress(ValueError, FileNotFoundError):
                        found[bytes.fromhex(entry.name.removesuffix(SUFFIX))] = entry.stat().st_size
        return found

    def lost_packs(self) -> set[bytes]:
        """Packs that an index lists and that are not there in full length. Raises StoreError."""
        sizes = self.present_packs()
        return {pack for file in self.index.files for pack, size in file.packs if sizes.get(pack) != size}

    def locate(self, object_id: bytes) -> ObjectLocation:
        """Where an object lies. Raises StoreError where no index lists it."""
        location = self.index.locate(object_id)
        if location is None and self._index.refresh():
            location = self._index.locate(object_id)
        if location is None:
            raise failure.missing(object_id)
        return location

    def length(self, object_id: bytes) -> int:
        """Bytes of an object, from the index."""
        return self.locate(object_id).length

    def read(self, object_id: bytes) -> bytes:
        """The bytes of an object, checked against its id. Raises StoreError that names it."""
        looked_again = False
        while True:
            error = failure.missing(object_id)
            for file, position in self.index.places(object_id):
                location = file.location(position)
                where = f"in pack {location.block.pack.hex()[:16]}"
                try:
                    joined = self._block(location.block)
                except FileNotFoundError:
                    error = failure.damaged(object_id, f"{where}, which is missing")
                    continue
                except ValueError as reason:
                    error = failure.damaged(object_id, f"{where}: {reason}")
                    continue
                data = joined[location.offset : location.offset + location.length]
                if blake3(data).digest() == object_id:
                    return data
                error = failure.damaged(object_id, f"{where}: the bytes differ")
            # gc may have moved the object to another pack since the index was read.
            if looked_again or not self._index.refresh():
                raise error
            looked_again = True

    def read_block(self, block: Block) -> tuple[bytes, bytes]:
        """Payload and content of a block, for whoever reads blocks in order: neither is kept. Raises StoreError."""
        try:
            payload = self._pack(block.pack).payload(block)
            return payload, decompress(block, payload)
        except FileNotFoundError as error:
            raise StoreError(f"Pack {block.pack.hex()[:16]} is missing", "", failure.CHECK_HINT) from error
        except ValueError as error:
            raise StoreError(
                f"Pack {block.pack.hex()[:16]} is damaged", str(error), failure.CHECK_HINT
            ) from error
        except OSError as error:
            raise failure.from_os(error, "Reading a pack") from error

    def _block(self, block: Block) -> bytes:
        """The decompressed block. Raises FileNotFoundError, ValueError where damaged, StoreError."""
        key = (block.pack, block.offset)
        with self._lock:
            known = self._blocks.get(key)
            if known is not None:
                self._blocks.move_to_end(key)
                return known
        pack = self._pack(block.pack)
        with failure.store_errors("Reading a pack"):
            data = decompress(block, pack.payload(block))
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = data
                self._block_bytes += len(data)
                while self._block_bytes > CACHED_BYTES and len(self._blocks) > 1:
                    self._block_bytes -= len(self._blocks.popitem(last=False)[1])
        return data

    def _pack(self, pack: bytes) -> PackFile:
        """The pack, open. Raises FileNotFoundError, ValueError where it is no file, StoreError."""
        with self._lock:
            found = self._packs.get(pack)
        if found is None:
            try:
                found = PackFile(self.home.packs, pack)
            except FileNotFoundError:
                raise
            except atomic.NotAFileError as error:
                raise ValueError(error.strerror) from error
            except OSError as error:
                raise failure.from_os(error, "Opening a pack") from error
        with self._lock:
            self._packs[pack] = found
            self._packs.move_to_end(pack)
            if len(self._packs) > CACHED_PACKS:
                self._packs.popitem(last=False)
        return found

    def stream(self, content: Sequence[bytes], start: int = 0) -> Iterator[bytes]:
        """The bytes of `content` (ids in order) from byte `start` on, piece by piece, each piece verified."""
        for object_id in content:
            if start:
                length = self.length(object_id)
                if start >= length:
                    start -= length
                    continue
            data = ZEROS if object_id == ZERO_ID else self.read(object_id)
            yield data[start:] if start else data
            start = 0

    def tree(self, object_id: bytes) -> list[Entry]:
        """The entries of a folder's tree object. Raises StoreError where it is missing, damaged or unsafe."""
        with self._lock:
            known = self._trees.get(object_id)
            if known is not None:
                self._trees.move_to_end(object_id)
                return known
        try:
            entries = tree_format.decode(self.read(object_id))
        except ValueError as error:
            raise failure.damaged(object_id, str(error)) from error
        with self._lock:
            if object_id not in self._trees:
                self._trees[object_id] = entries
                self._tree_entries += len(entries)
                while self._tree_entries > CACHED_ENTRIES and len(self._trees) > 1:
                    self._tree_entries -= len(self._trees.popitem(last=False)[1])
        return entries

    def forget(self) -> None:
        """Drop all that is remembered of the objects: after gc and repair."""
        with self._lock:
            self._index = IndexSet(self.home.index)
            self._packs.clear()
            self._blocks.clear()
            self._block_bytes = 0
            self._trees.clear()
            self._tree_entries = 0

    # -- manifests

    def write_manifest(self, snapshot: Snapshot) -> None:
        """Put a snapshot's manifest in place, durably: from then on the snapshot exists.

        A new one is refused (StoreError) where its root tree or a table's content is not in the store.
        Writing an existing one again (a rename) replaces it.
        """
        path = self._manifest(snapshot.id)
        data = manifests.encode(snapshot)
        with self.using():
            if not path.exists():
                self._index.refresh()
                for text in [
                    snapshot.files.root,
                    *(item for table in snapshot.tables for item in table.content),
                ]:
                    if not self.has(bytes.fromhex(text)):
                        raise failure.missing(bytes.fromhex(text))
            with failure.store_errors("Writing the snapshot's manifest"):
                atomic.write_file(path, data, self.file_mode)

    def read_manifest(self, snapshot_id: str) -> Snapshot:
        """A snapshot's manifest, its checksum verified.

        Raises NuvError (not found), StoreError where it is damaged or of a newer version.
        """
        path = self._manifest(snapshot_id)
        title = f"Snapshot {snapshot_id}"
        with failure.store_errors("Reading a snapshot's manifest"):
            try:
                data = atomic.read_file(path)
            except atomic.NotAFileError as error:
                raise StoreError(
                    f"{title} is damaged", f"its manifest: {error.strerror}", failure.REPAIR_HINT
                ) from error
            except FileNotFoundError:
                raise NuvError(
                    f"{title} has no manifest",
                    "the store does not hold it",
                    "`nuvtui store check` lists what is missing, `nuvtui store repair` takes it off the list.",
                    Exit.NOT_FOUND,
                ) from None
        return manifests.decode(data, snapshot_id)

    def brief(self, snapshot_id: str) -> Brief:
        """Root tree and tables of a snapshot, its checksum verified: a tenth of the work of `read_manifest`.

        Raises NuvError as that does; for the words of an error it is asked.
        """
        try:
            found = manifests.brief(atomic.read_file(self._manifest(snapshot_id)))
        except OSError:
            found = None
        if found is not None:
            return found
        manifest = self.read_manifest(snapshot_id)
        tables = [BriefTable(t.name, t.rows, t.fingerprint, t.bytes) for t in manifest.tables]
        return Brief(BriefFiles(manifest.files.root), tables)

    def manifest_ids(self) -> list[str]:
        """Ids of all snapshots that are there, sorted. Raises StoreError where they cannot be listed."""
        with failure.store_errors("Listing the snapshots"):
            found = os.listdir(self.home.snapshots)
        return sorted(
            name[:-5] for name in found if name.endswith(".json") and _ID.fullmatch(name[:-5]) is not None
        )

    def has_manifest(self, snapshot_id: str) -> bool:
        """True where a snapshot is there, whether or not it can be read."""
        return os.path.lexists(self._manifest(snapshot_id))

    def delete_manifest(self, snapshot_id: str) -> None:
        """Remove a manifest, durably; harmless where it is gone. Its objects stay until gc."""
        path = self._manifest(snapshot_id)
        with failure.store_errors("Deleting a snapshot's manifest"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            atomic.fsync_folder(self.home.snapshots)

    def _manifest(self, snapshot_id: str) -> Path:
        if _ID.fullmatch(snapshot_id) is None:
            raise NuvError(f"No snapshot {snapshot_id}", "an id is 16 hexadecimal digits", "", Exit.NOT_FOUND)
        return self.home.manifest(snapshot_id)
