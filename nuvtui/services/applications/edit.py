"""Changes to an application's file that leave all else in it as its author wrote it.

The file is made to be edited and committed, so it is not rendered anew: the place is found by the marks of the YAML
nodes, the text is spliced there, and the result is read again. Only where it says exactly what it said before and
the one thing more is it handed out.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.services.applications.application_file import flow, parse

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, SequenceNode

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line in YAML."""


def exclude(text: str, path: str, source: str = "application file") -> str:
    """`text`, an application's file, with `path` added to what is left out of exports with files.

    `path` is relative to the workspace; with a slash at its end it means the folder. Raises NuvError (exit code 2)
    where `path` cannot be written as a pattern, `text` is no application, or its form leaves no safe place.
    """
    added = pattern(path)
    before = parse(text, source)
    wanted = msgspec.structs.replace(before, exclude=[*before.exclude, added])
    for candidate in _candidates(text, flow(added), flow([added])):
        try:
            if parse(candidate, source) == wanted:
                return candidate
        except NuvError:
            continue
    raise NuvError(
        f"{source}: exclude",
        "the file is written in a form that nothing can safely be added to",
        f"Add it by hand: {flow(added)}",
        Exit.USAGE,
    )


def pattern(path: str) -> str:
    """The pattern in gitignore syntax that `path`, relative to the workspace, is matched by, and no other path.

    Raises NuvError (exit code 2) where there is none: patterns are text, and end with their line.
    """
    inner = path.strip("/")
    if not inner or not _is_text(inner) or any(char in inner for char in "\n\r\0"):
        raise NuvError(
            "This path cannot be excluded by a pattern",
            f"expected a path that is text in one line, found {path!r}",
            "Rename the file, or exclude the folder that it is in.",
            Exit.USAGE,
        )
    escaped = re.sub(r"([\\*?\[])", r"\\\1", inner)
    # The slash in front anchors it at the workspace, and takes `#` and `!` their meaning at the start of a line.
    whole = f"/{escaped}/" if path.endswith("/") else f"/{escaped}"
    kept = whole.rstrip(" ")
    return kept + "\\ " * (len(whole) - len(kept))  # spaces at the end are dropped unless escaped


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _candidates(text: str, item: str, items: str) -> Iterator[str]:
    """Texts with `item` (`items`: in brackets) put in, best first; whether they are right is not certain."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    value = next((node for key, node in root.value if key.value == "exclude"), None)
    if value is None:
        yield from _new_key(text, root, f"exclude: {items}")
    elif isinstance(value, yaml.SequenceNode):
        yield from (_flow_item if value.flow_style else _block_item)(text, value, item)
    else:
        # `exclude:`, `exclude: ~`, and in braces also `exclude` alone.
        start, end = _index(value), value.end_mark.index
        for before in ("" if end > start else " ", " ", ": "):
            yield text[:start] + before + items + text[end:]


def _new_key(text: str, root: "MappingNode", line: str) -> Iterator[str]:
    if root.flow_style:
        start = text.index("{", _index(root)) + 1
        yield f"{text[:start]}{line}, {text[start:]}"
    else:
        yield _below(text, _end(text, root), root.start_mark.column, line)


def _block_item(text: str, node: "SequenceNode", item: str) -> Iterator[str]:
    yield _below(text, _end(text, node), node.start_mark.column, f"- {item}")


def _flow_item(text: str, node: "SequenceNode", item: str) -> Iterator[str]:
    close = node.end_mark.index - 1
    if not node.value:
        start = text.index("[", _index(node)) + 1
        yield text[:start] + item + text[start:]
        yield f"{text[:start]}{item} {text[start:]}"
        return
    last = node.value[-1]
    end, rest = last.end_mark.index, text[last.end_mark.index : close]
    lead = text[_line_start(text, _index(last)) : _index(last)]
    line = _BREAK.search(rest)
    if line and not lead.strip():
        # An item a line: the new one gets its own, below the comment of the last.
        comma = "," in re.sub("#.*", "", rest)
        here = rest[: line.start()]
        yield (
            text[:end]
            + ("" if comma else ",")
            + here
            + f"{line[0]}{lead}{item}"
            + ("," if comma else "")
            + text[end + line.start() :]
        )
    yield f"{text[:end]}, {item}{text[end:]}"


def _below(text: str, index: int, column: int, line: str) -> str:
    """`text` with `line` below the line that `index` is in."""
    found = _BREAK.search(text, index)
    if found is None:
        other = _BREAK.search(text)
        return f"{text}{other[0] if other else chr(10)}{' ' * column}{line}"
    return f"{text[: found.end()]}{' ' * column}{line}{found[0]}{text[found.end() :]}"


def _end(text: str, node: "Node") -> int:
    """Where the last word of `node` ends: the end marks of block nodes lie below the comments that follow."""
    import yaml

    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return max(_end(text, part) for part in last) if isinstance(last, tuple) else _end(text, last)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return _index(node) + len(text[_index(node) : node.end_mark.index].rstrip())
    return int(node.end_mark.index)


def _index(node: "Node") -> int:
    return int(node.start_mark.index)


def _line_start(text: str, index: int) -> int:
    ends = [found.end() for found in _BREAK.finditer(text, 0, index)]
    return ends[-1] if ends else 0
