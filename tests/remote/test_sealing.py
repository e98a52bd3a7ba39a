"""What is sealed is read again as it was, by ranges too, and nothing else passes for it."""

import os
from pathlib import Path

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.errors import NuvError
from nuvtui.remote import config, keys, recovery
from nuvtui.remote.failure import DamagedError, DeniedError, RemoteError, TooNewError
from nuvtui.remote.keys import Identities
from nuvtui.remote.sealing import HEAD, SEGMENT, TAG, Sealed, new_keyset
from tests.remote.memory import MemoryBlobs

KEYS = new_keyset()
SEAL = Sealed("memory", KEYS, [KEYS])
LENGTHS = st.one_of(
    st.integers(0, 200),
    st.builds(lambda count, off: max(0, count * SEGMENT + off), st.integers(0, 3), st.integers(-17, 17)),
)


def content(length: int) -> bytes:
    return blake3(length.to_bytes(4, "big")).digest(length=length)


@given(LENGTHS, st.data())
@settings(deadline=None)
def test_any_range_of_any_length(length: int, data: st.DataObject) -> None:
    blobs = MemoryBlobs()
    sealed = SEAL.close("packs/aa/aabb", content(length))
    assert len(sealed) == SEAL.size(length)
    blobs.put_if_absent("packs/aa/aabb", sealed)
    assert SEAL.open("packs/aa/aabb", sealed) == (content(length), KEYS.id)
    start = data.draw(st.integers(0, length))
    count = data.draw(st.integers(0, length - start))
    fresh = Sealed("memory", KEYS, [KEYS])
    assert (
        fresh.read(blobs, "packs/aa/aabb", len(sealed), start, count)
        == content(length)[start : start + count]
    )
    with pytest.raises(DamagedError):
        fresh.read(blobs, "packs/aa/aabb", len(sealed), start, length - start + 1)


@given(st.integers(0, 2 * SEGMENT + 5), st.data())
@settings(deadline=None)
def test_every_flipped_bit_is_found(length: int, data: st.DataObject) -> None:
    sealed = bytearray(SEAL.close("config", content(length)))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((DamagedError, DeniedError)):
        SEAL.open("config", bytes(sealed))


def test_segments_have_their_place() -> None:
    sealed = SEAL.close("k", content(3 * SEGMENT + 10))
    size = SEGMENT + TAG
    head, one, two, rest = (
        sealed[:HEAD],
        sealed[HEAD : HEAD + size],
        sealed[HEAD + size : HEAD + 2 * size],
        sealed[HEAD + 2 * size :],
    )
    for wrong in (
        head + two + one + rest,
        head + one + rest,
        head + one + one + two + rest,
        sealed[: HEAD + size],
        sealed[: HEAD + 2 * size],
        head,
        sealed[:-1],
        sealed + b"x",
        sealed + rest,
        b"",
        b"plain text",
    ):
        with pytest.raises(DamagedError):
            SEAL.open("k", wrong)
    with pytest.raises(DamagedError):
        SEAL.open("another", sealed)


def test_nothing_is_sealed_twice_alike() -> None:
    """A fresh key for each blob: the same content never gives the same bytes, whatever the counters are."""
    heads = {bytes(SEAL.close("k", b"same"))[: HEAD + 4] for _ in range(500)}
    assert len(heads) == 500


def test_read_with_nothing_of_nuvtui() -> None:
    """As `FORMAT.md` says, with cryptography and blake3 alone."""
    sealed = bytes(SEAL.close("packs/00/00ff", content(SEGMENT + 7)))
    key = blake3(KEYS.secret, derive_key_context="nuvtui remote 2026-12 key").digest()
    assert sealed[:8] == b"NUVSEAL\x01"
    salt = sealed[24:56]
    cipher = AESGCM(blake3(key + salt, derive_key_context="nuvtui remote 2026-12 blob").digest())
    first = cipher.decrypt(
        bytes(7) + (0).to_bytes(4, "big") + b"\0", sealed[56 : 56 + 65552], b"packs/00/00ff"
    )
    last = cipher.decrypt(bytes(7) + (1).to_bytes(4, "big") + b"\1", sealed[56 + 65552 :], b"packs/00/00ff")
    assert first + last == content(SEGMENT + 7)


def test_other_keys_do_not_open() -> None:
    other = new_keyset()
    sealed = Sealed("memory", other, [other]).close("k", b"secret")
    with pytest.raises(DeniedError, match="No key here opens k"):
        SEAL.open("k", sealed)
    assert Sealed("memory", other, []).readable is False


