"""A store home as a remote: its packs, indexes and manifests as the blobs of one, for `nuvtui store serve`.

What is read lies in the store as it is. What is written is believed nothing: every object of a pack is hashed, the
index is made anew from the packs' own headers, and a manifest counts when all that it needs is there and the roles of
the account that runs this allow it. It is then listed in the timeline of its instance, as one that was pulled.

The view shows snapshots and spaces as the account's roles allow. The objects in the packs are everybody's who may
read the store's files, as ever: those are protected by the file system's permissions.
"""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
from blake3 import blake3

from nuvtui import atomic
from nuvtui.catalog.view import View
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.model import roles
from nuvtui.model.roles import Action
from nuvtui.remote import config, orphans
from nuvtui.remote.blobs import Blob, checked_listing
from nuvtui.remote.failure import AbsentError, DamagedError, DeniedError
from nuvtui.remote.folder import FolderBlobs
from nuvtui.remote.orphans import Orphan
from nuvtui.remote.packing import IndexBuilder
from nuvtui.services.context import Context
from nuvtui.services.remotes import arrival, space_state
from nuvtui.services.snapshots.service import SnapshotsService
from nuvtui.store import failure, index, manifests
from nuvtui.store.packs import RECORD, PackDamagedError, PackFile, decompress, pack_path, read_blocks
from nuvtui.store.writer import merge_indexes

BLOCK = 256 << 20
"""Bytes of a block's content at most: its compressed form must not make us reserve more."""

_PACK = re.compile(r"packs/([0-9a-f]{2})/(\1[0-9a-f]{30})")
_INDEX = re.compile(r"indexes/([0-9a-f]{32})")
_SNAPSHOT = re.compile(r"snapshots/([0-9a-f]{16})")
_LEASE = re.compile(r"leases/([0-9a-f]{32})")
_LEASE_FILE = f"{atomic.TEMPORARY}lease-"
"""Leases are temporaries of the store: gc, which waits for whoever is writing, sweeps those that were left."""


