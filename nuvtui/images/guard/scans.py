"""The content guard: what must not leave, looked for in exactly what goes into an image and in what came out.

Names that are denied, values that are known to be secret, and what looks like a secret (`secrets`), in files,
in notebooks' cells (`notebooks`), in archives within limits (`unpack`), in the layers of a finished image, in its
configuration and history, in log and report. A finding names path and line, never the value.

A finding's key names it where somebody accepts it. It is made of path, kind, and the how-manieth of that kind it
is in the file, and of nothing else: anything derived from the value, or from the file's content, could be tried
against a list of likely values by whoever reads the report. So an acceptance also covers another value of the
same kind at the same place; it is worth what its reason says, and belongs to one export.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import msgspec

from nuvtui.images.denylist import denied
from nuvtui.images.facts import ImageFacts
from nuvtui.images.guard import forked, tarstream
from nuvtui.images.guard.look import NOT_WHOLE, ContentLook
from nuvtui.images.guard.secrets import PIECE, URL, Scanner, SecretSearch
from nuvtui.images.guard.texts import suffix
from nuvtui.images.oci.layers import Objects
from nuvtui.model.application import Application
from nuvtui.model.export import Finding
from nuvtui.model.tree import FILE, LINK, Entry
from nuvtui.reporter import Reporter, Silent

_CREDENTIALS = frozenset(
    ".netrc _netrc .git-credentials .pypirc .npmrc .yarnrc .yarnrc.yml pip.conf pip.ini .condarc .dockercfg .renviron"  # noqa: SIM905
    " .pgpass .my.cnf .s3cfg .boto kaggle.json .vault-token .bash_history .zsh_history .sh_history .python_history"
    " .rhistory .julia_history .node_repl_history .psql_history .mysql_history .sqlite_history .env".split()
)
"""Files that installing packages and setting up may leave behind, which no package ships for a reason."""
_CREDENTIAL_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker"})
_SHIPPED = re.compile(r"(?:^|/)(?:site-packages|dist-packages|node_modules|site-library|usr/share)/")
"""Below these, files are what packages ship: their examples and tests are named like anything."""
_SYSTEM = re.compile(r"(?:usr|lib|lib64|bin|sbin|var|etc/(?:ssl|ssh|pki|ca-certificates|alternatives))/")
"""What distributions and interpreters bring along, which has no token of the user's in it."""
_SETTINGS = frozenset(
    "conf cfg ini toml yaml yml json list sources repo url txt pth rc profile sh env".split()  # noqa: SIM905
)
_SETTINGS_LIMIT = 1 << 20


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""


VERSION = 2
"""Raised when the same content would give other findings: what is remembered of them does not count any more."""


def scan_members(
    members: Iterable[tuple[str, Entry]], store: Objects, known_values: Sequence[str], reporter: Reporter
) -> list[Finding]:
    """Findings in `members` (path in the image, entry); `known_values` may appear in no file and in no name.

    Raises Cancelled and StoreError.
    """
    scanner = Scanner(known_values)
    members = list(members)
    total = sum(entry.size for _, entry in members if entry.kind == FILE)

    def look(part: list[tuple[str, Entry]], reporter: Reporter) -> list[msgspec.Struct]:
        return list(_scan(scanner, part, store, reporter, total))

    if total < forked.FROM:
        return cast(list[Finding], look(members, reporter))
    found = forked.spread(_divided(members, total, forked.cores()), look, Finding, reporter)
    return [cast(Finding, finding) for part in found for finding in part]


def _divided(members: list[tuple[str, Entry]], total: int, count: int) -> list[list[tuple[str, Entry]]]:
    """`members` in `count` runs of about the same bytes."""
    parts: list[list[tuple[str, Entry]]] = [[]]
    done = 0
    for member in members:
        if done * count > total * len(parts) and len(parts) < count:
            parts.append([])
        parts[-1].append(member)
        done += member[1].size if member[1].kind == FILE else 0
    return parts


def _scan(
    scanner: Scanner, members: list[tuple[str, Entry]], store: Objects, reporter: Reporter, total: int
) -> Iterator[Finding]:
    done = 0
    for path, entry in members:
        reporter.check()
        inside = path.removeprefix("files/")
        look = ContentLook(scanner, reporter, path, inside)
        if reason := denied(inside):
            look.tell(look.shown, f"must not be in an image: {reason}")
        if scanner.holds_value(path.encode("utf-8", "surrogateescape") + b"\0" + entry.target):
            look.name_holds_value()
        if entry.kind == FILE and entry.content:
            look.file(inside, store.stream(entry.content))
            done += entry.size
            reporter.progress(done, total, "bytes", look.shown)
        elif entry.kind == LINK and entry.target.startswith((b"/home/", b"/root/")):
            look.tell(look.shown, "is a link into somebody's home folder", level="warning")
        yield from look.findings


