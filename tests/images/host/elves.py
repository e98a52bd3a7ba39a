"""The smallest ELF files, and trees of them."""

import io
import struct

from nuvtui.images.host import trees


def tiny_elf(
    needed: tuple[str, ...] = (),
    rpath: str = "",
    runpath: str = "",
    soname: str = "",
    interpreter: str = "",
    machine: int = 62,
) -> bytes:
    """An ELF64 file that is nothing but what a loader reads first."""
    strings = b"\0"
    tags = []
    for tag, text in (*((1, name) for name in needed), (14, soname), (15, rpath), (29, runpath)):
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    count = 3 if interpreter else 2
    at_dynamic = 64 + 56 * count
    at_strings = at_dynamic + 16 * (len(tags) + 3)
    at_interpreter = at_strings + len(strings)
    tags += [(5, at_strings), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags)
    end = at_interpreter + len(interpreter) + 1

    def segment(kind: int, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 8)

    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    head += segment(1, 0, end) + segment(2, at_dynamic, len(dynamic))
    if interpreter:
        head += segment(3, at_interpreter, len(interpreter) + 1)
    return head + dynamic + strings + interpreter.encode() + b"\0"


def tree_of(files: dict[str, bytes], links: dict[str, str] | None = None) -> trees.VirtualTree:
    return trees.VirtualTree(
        {path: (lambda data=data: io.BytesIO(data)) for path, data in files.items()}, links or {}
    )
