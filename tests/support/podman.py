"""The suite's own Podman: its service socket, with private data, settings and policy, and no network set-up.

Nothing of the machine's own Podman is used or touched.
"""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator

from tests.support.engine import busybox_root
from tests.support.environment import neutral
from tests.support.service import Service, ServiceError, new_folder

TINY = "localhost/nuvtui-test/tiny:1"
"""Base image with nothing but busybox."""


def missing() -> str:
    """Why no Podman can be started here; empty: it can."""
    if os.geteuid() != 0:
        return "needs root, to start a Podman of its own"
    if shutil.which("podman") is None:
        return "needs podman (scripts/system-packages installs it)"
    return ""


class Podman:
    """A running Podman service of the tests' own."""

    def __init__(self) -> None:
        """Start it. Raises ServiceError where it does not come up."""
        # The usual driver is not to be had everywhere (say, on an overlay file system).
        for driver in ("overlay", "vfs"):
            try:
                self._start(driver)
                return
            except ServiceError:
                if driver == "vfs":
                    raise

    def _start(self, driver: str) -> None:
        self.folder = new_folder("podman")
        self.socket = self.folder / "p.sock"
        self.url = f"unix://{self.socket}"
        settings = self.folder / ".config" / "containers"
        settings.mkdir(parents=True)
        (settings / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        (self.folder / "registries.conf").write_text(
            'unqualified-search-registries = []\n[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n'
        )
        (self.folder / ".docker").mkdir()
        (self.folder / ".docker" / "config.json").write_text("{}")  # where DOCKER_CONFIG is, it has to exist
        # Podman gives its containers more open files and processes than a sandbox may have; itself it
        # takes at most 32768 processes, and then cannot give more.
        limits = [
            f'"{name}={limit}:{limit}"'
            for name, number, most in (
                ("nofile", resource.RLIMIT_NOFILE, 1 << 20),
                ("nproc", resource.RLIMIT_NPROC, 1 << 15),
            )
            for hard in [resource.getrlimit(number)[1]]
            for limit in [most if hard == resource.RLIM_INFINITY else min(hard, most)]
        ]
        (self.folder / "containers.conf").write_text(
            f'[containers]\ndefault_ulimits = [{", ".join(limits)}]\nlog_driver = "k8s-file"\n'
            '[engine]\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n'
        )
        self._line = [
            "podman",
            *("--root", str(self.folder / "root")),
            *("--runroot", str(self.folder / "run")),
            *("--tmpdir", str(self.folder / "tmp")),
            *("--storage-driver", driver),
        ]
        self._service = Service(
            "podman",
            [*self._line, "system", "service", "--time=0", self.url],
            self.folder,
            self._environment(),
            self.answers,
        )

    def stop(self) -> None:
        """End it and remove all it had."""
        self._service.stop()

    def _environment(self) -> dict[str, str]:
        return {
            **neutral(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
        }

    def answers(self) -> bool:
        """True where the service answers a client."""
        if not self.socket.exists():
            return False
        asked = ["podman", "--remote", "--url", self.url, "info"]
        return subprocess.run(asked, capture_output=True, env=self._environment()).returncode == 0

    def text(self, *arguments: str, data: bytes | None = None) -> str:
        """What `podman ARGUMENTS` prints, past the service. Raises AssertionError where it fails."""
        done = subprocess.run(
            [*self._line, *arguments],
            input=data or b"",
            capture_output=True,
            env=self._environment(),
            timeout=300,
        )
        if done.returncode:
            raise AssertionError(f"podman {' '.join(arguments)}: {done.stderr.decode('utf-8', 'replace')}")
        return done.stdout.decode("utf-8", "replace").strip()

    def images(self) -> list[str]:
        """Every tagged image, `name:tag`, sorted."""
        listed = self.text("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return sorted(reference for reference in listed if "<none>" not in reference)

    def containers(self) -> list[str]:
        """Ids of all containers, ended ones and those of build steps included."""
        return self.text("ps", "--all", "--external", "--quiet").split()

    def load_tiny(self) -> None:
        """Make the base image `TINY`."""
        self.text(
            "import",
            "--change",
            "ENV PATH=/bin",
            "--change",
            'CMD ["/bin/sh"]',
            "-",
            TINY,
            data=busybox_root(),
        )


def running_podman() -> Iterator[Podman]:
    """A Podman with its base image for as long as the generator lives."""
    podman = Podman()
    try:
        podman.load_tiny()
        yield podman
    finally:
        podman.stop()
