"""A delimited text file as a table: recognised, read by DuckDB as text, typed with a proof.

DuckDB guesses nothing here. What it refuses is looked up in the file, so that the error names the line.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nuvtui.errors import Exit, NuvError
from nuvtui.model.table_import import Dialect, Doubt, ImportOptions, Rewritten
from nuvtui.reporter import Reporter
from nuvtui.tables import connection as access
from nuvtui.tables import dialect, forms, plaintext, proof
from nuvtui.tables.dialect import TextLayout
from nuvtui.tables.forms import Obstacle, TypeChoice
from nuvtui.tables.plaintext import Plain
from nuvtui.tables.types import literal

if TYPE_CHECKING:
    from nuvtui.tables.connection import Connection

_ROWS = 2000
"""Rows that types are chosen by."""
_CELLS = 400_000
"""At most so many cells, where there are many columns."""
_LINE = 2_000_000
"""Bytes of a line, at first."""
_LONGEST_LINE = 1 << 30
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\(\d+(, *\d+)?\))?")


@dataclass(frozen=True)
class Told:
    """What reading a text file tells."""

    dialect: Dialect | None
    doubts: list[Doubt]
    rewritten: list[Rewritten]
    notes: list[str]


@dataclass(frozen=True)
class _Attempt:
    """One way to read the file; another one follows where it turns out wrong."""

    plain: Plain
    layout: TextLayout
    longest: int = _LINE
    tidy: bool = False


class Delimited:
    """A text file with its layout, ready to be made a table of."""

    def __init__(
        self,
        path: Path,
        folder: Path,
        compression: str,
        shown: str,
        asked: ImportOptions,
        reporter: Reporter,
        likely: str = "",
    ) -> None:
        """Recognise the file at `path`. Raises NuvError.

        `folder`: for a copy where one is needed; `likely`: the delimiter that the file's ending speaks for.
        """
        self._path, self._folder, self._compression, self._asked = path, folder, compression, asked
        self._likely = likely
        self._title = f"{shown} cannot be imported"
        self._reporter = reporter
        plain = self._prepared()
        try:
            layout = self._recognised(plain)
        except plaintext.NotUtf8Error:
            plain = self._prepared(suspect=True)
            layout = self._recognised(plain)
        self._attempt = self._regular(_Attempt(plain, layout))

    def _prepared(self, suspect: bool = False) -> Plain:
        return plaintext.prepare(
            self._path,
            self._folder,
            self._compression,
            self._asked.encoding,
            self._reporter,
            self._title,
            suspect=suspect,
        )

    def _recognised(self, plain: Plain) -> TextLayout:
        size = plaintext.SAMPLE
        text, whole = plaintext.sample(plain, size)
        while not whole and text.count("\n") < 3 and size < plaintext.LARGEST_SAMPLE:
            size *= 8
            text, whole = plaintext.sample(plain, size)
        if comment := self._asked.comment:
            text = re.sub(rf"(?m)^{re.escape(comment)}[^\r\n]*", "", text)
        return dialect.recognise(text, whole, self._asked, self._title, self._likely)

    def _regular(self, attempt: _Attempt) -> _Attempt:
        """The attempt with a file that DuckDB can read: without comment lines, with a beginning it can skip."""
        plain, layout = attempt.plain, attempt.layout
        comment = self._asked.comment or ""
        if not (comment or attempt.tidy or not layout.regular):
            return attempt
        drop = layout.begin if comment or not layout.regular else 0
        plain = plaintext.tidied(
            plain, self._folder, self._reporter, comment, layout.quote, drop, single=layout.single
        )
        return replace(attempt, plain=plain, layout=replace(layout, begin=layout.begin - drop, regular=True))

    def load(
        self,
        connection: "Connection",
        table: str,
        prepare: Callable[[], None],
        tell: Callable[[float], None],
    ) -> Told:
        """Make `table` in one transaction; `prepare` runs first in it. Raises NuvError, and nothing has changed."""
        import duckdb

        while True:
            try:
                choices, texts = self._choices(connection)
                columns = list(zip(self._attempt.layout.names, choices, strict=True))
                try:
                    with access.transaction(connection):
                        prepare()
                        proven = proof.prove_at_once(
                            connection, table, self._source(), columns, self._reporter, tell
                        )
                except proof.DoubtError:
                    with access.transaction(connection):
                        prepare()
                        proven = proof.prove(
                            connection,
                            table,
                            self._source(),
                            columns,
                            self._asked.null,
                            self._choose,
                            self._reporter,
                            tell,
                        )
                        self._refuse(proven)
                return self._told(proven, texts)
            except duckdb.Error as error:
                self._attempt = self._regular(self._next(error))

    def _source(self) -> str:
        """SQL: the rows with every column as text."""
        layout = self._attempt.layout
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.names)
        nulls = ", ".join(map(literal, ["", *self._asked.null]))
        return (
            f"read_csv({literal(str(self._attempt.plain.path))}, auto_detect = false, header = false, "
            f"compression = 'none', skip = {layout.begin}, delim = {literal(layout.delimiter)}, "
            f"quote = {literal(layout.quote)}, escape = {literal(layout.escape)}, nullstr = [{nulls}], "
            f"allow_quoted_nulls = false, max_line_size = {self._attempt.longest}, columns = {{{columns}}})"
        )

    def _choose(self, texts: list[str]) -> TypeChoice:
        words = set(self._asked.null)
        return forms.choose(
            [text for text in texts if text not in words], self._attempt.layout.decimal, self._asked.dates
        )

    def _choices(self, connection: "Connection") -> tuple[list[TypeChoice], list[list[str | None]]]:
        """A type for each column, and its texts in the first rows."""
        names = self._attempt.layout.names
        asked = self._asked_types(connection)
        rows = connection.execute(
            f"SELECT * FROM {self._source()} LIMIT {max(20, min(_ROWS, _CELLS // len(names)))}"
        ).fetchall()
        texts = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
        return [
            asked.get(name) or self._choose([text for text in column if text])
            for name, column in zip(names, texts, strict=True)
        ], texts

    def _asked_types(self, connection: "Connection") -> dict[str, TypeChoice]:
        import duckdb

        found = {}
        names = self._attempt.layout.names
        for asked, kind in self._asked.types.items():
            name = next((n for n in names if n == asked), None) or next(
                (n for n in names if n.lower() == asked.lower()), None
            )
            if name is None:
                raise NuvError(
                    self._title,
                    f"no column is called {asked!r}",
                    f"There are: {', '.join(names[:30])}.",
                    Exit.USAGE,
                )
            try:
                if not _TYPE.fullmatch(kind):
                    raise duckdb.ParserException
                ((kind,),) = connection.execute(f"SELECT typeof(CAST(NULL AS {kind}))").fetchall()
            except duckdb.Error as error:
                raise NuvError(
                    self._title,
                    f"no type is called {kind!r}",
                    "Types are BIGINT, DOUBLE, DECIMAL(18,2), VARCHAR, BOOLEAN, DATE, TIMESTAMP and others of DuckDB.",
                    Exit.USAGE,
                ) from error
            spelling = (
                ","
                if self._attempt.layout.decimal == "," and kind.startswith(("DOUBLE", "FLOAT", "DEC"))
                else ""
            )
            found[name] = TypeChoice(kind, spelling, asked=kind != "VARCHAR")
        return found

    def _lines(self, rows: Iterable[int]) -> dict[int, int]:
        attempt = self._attempt
        return plaintext.lines_of(
            attempt.plain, rows, attempt.layout.begin, attempt.layout.quote, attempt.layout.single
        )

    def _refuse(self, proven: list[proof.Proven]) -> None:
        for column in proven:
            if column.choice.asked and (found := column.refuted):
                line = self._lines([found.row]).get(found.row)
                raise NuvError(
                    self._title,
                    f"line {line}, column {column.name!r}: {found.text!r} is no {column.choice.type} "
                    f"({found.count:,} such values)",
                    f"Correct the file, say --null {found.text!r} where that stands for a missing value, or leave "
                    f"--types for this column out.",
                    Exit.USAGE,
                )

    # When DuckDB refuses

    def _next(self, error: Exception) -> _Attempt:
        """Another way to read the file after `error` of DuckDB. Raises NuvError where there is none."""
        attempt, text = self._attempt, str(error)
        if "aximum line size" in text and attempt.longest < _LONGEST_LINE:
            return replace(attempt, longest=min(attempt.longest * 16, _LONGEST_LINE))
        if "nvalid unicode" in text and attempt.plain.encoding == "utf-8" and not self._asked.encoding:
            plain = self._prepared(suspect=True)
            if plain.encoding != "utf-8":
                return replace(attempt, plain=plain, layout=self._recognised(plain))
        if "invalid state" in text and not attempt.tidy:
            return replace(attempt, tidy=True)
        layout = attempt.layout
        found = plaintext.misfit(
            attempt.plain, layout.begin, layout.delimiter, layout.quote, layout.escape, len(layout.names)
        )
        if found is None:
            raise access.translate(error, self._title) from error
        if not found.fields and layout.quote and self._asked.quote is None and not self._quoted():
            # The first lines have no quotes at all: later ones are inches, or the like.
            return replace(attempt, layout=replace(layout, quote="", escape=""))
        raise self._misfit(found) from error

    def _quoted(self) -> bool:
        return self._attempt.layout.quote in plaintext.sample(self._attempt.plain)[0]

    def _misfit(self, found: plaintext.Misfit) -> NuvError:
        if not found.fields:
            return NuvError(
                self._title,
                f"line {found.line}: a quote does not close, or text follows a closing one",
                'Correct the line, or say --quote "" where quotes are plain characters.',
            )
        width = len(self._attempt.layout.names)
        return NuvError(
            self._title,
            f"line {found.line} differs in its number of fields: expected {width}, found {found.fields}: {found.text!r}",
            "Correct the file so that every line has the same number of fields; or say --skip N, --comment '#', "
            "--delimiter or --quote where lines, delimiter or quotes were not recognised.",
        )

    # What is told

    def _told(self, proven: list[proof.Proven], texts: list[list[str | None]]) -> Told:
        plain, layout = self._attempt.plain, self._attempt.layout
        obstacles = [self._obstacle(column, seen) for column, seen in zip(proven, texts, strict=True)]
        differences = [column.rewritten for column in proven]
        lines = self._lines(
            [found.position for found in obstacles if found] + [found.row for found in differences if found]
        )
        doubts = [
            _doubt(column.name, found, lines.get(found.position))
            for column, found in zip(proven, obstacles, strict=True)
            if found
        ]
        rewritten = [
            Rewritten(
                column=column.name,
                count=found.count,
                line=lines.get(found.row),
                value=found.text,
                written=found.written,
            )
            for column, found in zip(proven, differences, strict=True)
            if found
        ]
        return Told(
            Dialect(
                delimiter="" if layout.single else layout.delimiter,
                quote=layout.quote,
                escape=layout.escape,
                decimal=layout.decimal,
                header=layout.header,
                skipped=layout.skipped,
                comment=self._asked.comment or "",
                row_names=layout.row_names,
                encoding=plain.encoding,
                compression=plain.compression,
            ),
            [*plain.doubts, *layout.doubts, *doubts],
            rewritten,
            [*plain.notes, *layout.notes],
        )

    def _obstacle(self, column: proof.Proven, seen: list[str | None]) -> Obstacle | None:
        """Why a column is text, where it may be meant otherwise."""
        if column.choice != forms.TEXT or column.name in self._asked.types:
            return None
        if refuted := column.refuted:
            kind = forms.kind_of(refuted.text) or "other values"
            return Obstacle(kind, refuted.row, refuted.text)
        words = set(self._asked.null)
        return forms.obstacle([None if text in words else text for text in seen])


def _doubt(column: str, found: Obstacle, line: int | None) -> Doubt:
    why, option = forms.explained(column, found)
    value = found.value[:80]
    return Doubt(
        kind=found.kind,
        column=column,
        line=line,
        value=value,
        message=f"column {column!r} stays text: {value!r} in line {line} {why}",
        option=option,
    )
