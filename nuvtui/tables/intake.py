"""Reading a file into a table: CSV, TSV, Parquet and JSON, with nothing lost without a word.

DuckDB's CSV reader guesses the dialect; where rows have differing numbers of fields it may skip the first
ones or put whole lines into one column. Both are noticed here and refused. `NA` and its kin count as missing
only where a column becomes numeric or a date by it, and the user is told so.
"""

import codecs
import contextlib
import gzip
import itertools
import os
import re
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables.types import identifier, literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
MISSING = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None", ".")
"""Words that stand for a missing value in the files of other programs."""
LONGEST_NAME = 255
_SAMPLE = 200_000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Source:
    """A file to be read."""

    path: Path
    """A link with a harmless name: DuckDB takes `*` and `[` in names for patterns."""
    shown: str
    """The file's own path, in text form."""
    format: str
    """`csv`, `tsv`, `parquet` or `json`."""
    size: int
    gzip: bool
    """Compressed with gzip."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The file at `path`, recognised by its ending, else by its first bytes. Raises NuvError."""
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
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = head.startswith(b"\x1f\x8b")
    if compressed and suffixes[-1:] == [".gz"]:
        suffixes.pop()
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if head.startswith(b"PAR1"):
        kind = "parquet"
    elif kind is None and head.lstrip()[:1] in (b"[", b"{"):
        kind = "json"
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
        yield Source(link, shown, kind, info.st_size, compressed)


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
        if suffix.lower() not in FORMATS and suffix.lower() != ".gz":
            break
        stem = stem[: -len(suffix)]
    name = re.sub(r"_+", "_", re.sub(r"[^\w]", "_", _CONTROL.sub("_", stem))).strip("_")
    return name[:LONGEST_NAME] or "table"


def load(
    connection: "Connection", source: Source, name: str, prepare: Callable[[], None], reporter: Reporter
) -> None:
    """Make table `name` of `source` in one transaction; `prepare` runs first in it (drops what is replaced).

    Types are guessed from a sample of the rows; where a later row does not fit, all rows are looked at.
    Raises NuvError, and then nothing has changed.
    """
    import duckdb

    title = f"{source.shown} cannot be imported"
    reporter.progress(0, source.size, "bytes", name)
    failures: list[duckdb.Error] = []
    for reader in _readers(connection, source, reporter, title):
        try:
            with access.transaction(connection):
                prepare()
                access.run(
                    connection,
                    f"CREATE TABLE main.{identifier(name)} AS SELECT * FROM {reader}",
                    reporter,
                    lambda done: reporter.progress(int(done * source.size), source.size, "bytes", name),
                )
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            failures.append(error)
        except duckdb.Error as error:
            raise _translated(error, source) from error
        else:
            reporter.progress(source.size, source.size, "bytes", name)
            return
    # What says more than that a guessed type was wrong comes first.
    failures.sort(key=lambda error: isinstance(error, duckdb.ConversionException))
    raise _translated(failures[0], source) from failures[0]


def _translated(error: Exception, source: Source) -> NuvError:
    failure = access.translate(error, f"{source.shown} cannot be imported")
    failure.message = failure.message.replace(str(source.path), source.shown)
    return failure


def _readers(connection: "Connection", source: Source, reporter: Reporter, title: str) -> list[str]:
    """SQL that reads `source`, in the order in which to try."""
    file = literal(str(source.path))
    if source.format == "parquet":
        return [f"read_parquet({file})"]
    encoding = _encoding(source, reporter, title)
    packed = f"compression = '{'gzip' if source.gzip else 'none'}'"
    if source.format == "json":
        return [
            f"read_json({file}, {packed}, maximum_object_size = 268435456, sample_size = {sample})"
            for sample in (20000, -1)
        ]
    options = [packed, "comment = ''"]
    if source.format == "tsv":
        options.append("delim = '\t'")
    if encoding != "utf-8":
        options.append(f"encoding = {literal(encoding)}")
    if encoding == "latin-1":
        reporter.warning(f"{source.shown} is not UTF-8; it was read as Latin-1")
    found = _dialect(connection, source, options, reporter, title)
    dialect = f"{found.options}, header = {found.header}, skip = {found.skipped}"
    if source.format == "csv":
        dialect += f", delim = {literal(found.delimiter)}"
    # The dialect, too, is guessed from a sample: later rows may have quotes although the first have none.
    quotes = ["quote = '\"', escape = '\"'"]
    if (found.quote, found.escape) not in (('"', '"'), ('"', ""), ("", "")):
        quotes.insert(0, f"quote = {literal(found.quote)}, escape = {literal(found.escape)}")
    elif not found.quote:
        quotes.append("quote = '', escape = ''")
    return [
        f"read_csv({file}, {dialect}, {quote}, sample_size = {sample})"
        for quote in quotes
        for sample in (_SAMPLE, -1)
    ]


