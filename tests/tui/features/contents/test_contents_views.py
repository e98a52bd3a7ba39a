"""Contents: large folders, previews by kind, SQL that runs away, history, differences side by side."""

import json
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from nuvtui.tui.common import diff_rows
from nuvtui.tui.common.diff_pane import DiffPane
from nuvtui.tui.features.contents.sql_prompt import SqlPrompt
from nuvtui.tui.toolkit.code_view import CodeView
from nuvtui.tui.toolkit.tree_list import TreeList
from tests.tui.harness import press, says, settle, shown_text, until
from tests.tui.sharing import Study
from tests.tui.states import opened, study_with_past

MANY = 100_000


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


async def at(pilot: Pilot[Any], name: str) -> None:
    """The files, the cursor on a name."""
    await press(pilot, "2", "F")
    tree = pilot.app.screen.query_one(TreeList)
    await until(pilot, lambda: tree.count, "the files")
    assert tree.move_to_key(name) or tree.current_key == name, shown_text(pilot.app)
    await settle(pilot)


async def test_a_folder_of_100_000_opens_and_only_what_is_seen_is_looked_up(study: Study) -> None:
    folder = study.root / "many"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"f{number:06}").touch()
    async with opened(study) as pilot:
        await at(pilot, "many")
        tree = pilot.app.screen.query_one(TreeList)
        await pilot.press("enter")
        await until(pilot, lambda: says(pilot, "f000003"), "the first names")
        await settle(pilot)
        assert tree.count > MANY
        known = sum(node.data is not None for node in tree._tree.nodes)
        assert known < 200
        await press(pilot, "G", "k")
        await until(
            pilot, lambda: f"f{MANY - 1:06}" in shown_text(pilot.app) or says(pilot, "notes.md"), "the end"
        )


async def test_the_preview_stands_beside_the_files_where_there_is_room(study: Study) -> None:
    (study.root / "run.py").write_text("def run():\n    return 'done'  # a comment\n")
    async with opened(study, size=(118, 24)) as pilot:  # one place at a time, 116 columns for it
        await at(pilot, "run.py")
        await until(pilot, lambda: says(pilot, "return 'done'"), "the preview without a key")
        assert says(pilot, "notes.md"), "the tree is there too"
        code = pilot.app.screen.query_one(CodeView)
        await until(pilot, lambda: code._spans, "the colours")
        tones = {tone for spans in code._spans for _, _, tone in spans}
        assert {"accent", "good", "muted", "strong"} <= tones
        await press(pilot, "enter")
        assert code.has_focus
        await press(pilot, "escape")
        assert pilot.app.screen.query_one(TreeList).has_focus


async def test_a_notebook_is_rendered_and_harmless_and_raw_on_demand(study: Study) -> None:
    evil = "\x1b[2J\x1b]0;title\x07\u202e"
    cells = [
        {"cell_type": "markdown", "source": f"# Heading {evil}"},
        {
            "cell_type": "code",
            "execution_count": 12,
            "source": f"print('x') # {evil}",
            "outputs": [{"output_type": "stream", "text": f"{evil}out"}],
        },
    ]
    (study.root / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
    async with opened(study) as pilot:
        await at(pilot, "n.ipynb")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "[12] print('x')"), "the cell")
        shown = shown_text(pilot.app)
        assert not any(ord(char) < 32 and char != "\n" for char in shown)
        assert "\u202e" not in shown
        await press(pilot, "r")
        await until(pilot, lambda: says(pilot, '"cell_type"'), "the raw text")
        await press(pilot, "r")
        await until(pilot, lambda: says(pilot, "[12] print('x')"), "rendered again")


@pytest.mark.parametrize(
    "name", ["a" * 250, "wide-文字" * 12, "\u202eright-to-left", "emoji-\U0001f600", "tab\tnew\nline"]
)
async def test_hostile_names(study: Study, name: str) -> None:
    (study.root / name).write_text("what is in it\n")
    study.services.snapshots.create(study.master.id, "hostile-names")
    async with opened(study) as pilot:
        await at(pilot, name)
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "what is in it"), "the content")
        await press(pilot, "H")
        await until(pilot, lambda: says(pilot, "hostile-names"), "the history")
        shown = shown_text(pilot.app)
        assert not any((ord(char) < 32 and char != "\n") or char == "\u202e" for char in shown)
        assert all(len(row) <= 80 for row in shown.split("\n"))


async def test_a_long_text_comes_as_it_is_scrolled(study: Study) -> None:
    (study.root / "long.txt").write_bytes(b"".join(b"line %d\n" % n for n in range(700_000)))
    async with opened(study) as pilot:
        await at(pilot, "long.txt")
        await press(pilot, "enter")
        code = pilot.app.screen.query_one(CodeView)
        await until(pilot, lambda: says(pilot, "more comes"), "the beginning")
        first = code.index.indexed
        assert first < 2 << 20
        for _ in range(20):
            await press(pilot, "G")
            if says(pilot, "line 699999"):
                break
        assert says(pilot, "line 699999")
        assert code.index.indexed > first


async def test_another_state_keeps_the_file_that_is_open(study: Study) -> None:
    async with opened(study) as pilot:
        await at(pilot, "notes.md")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "not in a snapshot"), "the file now")
        await press(pilot, "p", "down", "enter")
        await until(pilot, lambda: says(pilot, "hello again from the study"), "the file in the snapshot")
        assert says(pilot, "Contents of second-data")


