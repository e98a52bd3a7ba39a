"""Calls to an engine: docker's own client, over a connection that can be shut from outside at any moment.

The client alone cannot be ended while it waits: for a connection, to hand over a context, for the next message
of a build. So every call has a client and a connection of its own, and knows the socket. A cancel shuts it; so
does a watch that finds that the engine hangs. The client then sees a broken answer, which never looks complete.
"""

import contextlib
import http.client
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import docker
import requests
import requests.adapters
import urllib3
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException
from docker.tls import TLSConfig
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from nuvtui.errors import Exit, NuvError
from nuvtui.images.engine.ssh import Tunnel
from nuvtui.reporter import Reporter, Silent

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""So long a short call may be without a byte."""
_LOOK_SECONDS = 0.2
_READ = 1 << 17
_WRITE = 1 << 18
_BUFFER = 1 << 20
"""Size of the system's send buffer that is asked for: a context is sent in few calls."""
_MESSAGE_LIMIT = 1 << 20


# It would be printed into the screens, for those who chose not to verify their engine.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


class ConnectionLostError(NuvError):
    """The connection to an engine ended in the middle of a call."""

    def __init__(self, message: str) -> None:
        super().__init__(
            "The connection to the engine was lost",
            message,
            "Is the engine still running? `nuvtui doctor` tells.",
        )


class UnreachableError(NuvError):
    """No connection to an engine came about."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            "The engine does not answer",
            f"{url}: {problem}",
            "`nuvtui doctor` shows which engines were tried.",
            Exit.REFUSED,
        )
        self.problem = problem


class StatusError(NuvError):
    """The engine answered a call with an error status."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.answer = f"{response.status_code} {response.reason}"
        super().__init__(f"The engine answers {self.answer}", _explained(response))


