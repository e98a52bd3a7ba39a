"""The index of growing texts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nuvtui.tui.toolkit import log_index
from nuvtui.tui.toolkit.log_index import BLOCK, BytesText, FileText, LogIndex

lines = st.lists(
    st.one_of(
        st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" ")),
        st.integers(0, 3 * BLOCK).map(lambda size: b"x" * size),
    ),
    max_size=30,
)


def grown(index: LogIndex, limit: int = log_index.GROWTH) -> LogIndex:
    while index.grow(limit):
        pass
    return index


@given(lines, st.booleans(), st.integers(1, 3 * BLOCK))
def test_every_line_is_found_however_the_text_grew(parts: list[bytes], ended: bool, step: int) -> None:
    data = b"\n".join(parts) + (b"\n" if ended else b"")
    index = grown(LogIndex(BytesText(data)), step)
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert index.count == len(expected)
    assert [index.line(number) for number in range(index.count)] == expected
    offset = 0
    for number, line in enumerate(expected):
        assert index.offset(number) == offset
        assert index.line_at(offset) == number
        assert index.line_at(offset + len(line)) == number
        offset += len(line) + 1


@given(lines)
def test_appending_between_looks_gives_the_same_as_all_at_once(parts: list[bytes]) -> None:
    text = BytesText(b"")
    index = LogIndex(text)
    for part in parts:
        text.data += part + b"\n"
        grown(index)
        assert index.line(index.count - 1) == part
    assert [index.line(number) for number in range(index.count)] == parts


def test_a_million_lines_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "build.log"
    with path.open("w") as file:
        file.writelines(f"#{number} installing a package with some words\n" for number in range(1_000_000))
    index = grown(LogIndex(FileText(path)))
    assert index.count == 1_000_000
    for number in (0, 1, 499_999, 999_999):
        assert index.line(number).startswith(b"#%d " % number)
    for number in range(0, 1_000_000, 997):
        index.line(number)
    kept = sum(len(line) for block in index._blocks.values() for line in block)
    assert kept < 4 * 1024 * 1024
    assert len(index._starts) * 16 < 64 * 1024


def test_of_a_huge_line_the_beginning_is_kept_and_of_a_progress_bar_the_last_state() -> None:
    huge = b"y" * 3_000_000
    bar = b"".join(b"\r%06d of 300000" % number for number in range(300_000))
    index = grown(LogIndex(BytesText(huge + b"\n" + bar + b"\nend\n")))
    assert index.count == 3
    assert index.line(0).startswith(b"y" * 1000)
    assert index.line(0).endswith(b" more bytes]")
    assert len(index.line(0)) < 300_000
    assert index.line(1) == b"299999 of 300000"
    assert index.line(2) == b"end"


def test_a_text_that_became_shorter_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\n")
    index = grown(LogIndex(FileText(path)))
    path.write_bytes(b"new\n")
    grown(index)
    assert (index.count, index.line(0)) == (1, b"new")


def test_a_file_that_is_not_there_yet_is_empty_and_then_read(tmp_path: Path) -> None:
    path = tmp_path / "later.log"
    index = grown(LogIndex(FileText(path)))
    assert index.count == 0
    path.write_bytes(b"hello\n")
    assert grown(index).line(0) == b"hello"
