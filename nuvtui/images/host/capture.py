"""`image: host`: what an image needs of this machine's own Python, found by reading and never by running it.

Everything keeps its path, so that a virtual environment, its start commands and its links work in the image as
they do here; the image therefore shows these paths. Taken are the environment, its interpreter with the standard
library, all shared libraries that any of them needs (`host.elf`), the loader, a shell, time zones, the C.UTF-8
locale and the certificate authorities of the distribution. Not taken is what is personal or belongs to the site:
home folders, credentials, the site's own certificate authorities, accounts and name services.

The loader of the image has neither `ld.so.cache` nor the machine's `ld.so.conf`: a library from a folder that
only the configuration names gets a link in the folder of the C library, which the loader searches by itself.

Cost: one walk over the folders; of files that are executable or have `.so` in their name the first bytes are read,
of those that are ELF files the headers (about a millisecond each). Nothing is copied: `HostFile.source` says where
the bytes are.
"""

# Paths are str with surrogateescape, as in the image: pathlib would be one more conversion for each of them.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH113, PTH114, PTH119

import ast
import base64
import hashlib
import json
import os
import re
import stat
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from nuvtui.errors import Exit, NuvError
from nuvtui.images.denylist import denied
from nuvtui.images.host import elf
from nuvtui.model.export import Excluded
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FILE, FOLDER, LINK

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
_DLOPENED = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
"""The C library asks for these by name when a thread is cancelled or a host name looked up."""
_MERGED = ("bin", "sbin", "lib", "lib64")
_LOCALES = ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8")
_ZONES = "/usr/share/zoneinfo"
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_BUNDLES = (
    f"/{_BUNDLE}",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_SHIPPED = "/usr/share/ca-certificates/mozilla"
"""Where Debian and its relatives keep the authorities that the distribution ships, one a file."""
_ANCHORS = (
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source",
    "/usr/share/pki/ca-trust-source/anchors",
    "/etc/ca-certificates/trust-source",
    "/etc/pki/trust/anchors",
    "/usr/share/pki/trust/anchors",
)
"""Where administrators put the site's own authorities."""
_SMALL = 4 << 20
"""Metadata larger than this is not read."""
_SHOWN = 8
_DENIED_SHOWN = 50
_LENGTH = 300
_TESTS = frozenset({"test", "tests", "idle_test"})
_WORKSPACE_SIGNS = frozenset({".git", ".hg", ".svn", ".nuvtui", "pyproject.toml", "setup.py", "setup.cfg"})
_VENV_PARTS = frozenset({"bin", "lib", "lib64", "include", "share", "etc", "pyvenv.cfg"})
_PERSONAL_FOLDERS = ("/home", "/root")
_PYTHON_NAME = re.compile(r"python(?:\d+(?:\.\d+)?[a-z]?)?")
_STANDARD_SCRIPT = re.compile(r"(?:python|pydoc|idle|2to3)[\d.]*(?:-config)?")
_LINKED_FOR_COMPILERS = re.compile(r"/config-[^/]+/libpython[^/]+\.so$")
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)
_URL_USER = re.compile(rb"(://)[^/\s\"'@]+@")
_URL_TOKEN = re.compile(rb"/t/(?!<)[^/\s\"']+/")


class HostFile(NamedTuple):
    """Something that goes into the image."""

    path: str
    """In the image, without leading slash; str with surrogateescape."""
    kind: str
    """`FILE`, `FOLDER` or `LINK` of `model.tree`."""
    mode: int
    """Permission bits that it is to have in the image."""
    size: int
    """Bytes of a file; of others 0."""
    source: str = ""
    """Absolute path on this machine of a file's content; empty: `data` is its content."""
    data: bytes = b""
    target: str = ""
    """Where a link points."""


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


def _nothing() -> None:
    pass


def capture(environment: Path | None, check: Callable[[], None] = _nothing) -> HostCapture:
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
    return _Capture(check).run(environment)


