"""The private names of Textual that are used: which of them this version has no more, and that they are in one module."""

import ast
import functools
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.app import App
from textual.message_pump import MessagePump
from textual.widget import Widget

import nuvtui.tui
from tests.support.fixtures import REPOSITORY

MODULE = REPOSITORY / "nuvtui" / "tui" / "toolkit" / "textual_private.py"
NOT_OF_TEXTUAL = {"_asdict", "_replace", "_fields", "_field_defaults", "_exit"}
"""Of named tuples, and of `os`."""
OURS = {"self", "cls", "super()"}
"""What a class has itself: that none of it is Textual's is shown class by class."""
USED = {
    "App._close_messages_no_wait",
    "App._display",
    "App._driver",
    "App._exit_renderables",
    "App._fatal_error",
    "App._notifications",
    "App._refresh_notifications",
    "App._unnotify",
    "Widget._border_subtitle",
    "textual._compositor.ChopsUpdate",
    "textual._compositor.CompositorUpdate",
    "textual._compositor.LayoutUpdate",
    "textual._xterm_parser.XTermParser",
    "textual._xterm_parser.XTermParser._sequence_to_key_events",
    "textual.drivers.linux_driver.XTermParser",
}


@pytest.mark.parametrize("name", sorted(USED))
def test_this_version_of_textual_has(name: str) -> None:
    owners = {"App": App(), "Widget": Widget()}
    first, _, rest = name.partition(".")
    if first in owners:
        found: object = getattr(owners[first], rest, None)
        there = hasattr(owners[first], rest)
    else:
        module = re.match(r"[a-z_.]+(?=\.)", name)
        assert module
        found = importlib.import_module(module[0])
        for part in name[module.end() + 1 :].split("."):
            found = getattr(found, part, None)
        there = found is not None
    assert there, (
        f"Textual {importlib.metadata.version('textual')} has no {name}: textual_private.py needs another"
    )


def private(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each private name that a module has of something else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and re.search(r"^textual\b.*\._", node.module or ""):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and re.match(r"textual\b", node.module or ""):
            yield from ((node.lineno, each.name) for each in node.names if each.name.startswith("_"))
        elif isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            known = ast.unparse(node.value) in OURS or node.attr in NOT_OF_TEXTUAL
            yield from [] if known else [(node.lineno, node.attr)]


def is_of_self(node: ast.AST) -> bool:
    """True for `self._name`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


@functools.cache
def names_of(owner: type) -> set[str]:
    """The private names that a class has, or asks its objects for, as its source has them."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(owner)))
    asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_of_self(node)}
    return {name for name in {*vars(owner), *asked} if re.match("_[a-z]", name)}


def of_textual(owner: type) -> set[str]:
    """The private names that objects of a class have from Textual."""
    bases = [base for base in owner.__mro__ if base.__module__.startswith("textual.")]
    return set().union(*map(names_of, bases))


def classes() -> list[type]:
    """The classes of the screens that are Textual's too."""
    found = []
    for module in pkgutil.walk_packages(nuvtui.tui.__path__, "nuvtui.tui."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, MessagePump) and value.__module__ == module.name:
                found.append(value)
    return found


def test_no_other_module_uses_one() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {name}"
        for path in sorted((REPOSITORY / "nuvtui" / "tui").rglob("*.py"))
        if path != MODULE
        for line, name in private(ast.parse(path.read_text("utf-8")))
    ]
    assert not found, "\n".join(found)


def test_no_name_of_ours_is_one_of_textuals_by_chance() -> None:
    """It would take the place of Textual's, and nobody would say so."""
    checked = classes()
    assert len(checked) > 50
    found = []
    for owner in checked:
        if Path(inspect.getfile(owner)) != MODULE:
            own = set().union(*(names_of(b) for b in owner.__mro__ if b.__module__.startswith("nuvtui.tui.")))
            hooks = names_of(importlib.import_module("nuvtui.tui.toolkit.textual_private").HookedApp)
            found += [f"{owner.__qualname__}.{name}" for name in own & of_textual(owner) - hooks]
    assert not found, found


def test_all_that_the_module_uses_are_looked_at() -> None:
    tree = ast.parse(MODULE.read_text("utf-8"))
    used = {name for _, name in private(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            used.add(node.attr)
        elif isinstance(node, ast.FunctionDef) and re.match("_[a-z]", node.name):
            used.add(node.name)
    assert used == {name.rpartition(".")[2] for name in USED}


def test_the_version_is_pinned_exactly_and_is_the_one_that_runs() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"textual=={importlib.metadata.version('textual')}" in project["dependencies"]
