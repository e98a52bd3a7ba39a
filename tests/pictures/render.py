"""A picture as text: what stands in every cell, and in which style, in a form that a reader and a diff can follow.

    80x24                                 the size
    | nuvtui  study / Master …            the lines, blanks at their ends and all
    a #d3d7de on #181a1d                  the styles, by letter
    0: a0 b12 a20                         where in line 0 each style begins; a line as the one before is left out

An SVG of a screen takes 40 to 150 KB, this takes 4 to 12: all pictures together stay readable in a repository.
"""

import re
from typing import Any

from rich.style import Style
from textual.app import App

from nuvtui.model.names import path_to_text
from tests.pictures.store import HOME
from tests.tui.harness import strips

VARYING = ((re.compile(r"checked in \d\.\d s"), "checked in 0.0 s"),)
"""What depends on how fast something was; as wide as before."""
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def picture(app: App[Any], root: str) -> str:
    """What the app shows now; `root` is the folder that is shown as HOME."""
    assert len(root) == len(HOME)
    shown: list[str] = []
    runs: list[str] = []
    letters: dict[str, str] = {}
    before = ""
    for y, strip in enumerate(strips(app)):
        text = "".join(segment.text for segment in strip).replace(root, HOME)
        for pattern, instead in VARYING:
            text = pattern.sub(instead, text)
        shown.append(f"|{path_to_text(text)}|")
        at, last, run = 0, "", []
        for segment in strip:
            name = described(segment.style)
            if name != last:
                letter = letters.setdefault(name, LETTERS[len(letters)])
                run.append(f"{letter}{at}")
                last = name
            at += segment.cell_length
        line = " ".join(run)
        if line != before:
            runs.append(f"{y}: {line}")
        before = line
    legend = [f"{letter} {name}" for name, letter in letters.items()]
    return "\n".join([f"{app.size.width}x{app.size.height}", *shown, *legend, *runs]) + "\n"


def described(style: Style | None) -> str:
    """A style in words."""
    if style is None:
        return "plain"
    words = [
        name for name in ("bold", "dim", "italic", "underline", "reverse", "strike") if getattr(style, name)
    ]
    if style.color:
        words.append(style.color.triplet.hex if style.color.triplet else style.color.name)
    if style.bgcolor:
        words += ["on", style.bgcolor.triplet.hex if style.bgcolor.triplet else style.bgcolor.name]
    return " ".join(words) or "plain"
