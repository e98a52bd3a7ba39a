"""How nuvtui opens a DuckDB file: locked down, one at a time in a process, with errors for people.

Each connection is a private in-memory database to which the file is attached under the name `instance`. So
the settings of one use never clash with those of another one, and a connection can be closed to everything
else: no files but the ones named, no extensions, no network, no Python variables, no changed settings.

A new database file is made under a temporary name and put in place when its first change is complete, in the
oldest storage format that DuckDB 1.0 and later read, unless a column type needs a newer one.
"""

import contextlib
import fcntl
import itertools
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError, StoreError
from nuvtui.paths import DOT
from nuvtui.reporter import Reporter
from nuvtui.tables.types import literal

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

ALIAS = "instance"
"""Name under which the file is attached."""
STORAGE_VERSION = "v1.0.0"
"""Storage format of new files: any DuckDB client since 1.0 opens them."""
KEPT = "kept"
"""Folder in the workspace's `.nuvtui` for what is set aside."""
PATIENCE = 2.0
"""Seconds to wait for another program to let go of the file."""

_bounds: dict[str, str] = {}
"""What every connection of this process is held to, see `bound`."""

_NEW = ".duckdb"
"""Ending of the temporary name of a new database."""
_HOLDER = re.compile(
    r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)(?: by user (?P<user>\S+?))?\."
)
_CARET = re.compile(r"\n\s*LINE \d+:.*|\nDid you mean \"pg_[^\"]*\"\?", re.DOTALL)
_DAMAGE = re.compile(
    r"not a valid DuckDB database|Corrupt|corrupt|does not match stored checksum|Could not read enough bytes|"
    r"while replaying WAL|Failed to load metadata pointer|Failed to deserialize|[Dd]eserializ|"
    r"database has been invalidated|Is a directory"
)
"""What DuckDB says when it opens a file that is no database, or none any more."""
_DAMAGE_WITHIN = re.compile(r"Corrupt database file|Failed to load metadata pointer")
"""What it says where it meets damage later."""
_PREFIX = re.compile(r"^[A-Z][A-Za-z ]*Error: ")

# POSIX locks belong to the process: closing one handle of a file drops the lock of every other handle. So
# within this process only one connection to a file is open at a time.
_guard = threading.Lock()
_locks: dict[str, threading.RLock] = {}


def _process_lock(path: Path) -> threading.RLock:
    with _guard:
        return _locks.setdefault(os.path.realpath(path), threading.RLock())


class DamagedDatabaseError(NuvError):
    """A database that cannot be opened, or not be read to its end; `set_aside` makes room for another one."""


def damaged(path: Path, detail: str) -> DamagedDatabaseError:
    """The error for a database that DuckDB cannot read."""
    none = "not a valid DuckDB database" in detail
    return DamagedDatabaseError(
        "The tables cannot be read",
        f"{path} is not a DuckDB database" if none else f"{path} is damaged: {detail}",
        "Restore a snapshot that holds them (`nuvtui snapshots list`, then `nuvtui snapshots restore SNAPSHOT`): the "
        f"damaged file is kept in {DOT}/{KEPT}. Or move the file away to begin without tables.",
    )


def log_of(path: Path) -> Path:
    """The write-ahead log of the database at `path`."""
    return path.with_name(path.name + ".wal")


def set_aside(path: Path) -> Path | None:
    """Move the database at `path`, with its write-ahead log, into a folder of its own that is never removed.

    Returns the folder; None: there was neither. Raises NuvError where it cannot be moved.
    """
    if not _there(path) and not _there(log_of(path)):
        return None
    with _process_lock(path), _exclusive(path.parent):
        return _set_aside(path, [path, log_of(path)])


def _set_aside(path: Path, files: Sequence[Path]) -> Path | None:
    found = [file for file in files if _there(file)]
    if not found:
        return None
    try:
        folder = _kept_folder(path.parent / KEPT)
        for file in found:
            file.rename(folder / file.name)
        atomic.fsync_folder(folder)
        atomic.fsync_folder(path.parent)
    except OSError as error:
        raise NuvError(
            "The tables cannot be set aside",
            f"{error.filename}: {error.strerror}",
            f"Move {found[0]} away yourself, then try again.",
        ) from error
    return folder


def _kept_folder(kept: Path) -> Path:
    atomic.make_folder(kept, 0o777)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    for number in itertools.count(1):
        folder = kept / (f"{stamp}-tables" + (f"-{number}" if number > 1 else ""))
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError


def _there(path: Path) -> bool:
    """True where there is something at `path`, a dangling link, too."""
    return os.path.lexists(path)


