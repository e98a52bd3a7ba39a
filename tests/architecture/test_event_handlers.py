"""Each event handler once: Textual calls that of every class, so that none may call another one's."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.fixtures import REPOSITORY
from tests.support.guards import is_handler

SCREENS = sorted((REPOSITORY / "nuvtui" / "tui").rglob("*.py"))


def calls_of_a_base(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each call of a base class's event handler: `super().on_…()`, `Base.on_…(self)`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_handler(node.func.attr):
            of = node.func.value
            called = of.func if isinstance(of, ast.Call) else of
            if isinstance(called, ast.Name) and (called.id == "super" or called.id[:1].isupper()):
                yield node.lineno, node.func.attr


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("super().on_mount()", ["on_mount"]),
        ("await super()._on_key(event)", ["_on_key"]),
        ("BaseScreen.on_resize(self, event)", ["on_resize"]),
        ("await super().on_event(event)", []),
        ("self.on_chosen()", []),
    ],
)
def test_such_a_call_is_found(call: str, found: list[str]) -> None:
    assert [name for _, name in calls_of_a_base(f"async def f(self, event): {call}")] == found


def test_no_handler_calls_that_of_a_base() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {name} of a base is called by Textual itself"
        for path in SCREENS
        for line, name in calls_of_a_base(path.read_text("utf-8"))
    ]
    assert SCREENS
    assert not found, "\n".join(found)
