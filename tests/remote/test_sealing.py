"""What is sealed is read again as it was, by ranges too, and nothing else passes for it."""

import json
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


def test_a_listing_that_lies_about_a_size_is_damage() -> None:
    blobs = MemoryBlobs()
    sealed = bytes(SEAL.close("k", content(2 * SEGMENT)))
    blobs.put_if_absent("k", sealed)
    for size in (0, HEAD, HEAD + TAG - 1, HEAD + SEGMENT + TAG - 1, HEAD + SEGMENT + TAG):
        with pytest.raises(DamagedError):
            Sealed("memory", KEYS, [KEYS]).read(blobs, "k", size, 2 * SEGMENT - 1, 1)
    for size in (len(sealed) - TAG, len(sealed) + SEGMENT + TAG):  # another segment would be the last
        with pytest.raises(DamagedError):
            SEAL.read(blobs, "k", size, 2 * SEGMENT - 1, 2)


def test_a_head_that_came_wrong_once_does_not_stay() -> None:
    blobs = MemoryBlobs()
    sealed = bytes(SEAL.close("k", b"content"))
    flipped = bytearray(sealed)
    flipped[HEAD - 1] ^= 1
    seal = Sealed("memory", KEYS, [KEYS])
    blobs.blobs["k"] = bytes(flipped)
    with pytest.raises(DamagedError):
        seal.read(blobs, "k", len(sealed), 0, 7)
    blobs.blobs["k"] = sealed
    assert seal.read(blobs, "k", len(sealed), 0, 7) == b"content"


def test_keys_are_not_shown() -> None:
    assert repr(KEYS) == f"Keyset({KEYS.id.hex()})"


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
    file.write_text(another(tmp_path, "stranger.txt")[1].read_text())
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


def test_whose_key_was_added_later_is_not_asked_for_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    monkeypatch.setenv("NUVTUI_PASSPHRASE_FILE", str(secret))
    blobs = MemoryBlobs()
    made = config.create(blobs, ["passphrase"])
    assert config.change_recipients(blobs, made, Identities(), [keys.make_identity()])[0] == "passphrase"
    monkeypatch.delenv("NUVTUI_PASSPHRASE_FILE")
    assert config.seal(blobs, made, Identities()).readable


def test_of_two_who_change_the_recipients_one_is_told(tmp_path: Path) -> None:
    """Both saw the remote as it was before: the second must not undo the first unseen."""
    blobs = MemoryBlobs()
    mine = keys.make_identity()
    first, second = (another(tmp_path, name)[0] for name in ("a", "b"))
    made = config.create(blobs, [mine])
    seen = dict(blobs.blobs)

    class Late(MemoryBlobs):
        """What was there before the other one wrote; writing is as it is now."""

        def put_if_absent(self, key: str, data: bytes | memoryview) -> bool:
            return blobs.put_if_absent(key, data)

    config.change_recipients(blobs, made, Identities(), remove=[mine], add=[first, mine])
    late = Late()
    late.blobs = seen
    before = dict(blobs.blobs)
    with pytest.raises(NuvError, match="Somebody else changes the recipients") as caught:
        config.change_recipients(late, made, Identities(), add=[second])
    assert caught.value.exit_code == 5
    assert blobs.blobs == before
    assert config.change_recipients(blobs, made, Identities(), add=[second]) == [first, mine, second]
    assert config.unlock(blobs, made, Identities()).number == 2


