"""Colours of program texts: what a language's words are, as tones of the theme.

Pygments is imported when the first text is coloured, in the thread that colours it. Only the beginning of a text
is coloured, and only the beginning of a long line.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from nuvtui.tui.toolkit.lines import Piece, Tone

MOST = 256 << 10
"""Characters that are coloured."""
LONGEST = 1000
"""Characters of a line that are coloured."""
PATIENCE = 1.5
"""Seconds after which the rest stays without colours."""
Span = tuple[int, int, Tone]
"""Start, end and tone of a part of a line."""

_LANGUAGES = {"ipynb": "json", "do": "stata", "lock": "yaml", "rmd": "markdown", "qmd": "markdown", "log": ""}
"""Languages of endings that are taken for something else, or not known."""


def of_file(name: str, lines: Sequence[str]) -> list[list[Span]]:
    """The tones of `lines` (sanitised), the beginning of the file `name`; as many lists as were coloured."""
    ending = name.rpartition(".")[2].lower()
    return _spans(_lexer(name, _LANGUAGES.get(ending)), lines)


def of_language(language: str, lines: Sequence[str]) -> list[list[Span]]:
    """As `of_file`, for a language by its name."""
    return _spans(_lexer("", language.lower()), lines)


def pieces(text: str, spans: Iterable[Span], start: int = 0, end: int | None = None) -> list[Piece]:
    """`text[start:end]` as pieces with the tones of the spans."""
    end = len(text) if end is None else end
    out: list[Piece] = []
    at = start
    for first, last, tone in spans:
        if last <= at:
            continue
        if first >= end:
            break
        if first > at:
            out.append((text[at:first], ""))
            at = first
        out.append((text[at : min(last, end)], tone))
        at = min(last, end)
    if at < end:
        out.append((text[at:end], ""))
    return out


def _lexer(name: str, language: str | None) -> Any:
    """Pygments' lexer; None where there is none."""
    from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
    from pygments.util import ClassNotFound

    if language == "":
        return None
    options: dict[str, Any] = {"stripnl": False, "ensurenl": False}
    try:
        if language:
            return get_lexer_by_name(language, **options)
        found = get_lexer_for_filename(name, **options)
    except ClassNotFound:
        return None
    return None if found.name in ("Text only", "CSV") else found


def _spans(lexer: Any, lines: Sequence[str]) -> list[list[Span]]:
    if lexer is None:
        return []
    shown: list[str] = []
    size = 0
    for text in lines:
        shown.append(text[:LONGEST])
        size += min(len(text), LONGEST) + 1
        if size > MOST:
            break
    out: list[list[Span]] = [[]]
    at = 0
    deadline = time.monotonic() + PATIENCE
    for kind, value in lexer.get_tokens("\n".join(shown)):
        tone = _tone(kind)
        for number, part in enumerate(value.split("\n")):
            if number:
                out.append([])
                at = 0
            if part and tone:
                out[-1].append((at, at + len(part), tone))
            at += len(part)
        if time.monotonic() > deadline:
            break
    return out


_known: dict[Any, Tone] = {}


def _tone(kind: Any) -> Tone:
    tone = _known.get(kind)
    if tone is None:
        tone = _known[kind] = _look_up(kind)
    return tone


def _look_up(kind: Any) -> Tone:
    from pygments import token as t

    tones: tuple[tuple[Any, Tone], ...] = (
        (t.Comment, "muted"),
        (t.String, "good"),
        (t.Number, "warn"),
        (t.Literal, "warn"),
        (t.Keyword, "accent"),
        (t.Operator.Word, "accent"),
        (t.Name.Function, "strong"),
        (t.Name.Class, "strong"),
        (t.Name.Decorator, "warn"),
        (t.Name.Tag, "accent"),
        (t.Name.Attribute, "accent"),
        (t.Name.Namespace, "strong"),
        (t.Name.Builtin, "accent"),
        (t.Generic.Heading, "strong"),
        (t.Generic.Subheading, "strong"),
        (t.Generic.Strong, "strong"),
        (t.Generic.Inserted, "good"),
        (t.Generic.Deleted, "bad"),
    )
    return next((tone for base, tone in tones if kind in base), "")
