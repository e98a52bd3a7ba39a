"""What an error says to do works: the commands that it names run, and with what it asks for the work is done.

Each case begins in the same small project. `nuvtui …` between backticks is carried out as it stands, with words in
capitals filled in; what a hint says in other words is `done` by hand. Then `again` has to succeed. Damage to the
store, the state and workspaces is in tests/services/test_way_out.py, imports in tests/tables.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.cli import Nuvtui

COMMAND = re.compile(r"`nuvtui ([^`]+)`")


@dataclass(frozen=True)
class Case:
    """A command that fails, and the way out that its hint names."""

    fails: str
    code: int
    hint: str
    """A part of it, as a pattern."""
    again: str
    """The command that has to succeed at the end."""
    filled: dict[str, str] = field(default_factory=dict)
    """For words in capitals in commands of the hint."""
    done: Callable[[Path], object] = lambda _: None
    """What the hint says besides commands; gets the workspace."""
    commands: Sequence[str] = ()
    """The same, as commands."""
    spoilt: Callable[[Path], object] = lambda _: None
    """What happens first."""
    before: Sequence[str] = ()
    """Commands that prepare the case."""
    afterwards: Callable[[Path], object] = lambda _: None
    """What happens after them."""
    at: str = "."
    """Where its commands run, from the workspace."""


def remove(name: str) -> Callable[[Path], object]:
    """Somebody removes a file of the workspace."""
    return lambda folder: (folder / name).unlink()


STAGED = ("stage clear", "stage add --files a.txt")
CASES = {
    "no such snapshot": Case("snapshots show nope", 3, "There is: one", "snapshots show one"),
    "no such path": Case(
        "snapshots files one nope", 3, "snapshots files [0-9a-f]{8}", "snapshots cat one a.txt"
    ),
    "another table of the name": Case(
        "tables import t.csv", 5, "another name .--name", "tables import t.csv --name t2"
    ),
    "a table to be replaced": Case("tables import t.csv", 5, "--replace", "tables import t.csv --replace"),
    "no such table": Case("tables columns nope", 3, "There is: t", "tables columns t"),
    "a table's new name": Case("tables rename u t", 5, "another name", "tables rename u free"),
    "no such application": Case("apps show nope", 3, "There is: s", "apps show s"),
    "no application": Case(
        "apps show nope -i peer", 3, "apps new", "apps show made", {"SLUG": "made", "KIND": "script"}
    ),
    "another application of the name": Case(
        "apps new s --template script", 5, "another slug, or delete", "apps new s2 --template script"
    ),
    "an application's name": Case(
        "apps new 'A b' --template script", 2, "'a-b'", "apps new a-b --template script"
    ),
    "no such space": Case("instances list -s nope", 3, "There is: study", "instances list -s study"),
    "no such instance": Case("status -i nope", 3, "peer", "status -i peer"),
    "no space here": Case(
        "status",
        3,
        "nuvtui init",
        "status",
        spoilt=lambda folder: (folder.parent / "fresh").mkdir(),
        at="../fresh",
    ),
    "an empty stage": Case(
        "distribution distribute --targets peer",
        6,
        "stage add --all",
        "distribution distribute --targets peer",
        before=("stage clear",),
    ),
    "nothing to take out": Case(
        "stage remove --files a.txt", 3, "stage add --all", "stage list", before=("stage clear",)
    ),
    "another source state": Case(
        "stage add --all -p one", 5, "stage clear", "stage add --all -p one", before=STAGED
    ),
    "another source state, at once": Case(
        "stage add --all -p one", 5, "--replace", "stage add --all -p one --replace", before=STAGED
    ),
    "targets named twice": Case(
        "distribution distribute --targets peer,peer",
        2,
        "each instance once",
        "distribution distribute --targets peer --dry-run",
        before=STAGED,
    ),
    "staged, then gone": Case(
        "distribution distribute --targets peer",
        3,
        "stage remove --files 'short lived.txt'",
        "distribution distribute --targets peer",
        before=(*STAGED, "stage add --files 'short lived.txt'"),
        spoilt=lambda folder: (folder / "short lived.txt").write_text("x"),
        afterwards=remove("short lived.txt"),
    ),
    "a workspace inside another": Case(
        "instances create inner --path sub", 5, "another folder", "instances create inner --path ../inner"
    ),
    "a folder that is a workspace": Case("init", 5, "another folder", "init ../elsewhere --space other"),
    "the demo in a folder of somebody's": Case(
        "demo --headless --dir .",
        5,
        "demo --dir",
        "demo --headless --dir ../demo",
        {"D": "../shown --headless"},
    ),
    "a type without a column": Case(
        "tables import t.csv --name t4 --types BIGINT",
        2,
        "--types id=VARCHAR",
        "tables import t.csv --name t4 --types a=VARCHAR",
    ),
    "a type that there is not": Case(
        "tables import t.csv --name t5 --types a=NUMBERS",
        2,
        "DOUBLE",
        "tables import t.csv --name t5 --types a=DOUBLE",
    ),
    "a name for several files": Case(
        "tables import u.csv v.csv --name x", 2, "Leave --name out", "tables import w.csv v.csv"
    ),
    "an ending that says nothing": Case(
        "tables export t t.foo", 2, "after the format", "tables export t shown.parquet"
    ),
    "no folder for an export": Case(
        "tables export t no/t.csv",
        3,
        "Make the folder",
        "tables export t no/t.csv",
        done=lambda folder: (folder / "no").mkdir(),
    ),
    "a restore without a terminal": Case(
        "snapshots restore one", 6, "Say --yes", "snapshots restore one --yes"
    ),
    "a deletion without a terminal": Case("tables delete u", 6, "Say --yes", "tables delete u --yes"),
    "a query that writes": Case(
        "tables query 'DELETE FROM t'", 2, "tables import", "tables delete t --yes", {"FILE": "w.csv"}
    ),
    "no such member": Case("members remove nobody", 3, "members list", "members list"),
    "no such task": Case("tasks get nope", 3, "tasks list", "tasks list"),
    "findings let pass without a reason": Case(
        "exports create s --dry-run --accept a.txt",
        2,
        "--accept notes.txt='a made-up token",
        "exports create s --engine oci --dry-run --accept a.txt='made up'",
    ),
    "an ignore file that is a folder": Case(
        "status",
        6,
        "remove it",
        "status",
        spoilt=lambda folder: [
            (folder / ".nuvtui" / "ignore").unlink(),
            (folder / ".nuvtui" / "ignore").mkdir(),
        ],
        done=lambda folder: (folder / ".nuvtui" / "ignore").rmdir(),
    ),
    "a setting that there is not": Case(
        "status",
        2,
        "Known keys: .*theme",
        "status",
        spoilt=lambda folder: (folder.parent / "config" / "nuvtui" / "config.yaml").write_text(
            "colour: dark\n"
        ),
        done=lambda folder: (folder.parent / "config" / "nuvtui" / "config.yaml").write_text("theme: dark\n"),
    ),
    "a target that is the source": Case(
        "distribution distribute --targets Master",
        2,
        "Stage from a snapshot",
        "distribution distribute --targets Master",
        before=("stage clear", "stage add --all"),
        commands=("stage clear", "stage add --all -p one"),
    ),
    "no target": Case(
        "distribution distribute --targets ''",
        2,
        "--targets INSTANCE",
        "distribution distribute --targets peer --dry-run",
        before=STAGED,
    ),
    "no such target": Case(
        "distribution distribute --targets nope",
        3,
        "There are: Master, peer",
        "distribution distribute --targets peer --dry-run",
        before=STAGED,
    ),
    "an application staged as a file": Case(
        "stage add --files .nuvtui/apps/s.yaml",
        3,
        "Stage applications and tables by their names",
        "stage add --apps s",
        before=("stage clear",),
    ),
    "an instance that no one can delete alone": Case(
        "instances delete Master --yes",
        6,
        "Delete the whole space",
        "init --space study",
        {"study": "study --yes"},
    ),
    "another instance of the name": Case(
        "instances create peer --path ../more", 5, "another name", "instances create more --path ../more"
    ),
    "another space of the name": Case(
        "init --space study",
        5,
        "another name: .nuvtui init --space NAME",
        "status",
        {"NAME": "other"},
        spoilt=lambda folder: (folder.parent / "fresh").mkdir(),
        at="../fresh",
    ),
    "a project that is not there yet": Case(
        "instances move peer --path ../elsewhere",
        2,
        "Move the project there first",
        "instances move peer --path ../elsewhere",
        done=lambda folder: (folder.parent / "peer").rename(folder.parent / "elsewhere"),
    ),
    "an empty folder in place of a project": Case(
        "instances move peer --path ../elsewhere",
        2,
        "Move the project there first",
        "status -i peer",
        spoilt=lambda folder: (folder.parent / "elsewhere").mkdir(),
        done=lambda folder: [
            (folder.parent / "elsewhere").rmdir(),
            (folder.parent / "peer").rename(folder.parent / "elsewhere"),
        ],
        commands=("instances move peer --path ../elsewhere",),
    ),
    "two files of one name": Case(
        "tables import w.csv sub/w.csv",
        2,
        "one by one with --name",
        "tables import sub/w.csv --name more",
        spoilt=lambda folder: [
            (folder / "sub").mkdir(),
            (folder / "sub" / "w.csv").write_text("a\n1\n"),
        ],
        commands=("tables import w.csv --name some",),
    ),
    "no such column to describe": Case(
        "tables describe t --column zz text", 3, "There is: a, b", "tables describe t --column a text"
    ),
    "no such column to type": Case(
        "tables import v.csv --types zz=DATE", 2, "There are: a, b", "tables import v.csv --types a=DOUBLE"
    ),
    "a value that is not of its type": Case(
        "tables import v.csv --types a=DATE", 2, "--null '1'", "tables import v.csv --types a=DATE --null 1"
    ),
    "an option that is none of the format": Case(
        "tables import v.csv --sheet x", 2, "for csv there are: .*--null", "tables import v.csv --null x"
    ),
    "no such encoding": Case(
        "tables import v.csv --encoding nope",
        2,
        "windows-1252",
        "tables import v.csv --encoding windows-1252",
    ),
    "no such path in a snapshot": Case(
        "snapshots cat one nope", 3, "List its files", "snapshots cat one a.txt"
    ),
    "no such path in any snapshot": Case(
        "snapshots history nope", 3, "relative to the workspace", "snapshots history a.txt"
    ),
    "a difference of what is no text": Case(
        "snapshots diff two --text data",
        6,
        "snapshots cat SNAPSHOT data",
        "snapshots diff one",
        {"SNAPSHOT": "two"},
        before=("snapshots create -n two",),
        spoilt=lambda folder: (folder / "data").write_bytes(b"\0"),
        afterwards=lambda folder: (folder / "data").write_bytes(b"\0\1"),
    ),
    "a workspace that was moved": Case(
        "status -s study",
        6,
        "instances move",
        "status -s study",
        {"DIR": "."},
        spoilt=lambda folder: folder.rename(folder.with_name("moved")),
        at="../moved",
    ),
}


@pytest.fixture
def study(tmp_path: Path) -> Nuvtui:
    """Commands in the workspace of a small project: two instances, a table twice, an application, a snapshot."""
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "config" / "nuvtui").mkdir(parents=True)
    settings = {
        "NUVTUI_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    nuvtui = Nuvtui(folder, settings)
    (folder / "a.txt").write_text("1\n")
    for name in "tuvw":
        (folder / f"{name}.csv").write_text("a,b\n1,2\n")
    nuvtui.run("init", "--space", "study")
    nuvtui.run("apps", "new", "s", "--template", "script")
    nuvtui.run("tables", "import", "t.csv", "u.csv")
    nuvtui.run("instances", "create", "peer", "--path", "../peer")
    nuvtui.run("snapshots", "create", "-n", "one")
    return nuvtui


@pytest.mark.parametrize("name", CASES)
def test_what_an_error_says_to_do_works(study: Nuvtui, name: str) -> None:
    case = CASES[name]
    case.spoilt(study.folder)
    for command in case.before:
        study.run(*shlex.split(command))
    case.afterwards(study.folder)
    at = study.at(study.folder.parent / Path(case.at).name) if case.at != "." else study
    said = at.run(*shlex.split(case.fails), code=case.code).stderr
    assert "Traceback" not in said
    hint = said.partition("\n  ")[2]
    assert re.search(case.hint, hint), said
    for command in COMMAND.findall(hint):
        words = [case.filled.get(word, word) for word in shlex.split(command)]
        at.run(*shlex.split(" ".join(words)) if case.filled else words)
    case.done(at.folder)
    for command in case.commands:
        at.run(*shlex.split(command))
    at.run(*shlex.split(case.again))
