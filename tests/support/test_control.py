"""The strict reader finds what is not ours."""

import pytest

from tests.support.control import assert_ours, foreign

OURS = "\x1b[?2026h\x1b[1;1H\x1b[38;2;1;2;3mtext ä 漢 ✓\x1b[0m\r\n\x1b[?2026l\x1b[?1049h\x1b]22;default\x07"


def test_ours_is_ours() -> None:
    assert_ours(OURS)
    assert_ours("\x1b]52;c;YQ==\x07", copies=True)


@pytest.mark.parametrize(
    "bad",
    ["\x1b[2J", "\x1b]0;title\x07", "\x07", "\x9b31m", "\x1bc", "\x1b[31", "\x08", "\x1b]52;c;YQ==\x07", "\u202e"]
)  # fmt: skip
def test_all_else_is_not(bad: str) -> None:
    assert list(foreign(OURS + bad + OURS))
