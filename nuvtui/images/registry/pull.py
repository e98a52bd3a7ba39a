"""Pull: from a name to verified blobs, several at a time, each taken up again where it broke off.

Formats: the OCI distribution specification for the conversation, the OCI image specification and Docker's
"Image Manifest Version 2, Schema 2" for what is carried.
"""

import errno
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from nuvtui.config import Settings
from nuvtui.errors import Cancelled, NuvError
from nuvtui.images import reference as references
from nuvtui.images.http.session import finish
from nuvtui.images.oci import manifest as manifests
from nuvtui.images.oci.descriptor import Descriptor, Platform, digest_of, is_digest, short
from nuvtui.images.oci.manifest import ACCEPTED, ManifestError
from nuvtui.images.registry.client import MANIFEST_LIMIT, QUICK, Client
from nuvtui.images.registry.credentials import Credentials
from nuvtui.images.registry.errors import TransientError
from nuvtui.images.registry.partial import Partial
from nuvtui.reporter import Reporter

T = TypeVar("T")

THREADS = 3
CONFIG_LIMIT = 8 << 20
_POLL = 0.1
_ELSE = "the registry has something else"


class BlobSink(Protocol):
    """Where pulled blobs go. The methods are called from several threads, for different blobs at a time."""

    def has(self, digest: str) -> bool:
        """True where the whole blob is there: it is not asked for again."""

    def write(self, descriptor: Descriptor, pieces: Iterator[bytes]) -> None:
        """Take a blob: wholly and durably, or not at all.

        Verifies size and digest; raises NuvError. Must read from `pieces` no later than it returns, and not
        touch the file that `partial` names.
        """

    def partial(self, digest: str) -> Path:
        """A private file in an existing folder, in which `pull` collects the blob until it is complete.

        `pull` makes, continues, locks and removes it; it is left where the pull breaks off, and the next one
        goes on from there.
        """


@dataclass(frozen=True)
class Pulled:
    """What a reference named, verified by digest."""

    digest: str
    """Of what the reference names, be it an index or a manifest: what a base is pinned by."""
    manifest: bytes = field(repr=False)
    """The manifest for the platform, as the registry has it."""
    manifest_digest: str
    media_type: str
    """Of the manifest."""
    config: bytes = field(repr=False)


def pull(
    reference: str,
    platform: Platform,
    auth: Credentials | None,
    sink: BlobSink,
    reporter: Reporter,
    settings: Settings,
    insecure: Iterable[str] = (),
) -> Pulled:
    """Fetch the image `reference` for `platform`: config and layers into `sink`, what it has already left out.

    Up to three layers come at once; each one's state goes to the log, the bytes of all to the progress. Lost
    connections are taken up where they broke off. `insecure`: hosts that may be spoken to in plain HTTP.
    Raises Cancelled; NuvError where the image cannot be had or is none that can be used.
    """
    ended = threading.Event()
    here = threading.get_ident()

    def check() -> None:
        if ended.is_set():
            raise Cancelled
        if threading.get_ident() == here:  # a reporter belongs to the thread that works with it
            reporter.check()

    log = _Log(here, reporter)
    client = Client(
        references.parse(reference),
        auth,
        title=f"{reference} cannot be pulled",
        insecure=insecure,
        settings=settings,
        check=check,
        told=log.say,
    )
    with client, reporter.on_cancel(client.stop):
        digest, found, listed = _find(client, platform)
        image = _understood(client, lambda: manifests.image(found.content))
        config = _config(client, image.config)
        if not listed:
            made_for = _understood(client, lambda: manifests.platform_of(config))
            if not manifests.fits(platform, made_for):
                wanted, only = ("/".join(part for part in one if part) for one in (platform, made_for))
                raise client.error(f"expected it for {wanted}, found only: {only}")
        if not sink.has(image.config.digest):
            sink.write(image.config, iter([config]))
        layers = list(dict.fromkeys(image.layers))
        _LayerPull(client, sink, reporter, log, check, ended).fetch(layers)
    return Pulled(digest, found.data, found.digest, found.kind, config)


