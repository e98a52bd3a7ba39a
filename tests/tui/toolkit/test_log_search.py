"""What a search finds: the same lines as looking at each of them, and never for ever."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui import sanitise
from nuvtui.tui.toolkit.log_search import Query, SlowError

lines = st.lists(st.text(st.sampled_from("abAB 1.\t\r\x1b[3m"), max_size=12), max_size=8)
words = st.sampled_from(
    [
        "ab",
        "AB",
        "a.b",
        "/a.b/",
        "/^a/",
        "/b$/",
        "/[^a]/",
        "/a+b?/",
        r"/\bA/",
        r"/\w+ \w/",
        "/(?<!a)b/",
        r"/\Aa/",
    ]
)


@given(lines, words)
def test_a_block_that_is_passed_over_has_no_match_in_it(found: list[str], word: str) -> None:
    query = Query(word)
    block = "".join(f"{line}\n" for line in found).encode()
    shown = [sanitise.log_line(line) for line in block.decode().split("\n")[:-1]]
    if any(query.is_in(line) for line in shown):
        assert query.may_be_in(block)


@pytest.mark.parametrize(
    ("word", "line", "spans"),
    [
        ("ab", "xABx ab", [(1, 3), (5, 7)]),
        ("AB", "xABx ab", [(1, 3)]),
        ("a.b", "a.b axb", [(0, 3)]),
        ("/a.b/", "a.b axb", [(0, 3), (4, 7)]),
        ("/a.b", "a.b axb", [(0, 3), (4, 7)]),
        ("naïve", "a naïve one", [(2, 7)]),
    ],
)
def test_where_it_is(word: str, line: str, spans: list[tuple[int, int]]) -> None:
    assert [*Query(word).spans(line)] == spans


def test_what_is_no_expression_is_searched_as_text() -> None:
    query = Query("/a(b/")
    assert "not a regular expression" in query.problem
    assert query.is_in("x /a(b/ y")
    assert not query.is_in("ab")


def test_an_expression_that_would_think_for_ever_is_given_up() -> None:
    query = Query("/(a|aa)+$/")
    line = "a" * 5000 + "b"
    assert re.fullmatch("a+b", line)
    for look in (lambda: query.is_in(line), lambda: query.may_be_in(line.encode())):
        with pytest.raises(SlowError):
            look()
    assert [*query.spans(line)] == []
