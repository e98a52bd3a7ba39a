"""A text file as DuckDB reads it best: plain, in UTF-8. And where in it a record stands.

A file that is so already is read where it lies. Else (compressed, another encoding, comment lines, mixed ends of
lines) it is written anew in a temporary folder, line by line: numbers of lines stay the same.
"""

import bz2
import codecs
import contextlib
import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import Doubt
from nuvtui.reporter import Reporter

COMPRESSIONS = {
    "gzip": (b"\x1f\x8b", ".gz"),
    "zstd": (b"\x28\xb5\x2f\xfd", ".zst"),
    "bzip2": (b"BZh", ".bz2"),
    "xz": (b"\xfd7zXZ\x00", ".xz"),
}
"""First bytes and ending of compressed files, by name."""
SAMPLE = 1 << 20
"""Bytes that the way a file is written is recognised by."""
LARGEST_SAMPLE = 64 << 20
_CHECKED = 8 << 20
"""Bytes that are held to be UTF-8 before DuckDB reads; DuckDB itself finds what comes later."""
_PIECE = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNDEFINED = frozenset(b"\x81\x8d\x8f\x90\x9d")
"""Bytes that no text in Windows-1252 has."""


class NotUtf8Error(Exception):
    """The file turned out to be in another encoding than UTF-8."""


def compression_of(head: bytes) -> str:
    """The name of the compression of a file that begins with `head`; empty: none."""
    return next((name for name, (mark, _) in COMPRESSIONS.items() if head.startswith(mark)), "")


@contextlib.contextmanager
def content(path: Path, compression: str, title: str) -> Iterator[BinaryIO]:
    """The file's content, decompressed. Raises NuvError under `title` where it is damaged."""
    try:
        with contextlib.ExitStack() as stack:
            match compression:
                case "gzip":
                    file = cast(BinaryIO, stack.enter_context(gzip.open(path, "rb")))
                case "bzip2":
                    file = cast(BinaryIO, stack.enter_context(bz2.open(path, "rb")))
                case "xz":
                    file = cast(BinaryIO, stack.enter_context(lzma.open(path, "rb")))
                case "zstd":
                    import zstandard

                    file = cast(
                        BinaryIO,
                        stack.enter_context(zstandard.open(path, "rb")),
                    )
                case _:
                    file = stack.enter_context(open(path, "rb"))
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise NuvError(title, f"it cannot be read: {error}", "Get the file again: it is damaged.") from error
    except Exception as error:
        if type(error).__module__.startswith("zstandard"):
            raise NuvError(
                title, f"it cannot be read: {error}", "Get the file again: it is damaged."
            ) from error
        raise


@dataclass(frozen=True)
class Plain:
    """A file in UTF-8, and what the original was."""

    path: Path
    original: Path
    encoding: str
    compression: str
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    dropped: int = 0
    """Lines of the original that `path` does not begin with."""
    removed: tuple[int, ...] = ()
    """Numbers of later lines of the original that are not in `path`."""


def prepare(
    path: Path,
    folder: Path,
    compression: str,
    asked: str | None,
    reporter: Reporter,
    title: str,
    *,
    suspect: bool = False,
) -> Plain:
    """`path` as a file in UTF-8. `asked`: the encoding that the user says; `suspect`: it is surely not UTF-8.

    Raises NuvError under `title` where the encoding is none, or not that of the file (with line and column).
    """
    if asked is not None:
        try:
            encoding = codecs.lookup(asked).name
        except LookupError as error:
            hint = "Known are utf-8, utf-16, windows-1252, latin-1, cp1250, shift_jis and others of Python."
            raise NuvError(title, f"no encoding is called {asked!r}", hint, Exit.USAGE) from error
        notes: tuple[str, ...] = ()
        doubts: tuple[Doubt, ...] = ()
    else:
        encoding, notes, doubts = _recognised(path, compression, title, suspect, reporter)
    if not compression and encoding == "utf-8" and asked is None:
        return Plain(path, path, encoding, compression, notes, doubts)
    target = folder / "text"
    with content(path, compression, title) as file, open(target, "wb") as out:
        for text in _decoded(file, encoding, title, reporter):
            out.write(text.encode("utf-8", "strict"))
    return Plain(target, path, encoding, compression, notes, doubts)


