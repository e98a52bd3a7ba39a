"""Who can read a sealed remote: its keys, wrapped with age for recipients, and the identities that unwrap them.

A *ring* is a list of secrets (the first one seals what is new), wrapped for its recipients. The remote's `config`
holds the first ring; every change of recipients puts another one under `keys/`, which proves that whoever made it
held the keys before it. A machine that can only write makes a ring of its own for each push (`session`).
"""

import base64
import getpass
import os
import sys
import threading
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
"""Bytes of a file with keys; what is longer is not read."""
RING = 8 << 20
"""Bytes of a ring's blob: room for 80,000 secrets, as many pushes of machines that can only write."""
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
        ring = msgspec.json.decode(data, type=Ring)
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
            "Nobody could read it", "there is no recipient left", "Add another recipient first.", Exit.USAGE
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
        try:
            content = identities.open(base64.b64decode(text))
            if content is None:
                continue
            secrets = [bytes.fromhex(item) for item in msgspec.json.decode(content, type=list[str])]
        except ValueError:  # msgspec's too: others can write there
            continue
        if secrets:
            return [keyset_of(secret) for secret in secrets if len(secret) == 32]
    return []


class Identities:
    """Private keys of this account, looked for where people keep them, once.

    In this order: the files that `NUVTUI_IDENTITY` names (joined by `:`), nuvtui's own (`identity.txt` beside the
    settings), age's (`age/keys.txt` in the config folder), and `~/.ssh/id_ed25519` and `id_rsa`. What needs no question
    is tried first; then SSH keys with a passphrase, asked for on a terminal.
    """

    def __init__(self, *, passphrase: bool = False) -> None:
        """`passphrase`: also what a passphrase of the remote opens is opened (`ask_passphrase`)."""
        self.locked: list[Path] = []
        """SSH keys whose passphrase nobody gave."""
        self._keys: list[Any] | None = None
        self._files: list[Path] = []
        self._by_passphrase = passphrase
        self._passphrase = ""

    def with_passphrase(self) -> "Identities":
        """The same keys, and the remote's passphrase."""
        self._by_passphrase = True
        return self

    def open(self, data: bytes) -> bytes | None:
        """The content of an age file; None where nothing here opens it. Raises NuvError."""
        import pyrage

        if b"\n-> scrypt " in data[:200]:
            if not self._by_passphrase:
                return None
            self._passphrase = self._passphrase or ask_passphrase()
            try:
                return bytes(pyrage.passphrase.decrypt(data, self._passphrase))
            except pyrage.DecryptError:
                return None
        if self._keys is None:
            self._keys = [key for path in identity_files() for key in self._load(path)]
        content = _decrypted(data, self._keys)
        while content is None and self._files:
            path = self._files.pop(0)
            key = _unlocked(path)
            if key is None:
                self.locked.append(path)
            else:
                self._keys.append(key)
                content = _decrypted(data, [key])
        return content

    def _load(self, path: Path) -> list[Any]:
        found = _identities(path)
        if found is None:
            self._files.append(path)
        return found or []


def _decrypted(data: bytes, identities: list[Any]) -> bytes | None:
    import pyrage

    try:
        return bytes(pyrage.decrypt(data, identities)) if identities else None
    except pyrage.DecryptError:
        return None


def own_identity() -> Path:
    """Where nuvtui keeps the identity that it makes."""
    return paths.config_file().with_name("identity.txt")


def identity_files() -> list[Path]:
    """Files that may hold private keys of this account. Raises NuvError (2) where one that was named is not there."""
    named = [Path(each).expanduser() for each in os.environ.get("NUVTUI_IDENTITY", "").split(":") if each]
    for path in named:
        if not path.is_file():
            raise NuvError(
                f"There is no key in {path}",
                "NUVTUI_IDENTITY names it, and it is no file",
                "Correct or unset NUVTUI_IDENTITY.",
                Exit.USAGE,
            )
    config = paths.config_file().parent.parent
    ssh = Path.home() / ".ssh"
    return [*named, own_identity(), config / "age" / "keys.txt", ssh / "id_ed25519", ssh / "id_rsa"]