def signature(files: Iterable[HostFile]) -> str:
    """SHA-256 (hexadecimal) that changes where a layer of `files` may come out different.

    Of a file of this machine size, times, inode and device stand for its content, which is not read.
    """
    digest = hashlib.sha256()
    for file in files:
        facts: tuple[object, ...] = ()
        if file.source:
            try:
                info = os.lstat(file.source)
                facts = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev)
            except OSError:
                facts = ("gone",)
        texts = (os.fsencode(file.path), os.fsencode(file.target), file.data)
        # Lengths first: no two lists of files have the same bytes.
        digest.update(repr((file.kind, file.mode, *map(len, texts), facts)).encode())
        for text in texts:
            digest.update(text)
    return digest.hexdigest()


class _Interpreter(NamedTuple):
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


@dataclass(frozen=True)
class _Rules:
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


class _Notes:
    """Warnings and what was left out, in groups."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._groups: dict[str, list[str]] = {}
        self._excluded: dict[str, str] = {}
        self._denied: Counter[str] = Counter()

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def group(self, sentence: str, name: str) -> None:
        """One more `name` for a warning that is `sentence`, a colon and all its names."""
        self._groups.setdefault(sentence, []).append(name)

    def left_out(self, what: str, reason: str) -> None:
        self._excluded.setdefault(what, reason)

    def denied(self, path: str, reason: str) -> None:
        if self._denied.total() < _DENIED_SHOWN:
            self._excluded.setdefault(_shown(path), reason)
            self._denied[""] += 1
        else:
            self._denied[reason] += 1

    def all_warnings(self) -> list[str]:
        return self.warnings + [f"{sentence}: {_some(names)}" for sentence, names in self._groups.items()]

    def all_excluded(self) -> list[Excluded]:
        found = [Excluded(what, reason) for what, reason in self._excluded.items()]
        more = [Excluded(f"{count:,} more", reason) for reason, count in self._denied.items() if reason]
        return sorted(found, key=lambda one: (one.reason, one.what)) + more


class _Image:
    """The two layers as they grow. Paths are absolute and, but for links, real: no file lies below a link."""

    def __init__(self, check: Callable[[], None], notes: _Notes) -> None:
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
        for parent in _parents(path):
            self.runtime[parent] = _folder(f"/{parent}")
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
                found.append(_file(current, info))
            elif stat.S_ISDIR(info.st_mode):
                found.append(_folder(current))
            else:
                return None
            done = current
        for file in found:
            self.add(into, file)
        return done

    def take(self, root: str, into: dict[str, HostFile], rules: _Rules) -> None:
        """All of a folder but what `rules` leave out. `root` is real."""
        if self.place(root, into) is None:
            self.notes.group("These cannot be read and are not in the image", _shown(root))
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
                self.notes.group("These cannot be read and are not in the image", _shown(folder))
                continue
            self.add(into, _folder(folder))
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
        rules: _Rules,
        first: dict[tuple[int, int], str],
    ) -> bool:
        """Take one entry; True: it is a folder to go into."""
        path = entry.path
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError:
            self.notes.group("These cannot be read and are not in the image", _shown(path))
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
            self.notes.group("These cannot be read and are not in the image", _shown(path))
        elif rules.hard_links and info.st_nlink > 1 and (info.st_dev, info.st_ino) in first:
            target = os.path.relpath(first[info.st_dev, info.st_ino], os.path.dirname(path))
            self.add(into, HostFile(path[1:], LINK, 0o777, 0, target=target))
        else:
            first[info.st_dev, info.st_ino] = path
            self._take_file(path, path[len(root) + 1 :], info, into, rules)
        return False

    def _take_file(
        self, path: str, relative: str, info: os.stat_result, into: dict[str, HostFile], rules: _Rules
    ) -> None:
        name = relative.rpartition("/")[2]
        if info.st_mode & 0o111 or ".so" in name:
            head = _head(path, 256)
            if head.startswith(elf.MAGIC):
                self.programs.append(path)
            elif not rules.scripts and relative.startswith("bin/") and _starts_package(name, head):
                return
        elif name.endswith((".pth", ".egg-link")):
            self.records.append(path)
        elif rules.conda and relative.startswith("conda-meta/"):
            data = _read(path)
            clean = _URL_TOKEN.sub(b"/", _URL_USER.sub(rb"\1", data))
            if clean != data:
                self.add(into, HostFile(path[1:], FILE, 0o644, len(clean), data=clean))
                return
        self.add(into, _file(path, info))

    def _left_out(self, path: str, relative: str, names: set[str], folder: bool, rules: _Rules) -> bool:
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
            shown = f"{_shown(path)} → {_shown(target)}"
            if _LINKED_FOR_COMPILERS.search(path):
                del into[path[1:]]
            elif name in ("sitecustomize.py", "usercustomize.py"):
                del into[path[1:]]
                self.notes.left_out(shown, "start-up file of this machine, not of Python")
            elif exists:
                self.notes.group("Links that lead out of what is captured lead nowhere in the image", shown)
            else:
                self.notes.group("Links that lead nowhere here do so in the image as well", shown)


class _Capture:
    """One capture."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check
        self.notes = _Notes()
        self.image = _Image(check, self.notes)
        self.homes = _homes()

    def run(self, environment: Path | None) -> HostCapture:
        root = None if environment is None else os.path.abspath(environment)
        interpreter = None
        if root is None:
            interpreter = self._on_path()
            root = _environment_of(interpreter.program)
            if root is not None:
                self.notes.warn(
                    f"No environment is named; python3 on PATH is that of {_shown(root)}, and it is captured"
                )
        prefix = ""
        if root is not None:
            real = os.path.realpath(root)
            settings = _settings(f"{real}/pyvenv.cfg")
            if os.path.isdir(f"{real}/conda-meta"):
                interpreter = self._conda(root, real)
                prefix = root
            elif settings is not None:
                interpreter = self._venv(root, real, settings)
            else:
                raise _no_environment(root, real)
        else:
            assert interpreter is not None
            self._installation(interpreter, packages=True, apart="")
        return self._finished(interpreter, root, prefix)

    def _finished(self, interpreter: _Interpreter, root: str | None, conda: str) -> HostCapture:
        architecture = _architecture(interpreter.real)
        self._system()
        self.image.place(interpreter.program, self.image.runtime)
        self.image.programs.append(interpreter.real)
        self._libraries(interpreter)
        self.image.check_links()
        self._records()
        folders = [f"{root}/bin"] if root else []
        folders += [f"{interpreter.prefix}/bin", "/usr/local/bin", "/usr/bin", "/bin"]
        env = {"PATH": ":".join(dict.fromkeys(folders)), "LANG": "C.UTF-8"}
        if conda:
            env["CONDA_PREFIX"] = conda
        if certificates := self._certificates():
            self.image.generate(_BUNDLE, certificates)
            env["SSL_CERT_FILE"] = f"/{_BUNDLE}"
        return HostCapture(
            runtime=_in_order(self.image.runtime),
            environment=_in_order(self.image.environment),
            env=env,
            python=interpreter.program,
            architecture=architecture,
            warnings=self.notes.all_warnings(),
            excluded=self.notes.all_excluded(),
        )

    # Environments and interpreters

    def _venv(self, root: str, real: str, settings: dict[str, str]) -> _Interpreter:
        program = next(
            (f"{root}/bin/{name}" for name in ("python3", "python") if _is_elf(f"{root}/bin/{name}")), ""
        )
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
            base = next((path for path in _bases(settings) if _is_elf(path)), "")
            if not base:
                raise _refused(
                    root, f"expected the Python it was made of in {_shown(home) or 'home'}; it is not there"
                )
        wanted = settings.get("version") or settings.get("version_info") or ""
        found = _installed(program, os.path.realpath(base), ".".join(wanted.split(".")[:2]))
        if found is None:
            raise _refused(root, f"expected Python's standard library beside {_shown(base)}; it is not there")
        packages = settings.get("include-system-site-packages", "").lower() == "true"
        self.image.place(root, self.image.environment)
        only = _VENV_PARTS if _WORKSPACE_SIGNS.intersection(_names(real)) else None
        self.image.take(real, self.image.environment, _Rules(only=only))
        self._installation(found, packages, apart=real)
        # The standard library is searched for by way of `home`, which may lead through links of its own.
        if home.startswith("/"):
            self.image.place(home, self.image.runtime)
        if packages:
            self._personal_packages(found)
        return found

    def _conda(self, root: str, real: str) -> _Interpreter:
        program = next(
            (f"{root}/bin/{name}" for name in ("python3", "python") if _is_elf(f"{root}/bin/{name}")), ""
        )
        if not program:
            raise _refused(root, "expected a conda prefix with Python in it; found one without bin/python3")
        found = _installed(program, os.path.realpath(program), "")
        if found is None:
            raise _refused(root, "expected Python's standard library in the conda prefix; it is not there")
        self.image.place(root, self.image.environment)
        self.image.take(real, self.image.environment, _prefix_rules(found, real, packages=True, apart=""))
        scripts = _names(f"{real}/etc/conda/activate.d")
        if scripts:
            self.notes.warn(
                "The image does not activate the conda environment: set under `variables` what these would set: "
                + _some([_shown(name) for name in scripts])
            )
        return found

    def _installation(self, found: _Interpreter, packages: bool, apart: str) -> None:
        """Interpreter and standard library; `apart`: an environment in the prefix that is taken by itself."""
        image = self.image
        if not found.shared:
            image.take(found.prefix, image.runtime, _prefix_rules(found, found.prefix, packages, apart))
        base = os.path.dirname(found.real)
        for name in _names(base):
            if _PYTHON_NAME.fullmatch(name) and os.path.realpath(f"{base}/{name}") == found.real:
                image.place(f"{base}/{name}", image.runtime)
        for folder in found.standard:
            if image.inside(folder):
                continue
            skipped = {} if packages else _unused({"site-packages", "dist-packages"}, found)
            image.take(folder, image.runtime, _Rules(skipped=skipped, standard=("",)))
        if packages and found.shared:
            self._system_packages(found)

    def _system_packages(self, found: _Interpreter) -> None:
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
                if os.path.isdir(real) and not self.image.inside(real):
                    self.image.place(f"{prefix}/{folder}", self.image.runtime)
                    self.image.take(real, self.image.runtime, _Rules())
            for name in _names(f"{prefix}/bin"):
                path = os.path.realpath(f"{prefix}/bin/{name}")
                if path.startswith(f"{prefix}/") and os.path.isfile(path) and _runs_python(_head(path, 256)):
                    self.image.place(f"{prefix}/bin/{name}", self.image.runtime)
        self._personal_packages(found)

    def _personal_packages(self, found: _Interpreter) -> None:
        folder = os.path.expanduser(f"~/.local/lib/python{found.version}/site-packages")
        if _names(folder):
            self.notes.warn(
                f"Packages in the personal folder {_shown(folder)} are used here and are not in the image: "
                "install them in an environment"
            )
            self.notes.left_out(_shown(folder), "personal")

    def _on_path(self) -> _Interpreter:
        """The Python that `python3` means here."""
        own = {sys.prefix, os.path.realpath(sys.prefix)} if sys.prefix != sys.base_prefix else set()
        folders = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/")]
        passed: list[str] = []
        for folder in [*folders, f"{sys.base_prefix}/bin"]:
            program = f"{folder.rstrip('/')}/python3"
            if not os.path.isfile(program) or os.path.dirname(folder.rstrip("/")) in own:
                continue
            found = None
            if _is_elf(program):
                home = (_settings(f"{os.path.dirname(folder.rstrip('/'))}/pyvenv.cfg") or {}).get("home")
                found = _installed(program, os.path.realpath(program), "")
                if home and found is None:
                    # A venv with copies; it is looked into again as an environment.
                    found = _Interpreter(program, program, "", "", [], False)
            if found is not None:
                if passed:
                    self.notes.warn(
                        f"{_some(passed)} is a script and no Python program; {_shown(program)} was taken. "
                        "Name an environment to take another"
                    )
                return found
            passed.append(_shown(program))
        raise NuvError(
            "No Python to take into the image",
            "expected a Python program named python3 on PATH; found none",
            "Name a venv or conda prefix as `environment`, or set `image` to a base image",
            Exit.REFUSED,
        )

    # What the interpreter and the packages need of the system

    def _system(self) -> None:
        """The frame of a small Linux system."""
        image = self.image
        for name in _MERGED:
            if os.path.islink(f"/{name}"):
                image.place(f"/{name}", image.runtime)
        for program in ("/bin/sh", "/usr/bin/env"):
            real = image.place(program, image.runtime)
            if real:
                image.programs.append(real)
            else:
                self.notes.warn(f"This machine has no {program}; the image has none either")
        zones = os.path.realpath(_ZONES)
        if os.path.isdir(zones):
            image.place(_ZONES, image.runtime)
            other = Excluded("time zones with leap seconds", "programs use the others")
            local = Excluded(f"{_ZONES}/localtime", "the image is in UTC unless TZ says otherwise")
            skipped = {"right": other, "posix": other, "localtime": local}
            image.take(zones, image.runtime, _Rules(skipped=skipped, hard_links=True))
        for locale in _LOCALES:
            if os.path.isdir(locale):
                image.place(locale, image.runtime)
                image.take(os.path.realpath(locale), image.runtime, _Rules())
        image.generate(
            "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
        )
        image.generate("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        image.generate(
            "etc/nsswitch.conf",
            b"passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
        )
        image.runtime["tmp"] = _folder("/tmp")  # noqa: S108 - the folder itself

    def _libraries(self, interpreter: _Interpreter) -> None:
        image = self.image
        tree = elf.HostTree()
        configured = elf.configured_folders(tree)
        program = elf.closure(
            dict.fromkeys(image.programs), tree, configured, interpreter.real, _DLOPENED, self.check
        )
        for loader in program.interpreters:
            image.place(loader, image.runtime)
        c_library = next((one for one in program.libraries if one.name.startswith("libc.")), None)
        default = os.path.dirname(os.path.realpath(c_library.path)) if c_library else ""
        foreign: dict[str, list[str]] = {}
        for library in program.libraries:
            if not self._may_be_taken(library):
                self.notes.group(
                    "Libraries in a home folder, outside environment and interpreter, are not in the image",
                    _shown(library.path),
                )
                continue
            image.place(library.path, image.runtime)
            folder = os.path.dirname(library.path)
            if library.by == "configured" and default:
                link = HostFile(f"{default}/{library.name}"[1:], LINK, 0o777, 0, target=library.path)
                image.add(image.runtime, link)
            elif (
                library.by == "path"
                and not image.inside(library.real)
                and not library.real.startswith("/usr/")
            ):
                foreign.setdefault(os.path.normpath(folder), []).append(library.name)
            if library.name.startswith("libcrypto.so") and library.by != "path":
                # OpenSSL loads it by name for older algorithms.
                image.place(f"{folder}/ossl-modules/legacy.so", image.runtime)
        for folder, names in sorted(foreign.items()):
            self.notes.warn(
                f"Libraries from {_shown(folder)} are in the image; see that you may hand them on: {_some(names)}"
            )
        if program.drivers:
            self.notes.left_out(
                f"graphics driver: {_some(program.drivers)}",
                "must fit the machine; the container's runtime hands it in (docker run --gpus all)",
            )
        self._lacking(program.missing)

    def _may_be_taken(self, library: elf.Library) -> bool:
        """False for a library in somebody's home that is no part of environment or interpreter."""
        return self.image.inside(library.real) or not library.real.startswith(
            tuple(f"{home}/" for home in self.homes)
        )

    def _lacking(self, lacking: list[tuple[str, str]]) -> None:
        by_name: dict[str, list[str]] = {}
        for file, name in lacking:
            by_name.setdefault(name, []).append(file)
        folders = [one for one in os.environ.get("LD_LIBRARY_PATH", "").split(":") if one.startswith("/")]
        for name, files in sorted(by_name.items()):
            users = _some([_shown(file) for file in sorted(set(files))], 2)
            only = next((folder for folder in folders if os.path.isfile(f"{folder}/{name}")), None)
            if only is not None and "/" not in name:
                self.notes.warn(
                    f"The library {_shown(name)} is found only by LD_LIBRARY_PATH (in {_shown(only)}) and is not "
                    f"in the image; needed by {users}"
                )
            else:
                self.notes.group(
                    "Libraries that are not found on this machine, so that what needs them does not work",
                    f"{_shown(name)} (needed by {users})",
                )

    # What the user has to know of packages that are installed from elsewhere

    def _records(self) -> None:
        records = sorted(set(self.image.records))
        led: list[str] = []
        for path in records:
            self.check()
            if not path.endswith("direct_url.json"):
                led += self._path_file(path)
        for path in records:
            if path.endswith("direct_url.json"):
                self._origin(path, led)

    def _origin(self, path: str, led: list[str]) -> None:
        """A package that was installed from a folder of this machine (PEP 610).

        `led`: folders outside that were named already, closer than here.
        """
        name = os.path.basename(os.path.dirname(path)).partition("-")[0]
        try:
            record = json.loads(_read(path))
            parts = urlsplit(record["url"])
            editable = bool(record.get("dir_info", {}).get("editable"))
            if parts.scheme != "file" or "dir_info" not in record:
                return
        except (ValueError, RecursionError, TypeError, AttributeError, LookupError):
            return
        folder = unquote(parts.path)
        if editable:
            named = any(f"{one}/".startswith(f"{folder.rstrip('/')}/") for one in led)
            if not named and not self.image.inside(os.path.realpath(folder)):
                self._outside(f"the editable package {_shown(name)}", folder)
        else:
            self.notes.warn(
                f"The package {_shown(name)} was installed from the folder {_shown(folder)} of this machine: what "
                "is installed is in the image, but nobody else can install it again"
            )

    def _path_file(self, path: str) -> list[str]:
        """Folders outside that a `.pth` or `.egg-link` file leads Python's module search to."""
        found: list[str] = []
        if os.path.basename(os.path.dirname(path)) not in ("site-packages", "dist-packages"):
            return found
        folder = os.path.dirname(path)
        for line in _read(path).decode("utf-8", "surrogateescape").splitlines()[:1000]:
            line = line.strip()
            places = [line]
            if not line or line.startswith("#"):
                continue
            if line.startswith(("import ", "import\t")):
                match = re.search(r"\b(__editable__\w*)", line)
                places = list(_mapped(f"{folder}/{match.group(1)}.py")) if match else []
            for place in places:
                absolute = os.path.join(folder, place)
                if "\0" not in absolute and not self.image.inside(os.path.realpath(absolute)):
                    found.append(os.path.normpath(absolute))
                    self._outside(_shown(os.path.basename(path)), found[-1])
            if path.endswith(".egg-link"):
                break
        return found

    def _outside(self, who: str, folder: str) -> None:
        self.notes.group(
            "Editable installs lead out of the environment and do not work in the image; install the package itself, "
            "or export its source with the workspace files and set PYTHONPATH to its folder under /files",
            f"{who} → {_shown(folder)}",
        )

    # Certificates

    def _certificates(self) -> bytes:
        """The certificate authorities of the distribution, as PEM; empty: there are none."""
        bundle = next((path for path in _BUNDLES if os.path.isfile(path)), None)
        if bundle is None:
            self.notes.warn(
                "This machine has no certificate authorities; the image cannot check secure connections"
            )
            return b""
        every = list(dict.fromkeys(_certificates_of(_read(os.path.realpath(bundle)))))
        shipped = set(_certificates_below(_SHIPPED))
        # Where the distribution's own are known one by one, nothing else passes, whoever added it and how.
        site = set() if shipped else {one for folder in _ANCHORS for one in _certificates_below(folder)}
        kept = [one for one in every if (one in shipped if shipped else one not in site)]
        if len(kept) < len(every):
            self.notes.left_out(
                f"{len(every) - len(kept)} certificate authorities of this machine",
                "not the distribution's own",
            )
        return b"".join(_pem(one) for one in kept)


