"""What a restore refuses before it touches anything, and in which words.

Nothing about to be replaced or removed may differ from what the automatic snapshot recorded, and nothing else may be
in the way.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nuvtui import sanitise
from nuvtui.errors import Exit, NuvError
from nuvtui.model.tree import FOLDER
from nuvtui.reporter import Reporter
from nuvtui.store.change import Change
from nuvtui.store.folders import Folders, below
from nuvtui.store.recorded import Recorded, holds, kind_of

NAMED = 5
"""So many paths are named in an error; of the rest only the number."""

IMPOSSIBLE = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""What a file system says to a name that it cannot hold."""


class Preconditions:
    """Compares a workspace with what was recorded of it, at every path that is to change."""

    def __init__(
        self,
        target: Path,
        folders: Folders,
        change: Change,
        recorded: Recorded,
        reporter: Reporter,
    ) -> None:
        self._target = target
        self._folders = folders
        self._change = change
        self._recorded = recorded
        self._reporter = reporter

    def check(self) -> None:
        """Refuse what cannot be done, before anything is touched. Raises NuvError (5), Cancelled."""
        removed = set(self._change.gone)
        changed: list[str] = []
        unrecorded: list[str] = []
        blocked: list[str] = []
        absent: set[str] = set()
        total = len(self._change.wanted) + len(self._change.gone)
        for number, path in enumerate([*sorted(self._change.wanted), *self._change.gone]):
            tell(self._reporter, number, total)
            content = self._change.wanted.get(path)
            above = path.rpartition("/")[0]
            found = None if above in absent else self._look(path, removed, blocked)
            if found is None:
                if content is not None and kind_of(content) == FOLDER:
                    absent.add(path)  # and so is all that is to be put into it
            elif stat.S_ISDIR(found.st_mode):
                if content is not None and kind_of(content) != FOLDER:
                    blocked += [left for left in self._below(path) if left not in removed]
            elif not self._recorded.unchanged(path, found) and not self._held(path):
                (unrecorded if self._recorded.content(path) is None else changed).append(path)
        if blocked:
            raise NuvError(
                "The workspace is in the way",
                f"in {self._target} there is something else at {_some(blocked)}",
                "Move it away, then try again. Nothing was changed.",
                Exit.CONFLICT,
            )
        if unrecorded:
            raise NuvError(
                f"{_some(unrecorded)} in {self._target} would be overwritten",
                "the automatic snapshot does not hold it (ignored there, unreadable, or new this moment)",
                "Move it away or take it out of `.nuvtui/ignore`, then try again. Nothing was changed.",
                Exit.CONFLICT,
            )
        if changed:
            raise NuvError(
                "Files changed meanwhile",
                f"{_some(changed)}: not as the automatic snapshot of {self._target} holds it",
                "Nothing was changed. Stop what writes there, then try again.",
                Exit.CONFLICT,
            )

    def _look(self, path: str, removed: set[str], blocked: list[str]) -> os.stat_result | None:
        try:
            return self._folders.look(path)
        except NotADirectoryError:
            # A file or link stands where a folder is needed: fine where it makes way itself.
            above = path
            while above := above.rpartition("/")[0]:
                if above in removed or above in self._change.wanted:
                    return None
            blocked.append(path)
            return None
        except OSError as error:
            if error.errno in IMPOSSIBLE:
                return None  # said when it is tried
            raise refused(self._target, error, path) from error

    def _below(self, path: str) -> Iterator[str]:
        """All paths on disk below the folder at `path`."""
        try:
            for found in below(self._folders.open(path)):
                yield f"{path}/{found.path}"
        except OSError as error:
            raise refused(self._target, error, path) from error

    def _held(self, path: str) -> bool:
        """True where a snapshot holds what is at `path`, by its content."""
        above, _, name = path.rpartition("/")
        parent = self._folders.open(above)
        contents = self._change.contents(path, self._recorded)
        return any(holds(parent, name, content, self._reporter.check) for content in contents)


def tell(reporter: Reporter, done: int, total: int) -> None:
    """Say now and then how far it is. Raises Cancelled."""
    if done % 64 == 0:
        reporter.progress(done, total, "files", "")
        reporter.check()


def refused(target: Path, error: OSError, path: str) -> NuvError:
    """What is said where the workspace `target` cannot be changed at `path` (empty: somewhere)."""
    what = shown(path or error.filename)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NuvError(
            f"No space for workspace {target}",
            f"{what}: {error.strerror}",
            "It is as it was. Free space on its disk, then try again.",
        )
    return NuvError(
        f"Workspace {target} cannot be changed",
        f"{what}: {error.strerror or error}",
        "It is as it was. Check who may write there, then try again.",
    )


def shown(path: object) -> str:
    """A path as it is named in an error."""
    return sanitise.line(os.fsdecode(path)) if isinstance(path, str | bytes) and path else "the workspace"


def _some(paths: list[str]) -> str:
    """The first few of `paths`, and how many more there are."""
    named = ", ".join(sanitise.line(path) for path in paths[:NAMED])
    return named + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
