"""The proof of an import in its two ways: in one statement where every value gives its text back, else with care."""

from pathlib import Path

import duckdb
import pytest

from nuvtui.model.snapshot import Column
from nuvtui.model.table_import import ImportReport
from nuvtui.paths import Workspace
from nuvtui.reporter import Silent
from nuvtui.tables import proof
from nuvtui.tables.database import Tables
from tests.tables.helpers import dump

ROWS = 130_000
"""More than DuckDB holds in one group of rows: the doubt comes when a part of the table is written already."""
LATE = {
    "a decimal": ("1.5", "DOUBLE"),
    "a word": ("unknown", "VARCHAR"),
    "a zero before": ("007", "VARCHAR"),
    "a space before": (" 7", "VARCHAR"),
    "a power of ten": ("1e2", "VARCHAR"),
    "nothing between quotes": ('""', "BIGINT"),
}


def clean(path: Path, last: str = "") -> Path:
    """A file whose values all give their texts back, up to `last` in the first column of one more row."""
    rows = [f"{at},2020-01-01 00:00:{at % 60:02},{at % 7 or ''},{at % 100 / 8:g}" for at in range(ROWS)]
    more = [f"{last},2020-01-01 00:00:00,1,0.5"] if last else []
    path.write_text("\n".join(["id,at,missing,value", *rows, *more]) + "\n")
    return path


def careless(*_args: object, **_options: object) -> None:
    """In place of the careful way."""
    raise AssertionError("the careful way was taken")


def doubting(*_args: object, **_options: object) -> None:
    """In place of the quick way."""
    raise proof.DoubtError


def test_a_clean_file_is_proven_in_one_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(name: str) -> tuple[ImportReport, object]:
        workspace = Workspace(tmp_path / name)
        return Tables(workspace).import_file(file, "t"), dump(workspace.tables)

    file = clean(tmp_path / "a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(proof, "prove", careless)
        report, held = imported("quick")
    assert report.rows == ROWS
    assert report.columns == [
        Column("id", "BIGINT"),
        Column("at", "TIMESTAMP"),
        Column("missing", "BIGINT"),
        Column("value", "DOUBLE"),
    ]
    # Whole numbers among the others: written otherwise, and told, without another way to read them.
    assert [(each.column, each.value, each.written) for each in report.rewritten] == [("value", "0", "0.0")]
    assert report.rewritten[0].count == sum(at % 100 % 8 == 0 for at in range(ROWS))
    monkeypatch.setattr(proof, "prove_at_once", doubting)
    assert imported("careful") == (report, held)


@pytest.mark.parametrize("doubt", LATE)
def test_a_doubt_in_the_last_row_is_met_with_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doubt: str
) -> None:
    def imported(name: str) -> tuple[ImportReport, object, int]:
        workspace = Workspace(tmp_path / name)
        report = Tables(workspace).import_file(file, "t")
        return report, dump(workspace.tables), workspace.tables.stat().st_size

    text, kind = LATE[doubt]
    file = clean(tmp_path / "a.csv", text)
    report, held, size = imported("both")
    assert (report.rows, report.columns[0]) == (ROWS + 1, Column("id", kind))
    if kind == "BIGINT":
        (rewritten,) = [each for each in report.rewritten if each.column == "id"]
        assert (rewritten.count, rewritten.line, rewritten.written) == (1, ROWS + 2, None)
    elif kind == "VARCHAR":
        assert [(each.column, each.line, each.value) for each in report.doubts] == [("id", ROWS + 2, text)]
    monkeypatch.setattr(proof, "prove_at_once", doubting)
    alone, same, alone_size = imported("careful")
    assert (report, held) == (alone, same)
    # The file does not keep the room of what was given up.
    assert size < 2 * alone_size


def test_what_was_there_stays_where_a_doubt_turns_into_an_error(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    tables = Tables(workspace)
    tables.import_file(clean(tmp_path / "a.csv"), "t")
    before = dump(workspace.tables)
    broken = clean(tmp_path / "b.csv", "1.5")
    with open(broken, "a") as file:
        file.write("1,2,3\n")
    with pytest.raises(Exception, match="differs in its number of fields"):
        tables.import_file(broken, "t", replace=True)
    assert dump(workspace.tables) == before


def test_no_value_that_is_asked_for_passes_unproven(tmp_path: Path) -> None:
    """The filter of the quick way is no condition that a row could fail in silence."""
    with duckdb.connect() as connection:
        for text in ("1", "01", "x", None):
            given = "NULL" if text is None else f"'{text}'"
            source = f"(SELECT {given}::VARCHAR AS a)"
            choice = proof.TypeChoice("BIGINT")
            connection.execute("BEGIN")
            if text in ("1", None):
                proof.prove_at_once(connection, "t", source, [("a", choice)], Silent())
                assert connection.execute("SELECT count(*), max(a) FROM t").fetchall() == [
                    (1, text and int(text))
                ]
            else:
                with pytest.raises(proof.DoubtError):
                    proof.prove_at_once(connection, "t", source, [("a", choice)], Silent())
            connection.execute("ROLLBACK")
