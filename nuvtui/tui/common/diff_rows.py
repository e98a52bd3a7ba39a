"""Differences as rows with an old and a new side: of texts, of tables' columns, of packages.

A row is drawn under each other (unified) or side by side; what changed within a line is emphasised.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from nuvtui.model.diff import ApplicationChange, PackageChange, TableChange
from nuvtui.model.snapshot import Column
from nuvtui.tui.common import describe

LONGEST = 2000
"""Characters of a line in which changed words are looked for."""
ALIKE = 0.4
"""How alike two lines are at least, of which one is taken for the other one changed."""
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
Kind = Literal["title", "hunk", "same", "change", "note"]


class Row(NamedTuple):
    """A row: `old` and `new` are None where a side has none; both are there where one became the other."""

    kind: Kind
    old: str | None = None
    new: str | None = None
    old_number: int | None = None
    new_number: int | None = None


def of_text(lines: Iterable[str]) -> list[Row]:
    """The rows of a unified diff."""
    rows: list[Row] = []
    removed: list[tuple[int, str]] = []
    added: list[tuple[int, str]] = []
    old = new = 0

    def end() -> None:
        rows.extend(_paired(removed, added))
        removed.clear()
        added.clear()

    body = False
    for text in lines:
        text = text.expandtabs(4)
        found = _HUNK.match(text)
        if found:
            end()
            old, new, body = int(found[1]), int(found[2]), True
            rows.append(Row("hunk", text, text))
        elif not body:
            rows.append(
                Row(
                    "title",
                    text if text.startswith("---") else None,
                    None if text.startswith("---") else text,
                )
            )
        elif text.startswith("-"):
            if added:
                end()
            removed.append((old, text[1:]))
            old += 1
        elif text.startswith("+"):
            added.append((new, text[1:]))
            new += 1
        elif text.startswith("\\"):
            end()
            rows.append(Row("note", text, text))
        else:
            end()
            rows.append(Row("same", text[1:], text[1:], old, new))
            old, new = old + 1, new + 1
    end()
    titles = [row for row in rows[:2] if row.kind == "title"]
    if len(titles) == 2:
        rows[:2] = [Row("title", titles[0].old, titles[1].new)]
    return rows


def of_table(change: TableChange) -> list[Row]:
    """Rows and columns of a table that differ."""

    def column(each: Column) -> str:
        return f"{each.name}  {each.type}"

    def rows(count: int | None) -> str | None:
        return None if count is None else describe.plural(count, "row")

    out = [Row("title", f"table {change.name}", f"table {change.name}"), Row("hunk", "rows", "rows")]
    same = change.old_rows == change.new_rows
    out.append(Row("same" if same else "change", rows(change.old_rows), rows(change.new_rows)))
    if change.rows_added is not None:
        gone = f"{change.rows_removed or 0:,} of them are not in the new one"
        came = f"{change.rows_added:,} of them are not in the old one"
        out.append(Row("note", gone, came))
    if change.columns_added or change.columns_removed or change.columns_retyped:
        out.append(Row("hunk", "columns", "columns"))
    out += [Row("change", column(before), column(after)) for before, after in change.columns_retyped]
    out += [Row("change", column(each), None) for each in change.columns_removed]
    out += [Row("change", None, column(each)) for each in change.columns_added]
    said = [f"description of column {name}" for name in change.described]
    said += ["description of the table"] if change.description_changed else []
    said += ["keys"] if change.constraints_changed else []
    return out + [Row("change", each, each) for each in said]


def of_application(change: ApplicationChange) -> list[Row]:
    """Configuration and packages of an application that differ."""
    out = of_text(change.configuration)
    if change.packages:
        out.append(Row("hunk", "packages", "packages"))
        out += [_package(package) for package in change.packages]
    return out


def _package(change: PackageChange) -> Row:
    def text(package: object) -> str | None:
        if package is None:
            return None
        name, version, source = package.name, package.version, package.source  # type: ignore[attr-defined]
        differs = change.old is not None and change.new is not None and change.old.source != change.new.source
        return f"{name} {version}{f' ({source})' if differs else ''}"

    return Row("change", text(change.old), text(change.new))


def _paired(removed: list[tuple[int, str]], added: list[tuple[int, str]]) -> Iterator[Row]:
    """Lines that went and lines that came, one beside the other where they are alike."""
    if not removed or not added or len(removed) * len(added) > 4000:
        yield from (Row("change", text, None, number, None) for number, text in removed)
        yield from (Row("change", None, text, None, number) for number, text in added)
        return
    at = 0
    for number, text in removed:
        best = next((i for i in range(at, min(len(added), at + 20)) if _alike(text, added[i][1])), None)
        if best is None:
            yield Row("change", text, None, number, None)
            continue
        for other, came in added[at:best]:
            yield Row("change", None, came, None, other)
        yield Row("change", text, added[best][1], number, added[best][0])
        at = best + 1
    for other, came in added[at:]:
        yield Row("change", None, came, None, other)


def _alike(old: str, new: str) -> bool:
    if not old.strip() or not new.strip():
        return old.strip() == new.strip()
    matcher = difflib.SequenceMatcher(None, old[:LONGEST], new[:LONGEST], autojunk=False)
    return matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE


Part = tuple[str, bool]
"""A part of a line, and whether it differs from the other side."""


def words(old: str, new: str) -> tuple[list[Part], list[Part]]:
    """Both lines in parts, those that differ told apart."""
    if len(old) > LONGEST or len(new) > LONGEST:
        return [(old, False)], [(new, False)]
    a, b = _WORD.findall(old), _WORD.findall(new)
    left: list[Part] = []
    right: list[Part] = []
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        differs = tag != "equal"
        if a1 < a2:
            left.append(("".join(a[a1:a2]), differs))
        if b1 < b2:
            right.append(("".join(b[b1:b2]), differs))
    return left, right
