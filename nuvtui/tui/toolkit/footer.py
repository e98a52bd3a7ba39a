"""The one line at the bottom: the keys of what has the focus, from the registry."""

from textual.screen import Screen
from textual.strip import Strip

from nuvtui.tui.toolkit.command_target import CommandTarget
from nuvtui.tui.toolkit.commands import REGISTRY
from nuvtui.tui.toolkit.keys import key_label
from nuvtui.tui.toolkit.lines import LineWidget, Piece, line, width_of

ALWAYS = ("app.palette", "app.help", "app.leave")


class Footer(LineWidget, can_focus=False):
    """Keys of the focused widget first, then those of what is around it; always: palette, help, quit."""

    def __init__(self) -> None:
        super().__init__(id="footer")
        self._keys: list[tuple[str, str, bool]] = []
        self._said = ""

    def on_mount(self) -> None:
        """Follow the keys that are active."""
        self.screen.bindings_updated_signal.subscribe(self, self._updated)
        self._updated(self.screen)

    def _updated(self, screen: Screen[object]) -> None:
        keys: list[tuple[str, str, bool]] = []
        if isinstance(screen, CommandTarget):
            keys += [(key, what, True) for key, what in screen.hints()]
        late: list[tuple[str, str, bool]] = []
        seen: set[str] = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            identifier = binding.id or binding.action
            if binding.show and identifier not in seen:
                seen.add(identifier)
                command = REGISTRY.commands.get(identifier)
                word = active.node.word(identifier) if isinstance(active.node, CommandTarget) else ""
                entry = (key_label(binding.key), word or binding.description, active.enabled)
                (late if command is not None and command.late else keys).append(entry)
        keys += late
        keys.sort(key=lambda entry: not entry[2])  # what can be done now comes first
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def say(self, text: str) -> None:
        """Show a notice instead of the keys, until the next key; empty: the keys again."""
        if text != self._said:
            self._said = text
            self.refresh()

    def draw(self, _y: int, width: int) -> Strip:
        """The line: what does not fit is left out, the last ones stay."""
        if self._said:
            return self.strip(line((f" {self._said}", "strong")), width, self.style_of(""))
        always: list[Piece] = []
        for identifier in ALWAYS if not self.screen.is_modal else ():
            keys = REGISTRY.keys(identifier)
            if keys:
                short = REGISTRY.commands[identifier].short
                always += [
                    (" " if always else "", ""),
                    (key_label(keys[0]), "accent"),
                    (f" {short} ", "muted"),
                ]
        room = width - sum(width_of(text) for text, _ in always) - 1
        left: list[Piece] = []
        used = 0
        for key, title, enabled in self._keys:
            size = width_of(key) + width_of(title) + 3
            if used + size > room:
                break
            left += [(f" {key}", "accent" if enabled else "muted"), (f" {title} ", "muted")]
            used += size
        return self.strip(line(*left, right=always), width, self.style_of(""))
