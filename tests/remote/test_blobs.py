"""The suite that every kind of remote passes: five verbs, and nothing else."""

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote import frames, serve
from nuvtui.remote.blobs import Blob, Blobs
from nuvtui.remote.bucket import BucketBlobs
from nuvtui.remote.failure import AbsentError, DeniedError, RemoteError, TooNewError, TransientError
from nuvtui.remote.folder import FolderBlobs
from nuvtui.remote.ssh import SshBlobs, command
from nuvtui.remote.url import parse
from tests.remote.memory import MemoryBlobs
from tests.support import seaweed as seaweeds
from tests.support.seaweed import Seaweed
from tests.support.ssh import SshServer

SERVE = [sys.executable, "-m", "nuvtui", "store", "serve", "--create"]


@pytest.fixture
def credentials(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweeds.KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweeds.SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint)


@pytest.fixture
def bucket(seaweed: Seaweed, credentials: None) -> str:
    name = f"bucket-{os.urandom(4).hex()}"
    seaweed.make_bucket(name)
    return name


@pytest.fixture(params=["memory", "folder", "pipe", "ssh", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    made: Blobs
    match request.param:
        case "memory":
            made = MemoryBlobs()
        case "folder":
            made = FolderBlobs(tmp_path / "remote", create=True)
        case "pipe":
            made = SshBlobs(parse(f"ssh://nowhere{tmp_path}/remote"), [*SERVE, str(tmp_path / "remote")])
        case "ssh":
            server: SshServer = request.getfixturevalue("ssh_server")
            address = parse(f"there:{tmp_path}/remote")
            settings = RemoteSettings(command=f"{sys.executable} -m nuvtui")
            line = command(address, settings, create=True)
            made = SshBlobs(address, [line[0], "-F", str(server.folder / "ssh_config"), *line[1:]])
        case _:
            bucket = request.getfixturevalue("bucket")
            made = BucketBlobs(parse(f"s3://{bucket}/a/prefix"), RemoteSettings())
    yield made
    made.close()


def test_what_is_put_is_there(blobs: Blobs) -> None:
    content = os.urandom(300_000)
    assert blobs.put_if_absent("packs/ab/abcd", memoryview(content))
    assert blobs.read("packs/ab/abcd") == content
    assert blobs.read("packs/ab/abcd", 1000, 50) == content[1000:1050]
    assert blobs.read("packs/ab/abcd", 299_990, 50) == content[-10:]
    assert blobs.read("packs/ab/abcd", 300_000, 5) == b""
    assert blobs.stat("packs/ab/abcd").size == 300_000


def test_what_is_there_stays(blobs: Blobs) -> None:
    assert blobs.put_if_absent("config", b"first")
    assert not blobs.put_if_absent("config", b"second")
    assert blobs.read("config") == b"first"


def test_an_empty_blob(blobs: Blobs) -> None:
    assert blobs.put_if_absent("leases/empty", b"")
    assert blobs.read("leases/empty") == b""
    assert blobs.stat("leases/empty").size == 0


def test_listing(blobs: Blobs) -> None:
    assert list(blobs.list("")) == []
    keys = ["config", "packs/00/00aa", "packs/00/00bb", "packs/01/01aa", "snapshots/0123"]
    for key in keys:
        blobs.put_if_absent(key, key.encode())
    assert sorted(blob.key for blob in blobs.list("")) == keys
    assert sorted(blob.key for blob in blobs.list("packs/")) == keys[1:4]
    assert sorted(blob.key for blob in blobs.list("packs/00/00a")) == keys[1:2]
    assert [blob.size for blob in blobs.list("snapshots/")] == [len("snapshots/0123")]
    assert list(blobs.list("nothing/")) == []


def test_what_is_not_there(blobs: Blobs) -> None:
    blobs.put_if_absent("config", b"")
    for look in (blobs.read, blobs.stat, lambda key: blobs.read(key, 0, 10)):
        with pytest.raises(AbsentError, match="has no packs/00/gone"):
            look("packs/00/gone")


def test_deleting(blobs: Blobs) -> None:
    blobs.put_if_absent("leases/one", b"x")
    blobs.delete("leases/one")
    blobs.delete("leases/one")
    assert list(blobs.list("leases/")) == []
    assert blobs.put_if_absent("leases/one", b"again")


def test_of_many_writers_one_wins(blobs: Blobs) -> None:
    won: list[int] = []
    start = threading.Barrier(4)

    def write(number: int) -> None:
        start.wait()
        if blobs.put_if_absent("config", f"writer {number}".encode()):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert blobs.read("config") == f"writer {won[0]}".encode()


@pytest.mark.parametrize("key", ["../up", "/root", "a//b", ".hidden", "a/../b", "", "a\nb", "a b", "x" * 300])
def test_no_key_leads_elsewhere(blobs: Blobs, key: str) -> None:
    for verb in (blobs.read, blobs.stat, blobs.delete, lambda key: blobs.put_if_absent(key, b"")):
        with pytest.raises(ValueError, match="no key"):
            verb(key)


# -- what can be wrong with each


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="There is no remote at"):
        FolderBlobs(tmp_path / "unmounted")


def test_a_folder_that_went_away(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "remote", create=True)
    (tmp_path / "remote").rmdir()
    with pytest.raises(RemoteError):
        list(blobs.list(""))


def test_wrong_bucket_key_and_endpoint(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failure(
        verb: Callable[[BucketBlobs], object], url: str = f"s3://{bucket}/x", endpoint: str = ""
    ) -> NuvError:
        with pytest.raises(NuvError) as caught:
            verb(BucketBlobs(parse(url), RemoteSettings(endpoint=endpoint)))
        assert seaweeds.SECRET not in f"{caught.value} {caught.value.hint}"
        return caught.value

    def look(blobs: BucketBlobs) -> object:
        return list(blobs.list(""))

    assert "There is no bucket no-such-bucket" in str(failure(look, "s3://no-such-bucket/x"))
    assert isinstance(failure(look, endpoint="http://127.0.0.1:9"), TransientError)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-" + seaweeds.SECRET)
    wrong = failure(look)
    assert isinstance(wrong, DeniedError)
    assert "does not know the key" in str(wrong)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweeds.READER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweeds.READER_SECRET)
    assert isinstance(failure(lambda blobs: blobs.put_if_absent("config", b"x")), DeniedError)


def test_credentials_of_a_profile(
    bucket: str, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[lab]\naws_access_key_id = {seaweeds.KEY}\naws_secret_access_key = {seaweeds.SECRET}\n"
    )
    (tmp_path / ".aws" / "config").write_text(
        f"[profile lab]\nendpoint_url = {seaweed.endpoint}\nregion = us-east-1\n"
    )
    blobs = BucketBlobs(parse(f"s3://{bucket}/p"), RemoteSettings(profile="lab"))
    assert blobs.put_if_absent("config", b"x")
    with pytest.raises(NuvError, match="There is no profile nobody"):
        BucketBlobs(parse(f"s3://{bucket}/p"), RemoteSettings(profile="nobody"))


def test_no_nuvtui_on_the_other_side() -> None:
    shell = ["sh", "-c", "echo Welcome; echo 'nuvtui: not found' >&2; exit 127"]
    blobs = SshBlobs(parse("ssh://there/remote"), shell)
    with pytest.raises(RemoteError, match="nuvtui does not answer on there: nuvtui: not found"):
        blobs.stat("config")


def test_a_shell_that_talks_first(tmp_path: Path) -> None:
    script = f"echo 'Quota: 3 GB'; exec {sys.executable} -m nuvtui store serve --create {tmp_path}/remote"
    blobs = SshBlobs(parse("ssh://there/remote"), ["sh", "-c", script])
    assert blobs.put_if_absent("config", b"x")
    blobs.close()


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    address = parse(f"ssh://127.0.0.1:9{tmp_path}/remote")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1 cannot be reached"):
        SshBlobs(address, command(address, RemoteSettings(), create=False)).stat("config")


def test_a_connection_that_breaks_can_be_tried_again(tmp_path: Path) -> None:
    blobs = SshBlobs(parse(f"ssh://there{tmp_path}/remote"), [*SERVE, str(tmp_path / "remote")])
    blobs.put_if_absent("config", b"x")
    connection = blobs._free[0]
    connection._process.kill()
    connection._process.wait()
    with pytest.raises(TransientError, match="broke"):
        blobs.read("config")
    assert blobs.read("config") == b"x"
    blobs.close()


def test_a_nuvtui_that_cannot_serve_says_why(tmp_path: Path) -> None:
    blobs = SshBlobs(parse(f"ssh://there{tmp_path}/none"), [*SERVE[:-1], str(tmp_path / "none")])
    with pytest.raises(RemoteError, match=r"nuvtui on there cannot serve .*There is no remote at"):
        blobs.stat("config")


def test_a_nuvtui_of_another_protocol(tmp_path: Path) -> None:
    blobs = SshBlobs(parse("ssh://there/remote"), ["sh", "-c", "echo NUVTUI-SERVE 2 9.9.0; cat"])
    with pytest.raises(TooNewError, match=r"version 9\.9\.0 and speaks protocol 2"):
        blobs.stat("config")


def test_a_client_that_is_silent_counts_as_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "SILENCE", 0.0)
    reading, _open = os.pipe()
    said = tmp_path / "said"
    with os.fdopen(reading, "rb") as requests, said.open("wb") as answers:
        serve.serve(MemoryBlobs(), requests, answers)
    os.close(_open)
    assert said.read_bytes() == frames.HELLO


def test_errors_keep_their_exit_code() -> None:
    class Guarded(MemoryBlobs):
        def stat(self, key: str) -> Blob:
            raise NuvError("You may not", "it needs a role", "Ask.", Exit.ROLE)

    asked, answered = io.BytesIO(), io.BytesIO()
    frames.write(asked, frames.Stat("config"))
    asked.seek(0)
    serve.serve(Guarded(), asked, answered)
    answered.seek(len(frames.HELLO))
    answer = frames.read_answer(answered)
    assert (answer.failure, answer.title, answer.exit_code) == ("other", "You may not", Exit.ROLE)
