"""What is taken of an environment and the Python it was made of: venv, conda prefix, installation."""

import os
import re
from collections.abc import Iterable

from nuvtui.errors import Exit, NuvError
from nuvtui.images.host.collector import CaptureRules, Collector, runs_python
from nuvtui.images.host.files import head_of, is_elf, names_in
from nuvtui.images.host.interpreter import Interpreter, base_programs, installed
from nuvtui.images.host.notes import shown, some
from nuvtui.model.export import Excluded

_WORKSPACE_SIGNS = frozenset({".git", ".hg", ".svn", ".nuvtui", "pyproject.toml", "setup.py", "setup.cfg"})
_VENV_PARTS = frozenset({"bin", "lib", "lib64", "include", "share", "etc", "pyvenv.cfg"})
_PYTHON_NAME = re.compile(r"python(?:\d+(?:\.\d+)?[a-z]?)?")


def take_venv(collector: Collector, root: str, real: str, settings: dict[str, str]) -> Interpreter:
    """A virtual environment and the Python that it was made of. Raises NuvError (exit code 6)."""
    program = _program(root)
    if not program:
        raise _refused(
            root,
            "expected bin/python3 in it that leads to a Python program; found "
            + _leads(f"{root}/bin/python3"),
        )
    base = os.path.realpath(program)
    home = settings.get("home", "")
    if base.startswith(f"{real}/"):
        # A venv with copies: the program is in it, the standard library is where its settings say.
        base = next((path for path in base_programs(settings) if is_elf(path)), "")
        if not base:
            raise _refused(
                root, f"expected the Python it was made of in {shown(home) or 'home'}; it is not there"
            )
    wanted = settings.get("version") or settings.get("version_info") or ""
    found = installed(program, os.path.realpath(base), ".".join(wanted.split(".")[:2]))
    if found is None:
        raise _refused(root, f"expected Python's standard library beside {shown(base)}; it is not there")
    packages = settings.get("include-system-site-packages", "").lower() == "true"
    collector.place(root, collector.environment)
    only = _VENV_PARTS if _WORKSPACE_SIGNS.intersection(names_in(real)) else None
    collector.take(real, collector.environment, CaptureRules(only=only))
    take_installation(collector, found, packages, apart=real)
    # The standard library is searched for by way of `home`, which may lead through links of its own.
    if home.startswith("/"):
        collector.place(home, collector.runtime)
    if packages:
        _personal_packages(collector, found)
    return found


def take_conda(collector: Collector, root: str, real: str) -> Interpreter:
    """A conda prefix, which has a Python of its own. Raises NuvError (exit code 6)."""
    program = _program(root)
    if not program:
        raise _refused(root, "expected a conda prefix with Python in it; found one without bin/python3")
    found = installed(program, os.path.realpath(program), "")
    if found is None:
        raise _refused(root, "expected Python's standard library in the conda prefix; it is not there")
    collector.place(root, collector.environment)
    collector.take(real, collector.environment, _prefix_rules(found, real, packages=True, apart=""))
    scripts = names_in(f"{real}/etc/conda/activate.d")
    if scripts:
        collector.notes.warn(
            "The image does not activate the conda environment: set under `variables` what these would set: "
            + some([shown(name) for name in scripts])
        )
    return found


def take_installation(collector: Collector, found: Interpreter, packages: bool, apart: str) -> None:
    """Interpreter and standard library; `apart`: an environment in the prefix that is taken by itself."""
    if not found.shared:
        collector.take(found.prefix, collector.runtime, _prefix_rules(found, found.prefix, packages, apart))
    base = os.path.dirname(found.real)
    for name in names_in(base):
        if _PYTHON_NAME.fullmatch(name) and os.path.realpath(f"{base}/{name}") == found.real:
            collector.place(f"{base}/{name}", collector.runtime)
    for folder in found.standard:
        if collector.inside(folder):
            continue
        skipped = {} if packages else _unused({"site-packages", "dist-packages"}, found)
        collector.take(folder, collector.runtime, CaptureRules(skipped=skipped, standard=("",)))
    if packages and found.shared:
        _system_packages(collector, found)


