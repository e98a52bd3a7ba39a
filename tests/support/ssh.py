"""The suite's own SSH server on the loopback, with throw-away keys and settings of its own."""

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.environment import neutral
from tests.support.keeper import children, descendants
from tests.support.service import Service, new_folder
from tests.support.waiting import free_port, listens, wait_until


def missing() -> str:
    """Why no SSH server can be started here; empty: it can."""
    for program in ("sshd", "ssh", "ssh-keygen"):
        if _which(program) is None:
            return f"needs {program} (scripts/system-packages installs it)"
    return ""


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class SshServer:
    """A running SSH server; whoever logs in has an empty home folder and a neutral environment."""

    def __init__(self) -> None:
        """Start it. Raises ServiceError where it does not come up."""
        self.folder = new_folder("ssh")
        self.port = free_port()
        for key in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True
            )
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        home = self.folder / "home"
        home.mkdir()
        inside = neutral(home)
        names = " ".join(f'{name}="{value}"' for name, value in inside.items() if name != "TERM")
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nPasswordAuthentication no\nPermitRootLogin yes\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPrintMotd no\nPrintLastLog no\n"
            f"SetEnv {names}\n"
        )
        host = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host}")
        (self.folder / "ssh_config").write_text(
            f"Host there\n  HostName 127.0.0.1\n  Port {self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {self.folder}/user\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile none\n"
            "  StrictHostKeyChecking yes\n  LogLevel ERROR\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it, empty
        self._service = Service(
            "sshd",
            [_which("sshd") or "sshd", "-D", "-e", "-f", self.folder / "sshd_config"],
            self.folder,
            inside,
            lambda: listens(self.port),
        )

    def stop(self) -> None:
        """End it with every connection, and remove all it had."""
        self._service.stop()

    def command(
        self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None, terminal: bool = True
    ) -> list[str]:
        """The `ssh` command line that runs `command` (default: a shell) there, with `environment` on top."""
        line = ["ssh", "-F", str(self.folder / "ssh_config"), "-tt" if terminal else "-T", "there"]
        if not command and not environment:
            return line
        setting = [f"{name}={value}" for name, value in (environment or {}).items()]
        return [*line, "exec " + shlex.join(["env", *setting, *(command or ["/bin/sh", "-i"])])]

    def connections(self) -> list[int]:
        """Process ids of the server's side of the open connections."""
        servers = children(self._service.pid)
        return [pid for server in servers for pid in children(server)]

    def cut(self) -> None:
        """Cut every open connection, as a lost network does: no farewell to either side's program."""
        connections = self.connections()
        for pid in connections:
            # The unprivileged child holds the connection, its parent the terminal: both go at once.
            for process in (pid, *[child for child in children(pid) if _is_sshd(child)]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        wait_until(
            lambda: not set(connections) & set(descendants(self._service.pid)), "the connections are cut"
        )


def _is_sshd(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().startswith("sshd")
    return False


def running_server() -> Iterator[SshServer]:
    """An SSH server for as long as the generator lives."""
    server = SshServer()
    try:
        yield server
    finally:
        server.stop()
