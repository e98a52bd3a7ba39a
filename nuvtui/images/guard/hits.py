"""What a search tells: where something is and of what kind, never the value."""

from typing import NamedTuple

HITS = 20
"""So many are told of one file."""
MORE = "holds more of what looks like a secret than is listed"


class SecretHit(NamedTuple):
    """Something that was found."""

    line: int
    what: str
    """Ends the sentence that the file's name begins."""


def limited(hits: list[SecretHit]) -> list[SecretHit]:
    """At most `HITS`, with a word on it where there are more: accepting those must not let the others pass."""
    return hits if len(hits) <= HITS else [*hits[:HITS], SecretHit(hits[HITS].line, MORE)]
