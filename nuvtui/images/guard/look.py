"""A look at one file, or one text, and all that is in it: notebooks, archives, archives in archives."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

from nuvtui.images.denylist import denied
from nuvtui.images.guard import notebooks, unpack
from nuvtui.images.guard.hits import HITS, MORE, SecretHit
from nuvtui.images.guard.secrets import Scanner, SecretSearch
from nuvtui.images.guard.texts import is_text, suffix, text_limit
from nuvtui.model.export import Finding
from nuvtui.model.names import path_to_text
from nuvtui.reporter import Reporter

NOT_WHOLE = "could not be looked into wholly"
_EXCLUDE = "Leave it out with the application's `exclude`, or accept it with a reason."


class ContentLook:
    """A look at one file (or one text) and all that is in it."""

    def __init__(self, scanner: Scanner, reporter: Reporter, name: str, path: str) -> None:
        """`path`: in the workspace; empty where it is no file of it. Both str with surrogateescape."""
        self.scanner = scanner
        shown = scanner.hidden(name)
        self.shown = path_to_text(shown)
        # A path that is a secret itself cannot be shown, not even to be excluded by.
        self.path = path_to_text(path) if shown == name else ""
        self.findings: list[Finding] = []
        self._reporter = reporter
        self._count: Counter[tuple[str, str]] = Counter()

    def check(self) -> None:
        """Raises Cancelled where the user asked to stop."""
        self._reporter.check()

    def name_holds_value(self) -> None:
        """The path or the link's target is a secret."""
        self.tell(self.shown, "its name or target holds a known secret value")

    def tell(
        self, subject: str, what: str, level: Literal["push", "warning"] = "push", line: str = ""
    ) -> None:
        """One more finding, as long as the list is not full."""
        told = sum(finding.level == level for finding in self.findings)
        if told > HITS or (told == HITS and level == "warning"):
            return
        if told == HITS:
            subject, what, line = self.shown, MORE, ""
        self._count[subject, what] += 1
        text = f"{subject}\0{what}\0{self._count[subject, what]}".encode("utf-8", "surrogatepass")
        key = hashlib.sha256(text).hexdigest()[:12] if level == "push" else ""
        hint = _EXCLUDE if self.path and level == "push" else ""
        self.findings.append(Finding(level, subject + line, what, hint, self.path, key))

    def hits(self, subject: str, hits: Iterable[SecretHit], *, lines: bool = True) -> None:
        """What was found in the text called `subject`."""
        for hit in hits:
            self.tell(subject, hit.what, line=f":{hit.line}" if lines else "")

    def file(self, name: str, pieces: Iterator[bytes]) -> None:
        """The content of the file, read once."""
        self._content(self.shown, name, pieces, 0, unpack.Budget())

    def _checked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.check()
            yield piece

    def _content(
        self, subject: str, name: str, pieces: Iterator[bytes], depth: int, budget: unpack.Budget
    ) -> Counter[str]:
        """Look at something called `name`; returns how often what was found. Raises LimitError where nested."""
        pieces = self._checked(pieces)
        head = b""
        for piece in pieces:
            head = head + piece if head else piece
            if len(head) >= unpack.HEAD:
                break
        pieces = chain((head,), pieces)
        if sort := unpack.kind(head):
            return self._archive(subject, name, sort, pieces, depth, budget)
        limit = notebooks.LIMIT if suffix(name) == "ipynb" else text_limit(name)
        held: list[bytes] = []
        size = 0
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size > limit:
                search = SecretSearch(self.scanner)
                search.feed_all(chain(held, pieces))
                return self._told(subject, search.close())
        data = held[0] if len(held) == 1 else b"".join(held)
        if suffix(name) == "ipynb":
            return self._notebook(subject, name, data)
        text = is_text(data)
        return self._told(subject, self.scanner.text(data) if text else self.scanner.whole(data))

    def _told(self, subject: str, hits: list[SecretHit]) -> Counter[str]:
        self.hits(subject, hits)
        return Counter(hit.what for hit in hits)

    def _notebook(self, subject: str, name: str, data: bytes) -> Counter[str]:
        found: Counter[str] = Counter()
        try:
            for place, text in notebooks.texts(data):
                self.check()
                hits = self.scanner.text(text.encode("utf-8", "replace"))
                self.hits(f"{subject}:{place}", hits, lines=False)
                found.update(hit.what for hit in hits)
        except ValueError:
            text_like = len(data) <= text_limit(name) and is_text(data)
            return self._told(subject, self.scanner.text(data) if text_like else self.scanner.whole(data))
        # The file as it is, too: its metadata and attachments are in no cell.
        return self._rest(subject, self.scanner.whole(data), found)

    def _rest(self, subject: str, raw: list[SecretHit], found: Counter[str]) -> Counter[str]:
        """Tell of the search through the raw bytes what the look inside did not find."""
        counts = Counter(hit.what for hit in raw)
        return found + self._told(subject, [hit for hit in raw if counts[hit.what] > found[hit.what]])

    def _archive(
        self, subject: str, name: str, sort: str, pieces: Iterator[bytes], depth: int, budget: unpack.Budget
    ) -> Counter[str]:
        raw = SecretSearch(self.scanner, shapes=depth == 0)
        found: Counter[str] = Counter()

        def teed() -> Iterator[bytes]:
            for piece in pieces:
                raw.feed(piece)
                if depth == 0:
                    budget.packed += len(piece)
                yield piece

        source = teed()
        try:
            if depth >= unpack.DEPTH:
                raise unpack.DamagedError("nested too deep")
            self._unpack(subject, name, sort, source, depth, budget, found)
        except unpack.DamagedError:
            why = (
                "nested too deep"
                if depth >= unpack.DEPTH
                else "it is damaged, or of a kind that is not known"
            )
            self.tell(subject, f"{NOT_WHOLE}: {why}", level="warning")
        except unpack.LimitError as error:
            if depth:
                raise
            self.tell(subject, f"{NOT_WHOLE}: {error}", level="warning")
        try:
            for _ in source:
                continue
        except unpack.DamagedError:
            pass  # Told where it was unpacked.
        # A generator that an error ended gives no more: what is left of the bytes is searched all the same.
        raw.feed_all(pieces)
        return self._rest(subject, raw.close(), found)

    def _unpack(
        self,
        subject: str,
        name: str,
        sort: str,
        source: Iterator[bytes],
        depth: int,
        budget: unpack.Budget,
        found: Counter[str],
    ) -> None:
        sealed = damaged = False
        for member in unpack.members(sort, source, budget):
            self.check()
            if member.name is None:
                inner, shown = re.sub(r"(?i)\.(?:gz|bz2|xz|zst|tgz)$", "", name), subject
            else:
                inner = member.name
                hidden = self.scanner.hidden(inner)
                shown = f"{subject}!{path_to_text(hidden)}"
                if hidden != inner:
                    self.tell(shown, "its name or target holds a known secret value")
                elif reason := denied(inner):
                    self.tell(shown, f"must not be in an image: {reason}")
            if member.pieces is None:
                sealed = True
            else:
                try:
                    found += self._content(shown, inner, member.pieces, depth + 1, budget)
                except unpack.DamagedError:
                    if sort != "zip":
                        raise
                    damaged = True  # The members of a zip do not depend on each other.
        if damaged:
            raise unpack.DamagedError(name)
        if sealed:
            self.tell(subject, f"{NOT_WHOLE}: it is encrypted", level="warning")