# Text


def _shown(path: str) -> str:
    """A path or name for people: text form, not longer than a few lines."""
    text = path_to_text(path)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def _some(names: list[str], limit: int = _SHOWN) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - limit:,} more" if len(unique) > limit else ""
    return "; ".join(unique[:limit]) + more


def _refused(folder: str, found: str) -> NuvError:
    return NuvError(
        f"The environment {_shown(folder)} cannot be taken into an image",
        found,
        "Make it anew with `python3 -m venv`, or set `image` to a base image and list the packages",
        Exit.REFUSED,
    )


def _no_environment(root: str, real: str) -> NuvError:
    if not os.path.isdir(real):
        return _refused(root, "expected the folder of a venv or a conda prefix; there is no such folder")
    names = _names(real)
    if any(os.path.isfile(f"{real}/{name}/DESCRIPTION") for name in names):
        return NuvError(
            f"The environment {_shown(root)} cannot be taken into an image",
            "expected a venv or a conda prefix; found an R library, whose R is no part of it",
            "Set `image` to a base image with R, such as rocker/r-ver, and list the packages under packages.cran",
            Exit.REFUSED,
        )
    return _refused(root, "expected a venv (pyvenv.cfg) or a conda prefix (conda-meta); found neither")


def _leads(path: str) -> str:
    if os.path.islink(path):
        return f"a link to {_shown(os.path.realpath(path))}"
    return "something else" if os.path.lexists(path) else "none"


