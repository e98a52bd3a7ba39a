"""The lock: the exact packages installed in an environment, read from its metadata without running anything in it.

- venv: `*.dist-info/METADATA` and `direct_url.json` (PEP 610), `*.egg-info`; the version from `pyvenv.cfg`.
- conda: `conda-meta/*.json`; what pip installed on top as for a venv.
- R library: `*/DESCRIPTION`, without the packages that come with R itself.

The metadata is not trusted: files are read with limits, and only plain ones; credentials in addresses are dropped.
"""

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from nuvtui.model.application import Lock, Package
from nuvtui.model.names import path_to_text
from nuvtui.paths import Workspace
from nuvtui.services.applications.application_file import located, recognised

_HEADER_BYTES = 1 << 20
_JSON_BYTES = 32 << 20
_NORMAL = re.compile(r"[-_.]+")
_Source = Literal["pip", "conda", "cran", "local", "vcs", "url"]


def capture(workspace: Workspace, environment: str | None) -> tuple[Lock | None, str]:
    """The lock of `environment`, and a note: why there is none, or what it lacks (empty: nothing to say).

    `environment` None: no lock and no note.
    """
    if environment is None:
        return None, ""
    folder = located(workspace, environment)
    shown = path_to_text(environment)
    if not folder.is_dir():
        return None, f"the environment {shown} does not exist"
    try:
        match recognised(folder):
            case "venv":
                return _venv(folder)
            case "conda":
                return _conda(folder)
            case "R":
                return _r_library(folder)
    except OSError as error:
        return None, f"the environment {shown} cannot be read: {error.strerror or error}"
    return None, f"{shown} is no venv, conda prefix or R library"


def _venv(folder: Path) -> tuple[Lock, str]:
    settings = _settings(folder / "pyvenv.cfg")
    version = settings.get("version") or settings.get("version_info") or ""
    version = ".".join(version.split(".")[:3])
    packages, unread = _python_packages(folder)
    notes = [f"without metadata that can be read: {name}" for name in unread]
    if settings.get("include-system-site-packages", "").lower() == "true":
        notes.append("packages of the system's Python are used as well and not recorded")
    return Lock("venv", f"Python {version}".strip(), _sorted(packages)), "; ".join(notes)


def _conda(folder: Path) -> tuple[Lock, str]:
    packages = []
    notes = []
    interpreter = ""
    for path in sorted((folder / "conda-meta").glob("*.json")):
        record = _json(path)
        name, version = record.get("name"), record.get("version")
        if not (isinstance(name, str) and isinstance(version, str)):
            notes.append(f"without metadata that can be read: {path_to_text(path.name)}")
            continue
        packages.append(Package(name, version, "conda"))
        if name == "python":
            interpreter = f"Python {version}"
        elif name == "r-base" and not interpreter:
            interpreter = f"R {version}"
    known = {_NORMAL.sub("-", package.name).lower() for package in packages}
    on_top, unread = _python_packages(folder)
    packages += [package for package in on_top if _NORMAL.sub("-", package.name).lower() not in known]
    notes += [f"without metadata that can be read: {name}" for name in unread]
    return Lock("conda", interpreter, _sorted(packages)), "; ".join(notes)


def _r_library(folder: Path) -> tuple[Lock, str]:
    packages = []
    notes = []
    built: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        description = path / "DESCRIPTION"
        if not description.is_file():
            continue
        fields = _fields(description)
        name, version = fields.get("package"), fields.get("version")
        if not (name and version):
            notes.append(f"without metadata that can be read: {path_to_text(path.name)}")
            continue
        with_r = fields.get("built", "").split(";")[0].strip()
        if with_r.startswith("R "):
            built[with_r] += 1
        if fields.get("priority") == "base":
            continue
        source, location = _r_source(fields)
        packages.append(Package(name, version, source, location))
    interpreter = built.most_common(1)[0][0] if built else "R"
    return Lock("R", interpreter, _sorted(packages)), "; ".join(notes)


