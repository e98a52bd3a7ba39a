"""The suite itself: what is skipped is said, and an end from outside leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fixtures import REPOSITORY
from tests.support.waiting import PATIENCE, wait_until

ENGINE_TEST = "test_an_image_goes_through_the_registry_into_the_second_engine"
PYTEST = [sys.executable, "-m", "pytest", "tests/support/test_services.py", "-k", ENGINE_TEST]


@pytest.mark.parametrize("workers", [[], ["-n", "2", "--dist", "loadgroup"]])
@pytest.mark.parametrize(("required", "code"), [([], 0), (["--require-engine"], 1)])
def test_skipped_engine_tests_are_said_by_name(
    workers: list[str], required: list[str], code: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [*PYTEST, *workers, *required],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": str(tmp_path)},  # no dockerd in sight
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == code, done.stdout + done.stderr
    said, closing = done.stdout.rstrip().rsplit("\n", 1)
    assert "1 ENGINE TESTS WERE SKIPPED" in said
    assert f"tests/support/test_services.py::{ENGINE_TEST}: needs " in said
    assert closing.startswith("1 skipped")


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_servers_end_with_the_tests(ended_by: signal.Signals, tmp_path: Path) -> None:
    """A test run that is ended while a server runs leaves neither the server nor its folder."""
    test = tmp_path / "test_waits.py"
    test.write_text(
        "def test_waits(tmux):\n"
        "    import pathlib, signal\n"
        f"    pathlib.Path({str(tmp_path / 'up')!r}).write_text(f'{{tmux._service.pid}} {{tmux.folder}}')\n"
        "    signal.pause()\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", str(test)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until((tmp_path / "up").exists, "the server is up")
        pid, folder = wait_until(lambda: (tmp_path / "up").read_text(), "the server is up").split()
        tests.send_signal(ended_by)
        tests.wait(PATIENCE)
    finally:
        tests.kill()
        tests.wait()
    wait_until(lambda: not Path(folder).exists(), "the folder is gone")
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the keeper has ended")
