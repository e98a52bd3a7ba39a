"""Pull and push without an engine, against a real registry: what goes up comes down, and others can read it."""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.images.registry import push as registry_push
from nuvtui.images.registry.pull import pull, resolve
from nuvtui.images.registry.tags import delete_tag, head_digest
from nuvtui.reporter import Silent
from tests.images.project import Recorder
from tests.images.registry.handmade import AMD64, INDEX, Image, Sink, digest, image, index
from tests.support.engine import Engine, busybox_root
from tests.support.environment import neutral
from tests.support.registry import Registry

SETTINGS = Settings()


def push(made: Image, reference: str, reporter: Silent | None = None, **options: object) -> str:
    return registry_push.push(
        reference,
        made.manifest,
        made.media_type,
        made.descriptors,
        made,
        None,
        reporter or Silent(),
        SETTINGS,
        **options,  # type: ignore[arg-type]
    )


def put_manifest(registry: Registry, repository: str, tag: str, media_type: str, manifest: bytes) -> None:
    request = urllib.request.Request(
        f"http://{registry.host}/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": media_type}
    )
    request.method = "PUT"
    urllib.request.urlopen(request, timeout=30).close()


def test_what_goes_up_comes_down(registry: Registry, tmp_path: Path) -> None:
    made = image(2_000_000, 300_000, 0)
    reference = f"{registry.host}/ada/round:1"
    told = Recorder()
    assert push(made, reference, told) == made.digest == registry.digest("ada/round", "1")
    first = made.descriptors[0]
    for state in ("waiting", "pushing", "pushed"):
        assert f"{first.digest[:19]}… {state}\n" in told.text
    total = sum(one.size for one in made.descriptors)
    assert told.progresses[-1][:3] == (total, total, "bytes")

    sink, told = Sink(tmp_path / "sink"), Recorder()
    pulled = pull(reference, AMD64, None, sink, told, SETTINGS)
    assert (pulled.digest, pulled.manifest_digest) == (made.digest, made.digest)
    assert (pulled.manifest, pulled.media_type) == (made.manifest, made.media_type)
    assert pulled.config == made.blobs[made.descriptors[-1].digest]
    assert sink.blobs() == made.blobs
    layers = total - made.descriptors[-1].size
    assert told.progresses[-1][:3] == (layers, layers, "bytes")
    assert f"{first.digest[:19]}… pulled\n" in told.text
    assert resolve(reference, AMD64, None, SETTINGS) == (made.digest, made.digest)
    by_digest = f"{registry.host}/ada/round@{made.digest}"
    assert pull(by_digest, AMD64, None, sink, Silent(), SETTINGS) == pulled


def test_what_is_there_is_not_sent_again(registry: Registry, tmp_path: Path) -> None:
    made = image(400_000)
    push(made, f"{registry.host}/ada/again:1")
    made.opened.clear()
    told = Recorder()
    push(made, f"{registry.host}/ada/again:2", told)
    assert made.opened == []
    assert f"{made.descriptors[0].digest[:19]}… exists\n" in told.text

    told = Recorder()
    push(made, f"{registry.host}/ada/mounted:1", told, mount_from=[f"{registry.host}/ada/none", "ada/again"])
    assert made.opened == []
    assert f"{made.descriptors[0].digest[:19]}… mounted\n" in told.text
    assert registry.digest("ada/mounted", "1") == made.digest

    sink = Sink(tmp_path / "sink")
    pull(f"{registry.host}/ada/again:1", AMD64, None, sink, Silent(), SETTINGS)
    blob = made.descriptors[0].digest
    (stored,) = registry.folder.glob(f"data/**/{blob.removeprefix('sha256:')}/data")
    stored.unlink()  # whoever asks for it now gets none
    told = Recorder()
    pull(f"{registry.host}/ada/again:1", AMD64, None, sink, told, SETTINGS)
    assert f"{blob[:19]}… exists\n" in told.text


def test_the_right_platform_of_several(registry: Registry, tmp_path: Path) -> None:
    intel, arm = image(1000), image(1000, architecture="arm64")
    push(intel, f"{registry.host}/ada/several:intel")
    push(arm, f"{registry.host}/ada/several:arm")
    listed = index(
        (intel, {"os": "linux", "architecture": "amd64"}),
        (arm, {"os": "linux", "architecture": "arm64", "variant": "v8"}),
        (arm, {"os": "unknown", "architecture": "unknown"}),
    )
    put_manifest(registry, "ada/several", "all", INDEX, listed)
    reference = f"{registry.host}/ada/several:all"
    for platform, expected in (
        (AMD64, intel),
        (("linux", "arm64", ""), arm),
        (("linux", "arm64", "v8"), arm),
    ):
        sink = Sink(tmp_path / expected.digest[-8:])
        pulled = pull(reference, platform, None, sink, Silent(), SETTINGS)
        assert (pulled.digest, pulled.manifest_digest) == (digest(listed), expected.digest)
        assert resolve(reference, platform, None, SETTINGS) == (digest(listed), expected.digest)
    with pytest.raises(NuvError, match=r"linux/s390x, found only: linux/amd64, linux/arm64/v8$"):
        resolve(reference, ("linux", "s390x", ""), None, SETTINGS)
    single = f"{registry.host}/ada/several:arm"
    with pytest.raises(NuvError, match=r"linux/amd64, found only: linux/arm64$"):
        pull(single, AMD64, None, Sink(tmp_path / "none"), Silent(), SETTINGS)
    assert Sink(tmp_path / "none").blobs() == {}


