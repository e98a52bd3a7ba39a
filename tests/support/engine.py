"""The suite's own Docker Engine: private data, private socket, no bridge, no firewall rules.

Nothing of the machine's own engine is used or touched, its containerd included.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.environment import neutral
from tests.support.service import Service, new_folder

TINY = "nuvtui-test/tiny:1"
"""Base image with nothing but busybox."""
PYTHON = "nuvtui-test/python:1"
"""Base image of a whole Debian with python3 and pip."""


def missing() -> str:
    """Why no engine can be started here; empty: it can."""
    if os.geteuid() != 0:
        return "needs root, to start a Docker Engine of its own"
    for program in ("dockerd", "containerd", "docker"):
        if shutil.which(program) is None:
            return f"needs {program} (scripts/system-packages installs it)"
    return ""


class Engine:
    """A running Docker Engine of the tests' own."""

    def __init__(self) -> None:
        """Start it. Raises ServiceError where it does not come up."""
        self.folder = new_folder("engine")
        self.socket = self.folder / "d.sock"
        self.url = f"unix://{self.socket}"
        self.config_folder = self.folder / "cli"
        self.config_folder.mkdir()
        containerd_folder = new_folder("containerd")
        containerd_socket = containerd_folder / "c.sock"
        (containerd_folder / "config.toml").write_text(
            'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'root = "{containerd_folder}/root"\nstate = "{containerd_folder}/state"\n'
            f'[grpc]\naddress = "{containerd_socket}"\n'
        )
        environment = neutral(self.folder)
        self._containerd = Service(
            "containerd",
            ["containerd", "--config", containerd_folder / "config.toml"],
            containerd_folder,
            environment,
            containerd_socket.exists,
        )
        (self.folder / "daemon.json").write_text("{}")
        try:
            self._dockerd = Service(
                "dockerd",
                [
                    "dockerd",
                    *("--config-file", self.folder / "daemon.json"),
                    *("--data-root", self.folder / "data"),
                    *("--exec-root", self.folder / "exec"),
                    *("--pidfile", self.folder / "pid"),
                    *("--host", self.url),
                    *("--containerd", containerd_socket),
                    *("--bridge", "none"),
                    *("--exec-opt", "native.cgroupdriver=cgroupfs"),
                    *("--shutdown-timeout", "1"),
                    "--iptables=false",
                    "--ip6tables=false",
                ],
                self.folder,
                environment,
                self.answers,
            )
        except BaseException:
            self._containerd.stop()
            raise

    def stop(self) -> None:
        """End it and remove all it had."""
        self._dockerd.stop()
        self._containerd.stop()

    def environment(self) -> dict[str, str]:
        """The variables that lead a client to this engine."""
        return {"DOCKER_HOST": self.url, "DOCKER_CONFIG": str(self.config_folder)}

    def answers(self) -> bool:
        """True where the engine answers a client."""
        return self.socket.exists() and self.run("version", check=False).returncode == 0

    def run(
        self,
        *arguments: str,
        data: bytes | None = None,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """`docker ARGUMENTS` against this engine. Raises AssertionError with its output where it fails."""
        done = subprocess.run(
            ["docker", *arguments],
            input=data if data is not None else b"",
            capture_output=True,
            env={**neutral(self.folder), **self.environment(), **(environment or {})},
            timeout=600,
        )
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(arguments)}: exit code {done.returncode}\n"
                f"{done.stdout.decode('utf-8', 'replace')}{done.stderr.decode('utf-8', 'replace')}"
            )
        return done

    def text(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` prints."""
        return self.run(*arguments).stdout.decode("utf-8", "replace").strip()

    def ran(
        self,
        image: str,
        *command: str,
        user: str = "",
        variables: Mapping[str, str] | None = None,
        read_only: bool = True,
    ) -> tuple[int, bytes]:
        """Exit code and output of a container without network, on a read-only system but for `/tmp`."""
        options = [
            "--rm",
            "--network=none",
            "--tmpfs=/tmp:rw,mode=1777",
            f"--read-only={str(read_only).lower()}",
        ]
        options += [f"--user={user}"] if user else []
        options += [f"--env={name}={value}" for name, value in (variables or {}).items()]
        done = self.run("run", *options, image, *command, check=False)
        return done.returncode, done.stdout + done.stderr

    def inspect(self, reference: str) -> dict[str, object]:
        """What the engine says of an image or a container."""
        return dict(json.loads(self.text("inspect", reference))[0])

    def images(self) -> list[str]:
        """Every tagged image, `name:tag`, sorted."""
        listed = self.text("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return sorted(reference for reference in listed if "<none>" not in reference)

    def image_ids(self) -> set[str]:
        """Ids of all images, untagged and intermediate ones included."""
        return set(self.text("images", "--all", "--quiet", "--no-trunc").split())

    def containers(self) -> list[str]:
        """Ids of all containers, ended ones included."""
        return self.text("ps", "--all", "--quiet").split()

    def load(self, reference: str, archive: Path | bytes, changes: Sequence[str] = ()) -> str:
        """Make image `reference` from a tar of its root file system. Returns its id."""
        change = [part for line in changes for part in ("--change", line)]
        if isinstance(archive, bytes):
            return self.run("import", *change, "-", reference, data=archive).stdout.decode().strip()
        return self.text("import", *change, str(archive), reference)

    def files(self, reference: str) -> dict[str, tarfile.TarInfo]:
        """Every path in image `reference`, without leading slash, as a container would see it."""
        container = self.text("create", reference, "nothing")
        try:
            with tarfile.open(fileobj=io.BytesIO(self.run("export", container).stdout)) as archive:
                return {member.name.rstrip("/"): member for member in archive}
        finally:
            self.run("rm", container)

    def remove_images(self, keep: Sequence[str] = (TINY, PYTHON)) -> None:
        """Remove every container and every image but `keep`."""
        for container in self.containers():
            self.run("rm", "--force", container)
        for reference in self.images():
            if reference not in keep:
                self.run("rmi", "--force", reference)
        self.run("image", "prune", "--force")


def busybox_root() -> bytes:
    """Tar of a root file system with nothing but busybox and its applets. Deterministic."""
    program = shutil.which("busybox")
    if program is None:
        raise RuntimeError("needs busybox (scripts/system-packages installs it)")
    applets = subprocess.run([program, "--list"], capture_output=True, check=True, text=True).stdout.split()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("root", 0o700)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        files = {
            "bin/busybox": (Path(program).read_bytes(), 0o755),
            "etc/passwd": (b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", 0o644),
            "etc/group": (b"root:x:0:\nnogroup:x:65534:\n", 0o644),
        }
        for name, (content, mode) in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), mode
            archive.addfile(file, io.BytesIO(content))
        for applet in sorted(set(applets) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return data.getvalue()


def running_engine() -> Iterator[Engine]:
    """An engine for as long as the generator lives."""
    engine = Engine()
    try:
        yield engine
    finally:
        engine.stop()