# Files


def _file(path: str, info: os.stat_result) -> HostFile:
    return HostFile(path[1:], FILE, 0o755 if info.st_mode & 0o111 else 0o644, info.st_size, source=path)


def _folder(path: str) -> HostFile:
    return HostFile(path[1:], FOLDER, 0o1777 if path == "/tmp" else 0o755, 0)  # noqa: S108


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _in_order(layer: dict[str, HostFile]) -> list[HostFile]:
    for path in list(layer):
        for parent in _parents(path):
            layer.setdefault(parent, _folder(f"/{parent}"))
    return [layer[path] for path in sorted(layer)]


def _names(folder: str) -> list[str]:
    return elf.HostTree().names(folder)


def _head(path: str, size: int) -> bytes:
    try:
        with elf.open_plain(path) as file:
            return file.read(size)
    except OSError:
        return b""


def _read(path: str) -> bytes:
    """A small plain file; nothing where it is a link, no plain file, or large."""
    try:
        with elf.open_plain(path) as file:
            data = file.read(_SMALL + 1)
    except (OSError, ValueError):
        return b""
    return data if len(data) <= _SMALL else b""


def _is_elf(path: str) -> bool:
    return _head(os.path.realpath(path), 4) == elf.MAGIC


def _runs_python(head: bytes) -> bool:
    return head.startswith(b"#!") and b"python" in head.partition(b"\n")[0]


