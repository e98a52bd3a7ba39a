"""Layers: the same content gives the same bytes, another content another key; sizes are told before."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.errors import NuvError
from nuvtui.images.host.files import HostFile
from nuvtui.images.oci import layers
from nuvtui.images.oci.layers import Layer
from tests.images.project import Project, application


def content(layer: Layer) -> bytes:
    return b"".join(layer.stream())


def listed(layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(
        fileobj=io.BytesIO(content(layer)), encoding="utf-8", errors="surrogateescape"
    ) as archive:
        return {member.name: member for member in archive}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("run.sh", "#!/bin/sh\n", 0o700)
    found.write("data/a.csv", "x\n1\n", 0o600)
    os.symlink("a.csv", found.workspace / "data" / "link")
    os.link(found.workspace / "data" / "a.csv", found.workspace / "twin.csv")
    return found


def test_modes_owners_and_times_are_the_images_not_the_machines(project: Project) -> None:
    recipe = project.recipe(application(command=["./run.sh"], workdir="/files/out/of/here"))
    found = listed(layers.files_layer(recipe, project.store))
    assert {name: oct(member.mode) for name, member in found.items()} == {
        "files": "0o777",
        "files/out": "0o777",
        "files/out/of": "0o777",
        "files/out/of/here": "0o777",
        "files/data": "0o777",
        "files/data/a.csv": "0o666",
        "files/data/link": "0o777",
        "files/run.sh": "0o777",
        "files/twin.csv": "0o666",
    }
    assert {(member.uid, member.gid, member.uname) for member in found.values()} == {(0, 0, "")}
    assert found["files/twin.csv"].linkname == "files/data/a.csv"
    assert found["files/data/link"].linkname == "a.csv"


def test_key_and_bytes_go_together(project: Project) -> None:
    recipe = project.recipe(application(command=["x"]))
    layer = layers.files_layer(recipe, project.store)
    again = layers.files_layer(project.recipe(application(command=["y"])), project.store)
    assert (layer.key, content(layer)) == (again.key, content(again))
    seen = {layer.key: content(layer)}
    for change in (
        lambda: project.write("data/a.csv", "x\n2\n", 0o600),
        lambda: (project.workspace / "run.sh").chmod(0o600),
        lambda: os.utime(project.workspace / "run.sh", (1, 1)),
        lambda: project.write("data/b.csv", ""),
        lambda: (project.workspace / "twin.csv").unlink(),
    ):
        change()
        other = layers.files_layer(project.recipe(application(command=["x"])), project.store)
        assert other.key not in seen
        assert content(other) not in seen.values()
        seen[other.key] = content(other)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text("abcé/", min_size=1, max_size=300).map(lambda t: t.strip("/").replace("//", "/x/") or "a"),
        st.tuples(st.sampled_from("fl"), st.binary(max_size=1500)),
        max_size=8,
    )
)
def test_the_size_told_before_is_that_of_the_bytes(found: dict[str, tuple[str, bytes]]) -> None:
    files = [
        HostFile(path, "f", 0o644, len(data), "", data)
        if kind == "f"
        else HostFile(path, "l", 0o777, 0, "", b"", data.hex() or "x")
        for path, (kind, data) in sorted(found.items())
    ]
    layer = layers.host_layer("runtime", files)
    data = content(layer)
    assert layer.size == len(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [member.name for member in archive] == [file.path for file in files]


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "lib.so"
    file.write_bytes(b"123456")
    layer = layers.host_layer("runtime", [HostFile("lib.so", "f", 0o755, 6, str(file))])
    first = hashlib.sha256(content(layer)).hexdigest()
    key = layer.key
    file.write_bytes(b"1234567")
    with pytest.raises(NuvError, match=r"lib\.so has changed while it was read"):
        content(layer)
    again = layers.host_layer("runtime", [HostFile("lib.so", "f", 0o755, 7, str(file))])
    assert again.key != key
    assert hashlib.sha256(content(again)).hexdigest() != first
    file.unlink()
    with pytest.raises(NuvError, match="cannot be read"):
        content(again)
