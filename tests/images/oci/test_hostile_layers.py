"""Layers that others made: what they unpack to, and what their headers claim, is bounded; a cancel is heard at once."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled, NuvError
from nuvtui.images.engine.image_tree import image_tree
from nuvtui.images.oci.layout import LAYER, Layout

GZIP = f"{LAYER}+gzip"


@pytest.fixture
def images(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "images")


def zeros(size: int) -> bytes:
    """A compressed tar with one file of so many zero bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
        info = tarfile.TarInfo("bomb")
        info.size = size
        stream.write(info.tobuf())
        piece = bytes(1 << 20)
        for _ in range(size >> 20):
            stream.write(piece)
        stream.write(bytes(1024))
    return packed.getvalue()


def test_a_layer_that_unpacks_to_far_more_than_it_is_stored_as_is_refused(
    images: Layout, tmp_path: Path
) -> None:
    layer = images.put([zeros(300 << 20)], GZIP)
    written = 0

    def check() -> None:
        nonlocal written
        written += 1 << 20

    with pytest.raises(NuvError, match="made to fill disk") as refused:
        image_tree(images, [layer], tmp_path, check)
    assert refused.value.exit_code == 6
    assert written <= 256 << 20


def test_many_layers_may_not_do_what_one_may_not(images: Layout, tmp_path: Path) -> None:
    layer = images.put([zeros(100 << 20)], GZIP)
    with pytest.raises(NuvError, match="made to fill disk"):
        image_tree(images, [layer] * 3, tmp_path)


def test_a_layer_that_compresses_well_is_read(images: Layout, tmp_path: Path) -> None:
    layer = images.put([zeros(40 << 20)], GZIP)
    with image_tree(images, [layer], tmp_path) as tree:
        assert tree.paths == ["bomb"]


@pytest.mark.parametrize("first", [True, False])
def test_a_header_that_claims_megabytes_is_refused_unread(
    images: Layout, tmp_path: Path, first: bool
) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as out:
        if not first:
            out.addfile(tarfile.TarInfo("before"))
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * (2 << 20)}
        out.addfile(info)
    layer = images.put([data.getvalue()])
    with pytest.raises(NuvError, match="headers claims") as refused:
        image_tree(images, [layer], tmp_path)
    assert refused.value.exit_code == 6


def test_a_cancel_is_heard_while_a_layer_is_unpacked(images: Layout, tmp_path: Path) -> None:
    layer = images.put([zeros(100 << 20)], GZIP)
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        image_tree(images, [layer], tmp_path, check)
    assert asked == 3
