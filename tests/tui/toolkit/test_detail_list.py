"""Lists of details: each line copies exactly its value, however it is cut or wrapped; the curve of a log's rate."""

from collections.abc import Callable
from typing import Any

import pytest

from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.clipboard import Copy
from nuvtui.tui.toolkit.detail_list import DetailList, Field, field, say
from nuvtui.tui.toolkit.glyphs import ASCII, UNICODE
from nuvtui.tui.toolkit.lines import line, width_of
from nuvtui.tui.toolkit.sparkline import Sparkline, curve
from tests.tui.harness import running, settle, shown_text

Alone = Callable[..., NuvApp]
DIGEST = "sha256:" + "ab" * 32
PROSE = "this sentence is far longer than the eighty cells of the terminal, so it is wrapped at a word, twice even"


def filled() -> DetailList:
    details = DetailList()
    details.show(
        [
            Field(line(("✓ completed", "good"))),
            say((PROSE, "warn"), value=PROSE, what="the warning"),
            field("Digest", DIGEST, "a note that is not copied"),
            field("Run it", "docker run --rm " + "x" * 200, what="the run command"),
            Field(line()),
            field("Name", "evil\x1b]0;title\x07"),
        ],
        at="Digest",
    )
    return details


async def test_each_line_copies_exactly_its_value(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[Copy] = []
    monkeypatch.setattr(NuvApp, "copy", lambda app, copy: copied.append(copy))
    app = alone(filled)
    async with running(app) as pilot:
        assert "\x1b" not in shown_text(app)
        await pilot.press("y", "j", "y", "k", "k", "y", "k", "y", "G", "y")
        await settle(pilot)
    assert [each.text for each in copied] == [
        DIGEST,
        "docker run --rm " + "x" * 200,
        PROSE,
        PROSE,
        "evil␛]0;title␇",
    ]
    assert [each.what for each in copied][:3] == ["the digest", "the run command", "the warning"]


async def test_values_are_cut_and_sentences_are_wrapped(alone: Alone) -> None:
    app = alone(filled)
    async with running(app) as pilot:
        rows = shown_text(app).split("\n")
        assert sum("x" * 10 in row for row in rows) == 1, "one line, whatever its length"
        assert "so it is wrapped" in " ".join(" ".join(row.strip(" │▌┃") for row in rows).split())
        await pilot.press("j", "enter")
        await settle(pilot)
        assert "x" * 100 in "".join(row.strip(" │┃") for row in shown_text(app).split("\n")), (
            "Enter shows all of it"
        )


async def test_the_cursor_stays_where_it_is_when_more_is_known(alone: Alone) -> None:
    app = alone(filled)
    async with running(app) as pilot:
        details: Any = app.screen.query_one(DetailList)
        await pilot.press("k", "k", "k")
        details.show([*details.fields, field("Archive", "/tmp/a.tar")], at="Digest")
        assert details.current_field == details.fields[0]
        await pilot.resize_terminal(60, 20)
        await settle(pilot)
        assert details.current_field == details.fields[0]


def test_a_curve_has_a_sign_for_each_second_and_shows_what_is_not_zero() -> None:
    assert curve([0, 1, 500, 1000], UNICODE.levels) == "▁▂▅█"
    assert curve([0, 0], UNICODE.levels) == "▁▁"
    assert curve([0, 1, 500, 1000], ASCII.levels).isascii()
    assert len(UNICODE.levels) == len(ASCII.levels)
    assert all(width_of(sign) == 1 for sign in (*UNICODE.levels, *ASCII.levels))


async def test_the_pulse_is_still_where_nothing_is_written(alone: Alone) -> None:
    app = alone(lambda: Sparkline("lines/s"))
    async with running(app) as pilot:
        sparkline = app.screen.query_one(Sparkline)
        for _ in range(3):
            sparkline.add(0)
        assert sparkline.rates == []
        sparkline.add(1200)
        await settle(pilot)
        assert "1,200 lines/s" in shown_text(app)
        for _ in range(200):
            sparkline.add(0)
        await settle(pilot)
        assert "lines/s" not in shown_text(app)
