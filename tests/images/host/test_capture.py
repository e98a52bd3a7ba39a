"""Capture of this machine's Python for an image, and the closure of shared libraries behind it.

The machine's own files are the material; where a rule needs a particular library, a tiny ELF file is put together.
"""

import base64
import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled, Exit, NuvError
from nuvtui.images.host import certificates, elf, interpreter, libraries, system, trees
from nuvtui.images.host.capture import HostCapture, capture
from nuvtui.images.host.certificates import certificates_in
from nuvtui.images.host.files import HostFile, signature
from nuvtui.model.tree import FILE, FOLDER, LINK
from tests.images.host.elves import tiny_elf

SYSTEM_PYTHON = Path("/usr/bin/python3")
PASSWORD = "hunter2-in-a-url"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="captures of Linux only")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")


def tree_of_capture(found: HostCapture) -> trees.VirtualTree:
    """The image of a capture, laid over each other as layers are, without writing it."""
    files, links = {}, {}
    for file in [*found.runtime, *found.environment]:
        if file.kind == LINK:
            links[file.path] = file.target
        elif file.kind == FILE and file.source:
            files[file.path] = lambda source=file.source: trees.open_plain(source)
        elif file.kind == FILE:
            files[file.path] = lambda data=file.data: io.BytesIO(data)
    return trees.VirtualTree(files, links)


def lay_out(found: HostCapture, root: Path) -> None:
    """The capture as folders and files: what unpacking the image's layers gives."""
    root.mkdir(mode=0o755)
    folders = []
    for file in [*found.runtime, *found.environment]:
        path = os.path.join(root, file.path)
        if file.kind == FOLDER:
            os.makedirs(path, exist_ok=True)
            folders.append((path, file.mode))
        elif file.kind == LINK:
            os.symlink(file.target, path)
        else:
            if file.source:
                shutil.copyfile(file.source, path)
            else:
                Path(path).write_bytes(file.data)
            os.chmod(path, file.mode)
    for path, mode in folders:
        os.chmod(path, mode)


def run_in(root: Path, found: HostCapture, *command: str) -> subprocess.CompletedProcess[str]:
    """`command` inside `root` as a user that nobody knows, with the capture's variables and nothing else."""

    def enter() -> None:
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(31415)
        os.setuid(27182)

    return subprocess.run(
        [command[0], *command[1:]],
        executable=command[0] if command[0].startswith("/") else None,
        env=found.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=enter,
        timeout=120,
        check=False,
    )


def site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python3*/site-packages"))


def package(environment: Path, name: str = "tiny", direct_url: object = None) -> Path:
    """A package as pip leaves it."""
    site = site_packages(environment)
    (site / name).mkdir()
    (site / name / "__init__.py").write_text("ANSWER = 42\n")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    return site


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / ".venv"
    venv.create(folder, symlinks=True, with_pip=False)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HostCapture]:
    """A venv with one package and its capture, for tests that only look at them."""
    folder = tmp_path_factory.mktemp("plain") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    package(folder)
    return folder, capture(folder)


def by_path(files: list[HostFile]) -> dict[str, HostFile]:
    return {file.path: file for file in files}


def inside(path: Path | str) -> str:
    return os.path.realpath(path)[1:]


def texts(found: HostCapture) -> str:
    return "\n".join([*found.warnings, *(f"{one.what} {one.reason}" for one in found.excluded)])


def test_lists_are_in_order_and_complete(plain: tuple[Path, HostCapture]) -> None:
    folder, found = plain
    for files in (found.runtime, found.environment):
        paths = [file.path for file in files]
        assert paths == sorted(set(paths))
        kinds = {file.path: file.kind for file in files}
        for path in paths:
            parent = path.rpartition("/")[0]
            assert not parent or kinds[parent] == FOLDER, f"{path} is below something that is no folder"
        for file in files:
            assert file.mode in {FILE: (0o644, 0o755), FOLDER: (0o755, 0o1777), LINK: (0o777,)}[file.kind]
            if file.source:
                info = os.lstat(file.source)
                assert stat.S_ISREG(info.st_mode)
                assert info.st_size == file.size
            assert not file.path.startswith("/")
            assert not file.path.endswith((".pyc", ".a"))
    runtime, own = by_path(found.runtime), by_path(found.environment)
    assert all(runtime[path].kind == own[path].kind == FOLDER for path in runtime.keys() & own.keys())
    assert runtime["tmp"].mode == 0o1777
    assert "etc/hosts" not in runtime
    assert b"root:" in runtime["etc/passwd"].data
    assert found.python == f"{folder}/bin/python3"
    assert found.env["PATH"].split(":")[:2] == [f"{folder}/bin", f"{os.path.realpath(sys.base_prefix)}/bin"]
    assert found.env["LANG"] == "C.UTF-8"
    assert found.architecture in interpreter._ARCHITECTURES.values()
    assert not any("/site-packages/" in path for path in runtime)
    assert own[inside(site_packages(folder) / "tiny" / "__init__.py")].kind == FILE


