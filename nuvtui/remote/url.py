"""Where a remote is: its URL, taken apart.

| URL | kind |
| --- | --- |
| `/path`, `file:///path` | a folder |
| `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` | an object store |
| `ssh://[user@]host[:port]/path`, `host:path` | another server |
"""

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from nuvtui.errors import Exit, NuvError

Kind = Literal["folder", "s3", "gs", "az", "ssh"]
BUCKETS = ("s3", "gs", "az")

_SSH = re.compile(r"(?:(?P<user>[\w.+-]+)@)?(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\]):(?P<path>[^:].*)", re.ASCII)
_HOST = re.compile(r"[\w][\w.-]*|[0-9A-Fa-f:.]+", re.ASCII)
_USER = re.compile(r"[\w][\w.+-]*", re.ASCII)
_BUCKET = re.compile(r"[\w][\w.-]{1,253}", re.ASCII)
_PREFIX = re.compile(r"[\w.~ ()+=@,/-]*", re.ASCII)


class Address(msgspec.Struct, frozen=True):
    """A remote's URL, taken apart and checked."""

    kind: Kind
    path: str
    """Of a folder or on a server: its path. Of an object store: the keys' prefix, without `/` at its ends."""
    host: str = ""
    """Host, or bucket."""
    user: str = ""
    port: int = 0
    """0: the usual one."""

    @property
    def url(self) -> str:
        """The URL in its full form, which `parse` reads."""
        if self.kind == "folder":
            return self.path
        if self.kind == "ssh":
            user = f"{self.user}@" if self.user else ""
            port = f":{self.port}" if self.port else ""
            host = f"[{self.host}]" if ":" in self.host else self.host
            path = self.path if self.path.startswith("/") else f"/~/{self.path}"
            return f"ssh://{user}{host}{port}{path}"
        return f"{self.kind}://{self.host}" + (f"/{self.path}" if self.path else "")

    @property
    def in_bucket(self) -> bool:
        """Whether it is in an object store."""
        return self.kind in BUCKETS

    @property
    def last(self) -> str:
        """The last word of it, which a clone's folder is called by."""
        return (self.path.rstrip("/") or self.host).rpartition("/")[2]


def check_endpoint(endpoint: str) -> None:
    """Raise NuvError (2) unless `endpoint` is the address of an object store's server, without credentials."""
    try:
        parts = urlsplit(endpoint)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        known = False
        parts = urlsplit("")
    if "@" in endpoint or parts.query or parts.fragment:
        raise NuvError(
            "The endpoint holds more than an address",
            "an endpoint is kept and shown; it must hold no user, password, key or query",
            "Leave them out: credentials are taken from the environment and profiles.",
            Exit.USAGE,
        )
    if not known:
        raise NuvError(
            "The endpoint is no address",
            "expected `https://host` or `https://host:port`",
            "Correct `--endpoint`, AWS_ENDPOINT_URL or the profile.",
            Exit.USAGE,
        )


def _refused(url: str, what: str, expected: str) -> NuvError:
    return NuvError(
        f"{url!r} is no address of a remote",
        f"{what}; expected {expected}",
        "Such as `/mnt/archive/penguins`, `s3://bucket/prefix` or `ssh://host/path`.",
        Exit.USAGE,
    )


def parse(url: str) -> Address:
    """The address that `url` says. Raises NuvError (2) where it says none, or holds a password."""
    if not url or any(ord(letter) < 32 or ord(letter) == 127 for letter in url):
        raise _refused(url, "it is empty or holds control characters", "a path or a URL")
    scheme = url.partition("://")[0] if "://" in url else ""
    if not scheme:
        found = None if url.startswith(("/", ".", "~")) else _SSH.fullmatch(url)
        if found is not None:
            return _server(url, found["user"] or "", found["host"].strip("[]"), 0, found["path"])
        return _folder(url, url)
    try:
        parts = urlsplit(url)
        port = parts.port or 0
    except ValueError as error:
        raise _refused(url, str(error), "a URL") from error
    if parts.password is not None or (parts.username and scheme != "ssh"):
        raise NuvError(
            f"The address of a remote at {parts.hostname or scheme} holds credentials",
            "an address is listed, logged and shown; it must not hold a password or a key",
            "Leave them out: they are taken from the environment, profiles, configuration files or the SSH agent.",
            Exit.USAGE,
        )
    if parts.query or parts.fragment:
        raise _refused(url, "it has a query or a fragment", "neither `?` nor `#`")
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise _refused(url, f"it names the host {parts.netloc}", "`file:///path`")
        return _folder(url, unquote(parts.path))
    if scheme == "ssh":
        path = unquote(parts.path)
        return _server(
            url,
            parts.username or "",
            _host(parts.netloc),
            port,
            path[3:] if path.startswith("/~/") else path,
        )
    if scheme in BUCKETS:
        return _bucket(url, scheme, parts.netloc, parts.path)
    raise _refused(url, f"{scheme}:// is not known", "a path, `s3://`, `gs://`, `az://` or `ssh://`")


def _host(netloc: str) -> str:
    """The host as it was typed: an alias in the ssh configuration may have capitals, which `urlsplit` loses."""
    host = netloc.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _folder(url: str, path: str) -> Address:
    if not path.startswith("/"):
        raise _refused(url, "a folder's path has to be whole", "one that begins with `/`")
    return Address("folder", path.rstrip("/") or "/")


def _server(url: str, user: str, host: str, port: int, path: str) -> Address:
    if not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)):
        raise _refused(
            url, "its host or user has other signs than letters, digits, `.`, `-`", "`ssh://user@host/path`"
        )
    if not path.strip("/"):
        raise _refused(url, "it names no folder on the server", "`ssh://host/path`")
    return Address("ssh", path, host, user, port)


def _bucket(url: str, scheme: str, bucket: str, path: str) -> Address:
    prefix = unquote(path).strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise _refused(url, "it names no bucket", f"`{scheme}://bucket/prefix`")
    if not _PREFIX.fullmatch(prefix) or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise _refused(
            url, "its prefix has signs that object stores treat differently", "plain words joined by `/`"
        )
    return Address(scheme, prefix, bucket)  # type: ignore[arg-type] # one of BUCKETS
