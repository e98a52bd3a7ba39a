"""What a secret looks like, and where in a stream of bytes there is one.

Three searches: values that are known to be secret, in every form of `redact.forms`; the shapes of private keys
and of well-known tokens; and, in text, assignments and the detectors of detect-secrets (`detectors`). What is found
is told by its line and kind: a `SecretHit` never holds the value.

Looking for each of a hundred strings on its own would cost a hundred passes over the data. So the long ones are
looked for by the machine words in them: a string of eleven bytes or more holds a whole word of four bytes at an
offset that eight divides, wherever it stands, and one pass over every other word of the data tells whether any of
the strings can be there at all. The short beginnings of tokens are looked for by their rarest character.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nuvtui.images.guard.detectors import detected
from nuvtui.images.guard.hits import HITS, SecretHit, limited
from nuvtui.images.guard.names import stands_in
from nuvtui.images.guard.texts import as_utf8
from nuvtui.images.redact import forms

KNOWN = "holds a known secret value"
URL = "holds credentials in a URL"
PIECE = 1 << 18
_OVERLAP = 8192
"""No shape is longer."""
_MINIMUM = 6
"""Known values shorter than this would be found everywhere."""
_WORD, _STRIDE = 4, 2
_LONG = _WORD * _STRIDE + _WORD - 1


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
                    if (
                        start >= 0
                        and (match := shape.pattern.match(data, start))
                        and not (shape.what == URL and _no_password(match[0]))
                    ):
                        yield start, match.end(), shape.what
                        break

    def whole(self, data: bytes, *, shapes: bool = True) -> list[SecretHit]:
        """What is in `data`, by known values and shapes."""
        search = SecretSearch(self, shapes=shapes)
        search.feed(data)
        return search.close()

    def text(self, data: bytes) -> list[SecretHit]:
        """What is in a text that is all there, by known values, shapes and detectors."""
        data = as_utf8(data)
        hits = self.whole(data)
        lines = {hit.line for hit in hits}
        hits += [hit for hit in detected(data) if hit.line not in lines]
        return limited(hits)


class SecretSearch:
    """One search through a stream that is fed in pieces of any size; nothing hides at a border."""

    def __init__(self, scanner: Scanner, *, shapes: bool = True) -> None:
        self._scanner = scanner
        self._shapes = shapes
        self._waiting: list[bytes] = []
        self._waited = 0
        self._kept = b""
        self._line = 1
        self._hits: list[SecretHit] = []
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

    def close(self) -> list[SecretHit]:
        """What was found in all of it."""
        self._look(last=True)
        return limited(self._hits)

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
                self._hits.append(SecretHit(self._line + data.count(b"\n", 0, start), what))
                if len(self._hits) > HITS:
                    break
        if last:
            return
        cut = max(0, len(data) - self._scanner.overlap)
        self._line += data.count(b"\n", 0, cut)
        self._kept = data[cut:]
        self._ends = {what: end - cut for what, end in self._ends.items() if end > cut}


def _no_password(url: bytes) -> bool:
    """True where a URL has stars (as pip and we ourselves put there) or a manual's word for its password."""
    return stands_in(url.rpartition(b"@")[0].rpartition(b":")[2].decode("latin-1").replace("%2A", "*"))


def _all(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)
