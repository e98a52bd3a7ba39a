"""The content guard: what must not leave, looked for in exactly what goes into an image.

Three searches over every file: values that are known to be secret, as they are, URL-encoded and in base64;
the shapes of private keys and of well-known tokens; and, in text files of moderate size, the detectors of
detect-secrets. Those are used without the library's filters (which an author can talk out of a finding by a
comment, a suffix or one undecodable byte), without its verification (which calls vendors) and without its
process pool. A finding names path and line, never the value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nuvtui.images.denylist import denied
from nuvtui.images.facts import ImageFacts
from nuvtui.images.redact import forms
from nuvtui.model.application import Application
from nuvtui.model.export import Finding
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FILE, LINK, Entry
from nuvtui.reporter import Reporter

if TYPE_CHECKING:
    from nuvtui.images.context import Objects

TEXT_LIMIT = 1 << 18
"""Files up to this size are also read by detect-secrets."""
FINDINGS_PER_FILE = 20
_OVERLAP = 8192
_MINIMUM = 6
"""Known values shorter than this would be found everywhere."""

_SHAPES: list[tuple[str, bytes, bytes]] = [
    ("a private key", b"PRIVATE KEY", rb"PRIVATE KEY(?: BLOCK)?-----"),
    ("a private key", b"PuTTY-User-Key-File-", rb"PuTTY-User-Key-File-[0-9]"),
    ("an AWS access key", b"AKIA", rb"AKIA[0-9A-Z]{16}\b"),
    ("an AWS access key", b"ASIA", rb"ASIA[0-9A-Z]{16}\b"),
    *(("a GitHub token", b"gh%c_" % kind, rb"gh%c_[A-Za-z0-9]{36,}" % kind) for kind in b"pousr"),
    ("a GitHub token", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{60,}"),
    ("a GitLab token", b"glpat-", rb"glpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", b"xox", rb"xox[abposr]-[A-Za-z0-9-]{10,}"),
    ("a Google API key", b"AIza", rb"AIza[0-9A-Za-z_-]{35}\b"),
    ("a Hugging Face token", b"hf_", rb"hf_[A-Za-z]{30,}"),
    ("an OpenAI or Anthropic key", b"sk-", rb"sk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}"),
    ("a PyPI token", b"pypi-AgE", rb"pypi-AgE[A-Za-z0-9_-]{50,}"),
    ("an npm token", b"npm_", rb"npm_[A-Za-z0-9]{36}\b"),
    ("a Stripe key", b"k_live_", rb"k_live_[0-9A-Za-z]{20,}"),
    ("a Docker Hub token", b"dckr_pat_", rb"dckr_pat_[A-Za-z0-9_-]{20,}"),
    ("a JSON web token", b"eyJ", rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("an Azure storage key", b"AccountKey=", rb"AccountKey=[A-Za-z0-9+/=]{80,}"),
    (
        "credentials in a URL",
        b"://",
        rb"://[^\s/:@\"'<>$&{}]{1,64}:[^\s/:@\"'<>${}]{3,128}@[A-Za-z0-9.-]+",
    ),
]
"""What, a literal that it always has, and its pattern. The literals are looked for first: a hundred times as fast."""
_shapes = [(what, literal, re.compile(pattern)) for what, literal, pattern in _SHAPES]
_DETECTORS = (
    "ArtifactoryDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "CloudantDetector", "DiscordBotTokenDetector",
    "IbmCloudIamDetector", "IbmCosHmacDetector", "KeywordDetector", "MailchimpDetector", "SendGridDetector",
    "SoftlayerDetector", "SquareOAuthDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
"""The detectors of detect-secrets that the shapes above do not stand for, without those that measure
entropy: data
files are full of random-looking words."""
_WORDS = (
    "key",
    "secret",
    "passw",
    "passp",
    "pwd",
    "token",
    "auth",
    "cred",
    "cloudant",
    "softlayer",
    "ibm",
    "://",
)
_RARE = re.compile(
    r"AKC[A-Za-z0-9]{10}|AP[0-9A-F][A-Za-z0-9_]{8}|-us[0-9]|SG\.[A-Za-z0-9_-]{10}|[AS][CK][a-z0-9]{32}|sq0"
    r"|[0-9]:[0-9A-Za-z_-]{35}|[MNO][A-Za-z0-9_-]{23,25}\."
)
"""Only lines with one of these words or forms are given to the detectors, which cost a hundred times as much."""
_PLACEHOLDER = re.compile(
    r"^$|^[<{\[$%(*].*|^(?:x+|\*+|\.+|none|null|true|false|your.*|my.*|example.*|changeme|change_me|password|passwd|secret"
    r"|token|test|dummy|placeholder|todo|str|os\..*|getpass.*|input.*|self\..*|args\..*)$",
    re.IGNORECASE,
)


def scan_members(
    members: Iterable[tuple[str, Entry]], store: "Objects", known_values: Sequence[str], reporter: Reporter
) -> list[Finding]:
    """Findings in `members` (path in the image, entry); `known_values` may appear in no file and in no name.

    Raises Cancelled and StoreError.
    """
    scanner = Scanner(known_values)
    out: list[Finding] = []
    members = list(members)
    total = sum(entry.size for _, entry in members if entry.kind == FILE)
    done = 0
    for path, entry in members:
        reporter.check()
        shown = path_to_text(path)
        inside = path.removeprefix("files/")
        if reason := denied(inside):
            out.append(Finding("stop", shown, f"must not be in an image: {reason}"))
        if scanner.holds_value(path.encode("utf-8", "surrogateescape") + entry.target):
            out.append(Finding("stop", shown, "its name or target holds a known secret value"))
        if entry.kind == FILE and entry.content:
            out += scanner.file(shown, entry.size, store.stream(entry.content), reporter)
            done += entry.size
            reporter.progress(done, total, "bytes", shown)
        elif entry.kind == LINK and entry.target.startswith((b"/home/", b"/root/")):
            out.append(Finding("warning", shown, "is a link into somebody's home folder"))
    return out


def scan_application(application: Application, known_values: Sequence[str]) -> list[Finding]:
    """Findings in what the application's file carries into an image: variables, command, set-up, names."""
    scanner = Scanner(known_values)
    texts: list[tuple[str, str]] = [
        (f"variables.{name}", value) for name, value in application.variables.items()
    ]
    texts += [("command", " ".join(application.command)), ("name", application.name)]
    texts += [(f"setup {at}", command) for at, command in enumerate(application.setup, 1)]
    texts += [("packages.pip", "\n".join(application.packages.pip))]
    return [
        msg
        for where, text in texts
        for msg in scanner.text(f"application, {where}", text.encode("utf-8", "replace"))
    ]


