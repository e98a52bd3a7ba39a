"""Files as the guard reads them, without a store; archives of them."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nuvtui.images.guard import scans
from nuvtui.model.export import Finding
from nuvtui.model.tree import FILE, Entry
from nuvtui.reporter import Silent

KNOWN = "kn0wn/secret+value"


class Contents:
    """A store of one content by number, given out in pieces."""

    def __init__(self, contents: Sequence[bytes | Iterable[bytes]], piece: int = 1 << 16) -> None:
        self._contents = contents
        self._piece = piece

    def stream(self, content: Sequence[bytes], start: int = 0) -> Iterator[bytes]:
        data = self._contents[int(content[0])]
        if not isinstance(data, bytes):
            yield from data
            return
        for at in range(start, len(data), self._piece):
            yield data[at : at + self._piece]


def scan(
    files: Mapping[str, bytes | str | Iterable[bytes]], known: Sequence[str] = (KNOWN,), piece: int = 1 << 16
) -> list[Finding]:
    """What the guard finds in `files`."""
    data = [text.encode() if isinstance(text, str) else text for text in files.values()]
    members = [
        (
            f"files/{name}",
            Entry(
                name=name.rpartition("/")[2].encode("utf-8", "surrogateescape"),
                kind=FILE,
                size=len(data[at]) if isinstance(data[at], bytes) else 0,  # type: ignore[arg-type]
                mode=0o644,
                mtime_ns=0,
                content=[str(at).encode()],
            ),
        )
        for at, name in enumerate(files)
    ]
    return scans.scan_members(members, Contents(data, piece), known, Silent())


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Level and subject."""
    return [(finding.level, finding.subject) for finding in findings]


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            # Of a fixed time: the one of now would be other bytes in each run.
            entry = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            archive.writestr(entry, data, compression)
    return out.getvalue()


def tarred(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A plain tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(data: bytes) -> bytes:
    """A gzip."""
    return gzip.compress(data, mtime=0)
