"""What is shown of a file, by its kind, with no more read than that takes. For threads."""

import codecs
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from nuvtui.errors import NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FILE, LINK
from nuvtui.services.context import Context
from nuvtui.services.states import pictures
from nuvtui.services.states.service import FileView, StateReader
from nuvtui.tables import scratch

if TYPE_CHECKING:
    from nuvtui.model.table import Rows
    from nuvtui.services.states.notebook import Notebook
    from nuvtui.tables.files import ParquetFile

FIRST = 256 << 10
"""Bytes that are read of any file at first."""
MOST_TEXT = 64 << 20
"""Bytes of a text that can be paged through."""
MOST_NOTEBOOK = 16 << 20
"""Bytes of a notebook above which it is shown as text."""
MOST_PARQUET = 512 << 20
"""Bytes of a snapshot's Parquet file that are laid out to look at it."""
DUMPED = 4096
"""Bytes of a binary file that are shown."""
Kind = Literal["text", "markdown", "notebook", "picture", "rows", "parquet", "binary", "other"]

_MAGIC = (
    (b"\x7fELF", "program or library (ELF)"),
    (b"%PDF-", "PDF document"),
    (b"PK\x03\x04", "ZIP archive, or a document made like one"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"\x89HDF\r\n\x1a\n", "HDF5 data"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"PAR1", "Parquet table"),
    (b"ARROW1", "Arrow table"),
    (b"\x93NUMPY", "NumPy array"),
    (b"RDX", "R data"),
    (b"<stata_dta>", "Stata data"),
    (b"MATLAB 5.0", "MATLAB data"),
)


class Preview(NamedTuple):
    """What is shown of a file."""

    view: FileView
    kind: Kind
    note: str = ""
    """What is not shown, or why it is shown so."""
    text: bytes = b""
    """`text`: its beginning; `markdown`, `picture` (SVG), `notebook`, `rows`: for the raw view."""
    rest: Iterator[bytes] | None = None
    """`text`: what follows, piece by piece; None where that was all."""
    what: str = ""
    """`binary`, `other`: what it is."""
    picture: pictures.Picture | None = None
    notebook: "Notebook | None" = None
    rows: "Rows | None" = None
    parquet: "ParquetFile | None" = None


class PreviewsService:
    """Makes previews."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def preview(self, reader: StateReader, view: FileView, *, raw: bool = False) -> Preview:
        """What to show of a file; `raw`: its text or its bytes, whatever it is. Raises NuvError."""
        if view.kind == LINK:
            return Preview(view, "other", what=f"Link to {path_to_text(view.target)}")
        if view.kind != FILE:
            return Preview(
                view, "other", what="Neither a file nor a folder nor a link: snapshots cannot hold it."
            )
        if not raw:
            found = self._by_kind(reader, view)
            if found is not None:
                return found
        return _text(reader, view)

    def _by_kind(self, reader: StateReader, view: FileView) -> Preview | None:
        from nuvtui.tables import files

        name = view.name.lower()
        table = files.kind_of(name)
        if table == "parquet":
            return self._parquet(reader, view)
        if table:
            return _rows(reader, view, table)
        if name.endswith(".ipynb") and view.size <= MOST_NOTEBOOK:
            from nuvtui.services.states import notebook

            data = reader.read(view.path, MOST_NOTEBOOK)
            book = notebook.parse(data)
            return Preview(view, "notebook", notebook=book) if book is not None else None
        if name.endswith((".md", ".markdown", ".rmd", ".qmd")) and view.size <= FIRST:
            data = reader.read(view.path, FIRST)
            return None if _binary(data) else Preview(view, "markdown", text=data)
        if name.endswith(pictures.ENDINGS):
            head = reader.read(view.path, pictures.HEAD)
            picture = pictures.look(head)
            if picture is not None:
                return Preview(view, "picture", picture=picture, text=b"" if _binary(head) else head)
        return None

    def _parquet(self, reader: StateReader, view: FileView) -> Preview | None:
        from nuvtui.tables.files import ParquetFile

        try:
            if view.size > MOST_PARQUET and reader.ref.snapshot is not None:
                return Preview(
                    view, "other", what="Parquet table, too large to be laid out here; restore or stage it."
                )
            path, keep = self._file(reader, view)
            found = ParquetFile(path, keep)
        except NuvError as error:
            return _text(reader, view, f"{error.title}: {error.message}")
        return Preview(view, "parquet", parquet=found)

    def _file(self, reader: StateReader, view: FileView) -> tuple[Path, object]:
        """A path that leads to the file's content as long as the second value is held."""
        descriptor = reader.descriptor(view.path)
        if descriptor is not None:
            file = open(descriptor, "rb")  # noqa: SIM115  # held by whoever looks at it
            return Path(f"/proc/self/fd/{descriptor}"), file
        folder = _Folder(self._context.home.tmp)
        path = folder.path / "file"
        with open(path, "xb") as out:
            for piece in reader.stream(view.path):
                out.write(piece)
        return path, folder


class _Folder:
    """A folder for as long as somebody looks at what is in it."""

    def __init__(self, tmp: Path) -> None:
        self._open = contextlib.ExitStack()
        self.path = self._open.enter_context(scratch.folder(tmp))

    def __del__(self) -> None:
        self._open.close()


def _rows(reader: StateReader, view: FileView, kind: str) -> Preview:
    from nuvtui.tables import files

    if kind.endswith(".gz"):
        data, whole = files.unpacked(reader.stream(view.path))
    else:
        data = reader.read(view.path, files.MOST_TEXT)
        whole = len(data) >= view.size
    if not data.strip():
        return Preview(view, "text", text=data)
    try:
        rows = files.csv_rows(data, kind.removesuffix(".gz"), whole)
    except NuvError as error:
        return _text(reader, view, f"not a table: {error.message}")
    note = "" if rows.total is not None else f"the first {len(rows.rows):,} rows"
    return Preview(view, "rows", note, rows=rows)


def _text(reader: StateReader, view: FileView, note: str = "") -> Preview:
    pieces = reader.stream(view.path)
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) >= FIRST:
            break
    data = bytes(head)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(data) >= view.size:
        return Preview(view, "text", "UTF-16", data.decode("utf-16", "replace").encode())
    if _binary(data):
        return Preview(view, "binary", note, data[:DUMPED], what=kind_of_bytes(data))
    return Preview(view, "text", note, data, None if len(data) >= view.size else pieces)


def _binary(data: bytes) -> bool:
    return b"\0" in data[:8192]


def kind_of_bytes(data: bytes) -> str:
    """What a binary file is, by its first bytes; empty where they say nothing."""
    picture = pictures.look(data)
    if picture is not None:
        return ", ".join(part for part in (f"{picture.format} image", picture.size) if part)
    return next((what for magic, what in _MAGIC if data.startswith(magic)), "")


def dump(data: bytes) -> str:
    """Bytes as offset, hexadecimal, ASCII."""
    rows = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        rows.append(f"{at:06x}  {part.hex(' '):<47}  {text}")
    return "\n".join(rows)
