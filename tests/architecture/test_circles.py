"""No module imports itself by way of others, whether at its top, lazily or for types only."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.fixtures import REPOSITORY

Graph = dict[str, set[str]]


def imports(root: Path) -> Graph:
    """Each module of the package in folder `root` with the modules of it that its syntax tree imports."""
    files = {}
    for file in root.rglob("*.py"):
        parts = file.relative_to(root.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    graph: Graph = {}
    for module, file in files.items():
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        named = set(_named(ast.parse(file.read_bytes()), package))
        graph[module] = {each for each in named if each in files} - {module}
        # `from package import name`: the module of that name, else what the package itself holds
        graph[module] |= {
            each.rpartition(".")[0]
            for each in named
            if each not in files and each.rpartition(".")[0] in files and each.rpartition(".")[0] != module
        }
    return graph


def _named(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules that reach each other (strongly connected, more than one module)."""
    reached = {module: _reachable(graph, module) for module in graph}
    return {
        found
        for module in graph
        if len(found := frozenset(each for each in reached[module] if module in reached[each])) > 1
    }


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    queue = [start]
    while queue:
        for each in graph[queue.pop()] - found:
            found.add(each)
            queue.append(each)
    return found


def test_no_module_imports_itself_by_way_of_others() -> None:
    found = circles(imports(REPOSITORY / "nuvtui"))
    assert not found, "\n".join(" ⇄ ".join(sorted(circle)) for circle in found)


@pytest.mark.parametrize(
    "text",
    [
        "from sample.b import name",
        "from sample import b",
        "import sample.b",
        "from .b import name",
        "def lazy():\n    from sample.b import name",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sample.b import name",
    ],
)
def test_every_kind_of_import_is_seen(tmp_path: Path, text: str) -> None:
    package = tmp_path / "sample"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text(text)
    (package / "b.py").write_text("from sample.c import name")
    (package / "c.py").write_text("import sample.a")
    (package / "d.py").write_text("from sample import a, b")
    assert circles(imports(package)) == {frozenset({"sample.a", "sample.b", "sample.c"})}
