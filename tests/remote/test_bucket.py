"""What object stores answer, and what is said and done then; on real servers, and on one that answers anything."""

import base64
import itertools
import os
import ssl
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote import blobs as blobs_module
from nuvtui.remote import bucket, bucket_failure, config
from nuvtui.remote.bucket import BucketBlobs
from nuvtui.remote.failure import (
    AbsentError,
    DamagedError,
    DeniedError,
    FullError,
    RemoteError,
    TransientError,
)
from nuvtui.remote.url import parse
from tests.remote.answering import Answer, Asked, answering, error
from tests.support import seaweed as seaweeds
from tests.support.seaweed import Seaweed

KEY, SECRET = "AKIAPLANTEDKEY", "planted/secret+value"
VERBS: dict[str, Callable[[BucketBlobs], object]] = {
    "list": lambda blobs: list(blobs.list("")),
    "stat": lambda blobs: blobs.stat("config"),
    "read": lambda blobs: blobs.read("config"),
    "range": lambda blobs: blobs.read("config", 3, 10),
    "put": lambda blobs: blobs.put_if_absent("config", b"x"),
    "delete": lambda blobs: blobs.delete("config"),
}
TOLD = [name for name in VERBS if name != "stat"]
"""Verbs whose answers have a body: what a HEAD is refused for, nobody says."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def opened(endpoint: str) -> BucketBlobs:
    return BucketBlobs(parse("s3://bucket/prefix"), RemoteSettings(endpoint=endpoint))


def failure(answer: Answer, verb: str) -> RemoteError:
    with answering(lambda _: answer) as server, pytest.raises(RemoteError) as caught:
        VERBS[verb](opened(server.endpoint))
    assert len(server.asked) == 1, "tried again by itself"
    found = caught.value
    assert "s3://bucket" in f"{found} {found.hint}" or "bucket bucket" in str(found)
    assert found.hint
    return found


@pytest.mark.parametrize(
    ("status", "verb"),
    # A put that is answered 501 is asked without its condition: a test of its own.
    [pair for pair in itertools.product([403, 400, 405, 501, 301], VERBS) if pair != (501, "put")],
)
def test_what_no_other_try_changes_is_not_tried_again(status: int, verb: str) -> None:
    found = failure(error(status, "AnyCode"), verb)
    assert not isinstance(found, (TransientError, AbsentError))
    assert isinstance(found, DeniedError) == (status == 403)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_what_may_pass_is_tried_again(status: int, verb: str) -> None:
    found = failure(error(status, "AnyCode"), verb)
    assert isinstance(found, TransientError)
    assert f"the store answers {status}" in str(found)
    assert (found.wait > 0) == (status in (503, 429))


@pytest.mark.parametrize("verb", ["list", "read", "delete"])
def test_a_connection_that_breaks(verb: str) -> None:
    found = failure(Answer(200, b"<ListBucketResult>" + b" " * 1000, cut=True), verb)
    assert isinstance(found, TransientError)
    assert "the connection broke" in str(found)


@pytest.mark.parametrize("verb", TOLD)
@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "RequestTimeTooSkewed", DeniedError, "clock is wrong"),
        (403, "SignatureDoesNotMatch", DeniedError, "does not know the key"),
        (403, "InvalidAccessKeyId", DeniedError, "does not know the key"),
        (400, "ExpiredToken", DeniedError, "does not know the key"),
        (400, "AuthorizationHeaderMalformed", RemoteError, "in another region"),
        (507, "XMinioStorageFull", FullError, "no room left"),
        (403, "QuotaExceeded", FullError, "no room left"),
        (404, "NoSuchBucket", RemoteError, "There is no bucket bucket"),
    ],
)
def test_each_answer_is_a_sentence(
    status: int, code: str, kind: type[RemoteError], words: str, verb: str
) -> None:
    found = failure(error(status, code), verb)
    assert type(found) is kind
    assert words in str(found)
    assert (found.exit_code == Exit.NOT_FOUND) == (code == "NoSuchBucket")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_no_secret_is_repeated(status: int, verb: str) -> None:
    """A store that says back what it was sent, in no form that the protocol knows."""
    said = f"Authorization {KEY} {SECRET} http://user:{SECRET}@host/?sig={SECRET}".encode()
    found: list[RemoteError] = []
    with answering(lambda _: Answer(status, said)) as server:
        try:
            VERBS[verb](opened(server.endpoint))
        except RemoteError as error:
            found.append(error)
    for each in found:
        for shown in (f"{each.title} {each.message} {each.hint}", repr(each)):
            assert SECRET not in shown
            assert KEY not in shown
    assert [each for each in found if each.__cause__] == [], "a traceback would show it"
    assert found or status == 200


class Held:
    """What a store answers that keeps what is put; `known`: its answer to a condition, None: it knows none of it."""

    def __init__(self, known: Answer | None) -> None:
        self.known = known
        self.paths: set[str] = set()

    def __call__(self, asked: Asked) -> Answer:
        if asked.conditional and self.known is not None:
            return self.known
        match asked.verb:
            case "PUT":
                self.paths.add(asked.path)
                return Answer()
            case "POST":
                return Answer(200, b"<DeleteResult><Deleted><Key>x</Key></Deleted></DeleteResult>")
            case "GET" if "list-type" in asked.path:
                return listing([])
        return Answer() if asked.path in self.paths else error(404, "NoSuchKey")


def test_a_store_that_refuses_conditions() -> None:
    with answering(Held(error(501, "NotImplemented"))) as server:
        blobs = opened(server.endpoint)
        assert blobs.conditional
        assert blobs.put_if_absent("config", b"x")
        assert not blobs.conditional
        assert not blobs.put_if_absent("config", b"y")
        assert sum(asked.conditional for asked in server.asked) == 1


@pytest.mark.parametrize("known", [error(501, "NotImplemented"), None])
def test_what_a_store_can_do_is_tried_and_recorded(known: Answer | None) -> None:
    with answering(Held(known)) as server:
        assert not config.create(opened(server.endpoint)).conditional


def test_two_who_write_at_once_are_told_to_try_again() -> None:
    assert isinstance(failure(error(409, "ConditionalRequestConflict"), "put"), TransientError)
    with answering(lambda _: error(412, "PreconditionFailed")) as server:
        assert not opened(server.endpoint).put_if_absent("config", b"x")


def listing(keys: list[tuple[str, int]], more: str = "") -> Answer:
    contents = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2015-10-21T07:28:00.000Z</LastModified><ETag>x</ETag>"
        f"<Size>{size}</Size></Contents>"
        for key, size in keys
    )
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    cut = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    return Answer(200, f"<ListBucketResult>{token}{cut}{contents}</ListBucketResult>".encode())


def test_a_listing_that_lies() -> None:
    keys = [
        ("prefix/packs/02/b", 2),
        ("prefix/packs/01/a", 1),
        ("prefix/packs/02/b", 3),
        ("prefix/packs/.hidden", 1),
        ("prefix/packs/white space", 1),
        ("prefix/indexes/other", 1),
    ]
    with answering(lambda _: listing(keys)) as server:
        assert list(opened(server.endpoint).list("packs/")) == [("packs/02/b", 2), ("packs/01/a", 1)]
    for size in (1 << 60, -1):
        with (
            answering(lambda _, size=size: listing([("prefix/config", size)])) as server,  # type: ignore[misc]
            pytest.raises(RemoteError),
        ):
            list(opened(server.endpoint).list(""))


def test_a_listing_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "LISTED", 5000)
    page = listing([(f"prefix/packs/00/{number}", 1) for number in range(1000)], "more")
    with answering(lambda _: page) as server:
        with pytest.raises(DamagedError, match="has no end"):
            list(opened(server.endpoint).list("packs/"))
        assert len(server.asked) < 20


@pytest.mark.parametrize("verb", ["list", "stat", "read", "range"])
def test_a_store_that_says_nothing_is_given_up(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "STALL", timedelta(seconds=0.2))
    over = threading.Event()

    def silent(_: Asked) -> Answer:
        over.wait()
        return Answer()

    with answering(silent) as server:
        try:
            with pytest.raises(TransientError, match="no answer came in time"):
                VERBS[verb](opened(server.endpoint))
        finally:
            over.set()


@pytest.mark.parametrize("verb", VERBS)
def test_a_store_that_is_not_there(verb: str) -> None:
    with pytest.raises(TransientError, match="nothing answers at the store's address"):
        VERBS[verb](opened("http://127.0.0.1:9"))


# -- Google and Azure


def azure(code: str, status: int, monkeypatch: pytest.MonkeyPatch) -> RemoteError:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(SECRET.encode()).decode())
    with answering(lambda _: error(status, code)) as server:
        blobs = BucketBlobs(parse("az://container/prefix"), RemoteSettings(endpoint=server.endpoint))
        with pytest.raises(RemoteError) as caught:
            list(blobs.list(""))
        assert server.asked, "the remote's own endpoint is the one that is asked"
    return caught.value


def test_azure_is_spoken_of_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = azure("AuthenticationFailed", 403, monkeypatch)
    assert isinstance(wrong, DeniedError)
    assert "AZURE_STORAGE_ACCOUNT_KEY" in wrong.hint
    assert "There is no bucket container" in str(azure("ContainerNotFound", 404, monkeypatch))


def test_azure_without_an_account() -> None:
    with pytest.raises(RemoteError) as caught:
        BucketBlobs(parse("az://container/prefix"), RemoteSettings())
    assert not isinstance(caught.value, TransientError)
    assert "AZURE_STORAGE_ACCOUNT_NAME" in caught.value.hint


def test_google_is_spoken_of_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    with answering(lambda _: Answer(401)) as server:
        blobs = BucketBlobs(parse("gs://bucket/prefix"), RemoteSettings(endpoint=server.endpoint))
        with pytest.raises(DeniedError) as caught:
            blobs.read("config")
        assert server.asked
    assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.hint


def test_a_key_that_cannot_be_read_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", f'{{"private_key": "{SECRET}')
    with pytest.raises(RemoteError) as caught:
        BucketBlobs(parse("gs://bucket/prefix"), RemoteSettings())
    assert not isinstance(caught.value, TransientError)
    assert SECRET not in f"{caught.value} {caught.value.hint}"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.hint


# -- settings


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Error performing PUT http://169.254.169.254/latest/api/token - Server returned status code: 403"
    found = bucket_failure.failed(RuntimeError(text), parse("s3://bucket"), "Listing")
    assert isinstance(found, DeniedError)
    assert "there are no credentials" in str(found)
    assert "AWS_ACCESS_KEY_ID" in found.hint


@pytest.mark.parametrize(
    "endpoint",
    [f"https://user:{SECRET}@host", f"https://{SECRET}@host", f"https://host/?key={SECRET}", "host:80"],
)
def test_an_endpoint_is_an_address_only(endpoint: str) -> None:
    with pytest.raises(NuvError) as caught:
        opened(endpoint)
    assert caught.value.exit_code == Exit.USAGE
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_a_profile_is_for_s3_only() -> None:
    with pytest.raises(NuvError, match="neither a region nor a profile"):
        BucketBlobs(parse("gs://bucket"), RemoteSettings(profile="lab"))


def test_a_profile_whose_keys_another_program_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile lab]\nsso_session = campus\n")
    with pytest.raises(NuvError, match="`sso_session`") as caught:
        BucketBlobs(parse("s3://bucket"), RemoteSettings(profile="lab"))
    assert "export-credentials --profile lab" in caught.value.hint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    BucketBlobs(parse("s3://bucket"), RemoteSettings(profile="lab"))


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(lambda _: Answer(), context) as server, pytest.raises(RemoteError) as caught:
        opened(server.endpoint).stat("config")
    assert not isinstance(caught.value, TransientError)
    assert "certificate" in str(caught.value)


# -- a real store, part of which goes


def test_a_volume_server_goes_and_comes_back(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every blob whose put said that it is there can be read, with one of three servers killed and then back."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweeds.KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweeds.SECRET)
    name = f"bucket-{os.urandom(4).hex()}"
    seaweed.make_bucket(name)
    blobs = BucketBlobs(parse(f"s3://{name}/p"), RemoteSettings(endpoint=seaweed.endpoint))
    held: dict[str, bytes] = {}

    def put(count: int) -> None:
        for _ in range(count):
            key, content = f"packs/00/{os.urandom(16).hex()}", os.urandom(200_000)
            try:
                blobs.put_if_absent(key, content)
            except TransientError:
                continue  # said to be worth another try: so it may be there or not
            held[key] = content

    def all_read() -> None:
        for key, content in held.items():
            assert blobs.read(key) == content
            assert blobs.read(key, 1000, 10) == content[1000:1010]

    put(8)
    assert len(held) == 8
    seaweed.kill_volume(1)
    try:
        put(8)
        all_read()
    finally:
        seaweed.start_volume(1)
    put(8)
    all_read()
    assert {blob.key for blob in blobs.list("packs/")} >= set(held)