def test_the_standard_library_without_its_tests(plain: tuple[Path, HostCapture]) -> None:
    runtime = by_path(plain[1].runtime)
    standard = os.path.realpath(os.path.dirname(os.__file__))[1:]
    assert f"{standard}/os.py" in runtime
    assert f"{standard}/unittest/case.py" in runtime
    for left in ("test/support/__init__.py", "idlelib/idle_test", "unittest/test", "sqlite3/test"):
        assert f"{standard}/{left}" not in runtime
    assert "tests of Python's standard library" in texts(plain[1])


def test_capturing_twice_gives_the_same(plain: tuple[Path, HostCapture]) -> None:
    folder, found = plain
    assert capture(folder) == found


def test_the_signature_follows_content_and_nothing_else(environment: Path) -> None:
    site = package(environment)
    before = signature(capture(environment).environment)
    assert signature(capture(environment).environment) == before
    module = site / "tiny" / "__init__.py"
    old = module.stat()
    module.write_text("ANSWER = 43\n")
    os.utime(module, ns=(old.st_atime_ns, old.st_mtime_ns))
    after = signature(capture(environment).environment)
    assert after != before
    module.chmod(0o755)
    assert signature(capture(environment).environment) != after
    one = HostFile("a", FILE, 0o644, 1, data=b"x")
    assert (
        len({signature([one]), signature([one, one]), signature([one._replace(data=b"y")]), signature([])})
        == 4
    )
    gone = HostFile("a", FILE, 0o644, 1, source=str(environment / "gone"))
    assert signature([gone]) != signature([one])


def test_libraries_of_the_capture_are_complete(plain: tuple[Path, HostCapture]) -> None:
    tree = tree_of_capture(plain[1])
    # What the machine itself lacks, the capture says.
    lacking = [pair for pair in libraries.missing(tree, plain[1].python) if pair[1] not in texts(plain[1])]
    assert lacking == []
    libc = next(path for path in tree.files if "/libc.so.6" in path or "/libc.musl" in path)
    short = trees.VirtualTree({p: o for p, o in tree.files.items() if p != libc}, tree._links)
    assert any(name.startswith("libc.") for _, name in libraries.missing(short, plain[1].python))


def test_what_may_not_leave_stays_out(environment: Path, tmp_path: Path) -> None:
    source = tmp_path / "source of tiny"
    source.mkdir()
    site = package(
        environment, "plain", {"url": f"https://ada:{PASSWORD}@example.org/p.whl", "archive_info": {}}
    )
    package(environment, "local", {"url": f"file://{tmp_path}/here", "dir_info": {}})
    package(environment, "led", {"url": source.as_uri(), "dir_info": {"editable": True}})
    (site / "__editable__.led-1.0.pth").write_text(f"{source}/src\n")
    (site / "__editable__.found-1.0.pth").write_text("import __editable___found_finder; pass\n")
    (site / "__editable___found_finder.py").write_text(f"MAPPING: dict = {{'found': '{tmp_path}/found'}}\n")
    (site / "fine.pth").write_text("tiny\n# comment\nimport sys\n")
    (site / "old.egg-link").write_text(f"{tmp_path}/old\n.\n")
    (site / "evil.pth").write_bytes(b"/" + b"x" * 5000 + b"\n\xff\xfe\n\0\n")
    (site / "plain" / "__pycache__").mkdir()
    (site / "plain" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"pyc")
    (site / "plain" / "beside.py").write_text("")
    (site / "plain" / "beside.pyc").write_bytes(b"pyc")
    (site / "plain" / "sourceless.pyc").write_bytes(b"pyc")
    (environment / "pip.conf").write_text(f"[global]\nindex-url = https://ada:{PASSWORD}@example.org\n")
    (site / "plain" / ".netrc").write_text(PASSWORD)
    (site / "plain" / "libx.a").write_bytes(b"!<arch>\n")
    found = capture(environment)
    own = by_path(found.environment)
    names = {path.rpartition("/")[2] for path in own}
    assert not names & {"direct_url.json", "pip.conf", ".netrc", "__pycache__", "beside.pyc", "libx.a"}
    assert {"pyvenv.cfg", "sourceless.pyc", "RECORD", "__editable__.led-1.0.pth", "beside.py"} <= names
    said = texts(found)
    assert PASSWORD not in said
    assert "pip.conf" in said
    assert ".netrc" in said
    assert "direct_url.json of packages" in said
    warnings = "\n".join(found.warnings)
    for place in ("source of tiny/src", f"{tmp_path}/found", f"{tmp_path}/old", f"{tmp_path}/here"):
        assert place in warnings
    assert "fine.pth" not in warnings
    assert "package plain" not in warnings
    assert "package led" not in warnings, "the .pth says it closer"
    assert max(map(len, found.warnings)) < 4000
    said.encode()