class HomeBlobs:
    """The store home of a context as blobs."""

    conditional = True

    def __init__(self, context: Context, snapshots: SnapshotsService) -> None:
        """Raises NuvError (3) where there is no store."""
        self._context = context
        self._snapshots = snapshots
        self._store = context.local_store
        self._files = FolderBlobs(context.home.root)
        self._lock = threading.Lock()
        self._held = contextlib.ExitStack()
        self._writing = False
        self._config = (
            msgspec.json.encode(config.Config(repository=self._identity(), conditional=True)) + b"\n"
        )

    @property
    def url(self) -> str:
        """The home's path."""
        return str(self._context.home.root)

    def _identity(self) -> str:
        """The id of the store as a remote, made where there is none yet. Raises StoreError."""
        path = self._context.home.repository
        with failure.store_errors("Reading the store's id as a remote"):
            if not path.exists():
                temporary = atomic.temporary_name(path)
                atomic.write_file(temporary, os.urandom(16).hex().encode() + b"\n", self._store.file_mode)
                try:
                    with contextlib.suppress(FileExistsError):  # somebody made one a moment ago
                        atomic.publish_new(temporary, path)
                finally:
                    temporary.unlink(missing_ok=True)
                atomic.fsync_folder(path.parent)
            found = atomic.read_file(path).decode("ascii", "replace").strip()
        if re.fullmatch(r"[0-9a-f]{32}", found) is None:
            raise StoreError(
                "The store's id as a remote is damaged",
                f"{path} holds no 32 hexadecimal digits",
                f"Delete {path}; who added this store as a remote has to remove it there, and add it again.",
            )
        return found

    # -- reading

    def list(self, prefix: str) -> Iterator[Blob]:
        """Every blob whose key begins with `prefix`."""
        return checked_listing(self.url, prefix, self._listed(prefix))

    def _listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        for folder, named in (
            (config.KEY, lambda: [(config.KEY, len(self._config))]),
            ("packs/", self._packs),
            ("indexes/", self._indexes),
            ("snapshots/", self._manifests),
            ("spaces/", lambda: [(key, len(content)) for key, content in self._spaces().items()]),
            ("leases/", self._leases),
        ):
            if folder.startswith(prefix) or prefix.startswith(folder):
                yield from named()

    def _packs(self) -> Iterable[tuple[str, int]]:
        return [(f"packs/{p.hex()[:2]}/{p.hex()}", size) for p, size in self._store.present_packs().items()]

    def _indexes(self) -> Iterable[tuple[str, int]]:
        return _named(self._context.home.index, lambda name: f"indexes/{name.removesuffix('.idx')}")

    def _manifests(self) -> Iterable[tuple[str, int]]:
        seen = self._visible(self._context.view())
        found = _named(self._context.home.snapshots, lambda name: f"snapshots/{name.removesuffix('.json')}")
        return [(key, size) for key, size in found if key.rpartition("/")[2] in seen]

    def _visible(self, view: View) -> set[str]:
        """Ids of the snapshots that the account's roles show."""
        may: dict[tuple[str, str], bool] = {}
        found = set()
        for record in view.snapshots.all():
            where = (record.space, record.instance)
            if where not in may:
                may[where] = roles.allows(self._context.role(view, *where), Action.VIEW)
            if may[where]:
                found.add(record.id)
        return found

    def _spaces(self) -> dict[str, bytes]:
        """Key and content of what is said of each space that the account's roles show."""
        view = self._context.view()
        found = {}
        for space in view.spaces.all():
            with contextlib.suppress(NuvError):
                self._context.require_somewhere(view, Action.VIEW, space.id)
                content = space_state.encode(view, space.id)
                found[f"spaces/{space.id}/{1:016x}{blake3(content).hexdigest()[:16]}"] = content
        return found

    def _leases(self) -> Iterable[tuple[str, int]]:
        return _named(self._store.objects, lambda name: f"leases/{name.removeprefix(_LEASE_FILE)}", _LEASE)

    def _lease(self, key: str) -> Path:
        return self._store.objects / f"{_LEASE_FILE}{key.partition('/')[2]}"

    def _made(self, key: str) -> bytes | None:
        """The content of a blob that no file holds; None where it is one that a file may hold."""
        if key == config.KEY:
            return self._config
        if key.startswith("spaces/"):
            return self._spaces().get(key)
        if _LEASE.fullmatch(key) and self._lease(key).exists():
            return b""
        return None

    def _place(self, key: str) -> str:
        """Path in the home of the file that holds the blob `key`. Raises AbsentError."""
        if found := _PACK.fullmatch(key):
            return f"objects/packs/{found[2]}.pack"
        if found := _INDEX.fullmatch(key):
            return f"objects/index/{found[1]}.idx"
        if (found := _SNAPSHOT.fullmatch(key)) and self._shows(found[1]):
            return f"snapshots/{found[1]}.json"
        raise AbsentError(self.url, key)

    def _shows(self, snapshot: str) -> bool:
        view = self._context.view()
        record = view.snapshots.get(snapshot)
        return record is not None and roles.allows(
            self._context.role(view, record.space, record.instance), Action.VIEW
        )

    def stat(self, key: str) -> Blob:
        """One blob."""
        made = self._made(key)
        return Blob(key, self._files.stat(self._place(key)).size if made is None else len(made))

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a blob."""
        made = self._made(key)
        if made is None:
            return self._files.read(self._place(key), start, length)
        return made[start:] if length is None else made[start : start + length]

    # -- writing

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """Take in what is pushed, once it is checked. Raises NuvError: damaged, refused (6), role (4)."""
        with self._lock:
            if (
                not self._writing
            ):  # from here on gc waits until the connection ends: nothing that was put goes
                self._held.enter_context(self._store.using())
                self._store.settle()
                self._writing = True
            if found := _PACK.fullmatch(key):
                return self._put_pack(key, bytes.fromhex(found[2]), bytes(data))
            if found := _INDEX.fullmatch(key):
                return self._put_index(key, bytes(data))
            if found := _SNAPSHOT.fullmatch(key):
                return self._put_manifest(found[1], bytes(data))
            if _LEASE.fullmatch(key):
                return self._put_lease(key)
        if key == config.KEY or key.startswith("spaces/"):
            return False  # the state says it, and what arrives is listed there
        raise _refused(f"{key} has no place in a store home")

    def _put_pack(self, key: str, pack: bytes, data: bytes) -> bool:
        found = orphans.parse(pack, data)
        if found is None:
            raise DamagedError("A pack arrived damaged", f"the headers of {key} do not hold", "Push again.")
        _verify(key, found, data)
        path = Path(pack_path(self._context.home.packs, pack))
        if path.exists():
            return False
        with failure.store_errors("Writing a pack"):
            atomic.write_file(path, data, self._store.object_mode)
        return True

    def _put_index(self, key: str, data: bytes) -> bool:
        """List packs that are there and that no index lists yet, by their own headers."""
        try:
            named = index.packs_in(data)
        except ValueError as error:
            raise DamagedError("An index arrived damaged", f"{key}: {error}", "Push again.") from error
        store = self._store
        with contextlib.ExitStack() as stack:
            with failure.store_errors("Locking the store"):
                stack.enter_context(atomic.locked(store.commit_lock))
            store.index.refresh()
            listed = {pack for file in store.index.files for pack, _ in file.packs}
            built = IndexBuilder()
            for pack, size in named:
                if pack not in listed:
                    _add(built, self._context.home.packs, pack, size)
            if built.packs:
                index.write(self._context.home.index, built.build(), store.object_mode)
                store.index.refresh()
                merge_indexes(store, store.lost_packs())
        return bool(built.packs)

    def _put_manifest(self, snapshot: str, data: bytes) -> bool:
        """Make a snapshot that arrived one of this store."""
        manifest = manifests.decode(data, snapshot)
        view = self._context.view()
        arrival.check(self._context, view, manifest)
        there = self._store.has_manifest(snapshot)
        if there and snapshot in view.snapshots:
            return False
        if there:  # cut off before it was listed, or taken off the list a moment ago
            manifest = self._store.read_manifest(snapshot)
            arrival.check(self._context, view, manifest)
        arrival.check_whole(self._store, manifest)
        if not there:
            self._store.write_manifest(manifest)
        arrival.register(self._context, [snapshot])
        return not there

    def _put_lease(self, key: str) -> bool:
        with failure.store_errors("Writing a lease"):
            try:
                descriptor = os.open(
                    self._lease(key),
                    os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                    self._store.file_mode,
                )
            except FileExistsError:
                return False
            os.close(descriptor)
        return True

    def delete(self, key: str) -> None:
        """Let a lease go, or delete a snapshot as its instance's editors may (4). Raises NuvError for all else."""
        if _LEASE.fullmatch(key):
            with failure.store_errors("Removing a lease"):
                self._lease(key).unlink(missing_ok=True)
        elif found := _SNAPSHOT.fullmatch(key):
            if self._shows(found[1]):
                self._snapshots.delete([found[1]])
        else:
            raise _refused("what no snapshot needs is freed there, and by nobody from outside")

    def close(self) -> None:
        """Let gc have the store again."""
        self._held.close()
        self._writing = False


