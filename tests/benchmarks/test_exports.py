"""What an export costs beside the docker CLI, with the same files, in turn in the same run.

`nuvtui exports create --engine oci --with-files --output FILE` beside `docker build` and `docker save`; a push to
a registry on the loopback beside `docker push`; a build log of a million lines beside `docker build`'s own reading
of it. Nothing is asserted about time: the figures are printed, and written to `.cache/bench/exports.json`.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.benchmarks.peers import build_tree, rest, timed, write_figures
from tests.support.engine import Engine
from tests.support.registry import Registry

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

NUVTUI = Path(__file__).parents[2] / ".venv" / "bin" / "nuvtui"
LINES = 1_000_000


class Project:
    """A space with a snapshot of the benchmark's tree and an application on a tiny base image."""

    def __init__(self, folder: Path, engine: Engine, base: str, registry: str = "127.0.0.1:1") -> None:
        self.folder = folder / "project"
        self.folder.mkdir(parents=True)
        self.environment = {
            **os.environ,
            **engine.environment(),
            "NUVTUI_HOME": str(folder / "home"),
            "NUVTUI_REGISTRY": registry,
            "NUVTUI_PRIVATE_REGISTRIES": registry,
            "NUVTUI_BUILD_NETWORK": "host",
        }
        self.base = base

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [NUVTUI, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"nuvtui {arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def application(self, **more: object) -> None:
        value = {"name": "Bench", "kind": "script", "image": self.base, "command": ["/bin/sh", "-c", "true"]}
        (self.folder / ".nuvtui/apps/bench.yaml").write_text(json.dumps(value | more))

    def memory(self, *arguments: str) -> float:
        """MB that the worker of a command has in memory at most (its own high-water mark), while it runs."""
        tasks = Path(self.environment["NUVTUI_HOME"]) / "tasks"
        before = set(tasks.glob("*"))
        started = subprocess.Popen(
            [NUVTUI, *arguments], cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL
        )
        most = 0.0
        while started.poll() is None:
            for task in set(tasks.glob("*")) - before:
                with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
                    pid = json.loads((task / "lease").read_bytes())["pid"]
                    status = Path(f"/proc/{pid}/status").read_text()
                    most = max(most, int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6)
            time.sleep(0.02)
        assert started.returncode == 0
        return most


def test_export_with_files_beside_docker(
    engine: Engine, tiny_base: str, registry: Registry, tmp_path: Path, package_index: dict[str, str]
) -> None:
    source = build_tree()
    tree = tmp_path / "context"
    tree.mkdir()
    subprocess.run(["cp", "-a", source, tree / "files"], check=True)
    (tree / "Dockerfile").write_text(f'FROM {tiny_base}\nCOPY files /files\nWORKDIR /files\nCMD ["true"]\n')
    project = Project(tmp_path, engine, tiny_base, f"{registry.host}/bench")
    shutil.copytree(source, project.folder, symlinks=True, dirs_exist_ok=True)
    project.run("init", ".", "--space", "bench")
    project.application()
    project.run("snapshots", "create", "-n", "bench-base")
    # The packages bring sample keys along.
    folders = [path.name for path in sorted(source.iterdir())]
    accepted = [word for name in folders for word in ("--accept", f"{name}/=as published")]
    create = ("exports", "create", "bench", "-p", "bench-base", "--with-files", *accepted, "--engine")
    figures: dict[str, float] = {}
    rest()
    figures["docker build, s"] = timed(
        lambda: engine.run("build", "--no-cache", "-t", f"{registry.host}/bench/docker:1", str(tree))
    )
    rest()
    figures["docker save, s"] = timed(
        lambda: engine.run("save", "-o", str(tmp_path / "docker.tar"), f"{registry.host}/bench/docker:1")
    )
    rest()
    figures["docker push, s"] = timed(lambda: engine.run("push", f"{registry.host}/bench/docker:1"))
    (tmp_path / "docker.tar").unlink()
    rest()
    archive = tmp_path / "nuvtui.tar"
    figures["nuvtui memory, MB"] = 0.0
    figures["nuvtui archive, s"] = timed(
        lambda: figures.update(
            {"nuvtui memory, MB": project.memory(*create, "oci", "--output", str(archive))}
        )
    )
    figures["archive, MB"] = archive.stat().st_size / 1e6
    rest()
    figures["nuvtui again, s"] = timed(lambda: project.run(*create, "oci"))
    rest()
    found = json.loads(project.run("exports", "list", "-f", "json"))
    figures["nuvtui push, s"] = timed(lambda: project.run("exports", "push", found[0]["id"]))
    rest()
    figures["nuvtui by docker, s"] = timed(lambda: project.run(*create, "docker"))
    built_and_saved = figures["docker build, s"] + figures["docker save, s"]
    figures["archive / (build + save)"] = figures["nuvtui archive, s"] / built_and_saved
    figures["push / docker push"] = figures["nuvtui push, s"] / figures["docker push, s"]
    write_figures("exports", figures)
    print()
    for name, value in figures.items():
        print(f"{name:<28}{value:>12,.2f}")


def test_a_million_lines_of_log(engine: Engine, tiny_base: str, tmp_path: Path) -> None:
    command = f"seq 1 {LINES}"
    project = Project(tmp_path, engine, tiny_base)
    project.run("init", ".", "--space", "bench")
    project.application(setup=[command])
    project.run("snapshots", "create", "-n", "lines-base")
    dockerfile = f"FROM {tiny_base}\nRUN {command}\n".encode()
    figures: dict[str, float] = {}
    rest()
    figures["docker build, s"] = timed(
        lambda: engine.run("build", "--no-cache", "--network", "host", "-", data=dockerfile)
    )
    rest()
    figures["nuvtui export, s"] = timed(
        lambda: project.run("exports", "create", "bench", "-p", "lines-base", "--engine", "docker")
    )
    found = json.loads(project.run("exports", "list", "-f", "json"))[0]
    log = (Path(project.environment["NUVTUI_HOME"]) / "tasks" / found["task"] / "build.log").read_bytes()
    wanted = b"".join(b"%d\n" % number for number in range(1, LINES + 1))
    assert wanted in log
    figures["log, MB"] = len(log) / 1e6
    # What both do besides reading the lines, with a step that prints none.
    project.application(setup=["true"])
    project.run("snapshots", "create", "-n", "quiet-base")
    rest()
    quiet = f"FROM {tiny_base}\nRUN true\n".encode()
    figures["docker, no lines, s"] = timed(
        lambda: engine.run("build", "--no-cache", "--network", "host", "-", data=quiet)
    )
    rest()
    figures["nuvtui, no lines, s"] = timed(
        lambda: project.run("exports", "create", "bench", "-p", "quiet-base", "--engine", "docker")
    )
    figures["lines alone / docker"] = (figures["nuvtui export, s"] - figures["nuvtui, no lines, s"]) / (
        figures["docker build, s"] - figures["docker, no lines, s"]
    )
    figures["export / docker build"] = figures["nuvtui export, s"] / figures["docker build, s"]
    write_figures("log", {**figures, "sha256": hashlib.sha256(log).hexdigest()})
    print()
    for name, value in figures.items():
        print(f"{name:<28}{value:>12,.2f}")
