"""Importing and describing tables from the command line."""

import json
from pathlib import Path

import pytest

from nuvtui.paths import Home
from tests.support.cli import Nuvtui


@pytest.fixture
def study(tmp_path: Path, home: Home) -> Nuvtui:
    """The command line in the workspace of a new space."""
    folder = tmp_path / "study"
    folder.mkdir()
    nuvtui = Nuvtui(folder)
    nuvtui.run("init")
    return nuvtui


def test_several_files_each_wholly_or_not_at_all(study: Nuvtui) -> None:
    for name, text in (("a", "x\n1\n"), ("b", "x,y\n1,2\n3\n"), ("c", "x\n2\n")):
        (study.folder / f"{name}.csv").write_text(text)
    done = study.run("tables", "import", "a.csv", "b.csv", "c.csv", "-f", "json", code=1)

    results = json.loads(done.stdout)
    assert [result.get("name") for result in results] == ["a", None, "c"]
    assert results[1]["file"] == "b.csv"
    assert "line 3" in results[1]["error"]["message"]
    assert "1 of 3 files" in done.stderr
    assert [table["name"] for table in study.json("tables", "list")] == ["a", "c"]
    (study.folder / "a.tsv").write_text("x\n1\n")
    for wrong in (["a.csv", "a.tsv"], ["a.csv", "c.csv", "-n", "one"], []):
        assert study.run("tables", "import", *wrong, code=2).stdout == ""


def test_a_dry_run_shows_what_would_be_and_changes_nothing(study: Nuvtui) -> None:
    (study.folder / "m.csv").write_text("id;mass;day\n" + "".join(f"{i};NA;03/04/2020\n" for i in range(12)))
    shown = study.json("tables", "import", "m.csv", "--dry-run")
    assert shown["dry_run"] is True
    assert shown["dialect"]["delimiter"] == ";"
    assert (shown["rows"], len(shown["sample"])) == (12, 10)
    assert [doubt["column"] for doubt in shown["doubts"]] == ["day"]
    assert study.json("tables", "list") == []
    said = study.run("tables", "import", "m.csv", "--dry-run", "--dates", "%d/%m/%Y", "--types", "id=VARCHAR")
    assert "2020-04-03" in said.stdout
    assert "Would be table m: 12 rows" in said.stderr
    typed = study.json(
        *("tables", "import", "m.csv", "--null", "NA", "--dates", "%d/%m/%Y", "--types", "id=VARCHAR")
    )
    assert [column["type"] for column in typed["columns"]] == ["VARCHAR", "VARCHAR", "DATE"]
    assert typed.keys() == shown.keys()


def test_doubts_are_told_and_options_heard(study: Nuvtui) -> None:
    (study.folder / "t.txt").write_text("# made\na::b\n1::x\n# more\n2::y\n")
    study.run("tables", "import", "t.txt", "--delimiter", "::", code=1)
    report = study.json("tables", "import", "t.txt", "--delimiter", "::", "--comment", "#")
    assert (report["rows"], report["dialect"]["comment"]) == (2, "#")
    (study.folder / "v.csv").write_text("v\n1.5\n1.50\n")
    assert "warning: column 'v' stays text: '1.50' in line 3" in study.run("tables", "import", "v.csv").stderr
    assert study.run("tables", "import", "v.csv", "--types", "v", code=2).stdout == ""
    assert study.run("tables", "import", "v.csv", "--replace", "--sheet", "One", code=2).stdout == ""


def test_names_of_columns_are_shown_as_they_are(study: Nuvtui) -> None:
    (study.folder / "n.csv").write_text("caseId,Größe#\n1,2\n")
    study.run("tables", "import", "n.csv")
    for words in (("preview", "n"), ("query", "FROM n")):
        assert study.run("tables", *words).stdout.splitlines()[0].split() == ["caseId", "Größe#"]


def test_descriptions_are_kept_shown_and_exported(study: Nuvtui) -> None:
    (study.folder / "p.csv").write_text("id,mass\n1,2.5\n")
    study.run("tables", "import", "p.csv")
    study.run("tables", "describe", "p", "Penguins, it's 2020")
    study.run("tables", "describe", "p", "--column", "MASS", "Body mass in g;\nweighed")
    assert study.json("tables", "describe", "p") == {
        "table": "p",
        "description": "Penguins, it's 2020",
        "columns": {"mass": "Body mass in g;\nweighed"},
    }
    assert study.json("tables", "list")[0]["description"] == "Penguins, it's 2020"
    assert [c["description"] for c in study.json("tables", "columns", "p")] == [
        "",
        "Body mass in g;\nweighed",
    ]
    assert "Body mass" in study.run("tables", "columns", "p").stdout
    assert "out.codebook.csv" in study.run("tables", "export", "p", "out.csv").stderr
    assert (study.folder / "out.codebook.csv").read_text() == (
        'column,type,description\n,,"Penguins, it\'s 2020"\nid,BIGINT,\nmass,DOUBLE,"Body mass in g;\nweighed"\n'
    )
    (study.folder / "mine.codebook.csv").write_text("my own notes\n")
    study.run("tables", "export", "p", "mine.parquet", code=5)
    assert (study.folder / "mine.codebook.csv").read_text() == "my own notes\n"
    assert not (study.folder / "mine.parquet").exists()
    study.run("tables", "describe", "p", "")
    study.run("tables", "describe", "p", "-c", "mass", "")
    assert study.json("tables", "describe", "p")["columns"] == {}
    study.run("tables", "describe", "p", "-c", "none", "x", code=3)
    study.run("tables", "describe", "q", "x", code=3)
