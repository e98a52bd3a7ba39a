"""Secrets that a line assigns to a name: in the languages, settings and commands that studies are written in.

A line is read by its names. Behind one that says it is a secret (`names.sensitive`) stands what assigns, whatever the
language, and then a value that is judged on its own: so `password <- "…"`, `PWD=…;` inside of a connection string,
`password("…")` and `{"password": "…"}` are one rule. Command lines, which name nothing, have patterns of their own.
"""

import base64
import re
from collections.abc import Iterator

from nuvtui.images.guard.names import looks_secret, sensitive

_NAME = re.compile(r"[^\W\d][\w.-]{0,79}|(?<=\s)de passe")
_QUOTED = r"[bBrRuUfFL]{0,2}\\?(?P<quote>\"\"\"|'''|[\"'`])(?P<quoted>[^\r\n]{4,400}?)\\?(?P=quote)"
_BARE = r"(?P<bare>[^\s\"'`<>,;{}&|]{6,400}+)"
_TYPE = r"(?:\s{0,3}::?\s{0,3}[A-Za-z_][\w.\[\]| ]{0,40}(?=\s{0,3}=))?"
_CLOSERS = r"\\?[\"'`]?[\])}]{0,2}"
_ASSIGNS = re.compile(
    rf"{_CLOSERS}{_TYPE}\s{{0,20}}(?P<sign><<?-|[:?+]?=>?|:{{1,2}})\s{{0,20}}(?:{_QUOTED}|{_BARE})"
    rf"|\\?[\"'`]?\s{{0,3}}(?P<call>[(,])\s{{0,3}}{_QUOTED.replace('quote', 'cquote')}"
)
_QUOTE_BEHIND = re.compile(rf"[\"']?\s{{1,8}}(?:value\s?=\s?)?{_QUOTED}", re.IGNORECASE)
_BARE_BEHIND = re.compile(rf"\s{{1,8}}{_BARE}")
_ELEMENT = re.compile(r">(?P<bare>[^<>\s]{6,200})</")
_PAIR = re.compile(
    r"\s{0,3}(?:=\s{0,3}(?:[\w.]{1,60})?)?\(\s{0,3}[\"'][^\"']{1,80}[\"']\s{0,3},\s{0,3}[bru]?[\"'](?P<bare>[^\"']{4,200})[\"']"
)
_BACKWARDS = re.compile(r"[\"'](?P<bare>[^\"']{6,200})[\"']\s{0,5}->>?\s{0,5}$")
_TAKES_BARE = re.compile(
    r"(?:(?:^|\s)--?|\bENV\s+|\blogin\s+\S{1,80}\s+|\bsetx?\s+(?:-\w+\s+)*|\b(?:global|local)\s+)$",
    re.IGNORECASE,
)
_COMMANDS = tuple(
    (words, re.compile(pattern))
    for words, pattern in (
        (
            ("curl",),
            r"\bcurl\b.{0,300}?\s(?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"']{1,80}:(?P<bare>[^\s\"']{4,200})",
        ),
        (
            ("mysql", "mariadb"),
            r"\b(?:mysql|mysqldump|mariadb|mysqladmin|mysqlimport)\b.{0,200}?\s-p[\"']?(?P<bare>[^\s\"']{6,200})",
        ),
        (("sshpass",), r"\bsshpass\s+-p\s*[\"']?(?P<bare>[^\s\"']{4,200})"),
        (
            ("login",),
            r"\b(?:docker|podman|skopeo|apptainer)\s+.{0,40}?login\b.{0,200}?\s-p[ =]?[\"']?(?P<bare>[^\s\"']{6,200})",
        ),
        (("redis-cli",), r"\bredis-cli\b.{0,200}?\s-a\s+[\"']?(?P<bare>[^\s\"']{6,200})"),
        (
            ("smbclient",),
            r"\bsmbclient\b.{0,200}?\s(?:-U|--user)[ =]?[\"']?[^\s%\"']{1,80}%(?P<bare>[^\s\"']{4,200})",
        ),
        (("7z", "zip"), r"\b(?:7z|7za|unzip|zip)\b.{0,100}?\s-[pP][\"']?(?P<bare>[^\s\"']{6,200})"),
        (
            ("earer", "EARER", "uthorization", "UTHORIZATION"),
            r"(?i)(?:\bauthorization\b\W{1,8}(?:Basic|token|Bearer)|\bBearer)\s+(?P<bare>[A-Za-z0-9+/_.~-]{12,400}={0,2})(?!\w)",
        ),
        (
            (":",),
            r"^(?:[\w.*-]{1,200}):(?:\d{2,5}|\*):[^:\s]{1,80}:[^:\s]{1,80}:(?P<bare>[^\s:]{6,200})$",
        ),
        (("://",), r"[A-Za-z][\w+.-]{1,30}://[^\s/@:\"'<>]{0,80}:(?P<bare>[^\s@\"'<>]{3,200})@[\w\[]"),
        (("://",), r"https?://(?P<bare>[A-Za-z0-9_~-]{12,200})@[\w\[]"),
    )
)
"""Command lines, lines of .pgpass and URLs, each with words of which a line that it matches has one."""
_QUOTES = ("'", '"')
_LONGEST = 4000


