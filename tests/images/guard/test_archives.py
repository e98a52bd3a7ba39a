"""The content guard in archives: what is planted in them is found, and hostile ones cost little."""

import bz2
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest
import zstandard

from nuvtui.images.guard import unpack
from nuvtui.images.guard.look import NOT_WHOLE
from tests.images.guard.planted import KNOWN, packed, scan, tarred, told, zipped

SECRET = f"one\ntwo\nx = {KNOWN}\n".encode()
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": packed,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


@pytest.mark.parametrize("name", ["a.zip", "a.whl", "a.docx", "a.npz", "a.dat"])
@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_in_a_zip_whatever_it_is_called(name: str, compression: int) -> None:
    found = scan({name: zipped({"inner/b.txt": SECRET, "c": b"fine"}, compression)})
    assert told(found) == [("push", f"files/{name}!inner/b.txt:3")]
    assert found[0].path == name


@pytest.mark.parametrize("sort", PACKERS)
@pytest.mark.parametrize("piece", [1, 777, 1 << 20])
def test_in_compressed_files_and_tars(sort: str, piece: int) -> None:
    pack = PACKERS[sort]
    found = scan({"a": pack(SECRET), "b": pack(tarred({"in/b.txt": SECRET}))}, piece=piece)
    assert told(found) == [("push", "files/a:3"), ("push", "files/b!in/b.txt:3")]


@pytest.mark.parametrize("sort", PACKERS)
def test_in_the_second_of_two_compressed_files_in_one(sort: str) -> None:
    pack = PACKERS[sort]
    assert told(scan({"a": pack(b"one\n") + pack(SECRET)})) == [("push", "files/a:4")]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_in_tars_of_every_format_with_long_names(form: int) -> None:
    name = "folder/" * 18 + "b.txt"
    assert told(scan({"a.tar": tarred({"first": b"1", name: SECRET}, form)})) == [
        ("push", f"files/a.tar!{name}:3")
    ]


def test_nested_and_by_name() -> None:
    inner = zipped({".env": b"A=1", "deep.tar.gz": packed(tarred({"id_rsa": b"", "x.txt": SECRET}))})
    found = scan({"outer.zip": zipped({"in.zip": inner})})
    assert sorted(told(found)) == [
        ("push", "files/outer.zip!in.zip!.env"),
        ("push", "files/outer.zip!in.zip!deep.tar.gz!id_rsa"),
        ("push", "files/outer.zip!in.zip!deep.tar.gz!x.txt:3"),
    ]
    assert {finding.path for finding in found} == {"outer.zip"}
    assert len({finding.key for finding in found}) == 3


def test_notebook_in_an_archive() -> None:
    book = b'{"cells": [{"cell_type": "code", "source": ["x = \'kn0wn/", "secret+value\'"], "outputs": []}]}'
    assert told(scan({"a.zip": zipped({"n.ipynb": book})})) == [("push", "files/a.zip!n.ipynb:cell 1")]


def test_what_lies_outside_of_the_members_is_found_in_the_raw_bytes() -> None:
    data = io.BytesIO(zipped({"a": b"fine"}))
    with zipfile.ZipFile(data, "a") as archive:
        archive.comment = KNOWN.encode()
    assert told(scan({"a.zip": data.getvalue(), "b.gz": packed(b"fine") + b"\n" + KNOWN.encode()})) == [
        ("push", "files/a.zip:1"),
        ("warning", "files/b.gz"),
        ("push", "files/b.gz:2"),
    ]


def test_deeper_than_the_limit_is_said() -> None:
    data = SECRET
    for _ in range(12):
        data = zipped({"a": data}, zipfile.ZIP_STORED)
    found = scan({"a.zip": data})
    # Stored as it is, the value is found in the raw bytes all the same.
    assert [finding.level for finding in found] == ["warning", "push"]
    assert NOT_WHOLE in found[0].text
    for _ in range(12):
        data = packed(data)
    assert [finding.level for finding in scan({"a.gz": data})] == ["warning"]


def bounded(data: bytes, memory: int = 96 << 20) -> list[tuple[str, str]]:
    tracemalloc.start()
    try:
        found = scan({"a": data})
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    assert all(finding.level != "warning" or NOT_WHOLE in finding.text for finding in found)
    return told(found)