def test_links_and_odd_files(environment: Path, tmp_path: Path) -> None:
    site = package(environment)
    secret = tmp_path / "personal" / "diary"
    secret.parent.mkdir()
    secret.write_text(PASSWORD)
    (site / "tiny" / "out").symlink_to(secret)
    (site / "tiny" / "folder").symlink_to(secret.parent)
    (site / "tiny" / "in").symlink_to(site / "tiny" / "__init__.py")
    (site / "tiny" / "nowhere").symlink_to("gone/away")
    (site / "tiny" / "notes.pth").symlink_to(secret)
    (site / "tiny-1.0.dist-info" / "direct_url.json").symlink_to(secret)
    os.mkfifo(site / "tiny" / "pipe")
    odd = os.fsencode(site / "tiny") + b"/caf\xe9.txt"
    with open(odd, "wb") as file:
        file.write(b"odd")
    program = site / "tiny" / "run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o4711)
    found = capture(environment)
    own = by_path(found.environment)
    base = inside(site / "tiny")
    assert own[f"{base}/out"].target == str(secret)
    assert own[f"{base}/folder"].kind == LINK
    assert f"{base}/pipe" not in own
    assert own[f"{base}/caf\udce9.txt"].size == 3
    assert own[f"{base}/run"].mode == 0o755
    paths = {*own, *by_path(found.runtime)}
    assert not any(path.startswith(inside(secret.parent)) for path in paths)
    warnings = "\n".join(found.warnings)
    assert f"tiny/out → {secret}" in warnings
    assert "tiny/folder → " in warnings
    assert "tiny/nowhere → gone/away" in warnings
    assert "tiny/in → " not in warnings
    assert PASSWORD not in texts(found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_unreadable_files_are_named(environment: Path) -> None:
    site = package(environment)
    (site / "tiny" / "closed.py").write_text("")
    (site / "tiny" / "closed.py").chmod(0)
    found = capture(environment)
    assert inside(site / "tiny" / "closed.py") not in by_path(found.environment)
    assert "closed.py" in "\n".join(found.warnings)


def test_a_file_that_vanishes_is_named(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = package(environment)
    module = site / "tiny" / "closed.py"
    module.write_text("")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(module) and allowed(path, mode))
    found = capture(environment)
    assert inside(module) not in by_path(found.environment)
    assert "cannot be read" in "\n".join(found.warnings)
    assert "closed.py" in "\n".join(found.warnings)


def test_an_environment_behind_links_keeps_its_path(environment: Path, tmp_path: Path) -> None:
    package(environment)
    alias = tmp_path / "alias"
    alias.symlink_to(environment.parent)
    found = capture(alias / ".venv")
    own = by_path(found.environment)
    assert own[str(alias)[1:]] == HostFile(str(alias)[1:], LINK, 0o777, 0, target=str(environment.parent))
    assert found.python == f"{alias}/.venv/bin/python3"
    assert inside(environment / "pyvenv.cfg") in own


def test_a_workspace_that_is_a_venv_gives_only_the_venv(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    venv.create(folder, symlinks=True, with_pip=False)
    (folder / ".git").mkdir()
    (folder / "raw-data.csv").write_text("patient,1\n")
    package(folder)
    found = capture(folder)
    own = by_path(found.environment)
    assert inside(folder / "raw-data.csv") not in own
    assert inside(folder / "pyvenv.cfg") in own
    assert "files of the workspace" in texts(found)


def test_a_venv_with_copies_finds_its_base(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    venv.create(folder, symlinks=False, with_pip=False)
    found = capture(folder)
    assert by_path(found.environment)[inside(folder / "bin" / "python3")].kind == FILE
    assert os.path.realpath(os.__file__)[1:] in by_path(found.runtime)


def test_libraries_outside_the_loader_s_reach(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.path.realpath(sys.executable), "rb") as file:
        facts = elf.read(file)
    assert facts is not None
    if facts.machine != "EM_X86_64":
        pytest.skip("the tiny ELF files are for x86-64")
    home = tmp_path / "home of ada"
    monkeypatch.setenv("HOME", str(home))
    for folder, name in (
        ("conf", "libconf.so.1"),
        ("preset", "libpreset.so"),
        ("home of ada/lib", "libhome.so"),
        ("apps", "libapp.so"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_bytes(tiny_elf())
    site = package(environment)
    needed = ("libconf.so.1", "libpreset.so", "libhome.so", "libapp.so", "libnone.so", "libcuda.so.1")
    extension = tiny_elf(needed, runpath=f"{home}/lib:{tmp_path}/apps")
    (site / "tiny" / "ext.so").write_bytes(extension)
    (site / "tiny" / "arm.so").write_bytes(tiny_elf(("libarmonly.so",), machine=183))
    configured = libraries.configured_folders(trees.HostTree())
    monkeypatch.setattr(system, "configured_folders", lambda tree: [*configured, f"{tmp_path}/conf"])
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/preset")
    found = capture(environment)
    runtime = by_path(found.runtime)
    link = next(file for file in found.runtime if file.path.endswith("/libconf.so.1") and file.kind == LINK)
    assert link.target == f"{tmp_path}/conf/libconf.so.1"
    assert any(path.startswith(f"{os.path.dirname(link.path)}/libc.") for path in runtime), (
        "the link is beside the C library, where the loader searches by itself"
    )
    assert inside(tmp_path / "conf" / "libconf.so.1") in runtime
    assert inside(tmp_path / "apps" / "libapp.so") in runtime
    assert inside(home / "lib" / "libhome.so") not in runtime
    assert inside(tmp_path / "preset" / "libpreset.so") not in runtime
    warnings = "\n".join(found.warnings)
    assert f"libpreset.so is found only by LD_LIBRARY_PATH (in {tmp_path}/preset)" in warnings
    assert "libnone.so (needed by " in warnings
    assert "libhome.so" in warnings
    assert f"Libraries from {tmp_path}/apps" in warnings
    assert "armonly" not in warnings
    assert "libcuda" not in warnings
    assert "libcuda.so.1" in texts(found)
    # An image made of it has what its loader asks for, but for what the capture says.
    lacking = {name for _, name in libraries.missing(tree_of_capture(found), found.python)}
    assert {name for name in lacking if name not in warnings} == set()
    assert {"libpreset.so", "libnone.so", "libhome.so"} <= lacking
    assert "libconf.so.1" not in lacking


def test_a_conda_prefix_is_taken_whole_but_for_its_caches(tmp_path: Path) -> None:
    prefix = tmp_path / "conda"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in ("bin", "conda-meta", "pkgs/x", "envs/y", "etc/conda/activate.d", f"lib/{version}/test"):
        (prefix / folder).mkdir(parents=True)
    shutil.copyfile(os.path.realpath(sys.executable), prefix / "bin" / version)
    (prefix / "bin" / version).chmod(0o755)
    (prefix / "bin" / "python3").symlink_to(version)
    (prefix / "lib" / version / "os.py").write_text("")
    (prefix / "lib" / version / "test" / "t.py").write_text("")
    (prefix / "pkgs" / "x" / "cached").write_text("")
    (prefix / "envs" / "y" / "other").write_text("")
    (prefix / "etc" / "conda" / "activate.d" / "gdal.sh").write_text("")
    (prefix / "conda-meta" / "history").write_text("# cmd: conda install --token s3cr3t")
    (prefix / "conda-meta" / "a.json").write_text('{"url": "https://u:s3cr3t@h/t/s3cr3t-2/linux-64/a.conda"}')
    (prefix / "conda-meta" / "b.json").write_text('{"url": "https://h/linux-64/b.conda"}')
    found = capture(prefix)
    own = by_path(found.environment)
    names = {path.rpartition("/")[2] for path in own}
    assert not names & {"cached", "other", "history", "t.py"}
    cleaned = own[inside(prefix / "conda-meta" / "a.json")]
    assert cleaned.data == b'{"url": "https://h/linux-64/a.conda"}'
    assert (cleaned.size, cleaned.source) == (len(cleaned.data), "")
    assert own[inside(prefix / "conda-meta" / "b.json")].source
    assert found.python == f"{prefix}/bin/python3"
    assert found.env["CONDA_PREFIX"] == str(prefix)
    assert "gdal.sh" in "\n".join(found.warnings)
    assert os.path.realpath(os.__file__)[1:] not in by_path(found.runtime), "there is no other interpreter"


def der(number: int) -> bytes:
    body = bytes([number]) * 300
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def pem(certificate: bytes, kind: str = "CERTIFICATE") -> str:
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(certificate).decode()}-----END {kind}-----\n"


@pytest.mark.parametrize("shipped", [True, False])
def test_the_site_s_own_authorities_stay_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: tuple[Path, HostCapture], shipped: bool
) -> None:
    bundle, known, anchors = tmp_path / "bundle.crt", tmp_path / "known", tmp_path / "anchors"
    known.mkdir()
    anchors.mkdir()
    bundle.write_text("# One\n" + pem(der(1)) + pem(der(2)) + pem(der(3) + b"more", "TRUSTED CERTIFICATE"))
    (anchors / "site.crt").write_bytes(der(2))
    (known / "one.crt").write_text(pem(der(1)))
    (known / "three.crt").write_text(pem(der(3)))
    monkeypatch.setattr(certificates, "_BUNDLES", (str(bundle),))
    monkeypatch.setattr(certificates, "_SHIPPED", str(known if shipped else tmp_path / "none"))
    monkeypatch.setattr(certificates, "_ANCHORS", (str(anchors),))
    found = capture(plain[0])
    data = by_path(found.runtime)["etc/ssl/certs/ca-certificates.crt"].data
    assert list(certificates_in(data)) == [der(1), der(3)]
    assert found.env["SSL_CERT_FILE"] == "/etc/ssl/certs/ca-certificates.crt"
    assert "1 certificate authorities" in texts(found)
    monkeypatch.setattr(certificates, "_BUNDLES", (str(tmp_path / "none"),))
    without = capture(plain[0])
    assert "SSL_CERT_FILE" not in without.env
    assert "certificate authorities" in "\n".join(without.warnings)


# Refusals


def refusal(folder: Path) -> NuvError:
    with pytest.raises(NuvError) as caught:
        capture(folder)
    assert caught.value.exit_code == Exit.REFUSED
    assert caught.value.hint
    assert "expected" in caught.value.message
    return caught.value


def test_refusals_name_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "R"
    (library / "ggplot2").mkdir(parents=True)
    (library / "ggplot2" / "DESCRIPTION").write_text("Package: ggplot2\n")
    assert "R library" in refusal(library).message
    (tmp_path / "empty").mkdir()
    assert "pyvenv.cfg" in refusal(tmp_path / "empty").message
    assert "no such folder" in refusal(tmp_path / "gone").message
    broken = tmp_path / "broken"
    (broken / "bin").mkdir(parents=True)
    (broken / "pyvenv.cfg").write_text("home = /gone/bin\nversion = 3.11.1\n")
    (broken / "bin" / "python3").symlink_to("/gone/bin/python3")
    assert "/gone/bin/python3" in refusal(broken).message
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    assert "bin/python3" in refusal(tmp_path / "conda").message
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NuvError) as caught:
        capture(tmp_path)
    assert caught.value.exit_code == Exit.REFUSED
    assert "darwin" in caught.value.message


def test_capture_can_be_stopped(environment: Path) -> None:
    def stop() -> None:
        raise Cancelled()

    with pytest.raises(Cancelled):
        capture(environment, stop)


# It runs there


@contextlib.contextmanager
def laid_out(found: HostCapture, root: Path) -> Iterator[Path]:
    try:
        lay_out(found, root)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


RUN = """
import ctypes, os, sqlite3, ssl, subprocess, sys, tempfile, zlib, zoneinfo
print(zoneinfo.ZoneInfo('Europe/Berlin'), os.getuid(), sys.flags.utf8_mode, sys.getfilesystemencoding())
print(len(ssl.create_default_context().get_ca_certs()) > 20)
print(tempfile.TemporaryFile().write(b'x'), sqlite3.connect(':memory:').execute('select 6*7').fetchone()[0])
print(subprocess.run(['/bin/sh', '-c', 'echo $((6*7))'], capture_output=True, text=True).stdout.strip())
print(ctypes.CDLL(None).getpid() == os.getpid(), zlib.crc32(b'x'))
"""
EXPECTED = ["Europe/Berlin 27182 0 utf-8", "True", "1 42", "42", f"True {2363233923}"]


@needs_root
def test_the_capture_of_a_venv_runs_by_itself(tmp_path: Path, plain: tuple[Path, HostCapture]) -> None:
    pytest.importorskip("sqlite3")
    folder, found = plain
    with laid_out(found, tmp_path / "root") as root:
        done = run_in(root, found, found.python, "-c", RUN + "import tiny; print(tiny.ANSWER, sys.prefix)")
        assert done.stderr == ""
        assert done.stdout.splitlines() == [*EXPECTED, f"42 {folder}"]
        script = root / "tmp" / "script"
        script.write_text("#!/usr/bin/env python3\nimport sys; print(sys.executable)\n")
        script.chmod(0o755)
        assert run_in(root, found, "/tmp/script").stdout.strip() == f"{folder}/bin/python3"
        names = run_in(
            root, found, found.python, "-c", "import socket; print(socket.gethostbyname('127.0.0.1'))"
        )
        assert names.stdout.strip() == "127.0.0.1"
        # That it runs is the work of what was captured: without one library it does not.
        libc = next(file for file in found.runtime if file.path.endswith(("/libc.so.6", "musl-x86_64.so.1")))
        (root / libc.path).unlink()
        with pytest.raises((AssertionError, OSError)):
            assert run_in(root, found, found.python, "-c", "pass").returncode == 0


@needs_root
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="the system has no Python of its own")
def test_the_capture_of_the_system_s_python_runs_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "shims"
    shim.mkdir()
    (shim / "python3").write_text("#!/bin/sh\nexit 1\n")
    (shim / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim}:{SYSTEM_PYTHON.parent}")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = capture(None)
    assert found.python == str(SYSTEM_PYTHON)
    assert found.environment == []
    assert f"{shim}/python3 is a script" in "\n".join(found.warnings)
    paths = {file.path for file in found.runtime}
    assert not any(path.startswith(("usr/share/doc", "usr/include", "home/", "root/")) for path in paths)
    with laid_out(found, tmp_path / "root") as root:
        done = run_in(root, found, found.python, "-c", RUN)
        assert done.stderr == ""
        assert done.stdout.splitlines() == EXPECTED


@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="the system has no Python of its own")
def test_the_system_s_packages_only_where_the_environment_uses_them(tmp_path: Path) -> None:
    real = os.path.realpath(SYSTEM_PYTHON)
    version = os.path.basename(real).removeprefix("python")
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
    (folder / "bin" / "python3").symlink_to(SYSTEM_PYTHON)

    def packages(used: str) -> set[str]:
        (folder / "pyvenv.cfg").write_text(
            f"home = {SYSTEM_PYTHON.parent}\ninclude-system-site-packages = {used}\nversion = {version}.1\n"
        )
        found = {file.path for file in capture(folder).runtime}
        return {path for path in found if "dist-packages/" in path or "site-packages/" in path}

    assert packages("false") == set()
    there = [
        folder
        for folder in (
            Path("/usr/lib/python3/dist-packages"),
            Path(f"/usr/lib/python{version}/site-packages"),
        )
        if folder.is_dir() and any(folder.glob("*.py"))
    ]
    if there:
        assert packages("true")


def test_python3_on_path_is_an_active_environment_s(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(environment)
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{environment}/bin")
    found = capture(None)
    assert found.python == f"{environment}/bin/python3"
    assert inside(environment / "pyvenv.cfg") in by_path(found.environment)
    assert str(environment) in "\n".join(found.warnings)
