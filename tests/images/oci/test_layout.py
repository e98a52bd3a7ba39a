"""The store's own images: blobs verified and shared, names, what is removed and what is not, faults."""

import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui import atomic
from nuvtui.config import Settings
from nuvtui.errors import NuvError, StoreError
from nuvtui.images.engine.image_tree import image_tree
from nuvtui.images.engine.oci_engine import OciEngine
from nuvtui.images.oci import archive, layout
from nuvtui.images.oci.descriptor import Descriptor
from nuvtui.images.oci.layout import Layout
from nuvtui.reporter import Silent


@pytest.fixture
def images(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "images")


def tar(*members: tuple[str, bytes | str | None]) -> bytes:
    """A tar: bytes a file, None a folder, str a link."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            out.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return data.getvalue()


def image(images: Layout, reference: str, *layers: bytes) -> Descriptor:
    blobs = [images.put([layer]) for layer in layers]
    config = {"rootfs": {"diff_ids": [blob.digest for blob in blobs]}, "config": {"Cmd": [reference]}}
    manifest = archive.put_image(images, json.dumps(config).encode(), blobs)
    images.tag(reference, manifest)
    return manifest


def blobs(images: Layout) -> set[str]:
    return {path.name for path in (images.folder / "blobs" / "sha256").iterdir()}


def test_an_image_is_gone_with_its_name_and_shared_layers_stay(images: Layout) -> None:
    shared, own = tar(("a", b"shared")), tar(("b", b"own"))
    image(images, "x/one:1", shared, own)
    image(images, "x/two:1", shared)
    assert len(blobs(images)) == 6
    assert images.untag("x/one:1")
    assert not images.untag("x/one:1")
    assert images.find("x/one:1") is None
    assert hashlib.sha256(shared).hexdigest() in blobs(images)
    assert hashlib.sha256(own).hexdigest() not in blobs(images)
    assert len(blobs(images)) == 3
    images.untag("x/two:1")
    assert blobs(images) == set()


def test_nothing_is_removed_while_somebody_builds(images: Layout) -> None:
    image(images, "x/one:1", tar(("a", b"1")))
    script = (
        "import sys\nfrom pathlib import Path\nfrom nuvtui.images.oci.layout import Layout\n"
        "print(Layout(Path(sys.argv[1])).sweep(), flush=True)\n"
    )
    with images.using():
        lonely = images.put([b"not named yet"])
        done = subprocess.run(
            [sys.executable, "-c", script, images.folder], capture_output=True, text=True, check=True
        )
        assert done.stdout == "0\n"
        assert images.has(lonely.digest)
    assert images.sweep() == len(b"not named yet")
    assert not images.has(lonely.digest)
    assert images.find("x/one:1")


def test_bases_stay_until_nothing_stands_on_them(images: Layout) -> None:
    base = tar(("a", b"base"))
    manifest = archive.put_image(images, b'{"rootfs":{"diff_ids":[]}}', [images.put([base])])
    images.tag("base:1", manifest, "base", "sha256:" + "a" * 64)
    assert images.origin("base:1") == "sha256:" + "a" * 64
    image(images, "x/one:1", base, tar(("b", b"1")))
    images.untag("x/one:1")
    assert images.find("base:1")
    assert images.sweep(bases=True) > len(base)
    assert images.find("base:1") is None
    assert blobs(images) == set()


def test_modes_are_for_the_owner_or_the_group(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        for shared, folder, file in ((False, 0o700, 0o400), (True, 0o2770, 0o440)):
            images = Layout(tmp_path / str(shared), shared=shared)
            manifest = image(images, "x:1", tar(("a", b"1")))
            blob = images.folder / "blobs" / "sha256" / manifest.digest[7:]
            assert stat.S_IMODE(images.folder.stat().st_mode) == folder
            assert stat.S_IMODE(blob.stat().st_mode) == file
            assert stat.S_IMODE((images.folder / "index.json").stat().st_mode) & 0o007 == 0
    finally:
        os.umask(old)


def test_what_is_not_what_it_was_announced_as_is_refused(images: Layout) -> None:
    good = b"good"
    wanted = Descriptor(layout.LAYER, f"sha256:{hashlib.sha256(good).hexdigest()}", len(good))
    for wrong in ([b"evil"], [b"good, and more"], [b"goo"], []):
        with pytest.raises(NuvError, match="not what it was announced as"):
            images.write(wanted, iter(wrong))
        assert not images.has(wanted.digest)
        assert list((images.folder / "blobs" / "sha256").iterdir()) == []
    images.write(wanted, iter([b"go", b"od"]))
    assert images.read(wanted.digest) == good
    for bad in ("sha256:../../etc/passwd", "sha256:" + "A" * 64, ""):
        with pytest.raises(StoreError, match="Not a digest"):
            images.has(bad)


def test_damage_is_named_when_it_is_read(images: Layout, tmp_path: Path) -> None:
    manifest = image(images, "x:1", tar(("a", b"1" * 5000)))
    layer = json.loads(images.read(manifest.digest))["layers"][0]["digest"]
    blob = images.folder / "blobs" / "sha256" / layer[7:]
    data = bytearray(blob.read_bytes())
    data[700] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(data)
    target = tmp_path / "out.tar"
    with pytest.raises(StoreError, match="damaged"):
        archive.write(images, manifest, "x:1", target, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    blob.unlink()
    with pytest.raises(StoreError, match="missing"):
        archive.write(images, manifest, "x:1", target, Silent())
    (images.folder / "index.json").write_text("{")
    with pytest.raises(StoreError, match=r"index\.json cannot be read"):
        images.find("x:1")
    with pytest.raises(StoreError):
        images.sweep()


def test_a_full_disk_leaves_nothing_and_says_so(images: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: object) -> None:
        raise OSError(28, "No space left on device")

    images.put([b"before"])
    monkeypatch.setattr(atomic, "write_all", full)
    with pytest.raises(StoreError, match=r"No space left on device"):
        images.put([b"after"])
    monkeypatch.undo()
    assert blobs(images) == {hashlib.sha256(b"before").hexdigest()}


def test_archives_are_read_back_in_both_forms(images: Layout, tmp_path: Path) -> None:
    manifest = image(images, "127.0.0.1:1/x:1", tar(("a", b"1")), tar(("b", b"2")))
    path = tmp_path / "image.tar"
    archive.write(images, manifest, "127.0.0.1:1/x:1", path, Silent())
    with pytest.raises(NuvError, match="exists already"):
        archive.write(images, manifest, "127.0.0.1:1/x:1", path, Silent())
    other = Layout(tmp_path / "other")
    assert archive.read(other, path, Silent(), ("linux", "amd64")) == (manifest, ["127.0.0.1:1/x:1"])
    # Without manifest.json it is an OCI archive and nothing else.
    stripped = tmp_path / "oci.tar"
    with tarfile.open(path) as old, tarfile.open(stripped, "w") as new:
        for member in old:
            if member.name != "manifest.json":
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
    third = Layout(tmp_path / "third")
    assert archive.read(third, stripped, Silent(), ("linux", "amd64"))[0] == manifest


_LINKED = (
    ("manifest.json", b'[{"Config":"c","Layers":["l"]}]'),
    ("c", b'{"rootfs":{"diff_ids":["sha256:0"]}}'),
    ("l", "/etc/passwd"),
)
BAD = {
    "empty": b"",
    "text": b"not a tar" * 200,
    "something else": tar(("x", b"1")),
    "no image": tar(("manifest.json", b"[]")),
    "no list": tar(("manifest.json", b'"x"')),
    "outside": tar(("manifest.json", b'[{"Config":"../../etc/passwd","Layers":[]}]')),
    "link to the disk": tar(*_LINKED),
    "no digest": tar(("index.json", b'{"manifests":[{"digest":"sha256:zz"}]}')),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_archive_is_refused_in_words(images: Layout, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(data)
    with pytest.raises(NuvError, match=r"bad\.tar cannot be used"):
        archive.read(images, path, Silent(), ("linux", "amd64"))


@pytest.fixture
def stacked(images: Layout, tmp_path: Path) -> Iterator[dict[str, bytes | None]]:
    layers = [
        images.put([data])
        for data in (
            tar(("etc", None), ("etc/a", b"old"), ("etc/gone", b"x"), ("opt", None), ("opt/x", b"x"), ("lib", "usr/lib")),
            tar(("etc/a", b"new"), ("etc/.wh.gone", b""), ("opt/.wh..wh..opq", b""), ("opt/y", b"y"), ("usr/lib/z", b"z")),
        )
    ]  # fmt: skip
    with image_tree(images, layers, tmp_path) as tree:
        yield {path: tree.read(path) for path in [*tree.paths, "lib/z", "etc/none"]}


def test_layers_lie_on_top_of_each_other(stacked: dict[str, bytes | None]) -> None:
    assert stacked == {
        "etc": None,
        "etc/a": b"new",
        "lib": None,
        "opt": None,
        "opt/y": b"y",
        "usr/lib/z": b"z",
        "lib/z": b"z",
        "etc/none": None,
    }


def test_an_archive_with_compressed_layers_is_the_same_image_each_time(
    images: Layout, tmp_path: Path
) -> None:
    plain = tar(("a", b"1"))
    config = json.dumps({"rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]}}).encode()
    said = json.dumps([{"Config": "c.json", "Layers": ["l.tar"], "RepoTags": ["x:1"]}]).encode()
    path = tmp_path / "packed.tar"
    path.write_bytes(tar(("l.tar", gzip.compress(plain)), ("c.json", config), ("manifest.json", said)))
    first = archive.read(images, path, Silent(), ("linux", "amd64"))
    assert archive.read(images, path, Silent(), ("linux", "amd64")) == first
    layers = json.loads(images.read(first[0].digest))["layers"]
    blobs = [Descriptor(e["mediaType"], e["digest"], e["size"]) for e in layers]
    with image_tree(images, blobs, tmp_path) as tree:
        assert tree.read("a") == b"1"


def test_an_image_of_which_a_part_is_gone_is_not_there(images: Layout, tmp_path: Path) -> None:
    manifest = image(images, "x/one:1", tar(("a", b"1")))
    engine = OciEngine(images, Settings(), tmp_path)
    assert engine.inspect("x/one:1")
    layer = json.loads(images.read(manifest.digest))["layers"][0]["digest"]
    (images.folder / "blobs" / "sha256" / layer[7:]).unlink()
    assert engine.inspect("x/one:1") is None


def test_a_foreign_archive_does_not_take_a_name_that_is_in_use(images: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    archive.write(
        other, image(other, "x/one:1", tar(("evil", b"1"))), "x/one:1", tmp_path / "e.tar", Silent()
    )
    mine = image(images, "x/one:1", tar(("a", b"1")))
    engine = OciEngine(images, Settings(), tmp_path)
    with pytest.raises(NuvError, match="is here already") as refusal:
        engine.load(tmp_path / "e.tar", Silent())
    assert refusal.value.exit_code == 5
    assert images.find("x/one:1") == mine
    images.untag("x/one:1")
    assert engine.load(tmp_path / "e.tar", Silent()) == ["x/one:1"]
