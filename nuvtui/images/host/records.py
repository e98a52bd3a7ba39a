"""What packages say of where they were installed from: what leads out of the image, the user has to know."""

import ast
import json
import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from nuvtui.images.host.collector import Collector
from nuvtui.images.host.files import read_small
from nuvtui.images.host.notes import shown


def check_records(collector: Collector) -> None:
    """Warn of packages that were installed from a folder of this machine, or are editable installs."""
    records = sorted(set(collector.records))
    led: list[str] = []
    for path in records:
        collector.check()
        if not path.endswith("direct_url.json"):
            led += _path_file(collector, path)
    for path in records:
        if path.endswith("direct_url.json"):
            _origin(collector, path, led)


def _origin(collector: Collector, path: str, led: list[str]) -> None:
    """A package that was installed from a folder of this machine (PEP 610).

    `led`: folders outside that were named already, closer than here.
    """
    name = os.path.basename(os.path.dirname(path)).partition("-")[0]
    try:
        record = json.loads(read_small(path))
        parts = urlsplit(record["url"])
        editable = bool(record.get("dir_info", {}).get("editable"))
        if parts.scheme != "file" or "dir_info" not in record:
            return
    except (ValueError, RecursionError, TypeError, AttributeError, LookupError):
        return
    folder = unquote(parts.path)
    if editable:
        named = any(f"{one}/".startswith(f"{folder.rstrip('/')}/") for one in led)
        if not named and not collector.inside(os.path.realpath(folder)):
            _outside(collector, f"the editable package {shown(name)}", folder)
    else:
        collector.notes.warn(
            f"The package {shown(name)} was installed from the folder {shown(folder)} of this machine: what "
            "is installed is in the image, but nobody else can install it again"
        )


def _path_file(collector: Collector, path: str) -> list[str]:
    """Folders outside that a `.pth` or `.egg-link` file leads Python's module search to."""
    found: list[str] = []
    if os.path.basename(os.path.dirname(path)) not in ("site-packages", "dist-packages"):
        return found
    folder = os.path.dirname(path)
    for line in read_small(path).decode("utf-8", "surrogateescape").splitlines()[:1000]:
        line = line.strip()
        places = [line]
        if not line or line.startswith("#"):
            continue
        if line.startswith(("import ", "import\t")):
            match = re.search(r"\b(__editable__\w*)", line)
            places = list(_mapped(f"{folder}/{match.group(1)}.py")) if match else []
        for place in places:
            absolute = os.path.join(folder, place)
            if "\0" not in absolute and not collector.inside(os.path.realpath(absolute)):
                found.append(os.path.normpath(absolute))
                _outside(collector, shown(os.path.basename(path)), found[-1])
        if path.endswith(".egg-link"):
            break
    return found


def _outside(collector: Collector, who: str, folder: str) -> None:
    collector.notes.group(
        "Editable installs lead out of the environment and do not work in the image; install the package itself, "
        "or export its source with the workspace files and set PYTHONPATH to its folder under /files",
        f"{who} → {shown(folder)}",
    )


def _mapped(finder: str) -> Iterator[str]:
    """The folders that the finder module of an editable install leads to: its `MAPPING` and `NAMESPACES`."""
    try:
        module = ast.parse(read_small(finder))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return
    for statement in module.body:
        names: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            names = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            names = [statement.target]
        if not any(isinstance(name, ast.Name) and name.id in ("MAPPING", "NAMESPACES") for name in names):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/"):
                yield node.value