def resolve(
    reference: str,
    platform: Platform,
    auth: Credentials | None,
    settings: Settings,
    insecure: Iterable[str] = (),
) -> tuple[str, str]:
    """Digest of what `reference` names now, and of its manifest for `platform`, without fetching layers.

    Answers within seconds, as a preflight must. Raises NuvError where the registry cannot be asked or has no
    such image.
    """
    title = f"{reference} cannot be found"
    parsed = references.parse(reference)
    with Client(
        parsed, auth, title=title, insecure=insecure, settings=settings, timeout=QUICK, tries=1
    ) as client:
        digest, found, _ = _find(client, platform)
        return digest, found.digest


# Manifests


class _Manifest:
    """A manifest as it came."""

    def __init__(self, client: Client, data: bytes, content_type: str) -> None:
        self.data = data
        self.digest = digest_of(data)
        self.kind, self.content = _understood(client, lambda: manifests.read(data, content_type))


def _find(client: Client, platform: Platform) -> tuple[str, _Manifest, bool]:
    """Digest of what the reference names, the manifest for `platform`, and whether it came from an index."""
    found = _manifest(client, client.reference.digest or client.reference.tag)
    if found.kind not in manifests.INDEXES:
        return found.digest, found, False
    chosen = _understood(client, lambda: manifests.choose(found.content, platform))
    manifest = _manifest(client, chosen.digest)
    if len(manifest.data) != chosen.size or manifest.kind not in manifests.IMAGES:
        raise client.error(f"{_ELSE}: the manifest for the platform is not the one that the index names")
    return found.digest, manifest, True


def _manifest(client: Client, target: str) -> _Manifest:
    def ask() -> _Manifest:
        answer = client.exchange("GET", client.manifest_path(target), {"Accept": ACCEPTED})
        client.expect(answer, 200)
        found = client.whole(answer, MANIFEST_LIMIT)
        computed = digest_of(found)
        claimed = answer.headers.get("Docker-Content-Digest", computed)
        expected = target if is_digest(target) else claimed
        # A claim in another algorithm cannot be compared, and none is needed.
        if computed != expected and (is_digest(expected) or not expected.startswith("sha512:")):
            raise client.error(f"{_ELSE}: expected digest {expected[:80]}, found {computed}")
        return _Manifest(client, found, answer.headers.get("Content-Type", ""))

    return client.retry(ask)


def _config(client: Client, blob: Descriptor) -> bytes:
    if blob.size > CONFIG_LIMIT:
        raise client.error(f"its config has {blob.size:,} bytes, expected at most {CONFIG_LIMIT:,}")

    def ask() -> bytes:
        answer = client.expect(client.exchange("GET", _blob_path(client, blob)), 200)
        return client.whole(answer, blob.size)

    data = client.retry(ask)
    _same(client, blob, len(data), digest_of(data))
    return data


def _understood(client: Client, action: Callable[[], T]) -> T:
    try:
        return action()
    except ManifestError as error:
        raise client.error(error.words, error.hint) from error


def _same(client: Client, blob: Descriptor, size: int, digest: str) -> None:
    if (size, digest) != (blob.size, blob.digest):
        raise client.error(
            f"{_ELSE}: expected {blob.digest} of {blob.size:,} bytes, found {digest} of {size:,} bytes"
        )


def _blob_path(client: Client, blob: Descriptor) -> str:
    return f"/v2/{client.reference.path}/blobs/{blob.digest}"


# Layers


class _Log:
    """Lines for the log from all threads, written by the one that the reporter belongs to."""

    def __init__(self, owner: int, reporter: Reporter) -> None:
        self._owner = owner
        self._reporter = reporter
        self._lines: deque[str] = deque()

    def say(self, line: str) -> None:
        """Write `line`, now or as soon as the owner looks."""
        self._lines.append(line)
        if threading.get_ident() == self._owner:
            self.write()

    def write(self) -> None:
        """Write what is waiting."""
        while self._lines:
            self._reporter.log(f"{self._lines.popleft()}\n".encode("utf-8", "replace"))


