"""Policies on the command line: what a run takes, pushes, deletes and runs; how a schedule is installed and removed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Nuvtui
from tests.support.waiting import wait_until

CRONTAB = """#!/bin/sh
# The part of crontab that matters: one file, no line without an end.
file="$CRONTAB_FILE"
case "$1" in
-l) [ -f "$file" ] || { echo "no crontab for $USER" >&2; exit 1; }; cat "$file" ;;
-r) rm "$file" ;;
-) cat > "$file.new" && mv "$file.new" "$file" ;;
esac
"""


SYSTEMCTL = """#!/bin/sh
# Says what it was asked, and refuses to enable where a file says so.
echo "$@" >> "$SYSTEMCTL_LOG"
[ "$2" = enable ] && [ -e "$SYSTEMCTL_LOG.refuse" ] && { echo "Unit is masked." >&2; exit 1; }
exit 0
"""


@pytest.fixture
def study(tmp_path: Path) -> Nuvtui:
    """A study with one named snapshot; a crontab of its own."""
    folder, programs = tmp_path / "study", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (programs / "crontab").write_text(CRONTAB)
    (programs / "crontab").chmod(0o755)
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    nuvtui = Nuvtui(
        folder,
        {
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path / "config 100%"),
            "NUVTUI_HOME": str(tmp_path / "store"),
            "NUVTUI_REMOTE_PATIENCE": "0s",
            "SYSTEMCTL_LOG": str(tmp_path / "systemctl.log"),
            "CRONTAB_FILE": str(tmp_path / "crontab"),
            "PATH": f"{programs}:{os.environ['PATH']}",
        },
    )
    (folder / "README.md").write_text("# A study\n")
    nuvtui.run("init", "--space", "Penguins")
    nuvtui.run("snapshots", "create", "-n", "raw-data")
    return nuvtui


def kinds(study: Nuvtui) -> list[str]:
    return [each["kind"] for each in study.json("snapshots", "list")]


def test_a_run_takes_a_snapshot_only_where_something_changed(study: Nuvtui) -> None:
    assert "has no policy" in study.run("policy", "run", code=3).stderr
    study.run("policy", "set", "--schedule", "daily 02:00")
    done = study.json("policy", "run")
    assert (done["outcome"], done["problems"], done["deleted"]) == ("unchanged", [], [])
    assert "nothing changed since" in study.run("policy", "run").stderr
    assert kinds(study) == ["named"]
    (study.folder / "README.md").write_text("# A study, changed\n")
    assert study.json("policy", "run", "--dry-run")["would_take"] is True
    assert kinds(study) == ["named"]
    done = study.json("policy", "run")
    assert (done["outcome"], kinds(study)) == ("taken", ["automatic", "named"])
    shown = study.json("policy", "show")
    assert (shown["last"]["snapshot"], shown["schedule"], shown["installed"]) == (
        done["snapshot"],
        "daily 02:00",
        None,
    )
    assert "by the policy" in study.run("snapshots", "list").stdout


def test_what_no_rule_keeps_is_shown_then_goes(study: Nuvtui) -> None:
    for number in range(4):
        (study.folder / "data.csv").write_text(f"{number}\n")
        study.run("snapshots", "create")
    ids = [each["id"] for each in study.json("snapshots", "list")]
    shown = study.json("policy", "set", "--keep-last", "2", "--kind", "quick")
    assert shown["would_delete"] == ids[2:4]
    assert [each["kept_by"] for each in shown["snapshots"]] == [
        ["newest", "last"],
        ["last"],
        [],
        [],
        ["named"],
    ]
    assert "goes" in study.run("policy", "show").stdout
    # Without a word nothing goes.
    assert "Not confirmed" in study.run("policy", "run", code=6).stderr
    assert "changed since the dry run" in study.run("policy", "run", "--plan", "0" * 16, code=5).stderr
    assert len(kinds(study)) == 5
    plan = study.json("policy", "run", "--dry-run")["plan"]
    done = study.json("policy", "run", "--plan", plan)
    assert sorted(done["deleted"]) == sorted(ids[2:4])
    assert [each["id"] for each in study.json("snapshots", "list")] == [*ids[:2], ids[4]]
    assert study.json("policy", "run", "--yes")["deleted"] == []


def test_hooks_run_around_and_their_failure_is_told(study: Nuvtui, tmp_path: Path) -> None:
    study.run(
        "policy", "set", "--before", "echo raw >> README.md; pwd",
        "--after", f'printf "%s %s" "$NUVTUI_OUTCOME" "$NUVTUI_SNAPSHOT" > {tmp_path}/after',
    )  # fmt: skip
    done = study.json("policy", "run")
    assert (done["outcome"], done["hooks"][0]["output"]) == ("taken", [str(study.folder)])
    assert (tmp_path / "after").read_text() == f"taken {done['snapshot']}"
    (tmp_path / "after").unlink()

    study.run("policy", "set", "--before", "printf 'no\\033[31m disk\\n' >&2; exit 7")
    failed = study.run("policy", "run", "-f", "json", code=1)
    done = json.loads(failed.stdout)
    assert (done["outcome"], done["snapshot"], done["hooks"][0]["exit_code"]) == ("", "", 7)
    assert done["hooks"][0]["output"] == ["no disk"]
    assert "the hook before ended with exit code 7: no disk; nothing else was done" in failed.stderr
    assert kinds(study) == ["automatic", "named"]
    assert not (tmp_path / "after").exists()
    assert [task["status"] for task in study.json("tasks", "list") if task["kind"] == "policy"] == [
        "FAILED",
        "COMPLETED",
    ]

    study.run("policy", "set", "--before", "", "--after", "exit 3")
    (study.folder / "README.md").write_text("again\n")
    failed = study.run("policy", "run", "-f", "json", code=1)
    assert json.loads(failed.stdout)["outcome"] == "taken"
    assert "exit code 3" in study.run("policy", "show").stdout


def test_a_hook_that_takes_too_long_is_ended_with_what_it_started(study: Nuvtui, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    study.run(
        "policy",
        "set",
        "--hook-limit",
        "3",
        "--before",
        f"yes | head -c 3000000; (sleep 600; touch {mark}) & sleep 600",
    )
    done = json.loads(study.run("policy", "run", "-f", "json", code=1).stdout)
    hook = done["hooks"][0]
    assert (hook["exit_code"], hook["problem"]) == (None, "was stopped: it took longer than 3 s")
    assert len(hook["output"]) == 20
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert f"touch {mark}" not in running


def test_a_hook_that_another_account_wrote_does_not_run(study: Nuvtui, tmp_path: Path) -> None:
    study.run("policy", "set", "--before", f"touch {tmp_path}/ran")
    other = Nuvtui(study.folder, study.environment | {"XDG_CONFIG_HOME": str(tmp_path / "another")})
    assert "is not yours" in other.run("policy", "run", code=6).stderr
    assert not (tmp_path / "ran").exists()
    # What another one sets beside it approves nothing.
    other.run("policy", "set", "--schedule", "every 6h")
    assert "is not yours" in other.run("policy", "run", code=6).stderr


def test_a_run_pushes(study: Nuvtui, tmp_path: Path) -> None:
    assert "nowhere" in study.run("policy", "set", "--push", "nowhere", code=3).stderr
    study.run("remotes", "add", "lab", tmp_path / "remote")
    study.run("snapshots", "create")
    study.run("policy", "set", "--push", "lab", "--keep-last", "1")
    (study.folder / "README.md").write_text("changed\n")
    done = study.json("policy", "run", "--yes")
    assert [(each["remote"], each["problem"]) for each in done["pushed"]] == [("lab", "")]
    assert [each["id"] for each in done["pushed"][0]["snapshots"]] == [done["snapshot"]]
    # Where the remote is not there: told, and nothing is deleted in that run.
    shutil.move(tmp_path / "remote", tmp_path / "away")
    (study.folder / "README.md").write_text("changed again\n")
    before = len(kinds(study))
    failed = study.run("policy", "run", "--yes", "-f", "json", code=1)
    done = json.loads(failed.stdout)
    assert (done["outcome"], done["deleted"], len(kinds(study))) == ("taken", [], before + 1)
    assert "was not pushed to lab" in failed.stderr
    shutil.move(tmp_path / "away", tmp_path / "remote")
    done = study.json("policy", "run", "--yes")
    assert (done["outcome"], len(done["pushed"][0]["snapshots"]), len(done["deleted"])) == ("unchanged", 1, 1)


@pytest.mark.parametrize(
    "others",
    [None, b"", b'MAILTO=""\n# \xff mine\n\n0 1 * * * date +\\%F\n', b"0 1 * * * no-newline-at-the-end"],
)
def test_the_crontab_of_others_stays_byte_for_byte(study: Nuvtui, others: bytes | None) -> None:
    file = Path(study.environment["CRONTAB_FILE"])
    if others is not None:
        file.write_bytes(others)
    study.run("policy", "set", "--schedule", "every 6h")
    shown = study.json("policy", "install", "--with", "crontab", "--dry-run")
    assert shown["installed"] is False
    assert (file.read_bytes() if file.exists() else None) == others
    study.run("policy", "install", "--with", "crontab", code=6)
    study.run("policy", "install", "--with", "crontab", "--yes")
    assert file.read_bytes() == shown["files"]["crontab"].encode() + (others or b"")
    assert study.json("policy", "show")["installed"]["where"] == "crontab"
    # Again, with another schedule: in its place.
    study.run("policy", "set", "--schedule", "daily 02:05")
    study.run("policy", "install", "--with", "crontab", "--yes")
    assert file.read_bytes().endswith(others or b"")
    lines = [
        each for each in file.read_text("latin-1").splitlines() if "policy run" in each and each[0] != "#"
    ]
    assert [each.split()[:5] for each in lines] == [["5", "2", "*", "*", "*"]]
    # What stands there is what cron would run: a % is not the end of it.
    command = lines[0].split(maxsplit=5)[5].replace("\\%", "%")
    (study.folder / "README.md").write_text("scheduled\n")
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd="/", capture_output=True, text=True,
        env={"HOME": study.environment["HOME"], "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert kinds(study) == ["automatic", "named"]
    study.run("policy", "remove", "--yes", "--schedule-only")
    assert (file.read_bytes() if file.exists() else b"") == (others or b"")
    assert study.json("policy", "show")["installed"] is None
    study.run("policy", "remove", "--yes")
    study.run("policy", "show", code=3)


def test_a_timer_of_systemd_is_written_enabled_and_removed(study: Nuvtui, tmp_path: Path) -> None:
    units = Path(study.environment["XDG_CONFIG_HOME"]) / "systemd" / "user"
    units.mkdir(parents=True)
    (units / "mine.timer").write_text("[Timer]\n")
    log = tmp_path / "systemctl.log"
    study.run("policy", "set", "--schedule", "weekly sun 03:30")
    assert "Not confirmed" in study.run("policy", "install", code=6).stderr
    assert [each.name for each in units.iterdir()] == ["mine.timer"]
    # One that systemd does not take leaves nothing.
    (tmp_path / "systemctl.log.refuse").touch()
    assert "Unit is masked" in study.run("policy", "install", "--yes", code=1).stderr
    assert [each.name for each in units.iterdir()] == ["mine.timer"]
    assert study.json("policy", "show")["installed"] is None
    (tmp_path / "systemctl.log.refuse").unlink()
    log.unlink()
    shown = study.json("policy", "install", "--yes")
    timer = next(each for each in units.iterdir() if each.suffix == ".timer" and each.name != "mine.timer")
    assert {str(each): each.read_text() for each in units.iterdir() if each.name != "mine.timer"} == shown[
        "files"
    ]
    assert f"--user enable --now {timer.name}" in log.read_text().splitlines()
    study.run("policy", "remove", "--yes")
    assert [each.name for each in units.iterdir()] == ["mine.timer"]
    assert f"--user disable --now {timer.name}" in log.read_text().splitlines()


def test_a_viewer_sees_a_policy_and_changes_nothing(study: Nuvtui, tmp_path: Path) -> None:
    study.run("policy", "set", "--schedule", "every 6h", "--before", f"touch {tmp_path}/ran")
    script = f"""
