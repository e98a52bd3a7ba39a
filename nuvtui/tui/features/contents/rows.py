"""A row of a table in a dialog."""

from typing import TYPE_CHECKING

from nuvtui.tui.toolkit.lines import Line, line
from nuvtui.tui.toolkit.row_table import RowTable

if TYPE_CHECKING:
    pass


def show_row(table: RowTable) -> None:
    """All values of the row under the cursor, in a dialog."""
    from nuvtui.tui.toolkit.dialogs.confirm import MessageDialog

    values = table.row_values
    if not values:
        return
    width = min(30, max(len(column.name) for column in table.columns))
    lines: list[Line | str] = [
        line((f"{column.name:<{width}}  ", "muted"), "" if value is None else str(value))
        for column, value in zip(table.columns, values, strict=False)
    ]
    table.app.push_screen(MessageDialog(f"Row {(table.current or 0) + 1:,}", lines))
