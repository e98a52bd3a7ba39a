"""Sign-in data of registries, from the Docker CLI's config and its credential helpers."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nuvtui.errors import NuvError
from nuvtui.images.reference import DOCKER_HUB

_HUB_KEY = "https://index.docker.io/v1/"


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
