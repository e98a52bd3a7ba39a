"""The recovery sheet: a remote's secrets as text to print, with a check in every line.

A secret is 32 bytes: four lines of eight, each as 13 letters in base32 and 3 letters that check it. Whoever holds the
sheet can read the remote without any other key.
"""

import base64
import re

from blake3 import blake3

from nuvtui.errors import Exit, NuvError

_LINE = re.compile(r"\s*(\d{1,6})\.(\d)\s+([A-Z0-9 -]+)")
_LOOKS_LIKE = str.maketrans("018", "OIB")
"""Digits that base32 does not have, as the letters that are taken for them."""
SECRETS = 100_000
"""Secrets that a sheet has at most."""


def _letters(number: int, part: int, data: bytes) -> str:
    """A line's 16 letters: 13 of the bytes, 3 that check them."""
    check = base64.b32encode(blake3(bytes([number % 256, part]) + data).digest()[:5]).decode()[:3]
    return base64.b32encode(data).decode().rstrip("=") + check


def sheet(name: str, url: str, repository: str, secrets: list[bytes]) -> str:
    """The text of the sheet of the remote `name`."""
    lines = [
        f"RECOVERY SHEET of the nuvtui remote {name}",
        "",
        f"Address:    {url}",
        f"Repository: {repository}",
        "",
        "Whoever holds this sheet can read everything on the remote, and without a key nobody can:",
        "lost keys are lost data. Print it, keep it where paper is safe, and delete the file.",
        "It opens what is there now and what recipients push. Make a new one after a recipient was removed,",
        "and where machines push that can only write.",
        "",
        f"To use it:  nuvtui remotes add {name} {url} --recovery FILE",
        "where FILE holds the lines below.",
        "",
    ]
    for number, secret in enumerate(secrets, 1):
        for part in range(4):
            text = _letters(number, part, secret[part * 8 : part * 8 + 8])
            lines.append(f"  {number}.{part + 1}  {text[:4]} {text[4:8]} {text[8:13]}  {text[13:]}")
    return "\n".join(lines) + "\n"


def read(text: str) -> list[bytes]:
    """The secrets of a sheet. Raises NuvError (2) that names the line with a typing error."""
    parts: dict[tuple[int, int], bytes] = {}
    for line in text.upper().splitlines():
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            continue
        number, part = int(found[1]), int(found[2]) - 1
        letters = re.sub(r"[ -]", "", found[3]).translate(_LOOKS_LIKE)
        try:
            data = base64.b32decode(letters[:-3] + "===")
        except ValueError:
            data = b""
        if not 0 <= part < 4 or not 0 < number <= SECRETS or letters != _letters(number, part, data):
            raise _wrong(f"line {found[1]}.{found[2]} has a typing error")
        parts[number, part] = data
    numbers = {number for number, _ in parts}
    if not numbers:
        raise _wrong("it has no line such as `1.1  ABCD EFGH IJKLM  NOP`")
    missing = [f"{n}.{p + 1}" for n in range(1, max(numbers) + 1) for p in range(4) if (n, p) not in parts]
    if missing:
        raise _wrong(f"it lacks the lines {', '.join(missing)}")
    return [b"".join(parts[number, part] for part in range(4)) for number in range(1, max(numbers) + 1)]


def _wrong(what: str) -> NuvError:
    return NuvError(
        "The recovery sheet cannot be read", what, "Compare it with the paper, letter by letter.", Exit.USAGE
    )
