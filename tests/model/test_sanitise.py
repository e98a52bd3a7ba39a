"""Nothing of outside text reaches a terminal as control."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from nuvtui import sanitise

anything = st.text(alphabet=st.characters(), max_size=80) | st.binary(max_size=80).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)


def dangerous(text: str, allowed: str = "") -> list[str]:
    return [
        char
        for char in text
        if char not in allowed
        and (unicodedata.category(char) in ("Cc", "Cs") or char in "\u202e\u202d\u2066\u2067\u2068")
    ]


@given(anything)
def test_nothing_dangerous_stays_in_a_line(text: str) -> None:
    assert dangerous(sanitise.line(text)) == []


@given(anything)
def test_a_block_keeps_only_newlines_and_tabs(text: str) -> None:
    assert dangerous(sanitise.block(text), "\n\t") == []


@given(anything)
def test_a_log_line_has_no_control(text: str) -> None:
    assert dangerous(sanitise.log_line(text.replace("\n", " "))) == []


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), max_size=80))
def test_plain_text_is_untouched(text: str) -> None:
    assert sanitise.line(text) == text


def test_what_people_see() -> None:
    assert sanitise.line("a\x1b[31mred") == "a␛[31mred"
    assert sanitise.line("two\nlines\t.") == "two␊lines␉."
    assert sanitise.line(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"
    assert sanitise.log_line("\x1b[32mok\x1b[0m done") == "ok done"
    assert sanitise.log_line("\x1b]0;title\x07text") == "text"
    assert sanitise.log_line(" 10%\r 50%\r100%\r") == "100%"