async def test_a_query_that_runs_away_is_ended_by_esc(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables")
        await pilot.press("s")
        await until(pilot, lambda: pilot.app.screen.query_one(SqlPrompt).has_focus, "the prompt")
        prompt = pilot.app.screen.query_one(SqlPrompt)
        prompt.value = "SELECT count(*) FROM range(1000000000000) t(i) WHERE hash(i) % 7 = 3"
        await pilot.press("enter")
        await until(pilot, lambda: says(pilot, "Esc gives up"), "the wait")
        section = app_section(pilot)
        question = section._queries._latest
        await until(pilot, lambda: question._child is not None, "the process")
        child = question._child
        await pilot.press("escape")
        await until(pilot, lambda: says(pilot, "Given up"), "the word")
        await until(pilot, lambda: child.poll() is not None, "the end of the process")
        assert "range(1000000000000)" in prompt.value
        prompt.value = "SELEC"
        await pilot.press("enter")
        await until(pilot, lambda: says(pilot, "cannot be parsed"), "the error")
        assert prompt.has_focus
        await pilot.press("up")
        assert "range(1000000000000)" in prompt.value
        await pilot.press("down")
        assert prompt.value == "SELEC"


def app_section(pilot: Pilot[Any]) -> Any:
    return pilot.app.main_screen.pane("contents").current  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "DROP TABLE numbers",
        "COPY numbers TO '/tmp/out'",
        "SET threads = 9",
        "ATTACH 'x'",
    ],
)
async def test_writing_is_refused_in_a_sentence(study: Study, sql: str) -> None:
    async with opened(study) as pilot:
        await press(pilot, "down", "enter", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables of the snapshot")
        await pilot.press("s")
        prompt = pilot.app.screen.query_one(SqlPrompt)
        await until(pilot, lambda: prompt.has_focus, "the prompt")
        prompt.value = sql
        await pilot.press("enter")
        await until(pilot, lambda: says(pilot, "only one statement that reads"), "the refusal")
        assert prompt.value == sql


async def test_columns_tell_how_values_are_spread(study: Study) -> None:
    async with opened(study, size=(118, 24)) as pilot:
        await press(pilot, "2", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables")
        await press(pilot, "G", "c")
        await until(pilot, lambda: "█" in shown_text(pilot.app), "the histogram")
        assert says(pilot, "BIGINT")
    async with opened(study, size=(118, 24), ascii=True) as pilot:
        await press(pilot, "2", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables")
        await press(pilot, "G", "c")
        await until(pilot, lambda: "#____" in shown_text(pilot.app), "the histogram in ASCII")


async def test_history_of_a_file_leads_to_its_version(study: Study) -> None:
    async with opened(study) as pilot:
        await at(pilot, "notes.md")
        await press(pilot, "H")
        await until(pilot, lambda: says(pilot, "3 versions in 2 snapshots"), "the history")
        await until(pilot, lambda: says(pilot, "+ not in a snapshot"), "the newest change")
        await press(pilot, "down")
        await until(pilot, lambda: says(pilot, "- hello from the study"), "the change before")
        await press(pilot, "enter")
        await until(pilot, lambda: says(pilot, "Contents of second-data"), "the version")
        await until(pilot, lambda: says(pilot, "hello again from the study"), "the file as it was")


async def test_history_of_a_table(study: Study) -> None:
    async with opened(study) as pilot:
        await press(pilot, "2", "T")
        await until(pilot, lambda: says(pilot, "numbers"), "the tables")
        await press(pilot, "G", "H")
        await until(pilot, lambda: says(pilot, "1 version in 2 snapshots"), "the history")
        assert says(pilot, "2 rows")


async def test_differences_side_by_side_and_from_change_to_change(study: Study) -> None:
    lines = [f"line {n}" for n in range(200)]
    (study.root / "notes.md").write_text("\n".join(lines) + "\n")
    study.services.snapshots.create(study.master.id, "long-notes")
    lines[5], lines[150] = "line five", "line one hundred and fifty"
    (study.root / "notes.md").write_text("\n".join(lines) + "\n")
    async with opened(study, size=(160, 24)) as pilot:
        await press(pilot, "2", "C", "Z")
        await until(pilot, lambda: says(pilot, "line five"), "the difference beside the list")
        assert not says(pilot, "1 Timeline"), "Contents alone"
        row = next(row for row in shown_text(pilot.app).split("\n") if "line five" in row)
        assert "line 5" in row, "both sides in one row"
        diff = pilot.app.screen.query_one(DiffPane)
        await press(pilot, "b")
        assert not any("line five" in row and "line 5 " in row for row in shown_text(pilot.app).split("\n"))
        await press(pilot, "b", "Z")
        await until(pilot, lambda: says(pilot, "1 Timeline"), "the Timeline again")
        assert not says(pilot, "3 Stage"), "Stage gives way to changes"
        await press(pilot, "2", "enter", "n")
        assert diff.has_focus


def test_changed_words_are_told_apart() -> None:
    rows = diff_rows.of_text(["--- a/x", "+++ b/x", "@@ -1,2 +1,2 @@", " same", "-let x = 10", "+let y = 10"])
    assert [row.kind for row in rows] == ["title", "hunk", "same", "change"]
    old, new = diff_rows.words("let x = 10", "let y = 10")
    assert [part for part, differs in old if differs] == ["x"]
    assert [part for part, differs in new if differs] == ["y"]


def test_lines_that_are_not_alike_are_no_pair() -> None:
    rows = diff_rows.of_text(["@@ -1,1 +1,2 @@", "-alpha beta", "+1234567", "+alpha beta gamma"])
    assert [(row.old, row.new) for row in rows[1:]] == [(None, "1234567"), ("alpha beta", "alpha beta gamma")]
