"""What preflight and the content guard have to say about an export: a list, the whole text below it, a dialog."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from nuvtui import sanitise
from nuvtui.model.export import Finding
from nuvtui.tui.toolkit.commands import bindings
from nuvtui.tui.toolkit.detail import DetailPane
from nuvtui.tui.toolkit.dialogs.base import Choice, Dialog
from nuvtui.tui.toolkit.glyphs import Glyphs
from nuvtui.tui.toolkit.line_list import Items, LineList
from nuvtui.tui.toolkit.lines import Line, Piece, Tone, fit, line

LEVELS: dict[str, tuple[str, Tone]] = {
    "stop": ("Stops the export", "bad"),
    "push": ("Must not leave", "bad"),
    "warning": ("Worth knowing", "warn"),
    "note": ("Note", "muted"),
}
ORDER = list(LEVELS)
HERE = {
    "command": "Here: the line Contents of the form.",
    "engine": "Here: the line Engine of the form.",
    "license": "Here: the line Without licence of the form.",
    "output": "Here: the line Archive of the form.",
    "registry": "Here: the lines Registry and Push of the form.",
    "tables": "Here: t chooses the tables that go along as files.",
}
"""Where in the form an answer to a finding is, by its subject: its hint names the options of the command line."""


class Seen(NamedTuple):
    """A finding, and what the user has said to it."""

    finding: Finding
    reason: str = ""
    """Why it was accepted; empty: it was not."""

    @property
    def key(self) -> str:
        """What it is accepted by."""
        return self.finding.key or self.finding.path

    @property
    def title(self) -> str:
        """What it means, in words."""
        return "Accepted" if self.reason else LEVELS[self.finding.level][0]

    @property
    def tone(self) -> Tone:
        """How its title is meant."""
        return "good" if self.reason else LEVELS[self.finding.level][1]

    @property
    def in_the_way(self) -> bool:
        """True where it stops the export, or push and archive."""
        return self.finding.level in ("stop", "push") and not self.reason

    @property
    def can_exclude(self) -> bool:
        """True where it is about a workspace file that can be left out."""
        return bool(self.finding.path) and self.finding.level != "note"

    @property
    def can_accept(self) -> bool:
        """True where it can be let pass with a reason."""
        return self.finding.level == "push" and bool(self.key)


def seen(findings: Iterable[Finding], accepted: Mapping[str, str]) -> list[Seen]:
    """The findings, the worst first; `accepted`: reason by key or path."""
    found = [
        Seen(
            finding,
            (accepted.get(finding.key) or accepted.get(finding.path) or "")
            if finding.level == "push"
            else "",
        )
        for finding in findings
    ]

    def rank(one: Seen) -> tuple[int, bool]:
        # What makes an image that cannot run comes before other warnings; what is accepted stays where it was.
        return ORDER.index(one.finding.level), one.finding.subject != "command"

    return sorted(found, key=rank)


def told(one: Seen, glyphs: Glyphs, *, keys: bool = False) -> list[Line | str]:
    """The whole text of a finding with its hint; `keys`: with the keys for what can be done, in place of the hint."""
    finding = one.finding
    lines: list[Line | str] = [line((finding.subject, "strong"), ": ", finding.text)]
    if one.reason:
        lines.append(line(("Accepted: ", "good"), one.reason))
    if keys and (one.can_accept or one.can_exclude):
        actions = [("x", " leaves the file out")] if one.can_exclude else []
        if one.can_accept:
            actions.append(("a", " no longer accepts it" if one.reason else " accepts it with a reason"))
        lines.append(line(*_keys(actions, glyphs)))
    elif finding.hint and not one.reason:
        lines.append(line((f"{glyphs.arrow} ", "accent"), finding.hint))
    if finding.subject in HERE and finding.level != "note":
        lines.append(line((f"{glyphs.arrow} ", "accent"), HERE[finding.subject]))
    return lines


def _keys(actions: Sequence[tuple[str, str]], glyphs: Glyphs) -> list[Piece]:
    pieces: list[Piece] = [(f"{glyphs.arrow} ", "accent")]
    for at, (key, what) in enumerate(actions):
        pieces += [(", ", "")] if at else []
        pieces += [(key, "accent"), (what, "")]
    return pieces


class FindingsList(LineList):
    """The findings; Up on the first one leads back to the form."""

    class Leaving(LineList.ListMessage):
        """Up was pressed on the first line."""

    def action_up(self) -> None:
        """One line up, or back to what lies above."""
        if not self.cursor:
            self.post_message(self.Leaving(self))
        super().action_up()


class FindingsPane(Vertical):
    """The list, and the whole of the finding under its cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = "Findings"
        self.list = FindingsList(id="findings-list", empty="Reading what there is.", filterable=False)
        self.list.opens = "whole text"
        self._detail = DetailPane(id="findings-detail", can_focus=False)
        self._seen: list[Seen] = []

    def compose(self) -> ComposeResult:
        """Both."""
        yield self.list
        yield self._detail

    @property
    def seen(self) -> Sequence[Seen]:
        """What is shown."""
        return self._seen

    @property
    def current(self) -> Seen | None:
        """The finding under the cursor."""
        at = self.list.current
        return self._seen[at] if at is not None and at < len(self._seen) else None

    def show(self, found: list[Seen], complete: bool) -> None:
        """Show these; `complete`: nothing is looked for any more."""
        self._seen = found
        self.list.empty = "Nothing stands in the way." if complete else "Nothing found so far."
        self.list.set_source(
            Items(found, self._line, key=lambda one: one.finding, text=lambda one: _text(one))
        )
        if not self.list.has_focus:
            self.list.move_to(0)
        self.border_title = Content(sanitise.line(_title(found, complete)))
        self.fit()
        self._show_detail()

    def note(self, text: str) -> None:
        """What is going on, at the lower edge."""
        self.border_subtitle = Content(sanitise.line(text))

    def fit(self) -> None:
        """The list takes what it needs, up to about half."""
        room = self.content_size.height or 8
        self.list.styles.height = max(1, min(self.list.count, (room + 1) // 2))

    def on_resize(self) -> None:
        """Share the room anew."""
        self.fit()

    def on_line_list_highlighted(self) -> None:
        """Another one's text."""
        self._show_detail()

    def _show_detail(self) -> None:
        one = self.current
        self._detail.show(told(one, self.list.glyphs, keys=True) if one is not None else [])

    def _line(self, one: Seen, _width: int) -> Line:
        subject = (
            fit(one.finding.subject, SUBJECT) if len(one.finding.subject) < SUBJECT else one.finding.subject
        )
        return line((fit(one.title, 16), one.tone), "  ", (subject, "strong"), "  ", one.finding.text)


SUBJECT = 10
"""Cells of the column of what a finding is about; paths are longer, and stand as they are."""


def _text(one: Seen) -> str:
    finding = one.finding
    parts = (f"{one.title}: {finding.subject}: {finding.text}", one.reason, finding.hint)
    return "  ".join(part for part in parts if part)


def _title(found: Sequence[Seen], complete: bool) -> str:
    counts = {level: sum(one.finding.level == level and not one.reason for one in found) for level in LEVELS}
    accepted = sum(bool(one.reason) for one in found)
    parts = []
    if counts["stop"]:
        parts.append(f"{counts['stop']} in the way")
    if counts["push"]:
        parts.append(f"{counts['push']} that must not leave")
    if complete and not parts:
        parts.append("nothing in the way")
    if accepted:
        parts.append(f"{accepted} accepted")
    if others := counts["warning"] + counts["note"]:
        parts.append(f"{others} to know")
    return f"Findings: {', '.join(parts)}" if parts else "Findings"


class FindingDialog(Dialog[str]):
    """One finding in full; the callback gets `exclude`, `accept`, or None."""

    SCOPES: ClassVar[tuple[str, ...]] = ("finding", "dialog")
    BINDINGS = [*bindings("finding"), *bindings("dialog")]

    def __init__(self, one: Seen, glyphs: Glyphs, values: Mapping[str, str | Sequence[str]]) -> None:
        """`values`: the words of its commands."""
        self._one = one
        self._values = values
        choices = [Choice(None, "Close")]
        if one.can_exclude:
            choices.append(Choice("exclude", "Exclude the file"))
        if one.can_accept:
            choices.append(Choice("accept", "Do not accept it" if one.reason else "Accept with a reason"))
        finding = one.finding
        text = told(one, glyphs)
        if finding.level == "push" and not one.reason:
            text.append(
                line(
                    (
                        "The image can be built; it cannot be pushed or archived as long as this stands.",
                        "muted",
                    )
                )
            )
        super().__init__(one.title, [*text, ""], choices)
        self.DESTRUCTIVE = one.in_the_way

    @property
    def can_exclude(self) -> bool:
        """True where its file can be left out."""
        return self._one.can_exclude

    @property
    def can_accept(self) -> bool:
        """True where it can be let pass."""
        return self._one.can_accept

    def action_exclude(self) -> None:
        """Leave its file out."""
        self.dismiss("exclude")

    def action_accept(self) -> None:
        """Let it pass, or no longer."""
        self.dismiss("accept")

    def command_values(self) -> Mapping[str, str | Sequence[str]]:
        """Application and path."""
        return self._values
