"""What a blob's bytes are on the remote: as they are, or sealed. The format is in `FORMAT.md`, section Sealing.

A sealed blob can be read by ranges, and every segment that is touched is authenticated: that it is one of this blob,
at this place, whole, and that the blob ends where it ends.
"""

import os
import struct
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from blake3 import blake3

from nuvtui.remote.blobs import Blobs
from nuvtui.remote.failure import DamagedError, DeniedError

MAGIC = b"NUVSEAL\x01"
SALT = 32
HEAD = len(MAGIC) + 16 + SALT
SEGMENT = 64 << 10
"""Bytes of content in a segment; the last one has fewer, none where the content ends with a whole one."""
TAG = 16
CIPHERS = 4096
"""Blobs whose keys are kept for the next range."""
CHECK_HINT = (
    "`nuvtui remotes check --read-data` says which snapshots suffer. `nuvtui push` from a machine that holds them sends "
    "again what is missing."
)
_NONCE = struct.Struct(">7xIB")
_CONTEXT = "nuvtui remote 2026-12 blob"


class Keyset(msgspec.Struct, frozen=True):
    """The keys of one generation of blobs, all made from one secret."""

    secret: bytes
    """32 random bytes."""
    id: bytes
    """16 bytes: says in a blob's head which keys it needs."""
    key: bytes
    """32 bytes: seals."""
    names: bytes
    """32 bytes: names objects (BLAKE3, keyed)."""

    def __repr__(self) -> str:
        """Its id: what is shown in an error or a log gives no key away."""
        return f"Keyset({self.id.hex()})"

    @property
    def repository(self) -> str:
        """The id of a repository whose first keys these are: it tells nothing of them, and proves them."""
        return (
            blake3(self.secret, derive_key_context="nuvtui remote 2026-12 repository").digest(length=16).hex()
        )


def keyset_of(secret: bytes) -> Keyset:
    """The keys that 32 bytes of `secret` make."""
    made = (
        blake3(secret, derive_key_context=f"nuvtui remote 2026-12 {use}").digest()
        for use in ("id", "key", "names")
    )
    identifier, key, names = made
    return Keyset(secret, identifier[:16], key, names)


def new_keyset() -> Keyset:
    """Keys from the operating system's source of random bytes."""
    return keyset_of(os.urandom(32))


