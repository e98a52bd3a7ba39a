"""Tags in a registry: the digest that one has, and how one is deleted without touching others of its image."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from nuvtui.config import Settings
from nuvtui.images import reference as references
from nuvtui.images.reference import DOCKER_HUB
from nuvtui.images.registry.client import Client
from nuvtui.images.registry.credentials import Credentials

_TAGS_COMPARED = 50
_LIST_LIMIT = 4 << 20


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
    actions = "pull,push,delete"
    with Client(parsed, auth, actions=actions, insecure=insecure, settings=settings) as client:
        return client.retry(lambda: delete(client))


def delete(client: Client) -> Deletion:
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


def _others(client: Client, digest: str) -> list[str] | None:
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