def test_equal_objects_have_other_names_elsewhere() -> None:
    other = new_keyset()
    assert SEAL.name(bytes(32)) != Sealed("memory", other, [other]).name(bytes(32)) != bytes(32)


# -- keys


@pytest.fixture(autouse=True)
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("NUVTUI_IDENTITY", "NUVTUI_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def another(tmp_path: Path, name: str) -> tuple[str, Path]:
    """Public key of a new age identity, and its file."""
    import pyrage

    key = pyrage.x25519.Identity.generate()
    file = tmp_path / name
    file.write_text(f"# created by age-keygen\n{key}\n")
    return str(key.to_public()), file


def test_a_recipient_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = MemoryBlobs()
    mine = keys.make_identity()
    assert keys.make_identity() == mine
    made = config.create(blobs, [mine])
    before = config.seal(blobs, made, Identities())
    old = bytes(before.close("packs/aa/old", b"before"))
    theirs, file = another(tmp_path, "theirs.txt")
    assert config.change_recipients(blobs, made, Identities(), add=[theirs]) == [mine, theirs]
    config.change_recipients(blobs, made, Identities(), remove=[theirs])
    after = config.seal(blobs, made, Identities())
    new = bytes(after.close("packs/aa/new", b"after"))
    assert after.open("packs/aa/old", old)[0] == b"before"

    own = tmp_path / "config" / "nuvtui" / "identity.txt"
    own.unlink()
    monkeypatch.setenv("NUVTUI_IDENTITY", str(file))
    removed = config.seal(blobs, made, Identities())
    assert removed.open("packs/aa/old", old)[0] == b"before"  # what was readable stays readable
    with pytest.raises(DeniedError):
        removed.open("packs/aa/new", new)
    file.unlink()
    with pytest.raises(NuvError, match="No key here opens the remote") as caught:
        config.seal(blobs, made, Identities())
    assert mine in str(caught.value)


def test_a_ring_of_a_stranger_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write to the place cannot make others seal for him."""
    blobs = MemoryBlobs()
    made = config.create(blobs, [keys.make_identity()])
    good = config.unlock(blobs, made, Identities())
    foreign = new_keyset()
    ring = keys.wrap([foreign], good.recipients)
    import msgspec

    config.add_ring(blobs, keys.prove(msgspec.structs.replace(ring, number=7), foreign))
    now = config.unlock(blobs, made, Identities())
    assert now.keysets[0].id == good.keysets[0].id
    assert now.number == 0
    assert foreign.id not in {keyset.id for keyset in now.keysets}


def test_who_was_removed_cannot_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even with the right to write to the place, and with all keys of before."""
    blobs = MemoryBlobs()
    made = config.create(blobs, [keys.make_identity()])
    theirs, file = another(tmp_path, "theirs.txt")
    config.change_recipients(blobs, made, Identities(), add=[theirs])
    config.change_recipients(blobs, made, Identities(), remove=[theirs])
    mine = config.unlock(blobs, made, Identities())
    with monkeypatch.context() as patch:
        patch.setenv("NUVTUI_IDENTITY", str(file))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
        config.change_recipients(blobs, made, Identities(), add=[theirs])
    now = config.unlock(blobs, made, Identities())
    assert now.keysets[0].id == mine.keysets[0].id
    assert theirs not in now.recipients


def test_ssh_keys_and_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    (tmp_path / ".ssh").mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / ".ssh" / "id_ed25519"], check=True
    )
    public = (tmp_path / ".ssh" / "id_ed25519.pub").read_text()
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    monkeypatch.setenv("NUVTUI_PASSPHRASE_FILE", str(secret))
    blobs = MemoryBlobs()
    made = config.create(blobs, [keys.check_recipient(public), "passphrase"])
    sealed = bytes(config.seal(blobs, made, Identities()).close("k", b"x"))
    monkeypatch.delenv("NUVTUI_PASSPHRASE_FILE")
    assert config.seal(blobs, made, Identities()).open("k", sealed)[0] == b"x"
    (tmp_path / ".ssh" / "id_ed25519").unlink()
    with pytest.raises(NuvError, match="passphrase of the remote is needed"):
        config.seal(blobs, made, Identities())
    monkeypatch.setenv("NUVTUI_PASSPHRASE_FILE", str(secret))
    assert config.seal(blobs, made, Identities()).open("k", sealed)[0] == b"x"
    secret.write_text("wrong")
    with pytest.raises(NuvError, match="No key here opens"):
        config.seal(blobs, made, Identities())


