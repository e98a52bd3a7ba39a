"""The software bill of materials of an export: its report's packages as CycloneDX 1.5.

Written from the report alone, so that the same export has the same bill, whoever makes it and whenever: the time is
that of the snapshot, the serial number stands for the content. What comes from an index has a package URL, which
scanners look up; what does not is named without one that would lead to somebody else's package. A path on the
machine that an export was made on says nothing to its reader and is not in here.
"""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from nuvtui.errors import NuvError
from nuvtui.images.reference import DOCKER_HUB, parse
from nuvtui.model.application import HOST_IMAGE, Package
from nuvtui.model.export import Report

_Component = dict[str, Any]
_NAMESPACE = uuid.UUID("6f0a2c1e-7d0b-5d0e-9a55-0d6c2f4b8f11")
_INDEXES = {"pip": "pypi", "conda": "conda", "cran": "cran"}
"""Where a package's source says that it comes from: the type of its package URL."""
_FORGES = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
_SCHEMES = frozenset(
    {"http", "https", "ssh", "git", "git+http", "git+https", "git+ssh", "hg+https", "svn+https"}
)
_APT = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?(?:=(?P<version>[^/\s]+))?(?:/\S+)?")
_PIP = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*"
    r"(?:@\s*(?P<url>[^\s;]+)|\(?\s*={2,3}\s*(?P<version>[A-Za-z0-9.!+_-]+)\s*\)?\s*(?:;.*)?$)?.*"
)
_CONDA = re.compile(
    r"(?:\S+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?: ?={1,2} ?(?P<version>[A-Za-z0-9_.!+-]+)(?:=\S*)?$)?.*"
)
_CRAN = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9.]*)\s*(?:(?:==?|@)\s*(?P<version>[0-9][0-9.-]*))?")
_ASKED = {"apt": _APT, "pip": _PIP, "conda": _CONDA, "cran": _CRAN}