def present(path: Path) -> bool:
    """True where there is a database at `path` (an empty file, as some tools leave it, is none).

    Raises NuvError where that cannot be seen.
    """
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise NuvError(
            "The tables cannot be read",
            f"{path}: {error.strerror}",
            "Ask the owner of the workspace for access to its folder .nuvtui.",
        ) from error


def bound(memory: str, threads: int) -> None:
    """Hold every connection of this process to so much memory, with nothing put on disk, and so many threads.

    For processes that are killed when nobody waits for them any more.
    """
    _bounds.update(memory_limit=memory, threads=str(threads))


@contextlib.contextmanager
def reading(
    path: Path, allow: Sequence[Path] = (), memory: str = "", spill: Path | None = None
) -> Iterator["Connection"]:
    """A read-only connection to the database at `path`, which must be there.

    `allow`: files and folders that SQL may read and write besides; `memory` as DuckDB's `memory_limit`; `spill`: a
    folder for what does not fit in. Raises NuvError: CONFLICT where another program holds the file,
    DamagedDatabaseError where it is no database that can be read.
    """
    with _process_lock(path), _opened() as connection, _whole(path):
        _attach(connection, path, "READ_ONLY")
        _lock_down(connection, allow, spill or _spill(path), memory)
        yield connection


@contextlib.contextmanager
def writing(
    path: Path,
    allow: Sequence[Path] = (),
    storage: str = STORAGE_VERSION,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> Iterator["Connection"]:
    """A connection that may change the database at `path`; makes it (and its folder) where there is none.

    `storage`: storage format of a new file. Use `transaction` for the changes. A new file appears
    only when the block ends without an exception. A write-ahead log that lies there without its database is set
    aside, and `tell` is told: DuckDB would add what is in it to whatever database stands beside it.
    """
    with _process_lock(path):
        if present(path):
            with _changing(path, allow) as connection:
                yield connection
            return
        atomic.make_folder(path.parent, 0o777)
        with _exclusive(path.parent):
            if present(path):
                with _changing(path, allow) as connection:
                    yield connection
                return
            _sweep(path.parent)
            log = log_of(path)
            if _there(log) and (folder := _set_aside(path, [path, log])):
                tell(
                    f"A write-ahead log of tables lay in {DOT} without its database; it is now in "
                    f"{DOT}/{KEPT}/{folder.name}, nothing in it is among the tables"
                )
            made = atomic.temporary_name(path)
            temporary = made.with_name(made.name + _NEW)
            try:
                with _opened() as connection:
                    _attach(connection, temporary, f"STORAGE_VERSION {literal(storage)}")
                    _lock_down(connection, allow, temporary.with_name(temporary.name + ".tmp"))
                    yield connection
                    connection.execute(f"CHECKPOINT {ALIAS}")
                _sync(temporary)
                temporary.replace(path)
                atomic.fsync_folder(path.parent)
            finally:
                _sweep(path.parent)


@contextlib.contextmanager
def _changing(path: Path, allow: Sequence[Path]) -> Iterator["Connection"]:
    with _opened() as connection, _whole(path):
        _attach(connection, path, "")
        # Nobody else has the database: what a killed process spilled is nobody's.
        shutil.rmtree(_spill(path), ignore_errors=True)
        _lock_down(connection, allow, _spill(path))
        yield connection


def _spill(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Tell damage of the database at `path` from other errors, at whatever point of the block DuckDB meets it."""
    try:
        yield
    except Exception as error:
        said = error.message if isinstance(error, NuvError) else str(error)
        cut = "Could not read enough bytes" in said and str(path) in said
        if isinstance(error, DamagedDatabaseError | StoreError) or not (cut or _DAMAGE_WITHIN.search(said)):
            raise
        raise damaged(path, _short(said)) from error


@contextlib.contextmanager
def scratch(
    allow: Sequence[Path] = (), spill: Path | None = None, memory: str = ""
) -> Iterator["Connection"]:
    """A connection without a database, that may read `allow`; not locked down yet (see `seal`)."""
    with _opened() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if _bounds:
            connection.execute("SET temp_directory = ''")
        elif spill is not None:
            connection.execute(f"SET temp_directory = {literal(str(spill))}")
        _limit(connection, memory)
        _allow(connection, allow)
        yield connection


def seal(connection: "Connection") -> None:
    """Close `connection` to files and settings for good."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextlib.contextmanager
def transaction(connection: "Connection") -> Iterator[None]:
    """All changes in the block, or none."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        with explained("The change could not be written"):
            connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT has ended the transaction already; then there is nothing to roll back.
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def explained(title: str) -> Iterator[None]:
    """Turn DuckDB's errors in the block into NuvError under `title`."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise translate(error, title) from error


def database_error() -> type[Exception]:
    """The base of DuckDB's own exceptions."""
    import duckdb

    return duckdb.Error


def translate(error: Exception, title: str) -> NuvError:
    """The NuvError to raise in place of an `error` of DuckDB."""
    text = str(error)
    if "No space left on device" in text or "out of disk space" in text.lower():
        return NuvError(title, f"the disk is full: {_short(text)}", "Free some space, then try again.")
    if "Out of Memory" in text:
        return NuvError(
            title, f"not enough memory: {_short(text)}", "Work on fewer rows or columns at a time."
        )
    return NuvError(title, _short(text))


def _short(text: str) -> str:
    text = _CARET.sub("", _PREFIX.sub("", text))
    return text.strip().split("\n\n")[0].strip()


def run(
    connection: "Connection",
    sql: str,
    reporter: Reporter,
    tell: Callable[[float], None] | None = None,
) -> list[tuple[object, ...]]:
    """Execute `sql`, and stop it as soon as the reporter is cancelled. Returns all its rows.

    `tell` is called a few times a second with the fraction done, where DuckDB knows it.
    """
    result: list[list[tuple[object, ...]]] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(connection.execute(sql).fetchall())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="duckdb", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            reporter.check()
            if tell is not None and thread.is_alive():
                done = connection.query_progress()
                if done >= 0:
                    tell(min(done / 100, 1.0))
    except BaseException:
        # An interrupt that comes before the query has begun is lost, so it is repeated.
        while thread.is_alive():
            connection.interrupt()
            thread.join(0.05)
        raise
    if failure:
        raise failure[0]
    return result[0]


@contextlib.contextmanager
def _opened() -> Iterator["Connection"]:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "allow_persistent_secrets": "false",
            **_bounds,
        },
    )
    try:
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        yield connection
    finally:
        connection.close()


