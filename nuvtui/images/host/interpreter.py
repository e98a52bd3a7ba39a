"""Pythons that are installed here: which one `python3` means, and what belongs to the installation of one."""

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from nuvtui.errors import Exit, NuvError
from nuvtui.images.host import elf
from nuvtui.images.host.files import is_elf, names_in, read_small
from nuvtui.images.host.notes import Notes, shown, some
from nuvtui.images.host.trees import open_plain

_ARCHITECTURES = {
    ("EM_X86_64", 64, True): "amd64",
    ("EM_386", 32, True): "386",
    ("EM_AARCH64", 64, True): "arm64",
    ("EM_ARM", 32, True): "arm",
    ("EM_PPC64", 64, True): "ppc64le",
    ("EM_S390", 64, False): "s390x",
    ("EM_RISCV", 64, True): "riscv64",
    ("EM_LOONGARCH", 64, True): "loong64",
}
_PERSONAL_FOLDERS = ("/home", "/root")


class Interpreter(NamedTuple):
    """A Python installation."""

    program: str
    """As it is started: absolute, a link perhaps."""
    real: str
    """The program file."""
    prefix: str
    version: str
    """`3.12`."""
    standard: list[str]
    """Folders of the standard library, absolute and real."""
    shared: bool
    """True where other things are installed in the same prefix: only Python's parts of it are taken."""


def on_path(notes: Notes) -> Interpreter:
    """The Python that `python3` means here."""
    own = {sys.prefix, os.path.realpath(sys.prefix)} if sys.prefix != sys.base_prefix else set()
    folders = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/")]
    passed: list[str] = []
    for folder in [*folders, f"{sys.base_prefix}/bin"]:
        program = f"{folder.rstrip('/')}/python3"
        if not os.path.isfile(program) or os.path.dirname(folder.rstrip("/")) in own:
            continue
        found = None
        if is_elf(program):
            home = (venv_settings(f"{os.path.dirname(folder.rstrip('/'))}/pyvenv.cfg") or {}).get("home")
            found = installed(program, os.path.realpath(program), "")
            if home and found is None:
                # A venv with copies; it is looked into again as an environment.
                found = Interpreter(program, program, "", "", [], False)
        if found is not None:
            if passed:
                notes.warn(
                    f"{some(passed)} is a script and no Python program; {shown(program)} was taken. "
                    "Name an environment to take another"
                )
            return found
        passed.append(shown(program))
    raise NuvError(
        "No Python to take into the image",
        "expected a Python program named python3 on PATH; found none",
        "Name a venv or conda prefix as `environment`, or set `image` to a base image",
        Exit.REFUSED,
    )


def venv_settings(path: str) -> dict[str, str] | None:
    """`pyvenv.cfg`; None: there is none."""
    if not os.path.isfile(path):
        return None
    found = {}
    for line in read_small(os.path.realpath(path)).decode("utf-8", "surrogateescape").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip().lower()] = value.strip()
    return found


def base_programs(settings: dict[str, str]) -> Iterator[str]:
    """Where the Python of a venv with copies may be, best first."""
    yield settings.get("executable", "")
    yield settings.get("base-executable", "")
    home = settings.get("home", "")
    version = ".".join((settings.get("version") or settings.get("version_info") or "3").split(".")[:2])
    yield from (f"{home}/python{version}", f"{home}/python3", f"{home}/python")


def installed(program: str, real: str, version: str) -> Interpreter | None:
    """The installation that the program file `real` belongs to; None: no standard library is beside it."""
    prefix = os.path.dirname(os.path.dirname(real)) or "/"
    if prefix == "/":
        prefix = "/usr"
    named = re.fullmatch(r"python(\d+\.\d+)[a-z]?", os.path.basename(real))
    wanted = named.group(1) if named else version
    standard: dict[str, list[str]] = {}
    for lib in ("lib", "lib64"):
        for name in names_in(f"{prefix}/{lib}"):
            folder = f"{prefix}/{lib}/{name}"
            match = re.fullmatch(r"python(\d+\.\d+)[a-z]?", name)
            if match and any(os.path.exists(f"{folder}/{mark}") for mark in ("os.py", "lib-dynload")):
                known = standard.setdefault(match.group(1), [])
                if os.path.realpath(folder) not in known:
                    known.append(os.path.realpath(folder))
    if not wanted and len(standard) == 1:
        wanted = next(iter(standard))
    if wanted not in standard:
        return None
    return Interpreter(program, real, prefix, wanted, standard[wanted], _is_shared(prefix))


def _is_shared(prefix: str) -> bool:
    """True where a prefix is not Python's alone, so that taking all of it would take what is none of it."""
    home = os.path.realpath(os.path.expanduser("~"))
    if prefix in ("/usr", "/usr/local", "/opt", home, f"{home}/.local"):
        return True
    return any(other == prefix or other.startswith(f"{prefix}/") for other in (home, *_PERSONAL_FOLDERS))


def homes() -> set[str]:
    """The folders that are somebody's home, or hold homes."""
    found = {*_PERSONAL_FOLDERS, os.path.expanduser("~"), os.path.realpath(os.path.expanduser("~"))}
    found |= {os.path.realpath(folder) for folder in _PERSONAL_FOLDERS}
    return found - {"/", "/usr", ""}


def environment_of(program: str) -> str | None:
    """The environment that a program on PATH belongs to."""
    root = os.path.dirname(os.path.dirname(program))
    if os.path.isfile(f"{root}/pyvenv.cfg") or os.path.isdir(f"{root}/conda-meta"):
        return root
    return None


def architecture_of(program: str) -> str:
    """The processor of a program, as OCI names it. Raises NuvError (exit code 6) where it is unknown."""
    try:
        with open_plain(program) as file:
            facts = elf.read(file)
    except OSError:
        facts = None
    name = _ARCHITECTURES.get((facts.machine, facts.elf_class, facts.little)) if facts else None
    if name is None:
        raise NuvError(
            "The Python of this machine cannot be taken into an image",
            f"expected a Linux program for a known processor in {shown(program)}; found "
            + (facts.machine if facts else "none"),
            "Set `image` to a base image",
            Exit.REFUSED,
        )
    return name
