"""Pip packages for an image without an engine: wheels for its platform and Python, laid out as a layer's files.

pip resolves, downloads and unpacks as the user has it set up (index, certificates, cache); nothing of an image
runs, and nothing of a package either: what would have to be built is refused. What pip leaves depends on the
machine that it ran on (the interpreter in scripts, its own version, the umask); so the files are taken by what the
packages' own RECORDs say, start scripts are written anew, and everything that tells of this machine stays out.
"""

import base64
import csv
import hashlib
import io
import os
import posixpath
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import site
from nuvtui.images.host.capture import HostFile
from nuvtui.images.python import pip as pip_process
from nuvtui.images.python.interpreter import ImagePython, find_python, libc_version
from nuvtui.model.export import Finding
from nuvtui.model.tree import FILE, FOLDER
from nuvtui.reporter import Reporter

__all__ = [
    "ImagePython",
    "InstalledPackages",
    "check",
    "find_python",
    "install",
    "libc_version",
    "superseded",
]

_PIECE = 1 << 20
_OWN_NAMES = re.compile(r"(?:pip|easy_install)-?\d+\.\d+")
"""Scripts that pip names after the Python that it runs with, which is not the image's."""


@dataclass(frozen=True)
class InstalledPackages:
    """What pip installed: the files of a layer, and what they are."""

    files: list[HostFile]
    """Sorted by path, folders before their contents."""
    packages: list[tuple[str, str]]
    """Name and version, sorted."""


def check(requirements: str, python: ImagePython, settings: Settings, reporter: Reporter) -> list[Finding]:
    """What of `requirements` (lines of a requirements file) cannot be installed without an engine.

    Judged by the text alone, so that it costs nothing; whether the index has a wheel shows when pip looks.
    Raises NuvError where the site's settings cannot be used, and Cancelled.
    """
    reporter.check()
    site.build_arguments(settings)
    findings = []
    for line in requirements.splitlines():
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*@\s*(\S+)", line)
        if found is None:
            continue
        name, url = found[1], found[2]
        if urlsplit(url).scheme in ("http", "https") and urlsplit(url).path.endswith(".whl"):
            continue
        what = "a checkout" if "+" in url.partition(":")[0] else "an archive"
        findings.append(
            Finding(
                "stop",
                "packages.pip",
                f"{name} comes from {what}, which has to be built, and without an engine nothing can be",
                "Name a version that the package index has, or the URL of a wheel (`.whl`); "
                "or export with an engine (`--engine docker`).",
            )
        )
    if requirements.strip() and not any(
        tag.startswith(("manylinux", "musllinux")) for tag in python.platforms
    ):
        findings.append(
            Finding(
                "note",
                "packages.pip",
                "the image's C library is not known, so only packages in pure Python can be installed",
                "With an engine (`--engine docker`) pip runs inside the image and knows.",
            )
        )
    return findings


def install(
    requirements: str,
    python: ImagePython,
    folder: Path,
    settings: Settings,
    reporter: Reporter,
    secret_values: Sequence[str],
) -> InstalledPackages:
    """Install `requirements` for `python` into a new folder below `folder`; the files stay there until removed.

    pip's output goes to the log, without `secret_values` and credentials of the index. Raises NuvError (exit code
    6 where a package has no wheel or packages contradict each other, 1 where the index does not answer) and
    Cancelled; then nothing is left below `folder`.
    """
    for finding in check(requirements, python, settings, reporter):
        if finding.level == "stop":
            raise NuvError("packages.pip needs an engine", finding.text, finding.hint, Exit.REFUSED)
    if not requirements.strip():
        return InstalledPackages([], [])
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="pip-", dir=folder.absolute()))
    try:
        pip_process.run(requirements, python, work, settings, reporter, secret_values)
        installed = _Layout(python, work / "target").collect(reporter)
        _search(installed.files, os.fsencode(work), reporter)
        shutil.rmtree(work / "tmp")
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return installed


