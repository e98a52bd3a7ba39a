"""Image references: `[host[:port]/]path[:tag][@digest]`, taken apart and put together, as registries read
them.

Grammar: the distribution project's reference grammar. A first component without `.`, `:` and other than
`localhost` is no host but part of a path on Docker Hub, where a path of one component stands for
`library/…`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from nuvtui.errors import Exit, NuvError

DOCKER_HUB = "docker.io"

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST}(?::[0-9]{{1,5}})?)/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_PREFIX = re.compile(rf"(?P<host>{_HOST}(?::[0-9]{{1,5}})?)(?P<path>(?:/{_COMPONENT})*)")


@dataclass(frozen=True)
class Reference:
    """An image reference in full: the registry is always named."""

    registry: str
    """`host[:port]`; Docker Hub is `docker.io`."""
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.path}{tag}{digest}"

    @property
    def name(self) -> str:
        """Registry and path, without tag and digest."""
        return f"{self.registry}/{self.path}"

    def pinned(self, digest: str) -> "Reference":
        """The reference of the image with `digest` in the same repository."""
        return replace(self, tag="", digest=digest)


def archive_path(image: str) -> str | None:
    """The path in `docker-archive:PATH` or `oci-archive:PATH`; None where `image` names none."""
    kind, colon, path = image.partition(":")
    return path if colon and kind in ("docker-archive", "oci-archive") else None


def parse(text: str) -> Reference:
    """The reference that `text` stands for; without tag and digest it gets the tag `latest`.

    Raises NuvError (exit code 2) where `text` is no image reference.
    """
    found = _REFERENCE.fullmatch(text) if len(text) <= 512 else None
    host, path = (found["host"], found["path"]) if found else (None, "")
    if host is not None and not _is_host(host):
        # What looked like a host is the first part of a path, which has no capitals.
        path = f"{host}/{path}"
        if host != host.lower():
            found = None
        host = None
    if found is None:
        raise NuvError(
            "Not an image reference",
            f"expected [host[:port]/]path[:tag][@sha256:…] in lower case, found {text[:200]!r}",
            "For example docker.io/library/python:3.12-slim.",
            Exit.USAGE,
        )
    registry = DOCKER_HUB if host in (None, "index.docker.io", "registry-1.docker.io") else str(host)
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    tag = found["tag"] or ("" if found["digest"] else "latest")
    return Reference(registry, path, tag, found["digest"] or "")


def parse_prefix(text: str) -> tuple[str, str]:
    """Host and path (without leading slash, may be empty) of `host[:port][/path]`. Raises NuvError (exit
    code 2).
    """
    found = _PREFIX.fullmatch(text)
    if found is None or not _is_host(found["host"]):
        raise NuvError(
            "Not a registry",
            f"expected host[:port][/path] in lower case, found {text[:200]!r}",
            "For example docker.io/ada or registry.example.org:5000/team.",
            Exit.USAGE,
        )
    host = DOCKER_HUB if found["host"] in ("index.docker.io", "registry-1.docker.io") else found["host"]
    return host, found["path"].lstrip("/")


def is_public(registry: str, private: Iterable[str]) -> bool:
    """True unless `private` names `registry` (`host[:port][/path]`), or a path above it."""
    host, path = parse_prefix(registry)
    for entry in private:
        private_host, private_path = parse_prefix(entry)
        if host == private_host and (not private_path or f"{path}/".startswith(f"{private_path}/")):
            return False
    return True


def is_loopback(host: str) -> bool:
    """True where `host[:port]` is this machine itself."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) else host
    return name in ("localhost", "[::1]") or re.fullmatch(r"127(?:\.[0-9]{1,3}){3}", name) is not None


def _is_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost"
