"""What lines say about snapshots and times; Markdown as lines; the process beside the screens."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.model.queries import Compare, Freed, Status
from nuvtui.model.stage import StateRef
from nuvtui.services.states.previews import dump
from nuvtui.tui.common import describe
from nuvtui.tui.toolkit import markdown
from nuvtui.worker.queries import Queries
from tests.tui.sharing import Study
from tests.tui.states import study_with_past


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_with_past(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (59, "now"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_399, "23 h"), (86_400, "1 d"),
     (59 * 86_400, "59 d"), (61 * 86_400, "2 mon"), (3 * 31_557_600, "3 y"), (-5, "now")],
)  # fmt: skip
def test_ages(seconds: int, text: str) -> None:
    now = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    then = (now - datetime.timedelta(seconds=seconds)).isoformat()
    assert describe.age(then, now) == text


def test_markdown_is_readable() -> None:
    text = "# Title\n\nOne *two*\nthree `code`.\n\n- item [link](http://x.y)\n  goes on\n1. first\n\n```\n# no title\n```\n"
    lines = [each.text for each in markdown.lines(text)]
    assert lines == [
        "Title", "", "One two three code.", "", "  - item link (http://x.y) goes on", "  1. first", "",
        "    # no title",
    ]  # fmt: skip


@given(st.text(max_size=300))
def test_markdown_takes_any_text(text: str) -> None:
    for each in markdown.lines(text):
        assert "\n" not in each.text


def test_a_dump_of_bytes() -> None:
    assert dump(b"A\x1b[31m" + bytes(12)).split("\n") == [
        "000000  41 1b 5b 33 31 6d 00 00 00 00 00 00 00 00 00 00  A.[31m..........",
        "000010  00 00" + " " * 42 + "  ..",
    ]


def test_comparisons_in_a_process_beside_are_those_of_the_services(study: Study) -> None:
    queries = Queries()
    assert queries.begin().ask(study.services, Status(study.master.id)) == study.services.changes.status(
        study.master.id
    )
    newest, oldest = (StateRef(study.master.id, s.id) for s in study.services.snapshots.list(study.master.id))
    assert queries.begin().ask(study.services, Compare(oldest, newest)) == study.services.changes.diff(
        oldest, newest
    )
    freed = study.services.snapshots.freed_by([newest.snapshot or ""])
    assert queries.begin().ask(study.services, Freed([newest.snapshot or ""])) == freed


def test_errors_come_back_as_they_are(study: Study) -> None:
    with pytest.raises(NuvError) as caught:
        Queries().begin().ask(study.services, Compare(None, StateRef("f" * 16)))
    assert caught.value.exit_code == Exit.NOT_FOUND
    assert "No instance" in caught.value.title


def test_a_new_question_ends_the_one_before_even_where_that_begins_later(study: Study) -> None:
    queries = Queries()
    first = queries.begin()
    second = queries.begin()
    with pytest.raises(NuvError, match="No answer came"):
        first.ask(study.services, Status(study.master.id))
    assert second.ask(study.services, Status(study.master.id)).files