from nuvtui.bootstrap import open_services
from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.model.roles import Role
settings = Settings(home={str(tmp_path / "store")!r})
mine = open_services(settings)
space = mine.spaces.find("Penguins").id
instance = mine.instances.find(space, "Master").id
mine.members.set(space, "daemon", Role.VIEWER, instance)
theirs = open_services(settings, "daemon").policies
print(theirs.get(instance).schedule.text)
for call in (
    lambda: theirs.set(instance, schedule=None), lambda: theirs.remove(instance),
    lambda: theirs.installation(instance, "crontab"), lambda: theirs.check_run(instance),
):
    try:
        call()
    except NuvError as error:
        print(int(error.exit_code))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **study.environment},
    )
    assert ran.stdout.split("\n")[:5] == ["every 6h", "4", "4", "4", "4"], ran.stderr
    assert not (tmp_path / "ran").exists()


def test_a_block_that_was_changed_by_hand_is_left(study: Nuvtui) -> None:
    file = Path(study.environment["CRONTAB_FILE"])
    study.run("policy", "set", "--schedule", "every 6h")
    study.run("policy", "install", "--with", "crontab", "--yes")
    damaged = b"".join(file.read_bytes().splitlines(keepends=True)[:-1]) + b"0 1 * * * mine\n"
    file.write_bytes(damaged)
    assert "crontab -e" in study.run("policy", "remove", "--yes", code=5).stderr
    assert file.read_bytes() == damaged
    study.run("policy", "show")


