"""Fetches a source distribution from the package registry as pip is set up here, and builds nothing.

`pip download` of a source distribution runs its build system only to learn its metadata; here pip is asked
where the file is, and the file is downloaded. As a script: `sdist.py NAME VERSION TARGET`.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from nuvtui.atomic import locked, temporary_name
from tests.support.environment import package_index

STATSMODELS = (
    "statsmodels",
    "0.14.5",
    "de260e58cccfd2ceddf835b55a357233d6ca853a1aa4f90f7553a52cc71c6ddf",
)
"""Name, version and sha256 of the project that nobody here wrote."""


def fetch(name: str, version: str, sha256: str, cache: Path) -> Path:
    """The archive of `name` `version`, downloaded where it is not yet in `cache`; its content is `sha256`."""
    cache.mkdir(exist_ok=True)
    archive = cache / f"{name}-{version}.tar.gz"
    with locked(cache / "sdist.lock"):
        if not archive.exists():
            temporary = temporary_name(archive)
            done = subprocess.run(
                [sys.executable, "-m", "tests.support.sdist", name, version, temporary],
                cwd=Path(__file__).parents[2],
                env={**os.environ, **package_index()},
                capture_output=True,
                text=True,
                timeout=600,
            )
            if done.returncode:
                raise RuntimeError(f"{name} {version} could not be fetched\n{done.stdout}{done.stderr}")
            os.replace(temporary, archive)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        archive.unlink()
        raise RuntimeError(f"{archive.name}: expected sha256 {sha256}, found {found}")
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack `archive` into `folder` without the folder that all of it lies in. Returns `folder`."""
    folder.mkdir(parents=True)
    with tarfile.open(archive) as content:
        for member in content:
            _, _, member.name = member.name.partition("/")
            if member.name:
                content.extract(member, folder, filter="data")
    return folder


def _download(name: str, version: str, target: Path) -> None:
    from pip._internal.commands.download import DownloadCommand
    from pip._vendor.packaging.specifiers import SpecifierSet

    command = DownloadCommand("download", "")
    options, _ = command.parse_args(["--no-binary", ":all:", name])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        best = finder.find_best_candidate(name, SpecifierSet(f"=={version}")).best_candidate
        if best is None:
            raise SystemExit(f"no source distribution of {name} {version} in the package registry")
        answer = session.get(
            best.link.url_without_fragment, headers={"Accept-Encoding": "identity"}, timeout=180
        )
        answer.raise_for_status()
        target.write_bytes(answer.content)


if __name__ == "__main__":
    _download(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
