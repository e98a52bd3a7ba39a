"""Which process works on a task, told so that a later process with the same number is not taken for it."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Literal

import msgspec

from nuvtui import atomic
from nuvtui.worker import files

_LARGEST = 1 << 16


class Lease(msgspec.Struct, frozen=True):
    """A process: its number, when it started, and where that number means anything."""

    pid: int
    start: int
    """Start time in clock ticks since the boot."""
    boot: str
    """Id of the kernel's boot."""
    namespace: str
    """Name space of process numbers (containers have their own)."""
    host: str
    worker: bool
    """False: the process that submitted the task, until it has started the worker."""

    def status(self) -> Literal["alive", "gone", "elsewhere"]:
        """Whether the process runs; `elsewhere`: it is, or was, where one cannot see from here."""
        if (self.boot, self.namespace) != _here():
            return "elsewhere"
        found = _process(self.pid)
        return "alive" if found is not None and found == (True, self.start) else "gone"


def of(pid: int, *, worker: bool) -> Lease | None:
    """The lease of process `pid`; None where it is gone already."""
    found = _process(pid)
    if found is None:
        return None
    boot, namespace = _here()
    return Lease(pid, found[1], boot, namespace, os.uname().nodename, worker)


def write(folder: Path, lease: Lease) -> None:
    """Put `lease` into the task's folder. Raises OSError. Not durable: after a crash of the machine it says nothing."""
    atomic.write_file(folder / files.LEASE, msgspec.json.encode(lease), durable=False)


def read(folder: Path) -> Lease | None:
    """The lease in the task's folder; None where there is none that can be read."""
    try:
        return msgspec.json.decode(files.read(folder, files.LEASE, _LARGEST), type=Lease)
    except (OSError, files.UnusableError, msgspec.DecodeError):
        return None


def ask_to_end(lease: Lease) -> bool:
    """SIGTERM to the worker's process group; False where it is gone. Raises PermissionError."""
    if not lease.worker or lease.status() != "alive":
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(lease.pid, signal.SIGTERM)
    return True


def kill(lease: Lease) -> None:
    """SIGKILL to the worker, if it lives, and to its session. Raises PermissionError."""
    if not lease.worker or lease.status() == "elsewhere":
        return
    if lease.status() == "gone" and (found := _process(lease.pid)) and found[1] != lease.start:
        return  # somebody else has the number now, so nothing is left: a session keeps its number taken
    for pid in _session(lease.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _session(leader: int) -> list[int]:
    """The processes of the session that `leader` began."""
    return [
        pid
        for name in os.listdir("/proc")
        if name.isdigit() and (fields := _stat(pid := int(name))) and int(fields[3]) == leader
    ]


def _process(pid: int) -> tuple[bool, int] | None:
    """Whether process `pid` still runs (is no zombie), and its start time; None where there is none."""
    fields = _stat(pid)
    return None if fields is None else (fields[0] not in ("Z", "X", "x"), int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the command's name: state, parent, group, session, …"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _here() -> tuple[str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return boot, os.fspath(Path("/proc/self/ns/pid").readlink())
