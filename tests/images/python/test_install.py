"""pip packages without an engine: wheels for another machine, the same files from any machine, no trace of this one."""

import base64
import csv
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.images.python.install import check, install, superseded
from nuvtui.images.python.interpreter import ImagePython, platform_tags
from nuvtui.images.python.wheels import InstalledPackages
from tests.images.project import Recorder
from tests.support.waiting import wait_until

SITE = "usr/local/lib/python3.12/site-packages"
PYTHON = ImagePython("/usr/local/bin/python3", "3.12", f"/{SITE}", platform_tags("glibc 2.36", "amd64"))


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    tag: str = "py3-none-any",
    files: dict[str, str] | None = None,
    requires: tuple[str, ...] = (),
    entry_points: str = "",
    extra_rows: tuple[str, ...] = (),
) -> Path:
    """A wheel with `files`, or one module; programs are those below `.data/scripts`."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    content = {
        **(files if files is not None else {f"{name}.py": f"VERSION = {version!r}\n"}),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        rows = [*extra_rows]
        for member, text in content.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{member},sha256={digest},{len(text.encode())}")
            entry = zipfile.ZipInfo(member)
            entry.external_attr = (0o100755 if "/scripts/" in member else 0o100644) << 16
            archive.writestr(entry, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, and from nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def run(
    requirements: str,
    folder: Path,
    settings: Settings | None = None,
    reporter: Recorder | None = None,
    python: ImagePython = PYTHON,
    secrets: tuple[str, ...] = (),
) -> InstalledPackages:
    return install(requirements, python, folder, settings or Settings(), reporter or Recorder(), secrets)


def content(installed: InstalledPackages) -> dict[str, tuple[str, int, bytes]]:
    """Kind, mode and bytes by path."""
    for file in installed.files:
        assert file.size == (Path(file.source).stat().st_size if file.source else len(file.data))
    return {
        file.path: (file.kind, file.mode, Path(file.source).read_bytes() if file.source else file.data)
        for file in installed.files
    }


def laid_out(installed: InstalledPackages, folder: Path) -> Path:
    """The files in `folder` as a layer puts them into an image."""
    folder.mkdir()
    for path, (kind, mode, data) in content(installed).items():
        place = folder / path
        if kind == "d":
            place.mkdir()
        else:
            place.write_bytes(data)
        place.chmod(mode)
    return folder


def assert_records_are_true(root: Path) -> None:
    """Every file of a package is in its RECORD, with its checksum, and nothing else is."""
    listed = set()
    for record in (root / SITE).glob("*.dist-info/RECORD"):
        rows = list(csv.reader(io.StringIO(record.read_text())))
        assert rows == sorted(rows)
        for path, checksum, size in rows:
            file = Path(os.path.normpath(root / SITE / path))
            listed.add(file)
            if checksum:
                digest = hashlib.sha256(file.read_bytes()).digest()
                assert checksum == "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                assert int(size) == file.stat().st_size
            else:
                assert file == record
    assert listed == {path for path in root.rglob("*") if path.is_file()}


def test_from_the_index_for_another_python(tmp_path: Path, package_index: dict[str, str]) -> None:
    reporter = Recorder()
    python = ImagePython(
        "/opt/py/bin/python3", "3.13", "/opt/py/lib/python3.13/site-packages", PYTHON.platforms
    )
    installed = run("six\ntabulate\nMarkupSafe\n", tmp_path / "out", reporter=reporter, python=python)
    assert [name for name, _ in installed.packages] == ["MarkupSafe", "six", "tabulate"]
    assert all(version[0].isdigit() for _, version in installed.packages)
    files = content(installed)
    assert list(files) == sorted(files)
    assert all(path.rpartition("/")[0] in ("", *files) for path in files)
    binary = [path for path in files if path.endswith(".so")]
    assert len(binary) == 1
    assert "cpython-313-x86_64-linux-gnu" in binary[0]
    kind, mode, script = files["opt/py/bin/tabulate"]
    assert (kind, mode) == ("f", 0o755)
    assert script.startswith(b"#!/opt/py/bin/python3\nimport sys\nfrom tabulate import _main\n")
    assert b"Successfully downloaded" in reporter.output
    assert not any("__pycache__" in path or path.endswith("direct_url.json") for path in files)
    assert sum(path.endswith(".dist-info/INSTALLER") for path in files) == 3
    for _kind, _mode, data in files.values():
        assert os.fsencode(tmp_path) not in data
        assert os.fsencode(sys.prefix) not in data


def test_same_files_whoever_installs_where(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(
        wheels,
        "tool",
        files={
            "tool/__init__.py": "def main(): print('ran')\n",
            "tool/__pycache__/x.cpython-312.pyc": "stale",
            "bin/__init__.py": "",
            "tool-1.0.data/scripts/tool-script": "#!python\nprint('script')\n",
            "tool-1.0.data/scripts/tool-shell": "#!/bin/sh\necho shell\n",
            "tool-1.0.data/data/lib/libtool.so": "a library beside Python's own",
            "tool-1.0.data/data/share/tool/data.txt": "data",
            "tool-1.0.data/headers/tool.h": "/* header */",
        },
        entry_points="[console_scripts]\ntool = tool:main\ntool-x = tool:main [extra]\n",
        extra_rows=("never/there.py,,", "../../../../../../etc/passwd,,"),
    )
    first = run("tool\n", tmp_path / "one")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("HOME", str(tmp_path / "other home"))
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    try:
        second = run("tool\n", tmp_path / "two with blanks" / "deeper")
    finally:
        os.umask(before)
    assert content(first) == content(second)
    assert first.packages == second.packages == [("tool", "1.0")]
    files = content(first)
    assert set(files) >= {
        f"{SITE}/tool/__init__.py",
        f"{SITE}/bin/__init__.py",
        "usr/local/bin/tool",
        "usr/local/bin/tool-x",
        "usr/local/lib/libtool.so",
        "usr/local/share/tool/data.txt",
        "usr/local/include/python3.12/tool/tool.h",
    }
    assert files["usr/local/bin/tool-script"] == ("f", 0o755, b"#!/usr/local/bin/python3\nprint('script')\n")
    assert files["usr/local/bin/tool-shell"] == ("f", 0o755, b"#!/bin/sh\necho shell\n")
    assert {(kind, mode) for kind, mode, _ in files.values()} == {("d", 0o755), ("f", 0o644), ("f", 0o755)}
    root = laid_out(first, tmp_path / "root")
    assert_records_are_true(root)
    program = (root / "usr/local/bin/tool").read_text()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(root / SITE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ran\n"


def test_markers_are_judged_by_the_images_python(tmp_path: Path, wheels: Path) -> None:
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    other = "3.13" if running != "3.13" else "3.12"
    wheel(
        wheels,
        "app",
        requires=(
            f"ours; python_version == '{other}' and platform_machine == 'aarch64'",
            f"theirs; python_version == '{running}'",
        ),
    )
    wheel(wheels, "ours")
    wheel(wheels, "theirs")
    python = ImagePython(
        "/usr/bin/python3", other, f"/usr/lib/python{other}/site-packages", platform_tags("musl 1.2", "arm64")
    )
    assert run("app\n", tmp_path / "out", python=python).packages == [("app", "1.0"), ("ours", "1.0")]


def test_the_wheel_for_the_platform_is_taken(tmp_path: Path, wheels: Path) -> None:
    for tag in ("cp312-cp312-manylinux_2_40_x86_64", "cp312-cp312-musllinux_1_2_x86_64", "py3-none-any"):
        wheel(wheels, "fast", tag=tag, files={"fast.py": tag})
    wheel(wheels, "fast", tag="cp39-abi3-manylinux_2_28_x86_64", files={"fast.py": "chosen"})
    assert content(run("fast\n", tmp_path / "out"))[f"{SITE}/fast.py"][2] == b"chosen"
    unknown = ImagePython(PYTHON.executable, "3.12", PYTHON.site, platform_tags("", "amd64"))
    assert content(run("fast\n", tmp_path / "out", python=unknown))[f"{SITE}/fast.py"][2] == b"py3-none-any"
    assert [finding.level for finding in check("fast\n", unknown, Settings(), Recorder())] == ["note"]


def refused(requirements: str, folder: Path, python: ImagePython = PYTHON) -> NuvError:
    with pytest.raises(NuvError) as caught:
        run(requirements, folder, python=python)
    assert not list(folder.iterdir()) if folder.exists() else True
    return caught.value


def test_what_has_no_wheel_is_refused_with_the_way_out(tmp_path: Path, wheels: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with tarfile.open(wheels / "compiled-2.0.tar.gz", "w:gz") as archive:
        archive.add(source, "compiled-2.0")
    wheel(wheels, "needs-it".replace("-", "_"), requires=("compiled>=2",))
    wheel(wheels, "by_url", requires=(f"compiled @ file://{wheels}/compiled-2.0.tar.gz",))
    for requirement, named in (
        ("compiled==2.0", "compiled==2.0"),
        ("needs-it", "compiled>=2"),
        ("by-url", "compiled"),
    ):
        error = refused(f"{requirement}\n", tmp_path / "out")
        assert error.title.startswith(f"No wheel of {named}")
        assert "Python 3.12 on manylinux_2_36_x86_64" in error.message
        assert "--engine docker" in error.hint
        assert error.exit_code == Exit.REFUSED
    assert not (tmp_path / "ran").exists()


def test_a_checkout_that_a_package_asks_for_is_refused(tmp_path: Path, wheels: Path) -> None:
    wheel(wheels, "by_checkout", requires=(f"mine @ git+file://{tmp_path}/mine.git",))
    error = refused("by-checkout\n", tmp_path / "out")
    assert error.title == "No wheel of mine"
    assert error.exit_code == Exit.REFUSED


@pytest.mark.parametrize(
    "member", ["tool-1.0.data/data/../../../../etc/passwd", "tool-1.0.data/other/x", "../x.py"]
)
def test_a_wheel_that_leads_elsewhere_is_refused(tmp_path: Path, wheels: Path, member: str) -> None:
    wheel(wheels, "tool", files={"tool.py": "", member: "x"})
    error = refused("tool\n", tmp_path / "out")
    assert "tool-1.0-py3-none-any.whl" in error.title
    assert error.exit_code == Exit.REFUSED
    assert not (tmp_path / "x.py").exists()


def test_a_source_distribution_of_the_index_is_refused(tmp_path: Path, package_index: dict[str, str]) -> None:
    python = ImagePython(PYTHON.executable, "3.14", PYTHON.site, platform_tags("glibc 2.36", "riscv64"))
    error = refused("statsmodels==0.14.5\n", tmp_path / "out", python)
    assert error.title.startswith("No wheel of statsmodels==0.14.5")
    assert "riscv64" in error.message


def test_packages_that_contradict_each_other(tmp_path: Path, wheels: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(wheels, "base", version)
    wheel(wheels, "a", requires=("base==1.0",))
    wheel(wheels, "b", requires=("base==2.0",))
    error = refused("a\nb\n", tmp_path / "out")
    assert error.title == "The packages cannot be installed together"
    assert "base==1.0" in error.message
    assert "base==2.0" in error.message
    assert error.exit_code == Exit.REFUSED


@pytest.mark.parametrize(
    ("requirement", "what"),
    [
        ("mine @ git+https://example.org/mine.git@abc", "a checkout"),
        ("mine[x] @ https://example.org/mine-1.0.tar.gz#sha256=00", "an archive"),
        ("mine@https://example.org/mine-1.0.zip ; python_version > '3'", "an archive"),
        ("mine @ file:///srv/mine-1.0-py3-none-any.whl", "an archive"),
    ],
)
def test_what_has_to_be_built_is_said_before_anything_starts(
    tmp_path: Path, requirement: str, what: str
) -> None:
    (finding,) = check(f"six\n{requirement}\n", PYTHON, Settings(), Recorder())
    assert (finding.level, finding.subject) == ("stop", "packages.pip")
    assert f"mine comes from {what}" in finding.text
    assert "wheel" in finding.hint
    assert "--engine docker" in finding.hint
    assert refused(f"{requirement}\n", tmp_path / "out").exit_code == Exit.REFUSED


def test_nothing_is_said_of_what_pip_can_take() -> None:
    text = "six\nmine @ https://example.org/mine-1.0-py3-none-any.whl\nb[c]>=1,<2; python_version > '3'\n"
    assert check(text, PYTHON, Settings(), Recorder()) == []
    assert check("", PYTHON, Settings(), Recorder()) == []


def test_nothing_to_install_starts_nothing(tmp_path: Path) -> None:
    assert run("\n", tmp_path / "out") == InstalledPackages([], [])
    assert not (tmp_path / "out").exists()


SECRET, NAME = "s3cr3t-of-the-index", "robot-account"


def test_credentials_get_nowhere(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(wheels, "mine")
    settings = tmp_path / "pip.conf"
    settings.write_text(
        f"[global]\nextra-index-url = http://{NAME}:{SECRET}@127.0.0.1:9/simple\nretries = 0\ntimeout = 1\n"
        f"require-virtualenv = true\n[download]\nno-deps = true\nno-binary = :all:\ndest = {tmp_path}/elsewhere\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", "pip.conf")
    monkeypatch.setenv("HF_TOKEN", "not-for-pip")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []

    def look(_: Recorder) -> bool:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(tmp_path).encode() in (line := process.read_bytes()):
                    seen.append(line.decode())
            except OSError:
                continue
        return False

    reporter = Recorder(look)
    index = f"http://{NAME}-2:{SECRET}-2@127.0.0.1:9/simple"
    installed = run(
        "mine\n", tmp_path / "out", Settings(pip_index=index), reporter, secrets=("Looking in indexes",)
    )
    assert installed.packages == [("mine", "1.0")]
    assert "127.0.0.1:9" in reporter.text
    assert any("--only-binary" in line for line in seen)
    for text in (reporter.text, *seen):
        assert SECRET not in text
        assert NAME not in text
    assert "Looking in indexes" not in reporter.text
    for _kind, _mode, data in content(installed).values():
        assert SECRET.encode() not in data
    assert not (tmp_path / "elsewhere").exists()


def test_an_index_that_does_not_answer_is_no_missing_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(NuvError) as caught:
        run("mine\n", tmp_path / "out", Settings(pip_index="http://127.0.0.1:9/simple"))
    assert caught.value.title == "The package index does not answer"
    assert caught.value.exit_code == Exit.FAILED


def test_certificates_of_the_site_are_checked(tmp_path: Path) -> None:
    with pytest.raises(NuvError) as caught:
        run("six\n", tmp_path / "out", Settings(ca_bundle=str(tmp_path / "missing.pem")))
    assert caught.value.exit_code == Exit.USAGE


def _alive(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in process.read_bytes():
                found.append(int(process.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.fixture
def slow_index() -> Iterator[str]:
    """An index that takes a connection and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"
    finally:
        server.close()