class _LayerPull:
    """The layers of one pull."""

    def __init__(
        self,
        client: Client,
        sink: BlobSink,
        reporter: Reporter,
        log: _Log,
        check: Callable[[], None],
        ended: threading.Event,
    ) -> None:
        self._client = client
        self._sink = sink
        self._reporter = reporter
        self._log = log
        self._check = check
        self._ended = ended
        self._done: dict[str, int] = {}

    def fetch(self, layers: list[Descriptor]) -> None:
        """Have all `layers` in the sink. Raises what the first failure of a thread was."""
        missing = []
        for blob in layers:
            there = self._sink.has(blob.digest)
            self._log.say(f"{short(blob.digest)} {'exists' if there else 'waiting'}")
            missing += [] if there else [blob]
        total = sum(blob.size for blob in missing)
        self._done = {blob.digest: 0 for blob in missing}
        pool = ThreadPoolExecutor(THREADS, "layer")
        try:
            waiting: set[Future[None]] = {pool.submit(self._layer, blob) for blob in missing}
            while waiting:
                done, waiting = wait(waiting, _POLL, FIRST_EXCEPTION)
                self._log.write()
                self._check()
                for one in done:
                    one.result()
                self._tell(total)
        except BaseException:
            self._ended.set()
            self._client.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self._log.write()
        self._tell(total)

    def _tell(self, total: int) -> None:
        under_way = next((digest for digest, done in self._done.items() if done), "")
        self._reporter.progress(
            min(sum(self._done.values()), total), total, "bytes", short(under_way) if under_way else ""
        )

    def _layer(self, blob: Descriptor) -> None:
        self._check()
        try:
            with Partial(self._sink.partial(blob.digest), self._check) as partial:
                if self._sink.has(blob.digest):  # another process was as fast
                    self._log.say(f"{short(blob.digest)} exists")
                else:
                    self._log.say(f"{short(blob.digest)} pulling")
                    self._client.retry(lambda: self._collect(blob, partial), lambda: partial.size)
                    self._sink.write(blob, partial.pieces())
                    self._log.say(f"{short(blob.digest)} pulled")
                partial.remove()
                self._done[blob.digest] = blob.size
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise NuvError(
                "A layer cannot be kept",
                f"{short(blob.digest)}: {error.strerror or error}",
                "Make room where the store is; what came so far is kept." if full else "",
            ) from error

    def _collect(self, blob: Descriptor, partial: Partial) -> None:
        """Fetch what `partial` lacks of `blob`."""
        if partial.size > blob.size:
            partial.clear()
        before = partial.size
        if partial.size < blob.size:
            before = self._fetch(blob, partial)
        if partial.size < blob.size:
            raise TransientError("the connection was cut in the middle of a layer")
        digest = partial.digest
        if digest == blob.digest:
            return
        size = partial.size
        partial.clear()
        if before:
            # What was there may have been broken: once more, from the beginning.
            raise TransientError(f"{short(blob.digest)} was damaged where it was taken up again")
        _same(self._client, blob, size, digest)

    def _fetch(self, blob: Descriptor, partial: Partial) -> int:
        """Ask for the rest of `blob`. Returns how many bytes it was put behind."""
        headers = {"Range": f"bytes={partial.size}-"} if partial.size else {}
        answer = self._client.exchange("GET", _blob_path(self._client, blob), headers)
        if answer.status_code == 416:
            finish(answer)
            partial.clear()
            raise TransientError("the registry does not go on in the middle of a layer")
        self._client.expect(answer, 200, 206)
        with answer:
            if answer.status_code == 206:
                start = re.match(r"bytes (\d{1,19})-", answer.headers.get("Content-Range", ""))
                if start is None or int(start[1]) != partial.size:
                    partial.clear()
                    raise TransientError("the registry answers with another part of a layer")
            elif partial.size:
                partial.clear()
            before = partial.size
            for piece in self._client.pieces(answer):
                self._check()
                if partial.size + len(piece) > blob.size:
                    partial.clear()
                    raise self._client.error(
                        f"{_ELSE}: {short(blob.digest)} has more than the {blob.size:,} bytes of its manifest"
                    )
                partial.add(piece)
                self._done[blob.digest] = partial.size
        return before
