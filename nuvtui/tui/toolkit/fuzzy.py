"""Finding by a few letters among very many texts, a slice of time at a time."""

import heapq
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

BATCH = 256
"""Texts that are looked at between two looks at the clock."""
MOST = 200
"""Hits that are kept: the best ones."""
_BOUNDARY = "/_-. (\n"


class Hit(NamedTuple):
    """A text that matches. Sorts the best first."""

    score: int
    group: int
    """Position of its group."""
    position: int
    """Its position in the group."""


class Search:
    """One search through groups of lower-case texts: `step()` until it says that it is done."""

    def __init__(self, query: str, groups: Sequence[Sequence[str]], most: int = MOST) -> None:
        """`query`: words that must all be in the text; letters in a row, where they are one word, may be apart.

        A text may have a second line, which counts less and is searched for whole words only.
        """
        self._words = query.lower().split()
        self._groups = groups
        self._most = most
        self._best: list[tuple[int, int, int]] = []
        self.count = 0
        """Texts that match so far."""
        self._steps = self._look()

    def run(self, until: Callable[[], bool]) -> bool:
        """Go on until `until()`, asked now and then; True where all is looked through."""
        return all(not until() for _ in self._steps)

    @property
    def hits(self) -> list[Hit]:
        """The best so far."""
        return sorted(Hit(-score, -group, -index) for score, group, index in self._best)

    def _look(self) -> Iterator[None]:
        words = self._words
        if not words:
            return
        first = words[0]
        apart = _apart(first) if len(words) == 1 and len(first) > 1 else None
        for group, texts in enumerate(self._groups):
            for start in range(0, len(texts), BATCH):
                batch = texts[start : start + BATCH]
                for index, text in enumerate(batch, start):
                    if first in text:
                        if len(words) > 1 and not all(word in text for word in words[1:]):
                            continue
                        self._keep(_score(words, text), group, index)
                    elif apart is not None:
                        head = text.find("\n")  # scattered over a sentence, letters are in anything
                        found = apart.search(text, 0, head if head >= 0 else len(text))
                        if found is not None:
                            spread = found.end() - found.start() - len(first)
                            self._keep(400 + 4 * spread + len(text) // 8, group, index)
                yield

    def _keep(self, score: int, group: int, index: int) -> None:
        self.count += 1
        item = (-score, -group, -index)
        if len(self._best) < self._most:
            heapq.heappush(self._best, item)
        elif item > self._best[0]:
            heapq.heapreplace(self._best, item)


def _apart(word: str) -> re.Pattern[str]:
    """The letters of `word` in their order, with others between them."""
    letters = [re.escape(letter) for letter in word]
    return re.compile(letters[0] + "".join(f"[^{letter}]*{letter}" for letter in letters[1:]))


def _score(words: Sequence[str], text: str) -> int:
    """How well `text`, which holds all words, matches: small is good."""
    score = len(text) // 8
    head = text.find("\n")
    name = text.rfind("/") + 1
    for word in words:
        at = text.find(word, name)
        if at < 0:
            at = text.find(word)
            score += 60  # in the path, not in the name
        if text == word:
            continue
        if 0 <= head < at:
            score += 150  # in what is said of it, not in what it is called
        if at == name:
            score += 10
        elif at and text[at - 1] in _BOUNDARY:
            score += 20
        else:
            score += 80
    return score