def _explained(response: requests.Response) -> str:
    data = next(response.iter_content(_MESSAGE_LIMIT), b"")
    try:
        return str(json.loads(data)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", "replace")[:500].strip()


@dataclass(frozen=True)
class Endpoint:
    """Where an engine listens."""

    url: str
    """`unix:///path`, `tcp://host[:port]`, `http://…`, `https://…` or `ssh://[user@]host[:port][/socket]`."""
    tls: TLSConfig | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The address for the client; only a stand-in where the connection is a socket or a tunnel.

        Raises UnreachableError where the URL is of no known kind.
        """
        parts = urlsplit(self.url)
        if parts.scheme in ("unix", "ssh"):
            return "http://localhost:2375"
        if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
            problem = f"expected unix://, tcp://, http://, https:// or ssh://, found {self.url!r}"
            raise UnreachableError(self.url, problem)
        secure = self.tls is not None or parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"http{'s' if secure else ''}://{host}:{parts.port or (2376 if secure else 2375)}"


def negotiated(endpoint: Endpoint) -> str:
    """The version of the engine's interface, as the engine itself names it. Raises NuvError."""
    with Call(endpoint) as call:
        answer = call.api.get(f"{call.api.base_url}/_ping", timeout=ANSWER_SECONDS)
        return answer.headers.get("Api-Version") or DEFAULT_DOCKER_API_VERSION


class Call:
    """One conversation with the engine at an endpoint; a context manager, which ends it in any case."""

    def __init__(
        self,
        endpoint: Endpoint,
        version: str = DEFAULT_DOCKER_API_VERSION,
        *,
        timeout: float = ANSWER_SECONDS,
        reporter: Reporter | None = None,
        watch: Callable[[float], None] | None = None,
    ) -> None:
        """`version`: of the engine's interface; `timeout`: seconds that `api` waits for a byte.

        A cancel of `reporter` ends the call. `watch` is called all the time with the seconds since anything
        moved; what it raises ends the call.
        """
        self._endpoint = endpoint
        self._reporter: Reporter = reporter or Silent()
        self._watch = watch
        self._moved = time.monotonic()
        self._sockets: list[socket.socket] = []
        self._tunnels: list[Tunnel] = []
        self._stopped = False
        self._answered = False
        self._over = threading.Event()
        self._reason: BaseException | None = None
        """What ended the call from outside, or came from what was to be sent."""
        self._stack = contextlib.ExitStack()
        try:
            self.api = docker.APIClient(endpoint.address, version, math.ceil(timeout), endpoint.tls or False)
        except (DockerException, ValueError, AttributeError, TypeError) as error:
            # It reads the Docker CLI's settings, sign-ins included.
            raise NuvError(
                "The engine cannot be spoken to",
                f"docker's client does not start: {type(error).__name__}: {error}"[:500],
                "Are the Docker CLI's settings (~/.docker/config.json, DOCKER_CONFIG) in order?",
            ) from error
        self.api.trust_env = False
        self.api.max_redirects = 0
        self.api.headers["Connection"] = "close"
        if self.api.verify is True:
            self.api.verify = _system_certificates()
        self.api.mount(endpoint.address, _Adapter(self))

    def __enter__(self) -> "Call":
        self._stack.enter_context(self._reporter.on_cancel(self.stop))
        if self._watch is not None:
            threading.Thread(target=self._look, args=(self._watch,), daemon=True).start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._over.set()
        self._stack.close()
        self.api.close()
        try:
            if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
                self._raise(error)
            if error is None:
                self._check()
        finally:
            for tunnel in self._tunnels:
                tunnel.close()

    def stream(
        self, method: str, path: str, pieces: Iterable[bytes] | None = None, **request: Any
    ) -> Iterator[bytes]:
        """Make a long request, with `pieces` as its body. The answer, piece by piece as it comes in.

        The answer may come before all is sent: then the rest is not. Raises StatusError and ConnectionLostError.
        """
        url = f"{self.api.base_url}/v{self.api.api_version}{path}"
        data = self._gathered(pieces) if pieces is not None else None
        timeout = (CONNECT_SECONDS, None)
        with self.api.request(method, url, data=data, stream=True, timeout=timeout, **request) as response:
            if response.status_code >= 400:
                raise StatusError(response)
            self._answered = True
            for piece in response.iter_content(_READ):
                self._moved = time.monotonic()
                self._check()
                yield piece
        self._check()

    def stop(self) -> None:
        """End the call: whoever waits for it sees its connection break. Safe in a signal handler."""
        self._stopped = True
        for opened in self._sockets:
            with contextlib.suppress(OSError, ValueError):
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    # What the connection calls

    def connect(self, timeout: float) -> socket.socket:
        """A connected socket, not yet secured. Raises OSError, ValueError."""
        if self._endpoint.url.startswith("ssh://"):
            tunnel = Tunnel(self._endpoint.url, timeout)
            self._tunnels.append(tunnel)
            return tunnel.socket
        parts = urlsplit(self._endpoint.url)
        if parts.scheme != "unix":
            address = urlsplit(self._endpoint.address)
            return socket.create_connection((address.hostname or "", address.port or 0), timeout)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            opened.settimeout(timeout)
            opened.connect(unquote(parts.netloc + parts.path))
        except BaseException:
            opened.close()
            raise
        return opened

    def connected(self, opened: socket.socket) -> None:
        """Take note of a socket that the call is made on."""
        opened.settimeout(None)  # sending waits for as long as the engine takes
        self._sockets.append(opened)
        if self._stopped:
            self.stop()

    def unreachable(self, error: BaseException) -> UnreachableError:
        """No connection, in words."""
        return UnreachableError(self._endpoint.url, reason(error))

    # Inside

    def _look(self, watch: Callable[[float], None]) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            try:
                watch(time.monotonic() - self._moved)
            except BaseException as error:
                self._reason = error
                self.stop()
                return

    def _gathered(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """`pieces` with the small ones put together: each costs a call of the system here, and one there."""
        held: list[bytes] = []
        size = 0
        try:
            for piece in pieces:
                self._moved = time.monotonic()
                held.append(piece)
                size += len(piece)
                if size >= _WRITE:
                    yield held[0] if len(held) == 1 else b"".join(held)
                    held, size = [], 0
        except Exception as error:
            # A file that cannot be read is not a connection that breaks.
            self._reason = error
            self.stop()
            raise
        if size:
            yield b"".join(held)

    def _check(self) -> None:
        if self._reason is not None:
            raise self._reason
        self._reporter.check()

    def _raise(self, error: BaseException) -> NoReturn:
        """Raise what is behind an error of the client."""
        if self._reason is not None:
            raise self._reason from error
        self._reporter.check()
        if isinstance(error, requests.HTTPError) and error.response is not None:
            raise StatusError(error.response) from error
        problem = _problem(error)
        if said := self._tunnels[-1].reason() if self._tunnels else "":
            problem = f"{problem} ({said})" if self._answered else said
        raise ConnectionLostError(problem) from error


def _problem(error: BaseException) -> str:
    """Why an answer is broken, in words for people."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case http.client.RemoteDisconnected():
                return "it was closed before an answer"
            case http.client.LineTooLong():
                return "the answer's head is too long"
            case http.client.BadStatusLine():
                return f"the answer is not HTTP: {str(cause)[:80]!r}"
            case urllib3.exceptions.InvalidChunkLength():
                return f"the answer's framing is broken at {cause.length[:40]!r}"
            case requests.exceptions.JSONDecodeError():
                return "the answer is no JSON"
            case requests.TooManyRedirects():
                return "it answers with a redirect, which is not followed"
            case requests.RequestException():
                pass
            case OSError():
                return reason(cause)
        cause = cause.__cause__ or cause.__context__
    return "it was closed in the middle of the answer"


def reason(error: BaseException) -> str:
    """What `error` of a connection says, in words for people."""
    match error:
        case FileNotFoundError():
            return "there is no such socket"
        case PermissionError():
            return "permission denied (the user is not allowed to use this socket)"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused (nothing listens there)"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _system_certificates() -> str | bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


class _Connection(HTTPConnection):
    """A connection of a call, opened by it."""

    def __init__(self, *args: Any, call: Call, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._call = call

    def _new_conn(self) -> socket.socket:
        return self._call.connect(self.timeout or CONNECT_SECONDS)

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise self._call.unreachable(error) from error
        self._call.connected(self.sock)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """Carries the requests of one call."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_: Any, **__: Any
    ) -> HTTPConnectionPool:
        parts = urlsplit(request.url or "")
        kind = _SecurePool if parts.scheme == "https" else _Pool
        return kind(str(parts.hostname), parts.port, call=self._call)
