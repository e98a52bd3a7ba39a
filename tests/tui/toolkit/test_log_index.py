"""The index of growing texts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nuvtui.tui.toolkit import log_index
from nuvtui.tui.toolkit.log_index import BLOCK, BytesText, FileText, LogIndex, Text

lines = st.lists(
    st.one_of(
        st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" ")),
        st.integers(0, 3 * BLOCK).map(lambda size: b"x" * size),
    ),
    max_size=30,
)


class Read:
    """A text and its index, read as a view reads them."""

    def __init__(self, text: Text, limit: int = log_index.PIECE) -> None:
        self.text, self.index = text, LogIndex()
        self.grow(limit)

    def grow(self, limit: int = log_index.PIECE) -> None:
        more = True
        while more:
            piece = log_index.next_piece(self.text, self.index.indexed, limit)
            if piece.shorter:
                self.index = LogIndex()
            self.index.take(piece.data)
            more = piece.more or piece.shorter

    def keep(self, block: log_index.Block) -> None:
        self.index.keep(block, log_index.read_block(self.text, block))

    def line(self, number: int) -> bytes:
        found = self.index.line(number)
        if found is None:
            self.keep(self.index.block_of(number))
            found = self.index.line(number)
        assert found is not None
        return found


@given(lines, st.booleans(), st.integers(1, 3 * BLOCK))
def test_every_line_is_found_however_the_text_grew(parts: list[bytes], ended: bool, step: int) -> None:
    data = b"\n".join(parts) + (b"\n" if ended else b"")
    read = Read(BytesText(data), step)
    index = read.index
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert index.count == len(expected)
    assert [read.line(number) for number in range(index.count)] == expected
    offset = 0
    for number, line in enumerate(expected):
        read.keep(index.block_of(number))
        assert index.offset(number) == offset
        assert index.line_at(offset) == number
        assert index.line_at(offset + len(line)) == number
        offset += len(line) + 1


@given(lines)
def test_appending_between_looks_gives_the_same_as_all_at_once(parts: list[bytes]) -> None:
    text = BytesText(b"")
    read = Read(text)
    for part in parts:
        text.data += part + b"\n"
        read.grow()
        assert read.line(read.index.count - 1) == part
    assert [read.line(number) for number in range(read.index.count)] == parts


@given(lines, st.integers(1, 200))
def test_what_is_kept_of_a_block_that_grew_is_never_half_a_line(parts: list[bytes], step: int) -> None:
    """A block is read while more is written: lines that are whole by then are known, the last one is not."""
    data = b"\n".join(parts)
    expected = data.split(b"\n")
    text = BytesText(b"")
    read = Read(text)
    for at in range(0, len(data), max(step, len(data) // 50)):
        text.data = bytearray(data[: at + max(step, len(data) // 50)])
        before = read.index.block(read.index.block_of(read.index.count).number)
        read.keep(before)
        read.grow()
        for number in range(read.index.complete):
            assert read.index.line(number) in (None, expected[number])


def test_a_million_lines_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "build.log"
    with path.open("w") as file:
        file.writelines(f"#{number} installing a package with some words\n" for number in range(1_000_000))
    read = Read(FileText(path))
    index = read.index
    assert index.count == 1_000_000
    for number in (0, 1, 499_999, 999_999):
        assert read.line(number).startswith(b"#%d " % number)
    for number in range(0, 1_000_000, 997):
        read.line(number)
    kept = sum(len(line) for _, block in index._kept.values() for line in block)
    assert kept < 4 * 1024 * 1024
    assert len(index._starts) * 16 < 64 * 1024


def test_of_a_huge_line_the_beginning_is_kept_and_of_a_progress_bar_the_last_state() -> None:
    huge = b"y" * 3_000_000
    bar = b"".join(b"\r%06d of 300000" % number for number in range(300_000))
    index = Read(BytesText(huge + b"\n" + bar + b"\nend\n"))
    assert index.index.count == 3
    assert index.line(0).startswith(b"y" * 1000)
    assert index.line(0).endswith(b" more bytes]")
    assert len(index.line(0)) < 300_000
    assert index.line(1) == b"299999 of 300000"
    assert index.line(2) == b"end"


def test_a_text_that_became_shorter_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\n")
    read = Read(FileText(path))
    path.write_bytes(b"new\n")
    read.grow()
    assert (read.index.count, read.line(0)) == (1, b"new")


def test_a_file_that_is_not_there_yet_is_empty_and_then_read(tmp_path: Path) -> None:
    path = tmp_path / "later.log"
    read = Read(FileText(path))
    assert read.index.count == 0
    path.write_bytes(b"hello\n")
    read.grow()
    assert read.line(0) == b"hello"
