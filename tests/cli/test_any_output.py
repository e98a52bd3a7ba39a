"""Whatever the output goes to: any name can be written to it, and where it takes no more that is told as what it is."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.paths import Home
from tests.support.cli import NUVTUI, Nuvtui

NAMES = [b"data.csv", "日本 ✓ é.txt".encode(), b"caf\xe9", b"new\nline", b"back\\slash", "e\u0301".encode()]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nuvtui, Home]]:
    """A workspace with names of all kinds, of them and in the folder's own; a snapshot; one file changed since."""
    base = tmp_path_factory.mktemp("output")
    folder = base / os.fsdecode(b"caf\xe9 \xe2\x86\x92")
    folder.mkdir()
    home = Home(base / os.fsdecode(b"h\xf6me"))
    nuvtui = Nuvtui(folder, {"NUVTUI_HOME": str(home.root), "LC_ALL": "C.UTF-8"})
    nuvtui.run("init", "--space", "Pinguine ✓ ペンギン")
    for name in NAMES:
        (folder / os.fsdecode(name)).write_text("a\n1\n")
    nuvtui.run("snapshots", "create", "-n", "pré ✓ 日本", "-d", "→ ✓ 日本")
    (folder / "data.csv").write_text("a\n2\n")
    return nuvtui, home


@pytest.fixture(scope="module")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine whose locale is Latin-1."""
    folder = tmp_path_factory.mktemp("locale")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", folder / "de_DE.ISO-8859-1"], capture_output=True
    )
    if not (folder / "de_DE.ISO-8859-1").is_dir():
        pytest.skip(f"needs the package locales: {made.stderr!r}")
    return {"LOCPATH": str(folder), "LC_ALL": "de_DE.ISO-8859-1"}


WHERE = {
    "C": {"LC_ALL": "C"},
    "C, not UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "written as Latin-1": {"PYTHONIOENCODING": "iso-8859-1"},
    "written as ASCII": {"PYTHONIOENCODING": "ascii:strict"},
    "Latin-1": {},
}
COMMANDS = (
    ["status"],
    ["status", "-f", "json"],
    ["snapshots", "list"],
    ["snapshots", "show", "pré ✓ 日本", "-f", "yaml"],
    ["snapshots", "files", "current", "-r"],
    ["snapshots", "files", "pré ✓ 日本", "-r", "-f", "json"],
    ["tasks", "list"],
    ["spaces", "list", "-f", "json"],
    ["snapshots", "show", "日本 gibt es nicht"],
)


@pytest.mark.parametrize("where", WHERE)
def test_every_name_can_be_written(
    study: tuple[Nuvtui, Home], where: str, request: pytest.FixtureRequest
) -> None:
    nuvtui, _ = study
    values = request.getfixturevalue("latin_1") if where == "Latin-1" else WHERE[where]
    there = Nuvtui(nuvtui.folder, {**nuvtui.environment, **values})
    for command in COMMANDS:
        code = 3 if "gibt" in command[-1] else 0
        done = there.run(*command, code=code)
        assert "Traceback" not in done.stderr
        if "-f" in command and "json" in command:
            if where != "C":  # where names are UTF-8 all the same
                assert done.stdout.isascii()
            # The same names, whatever bytes the locale takes them for.
            assert json.loads(done.stdout) == json.loads(nuvtui.run(*command).stdout)


def test_in_another_locale_the_same_files_have_not_changed(
    study: tuple[Nuvtui, Home], latin_1: dict[str, str]
) -> None:
    nuvtui, _ = study
    there = Nuvtui(nuvtui.folder, {**nuvtui.environment, **latin_1})
    assert [each["path"] for each in there.json("status")["files"]] == ["data.csv"]
    there.run("snapshots", "create", "-n", "from-elsewhere", "--detach")


READING = (["snapshots", "files", "current", "-r"], ["tasks", "list", "-f", "json"], ["spaces", "list", "-f", "yaml"],
           ["snapshots", "cat", "current", "data.csv"], ["--help"], ["--version"])  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_full_disk_is_told_as_one(study: tuple[Nuvtui, Home], command: list[str]) -> None:
    nuvtui, home = study
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [NUVTUI, *command], cwd=nuvtui.folder, env={**os.environ, **nuvtui.environment},
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("nuvtui: The output could not be written: No space left on device\n")
    assert len(done.stderr.splitlines()) == 2
    assert not home.log.exists()  # no defect


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_reader_that_is_gone_is_no_error(study: tuple[Nuvtui, Home], command: list[str]) -> None:
    nuvtui, home = study
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [NUVTUI, *command], cwd=nuvtui.folder, env={**os.environ, **nuvtui.environment},
        stdout=writing, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
    assert not home.log.exists()


@pytest.mark.parametrize("gone", ["pipe", "full"])
def test_errors_that_nobody_reads_keep_their_exit_code(study: tuple[Nuvtui, Home], gone: str) -> None:
    nuvtui, _ = study
    if gone == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open("/dev/full", os.O_WRONLY)
    for command, code in (
        (["snapshots", "show", "none"], 3),
        (["snapshots", "create", "-n", f"made-{gone}"], 0),
        (["no"], 2),
    ):
        done = subprocess.run(
            [NUVTUI, *command], cwd=nuvtui.folder, env={**os.environ, **nuvtui.environment},
            stdout=subprocess.PIPE, stderr=writing, text=True,
        )  # fmt: skip
        assert done.returncode == code, command
    os.close(writing)
    assert f"made-{gone}" in [each["name"] for each in nuvtui.json("snapshots", "list")]
