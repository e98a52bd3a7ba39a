"""Bad lines, full disks, hostile registries, and the wish to stop, in the middle of a pull or push."""

import errno
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.registry import client as registry_client
from nuvtui.images.registry import pull as registry_pull
from nuvtui.images.registry import push as registry_push
from nuvtui.images.registry.pull import Pulled, resolve
from nuvtui.reporter import Silent
from tests.images.project import Recorder
from tests.images.registry.handmade import AMD64, INDEX, LAYER, OCI, Image, Sink, digest, image, index
from tests.images.registry.scripted_registry import ScriptedRegistry, refusal, scripted_registry
from tests.support.flaky import flaky
from tests.support.registry import Registry
from tests.support.waiting import PATIENCE, wait_until

SETTINGS = Settings()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_client, "FIRST_WAIT", 0.02)


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        yield registry


def push(made: Image, reference: str, reporter: Silent | None = None) -> str:
    arguments = (reference, made.manifest, made.media_type, made.descriptors, made, None)
    return registry_push.push(*arguments, reporter or Silent(), SETTINGS)


def pull(reference: str, sink: Sink, reporter: Silent | None = None) -> Pulled:
    return registry_pull.pull(reference, AMD64, None, sink, reporter or Silent(), SETTINGS)


def holding(registry: ScriptedRegistry, made: Image) -> str:
    """`made` in `registry`; returns its reference."""
    registry.blobs.update(made.blobs)
    registry.put("1", made.media_type, made.manifest)
    return f"{registry.host}/x:1"


# Lines that break


def test_upload_goes_on_where_it_was_cut(scripted: ScriptedRegistry) -> None:
    made = image(6_000_000)
    told = Recorder()
    with flaky(scripted.port) as line:
        line.cut_up = [2_000_000, 2_000_000]
        assert push(made, f"{line.host}/x:1", told) == made.digest
        assert line.cuts == 2
        # What was under way when it was cut is sent again, and no more.
        assert line.up < 6_000_000 + 2 * 400_000
    assert made.blobs.items() <= scripted.blobs.items()
    assert scripted.manifests["1"] == (OCI, made.manifest)
    ranges = [one[2].get("content-range") for one in scripted.asked("PATCH")]
    assert ranges[0] is None
    assert all(re.fullmatch(r"[1-9]\d+-\d+", str(one)) for one in ranges[1:3])
    assert "goes on at byte" in told.text


def test_upload_that_the_registry_dropped_begins_anew(registry: Registry) -> None:
    """The distribution project's registry drops what was cut within a request; other blobs stay."""
    made = image(1_500_000, 3_000_000)
    told = Recorder()
    with flaky(registry.port) as line:
        line.cut_up = [3_500_000]
        assert push(made, f"{line.host}/ada/cut:1", told) == made.digest
        assert line.cuts == 1
        assert line.up < 1_500_000 + 2 * 3_000_000 + 100_000
        assert line.connections <= 5  # not one a request
    assert registry.digest("ada/cut", "1") == made.digest
    assert "begins anew" in told.text
    status, _, data = registry.request("GET", f"/v2/ada/cut/blobs/{made.descriptors[1].digest}")
    assert (status, digest(data)) == (200, made.descriptors[1].digest)


def test_lost_answers_do_no_harm(scripted: ScriptedRegistry) -> None:
    """The registry did what it was asked; what it said to that was lost."""
    made = image(100_000)
    gone: list[str] = []
    take = scripted.fault

    def lose(text: str) -> object:
        for pattern in (r"^PUT .*uploads", r"^PUT .*manifests"):
            if re.search(pattern, text) and pattern not in gone:
                gone.append(pattern)
                if "uploads" in pattern:
                    name = re.search(r"uploads/(u\d+)", text)
                    assert name
                    data = bytes(scripted.uploads.pop(name[1]))
                    scripted.blobs[digest(data)] = data
                return 503, {}, b""
        return take(text)

    scripted.fault = lose  # type: ignore[assignment, method-assign]
    assert push(made, f"{scripted.host}/x:1") == made.digest
    assert len(gone) == 2
    layer = [one for one in scripted.asked("PATCH") if int(one[2]["content-length"]) > 50_000]
    assert len(layer) == 1


def test_download_goes_on_where_it_was_cut(registry: Registry, tmp_path: Path) -> None:
    made = image(6_000_000)
    push(made, f"{registry.host}/ada/down:1")
    sink = Sink(tmp_path / "sink")
    with flaky(registry.port) as line:
        line.cut_down = [2_000_000, 2_000_000]
        assert pull(f"{line.host}/ada/down:1", sink).digest == made.digest
        assert line.cuts == 2
        assert line.down < 6_000_000 + 2 * 400_000
    assert sink.blobs() == made.blobs


