"""The packages an application asks for, checked: names and versions only, no options, no credentials.

What is asked for goes into files that the package managers read, never into a command line; an entry that
would be an option (`--index-url …`, `-r …`) or carry credentials is refused.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import Lock

_APT = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?(?:=[A-Za-z0-9.+:~-]+)?(?:/[a-z0-9.-]+)?")
_PIP = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\s*\[[A-Za-z0-9._,\s-]*\])?"
    r"(?:\s*@\s*(?P<url>(?:git\+)?https?://[^\s;'\"]+)"
    r"|\s*\(?\s*(?:(?:~=|===?|!=|<=?|>=?)\s*[A-Za-z0-9._*+!-]+\s*,?\s*)*\)?)?"
    r"(?:\s*;\s*[A-Za-z0-9_.'\"<>=!~()\s,-]+)?"
)
_CONDA = re.compile(
    r"(?:[A-Za-z0-9_.-]+::)?[a-z0-9_][a-z0-9_.-]*(?:\s*[=<>!~]{1,2}[A-Za-z0-9_.*+!|,<>=-]+){0,2}"
)
_CRAN = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9])(?:\s*==?\s*(?P<version>[0-9][0-9.-]*))?")
_TOOLS = frozenset({"pip", "setuptools", "wheel", "pkg-resources"})
"""Part of every environment, not asked for by anyone."""


def apt(entries: Iterable[str]) -> str:
    """One package a line, for `apt-get`. Raises NuvError (exit code 2)."""
    return _lines("packages.apt", entries, _APT, "name, name=version or name/release")


def pip(entries: Iterable[str], lock: Lock | None) -> str:
    """A requirements file: `entries`, then what `lock` adds to them, pinned. Raises NuvError (exit code 2).

    A package named in `entries` is taken from there only.
    """
    entries = list(entries)
    for entry in entries:
        found = _PIP.fullmatch(entry.strip())
        if found is None:
            raise _refuse("packages.pip", entry, "a requirement such as pandas==2.2.3")
        if found["url"] and urlsplit(found["url"]).username is not None:
            raise NuvError(
                "packages.pip holds credentials",
                "a requirement's URL has a user name or password in it",
                "Set `pip_index` in the settings, or vendor the package as a wheel in the workspace.",
                Exit.REFUSED,
            )
    lines = [entry.strip() for entry in entries]
    if lock is not None and lock.manager == "venv":
        asked = {_normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in lines} | _TOOLS
        for package in lock.packages:
            if package.source == "pip" and _normal(package.name) not in asked:
                line = f"{package.name}=={package.version}"
                if _PIP.fullmatch(line):
                    lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def conda(entries: Iterable[str]) -> str:
    """One specification a line. Raises NuvError (exit code 2)."""
    return _lines("packages.conda", entries, _CONDA, "a specification such as numpy=2.1")


def cran(entries: Iterable[str]) -> str:
    """One `name` or `name version` a line. Raises NuvError (exit code 2)."""
    lines = []
    for entry in entries:
        found = _CRAN.fullmatch(entry.strip())
        if found is None:
            raise _refuse("packages.cran", entry, "a package such as dplyr or dplyr==1.1.4")
        lines.append(" ".join(filter(None, (found["name"], found["version"]))))
    return "".join(f"{line}\n" for line in lines)


def not_from_index(lock: Lock | None) -> list[str]:
    """Packages of `lock` that no index has: `name version`."""
    if lock is None:
        return []
    return [f"{p.name} {p.version}" for p in lock.packages if p.source in ("local", "vcs", "url")]


def _lines(key: str, entries: Iterable[str], pattern: re.Pattern[str], expected: str) -> str:
    lines = []
    for entry in entries:
        line = entry.strip()
        if not pattern.fullmatch(line) or len(line) > 1000:
            raise _refuse(key, entry, expected)
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _refuse(key: str, entry: str, expected: str) -> NuvError:
    return NuvError(
        f"{key} has an entry that is no package",
        f"expected {expected}, found {entry[:200]!r}",
        "Options, paths and line breaks are not taken here.",
        Exit.USAGE,
    )
