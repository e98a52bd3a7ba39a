"""Lists, trees and tables: virtual, marked, filtered, and only what changed is drawn."""

from collections.abc import Callable, Sequence
from typing import Any

from textual.pilot import Pilot

from nuvtui.errors import NuvError
from nuvtui.tui.shell.app import NuvApp
from nuvtui.tui.toolkit.line_list import Items, LineList, Source
from nuvtui.tui.toolkit.lines import Cell, Line, fit, line, row, width_of
from nuvtui.tui.toolkit.row_table import PAGE, RowTable
from nuvtui.tui.toolkit.tree_list import Node, TreeList
from tests.tui.harness import running, settle, shown, shown_text, until

Alone = Callable[..., NuvApp]


class Counting(Source):
    """A long list that remembers what it was asked for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[int] = []

    def count(self) -> int:
        return self.size

    def line(self, index: int, width: int) -> Line:
        self.asked.append(index)
        return line(f"item {index}")


def list_of(app: NuvApp) -> LineList:
    return app.screen.query_one(LineList)


def strings(items: Sequence[str]) -> Items[str]:
    return Items(items, lambda item, width: line(item), key=lambda item: item)


async def test_of_a_million_lines_only_those_on_the_screen_are_asked_for(alone: Alone) -> None:
    source = Counting(1_000_000)
    app = alone(lambda: LineList(source))
    async with running(app) as pilot:
        assert set(source.asked) <= set(range(24))
        await pilot.press("G")
        await pilot.pause()
        assert "item 999999" in shown_text(app)
        assert all(index < 24 or index > 999_970 for index in source.asked)
        source.asked.clear()
        await pilot.press("k")
        await pilot.pause()
        assert sorted(source.asked) == [999_998, 999_999], "the two lines that changed"


async def test_moving(alone: Alone) -> None:
    app = alone(lambda: LineList(Counting(100)))
    async with running(app) as pilot:
        widget = list_of(app)
        for keys, position in (
            (["j", "down", "j"], 3),
            (["k", "up"], 1),
            (["k", "k", "k"], 0),
            (["G"], 99),
            (["j"], 99),
            (["g"], 0),
            (["pagedown"], widget._page),
            (["pageup"], 0),
            (["end"], 99),
            (["home"], 0),
        ):
            await pilot.press(*keys)
            assert widget.cursor == position


async def test_space_marks_and_goes_on_and_ranges_are_marked_at_once(alone: Alone) -> None:
    app = alone(lambda: LineList(Counting(100), markable=True))
    async with running(app) as pilot:
        widget = list_of(app)
        await pilot.press("space", "space")
        assert widget.marked == {0, 1}
        assert widget.cursor == 2
        await pilot.press("v", "j", "j", "j", "space")
        assert widget.marked == {0, 1, 2, 3, 4, 5}
        await pilot.press("v", "k", "k", "space")
        assert widget.marked == {0, 1, 2}, "a range that is all marked is unmarked"
        await pilot.press("v", "G", "escape")
        assert widget.marked == {0, 1, 2}
        await pilot.pause()
        assert sum("●" in text for text in shown(app)) == 0
        await pilot.press("g")
        await pilot.pause()
        assert sum("●" in text for text in shown(app)) == 3
        await pilot.press("asterisk")
        assert len(widget.marked) == 100
        await pilot.press("asterisk")
        assert widget.marked == set()


async def test_reading_again_draws_only_what_changed(alone: Alone) -> None:
    names = [f"s{number}" for number in range(50)]
    app = alone(lambda: LineList(strings(names)))
    async with running(app) as pilot:
        widget = list_of(app)
        drawn: list[int] = []
        draw = widget.render_line

        def counted(y: int) -> Any:
            drawn.append(y)
            return draw(y)

        widget.render_line = counted  # type: ignore[method-assign]
        widget.set_source(strings(names))
        await pilot.pause()
        assert drawn == []
        widget.set_source(strings([*names[:7], "another", *names[8:]]))
        await pilot.pause()
        assert drawn == [7]
        assert "another" in shown_text(app)


async def test_a_list_that_is_not_for_marking_has_no_mark_key(alone: Alone) -> None:
    app = alone(lambda: LineList(Counting(5)))
    async with running(app) as pilot:
        await pilot.press("space")
        assert list_of(app).marked == set()
        assert "mark" not in shown(app)[-1]


async def test_the_cursor_stays_with_its_line_when_the_list_is_read_again(alone: Alone) -> None:
    app = alone(lambda: LineList(strings([f"s{number}" for number in range(50)]), markable=True))
    async with running(app) as pilot:
        widget = list_of(app)
        await pilot.press(*["j"] * 30, "space")
        assert widget.current_key == "s31"
        before = [text for text in shown(app) if "s31" in text]
        widget.set_source(strings(["new one", "new two", *(f"s{number}" for number in range(50))]))
        await pilot.pause()
        assert widget.current_key == "s31"
        assert widget.cursor == 33
        assert widget.marked == {"s30"}
        assert [text for text in shown(app) if "s31" in text] == before
        widget.set_source(strings(["s1"]))
        await pilot.pause()
        assert widget.current_key == "s1"
        widget.set_source(strings([]))
        await pilot.pause()
        assert widget.current is None
        assert widget.current_key is None


async def test_filter_finds_all_words_in_any_case_and_escape_shows_all(alone: Alone) -> None:
    names = [f"run {number} {'Alpha' if number % 3 else 'beta'}" for number in range(3000)]
    app = alone(lambda: LineList(strings(names), markable=True))
    async with running(app) as pilot:
        widget = list_of(app)
        await pilot.press("/", *"ALPHA 77")
        while widget._scan is not None:
            await pilot.pause()
        expected = [name for name in names if "Alpha" in name and "77" in name]
        assert [widget.source.text(widget.index(at)) for at in range(widget.count)] == expected
        await pilot.press("down", "enter")
        assert widget.has_focus
        assert widget.current_key == expected[1]
        await pilot.press("asterisk")
        assert widget.marked == set(expected), "marks are of the lines shown"
        await pilot.press("escape")
        await pilot.pause()
        assert widget.count == 3000
        assert widget.current_key == expected[1], "the cursor is where it was"
        await pilot.press("/", *"no such thing")
        while widget._scan is not None:
            await pilot.pause()
        assert "No line holds" in shown_text(app)
        await pilot.press("escape")
        assert widget.count == 3000


async def test_an_empty_list_says_what_to_do(alone: Alone) -> None:
    app = alone(lambda: LineList(empty="No snapshot yet. s takes one."))
    async with running(app) as pilot:
        assert "No snapshot yet. s takes one." in shown_text(app)
        await pilot.press("j", "k", "g", "G", "pagedown", "enter", "space", "v", "y")
        assert list_of(app).current is None


async def test_columns_stay_aligned_whatever_is_in_them() -> None:
    texts = ["plain", "漢字漢字漢字漢字", "a\tb\nc", "\x1b[31mred", "e\u0301" * 30, "x" * 500, ""]
    for width in (30, 41, 80):
        for text in texts:
            made = row(width, Cell(text), Cell("3 h", 6, "muted", "right"), Cell(text, 9))
            assert sum(width_of(piece) for piece, _ in made.left) <= width
            assert made.text.isprintable()
    assert fit("漢字漢字", 5) == "漢字…"
    assert width_of(fit("漢字漢字", 6)) == 6
    assert fit("abc", 6, "right") == "   abc"


# trees


def children(node: Node | None) -> list[Node]:
    base = "" if node is None else f"{node.key}/"
    return [Node(f"{base}d{at}", f"d{at}", folder=True) for at in range(2)] + [Node(f"{base}f", "f")]


def tree_of(app: NuvApp) -> TreeList:
    return app.screen.query_one(TreeList)


def keys(app: NuvApp) -> list[Any]:
    tree = tree_of(app)
    return [tree.source.key(at) for at in range(tree.count)]


async def test_folders_open_and_close(alone: Alone) -> None:
    asked: list[Any] = []

    def counted(node: Node | None) -> list[Node]:
        asked.append(None if node is None else node.key)
        return children(node)

    app = alone(lambda: TreeList(counted, markable=True))
    async with running(app) as pilot:
        assert keys(app) == ["d0", "d1", "f"]
        assert asked == [None], "what a folder holds is read when it is opened"
        await pilot.press("enter")
        await settle(pilot)
        assert keys(app) == ["d0", "d0/d0", "d0/d1", "d0/f", "d1", "f"]
        await pilot.press("l", "l")
        await settle(pilot)
        assert keys(app)[:5] == ["d0", "d0/d0", "d0/d0/d0", "d0/d0/d1", "d0/d0/f"]
        await pilot.press("j", "j", "j", "h")
        assert tree_of(app).current_key == "d0/d0", "to the folder that holds it"
        await pilot.press("h", "h", "h")
        await pilot.pause()
        assert keys(app) == ["d0", "d1", "f"]
        assert asked == [None, "d0", "d0/d0"]


async def test_open_folders_are_open_when_the_tree_is_read_again(alone: Alone) -> None:
    app = alone(lambda: TreeList(children))
    async with running(app) as pilot:
        await pilot.press("l")
        await settle(pilot)
        await pilot.press("l", "l")
        await settle(pilot)
        before = keys(app)
        assert "d0/d0/f" in before
        tree_of(app).set_children(children)
        await settle(pilot)
        await settle(pilot)
        assert keys(app) == before


async def test_a_folder_that_cannot_be_read_says_so_and_can_be_tried_again(alone: Alone) -> None:
    broken = True

    def failing(node: Node | None) -> list[Node]:
        if node is not None and broken:
            raise NuvError("The folder cannot be read", "object 1234 is damaged", "Run `nuvtui store check`.")
        return children(node)

    app = alone(lambda: TreeList(failing))
    async with running(app) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        assert "object 1234 is damaged" in shown_text(app)
        assert "nuvtui store check" in shown_text(app)
        await pilot.press("enter")
        broken = False
        await pilot.press("enter")
        await settle(pilot)
        assert "d0/f" in keys(app)


# tables


def table_of(app: NuvApp) -> RowTable:
    return app.screen.query_one(RowTable)


def rows(offset: int, limit: int) -> list[list[Any]]:
    return [
        [at, f"name {at}", None if at % 2 else at / 3] for at in range(offset, min(offset + limit, 1_000_000))
    ]


async def opened(pilot: Pilot[Any], fetch: Callable[[int, int], Any] = rows) -> RowTable:
    table = pilot.app.screen.query_one(RowTable)
    table.set_table([("id", "BIGINT"), ("name", "VARCHAR"), ("share", "DOUBLE")], 1_000_000, fetch)
    await until(pilot, lambda: not table._fetching)
    await settle(pilot)
    return table


async def test_rows_are_fetched_page_by_page_as_they_come_into_view(alone: Alone) -> None:
    fetched: list[int] = []

    def counted(offset: int, limit: int) -> list[list[Any]]:
        fetched.append(offset)
        assert limit == PAGE
        return rows(offset, limit)

    app = alone(RowTable)
    async with running(app) as pilot:
        await opened(pilot, counted)
        assert "name 3" in shown_text(app)
        assert fetched == [0]
        await pilot.press("G")
        await until(pilot, lambda: "name 999999" in shown_text(app))
        assert fetched == [0, 1_000_000 - PAGE]
        await pilot.press("g")
        await settle(pilot)
        assert fetched == [0, 1_000_000 - PAGE], "a page that was there is not fetched again"


async def test_the_heading_stays_and_columns_are_aligned(alone: Alone) -> None:
    app = alone(RowTable)
    async with running(app) as pilot:
        await opened(pilot)
        heading = shown(app)[2]
        assert heading.split() == ["│", "id", "int", "name", "text", "share", "num", "│"]
        at = heading.index("name")
        assert shown(app)[5][at:].startswith("name 2")
        await pilot.press("pagedown")
        await settle(pilot)
        assert shown(app)[2] == heading
        assert table_of(app).cursor == table_of(app)._page


async def test_columns_further_right(alone: Alone) -> None:
    app = alone(RowTable)
    async with running(app) as pilot:
        table = app.screen.query_one(RowTable)
        names = [(f"column{number}", "VARCHAR") for number in range(16)]
        table.set_table(names, 10, lambda offset, limit: [[f"v{at}" for at in range(16)]] * 10)
        await settle(pilot)
        assert "column15" not in shown_text(app)
        await pilot.press(*["l"] * 15)
        await pilot.pause()
        assert "column15" in shown_text(app)
        assert "column8" not in shown_text(app)
        await pilot.press(*["h"] * 15)
        await pilot.pause()
        assert "column0" in shown_text(app)


async def test_a_table_that_cannot_be_read_says_so(alone: Alone) -> None:
    def failing(offset: int, limit: int) -> list[Any]:
        raise NuvError("The table cannot be read", "python (PID 7) holds the database open")

    app = alone(RowTable)
    async with running(app) as pilot:
        await opened(pilot, failing)
        assert "PID 7" in shown_text(app)
