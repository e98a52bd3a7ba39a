"""Registries: who is signed in, what digest a tag has, how a tag is deleted, who may see it.

Protocol: the OCI distribution specification, with the token authentication that registries share. Plain
HTTP is spoken only to this machine itself and to registries that the engine holds for insecure. Credentials
go into headers of requests to the registry and to the token service that it names, and nowhere else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import reference as references
from nuvtui.images.reference import DOCKER_HUB, Reference

if TYPE_CHECKING:
    import requests

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_TIMEOUT = (5.0, 30.0)
_HUB_HOST = "registry-1.docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_TAGS_COMPARED = 50


@dataclass(frozen=True)
class Credentials:
    """Sign-in data of a registry. Its text shows no secret."""

    registry: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def secrets(self) -> list[str]:
        """The values that may appear nowhere."""
        return [value for value in (self.password, self.identity_token) if value]

    def engine_header(self) -> dict[str, str]:
        """What the engine wants to be handed for a push or a pull, before its encoding."""
        server = _HUB_KEY if self.registry == DOCKER_HUB else self.registry
        if self.identity_token:
            return {"identitytoken": self.identity_token, "serveraddress": server}
        return {"username": self.username, "password": self.password, "serveraddress": server}


def credentials(registry: str) -> Credentials | None:
    """Sign-in data for `host[:port]` from the Docker CLI's config, credential helpers included; None:
    signed out.

    Raises NuvError where the config or a helper does not work.
    """
    import docker.auth
    import docker.errors

    try:
        config = docker.auth.load_config()
        found: Mapping[str, Any] | None = config.resolve_authconfig(registry)
    except (docker.errors.DockerException, OSError, ValueError) as error:
        raise NuvError(
            f"The sign-in of {registry} cannot be read",
            f"{type(error).__name__} from the Docker config or its credential helper",
            f"Does `docker login {registry}` work?",
        ) from error
    if not found:
        return None
    return Credentials(
        registry,
        str(found.get("username") or found.get("Username") or ""),
        str(found.get("password") or found.get("Password") or ""),
        str(found.get("identitytoken") or found.get("IdentityToken") or ""),
    )


def is_public(registry: str, settings: Settings) -> bool:
    """True unless the settings name `host[:port][/path]`, or a path above it, as private."""
    host, path = references.parse_prefix(registry)
    for entry in settings.private_registries:
        private_host, private_path = references.parse_prefix(entry)
        if host == private_host and (not private_path or f"{path}/".startswith(f"{private_path}/")):
            return False
    return True


@dataclass(frozen=True)
class Deletion:
    """What became of a tag that was to be deleted."""

    deleted: bool
    """True where the tag is not there any more."""
    said: str
    """A sentence for the user."""


def head_digest(
    reference: str, auth: Credentials | None, insecure: Iterable[str] = (), settings: Settings | None = None
) -> str | None:
    """Digest that the registry has for `reference`; None where it has no such image.

    `insecure`: hosts that may be spoken to in plain HTTP. Raises NuvError where the registry cannot be asked.
    """
    return _Client(references.parse(reference), auth, insecure, settings).digest()


def delete_tag(
    reference: str, auth: Credentials | None, insecure: Iterable[str] = (), settings: Settings | None = None
) -> Deletion:
    """Delete the tag `reference` from its registry, without touching other tags of the same image."""
    parsed = references.parse(reference)
    if parsed.registry == DOCKER_HUB:
        return Deletion(
            False,
            f"Docker Hub has no interface to delete a tag: delete {parsed.path}:{parsed.tag} on its web page.",
        )
    return _Client(parsed, auth, insecure, settings).delete()


class _Client:
    """Requests about one reference."""

    def __init__(
        self,
        reference: Reference,
        auth: Credentials | None,
        insecure: Iterable[str],
        settings: Settings | None,
    ) -> None:
        import requests

        self._reference = reference
        self._auth = auth
        self._plain = references.is_loopback(reference.registry) or reference.registry in set(insecure)
        self._base = f"https://{_HUB_HOST if reference.registry == DOCKER_HUB else reference.registry}"
        self._session = requests.Session()
        if settings is not None and settings.ca_bundle:
            self._session.verify = settings.ca_bundle
        # Without this, a password of ~/.netrc would be sent.
        self._session.auth = _keep
        self._authorization = ""

    def digest(self, tag: str = "") -> str | None:
        """The digest of `tag` (empty: the reference's own)."""
        with self._request("HEAD", self._manifest(tag)) as answer:
            if answer.status_code == 404:
                return None
            self._expect(answer, (200,))
            digest = answer.headers.get("Docker-Content-Digest", "")
        if not digest:
            with self._request("GET", self._manifest(tag)) as answer:
                self._expect(answer, (200,))
                import hashlib

                digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise self._error(f"it names a digest that is none: {digest[:80]!r}")
        return digest

    def delete(self) -> Deletion:
        """Delete the reference's tag."""
        name = str(self._reference)
        digest = self.digest()
        if digest is None:
            return Deletion(True, f"{name} was not in the registry any more.")
        with self._request("DELETE", self._manifest()) as answer:
            if answer.status_code in (200, 202, 204):
                return Deletion(True, f"{name} is deleted from the registry.")
            if answer.status_code in (401, 403):
                return Deletion(False, f"The registry does not let you delete {name}.")
        # Registries from before the specification had deletion of tags delete images only, by digest.
        others = self._others(digest)
        if others is None:
            return Deletion(
                False, f"{name} was left: the registry does not say which other tags share its image."
            )
        if others:
            return Deletion(False, f"{name} was left: the tags {', '.join(others)} share its image.")
        with self._request("DELETE", self._manifest(digest)) as answer:
            if answer.status_code in (200, 202, 204, 404):
                return Deletion(True, f"{name} is deleted from the registry.")
            if answer.status_code in (401, 403):
                return Deletion(False, f"The registry does not let you delete {name}.")
            if answer.status_code == 405:
                return Deletion(False, f"The registry does not allow deletion: {name} is still there.")
            return Deletion(False, f"{name} is still there: the registry answers {answer.status_code}.")

    def _others(self, digest: str) -> list[str] | None:
        """Other tags with `digest`; None where that cannot be told."""
        with self._request("GET", f"/v2/{self._reference.path}/tags/list") as answer:
            if answer.status_code != 200 or "Link" in answer.headers:
                return None
            try:
                tags = [str(tag) for tag in answer.json().get("tags") or []]
            except (ValueError, AttributeError, TypeError):
                return None
        tags = [tag for tag in tags if tag != self._reference.tag]
        if len(tags) > _TAGS_COMPARED or not all(re.fullmatch(r"[\w][\w.-]{0,127}", tag) for tag in tags):
            return None
        return [tag for tag in tags if self.digest(tag) == digest]

    def _manifest(self, target: str = "") -> str:
        return (
            f"/v2/{self._reference.path}/manifests/{target or self._reference.digest or self._reference.tag}"
        )

    def _request(self, method: str, path: str) -> "requests.Response":
        answer = self._send(method, path)
        if answer.status_code == 401 and not self._authorization:
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            self._sign_in(challenge, "pull,push,delete" if method == "DELETE" else "pull")
            answer = self._send(method, path)
        return answer

    def _send(self, method: str, path: str) -> "requests.Response":
        import requests

        headers = {"Accept": MANIFESTS, "User-Agent": "nuvtui"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        try:
            return self._session.request(method, self._base + path, headers=headers, timeout=_TIMEOUT)
        except requests.exceptions.SSLError as error:
            if self._plain and self._base.startswith("https://"):
                self._base = "http://" + self._base.removeprefix("https://")
                return self._send(method, path)
            raise self._error(
                "its certificate is not accepted", "Set `ca_bundle` to your site's CA bundle."
            ) from error
        except requests.exceptions.RequestException as error:
            if self._plain and self._base.startswith("https://"):
                self._base = "http://" + self._base.removeprefix("https://")
                return self._send(method, path)
            raise self._error(f"it does not answer ({type(error).__name__})") from error

    def _sign_in(self, challenge: str, actions: str) -> None:
        """Set the authorization that `challenge` asks for."""
        scheme, _, rest = challenge.partition(" ")
        values = dict(re.findall(r'([a-z]+)="([^"]*)"', rest))
        if scheme.lower() == "basic":
            if self._auth is not None and self._auth.username:
                self._authorization = _basic(self._auth)
            return
        if scheme.lower() != "bearer" or not values.get("realm"):
            return
        self._authorization = f"Bearer {self._token(values, actions)}"

    def _token(self, values: Mapping[str, str], actions: str) -> str:
        import requests

        realm = urljoin(self._base, values["realm"])
        host = urlsplit(realm)
        if host.scheme != "https" and not references.is_loopback(host.netloc):
            raise self._error("it wants the sign-in to be sent without encryption")
        scope = values.get("scope") or f"repository:{self._reference.path}:{actions}"
        query = {"service": values.get("service", ""), "scope": scope}
        try:
            if self._auth is not None and self._auth.identity_token:
                answer = self._session.post(
                    realm,
                    data={
                        **query,
                        "grant_type": "refresh_token",
                        "refresh_token": self._auth.identity_token,
                        "client_id": "nuvtui",
                    },
                    timeout=_TIMEOUT,
                )
            else:
                signed = self._auth is not None and self._auth.username
                headers = {"Authorization": _basic(self._auth)} if self._auth and signed else {}
                answer = self._session.get(realm, params=query, headers=headers, timeout=_TIMEOUT)
            if answer.status_code in (401, 403):
                raise self._error("the sign-in was refused", f"docker login {self._reference.registry}")
            body = answer.json()
            token = body.get("token") or body.get("access_token")
        except requests.exceptions.RequestException as error:
            raise self._error(f"its token service does not answer ({type(error).__name__})") from error
        except (ValueError, AttributeError) as error:
            raise self._error("its token service gives no token") from error
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise self._error("its token service gives no token")
        return token

    def _expect(self, answer: "requests.Response", statuses: tuple[int, ...]) -> None:
        if answer.status_code in statuses:
            return
        if answer.status_code in (401, 403):
            raise self._error("the sign-in was refused", f"docker login {self._reference.registry}")
        raise self._error(f"it answers {answer.status_code}")

    def _error(self, message: str, hint: str = "") -> NuvError:
        return NuvError(f"Registry {self._reference.registry}", message, hint, Exit.FAILED)


def _basic(auth: Credentials) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()


def _keep(request: Any) -> Any:
    return request