def _system_packages(collector: Collector, found: Interpreter) -> None:
    """Packages outside the standard library's folder that an interpreter of the system uses."""
    versioned = f"python{found.version}"
    prefixes = dict.fromkeys([found.prefix, "/usr/local"] if found.prefix == "/usr" else [found.prefix])
    for prefix in prefixes:
        for folder in (
            "lib/python3/dist-packages",
            *(
                f"{lib}/{versioned}/{kind}"
                for lib in ("lib", "lib64")
                for kind in ("dist-packages", "site-packages")
            ),
        ):
            real = os.path.realpath(f"{prefix}/{folder}")
            if os.path.isdir(real) and not collector.inside(real):
                collector.place(f"{prefix}/{folder}", collector.runtime)
                collector.take(real, collector.runtime, CaptureRules())
        for name in names_in(f"{prefix}/bin"):
            path = os.path.realpath(f"{prefix}/bin/{name}")
            if path.startswith(f"{prefix}/") and os.path.isfile(path) and runs_python(head_of(path, 256)):
                collector.place(f"{prefix}/bin/{name}", collector.runtime)
    _personal_packages(collector, found)


def _personal_packages(collector: Collector, found: Interpreter) -> None:
    folder = os.path.expanduser(f"~/.local/lib/python{found.version}/site-packages")
    if names_in(folder):
        collector.notes.warn(
            f"Packages in the personal folder {shown(folder)} are used here and are not in the image: "
            "install them in an environment"
        )
        collector.notes.left_out(shown(folder), "personal")


def _unused(folders: Iterable[str], found: Interpreter) -> dict[str, Excluded]:
    said = Excluded(
        f"packages of the base Python in {shown(found.prefix)}", "the environment does not use them"
    )
    return dict.fromkeys(folders, said)


def _prefix_rules(found: Interpreter, root: str, packages: bool, apart: str) -> CaptureRules:
    """What is left out of a prefix that is Python's own. `apart`: an environment that is taken by itself."""
    standard = tuple(folder[len(root) + 1 :] for folder in found.standard if folder.startswith(f"{root}/"))
    skipped = {
        "pkgs": Excluded(f"{shown(root)}/pkgs", "conda's package cache"),
        "envs": Excluded(f"{shown(root)}/envs", "other environments"),
        "conda-bld": Excluded(f"{shown(root)}/conda-bld", "conda's build folder"),
        "conda-meta/history": Excluded("conda-meta/history", "commands that were typed"),
    }
    if not packages:
        skipped |= _unused([f"{folder}/site-packages" for folder in standard], found)
    if apart.startswith(f"{root}/"):
        skipped[apart[len(root) + 1 :]] = Excluded(shown(apart), "is in the image as the environment")
    conda = os.path.isdir(f"{root}/conda-meta")
    return CaptureRules(skipped=skipped, standard=standard, scripts=packages, conda=conda)


def no_environment(root: str, real: str) -> NuvError:
    """The error for a folder that is neither: it says what it seems to be."""
    if not os.path.isdir(real):
        return _refused(root, "expected the folder of a venv or a conda prefix; there is no such folder")
    names = names_in(real)
    if any(os.path.isfile(f"{real}/{name}/DESCRIPTION") for name in names):
        return NuvError(
            f"The environment {shown(root)} cannot be taken into an image",
            "expected a venv or a conda prefix; found an R library, whose R is no part of it",
            "Set `image` to a base image with R, such as rocker/r-ver, and list the packages under packages.cran",
            Exit.REFUSED,
        )
    return _refused(root, "expected a venv (pyvenv.cfg) or a conda prefix (conda-meta); found neither")


def _refused(folder: str, found: str) -> NuvError:
    return NuvError(
        f"The environment {shown(folder)} cannot be taken into an image",
        found,
        "Make it anew with `python3 -m venv`, or set `image` to a base image and list the packages",
        Exit.REFUSED,
    )


def _program(root: str) -> str:
    """The Python program of an environment; empty: there is none."""
    programs = (f"{root}/bin/{name}" for name in ("python3", "python"))
    return next((program for program in programs if is_elf(program)), "")


def _leads(path: str) -> str:
    if os.path.islink(path):
        return f"a link to {shown(os.path.realpath(path))}"
    return "something else" if os.path.lexists(path) else "none"