class Seal(Protocol):
    """How content becomes a blob and a blob content again."""

    @property
    def encrypted(self) -> bool:
        """True where blobs are sealed."""

    @property
    def readable(self) -> bool:
        """False on a machine that can only write."""

    @property
    def keysets(self) -> Sequence[bytes]:
        """Ids of the keys that can be read with; the empty id where nothing is sealed."""

    def writes(self, keyset: bytes) -> bool:
        """True where what is new is sealed with these keys."""

    def name(self, object_id: bytes, keyset: bytes | None = None) -> bytes:
        """What packs and indexes under `keyset` (None: the one that is written with) call an object: 32 bytes."""

    def close(self, key: str, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """The bytes of the blob `key` that holds `data`."""

    def open(self, key: str, data: bytes) -> tuple[bytes, bytes]:
        """Content of a whole blob, and the id of its keys. Raises DamagedError, DeniedError (no such key here)."""

    def size(self, length: int) -> int:
        """Bytes of a blob that holds `length` bytes."""

    def read(self, blobs: Blobs, key: str, size: int, start: int, length: int) -> bytes:
        """`length` bytes from `start` of the content of the blob `key` of `size` bytes, by ranges.

        Raises DamagedError, also where the content ends before.
        """


class Plain:
    """Blobs as they are: folders and servers that are trusted."""

    encrypted = False
    readable = True
    keysets: Sequence[bytes] = (b"",)

    def writes(self, keyset: bytes) -> bool:
        """Always: there is but one."""
        return not keyset

    def name(self, object_id: bytes, keyset: bytes | None = None) -> bytes:  # noqa: ARG002 - of sealed ones
        """The object's own id."""
        return object_id

    def close(self, key: str, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:  # noqa: ARG002
        """The content itself."""
        return data

    def open(self, key: str, data: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002
        """The content itself."""
        return data, b""

    def size(self, length: int) -> int:
        """The content's length."""
        return length

    def read(self, blobs: Blobs, key: str, size: int, start: int, length: int) -> bytes:  # noqa: ARG002
        """A range of the blob."""
        data = blobs.read(key, start, length)
        if len(data) != length:
            raise damaged(blobs.url, key, f"it ends after {len(data)} of {length} bytes")
        return data


class Sealed:
    """Blobs sealed with AES-256-GCM, segment by segment."""

    encrypted = True

    def __init__(self, url: str, write: Keyset, read: Sequence[Keyset]) -> None:
        """`url` names the remote in errors; `write` seals what is new, `read` opens."""
        self._url = url
        self._write = write
        self._read = {keyset.id: keyset for keyset in read}
        self._ciphers: dict[str, Any] = {}
        """Of blobs that were read by ranges, so that their heads are read once."""

    @property
    def readable(self) -> bool:
        """True where there are keys to read with."""
        return bool(self._read)

    @property
    def keysets(self) -> Sequence[bytes]:
        """Ids of the keys that can be read with."""
        return tuple(self._read)

    def writes(self, keyset: bytes) -> bool:
        """True for the newest keys."""
        return keyset == self._write.id

    def name(self, object_id: bytes, keyset: bytes | None = None) -> bytes:
        """Keyed BLAKE3 of the object's id."""
        keys = self._write if keyset is None or keyset == self._write.id else self._read[keyset]
        return blake3(object_id, key=keys.names).digest()

    def close(self, key: str, data: bytes | bytearray | memoryview) -> bytes:
        """Seal `data` under a key that nothing else is sealed with."""
        salt = os.urandom(SALT)
        cipher = _cipher(self._write, salt)
        view = memoryview(data)
        label = key.encode()
        out = [MAGIC + self._write.id + salt]
        last = len(view) // SEGMENT
        for number in range(last + 1):
            part = view[number * SEGMENT : (number + 1) * SEGMENT]
            out.append(cipher.encrypt(_NONCE.pack(number, number == last), part, label))
        return b"".join(out)

    def open(self, key: str, data: bytes) -> tuple[bytes, bytes]:
        """Open a whole blob."""
        cipher, keyset = self._opened(key, data[:HEAD])
        return self._segments(cipher, key, memoryview(data)[HEAD:], 0, len(data) - HEAD), keyset

    def size(self, length: int) -> int:
        """Head, content, and a tag for every segment."""
        return HEAD + length + (length // SEGMENT + 1) * TAG

    def read(self, blobs: Blobs, key: str, size: int, start: int, length: int) -> bytes:
        """The segments that the range touches, opened and cut."""
        first = start // SEGMENT
        begin = first * (SEGMENT + TAG)
        total = size - HEAD
        end = min(total, ((start + max(length, 1) - 1) // SEGMENT + 1) * (SEGMENT + TAG))
        if end - begin < TAG:
            raise damaged(self._url, key, f"it has {size} bytes and ends before byte {start} of its content")
        known = self._ciphers.get(key)
        cipher = known or self._opened(key, blobs.read(key, 0, HEAD))[0]
        data = blobs.read(key, HEAD + begin, end - begin)
        content = self._segments(cipher, key, memoryview(data), first, total)
        if known is None:  # only now: a head that came wrong once must not stay
            if len(self._ciphers) >= CIPHERS:
                self._ciphers = {}
            self._ciphers[key] = cipher
        found = content[start - first * SEGMENT :][:length]
        if len(found) != length:
            raise damaged(self._url, key, f"it ends after {len(found)} of {length} bytes")
        return found

    def _opened(self, key: str, head: bytes) -> tuple[Any, bytes]:
        if len(head) != HEAD or head[: len(MAGIC)] != MAGIC:
            raise damaged(self._url, key, "it is not sealed as this remote's blobs are")
        keyset = self._read.get(head[len(MAGIC) : len(MAGIC) + 16])
        if keyset is None:
            raise no_key(self._url, key)
        return _cipher(keyset, head[-SALT:]), keyset.id

    def _segments(self, cipher: Any, key: str, data: memoryview, first: int, total: int) -> bytes:
        """The content of `data`: whole segments from number `first` on, of `total` sealed bytes in all."""
        from cryptography.exceptions import InvalidTag

        label, out = key.encode(), []
        last = max(0, total - TAG) // (SEGMENT + TAG)
        count = max(1, -(-len(data) // (SEGMENT + TAG)))
        for place in range(count):
            part = data[place * (SEGMENT + TAG) : (place + 1) * (SEGMENT + TAG)]
            number = first + place
            try:
                out.append(cipher.decrypt(_NONCE.pack(number, number == last), part, label))
            except (InvalidTag, ValueError):
                raise damaged(self._url, key, f"the seal of its segment {number} does not hold") from None
        if first + count - 1 > last or (first + count - 1 == last) != (
            len(data) + first * (SEGMENT + TAG) == total
        ):
            raise damaged(self._url, key, "it has another length than its seal says")
        return b"".join(out)


def _cipher(keyset: Keyset, salt: bytes) -> Any:
    """AES-256-GCM under the key of the blob with `salt`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(blake3(keyset.key + salt, derive_key_context=_CONTEXT).digest())


def damaged(url: str, key: str, detail: str) -> DamagedError:
    """What is said of a blob that is not what was put there."""
    return DamagedError(
        f"{key} on {url} is damaged",
        detail,
        CHECK_HINT,
    )


def no_key(url: str, key: str) -> DeniedError:
    """What is said where none of the keys at hand opens a blob."""
    return DeniedError(
        f"No key here opens {key} on {url}",
        "it is sealed for other recipients, or with newer keys",
        "Have your key added by somebody who can read it (`nuvtui remotes recipients add NAME KEY`), then try again.",
    )
