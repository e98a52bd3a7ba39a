"""Engines behind `ssh://`: a connection is the standard input and output of the user's own `ssh`, which runs
`docker system dial-stdio` on the other machine, as the Docker CLI does it.

(The docker package's own transport needs paramiko, takes no path of a socket, has no limit in time, may prompt,
and does not say why `ssh` failed.)

`ssh` is not asked to guess: it never prompts, and nothing of a URL can become one of its options or a word of
the remote shell. Connections to one machine share a master connection, so that only the first exchange pays
for a handshake. The master ends with the program, however that ends: a watcher sees its pipe close.
"""

import collections
import contextlib
import hashlib
import math
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nuvtui import sanitise

_PERSIST = 15
"""Seconds that a master connection is kept open without use."""
_KEPT = 4096
"""Bytes of what `ssh` said that are kept."""
_PATH_LIMIT = 80
"""Length of the control socket's path: `ssh` adds 17 bytes, the system takes 107."""
_GRACE = 2.0

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+$-]{0,127}")


@dataclass(frozen=True)
class Target:
    """A machine, and where its engine listens there."""

    host: str
    user: str = ""
    port: int = 0
    """0: what the user's `ssh` is set up for."""
    socket: str = ""
    """Path of the engine's socket on that machine; empty: where its own client finds it."""


def parse(url: str) -> Target:
    """The parts of `ssh://[user@]host[:port][/socket]`. Raises ValueError in words for people."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{error} in an ssh:// address") from None
    if parts.scheme != "ssh" or parts.query or parts.fragment:
        raise ValueError("expected ssh://[user@]host[:port][/path/of/socket]")
    if parts.password is not None:
        raise ValueError("a password in an ssh:// address is not used: set up a key, or an ssh agent")
    # urlsplit makes names lower-case; an alias in the user's ssh settings may have capitals.
    host = parts.netloc.rpartition("@")[2]
    host = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    user, path = unquote(parts.username or ""), unquote(parts.path).rstrip("/")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no name of a machine")
    if user and not _USER.fullmatch(user):
        raise ValueError(f"{user!r} is no name of a user")
    if port == 0:
        raise ValueError("there is no port 0")
    if path and not path.isprintable():
        raise ValueError("the socket's path has control characters in it")
    return Target(host, user, port or 0, path)


def remote_command(target: Target) -> str:
    """What the other machine's shell is asked to do: join standard input and output to the engine."""
    at = shlex.quote(f"unix://{target.socket}")
    docker, podman = (f" --host {at}", f" --url {at}") if target.socket else ("", "")
    script = (
        f"if command -v docker >/dev/null 2>&1; then exec docker{docker} system dial-stdio; fi; "
        f"if command -v podman >/dev/null 2>&1; then exec podman{podman} system dial-stdio; fi; "
        "echo neither docker nor podman is installed on that machine >&2; exit 127"
    )
    return f"exec sh -c {shlex.quote(script)}"


def command_line(target: Target, timeout: float, control: Path | None = None) -> list[str]:
    """The `ssh` command; `control`: the socket of the shared connection."""
    settings = {
        "BatchMode": "yes",
        "ConnectTimeout": str(max(1, math.ceil(timeout))),
        "LogLevel": "ERROR",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "3",
        "ClearAllForwardings": "yes",
        "RemoteCommand": "none",
        "ControlMaster": "auto" if control else "no",
        "ControlPath": str(control).replace("%", "%%") if control else "none",
        "ControlPersist": str(_PERSIST) if control else "no",
    }
    line = ["ssh", "-T", "-x", "-a"]
    for name, value in settings.items():
        line += ["-o", f"{name}={value}"]
    if target.user:
        line += ["-l", target.user]
    if target.port:
        line += ["-p", str(target.port)]
    return [*line, "--", target.host]


class Tunnel:
    """One connection to an engine through `ssh`: a socket, and the child at its other end."""

    def __init__(self, url: str, timeout: float) -> None:
        """Start `ssh`. Returns at once: whether it gets through shows on the socket.

        Raises ValueError where the URL cannot be used, OSError where there is no `ssh`.
        """
        target = parse(url)
        program = shutil.which("ssh")
        if program is None:
            raise OSError("there is no program `ssh` on this machine")
        line = command_line(target, timeout, _masters.control(target))
        self.socket, theirs = socket.socketpair()
        try:
            self._child = subprocess.Popen(
                [program, *line[1:], remote_command(target)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                start_new_session=True,  # an interrupt in the terminal is nuvtui's to handle
            )
        except BaseException:
            self.socket.close()
            raise
        finally:
            theirs.close()
        self._said: collections.deque[bytes] = collections.deque()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        """Keep the end of what `ssh` says. Read all the time: it must never wait for a full pipe."""
        assert self._child.stderr is not None
        with self._child.stderr as pipe, contextlib.suppress(OSError, ValueError):
            while piece := os.read(pipe.fileno(), _KEPT):
                self._said.append(piece)
                while sum(map(len, self._said)) - len(self._said[0]) > _KEPT:
                    self._said.popleft()

    def reason(self) -> str:
        """Why it ended, in the last words of `ssh`; empty where it said nothing."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_GRACE / 2)
        self._reader.join(_GRACE / 4)
        text = b"".join(self._said)[-_KEPT:].decode("utf-8", "replace")
        lines = [line for line in map(str.strip, text.splitlines()) if line]
        if not lines:
            return ""
        last = sanitise.log_line(lines[-1])[:300]
        return last if last.startswith("ssh") else f"ssh: {last}"

    def close(self) -> None:
        """End the connection and its child. The shared master stays for the next one."""
        self.socket.close()
        if self._child.poll() is None:
            # The child alone, not its group: the first one's group is also that of the shared master.
            self._child.terminate()
            try:
                self._child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._reader.join(_GRACE / 4)


_WATCHER = """\
read -r _
for socket in "$1"/*; do
    if [ -S "$socket" ]; then ssh -o ControlPath="$socket" -O exit -- nuvtui; fi
done
rm -rf -- "$1"
"""
"""Waits for the end of its standard input, which only nuvtui has the other end of."""


class _Masters:
    """The shared connections of this process: one control socket a machine, in a private folder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = 0
        self._folder: Path | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def control(self, target: Target) -> Path | None:
        """The control socket of the connections to `target`; None where they cannot be shared."""
        with self._lock:
            if self._process != os.getpid():  # none yet, or the parent's
                self._process, self._folder, self._watcher = os.getpid(), None, None
                self._start()
            if self._folder is None:
                return None
            key = hashlib.sha256(repr((target.host, target.user, target.port)).encode()).hexdigest()[:12]
            path = self._folder / key
            return path if len(os.fsencode(path)) <= _PATH_LIMIT else None

    def _start(self) -> None:
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="nuvtui-ssh-"))
            try:
                self._watcher = subprocess.Popen(
                    ["sh", "-c", _WATCHER, "nuvtui", folder],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                folder.rmdir()
                raise
            self._folder = folder

    def end(self) -> None:
        """End them and remove the folder."""
        with self._lock:
            watcher, self._watcher, self._folder = self._watcher, None, None
            if self._process == os.getpid() and watcher is not None and watcher.stdin is not None:
                watcher.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    watcher.wait(_GRACE)
            self._process = 0


_masters = _Masters()


def end_masters() -> None:
    """End the shared connections of this process. Happens by itself when the program ends."""
    _masters.end()