def make_identity() -> str:
    """The public key of nuvtui's own identity, which is made where there is none. Raises NuvError.

    A file that is there is never replaced: it may be the only key of what lies on a remote.
    """
    import pyrage

    path = own_identity()
    try:
        if not os.path.lexists(path):
            key = pyrage.x25519.Identity.generate()
            head = "nuvtui: the key that opens this account's encrypted remotes. Keep it secret, and keep a copy."
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = atomic.temporary_name(path)
            atomic.write_file(temporary, f"# {head}\n# {key.to_public()}\n{key}\n".encode(), 0o600)
            try:
                atomic.publish_new(temporary, path)
                atomic.fsync_folder(path.parent)
            except FileExistsError:  # another nuvtui made it a moment ago
                temporary.unlink()
        text = atomic.read_file(path)[:LIMIT].decode(errors="replace")
    except OSError as error:
        raise NuvError(
            f"nuvtui's own key in {path} cannot be made or read",
            error.strerror or str(error),
            "Correct that, or name a key of your own: `--recipient KEY`.",
        ) from error
    for identity in _age_identities(text, path):
        return str(identity.to_public())
    raise DeniedError(f"{path} holds no age key", "nuvtui keeps its own there", "Restore it from a copy.")


def _identities(path: Path) -> list[Any] | None:
    """The private keys in a file; none where there is no such file or it holds others, None: it has a passphrase."""
    try:
        data = atomic.read_file(path)[:LIMIT]
    except OSError:
        return []
    if b"PRIVATE KEY" not in data:
        return _age_identities(data.decode(errors="replace"), path)
    try:
        return [_ssh_identity(data, None)]
    except TypeError:
        return None
    except ValueError:
        return []


def _age_identities(text: str, path: Path) -> list[Any]:
    import pyrage

    found = []
    for line in text.splitlines():
        if line.startswith("AGE-SECRET-KEY-1"):
            try:
                found.append(pyrage.x25519.Identity.from_str(line.strip()))
            except pyrage.IdentityError as error:
                raise DeniedError(
                    f"{path} holds a damaged key", str(error), "Restore it from a copy."
                ) from error
    return found


def _unlocked(path: Path) -> Any:
    """The SSH key in a file with a passphrase, which is asked for; None where nobody is there, or it is wrong."""
    if not _may_ask():
        return None
    try:
        return _ssh_identity(
            atomic.read_file(path)[:LIMIT], getpass.getpass(f"Passphrase of {path}: ").encode()
        )
    except (OSError, ValueError, TypeError):
        return None


def _ssh_identity(data: bytes, passphrase: bytes | None) -> Any:
    """A private key of SSH. Raises TypeError where it has a passphrase, ValueError where age cannot use it."""
    import pyrage
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    of_ssh = b"OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if of_ssh else serialization.load_pem_private_key
    try:
        plain = load(data, passphrase).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return pyrage.ssh.Identity.from_buffer(plain)
    except (UnsupportedAlgorithm, pyrage.IdentityError) as error:
        raise ValueError(str(error)) from error


def _may_ask() -> bool:
    """True where a question on the terminal is seen: not from a thread, since the screen is another's then."""
    return sys.stdin.isatty() and threading.current_thread() is threading.main_thread()


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
    elif _may_ask():
        text = getpass.getpass(
            "Passphrase that is to open the remote: " if new else "Passphrase of the remote: "
        )
        if text and (not new or getpass.getpass("Once more: ") == text):
            return text
    raise NuvError(
        "The passphrase of the remote is needed",
        "there is none in a file, and nobody was asked or the answers differ",
        "Put it into a file that only you can read, and name that in NUVTUI_PASSPHRASE_FILE.",
        Exit.REFUSED,
    )
