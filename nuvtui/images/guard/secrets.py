"""What a secret looks like, and where in a stream of bytes there is one.

Three searches: values that are known to be secret, in every form of `redact.forms`; the shapes of private keys
and of well-known tokens; and, in text, the detectors of detect-secrets. Those are used without the library's
filters (which an author can talk out of a finding by a comment, a suffix or one undecodable byte), without its
verification (which calls vendors) and without its process pool. What is found is told by its line and kind:
a `Hit` never holds the value.

Looking for each of a hundred strings on its own would cost a hundred passes over the data. So the long ones are
looked for by the machine words in them: a string of eleven bytes or more holds a whole word of four bytes at an
offset that eight divides, wherever it stands, and one pass over every other word of the data tells whether any of
the strings can be there at all. The short beginnings of tokens are looked for by their rarest character.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from nuvtui.images.redact import forms

HITS = 20
"""So many are told of one file."""
MORE = "holds more of what looks like a secret than is listed"
KNOWN = "holds a known secret value"
URL = "holds credentials in a URL"
TEXT_LIMIT, CODE_LIMIT = 1 << 18, 4 << 20
"""Bytes of a text, and of one that is named like code or settings, up to which the detectors read it."""
PIECE = 1 << 18
_OVERLAP = 8192
"""No shape is longer."""
_MINIMUM = 6
"""Known values shorter than this would be found everywhere."""
_WORD, _STRIDE = 4, 2
_LONG = _WORD * _STRIDE + _WORD - 1
_LONG_LINE = 2000
_WINDOW, _BEFORE, _BEHIND = 256, 200, 300
_LOOKED_AT = 2 << 20
"""Bytes of one text that the detectors are asked about: they take a second for it."""
TOO_MANY = "has more places that may hold a secret than can be looked at"

_CONFIG = frozenset(
    "yaml yml ini cfg conf config cnf properties toml env envrc tfvars sh bash zsh fish bat ps1 service".split()  # noqa: SIM905
)
_CODE = _CONFIG | frozenset(
    "py pyi r rmd qmd rnw jl m do ado js mjs cjs ts jsx tsx json jsonl xml html htm ipynb java scala c cc cpp h hpp"  # noqa: SIM905
    " rs go rb pl php lua sql md rst txt tex log dockerfile mk cmake gradle lock svg ps".split()
)


class Hit(NamedTuple):
    """Something that was found."""

    line: int
    what: str
    """Ends the sentence that the file's name begins."""


class _Shape(NamedTuple):
    what: str
    before: int
    """Bytes of the pattern before the anchor's character."""
    pattern: re.Pattern[bytes]


def _shapes(*rows: tuple[str, int, bytes]) -> list[_Shape]:
    return [_Shape(f"holds {what}", before, re.compile(pattern)) for what, before, pattern in rows]


