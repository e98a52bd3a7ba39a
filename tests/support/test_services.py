"""The services of the suite itself: they start, do what the tests rely on, and leave nothing behind."""

import getpass
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.fixtures import REPOSITORY
from tests.support.registry import Registry
from tests.support.ssh import SshServer
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.waiting import wait_until


def test_an_image_goes_through_the_registry_into_the_second_engine(
    engine: Engine, second_engine: Engine, registry: Registry, tiny_base: str
) -> None:
    reference = f"{registry.host}/suite/tiny:1"
    engine.run("tag", tiny_base, reference)
    engine.run("push", reference)
    assert second_engine.images() == []
    second_engine.run("pull", reference)
    assert second_engine.text("run", "--rm", reference, "echo", "here") == "here"
    assert registry.digest("suite/tiny", "1")


def test_the_signed_registry_takes_nobody_without_the_password(
    engine: Engine, signed_registry: Registry, tiny_base: str, tmp_path: Path
) -> None:
    reference = f"{signed_registry.host}/suite/tiny:1"
    engine.run("tag", tiny_base, reference)
    assert engine.run("push", reference, check=False).returncode != 0
    engine.run(
        "push", reference, environment={"DOCKER_CONFIG": str(signed_registry.docker_config(tmp_path / "d"))}
    )
    assert signed_registry.tags("suite/tiny") == ["1"]


@pytest.mark.slow
def test_the_python_base_has_pip(engine: Engine, python_base: str) -> None:
    assert engine.text("run", "--rm", python_base, "python3", "-c", "import pip; print('pip')") == "pip"


def test_a_connection_can_be_cut(ssh_server: SshServer, terminal: Callable[..., Terminal]) -> None:
    # The program stays when its terminal goes: what the server does to it must be seen from outside.
    command = [sys.executable, "-c", "import os; print('pid', os.getpid(), flush=True); input()"]
    client = terminal(ssh_server.command(command, {"GREETING": "hello there"}))
    pid = int(client.wait_for_match(r"pid (\d+)").group(1))
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"GREETING=hello there" in environment
    assert f"HOME={ssh_server.folder}/home".encode() in environment
    ssh_server.cut()
    assert client.wait_end() == 255
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the program hears of the hang-up")
    assert ssh_server.connections() == []


def test_tmux_shows_what_a_program_prints(tmux: Tmux) -> None:
    tmux.start(
        ["sh", "-c", 'echo "$WORD"; stty size; read line; echo "got $line"'], environment={"WORD": "a b"}
    )
    tmux.wait_for("a b")
    tmux.wait_for("24 80")
    tmux.send("x y", "enter")
    tmux.wait_for("got x y")
    tmux.wait_end()


def test_a_terminal_counts_what_comes_back(terminal: Callable[..., Terminal]) -> None:
    shell = terminal(
        ["sh", "-c", "stty -echo raw; stty size; dd bs=1 count=1 2>/dev/null"], columns=100, rows=30
    )
    shell.wait_for("30 100")
    assert shell.measure_idle(0.1) == 0
    assert shell.measure("x").bytes == 1
    assert shell.wait_end() == 0


def test_a_server_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    """Even a killed test process leaves no server, no daemon that one started, and no folder."""
    code = (
        "import os, sys; from pathlib import Path; from tests.support.service import Service, new_folder\n"
        "folder = new_folder('victim'); pid = folder / 'pid'\n"
        "loop = f'(setsid sleep 1000 & echo $! > {pid}); sleep 1000'\n"
        "up = lambda: pid.exists() and pid.read_text()\n"
        "Service('victim', ['sh', '-c', loop], folder, dict(os.environ), up)\n"
        "print(folder, pid.read_text().strip(), flush=True); sys.stdin.read()\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert tests.stdin
    assert tests.stdout
    folder, daemon = tests.stdout.readline().split()
    assert Path(f"/proc/{daemon}").exists()
    tests.kill()
    tests.wait()
    wait_until(lambda: not Path(folder).exists(), "the folder is gone")
    assert not Path(f"/proc/{daemon}").exists()
    tests.stdin.close()
    tests.stdout.close()


def test_no_test_sees_the_machine(tmp_path: Path) -> None:
    assert os.environ["HOME"] != os.path.expanduser("~" + getpass.getuser())
    assert not {name for name in os.environ if name.startswith(("XDG_", "NUVTUI_", "SSH_", "PIP_", "CI"))}
    assert "no-engine.sock" in os.environ["DOCKER_HOST"]