def test_deleting_the_space_removes_its_schedule(study: Nuvtui) -> None:
    file = Path(study.environment["CRONTAB_FILE"])
    file.write_bytes(b"0 1 * * * mine\n")
    study.run("policy", "set", "--schedule", "every 6h")
    study.run("policy", "install", "--with", "crontab", "--yes")
    study.run("spaces", "delete", "Penguins", "--yes")
    assert file.read_bytes() == b"0 1 * * * mine\n"


def test_missed_runs_are_told(study: Nuvtui, tmp_path: Path) -> None:
    study.run("policy", "set", "--schedule", "every 6h")
    study.run("policy", "install", "--with", "crontab", "--yes")
    assert "Missed" not in study.run("status").stderr
    backdate(tmp_path / "store", days=2)
    # The newest may be due so lately that it still counts as about to begin.
    assert re.search("Missed: [78] runs of the policy of Penguins/Master", study.run("status").stderr)
    assert study.json("policy", "show")["missed"] in (7, 8)
    study.run("policy", "run")
    assert "Missed" not in study.run("status").stderr


def backdate(home: Path, days: int) -> None:
    """As if the schedule had been installed so long ago."""
    script = f"""
import datetime, msgspec
from pathlib import Path
from nuvtui.catalog.catalog import Catalog
from nuvtui.paths import Home
with Catalog(Home(Path({str(home)!r}))).transaction() as tx:
    for policy in tx.policies.all():
        at = datetime.datetime.fromisoformat(policy.installed.at) - datetime.timedelta(days={days})
        old = msgspec.structs.replace(policy.installed, at=at.isoformat(timespec="microseconds"))
        tx.policies.put(msgspec.structs.replace(policy, installed=old))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("when", ["every 1h", "every 6h", "daily 02:05", "weekly sun 03:30"])
def test_systemd_takes_the_units(study: Nuvtui, tmp_path: Path, when: str) -> None:
    study.run("policy", "set", "--schedule", when)
    shown = study.json("policy", "install", "--with", "systemd", "--dry-run")
    folder = tmp_path / "units"
    folder.mkdir()
    for path, text in shown["files"].items():
        (folder / Path(path).name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, folder.iterdir())], capture_output=True, text=True
    )
    ours = [line for line in checked.stderr.splitlines() if "nuvtui-policy" in line]
    assert ours == []
    calendar = next(
        line.partition("=")[2]
        for text in shown["files"].values()
        for line in text.splitlines()
        if "OnCalendar" in line
    )
    assert subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True).returncode == 0


def test_a_run_that_is_cancelled_ends_its_hook(study: Nuvtui, tmp_path: Path) -> None:
    started = tmp_path / "started"
    study.run("policy", "set", "--before", f"touch {started}; sleep 600")
    task = study.json("policy", "run", "--detach")["task"]
    wait_until(started.exists, "the hook")
    study.run("tasks", "cancel", task)
    study.run("tasks", "attach", task, code=130)
    last = study.json("policy", "show")["last"]
    assert (last["outcome"], last["problems"], bool(last["finished"])) == ("", ["it was cancelled"], True)
    assert kinds(study) == ["named"]
