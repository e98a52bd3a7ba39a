"""`image: host`: what an image needs of this machine's own Python, found by reading and never by running it.

Everything keeps its path, so that a virtual environment, its start commands and its links work in the image as
they do here; the image therefore shows these paths. Taken are the environment, its interpreter with the standard
library, all shared libraries that any of them needs (`host.libraries`), the loader, a shell, time zones, the C.UTF-8
locale and the certificate authorities of the distribution. Not taken is what is personal or belongs to the site:
home folders, credentials, the site's own certificate authorities, accounts and name services.

The loader of the image has neither `ld.so.cache` nor the machine's `ld.so.conf`: a library from a folder that
only the configuration names gets a link in the folder of the C library, which the loader searches by itself.

Cost: one walk over the folders; of files that are executable or have `.so` in their name the first bytes are read,
of those that are ELF files the headers (about a millisecond each). Nothing is copied: `HostFile.source` says where
the bytes are.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nuvtui.errors import Exit, NuvError
from nuvtui.images.host.certificates import BUNDLE, certificates
from nuvtui.images.host.collector import Collector
from nuvtui.images.host.environment import no_environment, take_conda, take_installation, take_venv
from nuvtui.images.host.files import HostFile, in_order
from nuvtui.images.host.interpreter import (
    Interpreter,
    architecture_of,
    environment_of,
    on_path,
    venv_settings,
)
from nuvtui.images.host.notes import Notes, shown
from nuvtui.images.host.records import check_records
from nuvtui.images.host.system import add_frame, add_libraries
from nuvtui.model.export import Excluded


@dataclass(frozen=True)
class HostCapture:
    """What an image needs of this machine."""

    runtime: list[HostFile]
    """Interpreter, standard library, shared libraries, certificates and the like; sorted by path, each folder
    before what is in it, no path twice.
    """
    environment: list[HostFile]
    """The environment's own files, in the same order; may be empty. Only folders are also in `runtime`."""
    env: dict[str, str]
    """Variables that the image needs."""
    python: str
    """Absolute path of the interpreter that runs the application, here and in the image."""
    architecture: str
    """As OCI names it: `amd64`, `arm64`, …"""
    warnings: list[str]
    """Sentences: what the user has to know. Names in them are in text form and short; they are still sanitised
    where they are shown.
    """
    excluded: list[Excluded]
    """What was left out, and why; in groups."""


def capture(environment: Path | None, check: Callable[[], None] = lambda: None) -> HostCapture:
    """What an image needs of this machine to run Python with the packages of `environment`.

    `environment`: the folder of a venv or a conda prefix; None: the Python that `python3` is on PATH, other than
    nuvtui's own. `check` is called now and then and may raise to stop. Reads metadata and headers only: a venv
    of 5,000 files takes about a second. Raises NuvError (exit code 6) where there is no such Python, naming
    what is expected.
    """
    if not sys.platform.startswith("linux"):
        raise NuvError(
            "`image: host` works on Linux only",
            f"an image needs Linux programs, and this machine runs {sys.platform}",
            "Set `image` to a base image, such as python:3.12-slim",
            Exit.REFUSED,
        )
    collector = Collector(check, Notes())
    root = None if environment is None else os.path.abspath(environment)
    interpreter = None
    if root is None:
        interpreter = on_path(collector.notes)
        root = environment_of(interpreter.program)
        if root is not None:
            collector.notes.warn(
                f"No environment is named; python3 on PATH is that of {shown(root)}, and it is captured"
            )
    prefix = ""
    if root is not None:
        real = os.path.realpath(root)
        settings = venv_settings(f"{real}/pyvenv.cfg")
        if os.path.isdir(f"{real}/conda-meta"):
            interpreter = take_conda(collector, root, real)
            prefix = root
        elif settings is not None:
            interpreter = take_venv(collector, root, real, settings)
        else:
            raise no_environment(root, real)
    else:
        assert interpreter is not None
        take_installation(collector, interpreter, packages=True, apart="")
    return _finished(collector, interpreter, root, prefix)


def _finished(collector: Collector, interpreter: Interpreter, root: str | None, conda: str) -> HostCapture:
    architecture = architecture_of(interpreter.real)
    add_frame(collector)
    collector.place(interpreter.program, collector.runtime)
    collector.programs.append(interpreter.real)
    add_libraries(collector, interpreter)
    collector.check_links()
    check_records(collector)
    folders = [f"{root}/bin"] if root else []
    folders += [f"{interpreter.prefix}/bin", "/usr/local/bin", "/usr/bin", "/bin"]
    env = {"PATH": ":".join(dict.fromkeys(folders)), "LANG": "C.UTF-8"}
    if conda:
        env["CONDA_PREFIX"] = conda
    if authorities := certificates(collector.notes):
        collector.generate(BUNDLE, authorities)
        env["SSL_CERT_FILE"] = f"/{BUNDLE}"
    return HostCapture(
        runtime=in_order(collector.runtime),
        environment=in_order(collector.environment),
        env=env,
        python=interpreter.program,
        architecture=architecture,
        warnings=collector.notes.all_warnings(),
        excluded=collector.notes.all_excluded(),
    )