def _starts_package(name: str, head: bytes) -> bool:
    """True for a start command that pip wrote, and not one of Python's own."""
    return _runs_python(head) and not _STANDARD_SCRIPT.fullmatch(name)


def _compiled(name: str, names: set[str]) -> bool:
    """True for a `.pyc` with its source beside it: one without is the module itself."""
    return name.endswith((".pyc", ".pyo")) and f"{name.rpartition('.')[0]}.py" in names


def _in_standard(relative: str, rules: _Rules) -> bool:
    if "site-packages" in relative or "dist-packages" in relative:
        return False
    return any(not folder or relative.startswith(f"{folder}/") for folder in rules.standard)


def _homes() -> set[str]:
    homes = {*_PERSONAL_FOLDERS, os.path.expanduser("~"), os.path.realpath(os.path.expanduser("~"))}
    homes |= {os.path.realpath(folder) for folder in _PERSONAL_FOLDERS}
    return homes - {"/", "/usr", ""}


def _mapped(finder: str) -> Iterator[str]:
    """The folders that the finder module of an editable install leads to: its `MAPPING` and `NAMESPACES`."""
    try:
        module = ast.parse(_read(finder))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return
    for statement in module.body:
        names: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            names = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            names = [statement.target]
        if not any(isinstance(name, ast.Name) and name.id in ("MAPPING", "NAMESPACES") for name in names):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/"):
                yield node.value


