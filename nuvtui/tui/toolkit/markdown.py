"""Markdown as lines: what a README needs to be read in a terminal, no more.

Headings, lists, quotes, code, tables as they stand, links with their address. Nothing is fetched, HTML stays text.
"""

import re

from nuvtui.tui.toolkit.detail import block_lines
from nuvtui.tui.toolkit.lines import Line, Piece, line

_FENCE = re.compile(r"\s*(```+|~~~+)")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_ITEM = re.compile(r"(\s*)(?:[-*+]|(\d+[.)]))\s+(?:\[([ xX])\]\s+)?(.*)")
_RULE = re.compile(r"\s*([-*_])(?:\s*\1){2,}\s*$")
_UNDERLINE = re.compile(r"(=+|-+)\s*$")
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|!?\[(?P<text>[^\]]*)\]\((?P<link>[^)\s]*)[^)]*\)"
    r"|(?P<mark>\*\*|__)(?P<strong>\S(?:.*?\S)?)(?P=mark)"
    r"|(?<!\w)(?P<star>[*_])(?P<slant>\S(?:.*?\S)?)(?P=star)(?!\w)"
)


def lines(text: str) -> list[Line]:
    """The lines of a Markdown text; paragraphs are joined, so that they wrap at the width of the pane."""
    out: list[Line] = []
    paragraph: list[str] = []
    fence = ""

    def end() -> None:
        if paragraph:
            out.append(line(*inline(" ".join(part.strip() for part in paragraph))))
            paragraph.clear()

    for source in block_lines(text):
        row = source.text
        found = _FENCE.match(row)
        if fence:
            if found and found[1].startswith(fence):
                fence = ""
            else:
                out.append(line(("    ", ""), (row, "accent")))
            continue
        if found:
            end()
            fence = found[1]
        elif not row.strip():
            end()
            if out and out[-1].text:
                out.append(line(""))
        elif heading := _HEADING.match(row):
            end()
            out.append(_heading(heading[2]))
        elif paragraph and _UNDERLINE.match(row):
            title = " ".join(paragraph)
            paragraph.clear()
            out.append(_heading(title))
        elif _RULE.match(row):
            end()
            out.append(line(("---", "muted")))
        elif item := _ITEM.match(row):
            end()
            mark = item[2] or ("[x]" if (item[3] or "").strip() else "[ ]" if item[3] else "-")
            out.append(line(f"{item[1]}  ", (f"{mark} ", "accent"), *inline(item[4])))
        elif row.startswith(("    ", "|")) and not paragraph:
            out.append(line((row, "accent" if row.startswith(" ") else "")))
        elif row.lstrip().startswith(">"):
            end()
            out.append(line(("  | ", "muted"), *inline(row.lstrip()[1:].strip())))
        elif row.startswith("  ") and out and not paragraph and out[-1].text.lstrip().startswith(("- ", "[")):
            out[-1] = line(*out[-1].left, " ", *inline(row.strip()))  # an item goes on
        else:
            paragraph.append(row)
    end()
    while out and not out[-1].text:
        out.pop()
    return out


def _heading(text: str) -> Line:
    return line(*((piece, "strong") for piece, _ in inline(text)))


def inline(text: str) -> list[Piece]:
    """Code, links, emphasis within a line."""
    pieces: list[Piece] = []
    last = 0
    for found in _INLINE.finditer(text):
        if found.start() > last:
            pieces.append((text[last : found.start()], ""))
        last = found.end()
        if found["code"]:
            pieces.append((found["code"], "accent"))
        elif found["link"] is not None:
            pieces.append((found["text"] or found["link"], "strong"))
            if found["text"] and found["link"] and found["text"] != found["link"]:
                pieces.append((f" ({found['link']})", "muted"))
        else:
            pieces.append((found["strong"] or found["slant"], "strong"))
    if last < len(text):
        pieces.append((text[last:], ""))
    return pieces or [("", "")]
