"""Writing the contents of many files and links into one folder, several at a time, each object read once."""

import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from nuvtui import sanitise
from nuvtui.atomic import write_all
from nuvtui.errors import StoreError
from nuvtui.model.names import path_to_text
from nuvtui.model.tree import FILE, LINK, Entry
from nuvtui.reporter import Reporter
from nuvtui.store.chunks import ZERO, ZERO_ID
from nuvtui.store.folders import NEW_FLAGS
from nuvtui.store.recorded import Content
from nuvtui.store.staging import Item
from nuvtui.store.store import Store


class FilesWriter:
    """Writes into the folder that is open as `folder`, and stays the caller's."""

    def __init__(self, store: Store, folder: int, reporter: Reporter) -> None:
        self._store = store
        self._folder = folder
        self._reporter = reporter

    def write(self, contents: Sequence[tuple[str, Content]]) -> list[Item]:
        """Write each content (no folders) under its number; what was written for each path.

        Names of one file are one file again. Raises StoreError where an object is missing or damaged, OSError that
        names the path, Cancelled.
        """
        leaders: dict[tuple[int, int, tuple[bytes, ...]], int] = {}
        linked: list[tuple[int, int]] = []
        blocks: dict[tuple[bytes, int], list[int]] = {}
        alone: list[int] = []
        for number, (_, content) in enumerate(contents):
            if isinstance(content, bytes):
                alone.append(number)
                continue
            if content.group:
                key = (content.group, content.mode, tuple(content.content))
                if key in leaders:
                    linked.append((leaders[key], number))
                    continue
                leaders[key] = number
            if content.kind == FILE and len(content.content) == 1:
                # Files whose bytes lie in one block are written together: it is decompressed once.
                block = self._store.locate(content.content[0]).block
                blocks.setdefault((block.pack, block.offset), []).append(number)
            else:
                for item in content.content:
                    self._store.locate(item)
                alone.append(number)
        written: dict[int, os.stat_result] = {}
        self._run(contents, [*blocks.values(), *([number] for number in alone)], written)
        for leader, number in linked:
            os.link(
                str(leader),
                str(number),
                src_dir_fd=self._folder,
                dst_dir_fd=self._folder,
                follow_symlinks=False,
            )
            written[number] = written[leader]
        return [
            Item(path_to_text(path), status.st_ino, status.st_size, status.st_mtime_ns)
            for (path, _), status in zip(
                contents, map(written.__getitem__, range(len(contents))), strict=True
            )
        ]

    def _run(
        self,
        contents: Sequence[tuple[str, Content]],
        jobs: list[list[int]],
        written: dict[int, os.stat_result],
    ) -> None:
        threads = min(4, (os.cpu_count() or 1) + 1)
        done, total = 0, len(contents)
        running: set[Future[int]] = set()

        def work(job: list[int]) -> int:
            for number in job:
                path, content = contents[number]
                try:
                    written[number] = self._write(str(number), content)
                except OSError as error:
                    error.filename = path  # what it is called here means nothing to anybody
                    raise
            return len(job)

        with ThreadPoolExecutor(threads, thread_name_prefix="nuvtui-apply") as pool:
            try:
                for job in jobs:
                    running.add(pool.submit(work, job))
                    if len(running) > 2 * threads:
                        ended, running = wait(running, return_when=FIRST_COMPLETED)
                        done += sum(future.result() for future in ended)
                        self._reporter.progress(done, total, "files")
                        self._reporter.check()
                for future in running:
                    done += future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        self._reporter.progress(done, total, "files")
        self._reporter.check()

    def _write(self, name: str, content: Content) -> os.stat_result:
        if isinstance(content, Entry) and content.kind == LINK:
            os.symlink(content.target, os.fsencode(name), dir_fd=self._folder)
            times = (content.mtime_ns, content.mtime_ns)
            os.utime(name, ns=times, dir_fd=self._folder, follow_symlinks=False)
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        descriptor = os.open(name, NEW_FLAGS, 0o600, dir_fd=self._folder)
        try:
            if isinstance(content, bytes):
                write_all(descriptor, content)
                os.fchmod(descriptor, 0o644)
            else:
                self._write_file(descriptor, content)
                os.fchmod(descriptor, content.mode & 0o777)
                os.utime(descriptor, ns=(content.mtime_ns, content.mtime_ns))
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _write_file(self, descriptor: int, entry: Entry) -> None:
        written, hole = 0, False
        for item in entry.content:
            if item == ZERO_ID:
                os.lseek(descriptor, ZERO, os.SEEK_CUR)
                written, hole = written + ZERO, True
                continue
            data = self._store.read(item)
            hole = len(data) >= 4096 and not data[0] and not data[-1] and not data.strip(b"\0")
            if hole:
                os.lseek(descriptor, len(data), os.SEEK_CUR)  # a hole reads as zeros and takes no space
            else:
                write_all(descriptor, data)
            written += len(data)
        if written != entry.size:
            raise StoreError(
                "A file of the snapshot is damaged",
                f"{sanitise.line(os.fsdecode(entry.name))}: {written} of {entry.size} bytes are there",
                "`nuvtui store check` names what is affected.",
            )
        if hole:
            os.ftruncate(descriptor, written)