def scan_facts(facts: ImageFacts, files: Mapping[str, bytes], known_values: Sequence[str]) -> list[Finding]:
    """Known secret values in what an image says of itself: variables, labels, command, history, `files` of nuvtui's own.

    Only known values: what a base image brings along (checksums, key fingerprints) looks like a secret and is none.
    """
    scanner = Scanner(known_values)
    texts = {f"variable {name}": value for name, value in facts.env.items()}
    texts |= {f"label {name}": value for name, value in facts.labels.items()}
    texts["command"] = " ".join([*facts.entrypoint, *facts.command])
    texts["history"] = "\n".join(step.created_by for step in facts.history)
    data = {subject: text.encode("utf-8", "surrogateescape") for subject, text in texts.items()} | dict(files)
    return [
        Finding("stop", f"image, {subject}", "holds a known secret value")
        for subject, content in data.items()
        if scanner.holds_value(content)
    ]


class Scanner:
    """Searches for a set of known values and for what looks like a secret."""

    def __init__(self, known_values: Sequence[str]) -> None:
        found = [form for value in known_values if len(value) >= _MINIMUM for form in forms(value)]
        self._known = found
        self._overlap = max([_OVERLAP, *map(len, found)])

    def holds_value(self, data: bytes) -> bool:
        """True where `data` has a known value in it."""
        return any(value in data for value in self._known)

    def text(self, subject: str, data: bytes) -> list[Finding]:
        """Findings in `data` as a whole."""
        return list(self._shaped(subject, [data], None)) + _detected(subject, data)

    def file(self, subject: str, size: int, pieces: Iterator[bytes], reporter: Reporter) -> list[Finding]:
        """Findings in a file of `size` bytes, read once, in bounded memory."""
        if size > TEXT_LIMIT:
            return list(self._shaped(subject, pieces, reporter))
        data = b"".join(pieces)
        found = list(self._shaped(subject, [data], None))
        if b"\0" not in data:
            lines = {finding.subject for finding in found}
            found += [finding for finding in _detected(subject, data) if finding.subject not in lines]
        return found[:FINDINGS_PER_FILE]

    def _shaped(self, subject: str, pieces: Iterable[bytes], reporter: Reporter | None) -> Iterator[Finding]:
        """Known values and shapes; pieces overlap, so that nothing hides at a border."""
        held, lines, seen, number = b"", 1, 0, 0
        for piece in pieces:
            if reporter is not None:
                reporter.check()
            data = held + piece
            found = [
                (match.start(), match.end(), what)
                for what, literal, pattern in _shapes
                if literal in data
                for match in pattern.finditer(data)
            ]
            for value in self._known:
                at = data.find(value)
                while at >= 0:
                    found.append((at, at + len(value), "a known secret value"))
                    at = data.find(value, at + 1)
            for start, end, what in sorted(found):
                # What ends within the part that was kept from the piece before was told with that one.
                if end <= seen or number >= FINDINGS_PER_FILE:
                    continue
                number += 1
                line = lines + data.count(b"\n", 0, start)
                yield Finding("stop", f"{subject}:{line}", f"holds {what}")
            keep = min(len(data), self._overlap)
            lines += data.count(b"\n", 0, len(data) - keep)
            held, seen = data[len(data) - keep :], keep


def _detected(subject: str, data: bytes) -> list[Finding]:
    """What detect-secrets finds, line by line."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    out: list[Finding] = []
    low = text.lower()
    words = [word for word in _WORDS if word in low]
    rare = _RARE.search(text) is not None
    if not words and not rare:
        return out
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > 10_000:
            continue
        low = line.lower()
        if not any(word in low for word in words) and not (rare and _RARE.search(line)):
            continue
        for plugin in _plugins():
            for secret in plugin.analyze_string(line):
                if not _PLACEHOLDER.match(secret.strip("\"' ")):
                    what = plugin.secret_type.lower()
                    out.append(Finding("warning", f"{subject}:{number}", f"may hold a secret ({what})"))
                    break
            if len(out) >= FINDINGS_PER_FILE:
                return out
    return out


@lru_cache(maxsize=1)
def _plugins() -> list[Any]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: dict[str, Any] = get_mapping_from_secret_type_to_class()
    known = {plugin.__name__: plugin for plugin in classes.values()}
    return [known[name]() for name in _DETECTORS if name in known]