# The quantifiers have upper ends, so that nothing is longer than what two pieces have in common.
_ANCHORED: list[tuple[re.Pattern[bytes], list[_Shape]]] = [
    (
        re.compile(rb"_(?:(?<=hf_)|(?<=gh[pousr]_)|(?<=npm_)|(?<=_pat_)|(?<=k_live_))"),
        _shapes(
            ("a Hugging Face token", 2, rb"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,200}"),
            ("a GitHub token", 3, rb"gh[pousr]_[A-Za-z0-9]{36,300}"),
            ("a GitHub token", 10, rb"github_pat_[A-Za-z0-9_]{60,300}"),
            ("a Docker Hub token", 8, rb"dckr_pat_[A-Za-z0-9_-]{20,200}"),
            ("an npm token", 3, rb"npm_[A-Za-z0-9]{36}\b"),
            ("a Stripe key", 6, rb"k_live_[0-9A-Za-z]{20,300}"),
        ),
    ),
    (
        re.compile(
            rb"-(?:(?<=sk-)|(?<=glpat-)|(?<=pypi-)|(?<=xox[abeposr]-)|(?<=sq0csp-)|(?<=sq0atp-)|(?<=[0-9a-f]-)us[0-9])"
        ),
        _shapes(
            (
                "an OpenAI or Anthropic key",
                2,
                rb"(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,200}[0-9])(?=[a-z0-9_-]{0,200}[A-Z])[A-Za-z0-9_-]{32,300}",
            ),
            ("a GitLab token", 5, rb"glpat-[A-Za-z0-9_.-]{20,300}"),
            ("a PyPI token", 4, rb"pypi-AgE[A-Za-z0-9_-]{50,1000}"),
            ("a Slack token", 4, rb"xox[abeposr]-[A-Za-z0-9-]{10,300}"),
            ("a Square secret", 6, rb"sq0(?:csp|atp)-[0-9A-Za-z_-]{22,100}"),
            ("a Mailchimp key", 32, rb"[0-9a-f]{32}-us[0-9]{1,2}\b"),
        ),
    ),
    (
        re.compile(rb"A(?:[KS]IA[0-9A-Z]{16}|Iza|C[0-9a-f]{32}|KC[a-zA-Z0-9]{10})"),
        _shapes(
            ("an AWS access key", 0, rb"A[KS]IA[0-9A-Z]{16}\b"),
            ("a Google API key", 0, rb"AIza[0-9A-Za-z_-]{35}\b"),
            ("a Twilio key", 0, rb"(?<![0-9A-Za-z])AC[0-9a-f]{32}\b"),
            ("an Artifactory token", 0, rb"(?<![^\s=:\"'])AKC[a-zA-Z0-9]{10,100}(?![^\s\"',])"),
        ),
    ),
    (
        re.compile(rb"S(?:G\.[A-Za-z0-9_-]{22}\.|K[0-9a-f]{32})"),
        _shapes(
            ("a SendGrid key", 0, rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
            ("a Twilio key", 0, rb"(?<![0-9A-Za-z])SK[0-9a-f]{32}\b"),
        ),
    ),
    (
        re.compile(rb"J(?<=eyJ)"),
        _shapes(
            (
                "a JSON web token",
                2,
                rb"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,2000}",
            ),
        ),
    ),
    (
        re.compile(rb"://[^\x00-\x20\x7f/:@\"'<>$&{}`]{0,64}:"),
        _shapes(
            (
                "credentials in a URL",
                0,
                rb"://[^\x00-\x20\x7f/:@\"'<>$&{}`]{0,64}:[^\x00-\x20\x7f/:@\"'<>${}`]{3,256}@[A-Za-z0-9\[][A-Za-z0-9.-]{0,200}",
            ),
        ),
    ),
]
"""What finds the few places worth a look, and the shapes that may be there."""
_LITERAL: list[tuple[bytes, _Shape]] = list(
    zip(
        (b"PRIVATE KEY", b"PuTTY-User-Key-File-", b"AccountKey="),
        _shapes(
            ("a private key", 0, rb"BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"),
            ("a private key", 0, rb"PuTTY-User-Key-File-[0-9]"),
            ("an Azure storage key", 0, rb"AccountKey=[A-Za-z0-9+/=%]{80,200}"),
        ),
        strict=True,
    )
)
"""A long literal that a shape always has."""


class Scanner:
    """Searches for a set of known values and for what looks like a secret."""

    def __init__(self, known_values: Sequence[str]) -> None:
        found = {form for value in known_values if len(value) >= _MINIMUM for form in forms(value)}
        self._known = sorted(found, key=lambda form: (len(form), form))
        # A form that another one is part of is found by that one.
        self._known = [
            form
            for at, form in enumerate(self._known)
            if len(form) >= _MINIMUM and not any(other in form for other in self._known[:at])
        ]
        self.overlap = max([_OVERLAP, *map(len, self._known)])
        self._short = [form for form in self._known if len(form) < _LONG]
        self._needles: dict[int, set[bytes]] = {}
        for form in self._known:
            if len(form) >= _LONG:
                self._remember(form)
        self._known_words = frozenset(self._needles)

    def _remember(self, needle: bytes) -> None:
        for at in range(len(needle) - _WORD + 1):
            word = int.from_bytes(needle[at : at + _WORD], sys.byteorder)
            self._needles.setdefault(word, set()).add(needle)

    def holds_value(self, data: bytes) -> bool:
        """True where `data` has a known value in it."""
        for value in self._known:  # noqa: SIM110 - asked of every name: twice as fast as `any`
            if value in data:
                return True
        return False

    def hidden(self, name: str) -> str:
        """`name` (a str with surrogateescape) without known values."""
        data = name.encode("utf-8", "surrogateescape")
        for value in reversed(self._known):
            data = data.replace(value, b"***")
        return data.decode("utf-8", "surrogateescape")

    def places(self, data: bytes, shapes: bool) -> Iterator[tuple[int, int, str]]:
        """Start, end and kind of all that is in `data`; only known values unless `shapes`."""
        for needle in self._short:
            yield from ((start, start + len(needle), KNOWN) for start in _all(data, needle))
        words = self._known_words
        if words and len(data) >= _LONG:
            every = memoryview(data)[: len(data) & -_WORD].cast("I")[::_STRIDE]
            for needle in set().union(*(self._needles[word] for word in words.intersection(every))):
                yield from ((start, start + len(needle), KNOWN) for start in _all(data, needle))
        if not shapes:
            return
        for needle, literal in _LITERAL:
            if needle in data:
                yield from ((m.start(), m.end(), literal.what) for m in literal.pattern.finditer(data))
        for anchor, rows in _ANCHORED:
            for at in anchor.finditer(data):
                for shape in rows:
                    start = at.start() - shape.before
                    if start >= 0 and (match := shape.pattern.match(data, start)):
                        yield start, match.end(), shape.what
                        break

    def whole(self, data: bytes, *, shapes: bool = True) -> list[Hit]:
        """What is in `data`, by known values and shapes."""
        search = Search(self, shapes=shapes)
        search.feed(data)
        return search.close()

    def text(self, data: bytes, name: str = "") -> list[Hit]:
        """What is in a text that is all there, by known values, shapes and detectors; `name` tells its kind."""
        data = as_utf8(data)
        hits = self.whole(data)
        lines = {hit.line for hit in hits}
        hits += [hit for hit in _detected(data, suffix(name)) if hit.line not in lines]
        return _limited(hits)


class Search:
    """One search through a stream that is fed in pieces of any size; nothing hides at a border."""

    def __init__(self, scanner: Scanner, *, shapes: bool = True) -> None:
        self._scanner = scanner
        self._shapes = shapes
        self._waiting: list[bytes] = []
        self._waited = 0
        self._kept = b""
        self._line = 1
        self._hits: list[Hit] = []
        self._ends: dict[str, int] = {}

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        self._waiting.append(piece)
        self._waited += len(piece)
        if self._waited >= PIECE:
            self._look(last=False)

    def feed_all(self, pieces: Iterable[bytes]) -> None:
        """All of `pieces`."""
        for piece in pieces:
            self.feed(piece)

    def close(self) -> list[Hit]:
        """What was found in all of it."""
        self._look(last=True)
        return _limited(self._hits)

    def _look(self, *, last: bool) -> None:
        data = (
            b"".join((self._kept, *self._waiting))
            if self._kept or len(self._waiting) != 1
            else self._waiting[0]
        )
        seen = len(self._kept)
        self._waiting, self._waited = [], 0
        if len(self._hits) <= HITS:
            for start, end, what in sorted(self._scanner.places(data, self._shapes)):
                # What ends with the piece may go on in the next one; what ended before was told with the last.
                if end < seen or (end == len(data) and not last) or start < self._ends.get(what, 0):
                    continue
                self._ends[what] = end
                self._hits.append(Hit(self._line + data.count(b"\n", 0, start), what))
                if len(self._hits) > HITS:
                    break
        if last:
            return
        cut = max(0, len(data) - self._scanner.overlap)
        self._line += data.count(b"\n", 0, cut)
        self._kept = data[cut:]
        self._ends = {what: end - cut for what, end in self._ends.items() if end > cut}


def suffix(name: str) -> str:
    """The ending of a file's name in lower case; for one without a dot the name itself."""
    return name.rpartition("/")[2].rpartition(".")[2].lower()


def text_limit(name: str) -> int:
    """Bytes up to which a text of this name is read by the detectors."""
    return CODE_LIMIT if suffix(name) in _CODE else TEXT_LIMIT


def is_text(data: bytes) -> bool:
    """True where the detectors can read `data`: no NUL in it, or UTF-16 that says so."""
    return data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" not in data


def as_utf8(data: bytes) -> bytes:
    """`data`, in UTF-8 where it says that it is UTF-16."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data


def _limited(hits: list[Hit]) -> list[Hit]:
    """At most `HITS`, with a word on it where there are more: accepting those must not let the others pass."""
    return hits if len(hits) <= HITS else [*hits[:HITS], Hit(hits[HITS].line, MORE)]


def _all(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


# -- detect-secrets ----------------------------------------------------------------------------------------------------

_KEYWORDS = (
    re.compile(
        rb"k(?:(?<=apik)|(?<=authk)|(?<=icek)|(?<=countk)|(?<=dbk)|(?<=basek)|(?<=privk)|(?<=vatek)|(?<=ientk)"
        rb"|(?<=api_k)|(?<=auth_k)|(?<=ice_k)|(?<=count_k)|(?<=db_k)|(?<=base_k)|(?<=priv_k)|(?<=vate_k)|(?<=ient_k))ey"
    ),
    re.compile(rb"w(?:(?<=passw)(?:or)?d|(?<=pw)d)"),
    re.compile(rb"secret"),
    re.compile(rb"pass(?:(?<=bpass)|(?<=b_pass)|(?<=basepass)|(?<=base_pass)|(?<=keypass)|(?<=key_pass))"),
    re.compile(rb"contrase"),
)
"""All that the library's keyword detector looks for, in lower case: a line without is not worth its time."""
_VENDORS = (re.compile(rb"cloudant"), re.compile(rb"softlayer"), re.compile(rb"b(?<=ib)m"))
_OTHERS = (
    re.compile(rb":(?=[0-9A-Za-z_-]{35})(?<=[0-9]{8}:)"),
    re.compile(rb"\.(?=[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27})"),
)
_KEYWORD = ("KeywordDetector",)
_VENDOR = ("CloudantDetector", "SoftlayerDetector", "IbmCloudIamDetector", "IbmCosHmacDetector")
_OTHER = ("TelegramBotTokenDetector", "DiscordBotTokenDetector")
_GATES = ((_KEYWORDS, (*_KEYWORD, *_VENDOR), True), (_VENDORS, _VENDOR, True), (_OTHERS, _OTHER, False))
"""What a line must have, the detectors that it is then given to, whether in lower case. The shapes stand for the
library's other detectors; those that measure entropy are left out: data files are full of random-looking words."""
_PLACEHOLDER = re.compile(
    r"^$|^[<{\[$%(*#].*|^(?:x+|\*+|\.+|-+|none|null|nil|true|false|your.*|my.*|example.*|changeme|change_me|change-me|pass"
    r"|password|passwd|secret|token|test|dummy|placeholder|redacted|hidden|todo|string|text|str|optional.*|required"
    r"|os\..*|sys\..*|getenv.*|getpass.*|input.*|self\..*|args\..*|config\..*|settings\..*)$"
    r"|^[a-z]+(?:[_.][a-z]+)+$|\s.*(?:[.!?:]|\b(?:password|secret|key|enter|must)\b.*)$|^[.~]{0,2}(?:/[\w.-]+){2,}$|^arn:aws",
    re.IGNORECASE,
)
"""Names of variables, sentences and paths are no values."""
_COMMENT = re.compile(r"\s+(?:#|;|//)")


def _detected(data: bytes, ending: str) -> list[Hit]:
    """What detect-secrets finds, line by line; lines are read one by one only where they may have something."""
    low = data.lower()
    wanted: dict[tuple[int, int], set[str]] = {}
    cost = 0
    for gates, names, lower in _GATES:
        for gate in gates:
            for match in gate.finditer(low if lower else data):
                place = _line(data, match.start())
                if place not in wanted:
                    cost += place[1] - place[0]
                    if cost > _LOOKED_AT:
                        break
                wanted.setdefault(place, set()).update(names)
    hits: list[Hit] = []
    for start, end in sorted(wanted):
        line = data[start:end]
        asked = wanted[start, end]
        if ending not in _CONFIG and not any(quote in line for quote in (b'"', b"'", b"`")):
            asked = asked - set(_KEYWORD)
        for name in sorted(asked):
            if what := _asked(name, line, ending):
                hit = Hit(data.count(b"\n", 0, start) + 1, what)
                hits += [hit] if hit not in hits else []
                break
        if len(hits) > HITS:
            break
    return [*hits, Hit(1, TOO_MANY)] if cost > _LOOKED_AT else hits


def _line(data: bytes, at: int) -> tuple[int, int]:
    """The line around a place, or a window of an overlong one."""
    start = data.rfind(b"\n", max(0, at - _LONG_LINE), at) + 1
    end = data.find(b"\n", at, at + _LONG_LINE)
    if (start or at < _LONG_LINE) and (end >= 0 or at + _LONG_LINE >= len(data)):
        return start, end if end >= 0 else len(data)
    window = at - at % _WINDOW
    return max(start, window - _BEFORE), min(len(data), window + _WINDOW + _BEHIND)


def _asked(name: str, line: bytes, ending: str) -> str:
    """What the detector called `name` says of a line; empty: nothing."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    plugin = _plugins().get(name)
    if plugin is None:
        return ""
    more = {}
    if name in _KEYWORD and ending in _CONFIG:
        from detect_secrets.plugins.keyword import CONFIG_DENYLIST_REGEX_TO_GROUP

        more = {"denylist_regex_to_group": CONFIG_DENYLIST_REGEX_TO_GROUP}
    for secret in plugin.analyze_string(text, **more):
        if not _PLACEHOLDER.search(_COMMENT.split(secret)[0].strip("\"'`;, ")):
            return f"may hold a secret ({plugin.secret_type.lower()})"
    return ""


@lru_cache(maxsize=1)
def _plugins() -> dict[str, Any]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: dict[str, Any] = get_mapping_from_secret_type_to_class()
    known = {plugin.__name__: plugin for plugin in classes.values()}
    return {name: known[name]() for name in (*_KEYWORD, *_VENDOR, *_OTHER) if name in known}
