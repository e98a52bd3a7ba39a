"""Importing a file as a table: which file, under which name."""

from collections.abc import Mapping, Sequence

from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.lines import line

ENDINGS = (
    *(".csv", ".tsv", ".txt", ".tab", ".dat", ".parquet", ".pq", ".json", ".jsonl", ".ndjson"),
    *(
        ".gz",
        ".zst",
        ".bz2",
        ".xz",
        ".xlsx",
        ".xlsm",
        ".xls",
        ".xlsb",
        ".ods",
        ".dta",
        ".sav",
        ".zsav",
        ".por",
    ),
    *(".sas7bdat", ".xpt", ".rds", ".feather", ".arrow", ".ipc", ".sqlite", ".sqlite3", ".db"),
)


class ImportDialog(TextDialog):
    """The callback gets `file`, `name` (may be empty) and `replace` (`yes` or something else)."""

    def __init__(self, folder: str, known: Sequence[str]) -> None:
        self._known = {name.lower() for name in known}
        super().__init__(
            "Import a table",
            [
                TextField("file", "CSV, TSV, Parquet or JSON file", placeholder="data/measurements.csv"),
                TextField("name", "Name of the table (empty: that of the file)"),
                TextField("replace", "Replace a table of that name? yes or no", "no"),
            ],
            "Import",
            text=[line(("Paths are relative to ", "muted"), folder), ""],
            advise=self._hint,
            refuse=lambda texts: None if texts["file"] else "A file is missing.",
        )

    def _hint(self, texts: Mapping[str, str]) -> str | None:
        name = (texts["name"] or texts["file"].rsplit("/", 1)[-1].split(".")[0]).lower()
        if name in self._known and texts["replace"].lower() != "yes":
            return f"There is a table {name}: say yes to replace it, or give another name."
        if "." in texts["file"] and not texts["file"].lower().endswith(ENDINGS):
            return "The ending says what the file is: .csv, .tsv, .parquet, .json"
        return None
