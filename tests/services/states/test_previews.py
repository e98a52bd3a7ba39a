"""Previews of files by their kind, of the Current State and of snapshots."""

import base64
import gzip
import json
import os
import struct
import zlib
from pathlib import Path

import pytest

from nuvtui.model.stage import StateRef
from nuvtui.services.states import notebook, pictures
from nuvtui.services.states.previews import FIRST, Preview
from nuvtui.tables import files
from tests.tui.sharing import Study, lay_out

HOSTILE = "\x1b[31mred\x1b]0;title\x07"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return lay_out(tmp_path, table=False)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"")


def look(study: Study, name: str, *, snapshot: bool = False, raw: bool = False) -> Preview:
    ref = StateRef(study.master.id)
    if snapshot:
        record = study.services.snapshots.create(study.master.id, f"with-{name}-in-it")
        ref = StateRef(study.master.id, record.id)
    reader = study.services.states.reader(ref)
    return study.services.previews.preview(reader, reader.looks("", [name])[0], raw=raw)


@pytest.mark.parametrize("snapshot", [False, True])
def test_tables_in_files(study: Study, snapshot: bool) -> None:
    (study.root / "a.csv").write_text("x,y\n1,2\n3,NA\n")
    (study.root / "ids.csv").write_text("id,v\n2310009E13,1.10\n")
    ids = look(study, "ids.csv", snapshot=False)
    assert ids.rows is not None
    assert ids.rows.rows == [["2310009E13", "1.10"]]
    (study.root / "b.tsv.gz").write_bytes(gzip.compress(b"x\ty\n1\t2\n"))
    found = look(study, "a.csv", snapshot=snapshot)
    assert found.rows is not None
    assert found.rows.rows == [["1", "2"], ["3", "NA"]]
    packed = look(study, "b.tsv.gz", snapshot=snapshot)
    assert packed.rows is not None
    assert packed.rows.rows == [["1", "2"]]
    assert look(study, "a.csv", raw=True).text == b"x,y\n1,2\n3,NA\n"


@pytest.mark.parametrize("snapshot", [False, True])
def test_parquet_is_read_where_one_looks(study: Study, snapshot: bool) -> None:
    (study.root / "n.csv").write_text("n\n" + "\n".join(map(str, range(1000))) + "\n")
    study.services.tables.import_file(study.master.id, study.root / "n.csv", "n")
    study.services.tables.export(StateRef(study.master.id), "n", study.root / "n.parquet")
    found = look(study, "n.parquet", snapshot=snapshot)
    assert found.parquet is not None
    assert found.parquet.rows == 1000
    assert found.parquet.page(998, 10).rows == [[998], [999]]


def test_a_bomb_is_not_unpacked(study: Study) -> None:
    (study.root / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 20_000_000, 1))
    data, whole = files.unpacked(iter([(study.root / "bomb.csv.gz").read_bytes()]))
    assert len(data) == files.MOST_TEXT
    assert not whole
    found = look(study, "bomb.csv.gz")
    assert found.rows is not None
    assert len(found.rows.rows) == files.MOST_ROWS
    assert "first" in found.note


def test_what_is_no_table_is_shown_as_text(study: Study) -> None:
    (study.root / "broken.parquet").write_bytes(b"PAR1 no, not at all" * 10)
    (study.root / "bin.csv.gz").write_text("not packed")
    assert look(study, "broken.parquet").kind in ("text", "binary")
    assert "not read as a table" in look(study, "broken.parquet").note


def test_text_is_read_as_far_as_it_is_looked_at(study: Study) -> None:
    (study.root / "long.txt").write_bytes(b"line\n" * 2_000_000)
    found = look(study, "long.txt")
    assert found.kind == "text"
    assert found.rest is not None
    assert FIRST <= len(found.text) <= 4 * FIRST
    assert len(found.text) + sum(map(len, found.rest)) == 10_000_000


def test_binary_says_what_it_is(study: Study) -> None:
    (study.root / "lib.so").write_bytes(b"\x7fELF" + bytes(5000))
    found = look(study, "lib.so")
    assert (found.kind, found.what) == ("binary", "program or library (ELF)")
    assert len(found.text) == 4096


def test_images_tell_their_facts_from_the_first_bytes() -> None:
    jpeg = (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
        + b"\xff\xc0\x00\x11\x08"
        + struct.pack(">HH", 48, 64)
        + b"\x03"
        + bytes(9)
    )
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIIHHII", 2, 256, 3, 1, 30, 257, 4, 1, 20)
    cases = {
        "PNG": (png(640, 480), (640, 480)),
        "GIF": (b"GIF89a" + struct.pack("<HHB", 3, 2, 0x80) + bytes(20), (3, 2)),
        "JPEG": (jpeg, (64, 48)),
        "TIFF": (tiff, (30, 20)),
        "BMP": (b"BM" + bytes(16) + struct.pack("<iiHH", 7, -5, 1, 24), (7, 5)),
        "SVG": (b'<?xml version="1.0"?><svg viewBox="0 0 10 20" xmlns="x">', (10, 20)),
        "WebP": (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x09\0\0\x04\0\0", (10, 5)),
    }
    for name, (data, size) in cases.items():
        found = pictures.look(data)
        assert found is not None, name
        assert (found.format, found.width, found.height) == (name, *size)
    for data, _ in cases.values():
        for end in range(len(data)):
            pictures.look(data[:end])  # no damage is a fault
    assert pictures.look(b"text") is None


def test_a_notebook_is_read_whatever_is_in_it(study: Study) -> None:
    picture = base64.b64encode(png(64, 32)).decode()
    book = {
        "cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "text"]},
            {
                "cell_type": "code",
                "execution_count": 3,
                "source": "print(1)",
                "outputs": [
                    {"output_type": "stream", "text": [HOSTILE, "\n"]},
                    {"output_type": "display_data", "data": {"image/png": picture, "text/plain": "<Figure>"}},
                    {
                        "output_type": "error",
                        "ename": "E",
                        "evalue": "bad",
                        "traceback": ["\x1b[31mE: bad\x1b[0m"],
                    },
                ],
            },
            {"cell_type": 7, "source": {"no": "text"}, "outputs": "none", "execution_count": "x"},
            "not a cell",
        ],
        "metadata": {"language_info": {"name": "R"}},
    }
    (study.root / "a.ipynb").write_text(json.dumps(book))
    found = look(study, "a.ipynb").notebook
    assert found is not None
    assert found.language == "R"
    assert [cell.kind for cell in found.cells] == ["markdown", "code", "raw"]
    code = found.cells[1]
    assert code.number == 3
    assert [output.kind for output in code.outputs] == ["text", "image", "error"]
    assert code.outputs[1].text == f"image/png, 64 x 32, {len(png(64, 32))} bytes"
    assert "\x1b[31m" not in code.outputs[0].text
    for damaged in (
        b"",
        b"[]",
        b"{}",
        b'{"cells": 3}',
        b"[" * 100_000,
        b'{"cells": [null, {"outputs": [1]}]}',
    ):
        notebook.parse(damaged)


def test_links_and_fifos_are_not_followed(study: Study) -> None:
    os.symlink("/etc/passwd", study.root / "link.csv")
    os.mkfifo(study.root / "pipe.parquet")
    assert look(study, "link.csv").what == "Link to /etc/passwd"
    assert "cannot hold" in look(study, "pipe.parquet").what
