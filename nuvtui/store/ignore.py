r"""`.nuvtui/ignore`: which files a snapshot leaves out, by git's own rules for `.gitignore`.

A line is a pattern; empty ones and those that begin with `#` say nothing; spaces at its end do not count unless
escaped. `!` takes back what an earlier pattern left out, the last pattern that matches decides, and what lies in a
folder that is left out cannot be taken back. `/` at the end: folders only; `/` elsewhere: the pattern is matched
against the whole path from the workspace on, otherwise against the last name of it. `*`, `?`, `[…]` never match `/`;
`**` between slashes matches any number of folders. `\` takes the next character as it is.

Names are bytes; so are patterns. Case counts.
"""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nuvtui.errors import Exit, NuvError
from nuvtui.paths import DOT

MOST = 16 << 20
"""Bytes of a rules file: what is larger is no such file."""

Test = Callable[[bytes], bool]

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_HINT = "It takes gitignore patterns, one a line. Put it right, or remove it to leave nothing out."
_WILD = re.compile(rb"[*?\[\\]")
_SLASH = ord("/")
_DOT = DOT.encode()


class Rules:
    """Predicates made from an ignore file: which files and which folders are left out."""

    def __init__(self, patterns: "list[_Pattern]") -> None:
        self.files = _test([pattern for pattern in patterns if not pattern.folder])
        """Says of the path of a file whether it is left out, its folders not looked at; None: none is."""
        self.folders = _test(patterns)
        """As `files`, of the path of a folder."""

    @property
    def empty(self) -> bool:
        """True where nothing is left out."""
        return self.folders is None

    def match(self, path: bytes, folder: bool) -> bool:
        """True where the rules leave out `path` (relative to the workspace) itself, its folders not looked at."""
        test = self.folders if folder else self.files
        return test is not None and test(path)

    def leaves_out(self, path: bytes, folder: bool) -> bool:
        """True where the rules leave out `path` (relative to the workspace) or a folder that it lies in.

        `.nuvtui` is nobody's to leave out.
        """
        if self.folders is None or path == _DOT or path.startswith(_DOT + b"/"):
            return False
        at = path.find(b"/")
        while at >= 0:
            if self.folders(path[:at]):
                return True
            at = path.find(b"/", at + 1)
        return self.match(path, folder)


