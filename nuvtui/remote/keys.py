"""Who can read a sealed remote: its keys, wrapped with age for recipients, and the identities that unwrap them.

A *ring* is a list of secrets (the first one seals what is new), wrapped for its recipients. The remote's `config`
holds the first ring; every change of recipients puts another one under `keys/`, which proves that whoever made it
held the keys before it. A machine that can only write makes a ring of its own for each push (`session`).
"""

import base64
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from nuvtui import atomic, paths
from nuvtui.errors import Exit, NuvError
from nuvtui.remote.failure import DamagedError, DeniedError
from nuvtui.remote.sealing import Keyset, keyset_of

FORMAT = "nuvtui keys"
LIMIT = 256 << 10
"""Bytes of a file or blob with keys; longer ones are not read."""
PASSPHRASE = "passphrase"  # noqa: S105 - the word
"""The recipient that is a passphrase."""


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets as they lie on the remote: wrapped."""

    format: str = FORMAT
    version: int = 1
    number: int = 0
    """Of several rings the largest number is the newest; a session's is 0."""
    recipients: list[str]
    """Public keys (age, SSH) and the word `passphrase`: who can unwrap it."""
    wrapped: list[str]
    """age files in base64, of JSON: a list of secrets in hex. One for all public keys, one for a passphrase."""
    session: bool = False
    """Made by a machine that can only write: nothing else is sealed with it."""
    proof: str = ""
    """Keyed BLAKE3 of the ring without this, under the sealing key of a ring before; empty: the first, or a session's."""


def encode(ring: Ring) -> bytes:
    """The bytes of a ring's blob."""
    return msgspec.json.encode(ring) + b"\n"


def decode(data: bytes, where: str) -> Ring:
    """A ring from its blob. Raises DamagedError."""
    try:
        ring = msgspec.json.decode(data[:LIMIT], type=Ring)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(
            f"{where} is damaged", str(error), "Other keys of the remote may still do."
        ) from error
    if ring.format != FORMAT or ring.version != 1:
        raise DamagedError(
            f"{where} is damaged", "it holds no keys that this nuvtui reads", "Use a newer nuvtui."
        )
    return ring


def check_recipient(text: str) -> str:
    """`text` as a recipient. Raises NuvError (2) where it is no public key, or a private one."""
    text = " ".join(text.split())
    if text == PASSPHRASE:
        return text
    if "SECRET" in text.upper() or "PRIVATE" in text.upper():
        raise NuvError(
            "That is a private key",
            "a recipient is a public key; a private one belongs into nobody's hands",
            "Give the line that begins with `age1` or `ssh-`.",
            Exit.USAGE,
        )
    _recipient(text)
    return text


def _recipient(text: str) -> Any:
    import pyrage

    try:
        if text.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(text)
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise _no_recipient(text, str(error)) from error
    raise _no_recipient(text, "it begins with neither `age1` nor `ssh-`")


def _no_recipient(text: str, why: str) -> NuvError:
    return NuvError(
        f"{text[:40]!r} is no recipient",
        why,
        "Give an age public key (`age1…`), an SSH public key (`ssh-ed25519 …`, `ssh-rsa …`) or the word `passphrase`.",
        Exit.USAGE,
    )


def wrap(keysets: Sequence[Keyset], recipients: Sequence[str], passphrase: str = "") -> Ring:
    """A ring of `keysets` for `recipients`, without number and proof. Raises NuvError (2)."""
    import pyrage

    if not recipients:
        raise NuvError(
            "Nobody could read it", "there is no recipient", "Name one with `--recipient`.", Exit.USAGE
        )
    content = msgspec.json.encode([keyset.secret.hex() for keyset in keysets])
    public = [_recipient(text) for text in recipients if text != PASSPHRASE]
    wrapped = [pyrage.encrypt(content, public)] if public else []
    if PASSPHRASE in recipients:
        wrapped.append(pyrage.passphrase.encrypt(content, passphrase or ask_passphrase(new=True)))
    return Ring(recipients=list(recipients), wrapped=[base64.b64encode(each).decode() for each in wrapped])


def prove(ring: Ring, keyset: Keyset) -> Ring:
    """`ring` with the proof that its maker holds `keyset`."""
    return msgspec.structs.replace(ring, proof=_proof(ring, keyset))


def proven(ring: Ring, keysets: Sequence[Keyset]) -> bool:
    """True where `ring` was made by somebody who holds one of `keysets`."""
    return any(ring.proof == _proof(ring, keyset) for keyset in keysets)


def _proof(ring: Ring, keyset: Keyset) -> str:
    return blake3(msgspec.json.encode(msgspec.structs.replace(ring, proof="")), key=keyset.key).hexdigest()


