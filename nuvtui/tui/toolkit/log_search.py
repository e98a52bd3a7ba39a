"""What is searched in a text: a word or a regular expression, and how a million lines are gone through quickly."""

import re
from collections.abc import Iterator

import regex

PATIENCE = 0.1
"""Seconds that a regular expression may think about one line or block: some would think for ever."""
_SPECIAL = re.compile(rb"[^\t\n\x20-\x7e]").search
"""Finds what is not shown as it stands in the text: colours, carriage returns, anything beyond ASCII."""
_LOOKS_AROUND = re.compile(r"\(\?|\\[AZz]|\\G").search
"""Finds what in an expression may mean something else in a block of lines than in one line."""


class SlowError(Exception):
    """The expression took too long."""


class Query:
    """A search: all lower case finds any case; `/…/` is a regular expression."""

    def __init__(self, text: str) -> None:
        """`problem` says why a regular expression could not be taken as one; then it is searched as text."""
        self.problem = ""
        flags = regex.IGNORECASE if text == text.lower() else 0
        body = ""
        if text.startswith("/"):
            body = text[1:-1] if len(text) > 2 and text.endswith("/") else text[1:]
        if body:
            try:
                self._pattern = regex.compile(body, flags)
            except regex.error as error:
                self.problem = f"not a regular expression ({error}), searched as text"
        if not body or self.problem:
            self._pattern = regex.compile(regex.escape(text), flags)
        self._block: regex.Pattern[bytes] | None = None
        pattern = self._pattern.pattern
        if pattern.isascii() and not _LOOKS_AROUND(pattern):
            self._block = regex.compile(pattern.encode(), flags | regex.MULTILINE)

    def may_be_in(self, block: bytes) -> bool:
        """False where no line of a block matches, told without taking it apart. Raises SlowError."""
        if self._block is None or _SPECIAL(block):
            return True
        try:
            return self._block.search(block, timeout=PATIENCE) is not None
        except TimeoutError as error:
            raise SlowError from error

    def is_in(self, line: str) -> bool:
        """True where a line, as it is shown, matches. Raises SlowError."""
        try:
            return self._pattern.search(line, timeout=PATIENCE) is not None
        except TimeoutError as error:
            raise SlowError from error

    def spans(self, line: str) -> Iterator[tuple[int, int]]:
        """Where in a line the matches are: start and end of each; none where that took too long."""
        try:
            for match in self._pattern.finditer(line, timeout=PATIENCE):
                yield match.span()
        except TimeoutError:
            return
