"""What a loader reads of ELF files, sound, broken and hostile ones."""

import io
import os
import random
import struct
import sys
from pathlib import Path

from nuvtui.images.host import elf
from tests.images.host.elves import tiny_elf


def test_reads_the_programs_of_this_machine() -> None:
    with open(os.path.realpath(sys.executable), "rb") as file:
        facts = elf.read(file)
    assert facts is not None
    assert facts.machine.startswith("EM_")
    assert facts.elf_class == struct.calcsize("P") * 8
    assert os.path.exists(facts.interpreter)
    assert any(name.startswith("libc.") for name in facts.needed)
    assert elf.read(io.BytesIO(b"#!/bin/sh\n")) is None
    assert elf.read(io.BytesIO(b"")) is None


def test_reads_what_was_written() -> None:
    data = tiny_elf(("liba.so", "libb.so.1"), "/one:$ORIGIN", "/two", "libme.so", "/lib/ld.so")
    assert elf.read(io.BytesIO(data)) == elf.ElfFacts(
        "EM_X86_64",
        64,
        "/lib/ld.so",
        "libme.so",
        ["liba.so", "libb.so.1"],
        ["/one", "$ORIGIN"],
        ["/two"],
    )


def test_a_file_that_was_cut_off_is_none() -> None:
    sound = tiny_elf(("liba.so",), "/one", "", "me", "/ld")
    assert elf.read(io.BytesIO(sound)) is not None
    for length in range(len(sound)):
        assert elf.read(io.BytesIO(sound[:length])) is None, f"{length} bytes of {len(sound)}"
    names = tiny_elf(("liba.so",))
    assert elf.read(io.BytesIO(names[: names.index(b"liba.so") + 4])) is None, "a name has no end"


def test_a_damaged_file_is_none_or_has_whole_names_and_is_never_an_error() -> None:
    chance = random.Random(20260304)
    real = Path(os.path.realpath(sys.executable)).read_bytes()
    told = []
    for sound, times in ((tiny_elf(("liba.so",), "/one", "", "me", "/ld"), 1500), (real, 300)):
        for _ in range(times):
            data = bytearray(sound)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(4, min(len(data), 700))] = chance.choice((0, 1, 0x7F, 0xFF))
            told.append(elf.read(io.BytesIO(bytes(data))))
    found = [facts for facts in told if facts is not None]
    assert 0 < len(found) < len(told), "some of the damage counts"
    for facts in found:
        names = [facts.interpreter, facts.soname, *facts.needed, *facts.rpath, *facts.runpath]
        assert all(facts.needed)
        assert not any("\0" in name for name in names)


def test_a_table_without_end_is_given_up_soon() -> None:
    end_of_tags = 64 + 2 * 56 + 3 * 16
    data = tiny_elf(("liba.so",))
    assert data[end_of_tags : end_of_tags + 16] == bytes(16)
    endless = data[:end_of_tags] + struct.pack("<qQ", 30, 0) * 500_000

    class Counting(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size)

    file = Counting(endless)
    assert elf.read(file) is None
    assert file.reads < 100_000