def _r_source(fields: dict[str, str]) -> tuple[_Source, str]:
    kind = fields.get("remotetype", "").lower()
    if kind in ("github", "gitlab", "bitbucket"):
        place = f"{fields.get('remoteusername', '')}/{fields.get('remoterepo', '')}"
        return "vcs", f"{kind}::{place}@{fields.get('remotesha', fields.get('remoteref', ''))}"
    if kind in ("git", "git2r", "xgit", "svn"):
        return (
            "vcs",
            f"{kind}::{without_credentials(fields.get('remoteurl', ''))}@{fields.get('remotesha', '')}",
        )
    if kind == "url":
        return "url", without_credentials(fields.get("remoteurl", ""))
    if kind == "local":
        return "local", fields.get("remoteurl", "")
    if fields.get("repository") or fields.get("priority") == "recommended" or kind in ("standard", "cran"):
        return "cran", ""
    if fields.get("biocviews"):
        return "url", "bioconductor"
    return "local", ""


def _python_packages(prefix: Path) -> tuple[list[Package], list[str]]:
    """The packages in a prefix's site-packages, and the names of those that cannot be read."""
    packages: dict[tuple[str, str], Package] = {}
    unread = []
    for folder in _site_packages(prefix):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.name.endswith(".dist-info"):
                metadata = path / "METADATA"
            elif entry.name.endswith(".egg-info"):
                metadata = path / "PKG-INFO" if entry.is_dir() else path
            else:
                continue
            fields = _fields(metadata)
            name, version = fields.get("name"), fields.get("version")
            if not (name and version):
                unread.append(path_to_text(entry.name))
                continue
            source, location = _python_source(path / "direct_url.json")
            normal = _NORMAL.sub("-", name).lower()
            packages.setdefault((normal, version), Package(name, version, source, location))
    return list(packages.values()), unread


def _site_packages(prefix: Path) -> Iterator[Path]:
    seen = set()
    for lib in ("lib", "lib64"):
        for folder in sorted((prefix / lib).glob("python3*/site-packages")):
            real = os.path.realpath(folder)
            if real not in seen and folder.is_dir():
                seen.add(real)
                yield folder


def _python_source(direct_url: Path) -> tuple[_Source, str]:
    """Where a package came from by PEP 610; without such a record it came from an index."""
    if not direct_url.is_file():
        return "pip", ""
    record = _json(direct_url)
    url = record.get("url")
    if not isinstance(url, str):
        return "local", ""
    location = without_credentials(url)
    vcs = record.get("vcs_info")
    if isinstance(vcs, dict):
        commit = vcs.get("commit_id")
        return "vcs", f"{vcs.get('vcs', 'git')}+{location}" + (f"@{commit}" if commit else "")
    if isinstance(record.get("dir_info"), dict) or location.startswith("file:"):
        return "local", unquote(location.removeprefix("file://"))
    return "url", location


def without_credentials(url: str) -> str:
    """`url` without user, password, query and fragment: any of them may hold a token."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return ""


def _sorted(packages: list[Package]) -> list[Package]:
    return sorted(packages, key=lambda package: (package.name.lower(), package.name, package.version))


def _read(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a plain file; nothing where it is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def _fields(path: Path) -> dict[str, str]:
    """The header fields of METADATA, PKG-INFO or DESCRIPTION: names in lower case, the first of each."""
    fields: dict[str, str] = {}
    last = ""
    for line in _read(path, _HEADER_BYTES).decode("utf-8", "replace").splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            if last:
                fields[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        last = name.strip().lower() if colon else ""
        if last in fields:
            last = ""
        elif last:
            fields[last] = value.strip()
    return fields


def _settings(path: Path) -> dict[str, str]:
    settings = {}
    for line in _read(path, _HEADER_BYTES).decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            settings[name.strip().lower()] = value.strip()
    return settings


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path, _JSON_BYTES))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
