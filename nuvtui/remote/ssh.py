"""A remote on another server, through the system's `ssh` and `nuvtui store serve` there.

`ssh` brings its own settings, keys, agent and jump hosts. A few connections are kept, one request on each at a time.
"""

import contextlib
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator

from nuvtui.errors import Exit
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote import frames
from nuvtui.remote.blobs import Blob, checked_key, checked_listing, is_key
from nuvtui.remote.failure import AbsentError, DamagedError, RemoteError, TooNewError, TransientError
from nuvtui.remote.frames import Answer, Call, Delete, Listed, Put, Read, Request, Stat
from nuvtui.remote.serve import FAILURES
from nuvtui.remote.url import Address

NOISE = 64 << 10
"""Bytes that the shell on the other side may print before nuvtui answers."""
NOT_FOUND = (126, 127)
"""Exit statuses of a shell that does not find what it is to run."""
REFUSED_BY_SSH = 255
"""Exit status of ssh where it did not get as far as the command."""


def command(address: Address, settings: RemoteSettings, create: bool) -> list[str]:
    """What is run here. Host, user and path are checked (`url.parse`), and quoted for the shell there."""
    path = address.path if address.path.startswith("/") or not address.path else f"./{address.path}"
    there = [
        *shlex.split(settings.command or "nuvtui"),
        "store",
        "serve",
        *(["--create"] if create else []),
        *([path] if path else []),  # none: the account's own store home
    ]
    return [
        "ssh",
        "-T",
        "-oServerAliveInterval=15",
        "-oServerAliveCountMax=4",
        "-oConnectTimeout=20",
        *([] if sys.stdin.isatty() else ["-oBatchMode=yes"]),
        *(["-p", str(address.port)] if address.port else []),
        *(["-l", address.user] if address.user else []),
        "--",
        address.host,
        shlex.join(there),
    ]


class _Connection:
    """One `ssh` with nuvtui at its other end."""

    def __init__(self, address: Address, arguments: list[str]) -> None:
        self._url = address.url
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise RemoteError(
                "ssh cannot be started", error.strerror or str(error), "Install an OpenSSH client."
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._errors = bytearray()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._greeted(address)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := self._process.stderr.read1(4096):  # type: ignore[attr-defined] # a buffered reader
                self._errors += data
                del self._errors[: -(8 << 10)]

    def _greeted(self, address: Address) -> None:
        seen = 0
        while line := self._stdout.readline(NOISE):
            greeted = frames.greeting(line)
            if greeted is not None and greeted[0] != frames.VERSION:
                self._end()
                raise TooNewError(
                    f"nuvtui on {address.host} is another one",
                    f"it has version {greeted[1]} and speaks protocol {greeted[0]}, this one {frames.VERSION}",
                    "Use the same version on both servers.",
                )
            if greeted is not None:
                return
            seen += len(line)
            if seen > NOISE:
                break
        status = self._end()
        said = " ".join(self._errors.decode("utf-8", "replace").split())[-300:]
        if status == REFUSED_BY_SSH:
            raise TransientError(
                f"{address.host} cannot be reached",
                said or "ssh gave no reason",
                f"Try `ssh {address.host}` by hand.",
            )
        if said and status not in NOT_FOUND:  # nuvtui is there, and says why not
            raise RemoteError(
                f"nuvtui on {address.host} cannot serve {address.path}",
                said,
                f"Try `ssh {address.host}` by hand.",
                Exit(status) if status in set(Exit) else Exit.FAILED,
            )
        raise RemoteError(
            f"nuvtui does not answer on {address.host}",
            said or "it was looked for as `nuvtui` in the PATH of a shell without a terminal",
            "Install it there, or say how it is called: `nuvtui remotes add NAME URL --command /path/to/nuvtui`.",
            Exit.FAILED,
        )

    def ask(self, request: Request) -> Answer:
        """The answer to a request. Raises TransientError where the connection breaks."""
        try:
            frames.write(self._stdin, request)  # type: ignore[arg-type]
            return frames.read_answer(self._stdout)  # type: ignore[arg-type]
        except (OSError, frames.CutError) as error:
            self._end()
            said = " ".join(self._errors.decode("utf-8", "replace").split())[-200:]
            raise TransientError(
                f"The connection to {self._url} broke", said or str(error), "Try again."
            ) from error

    def _end(self) -> int:
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            status = self._process.wait()
        self._listener.join(1)
        return status

    def close(self) -> None:
        """End it."""
        self._end()


class SshBlobs:
    """Blobs in a folder of another server."""

    conditional = True

    def __init__(self, address: Address, arguments: list[str]) -> None:
        self._address = address
        self._arguments = arguments
        self._free: list[_Connection] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """`ssh://host/path`."""
        return self._address.url

    def _ask(self, request: Request) -> Answer:
        with self._lock:
            connection = self._free.pop() if self._free else None
        connection = connection or _Connection(self._address, self._arguments)
        answer = connection.ask(request)
        with self._lock:
            self._free.append(connection)
        if answer.failure:
            raise _failure(answer, self.url, getattr(request, "key", ""))
        return answer

    def list(self, prefix: str) -> Iterator[Blob]:
        """Page by page, in the keys' order."""
        return checked_listing(self.url, prefix, self._pages(prefix))

    def _pages(self, prefix: str) -> Iterator[tuple[str, int]]:
        after = ""
        while True:
            page = self._ask(Listed(prefix, after)).blobs
            for key, size in page:
                if not is_key(key) or not key.startswith(prefix) or key <= after:
                    raise DamagedError(f"The listing of {self.url} is wrong", f"it names {key!r}", "")
                after = key
                yield key, size
            if len(page) < frames.PAGE:
                return

    def stat(self, key: str) -> Blob:
        """One blob."""
        for _, size in self._ask(Stat(checked_key(key))).blobs:
            return Blob(key, size)
        raise AbsentError(self.url, key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a blob."""
        return self._ask(Read(checked_key(key), start, length)).data

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        """Write a blob."""
        return self._ask(Put(checked_key(key), bytes(data))).written

    def delete(self, key: str) -> None:
        """Remove a blob."""
        self._ask(Delete(checked_key(key)))

    def call(self, body: bytes) -> bytes:
        """Ask the store home there for something beyond its blobs. Raises NuvError as it says."""
        return self._ask(Call(body)).data

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            connections, self._free = self._free, []
        for connection in connections:
            connection.close()


def open_ssh(address: Address, settings: RemoteSettings, *, create: bool) -> SshBlobs:
    """The remote at an SSH address; the first connection is made with the first request."""
    return SshBlobs(address, command(address, settings, create))


def _failure(answer: Answer, url: str, key: str) -> RemoteError:
    if answer.failure == "absent":
        return AbsentError(url, key)
    kinds = {word: kind for kind, word in FAILURES.items()}
    kind = kinds.get(answer.failure, RemoteError)
    error = kind(answer.title or f"{url} failed", answer.message, answer.hint)
    with contextlib.suppress(ValueError):
        error.exit_code = Exit(answer.exit_code)
    return error