@pytest.mark.parametrize(
    "text", ["age1nonsense", "AGE-SECRET-KEY-1QQ", "ssh-ed25519 zzz", "nobody", "", "-----BEGIN PRIVATE"]
)
def test_what_is_no_recipient(text: str) -> None:
    with pytest.raises(NuvError) as caught:
        keys.check_recipient(text)
    assert caught.value.exit_code == 2


def test_a_write_only_machine_reads_nothing(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    theirs, file = another(tmp_path, "theirs.txt")
    made = config.create(blobs, [theirs])
    seal = config.seal_for_session(blobs, [theirs])
    sealed = bytes(seal.close("packs/aa/x", b"measured"))
    assert not seal.readable
    with pytest.raises(DeniedError):
        seal.open("packs/aa/x", sealed)
    with pytest.raises(NuvError, match="No key here opens"):
        config.seal(blobs, made, Identities())
    os.environ["NUVTUI_IDENTITY"] = str(file)
    try:
        assert config.seal(blobs, made, Identities()).open("packs/aa/x", sealed)[0] == b"measured"
    finally:
        del os.environ["NUVTUI_IDENTITY"]


# -- the recovery sheet


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3))
def test_the_sheet_holds_every_key(secrets: list[bytes]) -> None:
    text = recovery.sheet("lab", "s3://lab/x", "ab" * 16, secrets)
    assert recovery.read(text) == secrets
    assert recovery.read(text.lower().replace("  ", " \t".expandtabs(1) + " ")) == secrets


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 3),
    st.integers(0, 15),
    st.sampled_from("ABCDEFGHQ234567"),
)
def test_a_typing_error_is_found_and_its_line_named(secret: bytes, line: int, at: int, letter: str) -> None:
    text = recovery.sheet("lab", "/r", "ab" * 16, [secret])
    lines = text.splitlines()
    number = next(n for n, each in enumerate(lines) if each.strip().startswith(f"1.{line + 1} "))
    head, body = lines[number][:7], lines[number][7:]
    places = [n for n, sign in enumerate(body) if sign != " "]
    if body[places[at]] == letter:
        return
    lines[number] = head + body[: places[at]] + letter + body[places[at] + 1 :]
    with pytest.raises(NuvError, match=rf"line 1\.{line + 1} has a typing error"):
        recovery.read("\n".join(lines))


def test_a_sheet_with_a_line_missing() -> None:
    text = recovery.sheet("lab", "/r", "ab" * 16, [bytes(32)])
    with pytest.raises(NuvError, match=r"lacks the lines 1\.3"):
        recovery.read("\n".join(each for each in text.splitlines() if "1.3 " not in each))
    with pytest.raises(NuvError, match="it has no line such as"):
        recovery.read("something else")


def test_a_sheet_opens_the_remote_without_any_key(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    theirs, _ = another(tmp_path, "theirs.txt")
    made = config.create(blobs, [theirs])
    os.environ["NUVTUI_IDENTITY"] = str(tmp_path / "theirs.txt")
    unlocked = config.unlock(blobs, made, Identities())
    del os.environ["NUVTUI_IDENTITY"]
    secrets = recovery.read(
        recovery.sheet("lab", "/r", made.repository, [each.secret for each in unlocked.keysets])
    )
    config.adopt(blobs, made, secrets, keys.make_identity())
    assert config.seal(blobs, made, Identities()).readable


# -- config


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "holds something else"),
        (b"{}", "holds something else"),
        (b'{"id":"1","data":"2"}', "holds something else"),  # restic's
        (b"\0\1\2", "holds something else"),
        (b'{"format":"nuvtui remote","version":1}', "is damaged"),
        (
            b'{"format":"nuvtui remote","version":1,"repository":"ab","conditional":true,"encryption":"rot13"}',
            "is damaged",
        ),
    ],
)
def test_what_is_no_config(data: bytes, says: str) -> None:
    blobs = MemoryBlobs()
    blobs.put_if_absent("config", data)
    with pytest.raises(RemoteError, match=says):
        config.read(blobs)
    with pytest.raises(RemoteError, match="holds something else"):
        config.create(blobs)
    assert blobs.blobs == {"config": data}


def test_a_remote_of_a_newer_version() -> None:
    blobs = MemoryBlobs()
    blobs.put_if_absent("config", b'{"format":"nuvtui remote","version":2,"anything":1}')
    with pytest.raises(TooNewError, match="it has version 2"):
        config.read(blobs)


def test_a_place_with_other_files() -> None:
    blobs = MemoryBlobs()
    blobs.put_if_absent("thesis.pdf", b"x")
    with pytest.raises(RemoteError, match="holds something else"):
        config.read(blobs)
