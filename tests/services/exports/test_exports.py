"""Exports through the service, on the suite's own engine and registry."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.registry.tags import head_digest
from nuvtui.model.cause import Cause
from nuvtui.model.export import Accepted, ExportRecord, ExportSpec
from nuvtui.model.names import path_to_text
from tests.images.project import Recorder
from tests.services.helpers import Listener, World, keep_export, refused
from tests.support.engine import Engine
from tests.support.registry import Registry

SECRET = "sk-not-for-anybody-0815-0815-0815"


def application(image: str, **more: Any) -> str:
    fields: dict[str, Any] = {
        "name": "Demo",
        "kind": "script",
        "image": image,
        "variables": {"UNIT": "mm"},
        "command": ["/bin/sh", "-c", "echo unit $UNIT; ls /files 2>/dev/null | wc -l"],
        "workdir": "/files",
    }
    return json.dumps(fields | more)  # JSON is YAML


class Exporting:
    """A space whose Master can be exported."""

    def __init__(self, folder: Path, image: str, settings: Settings) -> None:
        self.world = World(folder, settings)
        self.image = image
        self.write_application()
        self.world.write("README.md", "# A study\n")
        self.world.write("data/a.csv", "x\n1\n")

    def write_application(self, **more: Any) -> None:
        self.world.application("demo").write_text(application(self.image, **more))

    def spec(self, **more: Any) -> ExportSpec:
        return ExportSpec(
            **{"application": "demo", "instance": self.world.master.id, "snapshot": None, **more}
        )

    def create(self, reporter: Any = None, **more: Any) -> ExportRecord:
        return self.world.services.exports.create(self.spec(**more), reporter)

    def records(self) -> list[ExportRecord]:
        return self.world.fresh().exports.list(self.world.space.id)


@pytest.fixture
def exporting(
    engine: Engine, tiny_base: str, registry: Registry, tmp_path: Path, monkeypatch: Any
) -> Exporting:
    engine.remove_images()
    for name, value in engine.environment().items():
        monkeypatch.setenv(name, value)
    settings = Settings(
        home=str(tmp_path / "home"),
        registry=f"{registry.host}/ada",
        private_registries=[registry.host],
        build_network="host",
    )
    return Exporting(tmp_path, tiny_base, settings)


def test_application_only_has_no_workspace_file(exporting: Exporting, engine: Engine) -> None:
    listener = Listener()
    record = exporting.create(listener)
    assert (record.status, record.engine, record.with_files) == ("completed", "docker", False)
    assert engine.inspect(record.image)["Id"] == record.image_id
    files = engine.files(record.image)
    assert not [name for name in files if name.startswith("files/")]
    assert engine.text("run", "--rm", "--network=none", record.image).split() == ["unit", "mm", "0"]
    # Of the Current State a snapshot was taken first.
    snapshot = exporting.world.services.snapshots.find(exporting.world.master.id, record.snapshot or "")
    assert (snapshot.kind, snapshot.cause) == ("automatic", Cause("export", record.id, record.application))
    order = ["preflight", "snapshot", "plan", "guard", "build", "inspect", "report"]
    assert [s for s in listener.steps if s in order] == order
    assert record.image.rpartition("/")[2].startswith(f"study-{snapshot.id[:8]}-demo:")
    assert record.run_command.endswith(record.image)


def test_with_files_what_must_not_leave_is_left_out_and_listed(exporting: Exporting, engine: Engine) -> None:
    world = exporting.world
    for name in (".env", ".netrc", "keys/id_rsa", "config/.pypirc", "licenses/stata.lic", "raw/big.bin"):
        world.write(name, "not for anybody")
    exporting.write_application(
        exclude=["raw/"],
        secrets=["HF_TOKEN"],
        variables={"UNIT": "mm", "MLM_LICENSE_FILE": "27000@licences"},
        license={"required": False, "variables": ["MLM_LICENSE_FILE"], "files": ["licenses/stata.lic"]},
    )
    world.table("visits", "select 1 as id")
    record = exporting.create(with_files=True, snapshot=world.snapshot("handed-over").id)
    inside = {name.removeprefix("files/") for name in engine.files(record.image) if name.startswith("files/")}
    assert {"README.md", "data/a.csv"} <= inside
    left_out = {e.what.rstrip("/"): e.reason for e in record.excluded}
    for name in (".env", ".netrc", "keys/id_rsa", "config/.pypirc", "licenses/stata.lic"):
        assert name not in inside
        assert any(name == what or name.startswith(what + "/") for what in left_out), name
    assert not [name for name in inside if name.startswith(("raw", ".nuvtui/tables"))]
    told = json.dumps([left_out, record.warnings])
    for word in ("HF_TOKEN", "MLM_LICENSE_FILE", "visits"):
        assert word in told
    variables = json.dumps(engine.inspect(record.image)["Config"])
    assert "27000@licences" not in variables
    report = world.services.exports.report(record.id)
    assert "licenses/stata.lic" in report
    kept = json.loads((world.home.export(record.id) / "report.json").read_text())
    assert kept["image_id"] == record.image_id
    assert "-e HF_TOKEN" in record.run_command
    assert "27000@licences" not in report + json.dumps(kept) + world.home.state.read_text()


def test_a_licensed_application_is_not_eligible_unless_it_goes_without(
    exporting: Exporting, engine: Engine
) -> None:
    exporting.write_application(license={"required": True, "variables": ["MLM_LICENSE_FILE"], "files": []})
    before = engine.images()
    with refused(6, "--without-license"):
        exporting.create()
    assert engine.images() == before
    assert [(r.status, r.failed_stage) for r in exporting.records()] == [("failed", "preflight")]
    # Refused before a snapshot was taken for it.
    assert exporting.world.services.snapshots.list(exporting.world.master.id) == []
    record = exporting.create(without_license=True)
    ran = engine.run("run", "--rm", "--network=none", record.image)
    assert b"MLM_LICENSE_FILE" in ran.stderr
    assert b"unit mm" in ran.stdout


def test_a_secret_in_a_file_stops_a_push(
    exporting: Exporting, engine: Engine, registry: Registry, monkeypatch: Any
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    exporting.write_application(secrets=["HF_TOKEN"])
    exporting.world.write("notes.txt", f"first\nthe token is {SECRET}\n")
    before, repositories = engine.images(), registry.repositories()
    with refused(6, "files/notes.txt:2", "--accept"):
        exporting.create(with_files=True, push=True)
    (record,) = exporting.records()
    assert (record.status, record.failed_stage) == ("failed", "guard")
    assert engine.images() == before
    # Built it may be, but what was found keeps it from leaving.
    built = exporting.create(with_files=True)
    assert [(f.level, f.subject, f.path) for f in built.findings] == [
        ("push", "files/notes.txt:2", "notes.txt")
    ]
    with refused(6, "files/notes.txt:2"):
        exporting.world.services.exports.push(built.id)
    assert registry.repositories() == repositories
    # An archive is a door like a push.
    archive = exporting.world.home.root.parent / "out.tar"
    with refused(6, "not archived", "files/notes.txt:2"):
        exporting.world.services.exports.archive(built.id, archive)
    with refused(6, "files/notes.txt:2", "--accept"):
        exporting.create(with_files=True, output=path_to_text(str(archive)))
    assert not archive.exists()
    told = exporting.world.services.exports.report(built.id) + exporting.world.home.state.read_text()
    assert SECRET not in told
    # Without files there is nothing to find.
    assert exporting.create().findings == []
    # Accepted with a reason it goes, and the reason goes along.
    accepted = exporting.create(
        with_files=True,
        push=True,
        output=path_to_text(str(archive)),
        accepted=[Accepted(built.findings[0].key, "revoked on Monday")],
    )
    assert (accepted.pushed, accepted.findings, archive.exists()) == (True, [], True)
    assert "revoked on Monday" in exporting.world.services.exports.report(accepted.id)
    # Excluded it is not in the image.
    exporting.world.services.exports.exclude(exporting.world.master.id, "demo", "notes.txt")
    clean = exporting.create(with_files=True, push=True)
    assert (clean.pushed, clean.findings) == (True, [])
    assert "files/notes.txt" not in engine.files(clean.image)


def test_a_failing_build_is_recorded_with_its_stage_and_leaves_nothing(
    exporting: Exporting, engine: Engine
) -> None:
    exporting.write_application(setup=["echo about to fail; exit 7"])
    images = engine.images()
    reporter = Recorder()
    with refused(1):
        exporting.create(reporter)
    (record,) = exporting.records()
    assert (record.status, record.failed_stage, record.image_id) == ("failed", "build", "")
    assert record.error
    assert b"about to fail" in reporter.output
    assert (engine.images(), engine.containers()) == (images, [])
    with refused(6, "has no image"):
        exporting.world.services.exports.push(record.id)


def test_cancel_leaves_nothing_tagged(exporting: Exporting, engine: Engine) -> None:
    exporting.write_application(setup=["echo begun; exec sleep 8600"])
    images = engine.images()
    with pytest.raises(Cancelled):
        exporting.create(Recorder(lambda r: b"begun" in r.output))
    (record,) = exporting.records()
    assert (record.status, record.failed_stage) == ("cancelled", "build")
    assert (engine.images(), engine.containers()) == (images, [])


def test_of_the_install_steps_nothing_stays_with_a_deleted_or_cancelled_export(
    exporting: Exporting, engine: Engine
) -> None:
    exporting.write_application(setup=["head -c 100000 /dev/urandom > /one"])
    before = engine.image_ids()
    record = exporting.create()
    assert record.steps_image in engine.image_ids()
    exporting.world.services.exports.delete(record.id)
    assert engine.image_ids() == before

    class Late(Recorder):
        """Cancels, or fails, when the image is built already."""

        def __init__(self, error: type[Exception] | None = None) -> None:
            super().__init__()
            self.error = error

        def step(self, name: str, title: str) -> None:
            if name == "inspect":
                if self.error is not None:
                    raise self.error
                self.cancel()

    with pytest.raises(Cancelled):
        exporting.create(Late())
    assert engine.image_ids() == before
    # After a failure they are the cache of the next try, and go with the record.
    with pytest.raises(RuntimeError):
        exporting.create(Late(RuntimeError))
    failed = exporting.records()[0]
    assert (failed.status, failed.image_id) == ("failed", "")
    assert failed.steps_image in engine.image_ids()
    exporting.world.services.exports.delete(failed.id)
    assert engine.image_ids() == before


def test_push_archive_load_and_delete(
    exporting: Exporting, engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    services = exporting.world.services.exports
    record = exporting.create(push=True)
    repository, _, tag = record.image.removeprefix(f"{registry.host}/").rpartition(":")
    assert record.pushed
    assert record.digest == registry.digest(repository, tag)
    archive = tmp_path / "image.tar"
    archived = services.archive(record.id, archive)
    assert archived.archive == str(archive)
    assert tarfile.is_tarfile(archive)
    with refused(5, "image.tar"):
        services.archive(record.id, archive)  # never over something
    engine.run("rmi", record.image)
    engine.run("load", "--input", str(archive))
    assert engine.inspect(record.image)["Id"] == record.image_id
    deleted, problems = services.delete(record.id)
    assert deleted.status == "deleted"
    assert record.image not in engine.images()
    assert registry.digest(repository, tag) is None
    assert len(problems) == 1
    assert str(archive) in problems[0]
    assert archive.exists()
    space = exporting.world.space.id
    assert services.list(space, all_states=False) == []
    assert [r.status for r in services.list(space)] == ["deleted"]
    with refused(6, "deleted"):
        services.push(record.id)


def test_a_public_registry_needs_a_deliberate_word(
    exporting: Exporting, engine: Engine, registry: Registry
) -> None:
    public = Settings(
        **{f: getattr(exporting.world.settings, f) for f in ("home", "registry", "build_network")}
    )
    exporting.world.settings = public
    exporting.world.services = exporting.world.fresh()
    before, repositories = engine.images(), registry.repositories()
    with refused(6, "--public-ok", "without signing in"):
        exporting.create(push=True)
    assert engine.images() == before
    record = exporting.create()  # building alone shows it to nobody
    with refused(6, "--public-ok"):
        exporting.world.services.exports.push(record.id)
    assert registry.repositories() == repositories
    pushed = exporting.world.services.exports.push(record.id, True)
    assert pushed.pushed
    assert pushed.digest.startswith("sha256:")


def test_an_output_is_written_whole_and_never_over_another_file(exporting: Exporting, tmp_path: Path) -> None:
    there = tmp_path / "there.tar"
    there.write_text("precious")
    with refused(6, "there.tar"):
        exporting.create(output=path_to_text(str(there)))
    assert there.read_text() == "precious"
    with refused(6, "no-such-folder"):
        exporting.create(output=path_to_text(str(tmp_path / "no-such-folder" / "x.tar")))
    record = exporting.create(output=path_to_text(str(tmp_path / "new.tar")))
    assert record.archive == str(tmp_path / "new.tar")
    assert tarfile.is_tarfile(tmp_path / "new.tar")


def test_the_same_name_twice_does_not_collide(exporting: Exporting, engine: Engine) -> None:
    first, second = exporting.create(name="Paper 1"), exporting.create(name="Paper 1")
    assert first.image != second.image
    assert {first.image, second.image} <= set(engine.images())
    assert exporting.world.services.exports.find(exporting.world.space.id, "Paper 1").id == second.id


def test_what_an_interrupted_export_tagged_is_taken_away(exporting: Exporting, engine: Engine) -> None:
    record = exporting.create()
    left = ExportRecord(
        **{
            **{f: getattr(record, f) for f in record.__struct_fields__},
            "id": "f" * 16,
            "status": "running",
            "image": record.image + "x",
        }
    )
    engine.run("tag", record.image, left.image)
    keep_export(exporting.world.services, left)
    (found,) = [r for r in exporting.records() if r.id == left.id]
    assert (found.status, "interrupted" in found.error) == ("failed", True)
    assert left.image not in engine.images()
    assert record.image in engine.images()


# -- without an engine


@pytest.fixture
def lonely(tmp_path: Path) -> Exporting:
    return Exporting(tmp_path, "127.0.0.1:1/library/busybox:1", Settings(home=str(tmp_path / "home")))


def test_an_engine_that_was_asked_for_and_is_not_there_ends_it_at_once(lonely: Exporting) -> None:
    with refused(6, "no-engine.sock", "DOCKER_HOST", "--engine oci"):
        lonely.create(engine="docker")
    (record,) = lonely.records()
    assert (record.status, record.failed_stage) == ("failed", "preflight")
    assert lonely.world.services.snapshots.list(lonely.world.master.id) == []


@pytest.mark.parametrize("step", ["setup", "packages.apt"])
def test_what_needs_an_engine_is_said_before_anything_starts(lonely: Exporting, step: str) -> None:
    more = {"setup": ["true"]} if step == "setup" else {"packages": {"apt": ["tree"]}}
    lonely.write_application(**more)
    with refused(6, step, "--engine docker"):
        lonely.create()
    lonely.image = "host"
    lonely.write_application(**more)
    with refused(6, step, "image: host"):
        lonely.create()
    assert lonely.world.services.snapshots.list(lonely.world.master.id) == []


def test_a_base_image_that_cannot_be_had_is_named(lonely: Exporting, monkeypatch: Any) -> None:
    monkeypatch.setattr("nuvtui.images.registry.client.FIRST_WAIT", 0.01)
    with refused(1, "127.0.0.1:1/library/busybox:1"):
        lonely.create()
    (record,) = lonely.records()
    assert (record.status, record.engine, record.failed_stage) == ("failed", "oci", "preflight")
    assert lonely.world.services.snapshots.list(lonely.world.master.id) == []


def test_this_machine_as_the_base_needs_no_engine(lonely: Exporting) -> None:
    lonely.image = "host"
    lonely.write_application(command=["python3", "-c", "print(1)"])
    record = lonely.create(with_files=True)
    assert (record.status, record.engine) == ("completed", "oci")
    again = lonely.create(with_files=True, snapshot=record.snapshot)
    assert again.image_id == record.image_id
    verified = lonely.world.services.exports.verify(record.id, again=True)
    assert verified.verification is not None
    assert {check.name: check.status for check in verified.verification.checks} == {
        "run": "not done", "packages": "passed", "libraries": "passed", "configuration": "passed",
        "rebuild": "passed",
    }  # fmt: skip
    blobs = lonely.world.home.images / "blobs" / "sha256"
    lonely.world.services.exports.delete(again.id)
    assert len(list(blobs.iterdir())) > 3
    lonely.world.services.exports.delete(record.id)
    assert list(blobs.iterdir()) == []


def test_the_dry_run_needs_no_engine_and_writes_nothing(lonely: Exporting, monkeypatch: Any) -> None:
    world = lonely.world
    world.write(".env", "TOKEN=x")
    with refused(6, "snapshot"):
        world.services.exports.plan(lonely.spec(with_files=True))
    world.snapshot("fixed")
    stamp = world.services.context.state.stamp()
    plan = world.services.exports.plan(lonely.spec(with_files=True))
    assert plan.engine == "oci"
    assert "files/README.md" in [name for name, _size in plan.members]
    assert ".env" in [excluded.what for excluded in plan.excluded]
    assert (plan.dockerfile, plan.layers) == ("", ["127.0.0.1:1/library/busybox:1", "files", "application"])
    assert any(f.subject == "engine" and "no-engine.sock" in f.text for f in plan.findings)
    # A plan for an engine that is not there tells so, and all the rest.
    wanting = world.services.exports.plan(lonely.spec(with_files=True, engine="docker"))
    assert (wanting.engine, wanting.members) == ("none", plan.members)
    assert [f.subject for f in wanting.findings if f.level == "stop"] == ["engine"]
    assert world.services.context.state.stamp() == stamp
    assert lonely.records() == []


def test_an_unknown_application_is_refused(lonely: Exporting) -> None:
    with refused(3, "nothing", "demo"):
        lonely.create(application="nothing")


def test_deleting_a_snapshot_that_a_running_export_needs_is_refused(lonely: Exporting) -> None:
    world = lonely.world
    snapshot = world.snapshot("needed")
    record = ExportRecord(
        id="e" * 16, space=world.space.id, instance=world.master.id, application="demo", snapshot=snapshot.id,
        name="demo", author="x", created=snapshot.created, status="running", engine="", image="",
        with_files=False,
    )  # fmt: skip
    keep_export(world.services, record)
    with refused(5, "in use"):
        world.services.snapshots.delete([snapshot.id])
    with refused(5, "running"), world.services.context.exclusive(f"export-{record.id}", "x"):
        world.fresh().exports.delete(record.id)
    assert os.path.exists(world.home.manifest(snapshot.id))


def test_a_failure_after_the_push_takes_the_tag_back(exporting: Exporting, engine: Engine) -> None:
    exports = exporting.world.home.exports
    exports.parent.mkdir(parents=True, exist_ok=True)
    exports.write_text("no folder: the report cannot be written")
    with pytest.raises(NuvError):
        exporting.create(push=True)
    (record,) = exporting.records()
    assert (record.status, record.failed_stage, record.pushed) == ("failed", "report", False)
    assert head_digest(record.image, None) is None
    assert engine.images() == [image for image in engine.images() if "-demo:" not in image]


def test_a_failed_export_leaves_a_file_that_is_not_its_own(exporting: Exporting, tmp_path: Path) -> None:
    output = tmp_path / "image.tar"

    class Rival(Listener):
        """Somebody writes the file while the image is built."""

        def step(self, name: str, title: str) -> None:
            if name == "build":
                output.write_text("years of work")

    with refused(5, "exists already"):
        exporting.create(Rival(), output=path_to_text(str(output)))
    assert output.read_text() == "years of work"
    (record,) = exporting.records()
    assert (record.status, record.archive) == ("failed", None)


@pytest.mark.parametrize("name", [".wh.results", "data/.wh..wh..opq", ".wh.folder/x.csv"])
def test_a_file_that_a_layer_would_take_as_a_deletion_is_refused_by_name(
    exporting: Exporting, engine: Engine, name: str
) -> None:
    exporting.world.write(name, "kept")
    snapshot = exporting.world.snapshot("with-odd-name").id
    before = engine.images()
    with refused(6, name.removesuffix("/x.csv"), "exclude"):
        exporting.create(with_files=True, snapshot=snapshot)
    plan = exporting.world.services.exports.plan(exporting.spec(with_files=True, snapshot=snapshot))
    assert [(f.level, f.subject) for f in plan.findings if f.level == "stop"] == [
        ("stop", f"files/{name.removesuffix('/x.csv')}")
    ]
    assert engine.images() == before
    assert (
        exporting.create(snapshot=snapshot).status == "completed"
    )  # of the application only: it is not in it
    exporting.write_application(exclude=[name, ".wh.folder/"])
    assert exporting.create(with_files=True).status == "completed"


def test_by_its_name_an_export_is_the_newest_that_worked(exporting: Exporting) -> None:
    exports, space = exporting.world.services.exports, exporting.world.space.id
    good = exporting.create()
    good_too = exporting.create()
    exporting.write_application(license={"required": True, "variables": ["MLM_LICENSE_FILE"], "files": []})
    with refused(6):
        exporting.create()
    bad = exporting.records()[0]
    assert bad.status == "failed"
    assert exports.find(space, "demo").id == good_too.id
    assert exports.find(space, bad.id).id == bad.id
    exports.delete(good_too.id)
    exports.delete(good.id)
    assert exports.find(space, "demo").id == bad.id  # where none worked, the newest


def test_archive_and_push_at_once_lose_nothing_of_each_other(exporting: Exporting, tmp_path: Path) -> None:
    record = exporting.create()
    exports = exporting.world.services.exports
    other = exporting.world.fresh().exports

    class Between(Listener):
        """While the archive is being written, somebody else begins to push."""

        def step(self, name: str, title: str) -> None:
            with refused(5, "locked"):
                other.push(record.id)

    archived = exports.archive(record.id, tmp_path / "image.tar", Between())
    pushed = other.push(record.id)
    assert (pushed.archive, pushed.pushed) == (archived.archive, True)
    _record, problems = exports.delete(record.id)
    assert [problem for problem in problems if "tag" in problem] == []
    assert head_digest(record.image, None) is None


def test_values_of_secrets_are_kept_out_of_the_build_log(exporting: Exporting, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    exporting.write_application(
        secrets=["HF_TOKEN"], setup=["printf '%s%s\\n' sk-not-for-anybody- 0815-0815-0815; false"]
    )
    recorder = Recorder()
    with refused(1):
        exporting.create(recorder)
    assert SECRET.encode() not in recorder.output
    assert b"***" in recorder.output


def test_an_image_that_was_replaced_meanwhile_is_not_pushed(
    exporting: Exporting, engine: Engine, tiny_base: str, registry: Registry
) -> None:
    record = exporting.create()
    repositories = registry.repositories()
    engine.run("tag", tiny_base, record.image)
    for act in (
        lambda: exporting.world.services.exports.push(record.id),
        lambda: exporting.world.services.exports.verify(record.id),
        lambda: exporting.world.services.exports.archive(record.id, exporting.world.home.root / "x.tar"),
    ):
        with refused(6, "was replaced"):
            act()
    assert registry.repositories() == repositories


def test_the_value_of_a_secret_in_the_applications_file_is_looked_for(exporting: Exporting) -> None:
    exporting.write_application(variables={"UNIT": "mm", "API_TOKEN": SECRET})
    exporting.world.write("notes.txt", f"{SECRET}\n")
    record = exporting.create(with_files=True)
    assert "files/notes.txt:1" in [finding.subject for finding in record.findings]


def test_an_old_snapshot_does_not_change_the_pin_of_the_current_state(
    exporting: Exporting, registry: Registry, engine: Engine, tiny_base: str
) -> None:
    for name in ("one", "two"):
        engine.run("tag", tiny_base, f"{registry.host}/base/{name}:1")
        engine.run("push", f"{registry.host}/base/{name}:1")
    exporting.image = f"{registry.host}/base/one:1"
    exporting.write_application()
    old = exporting.world.snapshot("old").id
    exporting.image = f"{registry.host}/base/two:1"
    exporting.write_application()
    exporting.create()
    pin = exporting.world.application("demo").with_suffix(".lock")
    before = pin.read_text()
    assert "base/two:1" in before
    exporting.create(snapshot=old)
    assert pin.read_text() == before
