"""History of one file, folder or table: stub until it is made below."""

from typing import Any


def open_history(node: Any, ref: Any, *, path: str | None = None, table: str | None = None) -> None:
    """Open it."""