def assigned(line: str) -> bool:
    """True where `line` gives a secret-looking value to a name that says so, to a command or in a URL."""
    line = line[:_LONGEST]
    return any(looks_secret(value, kind, bare=bare) for kind, value, bare in _candidates(line)) or any(
        looks_secret(match["bare"], "password", bare=False) and not _made_up(match["bare"])
        for words, pattern in _COMMANDS
        if any(word in line for word in words)
        for match in pattern.finditer(line)
    )


def _made_up(value: str) -> bool:
    """True where what is sent as `Basic` is base64 of a name and a word that stands in for a password."""
    try:
        name, colon, word = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return False
    return bool(colon) and name.isprintable() and not looks_secret(word, "password", bare=False)


def _candidates(line: str) -> Iterator[tuple[str, str, bool]]:
    for name in _NAME.finditer(line):
        kind = sensitive(name[0])
        if not kind:
            continue
        at = name.end()
        if found := _ASSIGNS.match(line, at):
            value = found["quoted"] or found["cquoted"]
            if found["call"] == "," and (
                line[name.start() - 1 : name.start()] not in _QUOTES or kind == "key"
            ):
                continue  # Arguments, not a name and its value.
            if not (found["call"] == "," and name[0].lower().endswith("auth")):  # Nor a list of names.
                yield kind, value or found["bare"].rstrip(").]:"), not value
        elif (found := _QUOTE_BEHIND.match(line, at)) and kind != "key" and found["quote"] != "`":
            yield kind, found["quoted"], False
        elif ((found := _ELEMENT.match(line, at)) and kind != "key") or (
            _TAKES_BARE.search(line, max(0, name.start() - 120), name.start())
            and (found := _BARE_BEHIND.match(line, at))
        ):
            yield kind, found["bare"], True
        if kind != "key" and (found := _PAIR.match(line, at)):
            yield "password", found["bare"], False
        if found := _BACKWARDS.search(line, max(0, name.start() - 220), name.start()):
            yield kind, found["bare"], False


def columns(head: str) -> Iterator[int]:
    """The lines, from 0, of a table of which a column is called like a secret and holds one."""
    lines = head.splitlines()[:50]
    if len(lines) < 2:
        return
    for separator in (",", ";", "\t"):
        names = [name.strip("\" '").strip() for name in lines[0].split(separator)]
        if not 1 < len(names) < 500 or not all(re.fullmatch(r"[\w .-]{0,60}", name) for name in names):
            continue
        for at, name in enumerate(names):
            if not (kind := sensitive(name)):
                continue
            for number, line in enumerate(lines[1:], 1):
                cells = line.split(separator)
                if len(cells) == len(names) and looks_secret(cells[at].strip("\" '"), kind, bare=False):
                    yield number
        return
