"""Printing values: aligned tables for people, one JSON or YAML value for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from nuvtui import sanitise


def emit(
    value: Any,
    form: str,
    rows: Sequence[Sequence[str]] | None = None,
    headings: Sequence[str] = (),
    names: Sequence[str] = (),
) -> None:
    """Print `value` as one JSON or YAML value, or (`tabulated`) `rows` under `headings` (or `names`, see `table`)."""
    if form == "json":
        try:
            text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8")
        except (
            UnicodeEncodeError
        ):  # a path of undecodable bytes: Python's lone surrogates, as JSON writes them
            text = json.dumps(_plain(value), indent=2)
        if not _unicode():
            text = json.dumps(json.loads(text), indent=2)
        sys.stdout.write(text + "\n")
    elif form == "yaml":
        import yaml

        yaml.safe_dump(_plain(value), sys.stdout, sort_keys=False, allow_unicode=_unicode())
    elif rows is not None:
        table(rows, headings, names)


def table(rows: Sequence[Sequence[str]], headings: Sequence[str] = (), names: Sequence[str] = ()) -> None:
    """Print aligned columns; numbers (as their heading ends in `#` says) to the right. Cells are sanitised.

    Headings are nuvtui's own, and shown in capitals; `names` are the user's, and shown as they are.
    """
    right = [heading.endswith("#") for heading in headings]
    clean = [[sanitise.line(str(cell)) for cell in row] for row in rows]
    if headings:
        clean.insert(0, [sanitise.line(heading.removesuffix("#").upper()) for heading in headings])
    if names:
        clean.insert(0, [sanitise.line(name) for name in names])
    if not clean:
        return
    from rich.cells import cell_len

    widths = [max(cell_len(row[i]) for row in clean) for i in range(len(clean[0]))]
    for row in clean:
        cells = []
        for i, cell in enumerate(row):
            pad = " " * (widths[i] - cell_len(cell))
            cells.append(pad + cell if i < len(right) and right[i] else cell + pad)
        print("  ".join(cells).rstrip())


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values; long values keep their line breaks."""
    width = max((len(name) for name, _value in rows), default=0)
    for name, value in rows:
        lines = sanitise.block(value).splitlines() or [""]
        print(f"{name:<{width}}  {lines[0]}".rstrip())
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}".rstrip())


def size(count: int | None) -> str:
    """Bytes for people: `1.2 MB` (powers of 1000)."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            return f"{value:.1f} {unit}" if value < 99.5 else f"{value:.0f} {unit}"
    raise AssertionError


def counted(number: int, what: str) -> str:
    """`1 snapshot`, `2 snapshots`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(text: str | None) -> str:
    """A time for people, in the local zone."""
    if not text:
        return ""
    from nuvtui import clock

    return clock.parse(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def say(text: str) -> None:
    """Print a sentence on standard error."""
    print(sanitise.block(text), file=sys.stderr)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
