"""Conversation with a registry about one repository: sign-in, redirects, second tries, errors in words.

Protocol: the OCI distribution specification, with the token authentication that registries share (the
distribution project's "Token Authentication Specification"). Plain HTTP is spoken only to this machine
itself and to registries that are named insecure. Credentials go into headers of requests to the registry
and to the token service that it names, and nowhere else: not to where the registry redirects to, not into
errors.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from nuvtui.config import Settings
from nuvtui.images import reference as references
from nuvtui.images.http.session import BrokenError, Session, Timeout, finish, pieces, whole
from nuvtui.images.oci.descriptor import digest_of, is_digest
from nuvtui.images.oci.manifest import ACCEPTED
from nuvtui.images.redact import Redactor
from nuvtui.images.reference import DOCKER_HUB, Reference
from nuvtui.images.registry import errors as registry_errors
from nuvtui.images.registry.credentials import Credentials
from nuvtui.images.registry.errors import RegistryError, TransientError

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

TRIES = 5
FIRST_WAIT = 0.5
"""Seconds before the second try; each further wait is twice as long."""
PATIENT: Timeout = (10.0, 60.0)
QUICK: Timeout = (2.0, 5.0)
MANIFEST_LIMIT = 4 << 20
"""No manifest has more bytes: the specification lets registries refuse those that have."""

_HUB_HOST = "registry-1.docker.io"
_ERROR_LIMIT = 1 << 16
_TOKEN_LIMIT = 1 << 20
_REDIRECTS = (301, 302, 303, 307, 308)
_HOPS = 5
_SLICE = 0.1


class Client:
    """Requests about the repository of one reference. Several threads may use it at once."""

    def __init__(
        self,
        reference: Reference,
        auth: Credentials | None,
        *,
        title: str = "",
        actions: str = "pull",
        others: Iterable[str] = (),
        insecure: Iterable[str] = (),
        settings: Settings | None = None,
        check: Callable[[], None] = lambda: None,
        told: Callable[[str], None] = lambda _: None,
        timeout: Timeout = PATIENT,
        tries: int = TRIES,
    ) -> None:
        """`title` begins every error. `actions` (`pull`, `push`, `delete`, with commas) are what the sign-in
        is to allow, `others` the repositories of the same registry that it is to allow reading.

        `check` is called between all waits and may raise; `told` gets a sentence before each further try.
        """
        self.reference = reference
        self.host = reference.registry
        self.timeout = timeout
        self._auth = auth
        self._title = title or f"Registry {self.host}"
        self._scopes = {reference.path: set(actions.split(","))} | {
            path: {"pull"} for path in others if path != reference.path
        }
        self._pushing = "push" in actions
        self._check = check
        self._told = told
        self._tries = tries
        self._plain = references.is_loopback(self.host) or self.host in set(insecure)
        self._scheme = "https"
        self._settled = False
        self._authorization = ""
        self._sign_in_lock = threading.Lock()
        self._session = Session(settings)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def stop(self) -> None:
        """End all requests that are under way. Safe in a signal handler."""
        self._session.stop()

    # What a registry is asked

    def digest(self, target: str = "") -> str | None:
        """The digest of `target` (a tag or digest; empty: what the reference names); None: not there."""
        path = self.manifest_path(target)

        def ask() -> str | None:
            answer = self.exchange("HEAD", path, {"Accept": ACCEPTED})
            if answer.status_code == 404:
                finish(answer)
                return None
            finish(self.expect(answer, 200))
            return answer.headers.get("Docker-Content-Digest") or self._computed(path)

        digest = self.retry(ask)
        if digest is not None and not is_digest(digest):
            raise self.error(f"it names a digest that is none: {digest[:80]!r}")
        return digest

    def _computed(self, path: str) -> str:
        answer = self.expect(self.exchange("GET", path, {"Accept": ACCEPTED}), 200)
        return digest_of(self.whole(answer, MANIFEST_LIMIT))

    def manifest_path(self, target: str = "") -> str:
        """Where the manifest of `target` is (empty: of what the reference names)."""
        target = target or self.reference.digest or self.reference.tag
        return f"/v2/{self.reference.path}/manifests/{target}"

    # Exchanges

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: Timeout | None = None,
    ) -> "requests.Response":
        """The answer to a request of `target` (a path, or an address from `location`), whatever its status.

        Signs in where that is asked for, again where the sign-in ran out; follows redirects. `body` as in
        `Session.send`. Raises TransientError, RegistryError.
        """
        answer, used = self._followed(method, target, headers or {}, body, timeout)
        if answer.status_code == 401 and self._is_own(answer.url):
            with self._sign_in_lock:
                # Another thread may have signed in meanwhile.
                again = self._authorization != used or self._sign_in(
                    answer.headers.get("WWW-Authenticate", "")
                )
            if again:
                finish(answer)
                answer, _ = self._followed(method, target, headers or {}, body, timeout)
        return answer

    def expect(self, answer: "requests.Response", *statuses: int) -> "requests.Response":
        """`answer`, if its status is among `statuses`. Raises TransientError, RegistryError."""
        if answer.status_code in statuses:
            return answer
        with answer:
            try:
                text = registry_errors.said(whole(answer, _ERROR_LIMIT)[:_ERROR_LIMIT], self.redact)
            except BrokenError:
                text = ""
            found = registry_errors.refusal(
                answer.status_code, answer.headers, text, self.host, self.reference.path, self._pushing
            )
        if found.again:
            raise TransientError(found.words, found.hint, found.wait)
        raise self.error(found.words, found.hint, answer.status_code)

    def pieces(self, answer: "requests.Response") -> Iterator[bytes]:
        """The answer's body as it arrives. Raises TransientError where it breaks off."""
        words = ""
        try:
            yield from pieces(answer)
        except BrokenError as error:
            words = error.words
        if words:
            raise TransientError(words)

    def whole(self, answer: "requests.Response", limit: int) -> bytes:
        """The answer's body. Raises TransientError, RegistryError where it has more than `limit` bytes."""
        parts, size = [], 0
        for piece in self.pieces(answer):
            parts.append(piece)
            size += len(piece)
            if size > limit:
                answer.close()
                raise self.error(f"the registry sent more than the {limit:,} bytes that were expected")
        return b"".join(parts)

    def retry(self, action: Callable[[], T], mark: Callable[[], int] = lambda: 0) -> T:
        """What `action` returns, tried again after a TransientError, with growing waits.

        As long as `mark` (bytes that are safe, say) grows from try to try, the tries are counted anew.
        Raises RegistryError after the last.
        """
        tried, best = 0, mark()
        while True:
            self._check()
            try:
                return action()
            except TransientError as error:
                words, hint, wait = error.words, error.hint, error.wait
            self._check()
            if mark() > best:
                tried, best = 0, mark()
            tried += 1
            if tried >= self._tries:
                times = f" (tried {tried} times)" if tried > 1 else ""
                raise self.error(f"{words}{times}", hint)
            wait = max(wait, FIRST_WAIT * 2 ** (tried - 1))
            self._told(f"{words}; again in {wait:g} s")
            self._sleep(wait)

    def location(self, answer: "requests.Response") -> str:
        """The address to which `answer` points, in full. Raises RegistryError where it cannot be used."""
        found = urljoin(answer.url, answer.headers.get("Location", ""))
        parts = urlsplit(found)
        try:
            same = (parts.hostname, parts.port) == self._own_name()
        except ValueError:
            raise self.error("the registry points to an address that is none") from None
        if same and parts.scheme == "http" and self._scheme == "https":
            # A registry behind a proxy that does not tell it about TLS.
            return parts._replace(scheme="https").geturl()
        if parts.scheme == "https" or (
            parts.scheme == "http" and ((same and self._plain) or references.is_loopback(parts.netloc))
        ):
            return found
        raise self.error("the registry points to an address without encryption")

    def error(self, words: str, hint: str = "", status: int = 0) -> RegistryError:
        """An error with the title of this conversation, without a secret."""
        return RegistryError(self._title, self.redact(words), hint, status)

    def redact(self, text: str) -> str:
        """`text` without the secrets of the sign-in."""
        secrets = [*(self._auth.secrets() if self._auth else []), self._authorization.partition(" ")[2]]
        return Redactor(lambda _: None, secrets).text(text)

    # Inside

    def _followed(
        self, method: str, target: str, headers: Mapping[str, str], body: Any, timeout: Timeout | None
    ) -> "tuple[requests.Response, str]":
        """The answer at the end of all redirects, and the authorization that was sent to the registry."""
        used = self._authorization
        for _ in range(_HOPS):
            answer = self._sent(method, target, headers, body, timeout or self.timeout, used)
            if answer.status_code not in _REDIRECTS or "Location" not in answer.headers:
                return answer, used
            finish(answer)
            if method not in ("GET", "HEAD") and answer.status_code not in (307, 308):
                raise self.error(f"the registry redirects a {method}, which cannot be followed")
            target = self.location(answer)
        raise self.error("the registry redirects in circles")

    def _sent(
        self, method: str, target: str, headers: Mapping[str, str], body: Any, timeout: Timeout, used: str
    ) -> "requests.Response":
        while True:
            url = urljoin(f"{self._scheme}://{self._address()}", target)
            own = self._is_own(url)
            sent = {**headers, **({"Authorization": used} if used and own else {})}
            try:
                answer = self._session.send(method, url, sent, body, timeout)
            except BrokenError as error:
                words, certificate = error.words, error.certificate
            else:
                self._settled = self._settled or own
                return answer
            self._check()
            if certificate:
                raise self.error(words, "Set `ca_bundle` to a file with the certificate of your site's CA.")
            if not own or self._settled or not self._plain:
                raise TransientError(words)
            # Never heard of: it may be one without TLS.
            if self._scheme == "http":
                self._scheme = "https"
                raise TransientError(words)
            self._scheme = "http"

    def _address(self) -> str:
        return _HUB_HOST if self.host == DOCKER_HUB else self.host

    def _own_name(self) -> tuple[str | None, int | None]:
        parts = urlsplit(f"//{self._address()}")
        return parts.hostname, parts.port

    def _is_own(self, url: str) -> bool:
        """True where `url` leads to the registry itself, spoken to as agreed."""
        parts = urlsplit(url)
        default = {"https": 443, "http": 80}
        host, port = self._own_name()
        return (parts.scheme, parts.hostname, parts.port or default.get(parts.scheme)) == (
            self._scheme,
            host,
            port or default[self._scheme],
        )

    def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _SLICE))

    # Sign-in

    def _sign_in(self, challenge: str) -> bool:
        """Set the authorization that `challenge` asks for. False where there is nothing to sign in with."""
        scheme, _, rest = challenge.partition(" ")
        values = dict(re.findall(r'([a-z]+)="([^"]*)"', rest))
        if scheme.lower() == "basic":
            before = self._authorization
            if self._auth is not None and self._auth.username:
                self._authorization = self._auth.basic()
            return self._authorization != before
        if scheme.lower() != "bearer" or not values.get("realm"):
            return False
        self._authorization = f"Bearer {self._token(values)}"
        return True

    def _token(self, values: Mapping[str, str]) -> str:
        """A token of the service that a challenge's `values` name."""
        realm = urljoin(f"{self._scheme}://{self._address()}", values["realm"])
        parts = urlsplit(realm)
        if parts.scheme != "https" and not (parts.scheme == "http" and references.is_loopback(parts.netloc)):
            raise self.error("the registry wants the sign-in to be sent without encryption")
        query = [("service", values.get("service", ""))]
        scopes = self._wanted(values.get("scope", ""))
        words = ""
        try:
            if self._auth is not None and self._auth.identity_token:
                form = [
                    *query,
                    ("scope", " ".join(scopes)),
                    ("grant_type", "refresh_token"),
                    ("refresh_token", self._auth.identity_token),
                    ("client_id", "nuvtui"),
                ]
                kind = {"Content-Type": "application/x-www-form-urlencoded"}
                answer = self._session.send("POST", realm, kind, urlencode(form).encode(), self.timeout)
            else:
                query += [("scope", scope) for scope in scopes]
                url = f"{realm}{'&' if parts.query else '?'}{urlencode(query)}"
                signed = self._auth is not None and self._auth.username
                headers = {"Authorization": self._auth.basic()} if self._auth and signed else {}
                answer = self._session.send("GET", url, headers, None, self.timeout)
            body = whole(answer, _TOKEN_LIMIT)
        except BrokenError as error:
            words = error.words
        if words:
            self._check()
            raise TransientError(f"its token service does not answer: {words}")
        if answer.status_code in (400, 401, 403):
            text = registry_errors.said(body[:_ERROR_LIMIT], self.redact)
            raise self.error(
                f"the sign-in was refused{f': {text}' if text else ''}",
                f"Sign in with the Docker CLI: `docker login {self.host}`.",
                401,
            )
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TransientError(f"its token service answers {answer.status_code}")
        try:
            found = json.loads(body)
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise self.error("its token service gives no token")
        return token

    def _wanted(self, challenge: str) -> list[str]:
        """The scopes to ask for: our own, and what the registry says it wants."""
        scopes = {f"repository:{path}": set(actions) for path, actions in self._scopes.items()}
        for scope in challenge.split():
            name, _, actions = scope.rpartition(":")
            if name:
                scopes.setdefault(name, set()).update(actions.split(","))
        order = ["pull", "push", "delete"]
        return [
            f"{name}:{','.join(sorted(actions, key=lambda a: (order.index(a) if a in order else 9, a)))}"
            for name, actions in scopes.items()
        ]
