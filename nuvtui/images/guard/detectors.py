"""The detectors of assignments and of detect-secrets, asked about the lines that may have something for them.

Of the library only detectors of vendors' shapes are used, without its filters (which an author can talk out of a
finding by a comment, a suffix or one undecodable byte), without its verification (which calls vendors) and without
its process pool. Those that measure entropy are left out: data files are full of random-looking words.
"""

import re
from functools import lru_cache
from typing import Any

from nuvtui.images.guard.assignments import assigned, columns
from nuvtui.images.guard.hits import HITS, SecretHit
from nuvtui.images.guard.names import stands_in

_LONG_LINE = 2000
_WINDOW, _BEFORE, _BEHIND = 256, 200, 300
_LOOKED_AT = 2 << 20
"""Bytes of one text that the detectors are asked about: they take a second for it."""
TOO_MANY = "has more places that may hold a secret than can be looked at"
_VENDORS = (re.compile(rb"cloudant"), re.compile(rb"softlayer"), re.compile(rb"b(?<=ib)m"))
_OTHERS = (
    re.compile(rb":(?=[0-9A-Za-z_-]{35})(?<=[0-9]{8}:)"),
    re.compile(rb"\.(?=[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27})"),
)
_ASSIGNMENTS = tuple(
    re.compile(pattern)
    for pattern in (
        rb"token", rb"secret", rb"auth(?!or)", rb"pass(?<!compass)(?<!bypass)(?!e[dns]|ing|ion|ive|port|age)",
        rb"wd(?:(?<=pwd)|(?<=pswd))", rb"pw(?<=\bpw)\b", rb"kennwort", rb"geheim",
        rb"ssel(?:(?<=hl.ssel)|(?<=hl..ssel))", rb"contrase", rb"mdp(?<=\bmdp)\b", rb"jeton",
        rb"cl(?:\xc3\xa9|\xe9|e[ _]api|ave)", rb"psk(?<=\bpsk)\b", rb"_pat\b", rb"credential", rb"bearer",
        rb"curl ", rb"mysql", rb"mariadb", rb"cli(?:(?<=redis-cli)|(?<=smbcli)(?=ent))", rb"7z(?=a? )", rb"zip -",
        rb"://[^\s\"'<>]{0,280}@", rb":5432:", rb":3306:",
        rb"key(?=[a-z0-9_.\-]{0,12}\\?[\"'`\])>]{0,3}\s{0,8}(?:[:=<,(]|\s[\"']))",
    )
)  # fmt: skip
"""What `assignments` has a rule for, in lower case; each begins with letters, which is what makes a search fast,
and each is a pass over the text: those that share letters are one. `motdepasse` is found by its `pass`."""
_ASSIGNED = "assignment"
ASSIGNED = "may hold a secret (a value for a name that says so)"
_HEAD = 1 << 14
"""Bytes of a table of which the first lines are looked at by column."""
_VENDOR = ("CloudantDetector", "SoftlayerDetector", "IbmCloudIamDetector", "IbmCosHmacDetector")
_OTHER = ("TelegramBotTokenDetector", "DiscordBotTokenDetector")
_GATES = (
    (_VENDORS, _VENDOR, True, 1),
    (_OTHERS, _OTHER, False, 1),
    (_ASSIGNMENTS, (_ASSIGNED,), True, 8),
)
"""What a line must have, the detectors that it is then given to, whether in lower case, how much faster than the
library's they read."""


def detected(data: bytes) -> list[SecretHit]:
    """Assignments and what detect-secrets finds; lines are read one by one only where they may have something."""
    low = data.lower()
    wanted: dict[tuple[int, int], set[str]] = {}
    cost = 0
    for gates, names, lower, share in _GATES:
        for gate in gates:
            for match in gate.finditer(low if lower else data):
                place = _line(data, match.start())
                if place not in wanted:
                    cost += (place[1] - place[0]) // share
                    if cost > _LOOKED_AT:
                        break
                wanted.setdefault(place, set()).update(names)
    hits = [SecretHit(line + 1, ASSIGNED) for line in columns(_decoded(data[:_HEAD]))]
    for start, end in sorted(wanted):
        line = data[start:end]
        for name in sorted(wanted[start, end]):
            if what := _asked(name, line):
                hit = SecretHit(data.count(b"\n", 0, start) + 1, what)
                hits += [hit] if hit not in hits else []
                break
        if len(hits) > HITS:
            break
    return [*hits, SecretHit(1, TOO_MANY)] if cost > _LOOKED_AT else hits


def _line(data: bytes, at: int) -> tuple[int, int]:
    """The line around a place, or a window of an overlong one."""
    start = data.rfind(b"\n", max(0, at - _LONG_LINE), at) + 1
    end = data.find(b"\n", at, at + _LONG_LINE)
    if (start or at < _LONG_LINE) and (end >= 0 or at + _LONG_LINE >= len(data)):
        return start, end if end >= 0 else len(data)
    window = at - at % _WINDOW
    return max(start, window - _BEFORE), min(len(data), window + _WINDOW + _BEHIND)


def _asked(name: str, line: bytes) -> str:
    """What the detector called `name` says of a line; empty: nothing."""
    text = _decoded(line)
    if name == _ASSIGNED:
        return ASSIGNED if assigned(text) else ""
    plugin = _plugins().get(name)
    if plugin is None:
        return ""
    for secret in plugin.analyze_string(text):
        if not stands_in(secret):
            return f"may hold a secret ({plugin.secret_type.lower()})"
    return ""


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


@lru_cache(maxsize=1)
def _plugins() -> dict[str, Any]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: dict[str, Any] = get_mapping_from_secret_type_to_class()
    known = {plugin.__name__: plugin for plugin in classes.values()}
    return {name: known[name]() for name in (*_VENDOR, *_OTHER) if name in known}
