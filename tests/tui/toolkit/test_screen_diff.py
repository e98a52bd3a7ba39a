"""What the screen diff sends, on a terminal that was there before, gives the same screen as sending everything."""

import io

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from nuvtui.tui.toolkit.screen_diff import ScreenDiff
from nuvtui.tui.toolkit.textual_private import ChopsUpdate, LayoutUpdate

WIDTH, HEIGHT = 24, 8
BASE = Style(color="#d3d7de", bgcolor="#181a1d")
STYLES = [
    BASE,
    Style(color="#878e98", bgcolor="#181a1d"),
    Style(color="#d3d7de", bgcolor="#353c46", bold=True),
    Style(color="#181a1d", bgcolor="#d9a864", underline=True),
    Style(color="#d3d7de", bgcolor="#181a1d", reverse=True),
]


def screens_of(characters: str) -> st.SearchStrategy[list[Strip]]:
    texts = st.text(st.sampled_from(characters), max_size=WIDTH)
    lines = st.lists(st.tuples(texts, st.sampled_from(STYLES)), max_size=4).map(
        lambda pieces: Strip([Segment(*piece) for piece in pieces]).adjust_cell_length(WIDTH, BASE)
    )
    return st.lists(lines, min_size=HEIGHT, max_size=HEIGHT)


screens = screens_of("ab  ─é漢👍│")
narrow = screens_of("ab  ─é│")  # the compositor never cuts a wide character in two
moves = st.sampled_from([1, -1, 2, 0])


class Screen:
    """A terminal, and the console that tells the diff its size."""

    def __init__(self, system: str = "truecolor") -> None:
        self.console = Console(
            file=io.StringIO(), width=WIDTH, height=HEIGHT, color_system=system, force_terminal=True
        )
        self.terminal = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.terminal)

    def send(self, text: str) -> None:
        self.stream.feed(text)

    def shown(self) -> list[list[tuple[object, ...]]]:
        """Each cell as it is seen: of a space, only what can be seen of it."""
        out = []
        for y in range(HEIGHT):
            row: list[tuple[object, ...]] = []
            for x in range(WIDTH):
                cell = self.terminal.buffer[y][x]
                visible = cell.reverse or cell.underscore
                ink = (cell.fg, cell.bold) if cell.data != " " else (cell.fg,) if visible else ()
                row.append((cell.data, cell.bg, cell.reverse, cell.underscore, *ink))
            out.append(row)
        return out


def whole(strips: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, WIDTH, HEIGHT))


def expected(strips: list[Strip]) -> list[list[tuple[object, ...]]]:
    fresh = Screen()
    for y, strip in enumerate(strips):
        fresh.send(f"\x1b[{y + 1};1H{strip.render(fresh.console)}")
    return fresh.shown()


@given(st.lists(st.tuples(screens, moves), min_size=1, max_size=4))
def test_the_screen_is_what_was_to_be_shown(steps: list[tuple[list[Strip], int]]) -> None:
    screen, diff = Screen(), ScreenDiff()
    before: list[Strip] = []
    for fresh, move in steps:
        if before and move:  # most of the lines are the ones of before, further up or down
            strips = [before[y + move] if 0 <= y + move < HEIGHT else fresh[y] for y in range(HEIGHT)]
        else:
            strips = fresh
        screen.send(diff.difference(whole(strips), screen.console))
        assert screen.shown() == expected(strips)
        before = strips


@given(
    narrow,
    narrow,
    st.integers(0, WIDTH - 1),
    st.integers(1, WIDTH),
    st.sets(st.integers(0, HEIGHT - 1), min_size=1),
)
def test_parts_of_lines(one: list[Strip], other: list[Strip], x1: int, size: int, at: set[int]) -> None:
    x2 = min(WIDTH, x1 + size)
    screen, diff = Screen(), ScreenDiff()
    screen.send(diff.difference(whole(one), screen.console))
    chops = [{0: row} for row in other]
    spans = [(y, x1, x2) for y in sorted(at)]
    screen.send(diff.difference(ChopsUpdate(chops, spans, [[WIDTH]] * HEIGHT), screen.console))
    mixed = [
        Strip.join([old.crop(0, x1), new.crop(x1, x2), old.crop(x2, WIDTH)]) if y in at else old
        for y, (old, new) in enumerate(zip(one, other, strict=True))
    ]
    assert screen.shown() == expected(mixed)


def line(text: str, style: Style = BASE) -> Strip:
    return Strip([Segment(text, style)]).adjust_cell_length(WIDTH, BASE)


def test_nothing_is_sent_for_what_is_there() -> None:
    screen, diff = Screen(), ScreenDiff()
    strips = [line(f"line {y}") for y in range(HEIGHT)]
    assert diff.difference(whole(strips), screen.console)
    assert diff.difference(whole(strips), screen.console) == ""
    diff.forget()
    assert "line 5" in diff.difference(whole(strips), screen.console)


def test_a_changed_word_costs_the_word() -> None:
    screen, diff = Screen(), ScreenDiff()
    strips = [line(f"line {y}") for y in range(HEIGHT)]
    diff.difference(whole(strips), screen.console)
    strips[3] = line("line three")
    assert diff.difference(whole(strips), screen.console).count("three") == 1
    strips[3] = line("line threw")
    sent = diff.difference(whole(strips), screen.console)
    assert sent.startswith("\x1b[4;10H")
    assert "thre" not in sent


def test_lines_that_move_are_moved_by_the_terminal() -> None:
    screen, diff = Screen(), ScreenDiff()
    strips = [line(f"lines {chr(97 + y) * 16}") for y in range(HEIGHT)]
    diff.difference(whole(strips), screen.console)
    sent = diff.difference(whole([*strips[1:], line("the next")]), screen.console)
    assert "\x1b[1;8r" in sent
    assert "lines" not in sent
    assert "the next" in sent


def test_the_colours_are_those_that_the_terminal_has() -> None:
    for system, code in (("truecolor", "38;2;211;215;222"), ("256", "38;5;"), ("standard", "\x1b[97;40m")):
        screen, diff = Screen(system), ScreenDiff()
        sent = diff.difference(whole([line("x")] * HEIGHT), screen.console)
        assert code in sent


def test_what_was_never_drawn_is_not_sent() -> None:
    screen, diff = Screen(), ScreenDiff()
    half = [[Strip([Segment("漢 one", BASE)])]] * HEIGHT
    other = [[Strip([Segment("漢 two", BASE)])]] * HEIGHT
    for strips in (half, other):
        sent = diff.difference(LayoutUpdate(strips, Region(9, 0, 6, HEIGHT)), screen.console)
        assert "?" not in sent
        screen.send(sent)
    assert screen.terminal.display[0].rstrip() == " " * 9 + "漢 two"
