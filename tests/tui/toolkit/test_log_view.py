"""The viewer of growing logs."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit import log_search
from nuvtui.tui.toolkit.log_view import LogView
from tests.support.guards import no_files_on_the_loop
from tests.tui.harness import notices, running, settle, shown, shown_text

Alone = Callable[..., NuvApp]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "build.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))
    return path


def view_of(app: NuvApp) -> LogView:
    return app.screen.query_one(LogView)


def top(app: NuvApp) -> str:
    return shown(app)[2].strip("│┃ ")


def body(app: NuvApp) -> list[str]:
    return [line.strip("│┃ ") for line in shown(app)[2:-3]]


async def looked(pilot: Pilot[Any]) -> None:
    """What the timer does, now."""
    view_of(pilot.app).look()  # type: ignore[arg-type]
    await settle(pilot)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def show(pilot: Pilot[Any], path: Path, growing: bool = True) -> LogView:
    view = view_of(pilot.app)  # type: ignore[arg-type]
    view.show_file(path, growing=growing)
    await looked(pilot)
    await settle(pilot)
    return view


async def test_a_growing_log_is_followed_to_its_end(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        await show(pilot, log)
        assert "line 999" in shown_text(app)
        append(log, "one more\nand half of an")
        await looked(pilot)
        assert "one more" in shown_text(app)
        assert "and half of an" in shown_text(app)
        append(log, "other\n")
        await looked(pilot)
        assert "and half of another" in shown_text(app)
        assert "following" in shown_text(app)


@pytest.mark.parametrize("key", ["k", "up", "pageup", "g", "f"])
async def test_moving_up_stops_following_at_once_and_the_view_stays(
    alone: Alone, log: Path, key: str
) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        await pilot.press(key)
        await pilot.pause()
        assert not view.following
        before = body(app)
        append(log, "".join(f"new {number}\n" for number in range(128)))
        await looked(pilot)
        assert body(app) == before
        assert "128 new lines, f follows" in shown_text(app)
        await pilot.press("f")
        await pilot.pause()
        assert "new 127" in shown_text(app)
        assert "new lines" not in shown_text(app)


async def test_the_last_line_follows_again(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        await pilot.press("g")
        await pilot.pause()
        assert top(app) == "line 0"
        await pilot.press("G")
        await pilot.pause()
        assert view.following
        assert "line 999" in shown_text(app)


async def test_reaching_the_end_by_scrolling_does_not_follow(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        await pilot.press("k", "j", "j", "pagedown")
        await pilot.pause()
        assert "line 999" in shown_text(app)
        assert not view.following


async def test_a_log_that_ended_is_read_to_its_end_and_not_followed(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        append(log, "the last word")
        view.set_growing(False)
        await looked(pilot)
        assert "the last word" in shown_text(app)
        assert "following" not in shown_text(app)
        assert "f follow" not in shown_text(app)


async def test_search_counts_goes_on_and_round_and_back(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        await pilot.press("g", "/", *"line 77")
        await looked(pilot)
        assert "11 matches" in shown_text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert re.search(r"1 of 11 matches", shown_text(app))
        assert "line 77" in shown_text(app)
        await pilot.press("n")
        await pilot.pause()
        assert "2 of 11 matches" in shown_text(app)
        assert "line 770" in shown_text(app)
        await pilot.press("N", "N")
        await pilot.pause()
        assert "11 of 11 matches" in shown_text(app)
        assert "line 779" in shown_text(app)
        append(log, "line 77 again\n")
        await looked(pilot)
        assert "12 matches" in shown_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert not view.searching
        assert "matches" not in shown_text(app)


async def test_regular_expressions_and_what_is_none(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log, growing=False)
        view.search("/^line 9[0-4]$/")
        await looked(pilot)
        assert view.match_count == 5
        view.search("/line (9/")
        await looked(pilot)
        assert view.match_count == 0
        assert "not a regular expression" in shown_text(app)
        view.search("LINE 5")
        await looked(pilot)
        assert view.match_count == 0, "capitals are meant"


async def test_only_matching_lines_and_back_to_the_same_place(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log, growing=False)
        view.search("00")
        await looked(pilot)
        await pilot.press("n", "n", "n")
        await pilot.pause()
        assert "line 300" in shown_text(app)
        await pilot.press("&")
        await pilot.pause()
        text = shown_text(app)
        assert "9 of 9 lines" in text
        assert "line 100" in text
        assert "line 900" in text
        assert "line 301" not in text
        await pilot.press("&")
        await pilot.pause()
        assert "line 300" in shown_text(app)
        assert "line 301" in shown_text(app)


async def test_wrap_shows_all_of_a_long_line_and_the_top_line_stays(alone: Alone, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("first\n" + "".join(f"{number:05d}|" for number in range(100)) + "\nlast\n")
    app = alone(LogView)
    async with running(app) as pilot:
        await show(pilot, path, growing=False)
        assert "00099|" not in shown_text(app)
        assert "…" in shown_text(app)
        await pilot.press("w")
        await pilot.pause()
        joined = "".join(body(app))
        assert all(f"{number:05d}|" in joined for number in range(100))
        assert top(app) == "first"
        await pilot.resize_terminal(60, 20)
        await settle(pilot)
        joined = "".join(body(app))
        assert all(f"{number:05d}|" in joined for number in range(100))
        assert top(app) == "first"


async def test_what_is_further_right_can_be_seen(alone: Alone, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a" * 300 + "END\n")
    app = alone(LogView)
    async with running(app) as pilot:
        await show(pilot, path, growing=False)
        assert "END" not in shown_text(app)
        await pilot.press(*["l"] * 10)
        await pilot.pause()
        assert "END" in shown_text(app)
        await pilot.press(*["h"] * 10)
        await pilot.pause()
        assert top(app).startswith("aaa")


async def test_timestamps_come_from_offsets(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log, growing=False)
        assert "t times" not in shown_text(app)
        view.set_times(
            [(0, "2026-01-01T10:00:00+00:00"), (len("line 0\nline 1\n"), "2026-01-01T10:00:07+00:00")]
        )
        await pilot.press("g", "t")
        await pilot.pause()
        lines = [line.strip("│┃ ") for line in shown(app)[2:6]]
        assert [line[3:] for line in lines] == [
            "00:00 line 0",
            "00:00 line 1",
            "00:07 line 2",
            "00:07 line 3",
        ]


async def test_search_wrap_times_and_place_survive_a_resize(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        view.set_times([(0, "2026-01-01T10:00:00+00:00")])
        await pilot.press("g", "w", "t", "/", *"line 500", "enter")
        await looked(pilot)
        assert "line 500" in shown_text(app)
        for size in ((100, 40), (60, 20), (80, 24)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert "1 of 1 match" in shown_text(app)
            assert view.wrap
            assert view.times
            assert not view.following
        assert "line 500" in shown_text(app)


async def test_following_survives_a_resize(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        for size in ((100, 40), (60, 20)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert "line 999" in shown_text(app)
        assert view.following


async def test_a_million_lines_are_read_only_where_they_are_looked_at(
    alone: Alone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "build.log"
    with path.open("w") as file:
        file.writelines(f"#{number} installing\n" for number in range(1_000_000))
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, path)
        assert "#999999 installing" in shown_text(app)
        read: list[int] = []
        pread = os.pread

        def counted(descriptor: int, size: int, offset: int) -> bytes:
            read.append(size)
            return pread(descriptor, size, offset)

        monkeypatch.setattr(os, "pread", counted)
        for keys, expected in (
            ("g", "#0 installing"),
            ("G", "#999999 installing"),
            ("k", "#999998 installing"),
        ):
            await pilot.press(keys)
            await settle(pilot)
            assert expected in shown_text(app)
        assert 0 < sum(read) < 1_000_000, "of 18 MB"
        assert len(view._reader._clean) <= 512


async def test_a_growing_log_is_opened_looked_at_and_read_in_threads_alone(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        with no_files_on_the_loop():
            view = await show(pilot, log)
            view.set_times([(0, "2026-01-01T10:00:00+00:00")])
            for at in range(3):
                append(log, f"and on {at}\n" * 5000)
                await looked(pilot)
                assert f"and on {at}" in shown_text(app)
            await pilot.press("g", "w", "t", "pagedown", "/", *"on 1", "enter", "n", "N", "&")
            await settle(pilot)
            assert "1 of 5,000 matches, only these" in shown_text(app)
            await pilot.press("y", "&", "escape")
            view.go_to(len("line 0\nline 1\n"))
            await settle(pilot)
            assert top(app).endswith("line 2")
            await pilot.press("G")
            await pilot.resize_terminal(100, 30)
            await settle(pilot)
            assert "and on 2" in shown_text(app)
            log.write_text("begun again\n")
            await looked(pilot)
            assert "begun again" in shown_text(app)


async def test_what_is_not_read_yet_leaves_the_screen_as_it_was(
    alone: Alone, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs: keys answer, what is there stays, and the lines come when they come."""
    append(log, "more of it\n" * 500_000)
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        before = body(app)
        answers = threading.Event()
        pread = os.pread

        def hanging(descriptor: int, size: int, offset: int) -> bytes:
            answers.wait()
            return pread(descriptor, size, offset)

        monkeypatch.setattr(os, "pread", hanging)
        try:
            await pilot.press("g")
            await pilot.pause()
            assert not view.following
            assert body(app) == before
        finally:
            answers.set()
        await settle(pilot)
        assert top(app) == "line 0"


