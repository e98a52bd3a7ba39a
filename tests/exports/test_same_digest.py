"""The same snapshot exported from `oci` by anybody, anywhere, any time: the same layers, the same digest."""

import datetime
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nuvtui import clock
from tests.exports.conftest import Make, Study
from tests.services.test_shared_store import ADA, BEN, GROUP, PATHS, interpreter
from tests.support.engine import busybox_root
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


class Lab:
    """A project and a shared store, used by two users of the operating system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self._python = interpreter()

    def run(
        self,
        user: str,
        *arguments: str,
        store: str = "store",
        umask: int = 0o022,
        folder: Path | None = None,
        **environment: str,
    ) -> Any:
        """What `nuvtui ARGUMENTS -f json` prints for `user`."""
        done = subprocess.run(
            [self._python, "-m", "nuvtui", *arguments, "-f", "json"],
            cwd=folder or self.project,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.root),
                "NUVTUI_HOME": str(self.root / store),
                "PYTHONPATH": os.pathsep.join(PATHS),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "DOCKER_HOST": f"unix://{self.root}/no-engine.sock",
                **environment,
            },
            user=user,
            group=GROUP,
            extra_groups=[],
            umask=umask,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def index(self, store: str = "store") -> dict[str, str]:
        """Digest of the manifest of each image, by its reference."""
        found = json.loads((self.root / store / "images" / "index.json").read_bytes())["manifests"]
        return {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in found}


@pytest.fixture
def lab(tiny_archive: str) -> Iterator[Lab]:
    interpreter()
    root = Path(tempfile.mkdtemp(prefix="nvt-lab-"))
    try:
        lab = Lab(root)
        (lab.project / "data" / "deep").mkdir(parents=True)
        (lab.project / ".nuvtui" / "apps").mkdir(parents=True)
        (lab.project / "data" / "größe.csv").write_text("a,b\n1,2\n")
        (lab.project / "data" / "deep" / "same.csv").symlink_to("../größe.csv")
        (lab.project / "run.sh").write_text("#!/bin/sh\ncat data/*.csv\n")
        (lab.project / "run.sh").chmod(0o750)
        shutil.copy(tiny_archive.partition(":")[2], lab.project / ".." / "base.tar")
        (lab.project / ".nuvtui" / "apps" / "demo.yaml").write_text(
            json.dumps(
                {
                    "name": "Demo",
                    "kind": "script",
                    "image": f"docker-archive:{root}/base.tar",
                    "variables": {"B": "2", "A": "1"},
                    "secrets": ["HF_TOKEN"],
                    "command": ["./run.sh"],
                }
            )
        )
        for path in [root, *root.rglob("*")]:
            shutil.chown(path, group=GROUP, user=ADA)
            if not path.is_symlink():
                path.chmod(0o2770 if path.is_dir() else path.stat().st_mode | 0o660)
        yield lab
    finally:
        shutil.rmtree(root)


def test_two_users_umasks_zones_languages_folders_and_times_give_one_digest(lab: Lab) -> None:
    lab.run(ADA, "store", "init", "--shared")
    lab.run(ADA, "init", "--space", "lab")
    lab.run(ADA, "members", "set", BEN, "editor")
    lab.run(ADA, "snapshots", "create", "-n", "handed-over")
    # The same store, once more, elsewhere: nothing of what was made in the one is known in the other.
    for number, owner in ((2, BEN), (3, ADA)):
        shutil.copytree(lab.root / "store", lab.root / f"store-{number}")
        for path in [lab.root / f"store-{number}", *(lab.root / f"store-{number}").rglob("*")]:
            shutil.chown(path, user=owner, group=GROUP)
    create = ("exports", "create", "demo", "-p", "handed-over", "--with-files", "--engine", "oci")
    first = lab.run(ADA, *create, umask=0o077)
    wait_until(lambda: clock.now()[:19] > first["finished"][:19], "another second")
    others = [
        lab.run(BEN, *create, umask=0o002, TZ="Pacific/Kiritimati", LC_ALL="C", LANG="C"),
        lab.run(
            BEN, *create, store="store-2", umask=0o002, TZ="America/St_Johns", LC_ALL="de_DE.UTF-8",
            folder=lab.project / "data" / "deep", TMPDIR=str(lab.root), PYTHONHASHSEED="7",
        ),
        lab.run(ADA, *create, store="store-3", umask=0o027, PYTHONHASHSEED="8", HF_TOKEN="not-in-it-4711"),
    ]  # fmt: skip
    assert {other["author"] for other in others} == {ADA, BEN}
    assert {other["image_id"] for other in others} == {first["image_id"]}
    digests = {
        lab.index(store)[record["image"]]
        for store, record in zip(("store", "store", "store-2", "store-3"), (first, *others), strict=True)
    }
    assert len(digests) == 1
    for store in ("store", "store-2", "store-3"):
        blobs = lab.root / store / "images" / "blobs" / "sha256"
        assert {path.name for path in blobs.iterdir()} == {
            path.name for path in (lab.root / "store" / "images" / "blobs" / "sha256").iterdir()
        }


@pytest.fixture
def another_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Moves the clock of this process on by a day."""
    days = 0
    now = clock.now

    def told() -> str:
        then = clock.parse(now()) + datetime.timedelta(days=days)
        return then.isoformat(timespec="microseconds")

    def move() -> None:
        nonlocal days
        days += 1

    monkeypatch.setattr(clock, "now", told)
    return move


