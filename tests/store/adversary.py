"""Somebody who goes on working in a workspace while nuvtui changes it: a process of its own that edits on command.

It knows every byte that it wrote and did not itself destroy again (`owed`): whatever nuvtui does, each of them has to
be somewhere afterwards.
"""

import multiprocessing
import os
import random
import shutil
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NoReturn

PATIENCE = 0.05
"""Seconds for which an edit is waited for: one that the kernel holds back (a lease) goes on when it is let go of."""


class Adversary:
    """The process, from outside."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._end, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._end), daemon=True)
        self._process.start()
        other.close()
        self._talking = threading.Lock()
        """Files are written by several threads: each of them may be where an edit is due."""

    def begin(self, root: Path, seed: int) -> None:
        """Work in the workspace `root` from now on."""
        self._end.send(("begin", str(root), seed))
        while self._end.recv() != "begun":
            pass

    def act(self) -> None:
        """Do one edit, chosen by chance."""
        with self._talking:
            self._end.send(("act",))
            if self._end.poll(PATIENCE):
                self._end.recv()

    def kill(self) -> NoReturn:
        """End the process that calls this, between two edits."""
        with self._talking:
            os._exit(9)

    def end(self) -> dict[bytes, str]:
        """Write what is still to be written to open files, close them; what is owed, with what was done."""
        self._end.send(("end",))
        while not isinstance(owed := self._end.recv(), dict):
            pass
        return owed

    def __enter__(self) -> "Adversary":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self._process.join()


def _serve(end: Connection, other: Connection) -> None:
    other.close()
    worker = _Worker(Path("/nonexistent"), 0)
    while True:
        try:
            command = end.recv()
        except EOFError:
            os._exit(0)
        if command[0] == "begin":
            worker = _Worker(Path(command[1]), command[2])
            end.send("begun")
        elif command[0] == "act":
            worker.act()
            end.send("acted")
        else:
            end.send(worker.end())


class _Worker:
    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.chance = random.Random(seed)
        self.seed = seed
        self.count = 0
        self.owed: dict[bytes, str] = {}
        self.written: dict[bytes, str] = {}
        self.open: list[tuple[int, str]] = []

    def act(self) -> None:
        kinds = (
            self.rewrite, self.rewrite, self.save, self.save, self.append, self.begin_writing, self.forge, self.create,
            self.delete, self.rename, self.to_folder, self.to_file, self.go_on,
        )  # fmt: skip
        kind = self.chance.choice(kinds)
        self.written = {}
        try:
            kind()
            self.owed |= self.written
        except OSError:
            pass  # it is not there any more, or of another kind: somebody else works here as well

    def end(self) -> dict[bytes, str]:
        self.written = {}
        while self.open:
            self.go_on()
        return self.owed | self.written

    # -- edits

    def token(self, what: str) -> bytes:
        """New bytes to write; owed once what writes them has ended well."""
        self.count += 1
        data = b"<%d-%d>" % (self.seed, self.count)
        self.written[data] = what
        return data

    def path(self) -> Path:
        """A file or link of the workspace, or a name where something comes or was."""
        found = [
            Path(folder) / name
            for folder, folders, names in os.walk(self.root)
            for name in names
            if ".nuvtui" not in Path(folder).parts or name == "ignore"
        ]
        names = (
            "a.txt",
            "new.txt",
            "d/b.txt",
            "d/new.txt",
            "turns",
            "becomes",
            "becomes/in.txt",
            "gone/deep.txt",
        )
        return self.chance.choice([*found, *(self.root / name for name in names)])

    def destroy(self, path: Path, *, name_only: bool = True) -> None:
        """What the adversary itself is about to destroy is nobody's to keep."""
        if path.is_file() and not path.is_symlink() and (path.stat().st_nlink == 1 or not name_only):
            data = path.read_bytes()
            for token in [token for token in self.owed if token in data]:
                del self.owed[token]

    def rewrite(self) -> None:
        path = self.path()
        if path.is_symlink():
            return
        self.destroy(path, name_only=False)
        path.write_bytes(self.token(f"rewrote {path.name}"))

    def save(self) -> None:
        """As editors do: write beside, rename over."""
        path = self.path()
        new = path.with_name(f"{path.name}.swp{self.count}")
        new.write_bytes(self.token(f"saved {path.name}"))
        if path.is_dir():
            return
        self.destroy(path)
        os.replace(new, path)

    def append(self) -> None:
        path = self.path()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        os.write(descriptor, self.token(f"appended to {path.name}"))
        os.close(descriptor)

    def begin_writing(self) -> None:
        path = self.path()
        self.open.append((os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), path.name))

    def go_on(self) -> None:
        if self.open:
            descriptor, name = self.open.pop(0)
            if os.fstat(descriptor).st_nlink:  # else the adversary, or nobody, has a name for it
                os.write(descriptor, self.token(f"went on writing to {name}"))
            os.close(descriptor)

    def forge(self) -> None:
        """An edit of the same length whose time of modification is set back."""
        path = self.path()
        before = path.lstat()
        self.destroy(path, name_only=False)
        token = self.token(f"forged {path.name}")
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        os.pwrite(descriptor, token.ljust(before.st_size, b"."), 0)
        os.ftruncate(descriptor, max(before.st_size, len(token)))
        os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.close(descriptor)

    def create(self) -> None:
        path = self.path().with_name(f"mine-{self.count}")
        path.write_bytes(self.token(f"created {path.relative_to(self.root)}"))

    def delete(self) -> None:
        path = self.path()
        self.destroy(path)
        path.unlink()

    def rename(self) -> None:
        path, target = self.path(), self.path()
        if not target.exists() and not target.is_symlink():
            path.rename(target)

    def to_folder(self) -> None:
        path = self.path()
        self.destroy(path)
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / "inside").write_bytes(self.token(f"made {path.name} a folder"))

    def to_file(self) -> None:
        path = self.path().parent
        if path == self.root or path.name == ".nuvtui":
            return
        for file in path.rglob("*"):
            self.destroy(file, name_only=False)
        shutil.rmtree(path)
        path.write_bytes(self.token(f"made {path.name} a file"))
