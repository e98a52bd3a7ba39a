r"""Words of a Dockerfile, quoted so that no value can become an instruction, a variable or a comment.

Rules: the Dockerfile reference of Docker 20.10. Instructions end at a line break, which nothing can quote:
values with one are refused. `ENV`, `LABEL`, `WORKDIR` and `COPY`/`ADD` expand `$` and take `\` as escape;
the JSON form of `CMD` and `ENTRYPOINT` expands nothing.
"""

import json
import re
from collections.abc import Sequence

from nuvtui.errors import Exit, NuvError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")


def quoted(value: str, key: str) -> str:
    """`value` in double quotes for `ENV`, `LABEL` and `WORKDIR`. Raises NuvError (exit code 2) naming
    `key`.
    """
    one_line(value, key)
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'


def exec_form(words: Sequence[str], key: str) -> str:
    """The JSON form of a command. Raises NuvError (exit code 2) naming `key` where a word cannot be passed
    on.
    """
    for word in words:
        if "\0" in word or re.search("[\ud800-\udfff]", word):
            raise _refuse(key, "text without NUL and undecodable bytes", word)
    return json.dumps(list(words))


def variable(name: str, key: str) -> str:
    """`name` where it can be a variable's name. Raises NuvError (exit code 2) naming `key`."""
    if not _VARIABLE.fullmatch(name):
        raise _refuse(key, "a name of letters, digits and _, not beginning with a digit", name)
    return name


def one_line(value: str, key: str) -> str:
    """`value` where it is one line without control characters. Raises NuvError (exit code 2) naming `key`."""
    if _CONTROL.search(value):
        raise _refuse(key, "one line without control characters", value)
    return value


def flattened(value: str) -> str:
    """`value` as one line: control characters and line breaks become single spaces."""
    return re.sub(r"\s+", " ", _CONTROL.sub(" ", value)).strip()


def absolute(path: str, key: str) -> str:
    """`path` where it is absolute and has no `..`. Raises NuvError (exit code 2) naming `key`."""
    one_line(path, key)
    if not path.startswith("/") or ".." in path.split("/"):
        raise _refuse(key, "an absolute path without `..`", path)
    return path


def _refuse(key: str, expected: str, found: str) -> NuvError:
    return NuvError(
        f"{key} cannot go into an image",
        f"expected {expected}, found {found[:200]!r}",
        "Change it in the application's file.",
        Exit.USAGE,
    )
