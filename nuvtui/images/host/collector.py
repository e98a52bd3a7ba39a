"""The files of an image's two host layers as they are collected: links made to work, folders taken by rules."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nuvtui.images.denylist import denied
from nuvtui.images.host.elf import MAGIC
from nuvtui.images.host.files import HostFile, file_at, folder_at, head_of, parents, read_small
from nuvtui.images.host.notes import Notes, shown
from nuvtui.model.export import Excluded
from nuvtui.model.tree import FILE, FOLDER, LINK

_TESTS = frozenset({"test", "tests", "idle_test"})
_STANDARD_SCRIPT = re.compile(r"(?:python|pydoc|idle|2to3)[\d.]*(?:-config)?")
_LINKED_FOR_COMPILERS = re.compile(r"/config-[^/]+/libpython[^/]+\.so$")
_URL_USER = re.compile(rb"(://)[^/\s\"'@]+@")
_URL_TOKEN = re.compile(rb"/t/(?!<)[^/\s\"']+/")


@dataclass(frozen=True)
class CaptureRules:
    """What is left out of a folder: paths are relative to it."""

    skipped: Mapping[str, Excluded] = field(default_factory=dict)
    only: frozenset[str] | None = None
    """Names at the top that are taken; None: all."""
    standard: tuple[str, ...] = ()
    """Folders of a standard library in it."""
    scripts: bool = True
    """False: start commands of packages in `bin` are left out."""
    conda: bool = False
    hard_links: bool = False
    """True: a second name of a file becomes a symbolic link to the first."""


class Collector:
    """The two layers as they grow. Paths are absolute and, but for links, real: no file lies below a link."""

    def __init__(self, check: Callable[[], None], notes: Notes) -> None:
        self.check = check
        self.notes = notes
        self.runtime: dict[str, HostFile] = {}
        self.environment: dict[str, HostFile] = {}
        self.roots: list[str] = []
        """Real paths of the folders that were taken as a whole."""
        self.programs: list[str] = []
        """ELF files."""
        self.records: list[str] = []
        """`.pth`, `.egg-link` and `direct_url.json` files: they say what lies outside."""
        self._links: list[tuple[str, dict[str, HostFile]]] = []

    def __contains__(self, path: str) -> bool:
        return path[1:] in self.runtime or path[1:] in self.environment

    def inside(self, real: str) -> bool:
        """True where a real path is in a folder that was taken as a whole."""
        return any(real == root or real.startswith(f"{root}/") for root in self.roots)

    def add(self, into: dict[str, HostFile], file: HostFile) -> None:
        if file.kind == FOLDER:
            into.setdefault(file.path, file)
        elif f"/{file.path}" not in self:
            into[file.path] = file

    def generate(self, path: str, data: bytes) -> None:
        """A file of the runtime that is made here."""
        for parent in parents(path):
            self.runtime[parent] = folder_at(f"/{parent}")
        self.runtime[path] = HostFile(path, FILE, 0o644, len(data), data=data)

    def place(self, path: str, into: dict[str, HostFile]) -> str | None:
        """Make `path` work in the image: each link on its way, and the plain file or the folder at its end.

        The real path, or None where it leads to nothing of the kind; then nothing is added.
        """
        found = []
        done = ""
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            current = f"{done}/{part}"
            try:
                info = os.lstat(current)
                target = os.readlink(current) if stat.S_ISLNK(info.st_mode) else ""
            except OSError:
                return None
            if target:
                links += 1
                if links > 40:
                    return None
                found.append(HostFile(current[1:], LINK, 0o777, 0, target=target))
                if target.startswith("/"):
                    done = ""
                ahead += target.split("/")[::-1]
                continue
            if stat.S_ISREG(info.st_mode) and not any(ahead):
                if not os.access(current, os.R_OK):
                    return None
                found.append(file_at(current, info))
            elif stat.S_ISDIR(info.st_mode):
                found.append(folder_at(current))
            else:
                return None
            done = current
        for file in found:
            self.add(into, file)
        return done

    def take(self, root: str, into: dict[str, HostFile], rules: CaptureRules) -> None:
        """All of a folder but what `rules` leave out. `root` is real."""
        if self.place(root, into) is None:
            self.notes.group("These cannot be read and are not in the image", shown(root))
            return
        self.roots.append(root)
        first: dict[tuple[int, int], str] = {}
        folders = [root]
        while folders:
            folder = folders.pop()
            self.check()
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError:
                self.notes.group("These cannot be read and are not in the image", shown(folder))
                continue
            self.add(into, folder_at(folder))
            names = {entry.name for entry in entries}
            for entry in entries:
                if self._entry(entry, names, root, into, rules, first):
                    folders.append(entry.path)

    def _entry(
        self,
        entry: os.DirEntry[str],
        names: set[str],
        root: str,
        into: dict[str, HostFile],
        rules: CaptureRules,
        first: dict[tuple[int, int], str],
    ) -> bool:
        """Take one entry; True: it is a folder to go into."""
        path = entry.path
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError:
            self.notes.group("These cannot be read and are not in the image", shown(path))
            return False
        folder = stat.S_ISDIR(info.st_mode)
        if self._left_out(path, path[len(root) + 1 :], names, folder, rules):
            return False
        if folder:
            return True
        if stat.S_ISLNK(info.st_mode):
            try:
                target = os.readlink(path)
            except OSError:
                return False
            self.add(into, HostFile(path[1:], LINK, 0o777, 0, target=target))
            self._links.append((path, into))
        elif not stat.S_ISREG(info.st_mode):
            self.notes.left_out("devices, sockets and FIFOs", "no files")
        elif not os.access(path, os.R_OK):
            self.notes.group("These cannot be read and are not in the image", shown(path))
        elif rules.hard_links and info.st_nlink > 1 and (info.st_dev, info.st_ino) in first:
            target = os.path.relpath(first[info.st_dev, info.st_ino], os.path.dirname(path))
            self.add(into, HostFile(path[1:], LINK, 0o777, 0, target=target))
        else:
            first[info.st_dev, info.st_ino] = path
            self._take_file(path, path[len(root) + 1 :], info, into, rules)
        return False

    def _take_file(
        self, path: str, relative: str, info: os.stat_result, into: dict[str, HostFile], rules: CaptureRules
    ) -> None:
        name = relative.rpartition("/")[2]
        if info.st_mode & 0o111 or ".so" in name:
            head = head_of(path, 256)
            if head.startswith(MAGIC):
                self.programs.append(path)
            elif not rules.scripts and relative.startswith("bin/") and _starts_package(name, head):
                return
        elif name.endswith((".pth", ".egg-link")):
            self.records.append(path)
        elif rules.conda and relative.startswith("conda-meta/"):
            data = read_small(path)
            clean = _URL_TOKEN.sub(b"/", _URL_USER.sub(rb"\1", data))
            if clean != data:
                self.add(into, HostFile(path[1:], FILE, 0o644, len(clean), data=clean))
                return
        self.add(into, file_at(path, info))

    def _left_out(self, path: str, relative: str, names: set[str], folder: bool, rules: CaptureRules) -> bool:
        name = relative.rpartition("/")[2]
        if rules.only is not None and relative not in rules.only and "/" not in relative:
            what = "files of the workspace beside the environment"
            self.notes.left_out(
                what, "the environment is in the project's own folder; only its parts are taken"
            )
            return True
        if relative in rules.skipped:
            said = rules.skipped[relative]
            self.notes.left_out(said.what, said.reason)
            return True
        if (folder and name == "__pycache__") or _compiled(name, names):
            self.notes.left_out("compiled Python files (__pycache__)", "Python makes them from the sources")
            return True
        if folder and name == ".cache":
            self.notes.left_out("caches (.cache)", "made again where needed")
            return True
        if name.endswith(".a") and not folder:
            self.notes.left_out("static libraries (*.a)", "only compilers need them")
            return True
        if folder and name in _TESTS and _in_standard(relative, rules):
            self.notes.left_out("tests of Python's standard library", "programs do not use them")
            return True
        if reason := denied(relative):
            if name == "direct_url.json":
                self.records.append(path)
                self.notes.left_out("direct_url.json of packages", reason)
            else:
                self.notes.denied(path, reason)
            return True
        return False

    def check_links(self) -> None:
        """Say which links lead out of what is taken; make those work that lead to something taken."""
        for path, into in self._links:
            folder, _, name = path.rpartition("/")
            target = into[path[1:]].target if path[1:] in into else ""
            if not target or ("/" not in target and f"{folder}/{target}" in self):
                continue
            real = os.path.realpath(path)
            exists = os.path.lexists(real)
            if real in self:
                # There may be more links on the way.
                self.place(path, into)
                continue
            if exists and self.inside(real):
                continue  # left out for a reason that is told
            named = f"{shown(path)} → {shown(target)}"
            if _LINKED_FOR_COMPILERS.search(path):
                del into[path[1:]]
            elif name in ("sitecustomize.py", "usercustomize.py"):
                del into[path[1:]]
                self.notes.left_out(named, "start-up file of this machine, not of Python")
            elif exists:
                self.notes.group("Links that lead out of what is captured lead nowhere in the image", named)
            else:
                self.notes.group("Links that lead nowhere here do so in the image as well", named)


def runs_python(head: bytes) -> bool:
    """True for a script whose first line names Python."""
    return head.startswith(b"#!") and b"python" in head.partition(b"\n")[0]


def _starts_package(name: str, head: bytes) -> bool:
    """True for a start command that pip wrote, and not one of Python's own."""
    return runs_python(head) and not _STANDARD_SCRIPT.fullmatch(name)


def _compiled(name: str, names: set[str]) -> bool:
    """True for a `.pyc` with its source beside it: one without is the module itself."""
    return name.endswith((".pyc", ".pyo")) and f"{name.rpartition('.')[0]}.py" in names


def _in_standard(relative: str, rules: CaptureRules) -> bool:
    if "site-packages" in relative or "dist-packages" in relative:
        return False
    return any(not folder or relative.startswith(f"{folder}/") for folder in rules.standard)
