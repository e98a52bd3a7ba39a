"""The worker with operations of its own, run as a script: everything but the services is the real thing."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.reporter import Reporter
from nuvtui.worker import process


class Result(msgspec.Struct):
    text: str
    numbers: tuple[int, ...]


def _say(folder: str, name: str, text: object) -> None:
    """A file that is there wholly once it is there."""
    path = Path(folder, name)
    path.with_suffix(".part").write_text(str(text))
    path.with_suffix(".part").rename(path)


class Fake:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def work(cls, settings: Settings, operation: dict[str, Any], reporter: Reporter) -> Any:
        arguments = {name: value for name, value in operation.items() if name != "kind"}
        return getattr(cls(settings), f"do_{operation['kind']}")(reporter, **arguments)

    def do_work(self, reporter: Reporter, text: str) -> Result:
        reporter.step("read", "Reading")
        for number in range(1000):
            reporter.progress(number + 1, 1000, "files", f"file {number}")
        reporter.log(b"one\n")
        reporter.warning("odd \udcff name")
        reporter.step("write", "Writing")
        reporter.log("zwei ä\n".encode()[:7])
        reporter.log("zwei ä\n".encode()[7:])
        return Result(text, (1, 2))

    def do_about(self, reporter: Reporter) -> dict[str, Any]:
        return {
            "home": self.settings.home,
            "ascii": self.settings.ascii,
            "cwd": os.getcwd(),
            "task": os.environ["NUVTUI_TASK"],
            "session": os.getsid(0) == os.getpid(),
            "stdin": os.read(0, 10).decode(),
            "terminal": os.isatty(1) or os.isatty(2),
            "path": [p for p in sys.path if p in ("", os.getcwd())],
        }

    def do_wait(self, reporter: Reporter, folder: str) -> None:
        reporter.step("wait", "Waiting")
        _say(folder, "ready", os.getpid())
        while True:
            reporter.check()
            time.sleep(0.01)

    def do_hold(self, reporter: Reporter, folder: str, lines: int = 0) -> str:
        """Log `lines` lines and as many events, then wait for the file `go`."""
        reporter.step("hold", "Holding")
        for number in range(lines):
            reporter.log(b"line %d\n" % number)
            reporter.warning(f"warning {number}")
        _say(folder, "ready", os.getpid())
        while not Path(folder, "go").exists():
            time.sleep(0.01)
        reporter.log(b"last line\n")
        return "done"

    def do_blocked(self, reporter: Reporter, folder: str) -> None:
        """Inside a call that never returns by itself: only `on_cancel` gets it out."""
        lock = threading.Lock()
        lock.acquire()
        with reporter.on_cancel(lock.release):
            _say(folder, "ready", os.getpid())
            lock.acquire()
        raise OSError("connection closed by peer")

    def do_children(self, reporter: Reporter, folder: str) -> None:
        """A child that ends with the group, one that only SIGKILL ends, one in a process group of its own."""
        plain = subprocess.Popen(["sleep", "1000"])
        script = f"import signal,time; signal.signal(15, signal.SIG_IGN); open({folder!r}+'/deaf','w'); time.sleep(1000)"
        deaf = subprocess.Popen([sys.executable, "-c", script])
        apart = subprocess.Popen(["sleep", "1000"], process_group=0)
        while not Path(folder, "deaf").exists():
            time.sleep(0.01)
        _say(folder, "ready", f"{os.getpid()} {plain.pid} {deaf.pid} {apart.pid}")
        while True:
            reporter.check()
            time.sleep(0.01)

    def do_deaf(self, reporter: Reporter, folder: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _say(folder, "ready", os.getpid())
        while True:
            time.sleep(1)

    def do_fail(self, reporter: Reporter) -> None:
        reporter.step("build", "Building")
        raise NuvError("Build of caf\udce9 failed", "exit status 3", "Look into the log.", Exit.REFUSED)

    def do_boom(self, reporter: Reporter) -> None:
        raise RuntimeError("first line \udcff\nsecond line")

    def do_leave(self, reporter: Reporter) -> None:
        sys.exit(3)

    def do_unspeakable(self, reporter: Reporter) -> object:
        return object()

    def do_die(self, reporter: Reporter) -> None:
        reporter.step("die", "Dying")
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(process.main(sys.argv[1:], Fake.work))