def _decoded(file: BinaryIO, encoding: str, title: str, reporter: Reporter) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    column = 0
    first = True
    while True:
        reporter.check()
        piece = file.read(_PIECE)
        held = decoder.getstate()[0]
        try:
            text = decoder.decode(piece, not piece)
        except UnicodeDecodeError as error:
            good = (held + piece)[: error.start].decode(encoding, "replace")
            lines += good.count("\n")
            at = len(good.rpartition("\n")[2]) + (0 if "\n" in good else column)
            raise NuvError(
                title,
                f"line {lines}, character {at + 1} is not {encoding}: bytes {_hex(error)}",
                "Say the encoding that the file has: --encoding windows-1252, --encoding utf-8, …",
            ) from error
        if first and text:
            text = text.removeprefix("\ufeff")
            first = False
        lines += text.count("\n")
        column = len(text.rpartition("\n")[2]) + (0 if "\n" in text else column)
        if text:
            yield text
        if not piece:
            return


def _hex(error: UnicodeDecodeError) -> str:
    return error.object[error.start : error.start + 4].hex(" ")


def _recognised(
    path: Path, compression: str, title: str, suspect: bool, reporter: Reporter
) -> tuple[str, tuple[str, ...], tuple[Doubt, ...]]:
    with content(path, compression, title) as file:
        head = file.read(_CHECKED)
    for mark, name in _MARKS:
        if head.startswith(mark):
            notes = () if name == "utf-8" else (f"the file is in {name.upper()}",)
            return name, notes, ()
    if (guess := _sixteen(head)) is not None:
        return guess, (f"the file is in {guess.upper()} without a mark at its beginning",), ()
    if not suspect:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            decoder.decode(head, len(head) < _CHECKED)
        except UnicodeDecodeError:
            pass
        else:
            if not compression or len(head) < _CHECKED:
                return "utf-8", (), ()
    return _western(path, compression, title, reporter)


