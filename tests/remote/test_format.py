"""Version 1 as `FORMAT.md` tells it: remotes that were written once are read, with nothing of nuvtui."""

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nuvtui.remote import config, recovery
from nuvtui.remote.folder import FolderBlobs
from nuvtui.remote.keys import Identities
from nuvtui.remote.repository import Repository
from tests.store.helpers import FIRST, SECOND

FIXTURES = Path(__file__).with_name("fixtures")
TABLE = "species,mass\nAdelie,3750\nGentoo,5000\n" * 40
Open = Callable[[str], bytes]


def unpacked(data: bytes, at: int = 0) -> tuple[object, int]:
    """The msgpack value at `at`, and where it ends: of the kinds that trees are made of."""
    first = data[at]
    if first < 0x80 or first >= 0xE0:
        return (first if first < 0x80 else first - 256), at + 1
    if 0x90 <= first < 0xA0 or first in (0xDC, 0xDD):
        width = {0xDC: 2, 0xDD: 4}.get(first, 0)
        count = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else first & 15
        at, found = at + 1 + width, []
        for _ in range(count):
            value, at = unpacked(data, at)
            found.append(value)
        return found, at
    if 0xA0 <= first < 0xC0:
        end = at + 1 + (first & 31)
        return data[at + 1 : end].decode(), end
    if first in (0xC4, 0xC5, 0xC6):
        width = 1 << (first - 0xC4)
        length = int.from_bytes(data[at + 1 : at + 1 + width], "big")
        return data[at + 1 + width : at + 1 + width + length], at + 1 + width + length
    numbers = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    layout = numbers[first]
    return struct.unpack_from(layout, data, at + 1)[0], at + 1 + struct.calcsize(layout)


def secret_of(sheet: str) -> bytes:
    """The first secret on a recovery sheet."""
    lines = [line.split() for line in sheet.splitlines() if line.strip().startswith("1.")]
    return b"".join(base64.b32decode("".join(words[1:4]) + "===") for words in lines)


def opener(folder: Path, secret: bytes) -> Open:
    def read(key: str) -> bytes:
        data = (folder / key).read_bytes()
        if not secret:
            return data
        assert data[:8] == b"NUVSEAL\x01"
        assert data[8:24] == blake3(secret, derive_key_context="nuvtui remote 2026-12 id").digest()[:16]
        sealing = blake3(secret, derive_key_context="nuvtui remote 2026-12 key").digest()
        cipher = AESGCM(
            blake3(sealing + data[24:56], derive_key_context="nuvtui remote 2026-12 blob").digest()
        )
        rest, number, out = data[56:], 0, b""
        while True:
            last = len(rest) < 65_536 + 16
            out += cipher.decrypt(
                bytes(7) + number.to_bytes(4, "big") + bytes([last]), rest[: 65_536 + 16], key.encode()
            )
            rest, number = rest[65_536 + 16 :], number + 1
            if last:
                return out

    return read


def objects(folder: Path, read: Open) -> dict[bytes, bytes]:
    """Every object by its name, through the indexes."""
    found = {}
    for index in (folder / "indexes").iterdir():
        data = read(f"indexes/{index.name}")
        assert data[:8] == b"NUVINDX\x01"
        assert blake3(data[:-32]).digest() == data[-32:]
        packs, blocks, count, bits = struct.unpack_from(">4I", data, 8)
        base = 24 + packs * 24
        names = base + blocks * 24 + (4 << bits)
        for number in range(count):
            name = data[names + number * 32 : names + number * 32 + 32]
            block, offset, length = struct.unpack_from(">3I", data, names + count * 32 + number * 12)
            pack, at, stored, raw, codec = struct.unpack_from(">IQIIB", data, base + block * 24)
            key = data[24 + pack * 24 : 24 + pack * 24 + 16].hex()
            payload = read(f"packs/{key[:2]}/{key}")[at : at + stored]
            content = zstandard.ZstdDecompressor().decompress(payload) if codec else payload
            assert len(content) == raw
            found[name] = content[offset : offset + length]
    return found


@pytest.mark.parametrize("kind", ["plain", "sealed"])
def test_read_with_nothing_of_nuvtui(kind: str) -> None:
    folder = FIXTURES / kind
    said = json.loads((folder / "config").read_text())
    assert (said["format"], said["version"]) == ("nuvtui remote", 1)
    secret = secret_of((FIXTURES / "sheet.txt").read_text()) if kind == "sealed" else b""
    read = opener(folder, secret)
    if secret:
        proof = blake3(secret, derive_key_context="nuvtui remote 2026-12 repository").digest(length=16).hex()
        assert proof == said["repository"]
    held = objects(folder, read)

    def get(object_id: bytes) -> bytes:
        names = blake3(secret, derive_key_context="nuvtui remote 2026-12 names").digest() if secret else b""
        data = held[blake3(object_id, key=names).digest() if secret else object_id]
        assert blake3(data).digest() == object_id
        return data

    def files(tree: bytes, path: str = "") -> dict[str, bytes]:
        out = {}
        entries, _ = unpacked(get(tree))
        assert isinstance(entries, list)
        for name, sort, _mode, _time, _size, content, *_ in entries:
            where = path + name.decode()
            if sort == "d":
                out |= files(content[0], f"{where}/")
            else:
                out[where] = b"".join(get(item) for item in content)
        return out

    for snapshot, title in ((FIRST, "# Penguins\n"), (SECOND, "# Penguins of the Palmer archipelago\n")):
        manifest = json.loads(read(f"snapshots/{snapshot}"))["snapshot"]
        found = files(bytes.fromhex(manifest["files"]["root"]))
        assert found == {"README.md": title.encode(), "data/penguins.csv": TABLE.encode()}


@pytest.mark.parametrize("kind", ["plain", "sealed"])
def test_this_nuvtui_reads_version_1(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    blobs = FolderBlobs(FIXTURES / kind)
    made = config.read(blobs)
    secrets = recovery.read((FIXTURES / "sheet.txt").read_text()) if kind == "sealed" else []
    repository = Repository(
        "old", blobs, made, config.seal(blobs, made, Identities(), secrets), tmp_path / "cache"
    )
    repository.refresh()
    assert repository.snapshot_ids() == [FIRST, SECOND]
    assert [record.id for record in repository.snapshots().snapshots] == [FIRST, SECOND]
    root = repository.tree(bytes.fromhex(repository.manifest(SECOND).files.root))
    assert [entry.name for entry in root] == [b"README.md", b"data"]
    assert b"".join(repository.stream(root[0].content)) == b"# Penguins of the Palmer archipelago\n"