def scan_application(
    application: Application, variables: Mapping[str, str], known_values: Sequence[str]
) -> list[Finding]:
    """Findings in what the application's file carries into an image: `variables`, command, set-up, names."""
    scanner = Scanner(known_values)
    texts: list[tuple[str, str]] = [(f"variables.{name}", value) for name, value in variables.items()]
    texts += [("command", " ".join(application.command)), ("name", application.name)]
    texts += [(f"setup {at}", command) for at, command in enumerate(application.setup, 1)]
    texts += [("packages.pip", "\n".join(application.packages.pip))]
    out: list[Finding] = []
    for where, text in texts:
        look = ContentLook(scanner, Silent(), f"application, {where}", "")
        look.hits(look.shown, scanner.text(text.encode("utf-8", "replace")))
        out += look.findings
    return out


def scan_facts(facts: ImageFacts, files: Mapping[str, bytes], known_values: Sequence[str]) -> list[Finding]:
    """Secrets in what an image says of itself: variables, labels, command, history, `files` of nuvtui's own.

    By known values and by the shapes of tokens, not by the detectors: what a base image brings along (checksums,
    key fingerprints) looks like a secret to them and is none.
    """
    scanner = Scanner(known_values)
    texts = {f"variable {name}": f"{name}={value}" for name, value in facts.env.items()}
    texts |= {f"label {name}": f"{name}={value}" for name, value in facts.labels.items()}
    texts["command"] = " ".join([*facts.entrypoint, *facts.command])
    texts["user, folder and ports"] = " ".join([facts.user, facts.workdir, *facts.exposed])
    texts["history"] = "\n".join(step.created_by for step in facts.history)
    data = {subject: text.encode("utf-8", "surrogateescape") for subject, text in texts.items()} | dict(files)
    out: list[Finding] = []
    for subject, content in data.items():
        look = ContentLook(scanner, Silent(), f"image, {subject}", "")
        look.hits(look.shown, scanner.whole(content), lines=subject in files or subject == "history")
        out += look.findings
    return out


def scan_layer(
    stream: Readable, where: str, known_values: Sequence[str], reporter: Reporter, *, thorough: bool
) -> list[Finding]:
    """Findings in a layer, a plain tar that is read once; `where` says which, for people.

    Not `thorough` (layers of the base image): known values only, as what looks like a secret there is none of
    ours. Thorough (layers that installing and setting up made): also files that keep credentials and histories,
    and credentials in the URLs of settings. Raises Cancelled, and what `stream` raises.
    """
    scanner = Scanner(known_values)
    out: list[Finding] = []

    def read(size: int) -> bytes:
        reporter.check()
        return stream.read(size)

    try:
        for member in tarstream.members(read):
            name = member.name.decode("utf-8", "surrogateescape")
            look = ContentLook(scanner, reporter, f"{where}, {name}", "")
            if scanner.holds_value(member.name + b"\0" + member.target):
                look.name_holds_value()
            if thorough and member.kind in (tarstream.FILE, tarstream.HARD_LINK):
                _layer_name(look, name, member)
            if member.kind == tarstream.FILE and member.size:
                _layer_file(look, name, member, thorough)
            out += look.findings
    except tarstream.TarError:
        look = ContentLook(scanner, reporter, where, "")
        look.tell(where, f"{NOT_WHOLE}: the layer is no whole tar archive")
        out += look.findings
    return out


def scan_text(
    subject: str,
    chunks: Iterable[bytes] | Path,
    known_values: Sequence[str],
    reporter: Reporter | None = None,
) -> list[Finding]:
    """Secrets in a log or a report, by known values and shapes. Raises Cancelled, OSError where it is a file."""
    scanner = Scanner(known_values)
    look = ContentLook(scanner, reporter or Silent(), subject, "")
    search = SecretSearch(scanner)
    for piece in _read(chunks) if isinstance(chunks, Path) else chunks:
        look.check()
        search.feed(piece)
    look.hits(subject, search.close())
    return look.findings


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _layer_name(look: ContentLook, name: str, member: tarstream.TarMember) -> None:
    inside = name.removeprefix("./").strip("/")
    parts = inside.lower().split("/")
    if (
        parts[-1].startswith(".wh.")
        or _SHIPPED.search(inside)
        or (member.kind == tarstream.FILE and not member.size)
    ):
        return
    if parts[-1] in _CREDENTIALS or _CREDENTIAL_FOLDERS.intersection(parts[:-1]):
        reason = denied(inside) or "credentials"
        look.tell(look.shown, f"must not be in an image: {reason}")


def _layer_file(look: ContentLook, name: str, member: tarstream.TarMember, thorough: bool) -> None:
    # What packages ship has sample keys in it; what else lies there is somebody's own.
    own = thorough and not _SHIPPED.search(name) and not _SYSTEM.match(name)
    search = SecretSearch(look.scanner, shapes=own)
    base = name.rpartition("/")[2]
    settings = suffix(base) in _SETTINGS or base in ("direct_url.json", ".npmrc", "config", "sources.list")
    if thorough and settings and not own and member.size <= _SETTINGS_LIMIT:
        data = b"".join(member.pieces)
        search.feed(data)
        look.hits(look.shown, [hit for hit in look.scanner.whole(data) if hit.what == URL])
    else:
        search.feed_all(member.pieces)
    look.hits(look.shown, search.close())
