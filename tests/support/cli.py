"""The real `nuvtui` command line, in processes of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.environment import package_index
from tests.support.waiting import PATIENCE

NUVTUI = Path(sys.executable).with_name("nuvtui")


class Nuvtui:
    """Runs commands in one folder, with one environment on top of the test's own."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = dict(environment or {})

    def at(self, folder: Path) -> "Nuvtui":
        """The same in another folder."""
        return Nuvtui(folder, self.environment)

    def run(
        self, *arguments: str | Path, code: int = 0, data: str = "", seconds: float = 2 * PATIENCE
    ) -> "subprocess.CompletedProcess[str]":
        """`nuvtui ARGUMENTS`. Raises AssertionError with its output where it does not end with `code`."""
        done = subprocess.run(
            [str(NUVTUI), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            input=data,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=seconds,
        )
        assert done.returncode == code, (
            f"nuvtui {' '.join(map(str, arguments))}: exit code {done.returncode}, expected {code}\n"
            f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        )
        return done

    def json(self, *arguments: str | Path, code: int = 0, seconds: float = 2 * PATIENCE) -> Any:
        """The value that `nuvtui ARGUMENTS -f json` prints: one value and nothing else."""
        return json.loads(self.run(*arguments, "-f", "json", code=code, seconds=seconds).stdout)


def build_settings() -> dict[str, str]:
    """Settings by which builds in the suite's engine reach the package registry of this machine."""
    machine = package_index()
    found = {"NUVTUI_BUILD_NETWORK": "host"}
    for variable in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if machine.get(variable):
            found["NUVTUI_CA_BUNDLE"] = machine[variable]
            break
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        env={**os.environ, **machine},
    )
    index = machine.get("PIP_INDEX_URL") or asked.stdout.strip()
    if index:
        found["NUVTUI_PIP_INDEX"] = index
    return found | {name: value for name, value in machine.items() if name.lower().endswith("_proxy")}