def test_cancel_ends_pip_at_once_and_leaves_nothing(tmp_path: Path, slow_index: str) -> None:
    out = tmp_path / "out"
    reporter = Recorder(lambda said: "Looking in indexes" in said.text)
    with pytest.raises(Cancelled):
        run("mine\n", out, Settings(pip_index=slow_index), reporter)
    assert "timed out" not in reporter.text  # pip did not give up by itself
    assert list(out.iterdir()) == []
    assert _alive(out) == []


def test_pip_ends_with_the_process_that_started_it(tmp_path: Path, slow_index: str) -> None:
    out = tmp_path / "out"
    program = (
        "import sys; from pathlib import Path; from nuvtui.config import Settings; from nuvtui.reporter import Silent\n"
        "from nuvtui.images.python.install import install\nfrom nuvtui.images.python.interpreter import ImagePython\n"
        "python = ImagePython('/usr/bin/python3', '3.12', '/usr/lib/python3.12/site-packages', ['linux_x86_64'])\n"
        "install('mine', python, Path(sys.argv[1]), Settings(pip_index=sys.argv[2]), Silent(), [])\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(out), slow_index], cwd=Path(__file__).parents[3]
    )
    wait_until(lambda: [pid for pid in _alive(out) if pid != worker.pid], "pip at work")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_until(lambda: not _alive(out), "the end of pip")


def test_other_versions_in_the_image_are_superseded(tmp_path: Path, wheels: Path) -> None:
    wheel(wheels, "some_tool", "2.0", files={"some_tool/new.py": "", "some_tool/both.py": ""})
    installed = run("some-tool\n", tmp_path / "out")
    info = f"{SITE}/some_tool-1.0.dist-info"
    listed = (
        "some_tool/old.py",
        "some_tool/both.py",
        "../../../bin/some-tool",
        "../../../../../etc/passwd",
        "no.py",
    )
    record = "".join(f"{path},,\n" for path in listed)
    image = {
        f"{info}/RECORD": record.encode(),
        f"{info}/METADATA": b"",
        f"{SITE}/some_tool/old.py": b"",
        f"{SITE}/some_tool/both.py": b"",
        f"{SITE}/other-1.0.dist-info/RECORD": b"other.py,,\n",
        f"{SITE}/other.py": b"",
        "usr/local/bin/some-tool": b"",
        "etc/passwd": b"",
    }
    assert superseded(image.keys(), installed, PYTHON, image.get) == [
        "usr/local/bin/some-tool",
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{SITE}/some_tool/old.py",
    ]
