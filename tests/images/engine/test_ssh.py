"""Engines behind ssh://: real servers, real refusals, nothing of a URL becomes an option, no child is left."""

import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import Cancelled
from nuvtui.images.engine import ssh
from nuvtui.images.engine.client import Call, ConnectionLostError, Endpoint, negotiated
from nuvtui.images.engine.discovery import Discovery, discover
from nuvtui.images.engine.docker_engine import DockerEngine
from tests.images.project import Project, Recorder, application, built
from tests.support.engine import Engine
from tests.support.keeper import children
from tests.support.ssh import SshServer
from tests.support.waiting import PATIENCE, free_port, wait_until

SETTINGS = Settings(engine_timeout=PATIENCE)


@pytest.fixture
def there(
    ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Path]]:
    """Makes `ssh` on the search path use the suite's settings, which name its server `there`.

    (The real `ssh` takes its settings from the account's home folder, whatever HOME says.) The value sets
    other ones.
    """
    program = shutil.which("ssh")
    folder = tmp_path / "bin"
    folder.mkdir()

    def use(settings: str) -> Path:
        file = tmp_path / "ssh_config"
        file.write_text(settings)
        script = folder / "ssh"
        script.write_text(f'#!/bin/sh\nexec {program} -F {file} "$@"\n')
        script.chmod(0o755)
        return file

    use((ssh_server.folder / "ssh_config").read_text())
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    yield use
    ssh.end_masters()


def found(url: str, tmp_path: Path) -> Discovery:
    return discover(SETTINGS, {"DOCKER_HOST": url, "HOME": str(tmp_path)})


def ours(word: str) -> list[int]:
    """Processes of this machine with `word` in their command line."""
    listed = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "cmdline").read_bytes():
                listed.append(int(folder.name))
        except OSError:
            continue
    return listed


def children_named_ssh() -> list[int]:
    return [pid for pid in children(os.getpid()) if Path(f"/proc/{pid}/comm").read_text() == "ssh\n"]


def test_engine_behind_ssh(
    engine: Engine, tiny_base: str, ssh_server: SshServer, there: Callable[[str], Path], tmp_path: Path
) -> None:
    url = f"ssh://there{engine.socket}"
    discovery = found(url, tmp_path)
    assert discovery.engine is not None, discovery.finding()
    assert discovery.finding().text.startswith("Docker Engine 2")
    assert discovery.finding().text.endswith(f"at {url}, found by DOCKER_HOST")
    behind = discovery.engine
    assert behind.inspect(tiny_base) is not None
    with behind.trial(tiny_base, Recorder(), "1:1") as running:
        wait_until(lambda: not running.state().running, "the shell has ended")
        assert running.execute(["true"]) == 126
        assert running.output() == b""
    archive = tmp_path / "tiny.tar"
    behind.save(tiny_base, archive, Recorder())
    assert behind.load(archive, Recorder()) == [tiny_base]  # an upload too
    assert len(ssh_server.connections()) == 1

    control = ssh._masters.control(ssh.parse(url))
    assert control is not None
    assert stat.S_IMODE(control.parent.stat().st_mode) == 0o700
    assert ours(str(control))
    ssh.end_masters()
    wait_until(lambda: not ours(str(control)), "the shared connection has ended")
    assert not control.parent.exists()
    assert not children_named_ssh()


def test_engine_where_the_other_machines_client_finds_it(
    engine: Engine, ssh_server: SshServer, there: Callable[[str], Path], tmp_path: Path
) -> None:
    socket_there = (
        ssh_server.folder / "home" / "no-engine.sock"
    )  # its DOCKER_HOST (tests.support.environment)
    assert "no-engine.sock" in found("ssh://there", tmp_path).finding().text
    socket_there.symlink_to(engine.socket)
    try:
        assert found("ssh://there", tmp_path).product.name == "Docker Engine"
    finally:
        socket_there.unlink()


def test_refusals_have_their_reasons(
    ssh_server: SshServer, there: Callable[[str], Path], tmp_path: Path
) -> None:
    port = free_port()
    text = found(f"ssh://there:{port}", tmp_path).finding().text
    assert f"ssh: connect to host 127.0.0.1 port {port}: Connection refused" in text

    text = found(f"ssh://there{tmp_path}/none.sock", tmp_path).finding().text
    assert f"{tmp_path}/none.sock" in text
    assert "no such file" in text

    settings = (ssh_server.folder / "ssh_config").read_text()
    ssh.end_masters()  # what is connected already would not be asked again
    (tmp_path / "none").touch()
    there(settings.replace(f"{ssh_server.folder}/known_hosts", f"{tmp_path}/none"))
    assert "Host key verification failed" in found("ssh://there", tmp_path).finding().text

    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    there(settings.replace(f"{ssh_server.folder}/user", f"{tmp_path}/other"))
    assert "Permission denied (publickey)" in found("ssh://there", tmp_path).finding().text
    assert not children_named_ssh()


