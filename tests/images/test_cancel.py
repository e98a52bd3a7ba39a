"""Cancel while the context goes up and while a step runs: nothing tagged, no container, no image left."""

import os
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled
from nuvtui.images.docker_engine import DockerEngine
from tests.images.project import IMAGE, Project, Recorder, application, built
from tests.support.engine import Engine


def test_cancel_during_the_upload(engine: Engine, tiny_base: str, tmp_path: Path) -> None:
    engine.remove_images()
    images = engine.image_ids()
    project = Project(tmp_path)
    project.write("big.bin", os.urandom(30_000_000))
    recipe = project.recipe(application(tiny_base, command=["true"]))
    reporter = Recorder(lambda r: bool(r.progresses) and r.progresses[-1][0] > 5_000_000)
    with pytest.raises(Cancelled):
        built(DockerEngine(engine.url, "host"), project, recipe, reporter)
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
    reporter = Recorder(lambda r: b"begun" in r.output)
    with pytest.raises(Cancelled):
        built(DockerEngine(engine.url, "host"), project, recipe, reporter)
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
    docker = DockerEngine(engine.url, "host")
    first = project.recipe(application(tiny_base, command=["true"]))
    earlier = built(docker, project, first)
    second = project.recipe(application(tiny_base, setup=["echo begun; exec sleep 8600"], command=["false"]))
    with pytest.raises(Cancelled):
        built(docker, project, second, Recorder(lambda r: b"begun" in r.output))
    facts = docker.inspect(IMAGE)
    assert facts is not None
    assert facts.id == earlier


def _command(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