def test_a_second_export_writes_no_layer_again(
    study: Study, tiny_archive: str, another_day: Callable[[], None]
) -> None:
    study.application(tiny_archive, ["true"])
    study.write("data/a.bin", os.urandom(200_000))
    snapshot = study.snapshot()
    first = study.export(snapshot=snapshot, with_files=True)

    def blobs() -> dict[str, tuple[int, int]]:
        return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in study.blobs.iterdir()}

    layers = {digest.removeprefix("sha256:") for _, digest in study.layers(first)}
    before = blobs()
    assert layers <= set(before)
    second = study.export(snapshot=snapshot, with_files=True)
    after = blobs()
    assert second.image_id == first.image_id
    assert second.image != first.image
    assert set(after) == set(before)
    assert {name: after[name] for name in layers} == {name: before[name] for name in layers}
    # From another snapshot of the same files: the layer of the files is not written again either.
    study.write(".nuvtui/ignore", "*.tmp\n")
    another_day()
    third = study.export(with_files=True)
    assert dict(study.layers(third))["files"] == dict(study.layers(first))["files"]
    assert third.image_id != first.image_id
    again = blobs()
    assert {name: again[name] for name in layers & set(again)} == {
        name: before[name] for name in layers & set(again)
    }


def test_the_same_content_in_two_folders_and_stores_is_the_same_layer_of_files(
    make_study: Make, tmp_path: Path, another_day: Callable[[], None]
) -> None:
    base = tmp_path / "base.tar"
    _archive_of_tiny(base)
    found = []
    for name in ("one", "another/deeper"):
        study = make_study(folder=tmp_path / name)
        study.application(f"docker-archive:{base}", ["true"])
        for path, text, mode in (("a.csv", "x\n1\n", 0o640), ("src/run.sh", "#!/bin/sh\n", 0o755)):
            os.utime(study.write(path, text, mode), (1_700_000_000, 1_700_000_000))
        os.utime(study.world.root() / "src", (1_700_000_001, 1_700_000_001))
        found.append(dict(study.layers(study.export(with_files=True)))["files"])
        another_day()
    assert found[0] == found[1]


def _archive_of_tiny(path: Path) -> None:
    """A docker-archive with nothing but busybox, made by hand."""
    import hashlib
    import io
    import tarfile

    layer = busybox_root()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["tiny:1"], "Layers": ["l.tar"]}]).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in (("manifest.json", manifest), ("c.json", config), ("l.tar", layer)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
