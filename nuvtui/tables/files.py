"""A CSV, TSV or Parquet file as a table to look at, without importing it.

Of a CSV file only the beginning is read; a Parquet file is read where the rows that are asked for lie.
"""

import contextlib
import io
import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from nuvtui.errors import Exit, NuvError
from nuvtui.model.snapshot import Column
from nuvtui.model.table import Rows
from nuvtui.tables import connection as access
from nuvtui.tables import output
from nuvtui.tables.types import identifier, literal

MOST_ROWS = 10_000
"""Rows of a CSV file that are shown."""
MOST_TEXT = 4 << 20
"""Bytes of a CSV file that are read, unpacked."""


def kind_of(name: str) -> str:
    """`csv`, `tsv`, `parquet` by a file's ending, `csv.gz` and `tsv.gz` where it is compressed; else empty."""
    lower = name.lower()
    packed = ".gz" if lower.endswith(".gz") else ""
    for ending, kind in ((".csv", "csv"), (".tsv", "tsv"), (".tab", "tsv")):
        if lower.endswith(ending + packed):
            return kind + packed
    return "parquet" if lower.endswith((".parquet", ".pq")) else ""


def unpacked(pieces: Iterator[bytes], limit: int = MOST_TEXT) -> tuple[bytes, bool]:
    """The first `limit` bytes of gzip-compressed pieces, and whether that is all. Raises NuvError (6)."""
    out = io.BytesIO()
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            out.write(engine.decompress(piece, limit + 1 - out.tell()))
            if out.tell() > limit:
                return out.getvalue()[:limit], False
    except zlib.error as error:
        if not out.tell():
            raise NuvError("The file cannot be unpacked", str(error), "", Exit.REFUSED) from error
        return out.getvalue(), False
    return out.getvalue(), engine.eof


def csv_rows(data: bytes, kind: str, whole: bool, limit: int = MOST_ROWS) -> Rows:
    """The table at the beginning of a CSV or TSV file (`kind`), all of it text as it stands there.

    `whole` False: `data` is only the beginning of the file, its last line is left out. Raises NuvError.
    """
    if not whole:
        data = data[: data.rfind(b"\n") + 1] or data
    with tempfile.TemporaryDirectory(prefix="nuvtui-look-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "rows"
        file.write_bytes(data.decode("utf-8", "replace").encode())
        # All of it as text: a look shows what stands in the file, `2310009E13` and `1.10` too.
        options = "all_varchar = true, null_padding = true, max_line_size = 4194304"
        options += ", delim = '\t'" if kind == "tsv" else ""
        try:
            rows = _read_csv(file, options, limit)
        except NuvError:
            rows = _read_csv(file, f"{options}, strict_mode = false", limit)
        if not rows.columns:
            raise NuvError("The file is not read as a table", "it has no columns", "", Exit.REFUSED)
        total = len(rows.rows) if whole and not rows.truncated else None
        return Rows(rows.columns, rows.rows, total, rows.truncated or not whole)


def _read_csv(file: Path, options: str, limit: int) -> Rows:
    with access.scratch([file]) as connection, access.explained("The file is not read as a table"):
        _bound(connection)
        access.seal(connection)
        return _page(connection, f"read_csv({literal(str(file))}, {options})", 0, limit)


class ParquetFile:
    """A Parquet file that is looked at. `keep` is held as long as it is: what the path leads to."""

    def __init__(self, path: Path, keep: object = None) -> None:
        self._path = path
        self._keep = keep
        self._lock = threading.Lock()
        self.rows = 0
        self.columns: list[Column] = []
        with self._opened() as connection:
            (self.rows,) = connection.execute(f"SELECT count(*) FROM {self._source}").fetchall()[0]
            self.columns = _columns(connection, self._source)

    @property
    def _source(self) -> str:
        return f"read_parquet({literal(str(self._path))})"

    @contextlib.contextmanager
    def _opened(self) -> Iterator["access.Connection"]:
        with (
            access.scratch([self._path]) as connection,
            access.explained("The file is not read as a table"),
        ):
            _bound(connection)
            access.seal(connection)
            yield connection

    def page(self, offset: int, limit: int) -> Rows:
        """Rows of the file. For a thread; raises NuvError."""
        with self._lock, self._opened() as connection:
            return _page(connection, self._source, offset, limit)


def _bound(connection: "access.Connection") -> None:
    connection.execute("SET memory_limit = '256MB'")
    connection.execute("SET threads = 2")


def _columns(connection: "access.Connection", source: str) -> list[Column]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return [Column(str(row[0]), str(row[1])) for row in described]


def _page(connection: "access.Connection", source: str, offset: int, limit: int) -> Rows:
    columns = _columns(connection, source)
    values = [f"source.{identifier(column.name)}" for column in columns]
    return output.page(connection, f"{source} AS source", columns, values, offset, limit, None)
