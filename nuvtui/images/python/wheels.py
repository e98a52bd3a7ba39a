"""Wheels unpacked to the files of an image's layer: the same files from any machine, with nothing of this one in them.

`installer` reads the wheels; where a file goes, and what a start script says, is decided by the image's Python.
"""

import configparser
import csv
import io
import itertools
import os
import posixpath
import re
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import installer
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, InvalidRecordEntry, RecordEntry
from installer.sources import WheelFile
from installer.utils import copyfileobj_with_hashing, fix_shebang, parse_metadata_file

from nuvtui.errors import Exit, NuvError
from nuvtui.images.host.files import HostFile, parents
from nuvtui.images.python.interpreter import ImagePython
from nuvtui.model.tree import FILE, FOLDER
from nuvtui.reporter import Reporter


@dataclass(frozen=True)
class InstalledPackages:
    """What was installed: the files of a layer, and what they are."""

    files: list[HostFile]
    """Sorted by path, folders before their contents."""
    packages: list[tuple[str, str]]
    """Name and version, sorted."""


def unpack(
    wheels: Path, requested: Collection[str], python: ImagePython, folder: Path, reporter: Reporter
) -> InstalledPackages:
    """Unpack all wheels of the folder `wheels` for `python`; contents go into `folder`, which is new.

    `requested`: normal names of the packages that were asked for, and not only needed by others. Each wheel is
    removed once it is unpacked. Raises NuvError (exit code 6) where one is not as the wheel format has it;
    Cancelled.
    """
    folder.mkdir()
    # Numbered: no path of a wheel gets to a file system here.
    places = (folder / str(number) for number in itertools.count())
    files: dict[str, HostFile] = {}
    packages = []
    for path in sorted(wheels.iterdir()):
        try:
            with WheelFile.open(path) as source:
                metadata = parse_metadata_file(source.read_dist_info("METADATA"))
                name, version = str(metadata["Name"]), str(metadata["Version"])
                extra = {"INSTALLER": b"pip\n"} | ({"REQUESTED": b""} if normal(name) in requested else {})
                with warnings.catch_warnings(action="ignore"):  # compiled files, which are left out
                    installer.install(source, _Destination(name, python, places, files, reporter), extra)
        except _UNUSABLE as error:
            raise NuvError(
                f"{path.name} cannot be installed",
                f"expected a wheel, found: {str(error)[:300] or type(error).__name__}",
                "Name another version; or export with an engine (`--engine docker`).",
                Exit.REFUSED,
            ) from error
        packages.append((name, version))
        path.unlink()
    for place in list(files):
        for parent in parents(place):
            files.setdefault(parent, HostFile(parent, FOLDER, 0o755, 0))
    return InstalledPackages([files[place] for place in sorted(files)], sorted(packages))


_UNUSABLE = (
    InstallerError, InvalidRecordEntry, zipfile.BadZipFile, configparser.Error, ValueError, KeyError, AssertionError,
)  # fmt: skip
"""What `installer` raises for files that are no wheels, or broken ones."""


class _Destination(WheelDestination):
    """Where the files of one wheel go in the image."""

    def __init__(
        self,
        name: str,
        python: ImagePython,
        places: Iterator[Path],
        files: dict[str, HostFile],
        reporter: Reporter,
    ) -> None:
        self._name, self._python, self._reporter = name, python, reporter
        self._places, self._files = places, files
        self._site = python.site.strip("/")

    def write_script(self, name: str, module: str, attr: str, section: object) -> RecordEntry:  # noqa: ARG002  (called by names)
        first = attr.partition(".")[0]
        text = (
            f"#!{self._python.executable}\nimport sys\nfrom {module} import {first}\n"
            f'if __name__ == "__main__":\n    sys.exit({attr}())\n'
        )
        return self.write_file("scripts", name, io.BytesIO(text.encode()), is_executable=True)

    def write_file(
        self, scheme: str, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        self._reporter.check()
        if scheme == "scripts":
            with fix_shebang(stream, self._python.executable) as fixed:
                return self._write(scheme, os.fspath(path), fixed, is_executable)
        return self._write(scheme, os.fspath(path), stream, is_executable)

    def finalize_installation(
        self, scheme: str, record_file_path: str, records: Iterable[tuple[Any, RecordEntry]]
    ) -> None:
        text = io.StringIO()
        rows = sorted({entry.path: entry.to_row() for _, entry in records}.values())
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._write(scheme, record_file_path, io.BytesIO(text.getvalue().encode()), False)

    def _write(self, scheme: str, path: str, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        place = self._place(scheme, path)
        source = next(self._places)
        with source.open("xb") as file:
            digest, size = copyfileobj_with_hashing(stream, file, "sha256")
        self._files[place] = HostFile(place, FILE, 0o755 if is_executable else 0o644, size, str(source))
        return RecordEntry(posixpath.relpath(f"/{place}", f"/{self._site}"), Hash("sha256", digest), size)

    def _place(self, scheme: str, path: str) -> str:
        """The path in the image of a path of the wheel's `scheme`. Raises ValueError where it leads elsewhere."""
        prefix = install_prefix(self._python)
        folder = {
            "purelib": self._site,
            "platlib": self._site,
            "scripts": f"{prefix}bin",
            "headers": f"{prefix}include/python{self._python.version}/{self._name}",
            "data": prefix.rstrip("/"),
        }[scheme]
        place = posixpath.normpath(f"/{folder}/{path}").lstrip("/")
        if not place.startswith(f"{folder}/" if folder else "") or "\0" in place:
            raise ValueError(f"{path[:200]!r} leads out of the image's folders")
        return place


def install_prefix(python: ImagePython) -> str:
    """The folder that has the `lib` of the site folder, and `bin` beside it; with slash at its end."""
    prefix = posixpath.dirname(posixpath.dirname(posixpath.dirname(python.site.strip("/"))))
    return f"{prefix}/" if prefix else ""


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