# Interpreters


def _settings(path: str) -> dict[str, str] | None:
    """`pyvenv.cfg`; None: there is none."""
    if not os.path.isfile(path):
        return None
    found = {}
    for line in _read(os.path.realpath(path)).decode("utf-8", "surrogateescape").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip().lower()] = value.strip()
    return found


def _bases(settings: dict[str, str]) -> Iterator[str]:
    """Where the Python of a venv with copies may be, best first."""
    yield settings.get("executable", "")
    yield settings.get("base-executable", "")
    home = settings.get("home", "")
    version = ".".join((settings.get("version") or settings.get("version_info") or "3").split(".")[:2])
    yield from (f"{home}/python{version}", f"{home}/python3", f"{home}/python")


def _installed(program: str, real: str, version: str) -> _Interpreter | None:
    """The installation that the program file `real` belongs to; None: no standard library is beside it."""
    prefix = os.path.dirname(os.path.dirname(real)) or "/"
    if prefix == "/":
        prefix = "/usr"
    named = re.fullmatch(r"python(\d+\.\d+)[a-z]?", os.path.basename(real))
    wanted = named.group(1) if named else version
    standard: dict[str, list[str]] = {}
    for lib in ("lib", "lib64"):
        for name in _names(f"{prefix}/{lib}"):
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
    return _Interpreter(program, real, prefix, wanted, standard[wanted], _is_shared(prefix))


