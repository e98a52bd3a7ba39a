"""Cancel while a layer goes up and while a step runs: ends soon, nothing tagged, no container, no image left."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled
from nuvtui.images.engine.client import Endpoint
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.recipe import Recipe
from tests.images.project import IMAGE, Project, Recorder, application, built
from tests.support.engine import Engine


def cancelled(
    docker: DockerEngine, project: Project, recipe: Recipe, when: Callable[[Recorder], bool]
) -> None:
    """Build, and cancel as soon as `when` says so: it ends, where it would have gone on for hours."""
    said: list[bool] = []

    def now(reporter: Recorder) -> bool:
        if when(reporter):
            said.append(True)
        return bool(said)

    with pytest.raises(Cancelled):
        built(docker, project, recipe, Recorder(now))


def test_cancel_during_the_upload(engine: Engine, tiny_base: str, tmp_path: Path) -> None:
    engine.remove_images()
    images = engine.image_ids()
    project = Project(tmp_path)
    project.write("big.bin", os.urandom(30_000_000))
    recipe = project.recipe(application(tiny_base, command=["true"]))
    docker = DockerEngine(Endpoint(engine.url), "host")
    cancelled(docker, project, recipe, lambda r: bool(r.progresses) and r.progresses[-1][0] > 5_000_000)
    assert IMAGE not in engine.images()
    assert engine.image_ids() == images
    assert engine.containers() == []


def test_cancel_during_a_step(engine: Engine, tiny_base: str, tmp_path: Path) -> None:
    engine.remove_images()
    images = engine.image_ids()
    project = Project(tmp_path)
    mark = f"exec sleep 86{os.getpid()}"
    app = application(tiny_base, setup=[f"echo begun; {mark}"], command=["true"])
    recipe = project.recipe(app)
    cancelled(DockerEngine(Endpoint(engine.url), "host"), project, recipe, lambda r: b"begun" in r.output)
    assert engine.containers() == []
    assert IMAGE not in engine.images()
    assert engine.image_ids() == images
    running = [
        process
        for process in Path("/proc").glob("[0-9]*/cmdline")
        if f"sleep\x0086{os.getpid()}" in _command(process)
    ]
    assert running == []


def test_cancel_does_not_take_away_an_earlier_export(engine: Engine, tiny_base: str, tmp_path: Path) -> None:
    engine.remove_images()
    project = Project(tmp_path)
    docker = DockerEngine(Endpoint(engine.url), "host")
    first = project.recipe(application(tiny_base, command=["true"]))
    earlier = built(docker, project, first)
    second = project.recipe(application(tiny_base, setup=["echo begun; exec sleep 8600"], command=["false"]))
    cancelled(docker, project, second, lambda r: b"begun" in r.output)
    facts = docker.inspect(IMAGE)
    assert facts is not None
    assert facts.id == earlier


def _command(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