@dataclass(frozen=True)
class _Dialect:
    options: str
    delimiter: str
    quote: str
    escape: str
    skipped: int
    header: bool
    columns: tuple[tuple[str, str], ...]


def _dialect(
    connection: "Connection", source: Source, options: list[str], reporter: Reporter, title: str
) -> _Dialect:
    """How the text file is written. Raises NuvError where rows would get lost."""
    import duckdb

    try:
        found = _sniff(connection, source, options)
    except duckdb.Error:
        try:
            # Only the first lines: then reading can name the line that is not like them.
            found = _sniff(connection, source, options, 2048)
        except duckdb.Error as error:
            raise NuvError(
                title,
                "it is not recognised as lines with the same number of fields each, separated by comma, "
                "semicolon, tab or bar",
                "Correct the file, or convert it to CSV or Parquet first.",
            ) from error
    _refuse_lost_rows(source, found, title, reporter)
    if not any(kind == "VARCHAR" for _, kind in found.columns):
        return found
    words = ", ".join(literal(word) for word in ("", *MISSING))
    try:
        other = _sniff(connection, source, [*options, f"nullstr = [{words}]"])
    except duckdb.Error:
        return found
    if [name for name, _ in other.columns] != [name for name, _ in found.columns]:
        return found
    gained = [
        name
        for (name, before), (_, after) in zip(found.columns, other.columns, strict=True)
        if before == "VARCHAR" != after
    ]
    if not gained:
        return found
    reporter.warning(f"NA and the like were read as missing values, because of column {', '.join(gained)}")
    return other


def _encoding(source: Source, reporter: Reporter, title: str) -> str:
    """The encoding of a text file: UTF-16 by its mark, UTF-8 where all of it is, else Latin-1.

    Reads the whole file, so that a damaged archive is noticed, too. Raises NuvError.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding = "utf-8"
    try:
        with _bytes(source) as file:
            piece = file.read(1 << 20)
            if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                encoding = "utf-16"
            while piece:
                reporter.check()
                if encoding == "utf-8":
                    try:
                        decoder.decode(piece)
                    except UnicodeDecodeError:
                        encoding = "latin-1"
                piece = file.read(1 << 20)
        if encoding == "utf-8":
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        encoding = "latin-1"
    except (OSError, EOFError, zlib.error) as error:
        raise NuvError(title, f"it cannot be read: {error}") from error
    return encoding


def _bytes(source: Source) -> BinaryIO:
    """The file's content, decompressed."""
    if source.gzip:
        return gzip.open(source.path, "rb")  # type: ignore[return-value]
    return open(source.path, "rb")


def _sniff(connection: "Connection", source: Source, options: list[str], sample: int = _SAMPLE) -> _Dialect:
    given = ", ".join(options)
    row = connection.execute(
        "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Columns "
        f"FROM sniff_csv({literal(str(source.path))}, {given}, sample_size = {sample})"
    ).fetchall()[0]
    delimiter, quote, escape = ("" if value == "(empty)" else str(value) for value in row[:3])
    columns = tuple((str(column["name"]), str(column["type"])) for column in row[5])
    return _Dialect(given, delimiter or ",", quote, escape, int(row[3]), bool(row[4]), columns)


def _refuse_lost_rows(source: Source, found: _Dialect, title: str, reporter: Reporter) -> None:
    first = _first_lines(source, found.skipped + 1)
    skipped = [line for line in first[: found.skipped] if line.strip()]
    if any(found.delimiter in line for line in skipped):
        raise NuvError(
            title,
            f"the first {found.skipped} lines do not have the same number of fields as the ones after them "
            f"({len(found.columns)}, separated by {found.delimiter!r})",
            "Correct the file so that every line has the same number of fields.",
        )
    header = first[found.skipped] if len(first) > found.skipped else ""
    if len(found.columns) == 1 and '"' not in header and any(mark in header for mark in ",;\t|"):
        raise NuvError(
            title,
            "the lines differ in their number of fields",
            "Correct the file so that every line has the same number of fields.",
        )
    if skipped:
        reporter.warning(
            f"The first {found.skipped} lines of {source.shown} were taken for a title and left out"
        )


def _first_lines(source: Source, count: int) -> list[str]:
    with _bytes(source) as file:
        return [line.decode("utf-8", "replace").rstrip("\r\n") for line in itertools.islice(file, count)]