def unwrap(ring: Ring, identities: "Identities") -> list[Keyset]:
    """The keysets in `ring`; empty where no identity opens it."""
    for text in ring.wrapped:
        content = identities.open(base64.b64decode(text))
        if content is not None:
            try:
                secrets = [bytes.fromhex(item) for item in msgspec.json.decode(content, type=list[str])]
            except (msgspec.DecodeError, ValueError):
                continue
            return [keyset_of(secret) for secret in secrets if len(secret) == 32]
    return []


class Identities:
    """Private keys of this account, looked for where people keep them, once.

    In this order: the files that `NUVTUI_IDENTITY` names (joined by `:`), nuvtui's own (`identity.txt` beside the
    settings), age's (`age/keys.txt` in the config folder), and `~/.ssh/id_ed25519` and `id_rsa`. An SSH key with a
    passphrase is asked for on a terminal. A passphrase of the remote itself comes from the file that
    `NUVTUI_PASSPHRASE_FILE` names, or is asked for.
    """

    def __init__(self) -> None:
        self._keys: list[Any] | None = None
        self._passphrase = ""

    def open(self, data: bytes) -> bytes | None:
        """The content of an age file; None where nothing here opens it."""
        import pyrage

        if b"-> scrypt " in data[:200]:
            try:
                return bytes(pyrage.passphrase.decrypt(data, self._known_passphrase()))
            except pyrage.DecryptError:
                self._passphrase = ""
                return None
        if self._keys is None:
            self._keys = [key for path in identity_files() for key in _identities(path)]
        try:
            return bytes(pyrage.decrypt(data, self._keys)) if self._keys else None
        except pyrage.DecryptError:
            return None

    def _known_passphrase(self) -> str:
        self._passphrase = self._passphrase or ask_passphrase()
        return self._passphrase


def own_identity() -> Path:
    """Where nuvtui keeps the identity that it makes."""
    return paths.config_file().with_name("identity.txt")


def identity_files() -> list[Path]:
    """Files that may hold private keys of this account."""
    named = [Path(each).expanduser() for each in os.environ.get("NUVTUI_IDENTITY", "").split(":") if each]
    config = paths.config_file().parent.parent
    ssh = Path.home() / ".ssh"
    return [*named, own_identity(), config / "age" / "keys.txt", ssh / "id_ed25519", ssh / "id_rsa"]


def make_identity() -> str:
    """The public key of nuvtui's own identity, which is made where there is none. Raises OSError, NuvError."""
    import pyrage

    path = own_identity()
    for key in _identities(path):
        return str(key.to_public())
    key = pyrage.x25519.Identity.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    head = "nuvtui: the key that opens this account's encrypted remotes. Keep it secret, and keep a copy."
    text = f"# {head}\n# {key.to_public()}\n{key}\n"
    atomic.write_file(path, text.encode(), 0o600)
    return str(key.to_public())


def _identities(path: Path) -> list[Any]:
    """The private keys in a file; none where there is no such file, or it holds others."""
    import pyrage

    try:
        data = atomic.read_file(path)[:LIMIT]
    except OSError:
        return []
    if b"PRIVATE KEY" in data:
        key = _ssh_identity(data, path)
        return [key] if key is not None else []
    found = []
    for line in data.decode(errors="replace").splitlines():
        if line.startswith("AGE-SECRET-KEY-1"):
            try:
                found.append(pyrage.x25519.Identity.from_str(line.strip()))
            except pyrage.IdentityError as error:
                raise DeniedError(
                    f"{path} holds a damaged key", str(error), "Restore it from a copy."
                ) from error
    return found


def _ssh_identity(data: bytes, path: Path) -> Any:
    import pyrage
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_ssh_private_key(data, None)
    except TypeError:  # it has a passphrase
        if not sys.stdin.isatty():
            return None
        try:
            key = serialization.load_ssh_private_key(
                data, getpass.getpass(f"Passphrase of {path}: ").encode()
            )
        except ValueError:
            return None
    except Exception:
        return None
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    try:
        return pyrage.ssh.Identity.from_buffer(plain)
    except pyrage.IdentityError:
        return None


def ask_passphrase(new: bool = False) -> str:
    """The passphrase of a remote. Raises NuvError (6) where nobody can be asked."""
    named = os.environ.get("NUVTUI_PASSPHRASE_FILE")
    if named:
        try:
            text = atomic.read_file(named)[:LIMIT].decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise NuvError(
                f"The passphrase in {named} cannot be read",
                str(error),
                "Correct NUVTUI_PASSPHRASE_FILE.",
                Exit.REFUSED,
            ) from error
        if text:
            return text
    elif sys.stdin.isatty():
        text = getpass.getpass("Passphrase of the remote: ")
        if text and (not new or getpass.getpass("Once more: ") == text):
            return text
    raise NuvError(
        "The passphrase of the remote is needed",
        "there is none in a file, and nobody was asked or the answers differ",
        "Put it into a file that only you can read, and name that in NUVTUI_PASSPHRASE_FILE.",
        Exit.REFUSED,
    )