def _named(
    folder: Path, key: Callable[[str], str], pattern: re.Pattern[str] | None = None
) -> Iterable[tuple[str, int]]:
    """Key and size of the files in a folder of the store whose name gives a key (of that `pattern`)."""
    found = []
    with failure.store_errors("Listing the store"), os.scandir(folder) as entries:
        for entry in entries:
            made = key(entry.name)
            if any(p.fullmatch(made) for p in ([pattern] if pattern else [_INDEX, _SNAPSHOT])):
                with contextlib.suppress(FileNotFoundError):
                    found.append((made, entry.stat().st_size))
    return found


def _verify(key: str, found: Orphan, data: bytes) -> None:
    """Raise DamagedError unless every object of a pack has its id."""
    names: list[list[tuple[bytes, int, int]]] = [[] for _ in found.blocks]
    for entry in found.entries:
        number, at, length = RECORD.unpack(entry[index.ID :])
        names[number].append((entry[: index.ID], at, length))
    for block, objects in zip(found.blocks, names, strict=True):
        try:
            if block.raw > BLOCK:
                raise ValueError(f"a block of {block.raw} bytes")
            joined = memoryview(decompress(block, data[block.offset : block.offset + block.stored]))
        except ValueError as error:
            raise DamagedError("A pack arrived damaged", f"{key}: {error}", "Push again.") from error
        for item, at, length in objects:
            if blake3(joined[at : at + length]).digest() != item:
                raise DamagedError(
                    "A pack arrived damaged", f"{key}: object {item.hex()[:16]} differs", "Push again."
                )


def _add(built: IndexBuilder, folder: Path, pack: bytes, size: int) -> None:
    """List a pack of the store by its own headers. Raises DamagedError where it is not there as a whole."""
    try:
        file = PackFile(folder, pack)
        if os.fstat(file.descriptor).st_size != size:
            raise PackDamagedError("it has another size")
        views = list(read_blocks(file.descriptor, pack))
    except (OSError, PackDamagedError) as error:
        raise DamagedError(
            "An index arrived before its packs", f"pack {pack.hex()[:16]}: {error}", "Push again."
        ) from error
    entries = []
    for number, block in enumerate(views):
        at = 0
        for item, length in block.objects:
            entries.append(item + RECORD.pack(number, at, length))
            at += length
    built.add((pack, size), [view.block for view in views], entries)


def _refused(why: str) -> DeniedError:
    error = DeniedError(
        "The remote is a store home, which keeps itself",
        why,
        "On that server: `nuvtui store gc`. What is to be sealed needs a folder of its own.",
    )
    error.exit_code = Exit.REFUSED
    return error