def cyclonedx(report: Report, installed: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bill of `report` as indented JSON; `installed` are pip packages (name, version) that it does not list."""
    bill = _Bill()
    if base := _base(report):
        bill.components[("base", "", "")] = base
    if report.lock is not None:
        _interpreter(bill, report.lock.interpreter)
        for package in report.lock.packages:
            bill.add(package, "recorded")
    for name, version in (*report.installed, *installed):
        bill.add(Package(name, version), "installed")
    for manager, entries in sorted(report.packages.items()):
        for entry in entries:
            bill.asked(manager, entry)
    components = sorted(bill.components.values(), key=lambda one: str(one["bom-ref"]))
    subject = {
        "type": "container",
        "bom-ref": "image",
        "name": report.application,
        "version": report.snapshot.id,
    }
    if report.description:
        subject["description"] = report.description
    content: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": report.created,
            "tools": {"components": [{"type": "application", "name": "nuvtui"}]},
            "component": subject,
        },
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [one["bom-ref"] for one in components]}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    content = {**dict(list(content.items())[:2]), "serialNumber": f"urn:uuid:{serial}", **content}
    return json.dumps(content, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


class _Bill:
    """Components, each once, with what is known of them from several sides."""

    def __init__(self) -> None:
        self.components: dict[tuple[str, str, str], _Component] = {}

    def add(self, package: Package, how: str) -> None:
        """A package of exact version; `how` it got here."""
        kind = _INDEXES.get(package.source, "other")
        key = (kind, _normal(kind, package.name), package.version)
        component = self.components.get(key)
        if component is None:
            component = self.components[key] = _component(kind, package.name, package.version)
            if references := list(_references(package)):
                component["externalReferences"] = references
        _say(component, how)

    def asked(self, manager: str, entry: str) -> None:
        """An entry of the application's file: what it led to, or itself where that is not known."""
        pattern = _ASKED.get(manager)
        found = pattern.match(entry.strip()) if pattern else None
        if found is None:
            return
        fields = found.groupdict()
        kind = "deb" if manager == "apt" else _INDEXES[manager]
        normal = _normal(kind, fields["name"])
        known = [one for (of, name, _), one in self.components.items() if (of, name) == (kind, normal)]
        if not known:
            url = fields.get("url") or ""
            kind = "other" if url else kind
            key = (kind, normal, fields["version"] or "")
            known = [
                self.components.setdefault(key, _component(kind, fields["name"], fields["version"] or ""))
            ]
            if references := list(_references(Package(fields["name"], "", "url", url))):
                known[0]["externalReferences"] = references
        for component in known:
            _say(component, "asked for")


def _component(kind: str, name: str, version: str) -> _Component:
    normal = _normal(kind, name)
    # apt's packages have no URL: which distribution they come from is the base image's business.
    url = "" if kind in ("other", "deb") else f"pkg:{kind}/{quote(normal, safe='.-_~')}"
    suffix = f"@{quote(version, safe='.-_~')}" if version else ""
    component: _Component = {
        "type": "library",
        "bom-ref": f"{url}{suffix}" if url else f"{kind}:{normal}{suffix}",
        "name": name,
    }
    if version:
        component["version"] = version
    if url:
        component["purl"] = f"{url}{suffix}"
    return component


def _say(component: _Component, how: str) -> None:
    properties = component.setdefault("properties", [])
    entry = {"name": "io.nuvtui.package", "value": how}
    if entry not in properties:
        properties.append(entry)
        properties.sort(key=lambda one: str(one["value"]))


def _references(package: Package) -> Iterator[dict[str, str]]:
    """Where a package that no index has can be found, without credentials; nothing for a folder of a machine."""
    if package.source not in ("vcs", "url"):
        return
    location = package.location
    if found := re.fullmatch(r"(github|gitlab|bitbucket)::([^@]+)(?:@(.*))?", location):
        url = f"https://{_FORGES[found[1]]}/{found[2]}" + (f"@{found[3]}" if found[3] else "")
    else:
        url = location.partition("::")[2] or location
    if shown := _public(url):
        vcs = package.source == "vcs" or "+" in urlsplit(shown).scheme
        yield {"type": "vcs" if vcs else "distribution", "url": shown}


def _public(url: str) -> str:
    """`url` without user, password, query and fragment; nothing where it leads into a machine's files."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in _SCHEMES or not host:
        return ""
    return quote(urlunsplit((parts.scheme, host, parts.path, "", "")), safe=":/@+%[]~")


def _base(report: Report) -> _Component | None:
    """The base image; None where this machine's own interpreter takes its place."""
    if report.base in ("", HOST_IMAGE):
        return None
    digest = report.base_digest
    try:
        reference = parse(report.base)
    except NuvError:
        component: _Component = {"type": "container", "bom-ref": "base", "name": report.base}
    else:
        digest = digest or reference.digest
        component = {"type": "container", "bom-ref": "base", "name": reference.name}
        if reference.tag or digest:
            component["version"] = reference.tag or digest
        if digest:
            last = reference.path.rpartition("/")[2]
            component["purl"] = (
                f"pkg:oci/{last}@{quote(digest, safe='')}?repository_url={quote(reference.name, safe='/')}"
                + (f"&tag={quote(reference.tag, safe='')}" if reference.tag else "")
            )
        if reference.registry == DOCKER_HUB:
            component["externalReferences"] = [
                {"type": "distribution", "url": f"https://hub.docker.com/r/{reference.path}"}
            ]
    if re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        component["hashes"] = [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
    return component


def _interpreter(bill: _Bill, interpreter: str) -> None:
    name, _, version = interpreter.partition(" ")
    if name:
        component: _Component = {"type": "platform", "bom-ref": f"interpreter:{name}", "name": name}
        if version:
            component["version"] = version
        bill.components[("interpreter", name, version)] = component


def _normal(kind: str, name: str) -> str:
    """The one spelling of a name; those of R and Debian are what they are."""
    return re.sub(r"[-_.]+", "-", name).lower() if kind in ("pypi", "other") else name