def _attach(connection: "Connection", path: Path, option: str) -> None:
    import duckdb

    options = ", ".join(filter(None, ("TYPE duckdb", option)))  # the type: else it is guessed from the file
    sql = f"ATTACH {literal(_sql_path(path))} AS {ALIAS} ({options})"
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(sql)
            break
        except duckdb.Error as error:
            text = str(error)
            busy = "Could not set lock" in text or "Unique file handle conflict" in text
            if busy and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            if busy:
                raise _held(text) from error
            if _DAMAGE.search(text):
                raise damaged(path, _short(text)) from error
            raise translate(error, "The tables cannot be opened") from error
    connection.execute(f"USE {ALIAS}")


def _held(text: str) -> NuvError:
    match = _HOLDER.search(text)
    if match:
        user = f" of user {match['user']}" if match["user"] else ""
        holder = f"{match['program']} (PID {match['pid']}){user} has them open"
    else:
        holder = "another program has them open"
    return NuvError(
        "The tables are in use",
        holder,
        "Close the connection to .nuvtui/tables.duckdb there, or end that program, then try again.",
        Exit.CONFLICT,
    )


def _lock_down(connection: "Connection", allow: Sequence[Path], spill: Path, memory: str = "") -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET temp_directory = {literal('' if _bounds else _sql_path(spill))}")
    _limit(connection, memory)
    _allow(connection, allow)
    seal(connection)


def _limit(connection: "Connection", memory: str) -> None:
    if memory and not _bounds:
        connection.execute(f"SET memory_limit = {literal(memory)}")


def _allow(connection: "Connection", allow: Sequence[Path]) -> None:
    folders = [literal(_sql_path(path)) for path in allow if path.is_dir()]
    files = [literal(_sql_path(path)) for path in allow if not path.is_dir()]
    if folders:
        connection.execute(f"SET allowed_directories = [{', '.join(folders)}]")
    if files:
        connection.execute(f"SET allowed_paths = [{', '.join(files)}]")


def _sql_path(path: Path) -> str:
    """`path` as DuckDB takes it. Raises NuvError where it is not UTF-8."""
    text = str(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NuvError(
            "The tables cannot be opened",
            f"the name of the folder is not UTF-8: {os.fsencode(text)!r}",
            "Rename the folder.",
        ) from error
    return text


def _sweep(folder: Path) -> None:
    """Remove unfinished new databases. To be called under `_exclusive`: whoever made them is gone."""
    for leftover in folder.glob(f"{atomic.TEMPORARY}*{_NEW}*"):
        if leftover.is_file():
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """One maker of a new database in `folder` at a time, over all processes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
