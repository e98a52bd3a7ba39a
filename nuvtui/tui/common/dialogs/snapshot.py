"""A snapshot with a name, a description and the next phase of work."""

from collections.abc import Mapping, Sequence

from textual import events
from textual.widgets import Input

from nuvtui import sanitise
from nuvtui.services.snapshots.service import naming_hint
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.lines import Line, Piece, line


class SnapshotDialog(TextDialog):
    """Asks; F2 puts the next suggested name into the field. The callback gets `name`, `description`, `next`."""

    def __init__(self, suggestions: Sequence[str]) -> None:
        self._suggestions = [sanitise.line(name) for name in suggestions]
        self._next = 0
        text: list[Line | str] = ["Files, tables and applications are kept together as they are now."]
        if suggestions:
            names: list[Piece] = []
            for name in self._suggestions:
                names += [(", " if names else "", "muted"), (name, "accent")]
            text.append(line(("F2 suggests: ", "muted"), *names))
        super().__init__(
            "Snapshot",
            [
                TextField("name", "Name", placeholder="paper-revision-2-data"),
                TextField("description", "Description: what it holds, why it is taken"),
                TextField("next", "Next phase of work"),
            ],
            "Take the snapshot",
            text=[*text, ""],
            advise=_advise,
        )

    def on_key(self, event: events.Key) -> None:
        """F2: the next suggestion."""
        if event.key == "f2" and self._suggestions:
            event.stop()
            field = self.query_one("#field-name", Input)
            field.value = self._suggestions[self._next % len(self._suggestions)]
            field.cursor_position = len(field.value)
            self._next += 1


def _advise(texts: Mapping[str, str]) -> str | None:
    if not texts["name"]:
        return "Without a name it is a quick snapshot."
    return naming_hint(texts["name"])
