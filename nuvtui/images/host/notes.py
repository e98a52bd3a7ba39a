"""What a capture tells the user: warnings, and what was left out and why, in groups."""

from collections import Counter

from nuvtui.model.export import Excluded
from nuvtui.model.names import path_to_text

_SHOWN = 8
_DENIED_SHOWN = 50
_LENGTH = 300


class Notes:
    """Warnings and what was left out, in groups."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._groups: dict[str, list[str]] = {}
        self._excluded: dict[str, str] = {}
        self._denied: Counter[str] = Counter()

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def group(self, sentence: str, name: str) -> None:
        """One more `name` for a warning that is `sentence`, a colon and all its names."""
        self._groups.setdefault(sentence, []).append(name)

    def left_out(self, what: str, reason: str) -> None:
        self._excluded.setdefault(what, reason)

    def denied(self, path: str, reason: str) -> None:
        if self._denied.total() < _DENIED_SHOWN:
            self._excluded.setdefault(shown(path), reason)
            self._denied[""] += 1
        else:
            self._denied[reason] += 1

    def all_warnings(self) -> list[str]:
        return self.warnings + [f"{sentence}: {some(names)}" for sentence, names in self._groups.items()]

    def all_excluded(self) -> list[Excluded]:
        found = [Excluded(what, reason) for what, reason in self._excluded.items()]
        more = [Excluded(f"{count:,} more", reason) for reason, count in self._denied.items() if reason]
        return sorted(found, key=lambda one: (one.reason, one.what)) + more


def shown(path: str) -> str:
    """A path or name for people: text form, not longer than a few lines."""
    text = path_to_text(path)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def some(names: list[str], limit: int = _SHOWN) -> str:
    """The first names, and how many more there are."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - limit:,} more" if len(unique) > limit else ""
    return "; ".join(unique[:limit]) + more
