"""Every path that nuvtui uses, from one root: the store home, and the one folder in a workspace."""

import os
from dataclasses import dataclass
from pathlib import Path

DOT = ".nuvtui"
"""The folder that nuvtui adds to a workspace."""


def default_home() -> Path:
    """`$NUVTUI_HOME`, else `nuvtui` in the XDG data folder."""
    home = os.environ.get("NUVTUI_HOME")
    if home:
        return Path(home).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME")
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "nuvtui"


def config_file() -> Path:
    """The settings file: `nuvtui/config.yaml` in the XDG config folder."""
    config = os.environ.get("XDG_CONFIG_HOME")
    base = Path(config) if config and Path(config).is_absolute() else Path.home() / ".config"
    return base / "nuvtui" / "config.yaml"


@dataclass(frozen=True)
class Home:
    """The store home and what lies in it."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def packs(self) -> Path:
        return self.root / "objects" / "packs"

    @property
    def index(self) -> Path:
        return self.root / "objects" / "index"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    def manifest(self, snapshot: str) -> Path:
        return self.snapshots / f"{snapshot}.json"

    @property
    def repository(self) -> Path:
        """The store's id as a remote of other stores; made when it is first served."""
        return self.root / "repository"

    @property
    def tasks(self) -> Path:
        return self.root / "tasks"

    def task(self, task: str) -> Path:
        return self.tasks / task

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    def export(self, export: str) -> Path:
        return self.exports / export

    @property
    def images(self) -> Path:
        """Images that were made without an engine, and the base images that they stand on: an OCI image layout."""
        return self.root / "images"

    @property
    def cache(self) -> Path:
        """What can be thrown away: stat caches, tables laid out for reading."""
        return self.root / "cache"

    @property
    def tmp(self) -> Path:
        """Unfinished work, on the same file system as the store; swept when stale."""
        return self.root / "tmp"

    def workspace(self, space: str) -> Path:
        """Workspace of a space's Distributed instance, which is nobody's project folder."""
        return self.root / "workspaces" / space / "Distributed"

    def lock(self, name: str) -> Path:
        """Lock file of something that only one process may do at a time (an instance, an export, …)."""
        return self.root / "locks" / name

    @property
    def log(self) -> Path:
        """The log of the program itself."""
        return self.root / "nuvtui.log"


@dataclass(frozen=True)
class Workspace:
    """The user's project folder and what nuvtui keeps in it."""

    root: Path

    @property
    def dot(self) -> Path:
        return self.root / DOT

    @property
    def applications(self) -> Path:
        return self.dot / "apps"

    def application(self, slug: str) -> Path:
        return self.applications / f"{slug}.yaml"

    def base_pin(self, slug: str) -> Path:
        """What digest the base image of an application was pinned by."""
        return self.applications / f"{slug}.lock"

    @property
    def tables(self) -> Path:
        return self.dot / "tables.duckdb"

    @property
    def ignore(self) -> Path:
        return self.dot / "ignore"

    @property
    def identity(self) -> Path:
        """Names the instance whose workspace this is."""
        return self.dot / "instance.json"


def find_workspace(start: Path) -> Workspace | None:
    """The workspace that `start` lies in: the nearest folder upwards that holds `.nuvtui`, as git does."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / DOT).is_dir():
            return Workspace(folder)
    return None
