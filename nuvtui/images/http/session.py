"""HTTP requests that can be ended at any moment, from a signal handler too.

The requests package hides its sockets: what waits for an answer waits until its time is over. Here every
connection is remembered, and `stop` ends them all. Certificates are accepted that the machine, the requests
package or the setting `ca_bundle` accept; proxies are those of the environment, but never for this machine
itself. Nothing follows a redirect, and an error's text has no address in it: addresses may be signed.
"""

import contextlib
import os
import socket
import ssl
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import certifi
import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import reference as references

SEND_SECONDS = 60.0
"""So long the other side may take nothing of a body before the connection counts as lost."""

Timeout = tuple[float, float]
"""Seconds for a connection, and for each wait for an answer."""

_UNWANTED = 1 << 16


class BrokenError(Exception):
    """A request came to no answer, or its answer broke off. `words`: why, for people, without addresses."""

    def __init__(self, words: str, *, certificate: bool = False) -> None:
        super().__init__(words)
        self.words = words
        self.certificate = certificate
        """True where the other side's certificate is not accepted: trying again does not help."""


class Session:
    """Connections to a registry, and to where it sends its clients."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Raises NuvError (exit code 2) where the CA bundle of `settings` cannot be read."""
        self._sockets: list[weakref.ref[socket.socket]] = []
        self._stopped = False
        self._requests = requests.Session()
        adapter = _Adapter(_trusted(settings.ca_bundle if settings else ""), self._opened)
        self._requests.mount("https://", adapter)
        self._requests.mount("http://", adapter)
        # Without this, a password of ~/.netrc or of an address would be sent.
        self._requests.auth = _keep
        self._requests.headers.clear()
        # Blobs are to come as they are: their digest is that of the compressed bytes.
        self._requests.headers.update({"User-Agent": "nuvtui", "Accept-Encoding": "identity"})

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is idle."""
        self._requests.close()

    def stop(self) -> None:
        """Wake up whoever waits on a connection, which is then at its end. Safe in a signal handler."""
        self._stopped = True
        for reference in list(self._sockets):
            found = reference()
            if found is not None:
                with contextlib.suppress(OSError, ValueError):
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, timeout: Timeout = (5, 60)
    ) -> requests.Response:
        """The answer's head; its body is read with `pieces` or `whole`. Raises BrokenError.

        `body`: bytes, or an object with a length that gives its pieces each time it is iterated over.
        """
        direct = references.is_loopback(url.split("/")[2])
        broken: BrokenError
        try:
            return self._requests.request(
                method,
                url,
                headers=dict(headers),
                data=body,
                timeout=timeout,
                stream=True,
                allow_redirects=False,
                # Empty ones keep requests from those of the environment.
                proxies={"http": "", "https": ""} if direct else None,
            )
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            broken = _broken(error)
        # Outside of the handler: what the package says, in the chain, has addresses in it.
        raise broken

    def _opened(self, opened: Any) -> None:
        self._sockets = [reference for reference in self._sockets if reference() is not None]
        if isinstance(opened, socket.socket):
            self._sockets.append(weakref.ref(opened))
        if self._stopped:
            opened.close()
            raise OSError("stopped")


def pieces(answer: requests.Response, size: int = 1 << 17) -> Iterator[bytes]:
    """The answer's body in pieces of up to `size` bytes. Raises BrokenError where it breaks off."""
    broken: BrokenError
    try:
        with answer:
            yield from answer.raw.stream(size, decode_content=False)
        return
    except (requests.RequestException, HTTPError, OSError) as error:
        broken = _broken(error)
    raise broken


def whole(answer: requests.Response, limit: int) -> bytes:
    """The answer's body, of which no more than `limit` + 1 bytes are read. Raises BrokenError."""
    parts, size = [], 0
    for piece in pieces(answer, 1 << 16):
        parts.append(piece)
        size += len(piece)
        if size > limit:
            break
    return b"".join(parts)[: limit + 1]


def finish(answer: requests.Response) -> None:
    """Give up an answer whose body is not wanted; its connection stays open for the next request, if cheap."""
    with contextlib.suppress(BrokenError), answer:
        whole(answer, _UNWANTED)


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections with certificates of our own choice, each of which is told to `opened`."""

    def __init__(self, trusted: ssl.SSLContext, opened: Any) -> None:
        self._trusted = trusted
        self._pools = _pools(opened)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._trusted, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._trusted, **options)
        if type(manager) is urllib3.ProxyManager:  # the kinds for SOCKS have pools of their own
            manager.pool_classes_by_scheme = self._pools
        return manager

    def cert_verify(self, conn: Any, _url: str, _verify: Any, _cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # against what the context holds already


def _pools(opened: Any) -> dict[str, Any]:
    kinds = (("http", HTTPConnectionPool, HTTPConnection), ("https", HTTPSConnectionPool, HTTPSConnection))
    return {
        scheme: type("Pool", (pool,), {"ConnectionCls": _remembered(connection, opened)})
        for scheme, pool, connection in kinds
    }


def _remembered(kind: type, opened: Any) -> type:
    """Connections of a kind, each of which is told to `opened`, and that may take their time with a body."""

    class Remembered(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            opened(self.sock)

        def send(self, data: Any) -> None:
            # A registry may need more for a body than a new connection may take.
            if self.sock is None:
                self.connect()
            if self.sock is not None:
                self.sock.settimeout(SEND_SECONDS)
            super().send(data)

    return Remembered


def _trusted(bundle: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for file in (certifi.where(), os.environ.get("REQUESTS_CA_BUNDLE", "")):
        with contextlib.suppress(OSError):
            if file:
                context.load_verify_locations(file)
    if bundle:
        path = Path(bundle).expanduser()
        try:
            context.load_verify_locations(path)
        except OSError as error:  # an SSLError is one
            raise NuvError(
                f"CA bundle {bundle} cannot be read",
                "it holds no certificate" if isinstance(error, ssl.SSLError) else str(error.strerror),
                "Setting ca_bundle.",
                Exit.USAGE,
            ) from error
    return context


def _broken(error: BaseException) -> BrokenError:
    """`error` in words."""
    chain = list(_chain(error))
    for found in chain:
        if isinstance(found, ssl.SSLCertVerificationError):
            return BrokenError(f"its certificate is not accepted ({found.verify_message})", certificate=True)
    if any(isinstance(found, requests.exceptions.ProxyError) for found in chain):
        return BrokenError("the proxy does not let it through")
    if any(isinstance(found, socket.gaierror) for found in chain):
        return BrokenError("there is no host of that name, or the network is down")
    if any(isinstance(found, ConnectionRefusedError) for found in chain):
        return BrokenError("nobody listens there (connection refused)")
    if any(
        isinstance(found, TimeoutError | requests.Timeout) or "Timeout" in type(found).__name__
        for found in chain
    ):
        return BrokenError("no answer in time")
    if any(
        isinstance(found, ssl.SSLError) and not isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        for found in chain
    ):
        return BrokenError("it does not speak TLS as expected")
    if isinstance(error, requests.exceptions.InvalidURL | UnicodeError):
        return BrokenError("its address cannot be used")
    for found in chain:
        if isinstance(found, OSError) and found.errno and found.strerror:
            return BrokenError(f"the connection was cut ({found.strerror.lower()})")
    return BrokenError("the connection was cut")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and all that it came from."""
    waiting, seen = [error], set()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        causes = (*found.args, getattr(found, "reason", None), found.__cause__, found.__context__)
        waiting += [cause for cause in causes if isinstance(cause, BaseException)]


def _keep(request: Any) -> Any:
    return request
