"""Trying again, and keeping to a rate: by a clock of the test's own, so that nothing waits."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nuvtui import config
from nuvtui.errors import Cancelled, NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote import kinds, wrappers
from nuvtui.remote.blobs import Blob
from nuvtui.remote.failure import AbsentError, DeniedError, RemoteError, TransientError
from nuvtui.remote.url import parse
from nuvtui.remote.wrappers import Limited, Rate, Retrying
from nuvtui.reporter import Silent
from tests.remote.memory import MemoryBlobs


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(wrappers, "time", clock)
    return clock


class Told(Silent):
    """A reporter that keeps what it is told, and is cancelled where `cancelled` says so."""

    def __init__(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        self.warnings: list[str] = []
        self._cancelled = cancelled

    def warning(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def check(self) -> None:
        if self._cancelled():
            raise Cancelled


class Failing(MemoryBlobs):
    """Fails as often as it is told to before it does what it is asked."""

    def __init__(self, *errors: RemoteError) -> None:
        super().__init__()
        self.errors = list(errors)

    def list(self, prefix: str) -> Iterator[Blob]:
        for number, blob in enumerate(list(super().list(prefix))):
            if number and self.errors:
                raise self.errors.pop(0)
            yield blob

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if self.errors:
            raise self.errors.pop(0)
        return super().read(key, start, length)

    def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
        done = super().put_if_absent(key, data)
        if self.errors:
            raise self.errors.pop(0)
        return done


def away(wait: float = 0.0) -> TransientError:
    return TransientError("The remote is away", "no answer", "Wait.", wait)


def test_what_may_pass_is_tried_again_and_said_once(clock: Clock) -> None:
    inner, told = Failing(away(), away(), away()), Told()
    inner.blobs["config"] = b"x"
    assert Retrying(inner, 60, told).read("config") == b"x"
    assert told.warnings == ["The remote is away: no answer. Trying again."]
    assert 0 < clock.now - 1000 < 60


def test_a_remote_that_goes_twice_is_said_twice(clock: Clock) -> None:
    inner, told = Failing(away()), Told()
    inner.blobs["config"] = b"x"
    blobs = Retrying(inner, 60, told)
    blobs.read("config")
    blobs.read("config")
    inner.errors = [away()]
    blobs.read("config")
    assert len(told.warnings) == 2


def test_patience_ends(clock: Clock) -> None:
    inner = Failing(*[away() for _ in range(1000)])
    with pytest.raises(TransientError):
        Retrying(inner, 60, Told()).read("config")
    assert 20 < clock.now - 1000 <= 60
    assert len(inner.errors) > 980, "it is asked ever more slowly"


def test_a_wait_that_the_remote_asks_for_is_kept(clock: Clock) -> None:
    inner = Failing(away(wait=40))
    inner.blobs["config"] = b"x"
    Retrying(inner, 60, Told()).read("config")
    assert clock.now - 1000 >= 39.9


def test_a_wait_longer_than_patience_is_not_begun(clock: Clock) -> None:
    with pytest.raises(TransientError):
        Retrying(Failing(away(wait=100)), 60, Told()).read("config")
    assert clock.now == 1000


@pytest.mark.parametrize(
    "error", [AbsentError("memory", "config"), DeniedError("refused"), RemoteError("wrong")]
)
def test_what_does_not_pass_is_not_tried_again(clock: Clock, error: RemoteError) -> None:
    with pytest.raises(type(error)):
        Retrying(Failing(error), 60, Told()).read("config")
    assert clock.now == 1000


def test_half_a_listing_is_none(clock: Clock) -> None:
    inner = Failing(away())
    inner.blobs = {"packs/00/a": b"", "packs/00/b": b"", "packs/00/c": b""}
    found = [blob.key for blob in Retrying(inner, 60, Told()).list("packs/")]
    assert found == ["packs/00/a", "packs/00/b", "packs/00/c"]


def test_an_answer_that_was_lost(clock: Clock) -> None:
    inner = Failing(away())
    assert not Retrying(inner, 60, Told()).put_if_absent("config", b"x"), "the first try came through"
    assert inner.blobs == {"config": b"x"}


def test_a_cancel_is_noticed_while_it_waits(clock: Clock) -> None:
    inner = Failing(*[away(wait=50) for _ in range(9)])
    with pytest.raises(Cancelled):
        Retrying(inner, 600, Told(lambda: clock.now > 1003)).read("config")
    assert clock.now < 1004


def test_a_rate_is_kept(clock: Clock) -> None:
    blobs = Limited(MemoryBlobs(), Rate(1000, lambda: None), Rate(500, lambda: None))
    for number in range(10):
        blobs.put_if_absent(f"packs/00/{number}", bytes(1000))
    assert clock.now - 1000 == pytest.approx(10)
    for number in range(10):
        assert len(blobs.read(f"packs/00/{number}", 0, 500)) == 500
    assert clock.now - 1000 == pytest.approx(20)


def test_no_limit_waits_for_nothing(clock: Clock) -> None:
    blobs = Limited(MemoryBlobs(), Rate(0, lambda: None), Rate(0, lambda: None))
    blobs.put_if_absent("config", bytes(100_000))
    assert clock.now == 1000


def test_where_nobody_is_told_nobody_waits_long(tmp_path: Path) -> None:
    settings = config.Settings(remote_patience="2h", limit_upload="10M")
    address = parse(str(tmp_path / "remote"))
    told = kinds.open_blobs(address, RemoteSettings(), settings, Told(), create=True)
    assert isinstance(told, Retrying)
    assert isinstance(told._blobs, Limited)
    assert told._patience == 7200
    untold = kinds.open_blobs(address, RemoteSettings(), settings, Silent())
    assert isinstance(untold, Retrying)
    assert untold._patience == kinds.UNTOLD


@pytest.mark.parametrize(
    ("text", "rate"), [("", 0), ("500K", 5e5), ("10M", 1e7), ("10MB", 1e7), ("1G", 1e9), ("7", 7)]
)
def test_rates(text: str, rate: float) -> None:
    assert config.bytes_a_second(text) == rate


@pytest.mark.parametrize("name", ["limit_upload", "limit_download", "remote_patience"])
@pytest.mark.parametrize("text", ["fast", "-1M", "1.5M", "10MM", "٣M", "1e6"])
def test_a_wrong_setting_is_refused_by_name(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(NuvError, match=name) as caught:
        config.load({name: text}, {}, tmp_path / "none.yaml")
    assert text in str(caught.value)
