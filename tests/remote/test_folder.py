"""Remotes in folders: groups, disks that go away, file systems that know little, and what else lies there."""

import errno
import os
import stat
from pathlib import Path

import pytest

from nuvtui import atomic
from nuvtui.remote.failure import DamagedError, DeniedError, FullError, RemoteError, TransientError
from nuvtui.remote.folder import FolderBlobs

KEY = "packs/ab/abcd"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "remote"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_its_owners(root: Path) -> None:
    FolderBlobs(root, create=True).put_if_absent(KEY, b"x")
    assert [mode(root), mode(root / "packs"), mode(root / "packs/ab")] == [0o700] * 3
    assert mode(root / KEY) == 0o400


def test_a_folder_of_a_group_is_the_groups_all_through(root: Path) -> None:
    root.mkdir()
    root.chmod(0o2770)
    before = os.umask(0o077)
    try:
        FolderBlobs(root).put_if_absent(KEY, b"x")
    finally:
        os.umask(before)
    assert [mode(root / "packs"), mode(root / "packs/ab")] == [0o2770] * 2
    assert mode(root / KEY) == 0o440


def test_a_disk_that_is_not_mounted_any_more_gets_no_new_folder(root: Path) -> None:
    blobs = FolderBlobs(root, create=True)
    root.rmdir()
    with pytest.raises(RemoteError, match="failed"):
        blobs.put_if_absent(KEY, b"x")
    assert not root.exists()


def test_what_else_lies_there_is_not_listed(root: Path, tmp_path: Path) -> None:
    blobs = FolderBlobs(root, create=True)
    blobs.put_if_absent(KEY, b"x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"x")
    (root / "packs" / "away").symlink_to(tmp_path / "outside")
    (root / "packs" / "nowhere").symlink_to(tmp_path / "nothing")
    (root / "packs" / ".hidden").write_bytes(b"x")
    (root / "packs" / "white space").write_bytes(b"x")
    (root / "packs" / os.fsdecode(b"\xff")).write_bytes(b"x")
    os.mkfifo(root / "packs" / "pipe")
    assert list(blobs.list("")) == [(KEY, 1)]
    with pytest.raises(RemoteError):
        blobs.read("packs/pipe")
    with pytest.raises(DamagedError):
        blobs.stat("packs/pipe")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, FullError),
        (errno.EDQUOT, FullError),
        (errno.EACCES, DeniedError),
        (errno.EROFS, DeniedError),
        (errno.ESTALE, TransientError),
        (errno.EIO, TransientError),
        (errno.ETIMEDOUT, TransientError),
        (errno.EINVAL, RemoteError),
    ],
)
def test_what_a_file_system_says(
    root: Path, number: int, kind: type[RemoteError], monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FolderBlobs(root, create=True)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "write_all", fail)
        with pytest.raises(RemoteError) as caught:
            blobs.put_if_absent(KEY, b"x")
    assert type(caught.value) is kind
    assert str(root) in str(caught.value)
    assert caught.value.hint
    assert list((root / "packs/ab").iterdir()) == [], "nothing half is left"
    assert blobs.put_if_absent(KEY, b"x")


def test_a_disk_without_links_and_modes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As FAT: no hard links, no modes."""
    blobs = FolderBlobs(root, create=True)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "fchmod", refuse)
    assert blobs.put_if_absent(KEY, b"first")
    assert not blobs.put_if_absent(KEY, b"second")
    assert blobs.read(KEY) == b"first"
    assert [path.name for path in (root / "packs/ab").iterdir()] == ["abcd"]


def test_what_killed_writers_left_goes_after_a_day(root: Path) -> None:
    FolderBlobs(root, create=True).put_if_absent(KEY, b"x")
    old, new = (atomic.temporary_name(root / KEY) for _ in range(2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    FolderBlobs(root).put_if_absent("packs/ab/other", b"x")
    assert not old.exists()
    assert new.exists()
