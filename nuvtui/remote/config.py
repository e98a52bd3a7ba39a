"""The blob `config`: that this is a remote, of which version, and under which keys."""

import contextlib
import os
from collections.abc import Sequence
from typing import Literal

import msgspec

from nuvtui.errors import Exit, NuvError
from nuvtui.remote import keys
from nuvtui.remote.blobs import Blobs
from nuvtui.remote.failure import AbsentError, DamagedError, RemoteError, TooNewError
from nuvtui.remote.keys import Identities, Ring
from nuvtui.remote.sealing import Keyset, Plain, Seal, Sealed, keyset_of, new_keyset

FORMAT = "nuvtui remote"
VERSION = 1
KEY = "config"
LIMIT = 256 << 10


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What `config` says; written once, when the remote is made."""

    format: str = FORMAT
    version: int = VERSION
    repository: str
    """32 hex digits: random, or (sealed) made of the first key, which proves that key."""
    encryption: Literal["none", "age"] = "none"
    conditional: bool
    """True where the store itself decides which of two writers of one blob wins."""
    ring: Ring | None = None
    """The first keys, where encrypted."""


class _Head(msgspec.Struct):
    """What every version of `config` has."""

    format: str = ""
    version: int = 0


def read(blobs: Blobs) -> Config:
    """The remote's config. Raises NuvError (3) where there is none, or RemoteError where it is no remote of nuvtui."""
    try:
        data = blobs.read(KEY, 0, LIMIT)
    except AbsentError:
        if next(iter(blobs.list("")), None) is not None:
            raise something_else(blobs.url, "it is not empty and has no `config`") from None
        raise NuvError(
            f"There is no remote at {blobs.url} yet",
            "it is empty",
            "`nuvtui remotes add NAME URL` makes one; is it the right address?",
            Exit.NOT_FOUND,
        ) from None
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise something_else(blobs.url, "its `config` is not one of nuvtui's") from None
    if head.format != FORMAT:
        raise something_else(blobs.url, "its `config` is that of another program")
    if head.version > VERSION:
        raise TooNewError(
            f"The remote at {blobs.url} is too new",
            f"it has version {head.version}, this nuvtui reads {VERSION}",
            "Use the nuvtui that made it, or a newer one.",
        )
    try:
        return msgspec.json.decode(data, type=Config)
    except msgspec.DecodeError as error:
        raise DamagedError(
            f"The remote at {blobs.url} is damaged", f"its `config`: {error}", "Restore `config` from a copy."
        ) from error


def exists(blobs: Blobs) -> bool:
    """True where a `config` is there, whatever it holds."""
    return any(blob.key == KEY for blob in blobs.list(KEY))


def adopt(blobs: Blobs, config: Config, secrets: Sequence[bytes], recipient: str) -> None:
    """Let `recipient` read what the secrets of a recovery sheet open."""
    unlocked = unlock(blobs, config, Identities(), secrets)
    if recipient in unlocked.recipients:
        return
    ring = keys.wrap(unlocked.keysets, [*unlocked.recipients, recipient])
    ring = msgspec.structs.replace(ring, number=unlocked.number + 1)
    add_ring(blobs, keys.prove(ring, unlocked.keysets[0]))


def something_else(url: str, why: str) -> RemoteError:
    """What is said of a place that holds no remote of nuvtui."""
    return RemoteError(
        f"{url} holds something else",
        why,
        "Give an empty place, or another prefix: nothing there was touched.",
        Exit.CONFLICT,
    )


def create(blobs: Blobs, recipients: Sequence[str] = (), passphrase: str = "") -> Config:
    """Make a remote where nothing is; sealed where there are recipients. Raises RemoteError where something is."""
    if next(iter(blobs.list("")), None) is not None:
        raise something_else(blobs.url, "it is not empty")
    keyset = new_keyset()
    ring = keys.wrap([keyset], recipients, passphrase) if recipients else None
    config = Config(
        repository=keyset.repository if ring else os.urandom(16).hex(),
        encryption="age" if ring else "none",
        conditional=_probe(blobs),
        ring=ring,
    )
    if not blobs.put_if_absent(KEY, msgspec.json.encode(config) + b"\n"):
        return read(blobs)  # somebody made it a moment ago
    return config


def _probe(blobs: Blobs) -> bool:
    """Whether the store refuses to write a blob that is there."""
    if not blobs.conditional:
        return False
    key = f"leases/{os.urandom(16).hex()}"
    try:
        blobs.put_if_absent(key, b"{}")
        return not blobs.put_if_absent(key, b"{}") and blobs.conditional  # it may have learned of it just now
    finally:
        blobs.delete(key)


def rings(blobs: Blobs) -> list[Ring]:
    """What lies under `keys/`; one that is damaged is as one that is withheld. Raises RemoteError."""
    found = []
    for blob in blobs.list("keys/"):
        with contextlib.suppress(DamagedError):
            found.append(keys.decode(blobs.read(blob.key, 0, keys.LIMIT), blob.key))
    return found


