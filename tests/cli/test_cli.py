"""The command line as programs and people meet it: exit codes, one JSON value, talk on stderr, never a traceback."""

import json
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nuvtui.bootstrap import open_services
from nuvtui.config import Settings
from nuvtui.model.export import ExportRecord
from nuvtui.model.roles import Role
from nuvtui.paths import Home
from tests.support.cli import NUVTUI, Nuvtui
from tests.support.terminal import Terminal

SNAPSHOT_KEYS = {"id", "name", "kind", "created", "author", "description", "files", "tables", "applications",
                 "stored_bytes"}  # fmt: skip
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture
def study(tmp_path: Path, home: Home) -> Nuvtui:
    """The command line in the workspace of a new space `study`."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "README.md").write_text("# A study\n")
    (folder / "data.csv").write_text("id,name\n1,one\n2,two\n")
    nuvtui = Nuvtui(folder)
    nuvtui.run("init")
    return nuvtui


def test_preserve_and_share_with_every_promised_key(study: Nuvtui, tmp_path: Path) -> None:
    study.run("tables", "import", "data.csv", "-n", "visits")
    study.run("apps", "new", "demo", "--template", "script")
    first = study.json(
        "snapshots", "create", "-n", "raw-data-as-received", "-d", "As is.", "--next", "Clean."
    )
    assert first.keys() >= SNAPSHOT_KEYS
    assert first["files"].keys() >= {"count", "bytes"}
    assert first["tables"] == [{"name": "visits", "rows": 2}]
    assert first["applications"] == ["demo"]
    (study.folder / "README.md").write_text("# Changed\n")
    status = study.json("status")
    assert [(f["path"], f["change"]) for f in status["files"]] == [("README.md", "changed")]
    listed = study.json("snapshots", "list")
    assert [s["id"] for s in listed] == [first["id"]]
    shown = study.json("snapshots", "show", "raw-data-as-received")
    assert shown.keys() >= SNAPSHOT_KEYS | {"provenance"}
    assert study.run("snapshots", "cat", first["id"][:6], "README.md").stdout == "# A study\n"
    files = study.json("snapshots", "files", first["id"])
    assert {f["path"] for f in files} == {"README.md", "data.csv"}
    assert "-# A study" in study.json("snapshots", "diff", first["id"], "--text", "README.md")
    study.run("instances", "create", "reviewer", "--path", tmp_path / "reviewer")
    assert (
        study.json("stage", "add", "--files", "README.md", "--tables", "visits")["items"][0]["name"]
        == "README.md"
    )
    plan = study.json("distribution", "distribute", "--targets", "reviewer", "--dry-run")
    assert plan[0]["files"]["created"] == ["README.md"]
    assert not (tmp_path / "reviewer" / "README.md").exists()
    done = study.json("distribution", "distribute", "--targets", "reviewer,Distributed", "--message", "look")
    assert done.keys() >= {"id", "targets", "strategies", "status"}
    assert done["status"] == "completed"
    assert done["targets"][0].keys() >= {"instance", "created", "replaced", "removed", "kept"}
    assert (done["targets"][0]["created"], (tmp_path / "reviewer" / "README.md").read_text()) == (
        2,
        "# Changed\n",
    )
    restored = study.json("snapshots", "restore", "raw-data-as-received", "--yes")
    assert (study.folder / "README.md").read_text() == "# A study\n"
    study.run("snapshots", "restore", restored["backup"], "--yes")
    assert (study.folder / "README.md").read_text() == "# Changed\n"
    recalled = study.json("distribution", "recall", done["id"][:6], "--yes")
    assert recalled["status"] == "recalled"
    assert not (tmp_path / "reviewer" / "README.md").exists()


def test_every_listing_is_one_json_value_also_when_empty(study: Nuvtui) -> None:
    for command in (
        ["spaces", "list"], ["instances", "list"], ["members", "list"], ["snapshots", "list"], ["tables", "list"],
        ["apps", "list"], ["stage", "list"], ["distribution", "list"], ["exports", "list"], ["tasks", "list"],
        ["store", "info"], ["store", "check"], ["store", "gc"], ["store", "repair"], ["doctor"], ["status"],
    ):  # fmt: skip
        done = study.run(*command, "-f", "json")
        json.loads(done.stdout)
        assert "Traceback" not in done.stderr, command
        study.run(*command, "-f", "yaml")
        study.run(*command)


def test_data_is_on_stdout_and_talk_on_stderr(study: Nuvtui) -> None:
    quick = study.run("snapshots", "create")
    assert re.fullmatch("[0-9a-f]{16}\n", quick.stdout)
    assert "Quick snapshot" in quick.stderr
    hinted = study.run("snapshots", "create", "-n", "backup 2")
    assert "paper-revision-2-data" in hinted.stderr
    as_json = study.run("snapshots", "create", "-f", "json")
    assert as_json.stderr == ""
    assert json.loads(as_json.stdout)["kind"] == "quick"


def test_exit_codes(study: Nuvtui, tmp_path: Path) -> None:
    study.run("snapshots", "create", "-n", "good-name")
    study.run("--no-such-option", code=2)
    study.run("snapshots", "no-such-command", code=2)
    study.run("snapshots", "create", "-n", "x" * 300, code=2)
    study.run("distribution", "distribute", "--targets", "x", "--files-strategy", "no", code=2)
    study.run("snapshots", "show", "nothing", code=3)
    study.run("-h")
    study.at(tmp_path).run("status", code=3)
    study.run("tasks", "get", "ffffffff", code=3)
    study.run("init", code=5)
    study.run("snapshots", "delete", "good-name", code=6)  # not confirmed
    study.run("distribution", "distribute", "--targets", "Distributed", code=6)  # nothing staged
    study.run("exports", "create", "nothing", code=3)
    study.run("instances", "delete", "Master", "--yes", code=6)
    study.run("snapshots", "delete", "good-name", "--yes")
    assert study.json("snapshots", "list") == []


def test_snapshots_are_filtered_by_words_and_terms(study: Nuvtui) -> None:
    first = study.json("snapshots", "create", "-n", "raw-data", "-d", "As received.")
    (study.folder / "README.md").write_text("# Changed\n")
    study.run("snapshots", "restore", "raw-data", "--yes")

    def names(text: str) -> list[str]:
        return [s["name"] or s["cause"] for s in study.json("snapshots", "list", "--filter", text)]

    cause = f"before restore of snapshot {first['id'][:8]} (raw-data)"
    assert names("received") == ["raw-data"]
    assert names("raw") == [cause, "raw-data"]
    assert names("kind:restored after:1h") == [cause]
    assert names("name:raw before:1h") == []
    refused = study.run("snapshots", "list", "--filter", "colour:red", code=2)
    assert "There is no term colour:" in refused.stderr
    assert refused.stdout == ""


def test_a_refused_role_is_exit_4_and_names_both_roles(study: Nuvtui, home: Home, tmp_path: Path) -> None:
    """The store as another user had made it: this user is an observer."""
    services = open_services(Settings(home=str(home.root)), "daemon")
    location = services.spaces.init(tmp_path / "theirs", "theirs")
    me = pwd.getpwuid(os.geteuid()).pw_name
    services.members.set(location.space.id, me, Role.OBSERVER)
    there = study.at(tmp_path / "theirs")
    for command in (
        ["status"],
        ["snapshots", "list"],
        ["snapshots", "create"],
        ["members", "set", me, "editor"],
    ):
        done = there.run(*command, code=4)
        assert f"{me} has the role observer" in done.stderr
        assert re.search("needs the role (instance viewer|instance editor|space administrator)", done.stderr)
        assert done.stdout == ""


def test_without_an_engine_the_export_ends_at_once(study: Nuvtui) -> None:
    study.run("apps", "new", "demo", "--template", "script")
    done = study.run("exports", "create", "demo", "--engine", "docker", code=6)
    assert "DOCKER_HOST" in done.stderr
    assert "no-engine.sock" in done.stderr
    (record,) = study.json("exports", "list", "--all")
    assert record.keys() >= {"id", "status", "application", "snapshot", "engine", "image", "digest", "size",
                             "with_files", "archive", "excluded", "warnings"}  # fmt: skip
    assert record["status"] == "failed"
    assert study.json("exports", "list") == []
    assert study.run("exports", "logs", record["id"]).stdout == ""
    study.run("exports", "run-command", record["id"], code=6)
    study.run("exports", "cancel", record["id"], code=5)
    findings = study.json("doctor")
    assert any(f["subject"] == "engine" and f["level"] != "note" for f in findings)


def test_a_run_command_says_what_has_to_come_before_it(study: Nuvtui, home: Home) -> None:
    services = open_services(Settings(home=str(home.root)))
    location = services.spaces.locate(study.folder)
    assert location is not None
    with services.context.state.transaction() as tx:
        tx.exports.put(
            ExportRecord(
                id="e" * 16,
                space=location.space.id,
                instance=location.instance.id,
                application="demo",
                snapshot=None,
                name="demo",
                author="ada",
                created="2026-01-01T00:00:00+00:00",
                status="completed",
                engine="oci",
                image="registry.test/demo:1",
                with_files=False,
                run_command="docker run --rm registry.test/demo:1",
            )
        )
    done = study.run("exports", "run-command", "demo")
    assert done.stdout == "docker run --rm registry.test/demo:1\n"
    assert "nuvtui exports archive eeeeeeee FILE, then docker load -i FILE" in done.stderr
    assert "First" in study.run("exports", "show", "demo").stdout


def test_detach_prints_the_task_and_attach_its_result(study: Nuvtui) -> None:
    task = study.run("snapshots", "create", "-n", "in-the-background", "--detach").stdout.strip()
    assert re.fullmatch("[0-9a-f]{16}", task)
    result = study.json("tasks", "attach", task)
    assert result["name"] == "in-the-background"
    view = study.json("tasks", "get", task[:8])
    assert (view["status"], view["id"]) == ("COMPLETED", task)
    assert [t["id"] for t in study.json("tasks", "list")] == [task]
    ended = study.run("tasks", "cancel", task)
    assert "ended already" in ended.stderr
    as_json = study.json("snapshots", "create", "--detach")
    study.run("tasks", "attach", as_json["task"])
    assert len(study.json("snapshots", "list")) == 2


def test_a_failed_task_is_told_with_its_own_exit_code(study: Nuvtui) -> None:
    (study.folder / "twice.csv").write_text("a,b\n1,2\n")
    study.run("tables", "import", "twice.csv")
    task = study.run("tables", "import", "twice.csv", "--detach").stdout.strip()
    attached = study.run("tasks", "attach", task, code=5)
    study.run("tables", "import", "twice.csv", code=5)
    assert "twice" in attached.stderr
    assert study.json("tasks", "get", task)["status"] == "FAILED"
    assert "twice" in study.run("tasks", "get", task).stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["snapshots", "create", "-n", "two\nlines"], 2),
        (["tables", "import", "nothing.csv"], 3),
        (["tables", "import", "README.md"], 2),
        (["tables", "import", "numbers.csv", "-n", " "], 2),
        (["exports", "create", "unknown"], 3),
        (["distribution", "distribute", "--targets", "Distributed"], 6),
    ],
)
def test_what_is_refused_before_a_task_exists_leaves_none(study: Nuvtui, words: list[str], code: int) -> None:
    (study.folder / "numbers.csv").write_text("a,b\n1,2\n")
    before = study.json("tasks", "list")
    assert study.run(*words, code=code).stderr
    assert study.json("tasks", "list") == before


def test_commands_are_held_to_the_digest_of_their_dry_run(study: Nuvtui, tmp_path: Path) -> None:
    study.run("instances", "create", "held", "--path", tmp_path / "held")
    study.run("stage", "add", "--files", "README.md")
    share = ("distribution", "distribute", "--targets", "held")
    (planned,) = study.json(*share, "--dry-run")
    (tmp_path / "held" / "meanwhile.txt").write_text("mine")
    refused = study.run(*share, "--plan", planned["plan"], code=5)
    assert "held changed since the dry run" in refused.stderr
    (planned,) = study.json(*share, "--dry-run")
    study.run(*share, "--plan", planned["plan"])
    taken = study.json("snapshots", "create", "-n", "held-to")["id"]
    back = ("snapshots", "restore", taken)
    plan = study.json(*back, "--dry-run")["plan"]
    (study.folder / "meanwhile.txt").write_text("mine")
    assert "changed since the dry run" in study.run(*back, "--yes", "--plan", plan, code=5).stderr
    assert (study.folder / "meanwhile.txt").exists()
    plan = study.json(*back, "--dry-run")["plan"]
    study.run(*back, "--yes", "--plan", plan)
    assert not (study.folder / "meanwhile.txt").exists()
    delete = ("snapshots", "delete", taken)
    plan = study.json(*delete, "--dry-run")["plan"]
    study.run("snapshots", "rename", taken, "held-dear")
    study.run(*delete, "--yes", "--plan", plan, code=5)
    plan = study.json(*delete, "--dry-run")["plan"]
    study.run(*delete, "--yes", "--plan", plan)


def test_a_partly_failed_distribution_prints_what_became_of_each_target(
    study: Nuvtui, tmp_path: Path
) -> None:
    for name in ("one", "gone"):
        study.run("instances", "create", name, "--path", tmp_path / name)
    (tmp_path / "gone").rename(tmp_path / "moved")
    study.run("stage", "add", "--files", "README.md")
    done = study.run("distribution", "distribute", "--targets", "one,gone", "-f", "json", code=1)
    value = json.loads(done.stdout)
    assert value["status"] == "partial"
    assert [t["status"] for t in value["targets"]] == ["completed", "failed"]
    assert "1 of 2 targets" in done.stderr
    shown = study.run("distribution", "distribute", "--targets", "gone", code=1)
    assert "study/gone: failed" in shown.stdout


HOSTILE = "evil\x1b[31m\x1b]0;pwned\x07\u202e\udcff"


def test_hostile_names_reach_the_terminal_harmless(study: Nuvtui) -> None:
    (study.folder / HOSTILE).write_bytes(b"x\x1b[2Jy")
    with duckdb.connect(str(study.folder / ".nuvtui" / "tables.duckdb")) as database:
        database.execute('create table "bad\x1b[31m" as select \'\x1b]0;x\x07\' as "c\x1b[1m"')
    demo = study.folder / ".nuvtui" / "apps" / "demo.yaml"
    demo.write_text('name: "a\\e[31mb"\nkind: script\nimage: host\ncommand: [x]\n')
    created = study.run("snapshots", "create", "-d", "line\x1b[31m")
    identifier = created.stdout.strip()
    (study.folder / HOSTILE).write_bytes(b"z\x1b[2Jy")
    study.run("stage", "add", "--files", HOSTILE)
    for command in (
        ["status"], ["snapshots", "list"], ["snapshots", "show", identifier], ["snapshots", "files", identifier],
        ["snapshots", "diff", identifier], ["snapshots", "diff", identifier, "--text", HOSTILE], ["tables", "list"],
        ["tables", "preview", "bad\x1b[31m"], ["tables", "columns", "bad\x1b[31m"], ["apps", "list"],
        ["apps", "show", "demo"], ["stage", "list"], ["spaces", "list"], ["tasks", "list"],
        ["distribution", "distribute", "--targets", "Distributed", "--dry-run"],
    ):  # fmt: skip
        done = study.run(*command)
        assert not CONTROLS.search(done.stdout + done.stderr), command
        # JSON carries everything: escaped, and one value.
        json.loads(study.run(*command, "-f", "json").stdout)
    refused = study.run("snapshots", "show", HOSTILE, code=3)
    assert not CONTROLS.search(refused.stderr)


def test_store_repair_brings_a_lost_state_back(study: Nuvtui, home: Home, tmp_path: Path) -> None:
    study.run("instances", "create", "reviewer", "--path", tmp_path / "reviewer")
    (tmp_path / "reviewer" / "a.txt").write_text("a")
    first = study.json("snapshots", "create", "-n", "first-vintage")
    other = study.at(tmp_path / "reviewer").json("snapshots", "create", "-n", "their-vintage")
    for file in home.root.glob("state.json*"):
        file.unlink()
    study.run("status", code=3)
    dry = study.json("store", "repair", "--dry-run")
    assert len(dry["state"]["snapshots_added"]) == 2
    study.run("status", code=3)
    repaired = study.json("store", "repair")
    assert sorted(repaired["state"]["snapshots_added"]) == sorted([first["id"], other["id"]])
    assert [s["name"] for s in study.json("snapshots", "list")] == ["first-vintage"]
    assert [s["name"] for s in study.json("snapshots", "list", "-i", "reviewer")] == ["their-vintage"]
    assert {i["name"] for i in study.json("instances", "list")} == {"Master", "reviewer", "Distributed"}
    assert study.json("status")["files"] == []
    (study.folder / "README.md").write_text("x")
    study.run("snapshots", "restore", "first-vintage", "--yes")
    assert (study.folder / "README.md").read_text() == "# A study\n"
    study.run("stage", "add", "--files", "README.md")
    study.run("distribution", "distribute", "--targets", "Distributed")
    assert study.json("store", "repair")["state"]["snapshots_added"] == []


def test_repair_of_two_spaces_keeps_them_apart(study: Nuvtui, home: Home, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = study.at(tmp_path / "second")
    second.run("init")
    study.run("snapshots", "create", "-n", "of-the-first")
    second.run("snapshots", "create", "-n", "of-the-second")
    for file in home.root.glob("state.json*"):
        file.unlink()
    study.run("store", "repair")
    assert [s["name"] for s in study.json("snapshots", "list")] == ["of-the-first"]
    assert [s["name"] for s in second.json("snapshots", "list")] == ["of-the-second"]


def test_damage_is_found_and_named(study: Nuvtui, home: Home) -> None:
    (study.folder / "big.bin").write_bytes(os.urandom(100_000))  # the middle of the pack is content
    record = study.json("snapshots", "create")
    study.run("store", "check", "--read-data")
    (pack,) = [p for p in home.packs.rglob("*") if p.is_file()]
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    done = study.run("store", "check", "--read-data", "-f", "json", code=1)
    problems = json.loads(done.stdout)["problems"]
    assert any(record["id"] in problem["snapshots"] for problem in problems)


def test_settings_that_are_not_expected_are_named(study: Nuvtui, tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "nuvtui").mkdir(parents=True)
    file = config / "nuvtui" / "config.yaml"
    environment = {"XDG_CONFIG_HOME": str(config)}
    configured = Nuvtui(study.folder, environment)
    for text, words in (
        ("colour: red\n", ["colour", "theme"]),
        ("engine: rocket\n", ["engine", "rocket"]),
        ("engine_timeout: soon\n", ["engine_timeout", "float"]),
        ("- a\n- b\n", ["mapping", "list"]),
        ("a: [\n", ["YAML"]),
    ):
        file.write_text(text)
        done = configured.run("status", code=2)
        assert str(file) in done.stderr
        for word in words:
            assert word in done.stderr
        assert "Traceback" not in done.stderr
    file.unlink()
    done = Nuvtui(study.folder, {"NUVTUI_ENGINE_TIMEOUT": "soon"}).run("status", code=2)
    assert "NUVTUI_ENGINE_TIMEOUT" in done.stderr


def test_a_reader_that_goes_away_is_no_error(study: Nuvtui) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {NUVTUI} snapshots files current -r | head -c 1"],
        cwd=study.folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_defect_is_a_sentence_with_a_log(study: Nuvtui, home: Home) -> None:
    broken = home.root / "snapshots"
    study.run("snapshots", "create")
    for file in broken.iterdir():
        file.chmod(0o600)
        file.write_text("{}")
    done = study.run("snapshots", "show", study.json("snapshots", "list")[0]["id"], code=1)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--version"], ["click", "textual", "rich", "docker", "duckdb", "tinydb", "msgspec"]),
        (["-h"], ["textual", "docker", "duckdb", "tinydb", "nuvtui.services", "yaml"]),
        (["snapshots", "-h"], ["textual", "docker", "duckdb", "tinydb", "yaml"]),
        (
            ["snapshots", "list"],
            ["textual", "docker", "duckdb", "tinydb", "yaml", "zstandard", "pathspec", "requests"],
        ),
        (["snapshots", "create"], ["textual", "docker", "duckdb", "requests", "yaml"]),
        (["status"], ["textual", "docker", "tinydb", "requests", "zstandard"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) and len(value) < 3 else "",
)
def test_nothing_heavy_is_imported_before_it_is_needed(
    study: Nuvtui, arguments: list[str], absent: list[str]
) -> None:
    study.run("snapshots", "create")
    program = (
        "import sys, json, atexit\n"
        "from nuvtui.__main__ import main\n"
        "sys.argv[1:] = json.loads(sys.argv[1])\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=open('modules', 'w')))\n"
        "main()\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)],
        cwd=study.folder,
        capture_output=True,
        timeout=120,
    )
    loaded = set(json.loads((study.folder / "modules").read_text()))
    assert loaded & set(absent) == set()


def test_the_state_file_and_tasks_are_private(study: Nuvtui, home: Home) -> None:
    study.run("snapshots", "create")
    wide: list[Any] = [
        (path, oct(path.stat().st_mode))
        for path in [home.root, *home.root.rglob("*")]
        if path.stat().st_mode & 0o077 and "workspaces" not in path.parts
    ]
    assert wide == []


def test_descriptions_and_changes_of_tables_are_shown(study: Nuvtui) -> None:
    study.run("tables", "import", "data.csv", "-n", "visits")
    assert "DESCRIPTION" not in study.run("tables", "list").stdout
    study.run("snapshots", "create", "-n", "raw-data-as-received")
    with duckdb.connect(str(study.folder / ".nuvtui" / "tables.duckdb")) as database:
        database.execute("COMMENT ON TABLE visits IS 'Of \x1b[31m2026'")
        database.execute("COMMENT ON COLUMN visits.name IS 'Who came'")
        database.execute("INSERT INTO visits VALUES (3, 'three'), (4, 'four')")
    shown = study.run("tables", "list").stdout
    assert "DESCRIPTION" in shown
    assert "\x1b" not in shown
    assert "Who came" in study.run("tables", "columns", "visits").stdout
    assert study.json("tables", "columns", "visits")[1]["description"] == "Who came"
    status = study.run("status").stdout
    assert "~ table visits  (2 → 4 rows, +2 -0, description of column name, description)" in status
    (change,) = study.json("status")["tables"]
    assert (change["rows_added"], change["described"]) == (2, ["name"])
    assert "; files +0 ~0 -0, tables +0 ~1 -0; " in study.run("snapshots", "create", "-n", "two-more").stderr
    assert "tables +0 ~1 -0" in study.run("snapshots", "list").stdout


def test_the_history_of_files_and_tables(study: Nuvtui) -> None:
    study.run("tables", "import", "data.csv", "-n", "visits")
    first = study.json("snapshots", "create", "-n", "raw-data-as-received")
    (study.folder / "data.csv").write_text("id,name\n1,one\n")
    second = study.json("snapshots", "create", "-n", "one-visit-less")
    found = study.json("snapshots", "history", "data.csv")
    assert [(v["change"], v["first"], v["snapshots"]) for v in found["versions"]] == [
        ("changed", second["id"], 1),
        ("added", first["id"], 1),
    ]
    assert found["versions"][0]["current"] is True
    table = study.json("snapshots", "history", "--table", "visits")
    assert [(v["change"], v["rows"], v["snapshots"]) for v in table["versions"]] == [("added", 2, 2)]
    assert "one-visit-less" in study.run("snapshots", "history", "data.csv").stdout
    assert study.run("snapshots", "history", "no-such", code=3).stdout == ""
    assert study.run("snapshots", "history", code=2).stdout == ""
    spread = study.json("tables", "columns", "visits", "--distribution")
    assert [column["distinct"] for column in spread] == [2, 2]
    assert sum(spread[0]["bins"]) == 2


def test_at_a_terminal_a_restore_asks_and_elsewhere_it_is_refused(study: Nuvtui) -> None:
    study.run("snapshots", "create", "-n", "as-received")
    file = study.folder / "README.md"
    file.write_text("not preserved yet\n")
    said = study.run("snapshots", "restore", "as-received", code=6).stderr
    assert "--yes" in said
    assert file.read_text() == "not preserved yet\n"
    for answer, code, expected in (("n", 6, "not preserved yet\n"), ("y", 0, "# A study\n")):
        terminal = Terminal([NUVTUI, "snapshots", "restore", "as-received"], folder=study.folder)
        try:
            terminal.wait_for("Go on?")
            terminal.send(answer, "enter")
            assert terminal.wait_end() == code
        finally:
            terminal.close()
        assert file.read_text() == expected