def test_download_goes_on_in_the_next_run(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(4_000_000)
    reference = holding(scripted, made)
    layer = made.descriptors[0]
    sink = Sink(tmp_path / "sink")
    with flaky(scripted.port) as line:
        line.rate = 2_000_000
        told = Recorder(lambda told: any(one[0] > 0 for one in told.progresses))
        with pytest.raises(Cancelled):
            pull(f"{line.host}/x:1", sink, told)
    assert 0 < sink.partial(layer.digest).stat().st_size < layer.size
    sink.partial(layer.digest).write_bytes(made.blobs[layer.digest][:3_000_000])
    pull(reference, sink)
    assert scripted.asked(f"blobs/{layer.digest}")[-1][2]["range"] == "bytes=3000000-"
    assert sink.blobs() == made.blobs
    # One that was damaged meanwhile is fetched again as a whole.
    other = Sink(tmp_path / "other")
    other.partial(layer.digest).write_bytes(b"x" * 1_000_000)
    told = Recorder()
    pull(reference, other, told)
    assert "damaged" in told.text
    assert other.blobs() == made.blobs


def test_two_pulls_into_one_place(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(3_000_000, 1000)
    holding(scripted, made)
    sink = Sink(tmp_path / "sink")
    failures: list[BaseException] = []

    def run() -> None:
        try:
            pull(f"{scripted.host}/x:1", sink)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    assert failures == []
    assert sink.blobs() == made.blobs
    for blob in made.descriptors[:-1]:
        assert len(scripted.asked(f"GET .*{blob.digest}")) == 1


def test_line_that_is_never_good_ends_in_words(registry: Registry) -> None:
    made = image(2_000_000)
    with flaky(registry.port) as line:
        line.cut_up = [500_000] * 50
        with pytest.raises(NuvError, match=r"the connection was cut.*\(tried 5 times\)"):
            push(made, f"{line.host}/ada/never-good:1")
        assert line.cuts <= 10
    assert registry.tags("ada/never-good") == []


def test_overload_is_waited_for(
    scripted: ScriptedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = holding(scripted, image(10))
    scripted.faults += [
        ("manifests", 1, refusal(503, "UNAVAILABLE", "later", Retry_After="1")),
        ("manifests", 1, refusal(429, "TOOMANYREQUESTS", "slow down", Retry_After="600")),
    ]
    waited: list[float] = []
    monkeypatch.setattr(registry_client.Client, "_sleep", lambda _, seconds: waited.append(seconds))
    told = Recorder()
    pull(reference, Sink(tmp_path / "sink"), told)
    assert waited == [1.0, 30.0]
    assert "503" in told.text
    scripted.faults[:] = [("manifests", -1, refusal(429, "TOOMANYREQUESTS", "pull rate limit"))]
    with pytest.raises(
        NuvError, match=r"fewer requests \(429\): TOOMANYREQUESTS: pull rate.*5 times"
    ) as failure:
        pull(reference, Sink(tmp_path / "sink"))
    assert "signed in" in failure.value.hint
    scripted.seen.clear()
    with pytest.raises(NuvError, match="429"):
        resolve(reference, AMD64, None, SETTINGS)
    assert len(scripted.seen) == 1


def test_registry_that_says_nothing(scripted: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    scripted.fault = lambda _: ended.wait(120) and None  # type: ignore[assignment, method-assign]
    monkeypatch.setattr(registry_pull, "QUICK", (0.3, 0.3))
    try:
        with pytest.raises(NuvError, match=r"no answer in time$"):
            resolve(f"{scripted.host}/x:1", AMD64, None, SETTINGS)
    finally:
        ended.set()


def test_request_too_large_for_something_on_the_way(
    scripted: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_push, "PART", 1_000_000)
    scripted.longest = 1_000_000
    made = image(2_500_000)
    assert push(made, f"{scripted.host}/x:1") == made.digest
    assert made.blobs.items() <= scripted.blobs.items()


# Registries that refuse, contradict or lie


@pytest.mark.parametrize(
    ("answer", "expected", "hint"),
    [
        (
            refusal(403, "DENIED", "requested access denied"),
            "does not let you push to x: DENIED",
            "docker login",
        ),
        (refusal(507, "UNKNOWN", ""), "the registry's disk is full", "make room"),
        (
            refusal(500, "UNKNOWN", "write: no space left on device"),
            "the registry's disk is full",
            "make room",
        ),
        (
            refusal(403, "DENIED", "quota has been exceeded"),
            "the quota at the registry is used up",
            "old images",
        ),
        (refusal(413, "SIZE", ""), "too large for the registry", "limit"),
        (refusal(400, "NAME_INVALID", "bad"), "answers 400 Bad Request: NAME_INVALID: bad", ""),
    ],
)
def test_refusals_in_words(
    scripted: ScriptedRegistry, answer: tuple[int, dict[str, str], bytes], expected: str, hint: str
) -> None:
    scripted.faults.append(("^POST .*uploads", -1, answer))
    with pytest.raises(NuvError, match=f"cannot be pushed: .*{re.escape(expected)}") as failure:
        push(image(10), f"{scripted.host}/x:1")
    assert hint in failure.value.hint
    assert len(scripted.asked("POST")) == 1
    assert scripted.manifests == {}


def test_disk_that_is_full_on_a_real_registry_says_so(scripted: ScriptedRegistry) -> None:
    detail = {"DriverName": "filesystem", "Enclosed": {"Op": "write", "Path": "/data", "Err": 28}}
    body = json.dumps(
        {"errors": [{"code": "UNKNOWN", "message": "unknown error", "detail": detail}]}
    ).encode()
    scripted.faults.append(("^PATCH", -1, (500, {}, body)))
    with pytest.raises(NuvError, match="the registry's disk is full"):
        push(image(10), f"{scripted.host}/x:1")


def test_other_digest_after_the_push(scripted: ScriptedRegistry) -> None:
    made = image(10)
    scripted.faults += [
        ("^HEAD .*manifests/1", 1, (404, {}, b"")),
        ("^HEAD .*manifests/1", -1, (200, {"Docker-Content-Digest": digest(b"other")}, b"")),
    ]
    with pytest.raises(
        NuvError, match=r"was pushed, but the registry has something else.*" + digest(b"other")
    ):
        push(made, f"{scripted.host}/x:1")
    scripted.faults[:] = [("^PUT .*manifests", 1, (201, {"Docker-Content-Digest": digest(b"other")}, b""))]
    with pytest.raises(NuvError, match="the registry has something else"):
        push(made, f"{scripted.host}/x:2")


def test_what_comes_is_checked(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(100_000)
    reference = holding(scripted, made)
    layer, config = made.descriptors
    good = made.blobs[layer.digest]
    sink = Sink(tmp_path / "sink")
    for data in (b"x" * len(good), good + b"more"):
        scripted.blobs[layer.digest] = data
        with pytest.raises(NuvError, match="the registry has something else"):
            pull(reference, sink)
        assert set(sink.blobs()) <= {config.digest, f"sha256:{sink.partial(layer.digest).name}"}
        assert sink.partial(layer.digest).stat().st_size == 0
    scripted.blobs[layer.digest] = good[:-1]
    with pytest.raises(NuvError, match="cut in the middle of a layer"):
        pull(reference, sink)
    scripted.blobs[layer.digest] = good
    scripted.blobs[config.digest] = b"y" * config.size
    with pytest.raises(NuvError, match="the registry has something else"):
        pull(reference, Sink(tmp_path / "other"))

    scripted.manifests["1"] = (OCI, made.manifest)
    answer = (200, {"Content-Type": OCI, "Docker-Content-Digest": digest(b"other")}, made.manifest)
    scripted.faults.append(("manifests/1", 1, answer))
    with pytest.raises(NuvError, match="the registry has something else: expected digest"):
        pull(reference, sink)
    scripted.manifests[digest(b"pinned")] = (OCI, made.manifest)
    with pytest.raises(NuvError, match="the registry has something else"):
        pull(f"{scripted.host}/x@{digest(b'pinned')}", sink)
    scripted.put("1", OCI, b" " * (4 << 20) + made.manifest)
    with pytest.raises(NuvError, match="more than the 4,194,304 bytes"):
        pull(reference, sink)


def _manifest(made: Image, **layer: object) -> bytes:
    found = json.loads(made.manifest)
    found["layers"][0] |= layer
    return json.dumps(found).encode()


def test_images_that_cannot_be_used_are_named(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(10)
    holding(scripted, made)
    config = {**json.loads(made.manifest)["config"], "mediaType": "application/vnd.cncf.helm.config.v1+json"}
    chart = json.dumps({**json.loads(made.manifest), "config": config}).encode()
    both = json.dumps({**json.loads(made.manifest), "manifests": []}).encode()
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    old = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    for media_type, manifest, expected in (
        (old, b'{"schemaVersion": 1, "name": "x", "fsLayers": []}', "manifest schema 1"),
        (OCI, _manifest(made, mediaType=foreign), "licence keeps out of registries"),
        (OCI, _manifest(made, mediaType="application/x"), "a layer of unknown kind: application/x"),
        (OCI, _manifest(made, digest="sha256:../../../etc/passwd"), "a digest that is no SHA-256"),
        (OCI, _manifest(made, size=-1), "a size that is none"),
        (OCI, _manifest(made, size=True), "a size that is none"),
        (OCI, chart, "no image but application/vnd.cncf.helm"),
        (OCI, both, "its content is not that of"),
        (INDEX, made.manifest, "the registry calls it"),
        (OCI, b'{"schemaVersion": 2}', "its content is not that of"),
        (OCI, b"[]", "no JSON object"),
        ("text/html", b"<html>", "no JSON"),
        (INDEX, index(), "found only: none"),
    ):
        scripted.put("1", media_type, manifest)
        with pytest.raises(NuvError, match=re.escape(expected)):
            pull(f"{scripted.host}/x:1", Sink(tmp_path / "sink"))
    assert Sink(tmp_path / "sink").blobs() == {}
    assert LAYER in made.manifest.decode()


def test_sink_without_room(
    scripted: ScriptedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(registry_pull.Partial, "add", full)
    with pytest.raises(NuvError, match=r"A layer cannot be kept.*No space left"):
        pull(holding(scripted, image(300_000)), Sink(tmp_path / "sink"))


def test_partial_that_is_no_file(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    made = image(10)
    sink = Sink(tmp_path / "sink")
    reference = holding(scripted, made)
    partial = sink.partial(made.descriptors[0].digest)
    for target in ("/dev/zero", str(tmp_path / "of-somebody")):
        partial.unlink(missing_ok=True)
        partial.symlink_to(target)
        with pytest.raises(NuvError, match="A layer cannot be kept"):
            pull(reference, sink)
    assert not (tmp_path / "of-somebody").exists()
    partial.unlink()
    os.mkfifo(partial)
    with pytest.raises(NuvError, match=r"A layer cannot be kept.*no regular file"):
        pull(reference, sink)


# Stopped


def test_push_stopped_in_the_middle_of_a_blob(registry: Registry) -> None:
    made = image(4_000_000)
    with flaky(registry.port) as line:
        line.rate = 400_000
        told = Recorder(lambda told: any(0 < p[0] < p[1] for p in told.progresses if p[1]))
        with pytest.raises(Cancelled):
            push(made, f"{line.host}/ada/stopped:1", told)
        assert line.up < 4_000_000
    assert registry.digest("ada/stopped", "1") is None


@pytest.mark.parametrize("method", ["PATCH", "PUT .*uploads", "GET .*blobs", "HEAD .*manifests"])
def test_stopped_while_the_registry_says_nothing(
    scripted: ScriptedRegistry, tmp_path: Path, method: str
) -> None:
    made = image(1000)
    if method.startswith("GET"):
        holding(scripted, made)
    silent = threading.Event()
    ended = threading.Event()
    waited_out: list[str] = []
    take = scripted.fault

    def hang(text: str) -> object:
        if re.search(f"^{method}", text):
            silent.set()
            if not ended.wait(PATIENCE):
                waited_out.append(text)
        return take(text)

    scripted.fault = hang  # type: ignore[assignment, method-assign]
    told = Recorder()

    def stop() -> None:
        silent.wait(PATIENCE)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGUSR1)

    # As a task is stopped: in a signal handler, in the middle of whatever the thread waits for.
    before = signal.signal(signal.SIGUSR1, lambda *_: told.cancel())
    stopper = threading.Thread(target=stop)
    stopper.start()
    reference = f"{scripted.host}/x:1"

    def work() -> object:
        if method.startswith("GET"):
            return pull(reference, Sink(tmp_path / "sink"), told)
        return push(made, reference, told)

    try:
        with pytest.raises(Cancelled):
            work()
        assert waited_out == []
    finally:
        ended.set()
        stopper.join()
        signal.signal(signal.SIGUSR1, before)
    if not method.startswith("GET"):
        assert scripted.manifests == {}


def test_tag_of_a_push_that_was_stopped_at_its_end_is_taken_back(scripted: ScriptedRegistry) -> None:
    """The registry makes the tag while the user stops: whatever the answer, the tag goes again."""
    made = image(1000)
    told = Recorder()
    put = scripted.put

    def stop(name: str, media_type: str, manifest: bytes) -> None:
        """The whole manifest has arrived; the user stops, and a moment later it is there."""
        told.cancel()
        time.sleep(0.3)
        put(name, media_type, manifest)

    scripted.put = stop  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        push(made, f"{scripted.host}/x:1", told)
    wait_until(lambda: scripted.asked("DELETE .*manifests/1"), "the tag is taken back")
    assert "1" not in scripted.manifests

    # One that was there before stays.
    scripted.put("2", OCI, image(5).manifest)
    told.cancelled = False
    scripted.seen.clear()
    with pytest.raises(Cancelled):
        push(made, f"{scripted.host}/x:2", told)
    assert scripted.asked("DELETE") == []