def _is_shared(prefix: str) -> bool:
    """True where a prefix is not Python's alone, so that taking all of it would take what is none of it."""
    home = os.path.realpath(os.path.expanduser("~"))
    if prefix in ("/usr", "/usr/local", "/opt", home, f"{home}/.local"):
        return True
    return any(other == prefix or other.startswith(f"{prefix}/") for other in (home, *_PERSONAL_FOLDERS))


def _environment_of(program: str) -> str | None:
    """The environment that a program on PATH belongs to."""
    root = os.path.dirname(os.path.dirname(program))
    if os.path.isfile(f"{root}/pyvenv.cfg") or os.path.isdir(f"{root}/conda-meta"):
        return root
    return None


def _unused(folders: Iterable[str], found: _Interpreter) -> dict[str, Excluded]:
    said = Excluded(
        f"packages of the base Python in {_shown(found.prefix)}", "the environment does not use them"
    )
    return dict.fromkeys(folders, said)


def _prefix_rules(found: _Interpreter, root: str, packages: bool, apart: str) -> _Rules:
    """What is left out of a prefix that is Python's own. `apart`: an environment that is taken by itself."""
    standard = tuple(folder[len(root) + 1 :] for folder in found.standard if folder.startswith(f"{root}/"))
    skipped = {
        "pkgs": Excluded(f"{_shown(root)}/pkgs", "conda's package cache"),
        "envs": Excluded(f"{_shown(root)}/envs", "other environments"),
        "conda-bld": Excluded(f"{_shown(root)}/conda-bld", "conda's build folder"),
        "conda-meta/history": Excluded("conda-meta/history", "commands that were typed"),
    }
    if not packages:
        skipped |= _unused([f"{folder}/site-packages" for folder in standard], found)
    if apart.startswith(f"{root}/"):
        skipped[apart[len(root) + 1 :]] = Excluded(_shown(apart), "is in the image as the environment")
    conda = os.path.isdir(f"{root}/conda-meta")
    return _Rules(skipped=skipped, standard=standard, scripts=packages, conda=conda)


