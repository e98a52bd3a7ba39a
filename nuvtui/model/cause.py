"""Why an automatic snapshot was taken: a value, its sentence, and the reader of sentences that stand alone.

A manifest of version 1 holds the sentence. Since 0.2 the value stands beside it; older manifests are read from theirs.
"""

import re
from typing import Literal

import msgspec

Reason = Literal["restore", "distribution", "recall", "source", "export"]


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an automatic snapshot was taken for."""

    reason: Reason
    """Before a restore, a distribution that arrives or a recall; as the source of a distribution; for an export."""
    id: str
    """Of the snapshot that is restored, the distribution or the export; its first eight digits in old manifests."""
    name: str = ""
    """Of the snapshot that is restored (empty: it has none), or the application that is exported."""
    kind: str = ""
    """Kind of the snapshot that is restored, where it has no name."""

    @property
    def sentence(self) -> str:
        """The cause in words, as manifests hold it."""
        short = self.id[:8]
        match self.reason:
            case "restore":
                return f"before restore of snapshot {short} ({self.name or self.kind})"
            case "distribution":
                return f"before distribution {short}"
            case "recall":
                return f"before recall of distribution {short}"
            case "source":
                return f"source of distribution {short}"
            case "export":
                return f"for export {short} of {self.name}"


_SENTENCES: tuple[tuple[Reason, re.Pattern[str]], ...] = (
    ("restore", re.compile(r"before restore of snapshot (?P<id>[0-9a-f]{8}) \((?P<name>.*)\)", re.DOTALL)),
    ("distribution", re.compile(r"before distribution (?P<id>[0-9a-f]{8})")),
    ("recall", re.compile(r"before recall of distribution (?P<id>[0-9a-f]{8})")),
    ("source", re.compile(r"source of distribution (?P<id>[0-9a-f]{8})")),
    ("export", re.compile(r"for export (?P<id>[0-9a-f]{8}) of (?P<name>.+)", re.DOTALL)),
)


def read(sentence: str) -> Cause | None:
    """The cause that a sentence of a manifest stands for; None where it is none that was ever written."""
    for reason, pattern in _SENTENCES:
        if found := pattern.fullmatch(sentence):
            name = found.groupdict().get("name", "")
            if reason == "restore" and name in ("named", "quick", "automatic"):
                return Cause(reason, found["id"], kind=name)
            return Cause(reason, found["id"], name)
    return None