def superseded(
    paths: Collection[str],
    installed: InstalledPackages,
    python: ImagePython,
    read: Callable[[str], bytes | None],
) -> list[str]:
    """Files of the image that belong to other versions of what was installed: pip in the image would remove them.

    `paths` are the image's, without leading slash; `read` gives the content of one. What was installed replaces
    files of the same path in any case; these are those that it does not have any more, and that would mix with it.
    """
    names = {_normal(name) for name, _ in installed.packages}
    new = {file.path for file in installed.files}
    folder = python.site.strip("/")
    known = frozenset(paths)
    found: set[str] = set()
    for metadata in known:
        path, _, file = metadata.rpartition("/")
        parent, _, name = path.rpartition("/")
        if file != "METADATA" or parent != folder or not name.endswith(".dist-info"):
            continue
        if _normal(name.removesuffix(".dist-info").rpartition("-")[0]) not in names:
            continue
        for row in _rows((read(f"{path}/RECORD") or b"").decode("utf-8", "replace")):
            listed = posixpath.normpath(f"{folder}/{row[0]}")
            if listed in known and listed.startswith(_prefix(python)):
                found.add(listed)
        found |= {file for file in known if file.startswith(f"{path}/")}
    return sorted(found - new)


class _Layout:
    """Where the files of pip's own layout (`lib/python`, `bin`, `include/python`, data) go in the image."""

    def __init__(self, python: ImagePython, target: Path) -> None:
        self.python = python
        self.target = target
        self.site = python.site.strip("/")
        self.files: dict[str, HostFile] = {}

    def collect(self, reporter: Reporter) -> InstalledPackages:
        """All that the packages' RECORDs list."""
        packages = []
        for info in sorted(self.target.glob("lib*/python/*.dist-info")):
            reporter.check()
            packages.append(self.package(info))
        for path in list(self.files):
            while path := path.rpartition("/")[0]:
                self.put(path, FOLDER, 0o755)
        return InstalledPackages([self.files[path] for path in sorted(self.files)], sorted(packages))

    def package(self, info: Path) -> tuple[str, str]:
        """The files of the package with metadata folder `info`. Returns its name and version."""
        base = info.parent.relative_to(self.target).as_posix()
        scripts = _entry_points(info)
        rows = []
        for listed, checksum, size in _rows((info / "RECORD").read_text("utf-8")):
            inside = posixpath.normpath(f"{base}/{listed}")
            place = self.place(inside)
            if place is None or _unwanted(inside, info.name):
                continue
            name = inside.removeprefix("bin/")
            if inside.startswith("bin/") and name in scripts:
                row = self.generated(place, _start_script(self.python.executable, scripts[name]), 0o755)
                rows.append(row)
            elif found := self.plain(inside, place):
                rows.append(found if found[1] else (found[0], checksum, size))
        record = f"{self.site}/{info.name}/RECORD"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(sorted([*rows, (self.listed(record), "", "")]))
        self.put(record, FILE, 0o644, data=text.getvalue().encode())
        return _identity(info)

    def place(self, inside: str) -> str | None:
        """Path in the image of a path of pip's layout; None: it leads out of it."""
        first, _, rest = inside.partition("/")
        if first in ("..", ".", "") or not rest:
            return None
        if first in ("lib", "lib64") and rest.startswith("python/"):
            return f"{self.site}/{rest.removeprefix('python/')}"
        # pip names the folder of headers after the Python that it runs with, in a venv also `site` above it.
        inside = re.sub(r"^include/(?:site/)?python[\d.]*/", f"include/python{self.python.version}/", inside)
        return _prefix(self.python) + inside

    def plain(self, inside: str, place: str) -> tuple[str, str, str] | None:
        """A file as the package has it; its row where its content changes, with the old checksum otherwise."""
        path = self.target / inside
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None  # RECORDs list files that their wheels do not have; pip does not mind either
        if not stat.S_ISREG(found.st_mode):
            raise NuvError(f"{place} is no plain file", "a wheel holds plain files only", "", Exit.REFUSED)
        mode = 0o755 if found.st_mode & 0o111 else 0o644
        if inside.startswith("bin/"):
            data = path.read_bytes()
            if (changed := _with_interpreter(data, self.python.executable)) != data:
                return self.generated(place, changed, mode)
        self.put(place, FILE, mode, size=found.st_size, source=str(path))
        return self.listed(place), "", ""

    def generated(self, place: str, data: bytes, mode: int) -> tuple[str, str, str]:
        """A file with content of its own. Returns its row in RECORD."""
        self.put(place, FILE, mode, data=data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return self.listed(place), f"sha256={digest}", str(len(data))

    def listed(self, place: str) -> str:
        """A path of the image as RECORD has it: from the site folder."""
        return posixpath.relpath(f"/{place}", f"/{self.site}")

    def put(
        self, path: str, kind: str, mode: int, size: int = 0, source: str = "", data: bytes = b""
    ) -> None:
        """One more path."""
        self.files[path] = HostFile(path, kind, mode, size or len(data), source, data, "")


def _prefix(python: ImagePython) -> str:
    """The folder that has the `lib` of the site folder, and `bin` beside it; with slash at its end."""
    prefix = posixpath.dirname(posixpath.dirname(posixpath.dirname(python.site.strip("/"))))
    return f"{prefix}/" if prefix else ""


def _unwanted(inside: str, info: str) -> bool:
    """What is no part of a package, or tells of this machine; `info` is the name of the metadata folder."""
    name = posixpath.basename(inside)
    return (
        "__pycache__" in inside.split("/")
        or name.endswith(".pyc")
        or inside.endswith((f"/{info}/direct_url.json", f"/{info}/RECORD"))
        or (inside.startswith("bin/") and _OWN_NAMES.fullmatch(name) is not None)
    )


def _rows(text: str) -> list[tuple[str, str, str]]:
    """Path, checksum and size of each line of a RECORD."""
    rows = csv.reader(io.StringIO(text, newline=""))
    return [(row[0], row[1] if len(row) > 1 else "", row[2] if len(row) > 2 else "") for row in rows if row]


def _entry_points(info: Path) -> dict[str, str]:
    """The start scripts that a package asks for: name to `module:object`."""
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string((info / "entry_points.txt").read_text("utf-8"))
    except (FileNotFoundError, ConfigError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for section in ("console_scripts", "gui_scripts"):
        if parser.has_section(section):
            found |= {name.strip(): value.partition("[")[0].strip() for name, value in parser.items(section)}
    return {
        name: value
        for name, value in found.items()
        if re.fullmatch(r"[\w.]+\s*:\s*[\w.]+", value) and "/" not in name
    }


def _start_script(executable: str, value: str) -> bytes:
    module, _, attribute = (part.strip() for part in value.partition(":"))
    first = attribute.partition(".")[0]
    return (
        f"#!{executable}\nimport sys\nfrom {module} import {first}\n"
        f'if __name__ == "__main__":\n    sys.exit({attribute}())\n'
    ).encode()


def _with_interpreter(data: bytes, executable: str) -> bytes:
    """A script for `executable` where it was made for the Python that runs this."""
    here = re.escape(os.fsencode(sys.executable))
    # The second form is what pip writes where the path is long or has blanks in it.
    return re.sub(
        rb"\A#!(?:" + here + rb"|/bin/sh\r?\n'''exec' \"?" + here + rb"\"?[^\n]*\n' ''')[^\S\n]*(?=\n|\Z)",
        lambda _: b"#!" + os.fsencode(executable),
        data,
    )


def _identity(info: Path) -> tuple[str, str]:
    """Name and version by a package's METADATA."""
    fields: dict[str, str] = {}
    for line in (info / "METADATA").read_text("utf-8", "replace").splitlines():
        if not line.strip():
            break
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    return fields.get("name", info.name), fields.get("version", "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _search(files: Sequence[HostFile], value: bytes, reporter: Reporter) -> None:
    """Make sure that `value`, the path of the working folder, is in no file. Raises NuvError."""
    for file in files:
        reporter.check()
        held = b""
        for piece in _pieces(file.source) if file.source else [file.data]:
            held = held[-len(value) :] + piece
            if value in held:
                raise NuvError(
                    f"{file.path} names a folder of this machine",
                    "expected nothing in an image that tells where it was made",
                    "Export with an engine (`--engine docker`), where pip runs inside the image.",
                    Exit.REFUSED,
                )


def _pieces(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
