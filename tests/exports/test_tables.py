"""Tables that go along as files: any other DuckDB reads the same rows from the image."""

from pathlib import Path

import duckdb
import pytest

from tests.exports.conftest import Study
from tests.services.helpers import refused
from tests.support.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]

FLOWS = """
    select i as year, i * 1.5 as flow, 'größe, "' || i || '"' as name,
           date '2024-02-29' + i::int as day, case when i % 3 = 0 then null else i end as gap
    from range(1, 2001) t(i)
"""


@pytest.fixture
def project(study: Study, tiny_archive: str) -> Study:
    study.application(tiny_archive, ["/bin/sh", "-c", "ls -l /files/tables"])
    study.world.table("flows", FLOWS)
    study.world.table("odd / name", 'select 1::tinyint as "a | b", [1, 2] as list')
    study.world.table("empty", "select 1 as x where false")
    return study


def unpacked(engine: Engine, image: str, folder: Path) -> Path:
    container = engine.text("create", image, "none")
    try:
        engine.run("cp", f"{container}:/files/tables", str(folder))
    finally:
        engine.run("rm", container)
    return folder


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("builder", ["oci", "docker"])
def test_other_readers_find_the_same_rows(
    project: Study, engine: Engine, form: str, builder: str, tmp_path: Path
) -> None:
    # Through the command line: `all` is a word of its own.
    nuvtui = project.cli(DOCKER_HOST=engine.url)
    export = nuvtui.json(
        "exports", "create", "demo", "--tables", "all", "--tables-format", form, "--engine", builder
    )
    assert sorted(export["tables"]) == ["empty", "flows", "odd / name"]
    assert not any("not in the image" in warning for warning in export["warnings"])
    if builder == "oci":
        nuvtui.run("exports", "archive", export["id"], tmp_path / "image.tar")
        engine.run("load", "--input", str(tmp_path / "image.tar"))
    folder = unpacked(engine, export["image"], tmp_path / "tables")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["README.md", f"flows.{form}", f"empty.{form}", f"odd %2F name.{form}"]
    )
    with duckdb.connect() as database:
        reader = f"read_{form}('{folder}/flows.{form}')"
        found = database.execute(f"select * from {reader} order by year").fetchall()
        expected = database.execute(f"select * from ({FLOWS}) order by year").fetchall()
        assert [tuple(map(str, row)) for row in found] == [tuple(map(str, row)) for row in expected]
        if form == "parquet":
            assert found == expected
            assert database.execute(
                f"select * from read_parquet('{folder}/odd %2F name.parquet')"
            ).fetchall() == [(1, [1, 2])]
        assert database.execute(f"select count(*) from read_{form}('{folder}/empty.{form}')").fetchone() == (
            0,
        )
    readme = (folder / "README.md").read_text()
    assert "## flows" in readme
    assert f"`flows.{form}`, 2,000 rows" in readme
    for name, kind in (("year", "BIGINT"), ("name", "VARCHAR"), ("day", "DATE")):
        assert f"| {name} | {kind} |" in readme
    # The stranger that runs it can read and replace them.
    printed = engine.text("run", "--rm", "--user", "54321:54321", "--network", "none", export["image"])
    assert all(line.startswith("-rw-rw-rw-") for line in printed.splitlines()[1:]), printed
    assert "flows" in nuvtui.run("exports", "report", export["id"]).stdout
    engine.run("rmi", export["image"])


def test_without_being_asked_for_they_stay_and_that_is_said(project: Study, engine: Engine) -> None:
    record = project.export(with_files=True)
    engine.run("load", "--input", str(project.archive(record)))
    inside = engine.files(record.image)
    assert not [path for path in inside if path.endswith((".duckdb", ".parquet")) or "tables" in path]
    report = project.world.services.exports.report(record.id)
    assert "not in the image: empty, flows, odd / name" in report.replace("\\", "")
    assert any("flows" in one.what for one in record.excluded)
    engine.run("rmi", record.image)
    # One of them.
    record = project.export(tables=["flows"])
    assert any("empty, odd / name" in one.what for one in record.excluded)
    with refused(6, "no table nothing"):
        project.export(tables=["nothing"])


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_same_snapshot_gives_the_same_files(project: Study, form: str) -> None:
    """Also made anew, and where a table is large enough to be written by several threads."""
    project.world.table("large", "select i, hash(i) as h, 'row ' || i as t from range(400000) t(i)")
    record = project.export(tables=["large", "empty"], tables_format=form)
    check = project.verify(record, again=True)["rebuild"]
    assert check.status == "passed", check.text
    before = dict(project.layers(record))["tables"]
    project.world.table("large", "select i, hash(i) as h, 'row ' || i as t from range(399999) t(i)")
    later = project.export(tables=["large", "empty"], tables_format=form)
    assert dict(project.layers(later))["tables"] != before
