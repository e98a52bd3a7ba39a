"""Reading a file into a table, with nothing lost or changed without a word.

What a file is, is told by its first bytes, else by its ending. Delimited texts are read in `delimited`, the
formats of other programs in `foreign`; Parquet and JSON by DuckDB itself.
"""

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.table_import import ImportOptions, ImportReport
from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables import descriptions, foreign, plaintext
from nuvtui.tables.delimited import Delimited, Told
from nuvtui.tables.types import identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".dat": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    **foreign.ENDINGS,
}
"""Formats by a file's ending."""
_COMPRESSED = tuple(ending for _, ending in plaintext.COMPRESSIONS.values())
LONGEST_NAME = 255

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class ImportSource:
    """A file to import: its path, format, size and compression."""

    path: Path
    """A link with a harmless name: DuckDB takes `*` and `[` in names for patterns."""
    folder: Path
    """Of the link; for copies. All that SQL has to reach lies in it."""
    shown: str
    """The file's own path, in text form."""
    format: str
    """`csv`, `tsv`, `parquet`, `json` or one of `foreign`."""
    size: int
    compression: str
    """Empty: none."""

    @property
    def title(self) -> str:
        """Title of the errors of this import."""
        return f"{self.shown} cannot be imported"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ImportSource]:
    """The file at `path`, recognised by its first bytes, else by its ending. Raises NuvError."""
    shown = path_to_text(str(path))
    title = f"{shown} cannot be imported"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NuvError(title, "there is no such file", "", Exit.NOT_FOUND) from error
    except OSError as error:
        raise NuvError(title, error.strerror or str(error)) from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise NuvError(title, "it is not a plain file", "", Exit.USAGE)
        head = os.pread(descriptor, 4096, 0)
    finally:
        os.close(descriptor)
    if not head:
        raise NuvError(
            title, "the file is empty", "A table needs at least a line with column names.", Exit.USAGE
        )
    compression = plaintext.compression_of(head)
    kind = _format(path, head, compression)
    if kind is None:
        raise NuvError(
            title,
            f"expected a file that ends in {', '.join(sorted(FORMATS))}; found {path.suffix or 'no ending'}",
            "Rename it after the format it has.",
            Exit.USAGE,
        )
    with tempfile.TemporaryDirectory(prefix="nuvtui-import-", ignore_cleanup_errors=True) as folder:
        link = Path(folder) / "source"
        link.symlink_to(path.absolute())
        yield ImportSource(link, Path(folder), shown, kind, info.st_size, compression)


def _format(path: Path, head: bytes, compression: str) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if compression and suffixes[-1:] and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if head.startswith(b"PAR1"):
        return "parquet"
    if (found := foreign.recognised(head)) and (kind is None or kind not in foreign.ENDINGS.values()):
        return found
    if kind is None and head.lstrip()[:1] in (b"[", b"{"):
        return "json"
    return kind


def checked_name(name: str) -> str:
    """`name` where a table may be called so. Raises NuvError (USAGE)."""
    if not name or len(name) > LONGEST_NAME or _CONTROL.search(name) or name != name.strip():
        raise NuvError(
            f"A table cannot be called {name!r}",
            f"expected 1 to {LONGEST_NAME} characters without control characters and outer spaces",
            "",
            Exit.USAGE,
        )
    return name


def name_of(path: Path) -> str:
    """A table name made of a file's name: letters, digits and `_`."""
    stem = path.name
    for suffix in reversed(path.suffixes):
        if suffix.lower() not in FORMATS and suffix.lower() not in _COMPRESSED:
            break
        stem = stem[: -len(suffix)]
    name = re.sub(r"_+", "_", re.sub(r"[^\w]", "_", _CONTROL.sub("_", stem))).strip("_")
    return name[:LONGEST_NAME] or "table"


Load = Callable[["Connection", str, Callable[[], None]], Told]
"""Makes a table of the name in one transaction, in which the callable runs first."""