async def test_odd_lines(alone: Alone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "PATIENCE", 60.0)  # the long line, on a machine that is busy
    path = tmp_path / "log"
    bar = b"".join(b"\r%3d%% [%s]" % (number, b"#" * number) for number in range(101))
    path.write_bytes(
        b"begin\n" + b"x" * 100_000 + b"\n" + bar + b"\n" + "漢字 ".encode() * 100 + b"\n"
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \x9b2J raw \xff\n\tafter a tab\n"
    )
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, path, growing=False)
        text = shown_text(app)
        assert "100% [####" in text
        assert " 99% [" not in text
        assert "red bell␇" in text
        assert r"\x9b2J raw \xff" in text
        assert "        after a tab" in text
        await pilot.press("w", "G")
        await pilot.pause()
        assert "after a tab" in shown_text(app)
        view.search("/x{50}$/")
        await looked(pilot)
        assert view.match_count == 1


async def test_previews_show_escape_sequences_instead_of_dropping_them(alone: Alone) -> None:
    app = alone(lambda: LogView(raw=True))
    async with running(app) as pilot:
        view_of(app).show_bytes(b"a\x1b[31mb\r\nsecond\n")
        await settle(pilot)
        assert "a␛[31mb" in shown_text(app)


async def test_go_to_an_offset_that_is_not_written_yet(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log)
        offset = len(log.read_bytes().partition(b"line 500\n")[0])
        view.go_to(offset)
        await settle(pilot)
        assert top(app) == "line 500"
        assert not view.following


async def test_y_copies_a_small_log_and_names_the_file_of_a_large_one(alone: Alone, log: Path) -> None:
    app = alone(LogView)
    async with running(app) as pilot:
        view = await show(pilot, log, growing=False)
        copy = view.copied()
        assert copy is not None
        assert copy.read is not None
        assert copy.read() == log.read_text().rstrip("\n")
        append(log, "z" * 300_000)
        view.show_file(log)
        await looked(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert any("too large" in notice and str(log) in notice for notice in notices(app))


async def test_a_log_given_before_the_view_is_on_the_screen(alone: Alone, log: Path) -> None:
    def make() -> LogView:
        view = LogView()
        view.show_file(log, growing=True)
        return view

    app = alone(make)
    async with running(app) as pilot:
        await looked(pilot)
        assert "line 999" in shown_text(app)
        append(log, "and on\n")
        await looked(pilot)
        assert "and on" in shown_text(app)
