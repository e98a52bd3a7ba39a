"""The layers hold: import contracts, what started processes load, nothing of a machine in the sources."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import package_index
from tests.support.fixtures import REPOSITORY

BIN = Path(sys.executable).parent
ENGINES_AND_DATABASES = {"docker", "tinydb", "duckdb", "oras", "requests", "detect_secrets", "elftools"}


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def loaded(code: str) -> set[str]:
    """Top-level names of all modules that a new process has loaded after `code`."""
    report = "import sys; sys.stderr.write('\\n' + ' '.join(sorted({n.split('.')[0] for n in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rsplit("\n", 1)[-1].split())


RUN = """
import sys
from nuvtui.__main__ import main
sys.argv = ["nuvtui", *{!r}]
try:
    main()
except SystemExit:
    pass
"""

IMPORT_ALL = """
import importlib, pkgutil
package = importlib.import_module({0!r})
for module in pkgutil.walk_packages(package.__path__, {0!r} + "."):
    importlib.import_module(module.name)
"""


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_version_and_help_load_no_screen_engine_or_database(arguments: list[str]) -> None:
    found = loaded(RUN.format(arguments))
    assert "nuvtui" in found
    assert not found & (ENGINES_AND_DATABASES | {"textual", "rich", "yaml", "blake3", "zstandard"})


def test_the_commands_load_no_screen_engine_or_database() -> None:
    found = loaded(IMPORT_ALL.format("nuvtui.cli"))
    assert "click" in found
    assert not found & (ENGINES_AND_DATABASES | {"textual"})


def test_the_screens_load_no_engine_or_database() -> None:
    found = loaded("import nuvtui.tui.shell.app, nuvtui.bootstrap")
    assert "textual" in found
    assert not found & ENGINES_AND_DATABASES


def test_composing_the_services_loads_no_engine_or_database() -> None:
    found = loaded("from nuvtui.bootstrap import open_services\nopen_services()")
    assert not found & (ENGINES_AND_DATABASES | {"textual"})


def test_the_model_loads_nothing_but_msgspec() -> None:
    code = IMPORT_ALL.format("nuvtui.model")
    third_party = loaded(code) - loaded("pass") - set(sys.stdlib_module_names)
    assert third_party - {"typing_extensions"} == {"nuvtui", "msgspec"}  # msgspec looks for the one left out


# What belongs to one machine has no place in the sources.


def tracked() -> list[Path]:
    """Every file that git tracks here."""
    done = subprocess.run(
        ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [REPOSITORY / name for name in names if (REPOSITORY / name).is_file()]


def machine_words() -> set[bytes]:
    """Folders of this machine, and hosts of the package registries that it is set up with."""
    from pip._internal.models.index import PyPI

    addresses = [PyPI.url, PyPI.file_storage_domain]
    addresses += [value for name, value in package_index().items() if name.endswith("_URL")]
    addresses.append(output([sys.executable, "-m", "pip", "config", "list"]))
    if shutil.which("apt-get"):
        addresses.append(output(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]))
    hosts = {
        host
        for text in addresses
        for host in re.findall(r"(?:://|^)(?:[^/@\s]*@)?([\w-]+(?:\.[\w-]+)+)", text)
    }
    return {host.encode() for host in hosts} | {f"{REPOSITORY}".encode(), f"{sys.base_prefix}/bin".encode()}


def output(command: list[str]) -> str:
    """What `command` prints, as this machine is set up."""
    environment = {**os.environ, **package_index()}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


def test_no_tracked_file_names_a_folder_or_package_registry_of_this_machine() -> None:
    words = {word for word in machine_words() if word not in (b"/usr/bin",)}
    assert words
    found = [
        f"{path.relative_to(REPOSITORY)}: {word.decode()}"
        for path in tracked()
        for word in words
        if word in path.read_bytes()
    ]
    assert not found, "\n".join(found)


def test_every_tracked_module_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(REPOSITORY).as_posix()
        for path in tracked()
        if path.suffix == ".py"
        and path.stat().st_size
        and not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert not silent