def test_what_is_not_there_is_told(registry: Registry, tmp_path: Path) -> None:
    sink = Sink(tmp_path / "sink")
    push(image(10), f"{registry.host}/ada/there:1")
    for name in ("ada/there:2", "ada/nowhere:1", f"ada/there@sha256:{'0' * 64}"):
        with pytest.raises(
            NuvError, match="cannot be pulled: no such repository, or no such image"
        ) as failure:
            pull(f"{registry.host}/{name}", AMD64, None, sink, Silent(), SETTINGS)
        assert "docker login" in failure.value.hint
        with pytest.raises(NuvError, match="no such repository, or no such image"):
            resolve(f"{registry.host}/{name}", AMD64, None, SETTINGS)
    made = image(100)
    made.descriptors[0] = made.descriptors[0]._replace(size=99)
    with pytest.raises(NuvError, match="is not here as its manifest has it"):
        push(made, f"{registry.host}/ada/there:3")
    made.manifest = b" " * (5 << 20)
    with pytest.raises(NuvError, match=r"at most 4,194,304$"):
        push(made, f"{registry.host}/ada/there:3")
    assert registry.tags("ada/there") == ["1"]


def test_tags_are_deleted_one_by_one(registry: Registry) -> None:
    made = image(100)
    push(made, f"{registry.host}/ada/gone:1")
    push(made, f"{registry.host}/ada/gone:2")
    left = delete_tag(f"{registry.host}/ada/gone:1", None)
    assert (left.deleted, "2 share its image" in left.said) == (False, True)
    assert sorted(registry.tags("ada/gone")) == ["1", "2"]
    push(image(101), f"{registry.host}/ada/gone:2")
    assert delete_tag(f"{registry.host}/ada/gone:1", None).deleted
    assert registry.digest("ada/gone", "1") is None
    assert head_digest(f"{registry.host}/ada/gone:1", None) is None
    assert "was not in the registry" in delete_tag(f"{registry.host}/ada/gone:1", None).said


def test_nobody_there_is_told_at_once() -> None:
    with pytest.raises(NuvError, match="nobody listens there"):
        resolve("127.0.0.1:1/ada/x:1", AMD64, None, SETTINGS)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_what_was_pushed(registry: Registry, tmp_path: Path) -> None:
    made = image(50_000, Labels={"a": "b"})
    push(made, f"{registry.host}/ada/skopeo:1")
    where = f"docker://{registry.host}/ada/skopeo:1"
    environment = neutral(tmp_path)
    said = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", where], capture_output=True, check=True, env=environment
    )
    found = json.loads(said.stdout)
    assert (found["Digest"], found["Labels"]) == (made.digest, {"a": "b"})
    assert found["Layers"] == [made.descriptors[0].digest]
    copied = tmp_path / "copied"
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", where, f"dir:{copied}"],
        capture_output=True,
        check=True,
        env=environment,
    )
    assert (copied / "manifest.json").read_bytes() == made.manifest


def test_an_engine_runs_what_was_pushed(engine: Engine, registry: Registry) -> None:
    import gzip

    root = busybox_root()
    made = image(layers=[(gzip.compress(root, 1, mtime=0), digest(root))], Cmd=["/bin/echo", "it ran"])
    reference = f"{registry.host}/ada/runs:1"
    push(made, reference)
    engine.run("pull", reference)
    assert engine.text("run", "--rm", "--network", "none", reference) == "it ran"
    assert f"{registry.host}/ada/runs@{made.digest}" in str(engine.inspect(reference)["RepoDigests"])


def test_what_an_engine_pushed_is_pulled(
    engine: Engine, tiny_base: str, registry: Registry, tmp_path: Path
) -> None:
    """Docker's own manifest, not OCI's."""
    reference = f"{registry.host}/ada/from-engine:1"
    engine.run("tag", tiny_base, reference)
    engine.run("push", reference)
    system, architecture = json.loads(
        engine.text("inspect", "--format", '["{{.Os}}","{{.Architecture}}"]', reference)
    )
    sink = Sink(tmp_path / "sink")
    pulled = pull(reference, (system, architecture, ""), None, sink, Silent(), SETTINGS)
    assert pulled.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert pulled.digest == registry.digest("ada/from-engine", "1")
    parts = json.loads(pulled.manifest)
    assert set(sink.blobs()) == {one["digest"] for one in (parts["config"], *parts["layers"])}
