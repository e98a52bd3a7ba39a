"""Applications: the file `.nuvtui/apps/<slug>.yaml` as a value, and the lock of installed packages."""

import enum
from typing import Literal

import msgspec


class ApplicationKind(enum.StrEnum):
    """The template an application came from."""

    SCRIPT = "script"
    PYTHON = "python"
    JUPYTERLAB = "jupyterlab"
    RSTUDIO = "rstudio"
    VSCODE = "vscode"
    SHELL = "shell"
    STREAMLIT = "streamlit"
    STATA = "stata"
    MATLAB = "matlab"
    CUSTOM = "custom"


HOST_IMAGE = "host"
LICENSED_KINDS = frozenset({ApplicationKind.STATA, ApplicationKind.MATLAB})


class Packages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an export installs, by package manager."""

    apt: list[str] = []
    pip: list[str] = []
    conda: list[str] = []
    cran: list[str] = []


class License(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the application needs to be licensed; never in an image."""

    required: bool = False
    variables: list[str] = []
    files: list[str] = []


class Application(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of a containerised tool; keys and order are those of the file."""

    name: str
    kind: ApplicationKind = ApplicationKind.CUSTOM
    image: str = HOST_IMAGE
    environment: str | None = None
    """Folder of a venv, conda prefix or R library on this machine, relative to the workspace or absolute."""
    packages: Packages = Packages()
    variables: dict[str, str] = {}
    secrets: list[str] = []
    """Names of variables that are handed in at run time, never in an image."""
    license: License = License()
    setup: list[str] = []
    """Shell commands at build time, after the packages."""
    command: list[str] = []
    ports: list[int] = []
    healthcheck: list[str] = []
    """Program and words, run inside the image while the application runs: exit code 0 says that it works."""
    workdir: str = "/files"
    exclude: list[str] = []
    """gitignore patterns, left out of exports with files."""

    @property
    def needs_license(self) -> bool:
        """True where an export is not eligible unless built without the licence."""
        return self.license.required or self.kind in LICENSED_KINDS


class Package(msgspec.Struct, frozen=True, order=True):
    """One installed package."""

    name: str
    version: str
    source: Literal["pip", "conda", "cran", "local", "vcs", "url"] = "pip"
    """Where it came from; `local`, `vcs` and `url` cannot be asked for again from an index."""
    location: str = ""
    """For `local`, `vcs` and `url`: where, without credentials."""


class Lock(msgspec.Struct, frozen=True):
    """The exact packages of an application's environment at a snapshot."""

    manager: Literal["venv", "conda", "R"]
    interpreter: str
    """`Python 3.11.7`, `R 4.3.1`."""
    packages: list[Package]
    """Sorted by name."""
