"""A codebook: what a table and its columns are about, as a small CSV file beside an export."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from nuvtui import atomic
from nuvtui.errors import Exit, NuvError
from nuvtui.model.names import path_to_text
from nuvtui.model.snapshot import Column

_HEADER = ("column", "type", "description")


class Codebook(msgspec.Struct, frozen=True):
    """The descriptions of a table and of its columns."""

    table: str
    description: str
    columns: dict[str, str]
    """By name; of those that have one."""


def path_beside(file: Path) -> Path:
    """Where the codebook of an export lies: `data.codebook.csv` for `data.csv` or `data.parquet`."""
    return file.with_name(f"{file.stem}.codebook.csv")


def write_codebook(book: Codebook, columns: Sequence[Column], file: Path) -> Path | None:
    """Write the codebook of the export `file` beside it; None, and nothing written, where nothing is described.

    Rows of `column,type,description`; the first one, without column and type, describes the table.
    """
    if not book.description and not book.columns:
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerow(("", "", book.description))
    writer.writerows((column.name, column.type, book.columns.get(column.name, "")) for column in columns)
    path = path_beside(file)
    atomic.write_file(path, text.getvalue().encode("utf-8", "surrogateescape"), file.stat().st_mode & 0o777)
    return path


def refuse_other(file: Path) -> None:
    """Raise NuvError (CONFLICT) where what lies in the codebook's place is no codebook."""
    path = path_beside(file)
    try:
        with open(path, "rb") as found:
            mine = found.readline().rstrip(b"\r\n") == ",".join(_HEADER).encode()
    except FileNotFoundError:
        return
    except OSError:
        mine = False
    if not mine:
        raise NuvError(
            f"Cannot export to {path_to_text(str(file))}",
            f"the codebook would replace {path_to_text(path.name)}, which is none",
            "Move that file away, or export under another name.",
            Exit.CONFLICT,
        )
