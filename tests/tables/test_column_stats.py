"""How the values of columns are spread."""

from pathlib import Path

from nuvtui.paths import Workspace
from nuvtui.tables.database import Tables


def test_numbers_dates_and_words(tmp_path: Path) -> None:
    rows = "\n".join(f"{n},2024-01-{1 + n % 28:02},{'a' if n % 4 else 'b'}," for n in range(100))
    (tmp_path / "t.csv").write_text(f"n,day,word,none\n{rows}\n")
    workspace = Workspace(tmp_path)
    tables = Tables(workspace)
    tables.import_file(tmp_path / "t.csv")
    n, day, word, none = tables.column_stats("t")
    assert (n.rows, n.nulls, n.min, n.max) == (100, 0, "0", "99")
    assert sum(n.bins) == 100
    assert max(n.bins) - min(n.bins) <= 1
    assert sum(day.bins) == 100
    assert (day.min, day.max) == ("2024-01-01", "2024-01-28")
    assert word.top == [("a", 75), ("b", 25)]
    assert (none.nulls, none.bins, none.top) == (100, [], [])


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    import duckdb

    tables = Tables(Workspace(tmp_path))
    tables.path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(tables.path)) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT unnest(['nan'::DOUBLE, 'inf'::DOUBLE, 1, 2, NULL]) AS d, [1] AS l, "
            "'it''s ' || chr(27) AS s, 5 AS same, 1e300 AS big"
        )
    d, nested, s, same, big = tables.column_stats("t")
    assert (d.nulls, sum(d.bins)) == (1, 2)
    assert nested.distinct is None
    assert s.top == [("it's \x1b", 5)]
    assert sum(same.bins) == 5
    assert sum(big.bins) == 5
