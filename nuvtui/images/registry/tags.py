"""Registries: who is signed in, what digest a tag has, how a tag is deleted, who may see it.

The conversation itself is the registry client's (`registry.client`), which is loaded when a registry is
asked, and not before: what is here is cheap to import. How images get there and from there: `transfer`.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.images import reference as references
from nuvtui.images.reference import DOCKER_HUB

if TYPE_CHECKING:
    from nuvtui.images.registry.client import Client

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_HUB_KEY = "https://index.docker.io/v1/"
_TAGS_COMPARED = 50
_LIST_LIMIT = 4 << 20


@dataclass(frozen=True)
class Credentials:
    """Sign-in data of a registry. Its text shows no secret."""

    registry: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def secrets(self) -> list[str]:
        """The values that may appear nowhere."""
        basic = self.basic().partition(" ")[2] if self.password else ""
        return [value for value in (self.password, self.identity_token, basic) if value]

    def basic(self) -> str:
        """The header `Authorization` for user and password."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

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
    from nuvtui.images.registry.client import Client

    with Client(references.parse(reference), auth, insecure=insecure, settings=settings) as client:
        return client.digest()


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
    from nuvtui.images.registry.client import Client

    actions = "pull,push,delete"
    with Client(parsed, auth, actions=actions, insecure=insecure, settings=settings) as client:
        return client.retry(lambda: delete(client))


def delete(client: "Client") -> Deletion:
    """Delete the tag that `client`, who may delete, speaks about."""
    name = str(client.reference)
    digest = client.digest()
    if digest is None:
        return Deletion(True, f"{name} was not in the registry any more.")
    with client.exchange("DELETE", client.manifest_path()) as answer:
        if answer.status_code in (200, 202, 204):
            return Deletion(True, f"{name} is deleted from the registry.")
        if answer.status_code in (401, 403):
            return Deletion(False, f"The registry does not let you delete {name}.")
    # Registries from before the specification had deletion of tags delete images only, by digest.
    others = _others(client, digest)
    if others is None:
        return Deletion(
            False, f"{name} was left: the registry does not say which other tags share its image."
        )
    if others:
        return Deletion(False, f"{name} was left: the tags {', '.join(others)} share its image.")
    with client.exchange("DELETE", client.manifest_path(digest)) as answer:
        if answer.status_code in (200, 202, 204, 404):
            return Deletion(True, f"{name} is deleted from the registry.")
        if answer.status_code in (401, 403):
            return Deletion(False, f"The registry does not let you delete {name}.")
        if answer.status_code == 405:
            return Deletion(False, f"The registry does not allow deletion: {name} is still there.")
        return Deletion(False, f"{name} is still there: the registry answers {answer.status_code}.")


def _others(client: "Client", digest: str) -> list[str] | None:
    """Other tags with `digest`; None where that cannot be told."""
    with client.exchange("GET", f"/v2/{client.reference.path}/tags/list") as answer:
        if answer.status_code != 200 or "Link" in answer.headers:
            return None
        try:
            tags = [str(tag) for tag in json.loads(client.whole(answer, _LIST_LIMIT)).get("tags") or []]
        except (ValueError, AttributeError, TypeError):
            return None
    tags = [tag for tag in tags if tag != client.reference.tag]
    if len(tags) > _TAGS_COMPARED or not all(re.fullmatch(r"[\w][\w.-]{0,127}", tag, re.A) for tag in tags):
        return None
    return [tag for tag in tags if client.digest(tag) == digest]
