"""Snapshot manifests as bytes.

Version 1: `snapshots/<id>.json`, one JSON object

    {"format":"nuvtui snapshot","version":1,"blake3":"<hex>","snapshot":{…}}

on one line, without other white space than the newline at its end, whose `blake3` is the BLAKE3 of the bytes of the
value of `snapshot`, exactly as they stand in the file. The value is `model.snapshot.Snapshot`.
"""

import msgspec
from blake3 import blake3

from nuvtui.errors import StoreError
from nuvtui.model.snapshot import MANIFEST_VERSION, Snapshot
from nuvtui.store import failure

FORMAT = "nuvtui snapshot"


class _Envelope(msgspec.Struct):
    """A manifest file: format, version, checksum and the snapshot, still as JSON."""

    format: str
    version: int
    blake3: str
    snapshot: msgspec.Raw

    def intact(self) -> bool:
        """True where the snapshot has the checksum that is written beside it."""
        return blake3(bytes(self.snapshot)).hexdigest() == self.blake3


class BriefFiles(msgspec.Struct):
    """The file part of a snapshot, by its root tree."""

    root: str


class BriefTable(msgspec.Struct, frozen=True):
    """What tells one version of a table from another one."""

    name: str
    rows: int
    fingerprint: str
    bytes: int


class Brief(msgspec.Struct):
    """The part of a manifest that tells what a snapshot holds, without locks and provenance."""

    files: BriefFiles
    tables: list[BriefTable]


_envelope = msgspec.json.Decoder(_Envelope)
_brief = msgspec.json.Decoder(Brief)


def encode(snapshot: Snapshot) -> bytes:
    """The bytes of the manifest file of `snapshot`, with its checksum."""
    body = msgspec.json.encode(snapshot)
    return _wrap(body, blake3(body).hexdigest())


class NewerManifestError(StoreError):
    """A manifest that a newer nuvtui wrote: as far as this one can tell, nothing is wrong with it."""


def decode(data: bytes, snapshot_id: str) -> Snapshot:
    """The snapshot that a manifest holds, its checksum verified.

    Raises StoreError where the manifest is damaged, of a newer version, or another snapshot's.
    """
    title = f"Snapshot {snapshot_id}"

    def damaged(reason: str) -> StoreError:
        return StoreError(f"{title} is damaged", reason, failure.CHECK_HINT)

    try:
        envelope = _envelope.decode(data)
        if envelope.format != FORMAT or envelope.version < 1:
            raise damaged("its manifest is of another format")
        if envelope.version > MANIFEST_VERSION:
            raise NewerManifestError(
                f"{title} is too new",
                f"its manifest has version {envelope.version}, this nuvtui reads {MANIFEST_VERSION}",
                "Use the nuvtui that wrote it, or a newer one.",
            )
        if not envelope.intact():
            raise damaged("the checksum of its manifest does not hold")
        snapshot = msgspec.json.decode(envelope.snapshot, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise damaged(f"its manifest: {error}") from error
    if data != _wrap(bytes(envelope.snapshot), envelope.blake3):
        raise damaged("its manifest holds more than it should")
    if snapshot.id != snapshot_id:
        raise damaged(f"its manifest is that of {snapshot.id}")
    return snapshot


def brief(data: bytes) -> Brief | None:
    """The brief form of a manifest, its checksum verified; None where `decode` has to say what is wrong."""
    try:
        envelope = _envelope.decode(data)
        if envelope.version <= MANIFEST_VERSION and envelope.intact():
            return _brief.decode(envelope.snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    return None


def _wrap(body: bytes, check: str) -> bytes:
    head = f'{{"format":"{FORMAT}","version":{MANIFEST_VERSION},"blake3":"{check}","snapshot":'
    return head.encode() + body + b"}\n"
