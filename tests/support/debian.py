"""A whole Debian root file system with python3 and pip, made by debootstrap from the machine's own mirror."""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from nuvtui.atomic import locked, temporary_name

PACKAGES = ("python3", "python3-pip", "ca-certificates")
RECIPE = 1
"""Raised when the root file system is to be made anew."""


def mirror() -> tuple[str, str]:
    """Mirror and release that apt on this machine is set up with. RuntimeError where it is no Debian."""
    release = platform.freedesktop_os_release()
    suite = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not suite:
        raise RuntimeError("needs a Debian machine, to make a base image from its mirror")
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for line in sites.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1:] == [suite, "main"]:
            return parts[0], suite
    raise RuntimeError(f"apt has no mirror of {suite} main")


def python_root(cache: Path) -> Path:
    """Tar of the root file system, made where it is not yet in `cache`."""
    cache.mkdir(exist_ok=True)
    with locked(cache / "debian.lock"):
        url, suite = mirror()
        archive = cache / f"debian-{suite}-python-{RECIPE}.tar"
        if not archive.exists():
            _make(archive, url, suite)
        return archive


def _make(archive: Path, url: str, suite: str) -> None:
    root = Path(tempfile.mkdtemp(prefix="nvt-debian-"))
    temporary = temporary_name(archive)
    # The machine's proxy and CA settings live in apt's own configuration, which debootstrap does not read.
    try:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(root), url],
            capture_output=True,
            text=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            timeout=900,
        )
        if done.returncode:
            raise RuntimeError(
                f"debootstrap: exit code {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}"
            )
        for rubbish in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/man",
            "usr/share/locale",
        ):
            shutil.rmtree(root / rubbish, ignore_errors=True)
        for folder in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial"):
            (root / folder).mkdir(parents=True)
        subprocess.run(
            ["tar", "--create", "--numeric-owner", "--one-file-system", "--file", temporary, "-C", root, "."],
            check=True,
        )
        os.replace(temporary, archive)
    finally:
        temporary.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
