"""What a terminal is sent, read by a strict state machine: every byte is text, or a sequence that is ours."""

import re
from collections.abc import Iterator

MODES = {
    "25": "cursor",
    "1004": "focus",
    "1049": "alternate screen",
    "2004": "bracketed paste",
    "2026": "synchronised output",
    "2048": "sizes in the input",
    "7": "line wrap",
    "1000": "mouse",
    "1002": "mouse",
    "1003": "mouse",
    "1006": "mouse",
    "1015": "mouse",
    "1016": "mouse",
}
"""Private modes that Textual sets and resets."""
CONTROL = re.compile(
    rf"""
      \x1b\[ [0-9;]* m                                   # colours and styles
    | \x1b\[ [0-9]+ ; [0-9]+ H                           # the cursor goes somewhere
    | \x1b\[ [0-9]+ ; [0-9]+ r | \x1b\[ r | \x1bM        # lines within margins move
    | \x1b\[ \? (?:{"|".join(MODES)}) [hl]
    | \x1b\[ \? (?:2026|2048) \$p                        # is that mode known?
    | \x1b\[ > 25 u | \x1b\[ < u                          # keys as the terminal kitty sends them, and back
    | \x1b\] 22 ; [a-z-]* \x07                           # the pointer's shape
    | [\r\n]
    """,
    re.VERBOSE,
)
COPY = re.compile(
    r"""
      \x1b\] 52 ; c ; [A-Za-z0-9+/=]* \x07
    | \x1bPtmux; \x1b\x1b\] 52 ; c ; [A-Za-z0-9+/=]* \x07 \x1b\\
    """,
    re.VERBOSE,
)
TOLD = re.compile(r"\x07 | \x1b\] (?: 9 | 777;notify ) ; [^\x00-\x1f\x7f-\x9f]* \x07", re.VERBOSE)
TEXT = re.compile("[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""No C0 or C1 control, no mark that turns the direction of the text around."""


def foreign(sent: str, *, copies: bool = False, notices: bool = False) -> Iterator[str]:
    """What in `sent` is not ours, with what stands around it.

    `copies`: the sequences that put a text into the clipboard are ours too; `notices`: so are bell and notification.
    """
    ours = [TEXT, CONTROL, *([COPY] if copies else []), *([TOLD] if notices else [])]
    at = 0
    while at < len(sent):
        for kind in ours:
            found = kind.match(sent, at)
            if found:
                at = found.end()
                break
        else:
            yield repr(sent[max(0, at - 40) : at + 40])
            at += 1


def assert_ours(sent: bytes | str, *, copies: bool = False, notices: bool = False) -> None:
    """Raises AssertionError where a byte of `sent` is not ours; broken UTF-8 is not."""
    text = sent if isinstance(sent, str) else sent.decode("utf-8")
    found = [each for _, each in zip(range(5), foreign(text, copies=copies, notices=notices), strict=False)]
    assert not found, f"not ours, at the middle of: {found}"


OFF = {"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h", "\x1b[?2004h": "\x1b[?2004l"}
"""What was switched on or off has to be switched back as the last word."""


def assert_restored(sent: bytes) -> None:
    """The program left the terminal as it was: normal screen, cursor, paste and mouse."""
    text = sent.decode("utf-8", "replace")
    for on, off in OFF.items():
        assert text.rfind(off) > text.rfind(on) > -1, f"{off!r} is not the last word"
    for mode, what in MODES.items():
        if what == "mouse" or mode == "1004":
            assert text.rfind(f"\x1b[?{mode}l") >= text.rfind(f"\x1b[?{mode}h"), f"{what} ({mode}) is left on"
