"""Files of statistics packages (Stata, SPSS, SAS) as Arrow tables, with their labels as descriptions."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nuvtui.tables.cells import ForeignFile, arrow_table, column, text_of
from nuvtui.tables.dialect import unique

if TYPE_CHECKING:
    import pyarrow


def read(source: ForeignFile) -> "pyarrow.Table":
    """The table of the file; what it declares missing is NULL."""
    import pyarrow
    import pyreadstat

    readers: dict[str, Callable[..., Any]] = {
        "stata": pyreadstat.read_dta,
        "spss": pyreadstat.read_sav,
        "spss-portable": pyreadstat.read_por,
        "sas": pyreadstat.read_sas7bdat,
        "sas-transport": pyreadstat.read_xport,
    }
    options: dict[str, Any] = {"output_format": "dict"}
    if source.asked.encoding:
        options["encoding"] = source.asked.encoding
    if source.kind in ("stata", "spss", "sas"):
        options["user_missing"] = True
    found, meta = readers[source.kind](str(source.path), **options)
    notes = " ".join(note for note in (meta.notes or []) if note)
    source.description = " ".join(part for part in (meta.file_label, notes) if part) or None
    columns = []
    names = unique(list(found), source.notes)
    for name, own in zip(names, found, strict=True):
        values, missing = _without_missing(list(found[own]), meta, own)
        if missing:
            listed = ", ".join(f"{count:,} of {code}" for code, count in sorted(missing.items()))
            source.notes.append(f"column {name!r}: values that the file declares missing are NULL ({listed})")
        if text := _described(meta, own, missing):
            source.descriptions[name] = text
        storage = meta.readstat_variable_types.get(own, "")
        if storage == "float":
            columns.append(pyarrow.array(values, pyarrow.float64()).cast(pyarrow.float32()))
        else:
            columns.append(column(name, values, lambda at: f"row {at + 1}", source))
    return arrow_table(names, columns)


def _without_missing(values: list[Any], meta: Any, name: str) -> tuple[list[Any], Counter[str]]:
    """Values with NULL for those that are declared missing, and how many there were of each."""
    missing: Counter[str] = Counter()
    numeric = meta.readstat_variable_types.get(name, "") != "string"
    ranges = (meta.missing_ranges or {}).get(name, [])
    made = []
    for value in values:
        if isinstance(value, float) and value != value:
            value = None
        elif numeric and isinstance(value, str):
            missing[f".{value}"] += 1
            value = None
        elif value is not None and any(_within(value, area) for area in ranges):
            missing[text_of(value) or ""] += 1
            value = None
        made.append(value)
    return made, missing


def _within(value: Any, area: Any) -> bool:
    if not isinstance(area, dict):
        return bool(value == area)
    try:
        return bool(area["lo"] <= value <= area["hi"])
    except TypeError:
        return False


def _described(meta: Any, name: str, missing: Counter[str]) -> str:
    parts = [meta.column_names_to_labels.get(name) or ""]
    labels = (meta.variable_value_labels or {}).get(name) or {}
    if labels:
        parts.append("Values: " + "; ".join(f"{text_of(code)} = {label}" for code, label in labels.items()))
    if missing:
        parts.append(f"Declared missing: {', '.join(sorted(missing))}")
    return "\n".join(part for part in parts if part)