@pytest.mark.usefixtures("there")
def test_an_ssh_that_hangs_is_a_finding_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ssh://there:{silent.getsockname()[1]}"
        finding = discover(
            Settings(engine_timeout=2.0), {"DOCKER_HOST": url, "HOME": str(tmp_path)}
        ).finding()
    assert "ssh gets no answer (waited 2 s)" in finding.text
    assert "engine_timeout" in finding.hint
    wait_until(lambda: not children_named_ssh(), "the child has ended")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_the_shared_connection_ends_with_the_program_however_it_ends(engine: Engine, end: str) -> None:
    program = (
        "import os, sys; from nuvtui.images.engine import ssh\n"
        "from nuvtui.images.engine.client import Endpoint\n"
        "from nuvtui.images.engine.docker_engine import DockerEngine\n"
        "url = sys.argv[1]; print(DockerEngine(Endpoint(url)).product.name)\n"
        f"print(ssh._masters.control(ssh.parse(url)), flush=True); {end}\n"
    )
    url = f"ssh://there{engine.socket}"
    done = subprocess.run([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True)
    name, control = done.stdout.split("\n")[:2]
    assert name == "Docker Engine"
    wait_until(lambda: not ours(control) and not Path(control).parent.exists(), "it has ended")


def test_no_ssh_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no program `ssh`" in found("ssh://there", tmp_path).finding().text


@pytest.mark.usefixtures("there")
def test_cancelling_ends_what_runs_on_the_other_machine(
    engine: Engine, tiny_base: str, tmp_path: Path
) -> None:
    behind = DockerEngine(Endpoint(f"ssh://there{engine.socket}"), "host")
    engine.remove_images()
    project = Project(tmp_path)
    recipe = project.recipe(application(tiny_base, setup=["echo begun; exec sleep 8600"], command=["true"]))
    with pytest.raises(Cancelled):
        built(behind, project, recipe, Recorder(lambda reporter: b"begun" in reporter.output))
    assert engine.containers() == []
    wait_until(lambda: not ours(f"unix://{engine.socket} system dial-stdio"), "the other side has ended")
    assert not children_named_ssh()


@pytest.mark.usefixtures("there")
@pytest.mark.usefixtures("tiny_base")
def test_a_cut_connection_is_told(engine: Engine, ssh_server: SshServer) -> None:
    def events() -> Iterator[bytes]:
        there = Endpoint(f"ssh://there{engine.socket}")
        with Call(there, negotiated(there)) as call:
            yield from call.stream("GET", "/events", params={"since": "1"})

    coming = events()
    assert next(coming)
    ssh_server.cut()
    with pytest.raises(ConnectionLostError) as lost:
        list(coming)
    assert "closed in the middle" in lost.value.message
    assert not children_named_ssh()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ssh://-oProxyCommand=touch%20x/", "no name of a machine"),
        ("ssh://-l@host", "no name of a user"),
        ("ssh://a%20b@host", "no name of a user"),
        ("ssh://ho;st", "no name of a machine"),
        ("ssh://ho%20st", "no name of a machine"),
        ("ssh://", "no name of a machine"),
        ("ssh://host:99999", "out of range"),
        ("ssh://host:x", "ssh:// address"),
        ("ssh://host:0", "no port 0"),
        ("ssh://u:p@host", "a password"),
        ("ssh://host/a?b", "expected ssh://"),
        ("ssh://host/a%0ab", "control characters"),
    ],
)
def test_what_is_no_address(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ssh.parse(url)


def test_what_is_one() -> None:
    assert ssh.parse("ssh://Lab-Server") == ssh.Target("Lab-Server")
    assert ssh.parse("ssh://ada@host:2222/run/d.sock") == ssh.Target("host", "ada", 2222, "/run/d.sock")
    assert ssh.parse("ssh://ada@[fe80::1%25eth0]:22/").host in ("fe80::1%25eth0", "fe80::1%eth0")
    line = ssh.command_line(ssh.Target("host", "ada", 22), 2.0)
    assert line[-2:] == ["--", "host"]
    assert "ConnectTimeout=2" in line
    assert "ControlMaster=no" in line


def test_the_socket_is_one_word_for_every_shell(tmp_path: Path) -> None:
    evil = "/a b/$(touch gone)'`touch gone`;touch gone"
    (tmp_path / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ssh.remote_command(ssh.Target("host", socket=evil))
    done = subprocess.run(command, shell=True, capture_output=True, env=environment, cwd=tmp_path, text=True)
    assert done.stdout.splitlines() == ["--host", f"unix://{evil}", "system", "dial-stdio"]
    assert not (tmp_path / "gone").exists()


def test_podman_where_there_is_no_docker(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "")
    environment = {"PATH": str(tmp_path)}
    command = ["/bin/sh", "-c", ssh.remote_command(ssh.Target("host", socket="/p.sock"))]
    done = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert done.returncode == 127
    assert done.stderr.strip() == "neither docker nor podman is installed on that machine"
    (tmp_path / "podman").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "podman").chmod(0o755)
    done = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert shlex.split(done.stdout) == ["--url", "unix:///p.sock", "system", "dial-stdio"]
