"""The door to the catalog: read it whole, or change it in a transaction.

Reading takes no lock: the file is replaced by rename, so whoever opens it has one whole state, and it is kept in
memory until the stamp of the file differs. Changing goes through TinyDB and holds the lock from the first read to the
last fsync; several processes therefore never lose each other's changes. A file that is damaged or of an older version
is put right by whoever meets it first.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nuvtui import atomic, clock
from nuvtui.catalog import codec
from nuvtui.catalog.files import CatalogFile
from nuvtui.catalog.schema import CatalogSchema
from nuvtui.catalog.view import View
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.paths import Home

if TYPE_CHECKING:
    from nuvtui.catalog.transaction import Transaction

LOCK_SECONDS = 60.0
"""How long a change waits for the changes of others: each takes milliseconds."""


class _Seen(NamedTuple):
    stamp: tuple[int, ...]
    data: bytes
    meta: codec.Meta
    view: View


_seen: dict[Path, _Seen] = {}
"""The state that was last read: a worker that is a copy of its command line need not read and verify it again."""


class Catalog:
    """The state of the store at `home`."""

    def __init__(
        self,
        home: Home,
        shared: bool = False,
        *,
        schema: CatalogSchema | None = None,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        """`shared`: the group may change the state; otherwise as the folder `home` says. `schema` is for tests."""
        self.recovered: str | None = None
        """A sentence for the user, where this object met a damaged file and took an earlier generation."""
        self._home = home
        self._shared = shared
        self._file = CatalogFile(home.state, shared)
        self._schema = schema or CatalogSchema()
        self._lock_seconds = lock_seconds
        self._here = threading.local()

    def create(self) -> None:
        """Make an empty state where there is none yet; with `shared`, open one that is there to the group."""
        if self.exists():
            if self._shared:
                self._file.share()
            return
        with self._writing():
            atomic.make_folder(self._home.root, 0o770 if self._shared else 0o700)
        with self._lock():
            if not self.exists():
                self._put(codec.encode({}, self._schema.version, 1, clock.now()))

    def exists(self) -> bool:
        """True where there is a state, be it only in an earlier generation."""
        return self._file.path.exists() or bool(self._file.generations())

    def stamp(self) -> tuple[int, ...]:
        """Something cheap that differs whenever the state differs: for those who watch it."""
        return self._file.stamp()

    def backups(self) -> list[Path]:
        """The last good generations, newest first."""
        return self._file.generations()

    def damaged(self) -> list[Path]:
        """Damaged state files that were kept, oldest first."""
        return self._file.kept("damaged-")

    def read(self) -> View:
        """The state as it is now.

        Raises NuvError: there is none (exit code 3), it is of a newer nuvtui (6), it and all its generations
        are damaged (1).
        """
        seen = self._known()
        if seen is not None:
            return seen.view
        try:
            data, stamp = self._file.read()
            meta = self._check(codec.meta(data))
            if meta.version == self._schema.version:
                view = View(data)
                _seen.clear()
                _seen[self._file.path] = _Seen(stamp, data, meta, view)
                return view
        except (codec.DamagedError, FileNotFoundError, atomic.NotAFileError):
            pass
        except OSError as error:
            raise self._unreadable(error) from error
        if not self.exists():
            raise self._missing()  # before a lock is made where there is no store
        try:
            with self._lock():
                whole = self._settle()
        except StoreError:
            # Somebody who may only read, or a full disk: what can be read is still worth reading.
            whole = self._settle(write=False)
        return View(whole.data)

    def _known(self) -> _Seen | None:
        """What was read last, where the file is still the same."""
        seen = _seen.get(self._file.path)
        return seen if seen is not None and seen.stamp == self._file.stamp() else None

    @contextlib.contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Change the state: read, change, write as one, alone.

        What the block does becomes visible when it ends, all of it; nothing where it raises. Raises NuvError
        as `read` does, and where the lock is not to be had (exit code 5); StoreError where the disk refuses.
        """
        if getattr(self._here, "open", False):
            raise RuntimeError("a transaction of this state is open in this thread already")
        from nuvtui.catalog.storage import CatalogStorage, Database
        from nuvtui.catalog.transaction import Transaction

        if not self.exists():
            raise self._missing()
        with self._lock():
            self._here.open = True
            try:
                storage = CatalogStorage(self._file, self._settle())
                with Database(storage=lambda: storage) as database:
                    yield Transaction(database)
                with self._writing():
                    storage.commit()
            finally:
                self._here.open = False

    def reset(self) -> Path | None:
        """Start over with an empty state where no generation can be read; a readable one is left alone.

        Returns where the damaged file is kept. For `store repair`, which fills the state from the manifests.
        """
        with self._lock():
            try:
                self._settle()
            except NuvError as error:
                if isinstance(error, StoreError) or error.exit_code not in (Exit.FAILED, Exit.NOT_FOUND):
                    raise
                with self._writing():
                    kept = self._file.keep("damaged-")
                    self._file.restore(codec.encode({}, self._schema.version, 1, clock.now()))
                return kept
            return None

    def look(self) -> View:
        """As `read`; where no generation can be read an empty state, which is what `reset` would begin with."""
        try:
            return self.read()
        except NuvError as error:
            if isinstance(error, StoreError) or error.exit_code not in (Exit.FAILED, Exit.NOT_FOUND):
                raise
            return View(codec.encode({}, self._schema.version, 1, clock.now()))

    def _settle(self, write: bool = True) -> codec.Whole:
        """A whole state of this version: recovered or migrated where need be. Under the lock."""
        try:
            data = self._file.read()[0]
            seen = _seen.get(self._file.path)
            if seen is not None and seen.data == data:
                whole = codec.Whole(data, seen.meta, codec.raw(data))  # verified when it was read before
            else:
                whole = codec.load(data)
        except FileNotFoundError:
            if not self._file.generations():
                raise self._missing() from None
            whole = self._recover("is missing", write)
        except codec.DamagedError as error:
            whole = self._recover(str(error), write)
        except atomic.NotAFileError as error:
            whole = self._recover((error.strerror or "").removeprefix("it "), write)
        except OSError as error:
            raise self._unreadable(error) from error
        if self._check(whole.meta).version < self._schema.version:
            whole = self._migrate(whole, write)
        return whole

    def _missing(self) -> NuvError:
        if self._home.snapshots.is_dir():
            return NuvError(
                f"The store at {self._home.root} has lost its list",
                "its state.json is gone, its snapshots are there",
                "`nuvtui store repair` lists them again.",
                Exit.NOT_FOUND,
            )
        return NuvError(
            f"There is no nuvtui store at {self._home.root}",
            "its state.json does not exist",
            "Is its disk mounted? `--home` or NUVTUI_HOME names another one, `nuvtui init` in a project's folder "
            "makes one.",
            Exit.NOT_FOUND,
        )

    def _check(self, meta: codec.Meta) -> codec.Meta:
        """`meta`. Raises NuvError where its version is newer than this program's."""
        if meta.version > self._schema.version:
            raise NuvError(
                f"State file {self._file.path} was written by a newer nuvtui",
                f"expected version {self._schema.version} or older, found {meta.version}",
                "Use the newer nuvtui on this store. The file is left as it is.",
                Exit.REFUSED,
            )
        return meta

    def _recover(self, reason: str, write: bool) -> codec.Whole:
        for generation in self._file.generations():
            try:
                whole = codec.load(atomic.read_file(generation))
                self._check(whole.meta)
            except (codec.DamagedError, OSError):
                continue
            kept = None
            if write:
                with self._writing():
                    kept = self._file.keep("damaged-")
                    self._file.restore(whole.data)
            self.recovered = (
                f"The state file {reason}. The state of {whole.meta.written[:19]} UTC was taken "
                "instead; a later change may be lost. `nuvtui store repair` lists all snapshots again."
                + (f" The damaged file is kept as {kept.name}." if kept else "")
            )
            return whole
        raise NuvError(
            f"State file {self._file.path} cannot be used",
            f"It {reason}, and no earlier generation of it is whole.",
            "`nuvtui store repair` keeps it aside and rebuilds the list of snapshots from their manifests.",
        )

    def _migrate(self, old: codec.Whole, write: bool) -> codec.Whole:
        documents = self._schema.migrate(codec.plain(old.data), old.meta.version)
        new = codec.encode(documents, self._schema.version, old.meta.generation + 1, clock.now())
        codec.typed(new)  # a migration that makes something else than records writes nothing
        if write:
            with self._writing():
                self._file.keep(f"v{old.meta.version}-")
                self._file.replace(new)
        return codec.load(new)

    def _put(self, data: bytes) -> None:
        with self._writing():
            self._file.restore(data)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            # Without the folder there is nothing to lock: `_settle` says that there is no store.
            if self._home.root.is_dir():
                with self._writing():
                    stack.enter_context(self._file.lock(self._lock_seconds))
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"State file {self._file.path} cannot be written",
                error.strerror or str(error),
                "What it held is not lost. Check free space and permissions of the store.",
            ) from error

    def _unreadable(self, error: OSError) -> NuvError:
        return StoreError(
            f"State file {self._file.path} cannot be read",
            error.strerror or str(error),
            "Check its permissions and those of the folders above it.",
        )
