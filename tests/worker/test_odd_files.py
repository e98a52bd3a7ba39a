"""Whatever lies in a task's folder instead of its files: nothing hangs, it is named, the other tasks are there."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nuvtui.errors import NuvError
from nuvtui.model.task import TaskStatus
from nuvtui.paths import Home
from nuvtui.worker import events, files, lifecycle
from nuvtui.worker.attach import attach
from nuvtui.worker.events import EventWriter
from tests.worker.running import environment


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(b"{}\n")
    path.symlink_to("elsewhere")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def socket(path: Path) -> None:
    os.mknod(path, 0o140600)


def huge_line(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(events.LONGEST + 1)  # of NUL bytes, without an end


ODD = [fifo, folder, link, dangling, socket, huge_line]
NAMES = [files.EVENTS, files.REQUEST, files.LEASE, files.LOCK, files.CANCEL, files.LOG]


def task(home: Home, identifier: str, *, ended: bool = True) -> Path:
    """The folder of a task as a worker leaves it; not `ended`: of one that was killed."""
    made = home.task(identifier)
    made.mkdir(parents=True)
    with EventWriter(made) as log:
        log.write("queued", kind="work", title=f"Do {identifier[0]}")
        log.write("started", pid=1)
        if ended:
            log.write("finished", status="completed")
    for name in NAMES:
        if name not in (files.CANCEL, files.EVENTS):
            (made / name).touch()
    return made


@pytest.fixture
def others(home: Home) -> list[str]:
    """Two tasks that nothing is wrong with."""
    found = ["a" * 16, "c" * 16]
    for identifier in found:
        task(home, identifier)
    return found


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "killed"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", ODD)
def test_the_others_are_listed_and_this_one_is_named(
    home: Home, others: list[str], make: Callable[[Path], None], name: str, ended: bool
) -> None:
    odd = task(home, "b" * 16, ended=ended)
    (odd / name).unlink(missing_ok=True)
    make(odd / name)
    board = lifecycle.Board(home)
    for _ in range(2):
        listed = {each.id: each for each in board.poll()}
        assert {each: listed[each].status for each in others} == dict.fromkeys(others, TaskStatus.COMPLETED)
        assert odd.name in listed
    if name == files.EVENTS:
        this = listed[odd.name]
        assert this.status is TaskStatus.FAILED
        assert this.error is not None
        assert name in this.error.message
        assert str(odd) in this.error.hint
    for use in (
        lambda: lifecycle.view(home, odd.name),
        lambda: lifecycle.cancel(home, odd.name, wait=0.1),
        lambda: attach(home, odd.name, lambda _: None, lambda _: None) if ended else None,
    ):
        try:
            use()
        except NuvError as error:
            assert odd.name[:8] in error.title  # noqa: PT017  # it may also simply work
            assert name in error.message  # noqa: PT017
    for each in others:
        assert lifecycle.view(home, each).status is TaskStatus.COMPLETED


def test_an_unreadable_log_of_ones_own_is_named(others: list[str], home: Home) -> None:
    """As root everything can be read: the look is taken without that right."""
    odd = task(home, "b" * 16)
    (odd / files.EVENTS).chmod(0)
    script = f"""
import ctypes, sys
from pathlib import Path
from nuvtui.paths import Home
from nuvtui.worker import lifecycle
libc = ctypes.CDLL(None, use_errno=True)
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
if libc.capset(header, data):  # root without any capability is asked for permission as anybody
    sys.exit("capset")
for each in lifecycle.list_tasks(Home(Path({str(home.root)!r}))):
    print(each.id[:1], each.status, each.error.message if each.error else "")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True
    )
    lines = sorted(done.stdout.splitlines())
    assert lines == ["a COMPLETED ", "b FAILED its file events.jsonl may not be opened", "c COMPLETED "]


def test_what_is_no_folder_is_no_task(home: Home, others: list[str]) -> None:
    for number, make in enumerate((fifo, dangling, socket)):
        make(home.tasks / (f"{number}" * 16))
    assert [each.id for each in lifecycle.list_tasks(home)] == sorted(others, reverse=True)


def test_one_that_was_mended_is_read_again(home: Home, others: list[str]) -> None:
    odd = task(home, "b" * 16)
    whole = (odd / files.EVENTS).rename(odd / "aside")
    fifo(odd / files.EVENTS)
    board = lifecycle.Board(home)
    assert {each.status for each in board.poll() if each.id == odd.name} == {TaskStatus.FAILED}
    whole.rename(odd / files.EVENTS)
    assert {each.status for each in board.poll()} == {TaskStatus.COMPLETED}
