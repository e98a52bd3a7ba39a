"""One HTTP exchange with an engine, over a Unix socket, TCP, TLS or ssh, that can be given up at any moment.

The usual clients hide the socket: a request that waits cannot be ended, a body that is sent cannot be
answered before its end, and an answer that breaks off looks complete. Here every wait is a short poll: in
between the caller may raise (cancelled, stalled), an early answer ends the upload, and an answer is
complete only if its framing says so.
"""

import contextlib
import http
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from nuvtui.errors import Exit, NuvError
from nuvtui.images.engine.ssh import Tunnel

_POLL = 0.2
_HEAD_LIMIT = 1 << 16
_READ = 1 << 17
_WRITE = 1 << 18
_BUFFER = 1 << 20
"""Size of the system's send buffer that is asked for: a context is sent in few calls."""
_LOOK = 4 << 20
"""After so many bytes sent without a wait, a look whether the other side has answered already."""


class ConnectionLostError(NuvError):
    """The connection to an engine ended in the middle of an exchange."""

    def __init__(self, message: str) -> None:
        super().__init__(
            "The connection to the engine was lost",
            message,
            "Is the engine still running? `nuvtui doctor` tells.",
        )


@dataclass(frozen=True)
class Endpoint:
    """Where an engine listens."""

    url: str
    """`unix:///path`, `tcp://host:port`, `http://…`, `https://…` or `ssh://[user@]host[:port][/socket]`."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def connect(self, timeout: float) -> tuple[socket.socket, Tunnel | None]:
        """A connected socket, and for `ssh://` the tunnel it belongs to.

        Raises OSError; ValueError where the URL is of no known kind.
        """
        if self.url.startswith("ssh://"):
            tunnel = Tunnel(self.url, timeout)
            return tunnel.socket, tunnel
        return self._connect(timeout), None

    def _connect(self, timeout: float) -> socket.socket:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(timeout)
                sock.connect(unquote(parts.netloc + parts.path))
            except BaseException:
                sock.close()
                raise
            return sock
        if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
            raise ValueError(f"expected unix://, tcp://, http://, https:// or ssh://, found {self.url!r}")
        tls = self.tls or (ssl.create_default_context() if parts.scheme == "https" else None)
        port = parts.port or (2376 if tls else 2375)
        sock = socket.create_connection((parts.hostname, port), timeout)
        if tls is None:
            return sock
        try:
            return tls.wrap_socket(sock, server_hostname=parts.hostname)
        except BaseException:
            sock.close()
            raise


def _nothing(idle: float) -> None:
    return


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`pieces` with the small ones put together: each costs a call of the system here, and one there."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _WRITE:
            yield held[0] if len(held) == 1 else b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


class Exchange:
    """One request and its answer. Closing it ends whatever the engine does for it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        check: Callable[[], None] = lambda: None,
        idle: Callable[[float], None] = _nothing,
        connect_timeout: float = 10.0,
    ) -> None:
        """`check` is called between all waits, `idle` with the seconds since anything moved: both may
        raise.
        """
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._check = check
        self._idle = idle
        self._buffer = b""
        self._ended = False
        self._unseen = 0
        self._moved = time.monotonic()
        try:
            self._socket, self._tunnel = endpoint.connect(connect_timeout)
        except (OSError, ValueError) as error:
            raise NuvError(
                "The engine does not answer",
                f"{endpoint.url}: {reason(error)}",
                "`nuvtui doctor` shows which engines were tried.",
                Exit.REFUSED,
            ) from error
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._poll = select.poll()

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and what it went through."""
        self._socket.close()
        if self._tunnel:
            self._tunnel.close()

    def stop(self) -> None:
        """Wake up whoever waits on the connection, which is then at its end. Safe in a signal handler."""
        with contextlib.suppress(OSError, ValueError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> None:
        """Send a request (`body` as a whole, or in pieces of unknown sum) and read the answer's head.

        Raises ConnectionLostError, and what `check` and `idle` raise.
        """
        lines = {"Host": "engine", "Connection": "close", "User-Agent": "nuvtui", **(headers or {})}
        if isinstance(body, bytes):
            lines["Content-Length"] = str(len(body))
        elif body is not None:
            lines["Transfer-Encoding"] = "chunked"
        elif method in ("POST", "PUT"):
            lines["Content-Length"] = "0"
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in lines.items()
        )
        answered = self._send(head.encode("latin-1") + b"\r\n")
        if isinstance(body, bytes):
            self._send(body)
        elif body is not None and not answered:
            for piece in _gathered(body):
                if self._send(b"%x\r\n%b\r\n" % (len(piece), piece)):
                    break
            else:
                self._send(b"0\r\n\r\n")
        self._read_head()

    def body(self) -> Iterator[bytes]:
        """The answer's body in pieces as they arrive. Raises ConnectionLostError where it breaks off."""
        if self.status in (204, 304):
            return
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            yield from self._chunked()
        elif "content-length" in self.headers:
            left = int(self.headers["content-length"])
            while left:
                piece = self._take(left)
                left -= len(piece)
                yield piece
        else:
            while self._buffer or self._receive():
                piece, self._buffer = self._buffer, b""
                yield piece

    def whole(self, limit: int = 64 << 20) -> bytes:
        """The body at once, of at most `limit` bytes."""
        parts, size = [], 0
        for piece in self.body():
            size += len(piece)
            if size > limit:
                raise self._lost(f"an answer of more than {limit:,} bytes")
            parts.append(piece)
        return b"".join(parts)

    def _chunked(self) -> Iterator[bytes]:
        while True:
            size = self._line().split(b";")[0].strip()
            try:
                left = int(size, 16)
            except ValueError:
                raise self._lost(f"the answer's framing is broken at {size[:40]!r}") from None
            if left == 0:
                while self._line():
                    continue
                return
            while left:
                piece = self._take(left)
                left -= len(piece)
                yield piece
            if self._line():
                raise self._lost("the answer's framing is broken")

    def _send(self, data: bytes) -> bool:
        """Send `data`. True where the other side has answered or hung up: nothing more is wanted."""
        view = memoryview(data)
        while view:
            self._check()
            try:
                sent = self._socket.send(view[:_WRITE])
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self._unseen = 0
                events = self._wait(select.POLLIN | select.POLLOUT)
                if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and self._early():
                    return True
                continue
            except (BrokenPipeError, ConnectionResetError):
                self._check()
                return True
            except OSError as error:
                self._check()
                self._ended = True
                raise self._lost(reason(error)) from error
            self._moved = time.monotonic()
            self._unseen += sent
            view = view[sent:]
            if self._unseen >= _LOOK:
                self._unseen = 0
                if self._early():
                    return True
        return False

    def _early(self) -> bool:
        before = len(self._buffer)
        try:
            piece = self._socket.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            self._check()
            return True
        self._check()
        self._buffer += piece
        self._ended = not piece
        return len(self._buffer) > before or self._ended

    def _read_head(self) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise self._lost("the answer's head is too long")
            if not self._receive():
                raise self._lost("it was closed before an answer")
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        first, _, rest = head.decode("latin-1").partition("\r\n")
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise self._lost(f"the answer is not HTTP: {first[:80]!r}")
        self.status = int(words[1])
        pairs = (line.partition(":") for line in rest.split("\r\n"))
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise self._lost("the answer's framing is broken")
            if not self._receive():
                raise self._lost("it was closed in the middle of the answer")
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _take(self, most: int) -> bytes:
        if not self._buffer and not self._receive():
            raise self._lost("it was closed in the middle of the answer")
        piece, self._buffer = self._buffer[:most], self._buffer[most:]
        return piece

    def _receive(self) -> bool:
        """Wait for bytes and keep them; False at the end of the connection."""
        while not self._ended:
            try:
                piece = self._socket.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._wait(select.POLLIN)
                continue
            except OSError as error:
                self._check()
                self._ended = True
                raise self._lost(reason(error)) from error
            self._check()
            self._moved = time.monotonic()
            if piece:
                self._buffer += piece
                return True
            self._ended = True
        return False

    def _lost(self, message: str) -> ConnectionLostError:
        """The end of the connection in words: of a tunnel, those of who knows why it ended."""
        said = self._tunnel.reason() if self._tunnel and self._ended else ""
        if said and not self.status:
            return ConnectionLostError(said)
        return ConnectionLostError(f"{message} ({said})" if said else message)

    def _wait(self, events: int) -> int:
        self._poll.register(self._socket, events)
        while True:
            self._check()
            for _, found in self._poll.poll(_POLL * 1000):
                return found
            self._idle(time.monotonic() - self._moved)


def reason(error: BaseException) -> str:
    """What `error` says, in words for people."""
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if isinstance(error, PermissionError):
        return "permission denied (the user is not allowed to use this socket)"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (nothing listens there)"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def phrase(status: int) -> str:
    """The name of an HTTP status."""
    with contextlib.suppress(ValueError):
        return f"{status} {http.HTTPStatus(status).phrase}"
    return str(status)
