"""What a loader reads of an ELF file: the headers only, in bounded time whatever they hold."""

import io
import os
from collections.abc import Iterable
from typing import IO, Any, BinaryIO, NamedTuple, cast

MAGIC = b"\x7fELF"
_BUDGET = 32 << 20
"""So many bytes are read of one file's headers at most: hostile tables cost no more than this."""
_TAGS = 16384


class ElfFacts(NamedTuple):
    """What the loader reads of an ELF file."""

    machine: str
    """As elf.h names it: `EM_X86_64`, `EM_AARCH64`, …; a number where it is unknown."""
    elf_class: int
    """32 or 64."""
    interpreter: str
    """PT_INTERP: the loader; empty: none."""
    soname: str
    needed: list[str]
    rpath: list[str]
    runpath: list[str]
    little: bool = True
    """Little-endian."""


def read(file: BinaryIO) -> ElfFacts | None:
    """The facts of an open, seekable file; None where it is no ELF file that can be understood.

    Never raises for what the file holds: broken and hostile files are None. About a millisecond.
    """
    try:
        file.seek(0)
        if file.read(4) != MAGIC:
            return None
        return _facts(file)
    except Exception:
        # The library's parsers raise nearly anything for broken tables, and what the file holds is not ours.
        return None


def _facts(file: BinaryIO) -> ElfFacts:
    from elftools.elf.dynamic import Dynamic
    from elftools.elf.elffile import ELFFile

    stream = cast(IO[bytes], _Bounded(file))
    elf = ELFFile(stream)
    interpreter = soname = ""
    needed: list[str] = []
    rpath: list[str] = []
    runpath: list[str] = []
    for segment in _segments(elf):
        if segment["p_type"] == "PT_INTERP":
            stream.seek(segment["p_offset"])
            raw = stream.read(min(segment["p_filesz"], 4096))
            interpreter = os.fsdecode(raw[: raw.index(b"\0")])
        elif segment["p_type"] == "PT_DYNAMIC" and segment["p_filesz"]:
            # Without a string table given, it is found by the segment's own tags: sections may be stripped, and
            # the library's DynamicSegment reads all of them.
            dynamic = Dynamic(stream, elf, None, segment["p_offset"], False)
            tag: Any
            for number, tag in enumerate(dynamic.iter_tags()):
                if number > _TAGS:
                    raise ValueError("too many tags")
                match tag.entry.d_tag:
                    case "DT_NEEDED":
                        if not tag.needed:  # the library's word for a name that has no end
                            raise ValueError("a needed library without a name")
                        needed.append(_plain(tag.needed))
                    case "DT_SONAME":
                        soname = _plain(tag.soname)
                    case "DT_RPATH":
                        rpath += _plain(tag.rpath).split(":")
                    case "DT_RUNPATH":
                        runpath += _plain(tag.runpath).split(":")
    return ElfFacts(
        str(elf["e_machine"]), elf.elfclass, interpreter, soname, needed, rpath, runpath, elf.little_endian
    )


def _segments(elf: Any) -> Iterable[Any]:
    """The program headers, without the library's segment objects: those read more of the file."""
    count = elf.num_segments()
    if count > 65535:
        raise ValueError("too many segments")
    return (elf.get_segment(number).header for number in range(count))


def _plain(text: str | bytes) -> str:
    found = os.fsdecode(text)
    if len(found) > 65536:
        raise ValueError("name too long")
    return found


class _Bounded(io.RawIOBase):
    """A file that stops giving bytes once it gave enough."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _BUDGET

    def read(self, size: int = -1, /) -> bytes:
        # Sixteen bytes a call: a table of a million empty reads is bounded as well.
        self._left -= 16 + max(0, size)
        if size < 0 or self._left < 0:
            raise ValueError("headers too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