def read(workspace: int) -> Rules:
    """The rules of the workspace whose folder is open as `workspace`; none where it has no ignore file.

    Raises NuvError where there is one that cannot be read: what it would leave out is not known then.
    """
    try:
        descriptor = os.open(f"{DOT}/ignore", _FLAGS, dir_fd=workspace)
    except FileNotFoundError:
        return Rules([])
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise _refused(_where(workspace), reason) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(_where(workspace), "is not a file")
        data = bytearray()
        while len(data) <= MOST and (piece := os.read(descriptor, MOST)):
            data += piece
    except OSError as error:
        raise _refused(_where(workspace), f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > MOST:
        raise _refused(_where(workspace), f"is larger than {MOST >> 20} MiB")
    return parse(bytes(data), _where(workspace))


def parse(data: bytes, where: str = f"{DOT}/ignore") -> Rules:
    """The rules in the bytes of an ignore file. Raises NuvError about `where` if they are no text (UTF-16, say)."""
    if b"\0" in data:
        raise _refused(where, "is not plain text: it holds NUL bytes, as UTF-16 does. Save it as UTF-8")
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = [_pattern(_trimmed(line.removesuffix(b"\r"))) for line in lines if not line.startswith(b"#")]
    return Rules([pattern for pattern in found if pattern is not None])


def _where(workspace: int) -> str:
    with contextlib.suppress(OSError):
        return f"{os.readlink(f'/proc/self/fd/{workspace}')}/{DOT}/ignore"
    return f"{DOT}/ignore"


def _refused(where: str, reason: str) -> NuvError:
    return NuvError(f"Ignore file {where}", reason, _HINT, Exit.REFUSED)


def _trimmed(line: bytes) -> bytes:
    """Without the spaces at its end; a backslash before one keeps it."""
    left = line.rstrip(b" ")
    escapes = len(left) - len(left.rstrip(b"\\"))
    return line[: len(left) + 1] if escapes % 2 and len(left) < len(line) else left


# -- one pattern


@dataclass(frozen=True)
class _Pattern:
    """A line: exactly one of `literal`, `ending`, `regex` is not empty."""

    negative: bool
    folder: bool
    """Matches folders only."""
    whole: bool
    """Matched against the whole path, else against its last name."""
    literal: bytes = b""
    ending: bytes = b""
    """The last name ends so."""
    regex: bytes = b""


def _pattern(line: bytes) -> _Pattern | None:
    """The pattern that a line is; None where it can match nothing."""
    negative = line.startswith(b"!")
    body = line[negative:]
    folder = body.endswith(b"/")
    body = body[: len(body) - folder]
    whole = b"/" in body
    wild = _WILD.search(body)
    if whole and body.startswith(b"/"):
        body = body[1:]
        wild = _WILD.search(body)
    if not body:
        return None
    if wild is None:
        return _Pattern(negative, folder, whole, literal=body)
    if not whole and body.startswith(b"*") and len(body) > 1 and _WILD.search(body, 1) is None:
        return _Pattern(negative, folder, whole, ending=body[1:])
    # git compares what comes before the first wildcard, then begins anew: `**` may stand there at a beginning.
    regex = _translate(body[wild.start() :])
    if regex is None:
        return None
    return _Pattern(negative, folder, whole, regex=re.escape(body[: wild.start()]) + regex)


def _translate(body: bytes) -> bytes | None:
    """A pattern as a regular expression; None where it can match nothing.

    Each `*` but the last one of a name, and each `**/` but the last one, is content with the first place where what
    follows it fits (an atomic group): hence no pattern takes more than time in proportion to the path, squared.
    """
    sections: list[tuple[bytes, bytes]] = []
    """What comes between one `**/` and the next, and that `**/` before it."""
    deep = b""
    section = b""
    """Of the present section, what is finished."""
    part = b""
    """What follows the last `*` of the present name."""
    starred = False
    at = 0
    while at < len(body):
        byte = body[at]
        if byte == ord("*"):
            end = at
            while end < len(body) and body[end] == byte:
                end += 1
            free = at == 0 or body[at - 1] == _SLASH
            after = body[end : end + 2]
            if end - at > 1 and free and (not after or after[0] == _SLASH or after == b"\\/"):
                section += part
                if not after:
                    return _joined([*sections, (deep, section), (b"", b".*")])
                sections.append((deep, section))
                deep, section, part, starred = (b"*" if after[0] == _SLASH else b"+"), b"", b"", False
                at = end + (1 if after[0] == _SLASH else 2)
                continue
            section += b"(?>[^/]*?" + part + b")" if starred else part
            part, starred = b"", True
            at = end
            continue
        if byte == _SLASH:
            section += (b"[^/]*" if starred else b"") + part + b"/"
            part, starred = b"", False
            at += 1
        elif byte == ord("?"):
            part += b"[^/]"
            at += 1
        elif byte == ord("["):
            found = _class(body, at)
            if found is None:
                return None
            members, at = found
            part += members
        else:
            if byte == ord("\\"):
                at += 1
                if at == len(body):
                    return None
            if body[at] == _SLASH:
                section += (b"[^/]*" if starred else b"") + part + b"/"
                part, starred = b"", False
            else:
                part += re.escape(body[at : at + 1])
            at += 1
    section += (b"[^/]*" if starred else b"") + part
    return _joined([*sections, (deep, section)])


def _joined(sections: list[tuple[bytes, bytes]]) -> bytes:
    out = []
    for number, (deep, section) in enumerate(sections):
        if not deep:
            out.append(section)
        elif number < len(sections) - 1:
            out.append(b"(?>(?:[^/]*/)" + deep + b"?" + section + b")")
        else:
            out.append(b"(?:[^/]*/)" + deep + section)
    return b"".join(out)


# -- all patterns as one question


def _test(patterns: "Sequence[_Pattern]") -> Test | None:
    """Whether the last of `patterns` that matches a path leaves it out; None: nothing can be left out."""
    runs: list[tuple[bool, Test]] = []
    at = len(patterns)
    while at:  # neighbours that say the same are one question: their order does not count
        end, negative = at, patterns[at - 1].negative
        while at and patterns[at - 1].negative == negative:
            at -= 1
        if at or not negative:  # before the first that leaves something out there is nothing to take back
            runs.append((not negative, _any(patterns[at:end])))
    if not runs:
        return None
    if len(runs) == 1:
        return runs[0][1]

    def test(path: bytes) -> bool:
        for says, matches in runs:
            if matches(path):
                return says
        return False

    return test


def _any(patterns: "Sequence[_Pattern]") -> Test:
    """Whether one of the patterns matches a path. Most are plain names: a set is many times faster than a regex."""
    names = frozenset(pattern.literal for pattern in patterns if pattern.literal and not pattern.whole)
    paths = frozenset(pattern.literal for pattern in patterns if pattern.literal and pattern.whole)
    endings = tuple(pattern.ending for pattern in patterns if pattern.ending)
    of_name = _either([pattern.regex for pattern in patterns if pattern.regex and not pattern.whole])
    of_path = _either([pattern.regex for pattern in patterns if pattern.regex and pattern.whole])
    if not (paths or endings or of_name or of_path):
        return lambda path: path[path.rfind(b"/") + 1 :] in names

    def test(path: bytes) -> bool:
        name = path[path.rfind(b"/") + 1 :]
        return (
            name in names
            or path in paths
            or path.endswith(endings)
            or (of_name is not None and of_name(name) is not None)
            or (of_path is not None and of_path(path) is not None)
        )

    return test


def _either(expressions: list[bytes]) -> Callable[[bytes], re.Match[bytes] | None] | None:
    if not expressions:
        return None
    return re.compile(b"|".join(b"(?:%b)" % one for one in expressions), re.DOTALL).fullmatch


_CLASSES: dict[bytes, frozenset[int]] = {
    b"alnum": frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    b"alpha": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset([*range(32), 127]),
    b"digit": frozenset(b"0123456789"),
    b"graph": frozenset(range(33, 127)),
    b"lower": frozenset(b"abcdefghijklmnopqrstuvwxyz"),
    b"print": frozenset(range(32, 127)),
    b"punct": frozenset(b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    b"space": frozenset(b" \t\n\r"),
    b"upper": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    b"xdigit": frozenset(b"0123456789abcdefABCDEF"),
}
"""`[:name:]` in brackets, as git has them whatever the locale."""


def _class(body: bytes, at: int) -> tuple[bytes, int] | None:
    """The `[…]` at `at` as a regular expression, and where it ends; None where it is never closed."""
    at += 1
    negated = body[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    before = 0
    """The character that a range would begin with; 0: none."""
    first = True
    while first or body[at] != ord("]"):
        first = False
        if at >= len(body):
            return None
        byte = body[at]
        if byte == ord("\\"):
            at += 1
            if at >= len(body):
                return None
            byte = body[at]
            members.add(byte)
        elif byte == ord("-") and before and body[at + 1 : at + 2] not in (b"", b"]"):
            at += 1
            if body[at] == ord("\\"):
                at += 1
                if at >= len(body):
                    return None
            members.update(range(before, body[at] + 1))
            byte = 0
        elif byte == ord("[") and body[at + 1 : at + 2] == b":":
            end = body.find(b"]", at + 2)
            if end < 0:
                return None
            if end > at + 2 and body[end - 1] == ord(":"):
                named = _CLASSES.get(body[at + 2 : end - 1])
                if named is None:
                    return None
                members |= named
                at = end
                byte = 0
            else:
                members.add(byte)
        else:
            members.add(byte)
        before = byte
        at += 1
        if at >= len(body):
            return None
    if negated:
        members = set(range(1, 256)) - members
    members.discard(_SLASH)
    if not members:
        return rb"(?!)", at + 1
    return b"[" + b"".join(b"\\x%02x" % member for member in sorted(members)) + b"]", at + 1