def ready(source: ImportSource, asked: ImportOptions, reporter: Reporter) -> Load:
    """All that can be done of reading `source` before the database is opened; what is left to do.

    Raises NuvError, as the rest does, and then nothing has changed.
    """

    def tell(done: float) -> None:
        reporter.progress(int(done * source.size), source.size, "bytes", source.shown)

    _refuse_options(source, asked)
    reporter.progress(0, source.size, "bytes", source.shown)
    if source.format in ("csv", "tsv"):
        likely = "\t" if source.format == "tsv" else ""
        text = Delimited(
            source.path, source.folder, source.compression, source.shown, asked, reporter, likely
        )
        return lambda connection, table, prepare: text.load(connection, table, prepare, tell)
    if source.format in foreign.ENDINGS.values():
        read = foreign.convert(source.path, source.folder, source.format, source.title, asked, reporter)
        readers = [f"read_parquet({literal(str(read.file))})"]

        def load_foreign(connection: "Connection", table: str, prepare: Callable[[], None]) -> Told:
            def describe() -> None:
                descriptions.write(connection, table, read.description, read.descriptions)

            _create(connection, table, readers, prepare, describe, source, reporter)
            return Told(None, read.doubts, [], read.notes)

        return load_foreign
    own = _own_readers(source, asked, reporter)

    def load(connection: "Connection", table: str, prepare: Callable[[], None]) -> Told:
        _create(connection, table, own, prepare, lambda: None, source, reporter)
        return Told(None, [], [], [])

    return load


def sentences(report: ImportReport) -> list[str]:
    """What is doubtful in an import, and what is written otherwise than in the file."""
    found = [*report.notes]
    for doubt in report.doubts:
        option = f"; read otherwise with {doubt.option}" if doubt.option else ""
        found.append(f"{doubt.message}{option}")
    for each in report.rewritten:
        written = "NULL" if each.written is None else repr(each.written)
        many = "1 value" if each.count == 1 else f"{each.count:,} values"
        are = "is" if each.count == 1 else "are"
        found.append(
            f"{many} of column {each.column!r} {are} written otherwise, the first in line {each.line}: "
            f"{each.value!r} becomes {written}"
        )
    return found


def _refuse_options(source: ImportSource, asked: ImportOptions) -> None:
    """Options that mean nothing for a format are no options of it: better to say so than to pass over them."""
    known = {"encoding"} if source.format in foreign.ENDINGS.values() else set()
    if source.format in foreign.WITH_SHEETS:
        known = {"sheet", "range", "header"}
    elif source.format in ("csv", "tsv"):
        known = set(asked.__struct_fields__) - {"sheet", "range"}
    given = {name for name in asked.__struct_fields__ if getattr(asked, name) not in (None, [], {})}
    if wrong := sorted(given - known):
        raise NuvError(
            source.title,
            f"--{wrong[0]} means nothing for {source.format}",
            f"Leave it out{'; for ' + source.format + ' there are: --' + ', --'.join(sorted(known)) if known else ''}.",
            Exit.USAGE,
        )


def _own_readers(source: ImportSource, asked: ImportOptions, reporter: Reporter) -> list[str]:
    """SQL that reads Parquet and JSON, in the order in which to try."""
    if source.format == "parquet":
        return [f"read_parquet({literal(str(source.path))})"]
    plain = plaintext.prepare(
        source.path, source.folder, source.compression, asked.encoding, reporter, source.title
    )
    return [
        f"read_json({literal(str(plain.path))}, compression = 'none', maximum_object_size = 268435456, "
        f"sample_size = {sample})"
        for sample in (20000, -1)
    ]


def _create(
    connection: "Connection",
    table: str,
    readers: list[str],
    prepare: Callable[[], None],
    finish: Callable[[], None],
    source: ImportSource,
    reporter: Reporter,
) -> None:
    import duckdb

    failures: list[duckdb.Error] = []
    for reader in readers:
        try:
            with access.transaction(connection):
                prepare()
                access.run(
                    connection,
                    f"CREATE TABLE main.{identifier(table)} AS SELECT * FROM {reader}",
                    reporter,
                    lambda done: reporter.progress(
                        int(done * source.size), source.size, "bytes", source.shown
                    ),
                )
                finish()
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            failures.append(error)
        except duckdb.Error as error:
            raise _translated(error, source) from error
        else:
            return
    # What says more than that a guessed type was wrong comes first.
    failures.sort(key=lambda error: isinstance(error, duckdb.ConversionException))
    raise _translated(failures[0], source) from failures[0]


def _translated(error: Exception, source: ImportSource) -> NuvError:
    failure = access.translate(error, source.title)
    for path in (*source.folder.iterdir(), source.path):
        failure.message = failure.message.replace(str(path), source.shown)
    return failure
