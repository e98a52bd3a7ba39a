"""Runs one server for the tests and ends it, whatever happens to the tests.

A script of its own: `python keeper.py [--folder FOLDER] -- COMMAND …`. It starts COMMAND and waits until its
standard input closes (the tests closed it, or died in any way), a signal asks it to end, or COMMAND ends.
Then it ends COMMAND and everything that came from it, unmounts what is mounted below FOLDER and removes
FOLDER. As the subreaper of what it starts, it also finds the children that made themselves daemons.
"""

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
MNT_DETACH = 2
GRACE = 15.0
"""Seconds that a server has to end by itself."""

libc = ctypes.CDLL(None, use_errno=True)


def children(pid: int) -> list[int]:
    """Ids of the living direct children of process `pid`."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # It may end while it is looked at.
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Ids of everything below process `pid`."""
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def reap() -> dict[int, int]:
    """Collect what has ended: process ids and exit codes."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def end_all(server: int) -> None:
    """End the server politely, then everything else, until nothing is left."""
    deadline = time.monotonic() + GRACE
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, signal.SIGTERM)
    while server in children(os.getpid()) and time.monotonic() < deadline:
        reap()
        time.sleep(0.02)
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.02)


def unmount(folder: Path) -> None:
    """Unmount everything below `folder`, the deepest first."""
    prefix = f"{folder}/".encode()
    points = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = line.split()[4].replace(rb"\040", b" ")
        if point.startswith(prefix):
            points.append(point)
    for point in sorted(points, key=len, reverse=True):
        libc.umount2(point, MNT_DETACH)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # One pipe tells of everything: a signal (wake-up descriptor), and the end of the server (SIGCHLD).
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    while (code := reap().get(server.pid)) is None:
        ready, _, _ = select.select([sys.stdin.fileno(), wake], [], [])
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 1):
            break
        if wake in ready and any(number != signal.SIGCHLD for number in os.read(wake, 512)):
            break
    end_all(server.pid)
    if arguments.folder:
        unmount(arguments.folder)
        shutil.rmtree(arguments.folder, ignore_errors=True)
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
