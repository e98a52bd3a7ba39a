"""An export without an engine that is cancelled, or killed, in each of its stages: nothing of it is left."""

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled
from tests.exports.conftest import Make, Study
from tests.images.project import Recorder
from tests.support.keeper import descendants
from tests.support.registry import Registry
from tests.support.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


def named(study: Study) -> list[str]:
    """References of images that are no base images."""
    file = study.world.home.images / "index.json"
    if not file.exists():
        return []
    found = [one["annotations"] for one in json.loads(file.read_bytes())["manifests"]]
    return [one["org.opencontainers.image.ref.name"] for one in found if one["io.nuvtui.role"] == "image"]


def left_over(study: Study) -> list[str]:
    """Unfinished files, in the store and where an archive was to be."""
    places = [study.blobs, study.world.home.tmp, study.folder / "out"]
    return [
        str(path)
        for place in places
        if place.exists()
        for path in place.iterdir()
        if place != study.blobs or len(path.name) != 64
    ]


def at(what: str) -> Callable[[Recorder], bool]:
    return lambda recorder: any(word.startswith(what) for *_, word in recorder.progresses)


@pytest.fixture
def project(study: Study, tiny_archive: str) -> Study:
    study.application(tiny_archive, ["true"])
    for number in range(3):
        study.write(f"big-{number}.bin", os.urandom(8 << 20))
    (study.folder / "out").mkdir()
    return study


@pytest.mark.parametrize(
    ("stage", "when"),
    [
        ("snapshot", at("Reading workspace files")),
        ("guard", at("files/big-1.bin")),
        ("guard", at("files/huge.bin")),
        ("build", at("layer files")),
        ("inspect", at("image.tar")),
        ("push", lambda recorder: b"pushing" in recorder.output),
    ],
    ids=["snapshot", "guard", "guard-of-much", "build", "archive", "push"],
)
def test_cancelled_in_any_stage_nothing_is_left(
    project: Study,
    registry: Registry,
    stage: str,
    when: Callable[[Recorder], bool],
    request: pytest.FixtureRequest,
) -> None:
    if "guard-of-much" in request.node.name:  # so much that processes of its own look at it
        project.write("huge.bin", os.urandom(64 << 20))
    snapshot = None if stage == "snapshot" else project.snapshot()
    before = descendants(os.getpid())
    with pytest.raises(Cancelled):
        project.export(
            reporter=Recorder(when), snapshot=snapshot, with_files=True, push=True,
            output=str(project.folder / "out" / "image.tar"),
        )  # fmt: skip
    (record,) = project.records()
    assert (record.status, record.failed_stage, record.pushed) == ("cancelled", stage, False)
    assert (record.image_id, record.archive) == ("", None)
    assert named(project) == []
    assert left_over(project) == []
    if record.image:
        repository, _, tag = record.image.removeprefix(f"{registry.host}/").rpartition(":")
        assert registry.digest(repository, tag) is None
    assert descendants(os.getpid()) == before
    # The next one is made, with what was whole by then.
    again = project.export(snapshot=snapshot, with_files=True, push=True)
    assert (again.status, again.pushed) == ("completed", True)


def test_cancelled_while_pip_works_no_child_is_left(make_study: Make, python_archive: str) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # an index that never answers
    study = make_study(pip_index=f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
    study.application(python_archive, ["python3"], packages={"pip": ["six==1.16.0"]})
    before = descendants(os.getpid())

    recorder = Recorder()
    silent.settimeout(PATIENCE)
    asked: list[socket.socket] = []

    def cancel() -> None:
        asked.append(silent.accept()[0])  # kept: pip waits for an answer
        recorder.cancel()

    ticker = threading.Thread(target=cancel)
    ticker.start()
    with pytest.raises(Cancelled):
        study.export(reporter=recorder)
    ticker.join()
    silent.close()
    assert descendants(os.getpid()) == before
    assert named(study) == []
    assert left_over(study) == []
    (record,) = study.records()
    assert (record.status, record.failed_stage) == ("cancelled", "build")


def test_killed_it_has_failed_and_leaves_nothing_that_counts(project: Study) -> None:
    project.write("huge.bin", os.urandom(48 << 20))
    nuvtui = project.cli()
    nuvtui.run("exports", "create", "demo", "--with-files", "--engine", "oci", "--detach")
    (folder,) = project.world.home.tasks.iterdir()

    def writing() -> bool:
        """A layer is being written that is larger than the base image's."""
        with contextlib.suppress(OSError):
            return any(
                len(path.name) != 64 and path.stat().st_size > 8 << 20 for path in project.blobs.iterdir()
            )
        return False

    wait_until(writing, "the layer is written", every=0.002)
    pid = json.loads((folder / "lease").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "it is gone")
    (record,) = nuvtui.json("exports", "list", "--all")
    assert (record["status"], record["image_id"]) == ("failed", "")
    assert "interrupted" in record["error"]
    assert named(project) == []
    again = nuvtui.json("exports", "create", "demo", "--with-files", "--engine", "oci")
    assert again["status"] == "completed"
    assert left_over(project) == []