def zeros(size: int) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(size >> 20)) + squeeze.flush()


def test_bombs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "UNPACKED", 64 << 20)
    assert bounded(zeros(512 << 20)) == [("warning", "files/a")]
    assert bounded(zstandard.compress(bytes(512 << 20)), memory=192 << 20) == [("warning", "files/a")]
    one = zeros(32 << 20)
    many = zipped({f"{at}.gz": one for at in range(500)}, zipfile.ZIP_STORED)
    assert bounded(many, memory=256 << 20) == [("warning", "files/a")]


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MEMBERS", 1000)
    # Ten times as many, put together by hand: the library takes long for it.
    local = zipped({"a": b""}, zipfile.ZIP_STORED)
    entry = local[local.find(b"PK\x01\x02") : local.find(b"PK\x05\x06")]
    start, count = local.find(b"PK\x01\x02"), 10_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, start, 0)
    assert bounded(local[:start] + entry * count + end, memory=16 << 20) == [("warning", "files/a")]
    assert bounded(tarred({f"{at}": b"" for at in range(unpack.MEMBERS + 1)}, tarfile.GNU_FORMAT)) == [
        ("warning", "files/a")
    ]
    findings = scan({"a": tarred({f"{at}/.env": b"A=1" for at in range(300)})})
    assert len(findings) == 21
    assert "more" in findings[-1].text


@pytest.mark.parametrize("sort", [*PACKERS, "tar", "zip"])
def test_cut_off_and_damaged(sort: str) -> None:
    noise = random.Random(5).randbytes(50_000)
    content = SECRET + noise
    whole = {"tar": lambda: tarred({"b": content}), "zip": lambda: zipped({"b": content})}.get(
        sort, lambda: PACKERS[sort](content)
    )()
    for at in (len(whole) // 2, len(whole) // 2 + 301, len(whole) - 20_000):
        found = scan({"a": whole[:at]})
        assert ("warning", "files/a") in told(found)
        if sort not in ("zip", "bz2", "xz"):
            assert any(finding.level == "push" for finding in found)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    scan({"a": bytes(damaged)})


def test_a_damaged_member_does_not_hide_the_next_one() -> None:
    data = bytearray(zipped({"a": b"A" * 5000 + random.Random(1).randbytes(3000), "b.txt": SECRET}))
    data[1000:1004] = b"\xff\xff\xff\xff"
    assert sorted(told(scan({"x.zip": bytes(data)}))) == [
        ("push", "files/x.zip!b.txt:3"),
        ("warning", "files/x.zip"),
    ]


def test_encrypted() -> None:
    data = bytearray(zipped({".env": b"A=1", "b.txt": b"text"}, zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            struct.pack_into("<H", data, at + offset, 1)
            at = data.find(signature, at + 1)
    assert told(scan({"a.zip": bytes(data)})) == [("push", "files/a.zip!.env"), ("warning", "files/a.zip")]


def test_hostile_headers() -> None:
    huge = tarfile.TarInfo("x")
    huge.size = 1 << 40
    assert bounded(huge.tobuf(tarfile.GNU_FORMAT)) == [("warning", "files/a")]
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    assert bounded(name.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)) == [("warning", "files/a")]
    # A directory that claims to be huge.
    data = bytearray(zipped({"a": b"x"}))
    struct.pack_into("<L", data, data.rfind(b"PK\x05\x06") + 12, 1 << 30)
    assert bounded(bytes(data)) == [("warning", "files/a")]


def test_names_in_archives_are_text() -> None:
    found = scan({"a.tar": tarred({"caf\udce9/../../.env": b"A=1"}, tarfile.GNU_FORMAT)})
    assert told(found) == [("push", "files/a.tar!caf\\xe9/../../.env")]
    named = scan({"a.zip": zipped({f"x-{KNOWN.replace('/', '%2F').replace('+', '%2B')}.txt": b""})})
    assert told(named)[0] == ("push", "files/a.zip!x-***.txt")
    assert all("kn0wn" not in str(finding) for finding in named)