def _architecture(program: str) -> str:
    try:
        with elf.open_plain(program) as file:
            facts = elf.read(file)
    except OSError:
        facts = None
    name = _ARCHITECTURES.get((facts.machine, facts.elf_class, facts.little)) if facts else None
    if name is None:
        raise NuvError(
            "The Python of this machine cannot be taken into an image",
            f"expected a Linux program for a known processor in {_shown(program)}; found "
            + (facts.machine if facts else "none"),
            "Set `image` to a base image",
            Exit.REFUSED,
        )
    return name


# Certificates


def _certificates_of(data: bytes) -> Iterator[bytes]:
    """The certificates in a PEM or DER file, each as DER."""
    if data[:1] == b"\x30":
        yield _cut(data)
        return
    for match in _PEM.finditer(data):
        try:
            yield _cut(base64.b64decode(b"".join(match.group(1).split()), validate=True))
        except ValueError:
            continue


def _certificates_below(folder: str) -> Iterator[bytes]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield from _certificates_of(_read(os.path.realpath(f"{root}/{name}")))


def _cut(data: bytes) -> bytes:
    """The first DER object: a TRUSTED CERTIFICATE has OpenSSL's own data behind it."""
    if len(data) < 4 or data[1] < 0x82:
        return data
    octets = data[1] - 0x80
    return data[: 2 + octets + int.from_bytes(data[2 : 2 + octets], "big")]


def _pem(certificate: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(certificate).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