def add_ring(blobs: Blobs, ring: Ring) -> None:
    """Put a ring under `keys/`."""
    blobs.put_if_absent(f"keys/{os.urandom(16).hex()}", keys.encode(ring))


class Unlocked(msgspec.Struct, frozen=True):
    """The keys of a remote that this account has."""

    keysets: list[Keyset]
    """All, the one that seals what is new first."""
    recipients: list[str]
    """Who can read what is sealed from now on."""
    number: int
    """Of the newest ring."""


def unlock(blobs: Blobs, config: Config, identities: Identities, secrets: Sequence[bytes] = ()) -> Unlocked:
    """All keys of a sealed remote that `identities`, or `secrets` of a recovery sheet, open; none: an empty list.

    A ring is believed where it holds the key that the repository's id is made of, and after that where whoever made it
    held the newest keys before it: a stranger who can write to the place cannot make others seal for him.
    """
    assert config.ring is not None
    best = [keyset_of(secret) for secret in secrets]
    if best and not _genuine(config, best):
        raise NuvError(
            "That is the recovery sheet of another remote", f"it does not open {blobs.url}", "", Exit.CONFLICT
        )
    known = {keyset.id: keyset for keyset in best}
    every = sorted([config.ring, *rings(blobs)], key=lambda ring: ring.number)
    newest = config.ring
    for ring in every:
        opened = keys.unwrap(ring, identities)
        if ring.session:
            known |= {keyset.id: keyset for keyset in opened}
            continue
        if ring is config.ring or not best:
            believed = _genuine(config, opened) and (ring is config.ring or keys.proven(ring, opened))
        else:
            believed = keys.proven(ring, best[:1])
        if believed:
            newest, best = ring, opened or best
            known |= {keyset.id: keyset for keyset in opened}
    ordered = {keyset.id: keyset for keyset in [*best, *known.values()]}
    return Unlocked(list(ordered.values()) if best else [], newest.recipients, newest.number)


def _genuine(config: Config, keysets: Sequence[Keyset]) -> bool:
    """True where the key is among `keysets` that the repository's id was made of."""
    return any(keyset.repository == config.repository for keyset in keysets)


def seal(blobs: Blobs, config: Config, identities: Identities, secrets: Sequence[bytes] = ()) -> Seal:
    """How blobs of the remote are read and written. Raises NuvError (6) where no key here opens it."""
    if config.ring is None:
        return Plain()
    unlocked = unlock(blobs, config, identities, secrets)
    if not unlocked.keysets:
        raise locked_out(blobs.url, unlocked.recipients)
    return Sealed(blobs.url, unlocked.keysets[0], unlocked.keysets)


def seal_for_session(blobs: Blobs, recipients: Sequence[str]) -> Seal:
    """How a machine that can only write seals one push: with keys of their own, which only `recipients` can open."""
    keyset = new_keyset()
    ring = keys.wrap([keyset], [each for each in recipients if each != keys.PASSPHRASE])
    add_ring(blobs, msgspec.structs.replace(ring, session=True))
    return Sealed(blobs.url, keyset, [])


def change_recipients(
    blobs: Blobs, config: Config, identities: Identities, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> list[str]:
    """Let others read the remote, or no more; who can, afterwards.

    Where somebody is removed, what comes after is sealed with new keys; what was readable for them stays so.
    Raises NuvError.
    """
    unlocked = unlock(blobs, config, identities)
    if not unlocked.keysets:
        raise locked_out(blobs.url, unlocked.recipients)
    for each in remove:
        if each not in unlocked.recipients:
            raise NuvError(
                f"{each[:40]} is no recipient of {blobs.url}",
                "it cannot be removed",
                "`nuvtui remotes recipients list NAME` says who can read it.",
                Exit.NOT_FOUND,
            )
    recipients = [each for each in unlocked.recipients if each not in remove]
    recipients += [each for each in add if each not in recipients]
    keysets = [new_keyset(), *unlocked.keysets] if remove else unlocked.keysets
    ring = msgspec.structs.replace(keys.wrap(keysets, recipients), number=unlocked.number + 1)
    add_ring(blobs, keys.prove(ring, unlocked.keysets[0]))
    return recipients


def locked_out(url: str, recipients: Sequence[str]) -> NuvError:
    """What is said where no key here opens the remote."""
    names = "; ".join(each[:80] for each in recipients)
    return NuvError(
        f"No key here opens the remote at {url}",
        f"it is sealed for: {names}",
        "Name the file with your private key in NUVTUI_IDENTITY, give a recovery sheet with `--recovery FILE`, or have your "
        "public key added by somebody who can read it.",
        Exit.REFUSED,
    )
