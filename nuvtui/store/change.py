"""What a restore is asked to change: paths with what is to be there, and paths that are to go."""

import functools
from collections.abc import Iterable, Mapping

from nuvtui.errors import Exit, NuvError
from nuvtui.model.tree import FOLDER, Entry
from nuvtui.paths import DOT
from nuvtui.store.recorded import Content, Recorded, kind_of


class Change:
    """A change of the files of one workspace, in the order in which it is brought about."""

    def __init__(
        self,
        puts: Iterable[tuple[str, Entry]],
        removals: Iterable[str],
        own: Mapping[str, bytes | None],
        times: Iterable[tuple[str, Entry]],
        known: Mapping[str, Entry],
    ) -> None:
        """`own`: files in nuvtui's own folder, by path: bytes to write, or None to remove it. `times`: files, links
        and folders whose entries differ in the time alone. `known`: what else a snapshot holds of paths that are
        removed. Raises NuvError where a path is unsafe.
        """
        self.wanted: dict[str, Content] = dict(puts)
        """What is to be at each path."""
        gone = [path for path in removals if path not in self.wanted]
        for path in [*self.wanted, *gone]:
            _check_path(path)
        _check_parents(self.wanted)
        for path, data in own.items():
            if data is not None:
                self.wanted[path] = data
            else:
                gone.append(path)
        self.own = list(own)
        self.times = list(times)
        self._known = known
        by_depth = functools.partial(sorted, key=lambda path: path.count("/"))
        self.folders: list[str] = by_depth(
            path for path, content in self.wanted.items() if kind_of(content) == FOLDER
        )
        """Folders to make, a folder before what is in it."""
        self.files = [path for path, content in self.wanted.items() if kind_of(content) != FOLDER]
        """Files and links to put in place."""
        self.gone: list[str] = by_depth(gone)[::-1]
        """Paths to remove, a folder after what is in it."""

    def __bool__(self) -> bool:
        return bool(self.wanted or self.gone or self.times)

    def contents(self, path: str, recorded: Recorded) -> tuple[Content | None, ...]:
        """All that snapshots are known to hold of `path`: a file with one of these contents need not be kept."""
        return recorded.content(path), self.wanted.get(path), self._known.get(path)


def _check_path(path: str) -> None:
    """Refuse a path that leads out of the workspace or into nuvtui's own folder. Raises NuvError."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise NuvError(
            "Unsafe path",
            f"{path!r} does not stay inside the workspace",
            "The snapshot was made or altered by something else: `nuvtui store check`.",
            Exit.REFUSED,
        )
    if parts[0] == DOT and parts[1:] not in ([], ["ignore"]):
        raise NuvError(
            "Unsafe path", f"{path!r} belongs to nuvtui itself", "Of `.nuvtui` only `ignore` is a workspace file.",
            Exit.REFUSED,
        )  # fmt: skip


def _check_parents(wanted: Mapping[str, Content]) -> None:
    """Refuse a path below something that is no folder. Raises NuvError."""
    fine = {""}
    for path in wanted:
        above = path.rpartition("/")[0]
        while above not in fine:
            entry = wanted.get(above)
            if entry is not None and kind_of(entry) != FOLDER:
                raise NuvError(
                    "Unsafe path", f"{path!r} lies below {above!r}, which is no folder",
                    "The snapshot was made or altered by something else: `nuvtui store check`.", Exit.REFUSED,
                )  # fmt: skip
            fine.add(above)
            above = above.rpartition("/")[0]
