"""A server that the tests start for themselves, under a keeper that ends it whatever happens."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.waiting import PATIENCE, wait_until

KEEPER = Path(__file__).with_name("keeper.py")


class ServiceError(RuntimeError):
    """A server did not start; the message holds the end of its log."""


def new_folder(name: str) -> Path:
    """A private folder for a server, with a short path: socket paths may have only about 100 bytes."""
    return Path(tempfile.mkdtemp(prefix=f"nvt-{name}-"))


class Service:
    """One running server: its folder (removed when it ends) and its log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str],
        ready: Callable[[], object],
        seconds: float = PATIENCE,
        remove: bool = True,
    ) -> None:
        """Start `command` and return when `ready` gives something true. Raises ServiceError.

        `environment` is all that the server sees. `remove`: `folder` goes when the server ends.
        """
        self.name = name
        self.folder = folder
        self.log_file = folder / f"{name}.log"
        keep = ["--folder", str(folder)] if remove else []
        with self.log_file.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", str(KEEPER), *keep, "--", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(environment),
                start_new_session=True,
            )

        def up() -> object:
            if self._keeper.poll() is not None:
                return True
            return ready()

        try:
            wait_until(up, f"{name} is ready", seconds)
        except BaseException as error:
            text = self.log()
            self.stop()
            if isinstance(error, AssertionError):
                raise ServiceError(f"{error}\n{text}") from None
            raise
        if self._keeper.poll() is not None:
            raise ServiceError(f"{name} ended at once with exit code {self._keeper.returncode}")

    def log(self, characters: int = 4000) -> str:
        """The end of what the server printed."""
        try:
            return self.log_file.read_text("utf-8", "replace")[-characters:]
        except FileNotFoundError:
            return ""

    @property
    def alive(self) -> bool:
        """True while the server runs."""
        return self._keeper.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the keeper, the parent of the server."""
        return self._keeper.pid

    def stop(self) -> None:
        """End the server and all that came from it, and remove its folder. May be called twice."""
        if self._keeper.stdin and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
        self._keeper.wait(PATIENCE)
