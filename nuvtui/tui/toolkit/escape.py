"""Esc and the key typed right after it are two keys, also where they arrive together.

A terminal sends Alt with a key as Esc and that key, so two keys that a slow line delivers in one piece look the same.
Textual takes them for Alt, and where there is no such key it drops the Esc. nuvtui has no keys with Alt.
"""

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver


class Parser(XTermParser):
    """Textual's reader of what the terminal sends, without Alt."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if alt:
            yield events.Key("escape", "\x1b")
        yield from super()._sequence_to_key_events(sequence)


def install() -> None:
    """Read the terminal this way from now on."""
    linux_driver.XTermParser = Parser  # type: ignore[attr-defined]
