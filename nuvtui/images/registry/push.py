"""Push: blobs that the registry lacks, each taken up again where it broke off; then the manifest, confirmed.

Protocol: the OCI distribution specification, "Push". A blob goes up in one request, as Docker sends it:
some registries take no blob in parts. Only where that breaks off is the registry asked what it has, and sent
the rest; where it has nothing any more, the blob begins anew. (The distribution project's registry, up to
version 3, is one of those: it drops an upload that was cut in the middle of a request.) Parts are sent from
the beginning where something on the way takes no request of that size.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol
from urllib.parse import urlencode, urlsplit

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.images import reference as references
from nuvtui.images.http.session import Timeout, finish
from nuvtui.images.oci.descriptor import Descriptor, digest_of, is_digest, short
from nuvtui.images.reference import Reference
from nuvtui.images.registry.client import MANIFEST_LIMIT, QUICK, Client
from nuvtui.images.registry.credentials import Credentials
from nuvtui.images.registry.errors import RegistryError, TransientError
from nuvtui.images.registry.tags import delete
from nuvtui.reporter import Reporter

if TYPE_CHECKING:
    import requests

PART = 16 << 20
"""Bytes of a part, where a blob has to be sent in parts."""
PIECE = 1 << 17
"""After so many bytes it is looked whether to stop."""
COMMIT: Timeout = (10.0, 600.0)
"""A registry may read a blob of gigabytes before it answers that it has it."""
_OCTETS = {"Content-Type": "application/octet-stream"}
_TAKE_BACK_SECONDS = 4.0
_MOST_SOURCES = 3


class BlobSource(Protocol):
    """Where the blobs are that are pushed."""

    def open(self, digest: str) -> BinaryIO:
        """The blob, open at its first byte, seekable; closed by the caller."""

    def size(self, digest: str) -> int:
        """Its bytes."""


def push(
    reference: str,
    manifest: bytes,
    media_type: str,
    blobs: Sequence[Descriptor],
    source: BlobSource,
    auth: Credentials | None,
    reporter: Reporter,
    settings: Settings,
    insecure: Iterable[str] = (),
    mount_from: Iterable[str] = (),
) -> str:
    """Upload what the registry lacks of `blobs` (the config last), then `manifest` under the tag.

    `mount_from`: repositories (`path`, or `host/path`) of which the same registry may take blobs that it has
    there. Returns the digest that the registry confirms. Each blob's state goes to the log (`waiting`,
    `exists`, `mounted`, `pushing`, `pushed`), the bytes of all to the progress. Lost connections are taken up
    where the registry says that they broke off.
    Raises Cancelled (then no tag is there that was not there before); NuvError where the registry refused or
    has something else.
    """
    parsed = references.parse(reference)
    title = f"{reference} cannot be pushed"
    sources = _sources(mount_from, parsed)
    insecure = tuple(insecure)
    if len(manifest) > MANIFEST_LIMIT:
        raise NuvError(
            title, f"its manifest has {len(manifest):,} bytes, expected at most {MANIFEST_LIMIT:,}"
        )
    digest = digest_of(manifest)
    if parsed.digest not in ("", digest):
        raise NuvError(title, f"the reference names {parsed.digest}, the image is {digest}")

    def say(line: str) -> None:
        reporter.log(f"{line}\n".encode("utf-8", "replace"))

    client = Client(
        parsed,
        auth,
        title=title,
        actions="pull,push",
        others=sources,
        insecure=insecure,
        settings=settings,
        check=reporter.check,
        told=say,
    )
    with client, reporter.on_cancel(client.stop):
        before = _before(client)
        _Blobs(client, source, sources, reporter, say).send(list(dict.fromkeys(blobs)))
        say(f"{short(digest)} manifest pushing")
        try:
            _put_manifest(client, manifest, media_type, digest)
            found = client.digest()
            reporter.check()
        except BaseException:
            if before is None:
                _take_back(parsed, digest, auth, insecure, settings)
            raise
    if found != digest:
        raise RegistryError(
            f"{reference} was pushed, but the registry has something else",
            f"expected digest {digest}, found {found or 'no such image'}",
            "Somebody else may have pushed to the same name at the same time: push again.",
        )
    say(f"{short(digest)} manifest pushed")
    return digest


def _sources(mount_from: Iterable[str], target: Reference) -> list[str]:
    """Paths of the repositories in `mount_from` that are in the registry of `target`."""
    found = []
    for name in mount_from:
        parsed = references.parse(name)
        path = parsed.path if parsed.registry == target.registry else ""
        if not path and parsed.registry == references.DOCKER_HUB and "docker.io" not in name:
            path = name.partition("@")[0].partition(":")[0]  # a path without a host
        if path and path != target.path:
            found.append(path)
    return list(dict.fromkeys(found))[:_MOST_SOURCES]


def _before(client: Client) -> str | None:
    """What the tag is now; None: it is not there; empty: nobody says."""
    try:
        return client.digest()
    except RegistryError as error:
        # A registry may hide what does not exist yet behind a refusal: that is no reason not to push.
        if error.status == 403:
            return ""
        raise


def _put_manifest(client: Client, manifest: bytes, media_type: str, digest: str) -> None:
    def put() -> None:
        answer = client.exchange(
            "PUT", client.manifest_path(), {"Content-Type": media_type}, manifest, COMMIT
        )
        finish(client.expect(answer, 200, 201, 202))
        claimed = answer.headers.get("Docker-Content-Digest", digest)
        if is_digest(claimed) and claimed != digest:
            raise client.error(f"the registry has something else: expected digest {digest}, found {claimed}")

    client.retry(put)


def _take_back(
    reference: Reference, digest: str, auth: Credentials | None, insecure: Iterable[str], settings: Settings
) -> None:
    """Delete a tag that a broken-off push may have made; the registry may be about to make it still."""
    ends = time.monotonic() + _TAKE_BACK_SECONDS
    while time.monotonic() < ends:
        # A registry that is slow at this very moment is asked again.
        with (
            contextlib.suppress(NuvError, TransientError),
            Client(
                reference,
                auth,
                actions="pull,push,delete",
                insecure=insecure,
                settings=settings,
                timeout=QUICK,
                tries=1,
            ) as client,
        ):
            found = client.digest()
            if found == digest:
                delete(client)
            if found is not None:
                return
        time.sleep(0.25)


class _Blobs:
    """The blobs of one push."""

    def __init__(
        self,
        client: Client,
        source: BlobSource,
        mount_from: list[str],
        reporter: Reporter,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._source = source
        self._mount_from = mount_from
        self._reporter = reporter
        self._say = say
        self._done = 0
        self._total = 0

    def send(self, blobs: list[Descriptor]) -> None:
        """Have all `blobs` in the registry."""
        for blob in blobs:
            if not is_digest(blob.digest) or self._source.size(blob.digest) != blob.size:
                raise self._client.error(f"{blob.digest[:80]} is not here as its manifest has it")
            self._say(f"{short(blob.digest)} waiting")
        self._total = sum(blob.size for blob in blobs)
        for blob in blobs:
            if self._client.retry(lambda blob=blob: _has(self._client, blob)):  # type: ignore[misc]
                self._say(f"{short(blob.digest)} exists")
            else:
                upload = _Upload(self._client, blob, self._source, self._mount_from, self._tell, self._say)
                self._say(f"{short(blob.digest)} {upload.run()}")
            self._done += blob.size
            self._tell(blob, 0)

    def _tell(self, blob: Descriptor, sent: int) -> None:
        self._reporter.check()
        self._reporter.progress(min(self._done + sent, self._total), self._total, "bytes", short(blob.digest))


def _has(client: Client, blob: Descriptor) -> bool:
    answer = client.exchange("HEAD", f"/v2/{client.reference.path}/blobs/{blob.digest}")
    if answer.status_code in (403, 404):  # what is not there yet may be hidden: the upload tells
        finish(answer)
        return False
    finish(client.expect(answer, 200))
    return True


class _Upload:
    """The upload of one blob: from one try to the next it knows how far it came."""

    def __init__(
        self,
        client: Client,
        blob: Descriptor,
        source: BlobSource,
        mount_from: list[str],
        tell: Callable[[Descriptor, int], None],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._blob = blob
        self._source = source
        self._mount_from = mount_from
        self._tell = tell
        self._say = say
        self._location = ""
        """The address of the upload's next request; empty: there is no upload."""
        self._offset: int | None = None
        """Bytes that the registry has; None: it has to be asked."""
        self._part = 0
        """Bytes of one request; 0: all at once."""
        self._least = 0
        """Bytes that a part must have, but for the last."""
        self._begun = False
        self._resumed = False
        self._best = 0
        """The most bytes that the registry ever had."""

    def run(self) -> str:
        """Bring the blob up. Returns what became of it: `pushed`, or `mounted`, `exists` where it was there."""
        return self._client.retry(self._go_on, lambda: self._best)

    def _go_on(self) -> str:
        if self._location and self._offset is None:
            self._ask()
        if not self._location:
            # The answer to the last request of an upload may be what was lost.
            if self._begun and _has(self._client, self._blob):
                return "exists"
            if self._begin():
                return "mounted"
        while self._offset is not None and self._offset < self._blob.size:
            self._send()
        self._commit()
        return "pushed"

    def _begin(self) -> bool:
        """Begin an upload. True where the registry took the blob from another repository instead."""
        path = f"/v2/{self._client.reference.path}/blobs/uploads/"
        begun = None
        for name in self._mount_from:
            query = urlencode({"mount": self._blob.digest, "from": name})
            answer = self._client.exchange("POST", f"{path}?{query}", {"Content-Length": "0"})
            if answer.status_code not in (400, 401, 403, 404, 405):
                self._client.expect(answer, 201, 202)
                if answer.status_code == 201:
                    finish(answer)
                    return True
                begun = answer  # it has no such blob there, and began an upload
            finish(answer)
        if begun is None:
            begun = self._client.exchange("POST", path, {"Content-Length": "0"})
        finish(self._client.expect(begun, 202))
        self._mount_from = []  # a second try would have no other answer
        self._take(begun)
        self._offset = 0
        least = begun.headers.get("OCI-Chunk-Min-Length", "")
        self._least = int(least[:12]) if least.isdigit() else 0
        if not self._begun:
            self._say(f"{short(self._blob.digest)} pushing")
        self._begun = True
        return False

    def _ask(self) -> None:
        """Ask the registry how much it has; it may have no upload any more."""
        answer = self._client.exchange("GET", self._location)
        if answer.status_code in (400, 404, 405, 410, 416):
            finish(answer)
            self._say(f"{short(self._blob.digest)} begins anew: the registry dropped what it had")
            self._location = ""
            return
        finish(self._client.expect(answer, 200, 202, 204))
        self._take(answer)
        self._offset = self._range(answer, 0)
        if self._offset:
            self._best = max(self._best, self._offset)
            self._resumed = True
            self._say(f"{short(self._blob.digest)} goes on at byte {self._offset:,}")

    def _send(self) -> None:
        """Send the rest, or a part of it."""
        start = self._offset or 0
        self._offset = None  # until the registry has said that it came
        left = self._blob.size - start
        count = min(left, max(self._part, self._least)) if self._part else left
        headers = dict(_OCTETS)
        if start or count < left:
            headers["Content-Range"] = f"{start}-{start + count - 1}"
        body = _BlobPart(self._source, self._blob, start, count, self._tell)
        answer = self._client.exchange("PATCH", self._location, headers, body, COMMIT)
        if answer.status_code == 413 and count > PART:
            finish(answer)
            self._part = PART
            self._anew("something on the way takes no request of that size")
        if answer.status_code in (404, 410, 416):
            finish(answer)
            self._anew("the registry does not go on with the upload")
        finish(self._client.expect(answer, 200, 201, 202, 204))
        self._take(answer)
        self._offset = min(self._range(answer, start + count), start + count)
        if self._offset <= start:
            raise TransientError("the registry took nothing of what was sent")
        self._best = max(self._best, self._offset)

    def _commit(self) -> None:
        """Tell the registry that the blob is complete."""
        parts = urlsplit(self._location)
        digest = urlencode({"digest": self._blob.digest})
        address = parts._replace(query=f"{parts.query}&{digest}" if parts.query else digest).geturl()
        self._offset = None
        answer = self._client.exchange("PUT", address, {**_OCTETS, "Content-Length": "0"}, b"", COMMIT)
        # What was put together from parts may have been put together wrongly: once more, as a whole.
        if answer.status_code in (404, 410, 416) or (answer.status_code == 400 and self._resumed):
            finish(answer)
            self._resumed = False
            self._anew("the registry could not complete the upload")
        finish(self._client.expect(answer, 200, 201, 202, 204))

    def _take(self, answer: "requests.Response") -> None:
        """Remember where the upload goes on."""
        if "Location" in answer.headers:
            self._location = self._client.location(answer)
        elif not self._location:
            raise self._client.error("the registry does not say where to upload to")

    def _anew(self, words: str) -> None:
        """Give the upload up: the next try begins another."""
        self._location, self._offset = "", None
        raise TransientError(words)

    def _range(self, answer: "requests.Response", default: int) -> int:
        """How many bytes the registry says that it has. `0-0` stands for none: that is what it says before the first."""
        found = re.fullmatch(r"(?:bytes=)?0-(\d{1,15})", answer.headers.get("Range", "").strip())
        if found is None:
            return default
        end = int(found[1])
        if end == 0:
            return 1 if default == self._blob.size == 1 else 0
        return min(end + 1, self._blob.size)


class _BlobPart:
    """A part of a blob, as a request's body that can be sent again."""

    def __init__(
        self,
        source: BlobSource,
        blob: Descriptor,
        start: int,
        count: int,
        tell: Callable[[Descriptor, int], None],
    ) -> None:
        self._source = source
        self._blob = blob
        self._start = start
        self._count = count
        self._tell = tell

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        left = self._count
        with self._source.open(self._blob.digest) as file:
            file.seek(self._start)
            while left:
                self._tell(self._blob, self._start + self._count - left)
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise NuvError(
                        "A layer is damaged", f"{self._blob.digest} ends before its {self._blob.size:,} bytes"
                    )
                left -= len(piece)
                yield piece
        self._tell(self._blob, self._start + self._count)