def test_what_a_stranger_puts_under_keys_stops_nobody(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    mine = keys.make_identity()
    made = config.create(blobs, [mine])
    ring = {"format": "nuvtui keys", "version": 1, "recipients": ["passphrase"]}
    odd: list[object] = [
        ["%"],
        ["a"],
        ["YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBhIDQwCg=="],
        [""],
        ["\ud83d\ude00"],
    ]
    for number, wrapped in enumerate(odd):
        for session in (True, False):
            data = json.dumps({**ring, "wrapped": wrapped, "session": session, "number": number})
            blobs.put_if_absent(f"keys/{number:030x}{session:02x}", data.encode())
    blobs.put_if_absent(f"keys/{1:032x}", b"not a ring")
    blobs.put_if_absent("keys/latin", b'{"format":"\xff"}')
    theirs, _ = another(tmp_path, "theirs.txt")
    assert config.change_recipients(blobs, made, Identities(), add=[theirs]) == [mine, theirs]
    assert config.unlock(blobs, made, Identities()).recipients == [mine, theirs]


def test_an_ssh_key_is_one_key_whatever_its_comment(tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    public = " ".join((tmp_path / "k.pub").read_text().split()[:2])
    blobs, mine = MemoryBlobs(), keys.make_identity()
    made = config.create(blobs, [mine, f"{public} ada@home"])
    assert config.change_recipients(blobs, made, Identities(), add=[f"{public} ada@work"]) == [
        mine,
        f"{public} ada@home",
    ]
    assert config.change_recipients(blobs, made, Identities(), remove=[public]) == [mine]
    with pytest.raises(NuvError, match="Nobody could read it"):
        config.change_recipients(blobs, made, Identities(), remove=[mine])


@pytest.mark.parametrize("kind", [["-t", "ed25519"], ["-t", "rsa"], ["-t", "rsa", "-m", "PEM"]])
def test_an_ssh_key_with_a_passphrase(
    kind: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    (tmp_path / ".ssh").mkdir()
    file = tmp_path / ".ssh" / "id_rsa"
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "secret", "-f", file], check=True)
    blobs = MemoryBlobs()
    made = config.create(blobs, [keys.check_recipient(file.with_suffix(".pub").read_text())])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(NuvError, match="No key here opens") as caught:
        config.seal(blobs, made, Identities())
    assert str(file) in caught.value.message
    assert "cannot ask" in caught.value.hint
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "secret")
    assert config.seal(blobs, made, Identities()).readable
    assert asked == [f"Passphrase of {file}: "]
    monkeypatch.setattr("getpass.getpass", lambda _: "wrong")
    with pytest.raises(NuvError, match="not given, or is wrong"):
        config.seal(blobs, made, Identities())

    other = config.create(MemoryBlobs(), [keys.make_identity()])
    monkeypatch.setattr("getpass.getpass", lambda prompt: pytest.fail(prompt))
    assert config.seal(MemoryBlobs(), other, Identities()).readable  # the own key needs no question


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    own = keys.own_identity()
    own.parent.mkdir(parents=True)
    own.write_text("AGE-PLUGIN-YUBIKEY-1QQ\n")
    with pytest.raises(NuvError, match="holds no age key"):
        keys.make_identity()
    assert own.read_text() == "AGE-PLUGIN-YUBIKEY-1QQ\n"
    own.unlink()
    own.mkdir()
    with pytest.raises(NuvError, match="cannot be made or read"):
        keys.make_identity()
    own.rmdir()
    public = keys.make_identity()
    assert own.stat().st_mode & 0o777 == 0o600
    assert keys.make_identity() == public
    assert [each.name for each in own.parent.iterdir()] == ["identity.txt"]


def test_a_key_that_is_named_and_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = config.create(MemoryBlobs(), [keys.make_identity()])
    monkeypatch.setenv("NUVTUI_IDENTITY", str(tmp_path / "nowhere"))
    with pytest.raises(NuvError, match=r"There is no key in .*nowhere"):
        config.seal(MemoryBlobs(), made, Identities())


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


def test_digits_that_look_like_letters_are_read_as_them() -> None:
    secrets = [blake3(number.to_bytes(2, "big")).digest() for number in range(300)]
    lines = recovery.sheet("lab", "/r", "ab" * 16, secrets).splitlines()
    typed = [
        each[:8] + each[8:].translate(str.maketrans("OIB", "018")) if "." in each[:7] else each
        for each in lines
    ]
    assert recovery.read("\n".join(typed)) == secrets
    with pytest.raises(NuvError, match=r"line 1\.1 has a typing error"):
        recovery.read("1.1 AAAA AAAA AAAAA 999")


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
            b'{"format":"nuvtui remote","version":1,"repository":"../../../../x","conditional":true}',
            "is damaged",
        ),
        (
            b'{"format":"nuvtui remote","version":1,"repository":"%s\\n","conditional":true}' % (b"ab" * 16),
            "is damaged",
        ),
        (
            b'{"format":"nuvtui remote","version":1,"repository":"%s","conditional":true,"encryption":"age"}'
            % (b"ab" * 16),
            "is damaged",
        ),
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
