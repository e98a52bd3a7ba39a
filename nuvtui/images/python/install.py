"""Pip packages for an image without an engine: wheels for its platform and Python, laid out as a layer's files.

pip resolves and downloads as the user has it set up (index, certificates, cache); nothing of an image runs, and
nothing of a package either: what would have to be built is refused.
"""

import csv
import io
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import site
from nuvtui.images.python import pip
from nuvtui.images.python.interpreter import ImagePython
from nuvtui.images.python.wheels import InstalledPackages, install_prefix, normal, unpack
from nuvtui.model.export import Finding
from nuvtui.reporter import Reporter


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
        pip.download(requirements, python, work, settings, reporter, secret_values)
        requested = {normal(name) for name in re.findall(r"(?m)^[A-Za-z0-9._-]+", requirements)}
        installed = unpack(work / "wheels", requested, python, work / "files", reporter)
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
    names = {normal(name) for name, _ in installed.packages}
    new = {file.path for file in installed.files}
    folder = python.site.strip("/")
    known = frozenset(paths)
    found: set[str] = set()
    for metadata in known:
        path, _, file = metadata.rpartition("/")
        parent, _, name = path.rpartition("/")
        if file != "METADATA" or parent != folder or not name.endswith(".dist-info"):
            continue
        if normal(name.removesuffix(".dist-info").rpartition("-")[0]) not in names:
            continue
        record = (read(f"{path}/RECORD") or b"").decode("utf-8", "replace")
        for row in filter(None, csv.reader(io.StringIO(record, newline=""))):
            listed = posixpath.normpath(f"{folder}/{row[0]}")
            if listed in known and listed.startswith(install_prefix(python)):
                found.add(listed)
        found |= {file for file in known if file.startswith(f"{path}/")}
    return sorted(found - new)