def _sixteen(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Western text is zero."""
    sample = head[:4096]
    if len(sample) < 4:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _western(
    path: Path, compression: str, title: str, reporter: Reporter
) -> tuple[str, tuple[str, ...], tuple[Doubt, ...]]:
    """UTF-8 where all of the file is; else Windows-1252 (whose part Latin-1 is); a mixture is refused."""
    line = 1
    utf8 = first = None
    seen: set[int] = set()
    with content(path, compression, title) as file:
        for raw in file:
            if not raw.isascii():
                reporter.check()
                seen.update(byte for byte in raw if byte >= 0x80)
                try:
                    raw.decode("utf-8")
                    utf8 = utf8 or line
                except UnicodeDecodeError as error:
                    if first is None:
                        first = (line, error.start, raw)
            line += 1
    if first is None:
        return "utf-8", (), ()
    where, start, raw = first
    hint = "Say the encoding that the file has: --encoding windows-1252, --encoding shift_jis, …"
    if utf8 is not None:
        raise NuvError(
            title,
            f"line {where}, byte {start + 1} is not UTF-8 ({raw[start : start + 4].hex(' ')}), but line {utf8} is: "
            "two encodings are mixed",
            "Correct the file, or have all of it read in one: --encoding windows-1252.",
        )
    if seen & _UNDEFINED:
        raise NuvError(
            title,
            f"line {where}, byte {start + 1} is not UTF-8 ({raw[start : start + 4].hex(' ')}), and the file is not "
            "Windows-1252 either",
            hint,
        )
    encoding, name = ("windows-1252", "Windows-1252") if min(seen) < 0xA0 else ("latin-1", "Latin-1")
    before = raw[max(0, start - 20) : start + 20].decode(encoding, "replace").strip()
    doubt = Doubt(
        kind="encoding",
        line=where,
        value=before,
        message=f"the file is not UTF-8; it was read as {name}: {before!r}",
        option="--encoding",
    )
    return encoding, (), (doubt,)


def sample(plain: Plain, size: int = SAMPLE) -> tuple[str, bool]:
    """The beginning of a file, and whether that is all of it. Raises NotUtf8Error."""
    with open(plain.path, "rb") as file:
        head = file.read(size + 1)
    whole = len(head) <= size
    if not whole:
        head = head[: head.rfind(b"\n", 0, size) + 1] or head[:size]
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head, whole).removeprefix("\ufeff"), whole
    except UnicodeDecodeError as error:
        raise NotUtf8Error from error


def tidied(
    plain: Plain,
    folder: Path,
    reporter: Reporter,
    comment: str,
    quote: str,
    drop: int = 0,
    *,
    single: bool = False,
) -> Plain:
    """`plain` with one kind of line ends, without its first `drop` lines and without comment lines.

    Empty lines stand for those, but in a file of one column (`single`), where they would be rows.
    """
    target = folder / f"tidy{len(list(folder.iterdir()))}"
    mark, sign = comment.encode(), quote.encode()
    inside = False
    removed = []
    with open(plain.path, "rb") as file, open(target, "wb") as out:
        for number, raw in enumerate(_physical(file)):
            if number % 4096 == 0:
                reporter.check()
            if number < drop:
                continue
            if not inside and mark and raw.startswith(mark):
                if single:
                    removed.append(number + 1)
                else:
                    out.write(b"\n")
                continue
            if sign and raw.count(sign) % 2:
                inside = not inside
            out.write(raw if inside else raw.rstrip(b"\r\n") + b"\n")
    return replace(plain, path=target, dropped=plain.dropped + drop, removed=tuple(removed))


def _physical(file: BinaryIO) -> Iterator[bytes]:
    """Lines that end in LF, CRLF or CR."""
    for raw in file:
        pieces = raw.split(b"\r")
        if len(pieces) == 1 or (len(pieces) == 2 and pieces[1] == b"\n"):
            yield raw
            continue
        for piece in pieces[:-2]:
            yield piece + b"\r"
        if pieces[-1] == b"\n":
            yield pieces[-2] + b"\r\n"
        else:
            yield pieces[-2] + b"\r"
            if pieces[-1]:
                yield pieces[-1]


# Where a record stands


def lines_of(plain: Plain, records: Iterable[int], skipped: int, quote: str, single: bool) -> dict[int, int]:
    """The lines of the original (from 1) on which records begin; these count from 0 after `skipped` lines.

    Empty lines are no records, but in a file of one column. One pass, fast where nothing is quoted.
    """
    found = {}
    for record, within in _lines_within(plain.path, sorted(set(records)), skipped, quote.encode(), single):
        line = plain.dropped + within
        for number in plain.removed:
            line += number <= line
        found[record] = line
    return found


def _lines_within(
    path: Path, wanted: list[int], skipped: int, sign: bytes, single: bool
) -> Iterator[tuple[int, int]]:
    line = seen = 0
    inside = False
    pending = iter(wanted)
    record = next(pending, None)
    with open(path, "rb") as file:
        for _ in range(skipped):
            file.readline()
            line += 1
        while record is not None:
            start = file.tell()
            piece = file.read(_PIECE)
            if not piece:
                return
            ended = piece.rfind(b"\n") + 1
            count = piece.count(b"\n")
            simple = not inside and (not sign or sign not in piece) and b"\r" not in piece and ended
            full = single or (b"\n\n" not in piece and piece[:1] != b"\n")
            if simple and full and seen + count <= record:
                file.seek(start + ended)
                seen += count
                line += count
                continue
            file.seek(start)
            read = 0
            while record is not None and read < _PIECE and (raw := file.readline()):
                read += len(raw)
                for part in _physical(io.BytesIO(raw)) if b"\r" in raw else (raw,):
                    line += 1
                    if not inside and (single or part.strip(b"\r\n")):
                        if seen == record:
                            yield record, line
                            record = next(pending, None)
                        seen += 1
                    if sign and part.count(sign) % 2:
                        inside = not inside


@dataclass(frozen=True)
class Misfit:
    """A record that cannot be one of the table."""

    line: int
    fields: int
    """0: its quotes do not fit."""
    text: str


def misfit(plain: Plain, skipped: int, delimiter: str, quote: str, escape: str, width: int) -> Misfit | None:
    """The first record that has not `width` fields. Reads with Python's reader, up to it."""
    stand_in = "\x1e" if len(delimiter) > 1 else delimiter
    with open(plain.path, encoding="utf-8-sig", newline="") as file:
        lines = (line.replace(delimiter, stand_in) if len(delimiter) > 1 else line for line in file)
        for _ in range(skipped):
            next(lines, None)
        reader = csv.reader(
            lines,
            delimiter=stand_in,
            quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            doublequote=escape == quote,
            escapechar=escape if escape and escape != quote else None,
            skipinitialspace=bool(quote),
            strict=True,
        )
        before = 0
        try:
            for record in reader:
                if record and len(record) != width:
                    return Misfit(
                        plain.dropped + skipped + before + 1, len(record), delimiter.join(record)[:80]
                    )
                before = reader.line_num
        except csv.Error as error:
            return Misfit(plain.dropped + skipped + before + 1, 0, str(error))
    return None
