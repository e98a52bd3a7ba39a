"""Whether an engine answers at an endpoint, and which one it is; asked within a limited time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from nuvtui import sanitise
from nuvtui.errors import NuvError
from nuvtui.images.engine.client import Call, Endpoint, StatusError, UnreachableError

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")


@dataclass(frozen=True)
class Product:
    """What an engine said it is; empty where it did not say."""

    name: str = ""
    """`Docker Engine`, `Podman`."""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip() or "a Docker-compatible engine"


@dataclass(frozen=True)
class Problem:
    """Why no engine answers."""

    text: str
    late: bool = False
    """It may only be slow: a longer wait could help."""

    def __str__(self) -> str:
        return self.text


def probe(endpoint: Endpoint, timeout: float) -> Product | Problem:
    """What answers at `endpoint` within `timeout` seconds, or why nothing does."""
    try:
        said = _ask(endpoint, timeout, lambda api: api.version(api_version=False))
        return said if isinstance(said, Problem) else product(said)
    except StatusError:  # a proxy before an engine may let through little
        return ping(endpoint, timeout) or Product()
    except (AttributeError, TypeError):
        return Problem("what answers is no engine: it does not say its version")


def product(said: dict[str, Any]) -> Product:
    """The product, by what it says of its version. Raises AttributeError, TypeError where that is something else."""
    parts = [str(part.get("Name", "")) for part in said.get("Components") or []]
    name = "Podman" if any("podman" in part.lower() for part in parts) else "Docker Engine"
    return Product(name, sanitise.line(str(said.get("Version") or ""))[:40])


def ping(endpoint: Endpoint, timeout: float) -> Problem | None:
    """Why the engine at `endpoint` does not answer within `timeout` seconds; None: it does."""
    try:
        said = _ask(endpoint, timeout, lambda api: api.get(f"{api.base_url}/_ping").raise_for_status())
        return said if isinstance(said, Problem) else None
    except StatusError as error:
        return Problem(f"answers with {error.answer}")


def _ask(endpoint: Endpoint, timeout: float, question: "Callable[[APIClient], T]") -> T | Problem:
    """The answer to a short question, or why there is none. Raises StatusError."""
    until = time.monotonic() + timeout

    def late(_: float) -> None:
        if time.monotonic() >= until:
            raise TimeoutError

    try:
        with Call(endpoint, timeout=timeout + 1, watch=late) as call:
            return question(call.api)
    except TimeoutError:
        if endpoint.url.startswith("ssh://"):
            return Problem(f"ssh gets no answer (waited {timeout:g} s)", late=True)
        return Problem(f"it accepts connections but does not answer (waited {timeout:g} s)", late=True)
    except StatusError:
        raise
    except UnreachableError as error:
        return Problem(error.problem)
    except NuvError as error:
        return Problem(error.message)
