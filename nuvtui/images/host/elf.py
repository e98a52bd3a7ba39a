"""Which shared libraries an ELF file needs and where its loader would find them: read, never run.

Works on an abstract tree of files (`Tree`), so that the same rules find the libraries to take from this machine
(`HostTree`) and check that an image's layers are complete (`VirtualTree` and `missing`).

The rules are those of glibc's `ld.so(8)`, without `LD_LIBRARY_PATH`, which belongs to a shell and not to an
image: `DT_RPATH` of the file and of those that loaded it, unless the file has a `DT_RUNPATH`; `DT_RUNPATH`; the
folders of `/etc/ld.so.conf`; the default folders. `$ORIGIN` and `$LIB` are expanded. A candidate for another
machine or word size is passed over, as the loader does. The order of `ld.so.cache` is taken to be that of
`ld.so.conf`, and optimised variants (`glibc-hwcaps`) are passed over for the plain library.
"""

import collections
import fnmatch
import functools
import io
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, BinaryIO, NamedTuple, Protocol, cast

MAGIC = b"\x7fELF"
_BUDGET = 32 << 20
"""So many bytes are read of one file's headers at most: hostile tables cost no more than this."""
_TAGS = 16384
_LINKS = 40
"""Links followed for one path at most, as the kernel does."""
_CONFIG_BYTES = 1 << 20

_TRIPLETS = {
    ("EM_X86_64", 64): "x86_64-linux-gnu",
    ("EM_X86_64", 32): "x86_64-linux-gnux32",
    ("EM_386", 32): "i386-linux-gnu",
    ("EM_AARCH64", 64): "aarch64-linux-gnu",
    ("EM_ARM", 32): "arm-linux-gnueabihf",
    ("EM_PPC64", 64): "powerpc64le-linux-gnu",
    ("EM_S390", 64): "s390x-linux-gnu",
    ("EM_RISCV", 64): "riscv64-linux-gnu",
    ("EM_LOONGARCH", 64): "loongarch64-linux-gnu",
}
_DRIVERS = ("libcuda.so", "libcudadebugger.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so")
"""Parts of the graphics driver: they must fit the kernel they run on, so container runtimes hand them in."""


class ElfFacts(NamedTuple):
    """What the loader reads of an ELF file."""

    machine: str
    """As elf.h names it: `EM_X86_64`, `EM_AARCH64`, …; a number where it is unknown."""
    elf_class: int
    """32 or 64."""
    interpreter: str
    """PT_INTERP: the loader; empty: none."""
    soname: str
    needed: list[str]
    rpath: list[str]
    runpath: list[str]
    little: bool = True
    """Little-endian."""


class Library(NamedTuple):
    """A shared library as the loader finds it."""

    name: str
    """As it was asked for."""
    path: str
    """Where it is found: absolute, a link or below one perhaps."""
    real: str
    """The plain file that `path` leads to."""
    by: str
    """`path` (RPATH, RUNPATH or a name with a slash), `configured` (ld.so.conf) or `default`."""


class Closure(NamedTuple):
    """All libraries that some files need, transitively."""

    libraries: list[Library]
    """Sorted, one for each name and place."""
    interpreters: list[str]
    """The loaders that the files name."""
    missing: list[tuple[str, str]]
    """File, and the library or loader that it needs and that is nowhere. Sorted."""
    drivers: list[str]
    """Names of needed parts of the graphics driver: neither looked for nor missing."""


class Tree(Protocol):
    """Files by absolute path: what `closure` has to know of a machine or an image."""

    def resolve(self, path: str) -> str | None:
        """The plain file that `path` leads to through all links; None: to none."""

    def open(self, path: str) -> BinaryIO:
        """A plain file, for reading. Raises OSError."""

    def names(self, folder: str) -> list[str]:
        """Names in a folder; empty where there is none."""


class HostTree:
    """The files of this machine."""

    def __init__(self) -> None:
        self.resolve = functools.lru_cache(maxsize=65536)(_resolved)

    def open(self, path: str) -> BinaryIO:
        return open_plain(path)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except OSError:
            return []


class VirtualTree:
    """Files that are in no file system, such as an image's layers.

    `files`: ways to open them by path, `links`: targets by path; paths without leading slash. `open` is called
    several times for the same path.
    """

    def __init__(self, files: Mapping[str, Callable[[], BinaryIO]], links: Mapping[str, str]) -> None:
        self.files = files
        self._links = links
        self._folders: dict[str, list[str]] = {}
        for path in sorted({*files, *links}):
            while path:
                folder, _, name = path.rpartition("/")
                known = self._folders.setdefault(folder, [])
                if name in known[-1:]:
                    break
                known.append(name)
                path = folder

    def resolve(self, path: str) -> str | None:
        place = self._placed(path)
        return f"/{place}" if place in self.files else None

    def open(self, path: str) -> BinaryIO:
        try:
            return self.files[path.strip("/")]()
        except KeyError:
            raise FileNotFoundError(path) from None

    def names(self, folder: str) -> list[str]:
        return sorted(set(self._folders.get(self._placed(folder) or "", [])))

    def _placed(self, path: str) -> str | None:
        """`path` with all links followed; None: too many of them."""
        done: list[str] = []
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            target = self._links.get("/".join([*done, part]))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _LINKS:
                return None
            if target.startswith("/"):
                done = []
            ahead += target.split("/")[::-1]
        return "/".join(done)


def open_plain(path: str) -> BinaryIO:
    """A plain file of this machine, for reading; OSError where it is none. Never waits for a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a plain file: {path}")
    return os.fdopen(descriptor, "rb")


def read(file: BinaryIO) -> ElfFacts | None:
    """The facts of an open, seekable file; None where it is no ELF file that can be understood.

    Never raises for what the file holds: broken and hostile files are None. About a millisecond.
    """
    try:
        file.seek(0)
        if file.read(4) != MAGIC:
            return None
        return _facts(file)
    except Exception:
        # The library's parsers raise nearly anything for broken tables, and what the file holds is not ours.
        return None


def closure(
    roots: Iterable[str],
    tree: Tree,
    configured: Sequence[str] = (),
    program: str = "",
    names: Sequence[str] = (),
    check: Callable[[], None] = lambda: None,
) -> Closure:
    """The shared libraries that `roots` need, transitively.

    `roots`: absolute paths of plain files; what is no ELF file is passed over. `configured`: folders of
    ld.so.conf, in order. `program`: the executable that loads the roots at run time; its RPATH counts for all
    of them, and roots for another machine or word size are passed over. `names`: libraries that the program may
    ask for by name alone (`dlopen`); they are taken where they are found and are never missing. A library that
    is nowhere, but that one of the roots in `site-packages` is (by file name or SONAME), is not missing: packages
    load their own libraries by path before the ones that need them.
    """
    return _Walk(tree, configured, check).run(sorted(roots), program, names)


def missing(
    tree: VirtualTree, program: str = "", roots: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """What an image's ELF files need and no layer has: pairs of file and library, sorted.

    `roots`: the files to look at, by absolute path; None: each file of the tree. `program`: the interpreter
    that loads extension modules. Parts of the graphics driver are never missing: see `Closure.drivers`.
    """
    every = [f"/{path}" for path in tree.files] if roots is None else list(roots)
    return closure(every, tree, configured_folders(tree), program).missing


def configured_folders(tree: Tree) -> list[str]:
    """The folders that ld.so.conf (and what it includes) names, in order; of musl its own path file."""
    folders: list[str] = []
    _read_config("/etc/ld.so.conf", tree, folders, set())
    for name in tree.names("/lib"):
        if fnmatch.fnmatchcase(name, "ld-musl-*.so.1"):
            text = _text(f"/etc/{name.removesuffix('.so.1')}.path", tree)
            folders += text.replace("\n", ":").split(":") if text else ["/usr/local/lib"]
    return list(dict.fromkeys(folder for folder in folders if folder.startswith("/")))


def default_folders(machine: str, elf_class: int) -> list[str]:
    """The folders that a loader looks into by itself, for any distribution."""
    triplet = _TRIPLETS.get((machine, elf_class))
    folders = [f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else []
    if elf_class == 64:
        folders += ["/lib64", "/usr/lib64"]
        if machine == "EM_RISCV":
            folders += ["/lib64/lp64d", "/usr/lib64/lp64d"]
    return [*folders, "/lib", "/usr/lib"]


class _Walk:
    """One walk over libraries: what was read and found stays known."""

    def __init__(self, tree: Tree, configured: Sequence[str], check: Callable[[], None]) -> None:
        self.tree = tree
        self.configured = tuple(configured)
        self.check = check
        self.own: set[tuple[str, str, int]] = set()
        """File names and SONAMEs of the packages' libraries, each with machine and word size."""
        self.libraries: set[Library] = set()
        self.interpreters: set[str] = set()
        self.lacking: set[tuple[str, str]] = set()
        self.drivers: set[str] = set()
        self._facts: dict[str, ElfFacts | None] = {}
        self._found: dict[tuple[str, str, int, tuple[str, ...]], Library | None] = {}

    def run(self, roots: list[str], program: str, names: Sequence[str]) -> Closure:
        real = self.tree.resolve(program) if program else None
        host = self.facts(real) if real else None
        base: tuple[str, ...] = ()
        if real and host and not host.runpath:
            base = tuple(_expanded(host.rpath, real, host))
        fitting = []
        for path in roots:
            facts = self.facts(path)
            if facts and (host is None or _fits(facts, host)):
                fitting.append(path)
                if "-packages/" in path:
                    names_of = (path.rpartition("/")[2], facts.soname)
                    self.own |= {(name, facts.machine, facts.elf_class) for name in names_of}
        for path in fitting:
            self.check()
            self._load(path, base)
        for name in names:
            if host and (library := self.find(name, host, base)):
                self.libraries.add(library)
                self._load(library.path, base)
        return Closure(
            sorted(self.libraries), sorted(self.interpreters), sorted(self.lacking), sorted(self.drivers)
        )

    def _load(self, root: str, base: tuple[str, ...]) -> None:
        """What the loader does for one file: breadth first, and no name is looked for twice.

        A library found for one name is also the answer to its SONAME, from wherever it came.
        """
        loaded: set[str] = set()
        ahead = collections.deque([(root, base)])
        while ahead:
            path, inherited = ahead.popleft()
            real = self.tree.resolve(path)
            facts = self.facts(real) if real else None
            if real is None or facts is None:
                continue
            loaded.add(facts.soname)
            if facts.interpreter:
                self.interpreters.add(facts.interpreter)
                if self.tree.resolve(facts.interpreter) is None:
                    self.lacking.add((real, facts.interpreter))
            handed_on = inherited
            if not facts.runpath and facts.rpath:
                handed_on = tuple(dict.fromkeys((*_expanded(facts.rpath, path, facts), *inherited)))
            first = tuple(_expanded(facts.runpath, path, facts)) if facts.runpath else handed_on
            for name in facts.needed:
                if name in loaded:
                    continue
                loaded.add(name)
                if name.startswith(_DRIVERS):
                    self.drivers.add(name)
                    continue
                library = self.find(name, facts, first)
                if library is not None:
                    self.libraries.add(library)
                    ahead.append((library.path, handed_on))
                elif (name, facts.machine, facts.elf_class) not in self.own:
                    self.lacking.add((real, name))

    def facts(self, real: str) -> ElfFacts | None:
        if real not in self._facts:
            self._facts[real] = None
            try:
                with self.tree.open(real) as file:
                    self._facts[real] = read(file)
            except OSError:
                pass
        return self._facts[real]

    def find(self, name: str, facts: ElfFacts, first: tuple[str, ...]) -> Library | None:
        key = (name, facts.machine, facts.elf_class, first)
        if key not in self._found:
            self._found[key] = self._search(name, facts, first)
        return self._found[key]

    def _search(self, name: str, facts: ElfFacts, first: tuple[str, ...]) -> Library | None:
        if "/" in name:
            # A relative one depends on the folder that the program is started in.
            return self._candidate(name, name, "path", facts) if name.startswith("/") else None
        default = default_folders(facts.machine, facts.elf_class)
        for folders, by in ((first, "path"), (self.configured, "configured"), (default, "default")):
            for folder in folders:
                found = self._candidate(name, f"{folder.rstrip('/')}/{name}", by, facts)
                if found:
                    # Many distributions name default folders in ld.so.conf as well.
                    return found._replace(by="default") if folder in default else found
        return None

    def _candidate(self, name: str, path: str, by: str, wanted: ElfFacts) -> Library | None:
        real = self.tree.resolve(path)
        facts = self.facts(real) if real else None
        if real is None or facts is None:
            return None
        return Library(name, path, real, by) if _fits(facts, wanted) else None


def _fits(one: ElfFacts, other: ElfFacts) -> bool:
    """True where both can be in one process."""
    return (one.machine, one.elf_class, one.little) == (other.machine, other.elf_class, other.little)


def _resolved(path: str) -> str | None:
    if not path.startswith("/") or "\0" in path:
        return None
    try:
        real = os.path.realpath(path, strict=True)
        return real if stat.S_ISREG(os.lstat(real).st_mode) else None
    except OSError:
        return None


def _expanded(entries: Sequence[str], path: str, facts: ElfFacts) -> list[str]:
    """Folders of an RPATH or RUNPATH; those that depend on the current folder or the processor are left out."""
    folders = []
    for entry in entries:
        entry = entry.replace("${", "$").replace("}", "") if "${" in entry else entry
        entry = entry.replace("$ORIGIN", path.rpartition("/")[0])
        triplet = _TRIPLETS.get((facts.machine, facts.elf_class), "")
        choices = [entry]
        if "$LIB" in entry:
            choices = [
                entry.replace("$LIB", lib) for lib in (f"lib/{triplet}", f"lib{facts.elf_class}", "lib")
            ]
        for choice in choices:
            if choice.startswith("/") and "$" not in choice:
                folders.append(choice)
    return folders


class _Bounded(io.RawIOBase):
    """A file that stops giving bytes once it gave enough."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _BUDGET

    def read(self, size: int = -1, /) -> bytes:
        # Sixteen bytes a call: a table of a million empty reads is bounded as well.
        self._left -= 16 + max(0, size)
        if size < 0 or self._left < 0:
            raise ValueError("headers too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _facts(file: BinaryIO) -> ElfFacts:
    from elftools.elf.dynamic import Dynamic
    from elftools.elf.elffile import ELFFile

    stream = cast(IO[bytes], _Bounded(file))
    elf = ELFFile(stream)
    interpreter = soname = ""
    needed: list[str] = []
    rpath: list[str] = []
    runpath: list[str] = []
    for segment in _segments(elf):
        if segment["p_type"] == "PT_INTERP":
            stream.seek(segment["p_offset"])
            raw = stream.read(min(segment["p_filesz"], 4096))
            interpreter = os.fsdecode(raw.partition(b"\0")[0])
        elif segment["p_type"] == "PT_DYNAMIC" and segment["p_filesz"]:
            # Without a string table given, it is found by the segment's own tags: sections may be stripped, and
            # the library's DynamicSegment reads all of them.
            dynamic = Dynamic(stream, elf, None, segment["p_offset"], False)
            tag: Any
            for number, tag in enumerate(dynamic.iter_tags()):
                if number > _TAGS:
                    raise ValueError("too many tags")
                match tag.entry.d_tag:
                    case "DT_NEEDED":
                        needed.append(_plain(tag.needed))
                    case "DT_SONAME":
                        soname = _plain(tag.soname)
                    case "DT_RPATH":
                        rpath += _plain(tag.rpath).split(":")
                    case "DT_RUNPATH":
                        runpath += _plain(tag.runpath).split(":")
    return ElfFacts(
        str(elf["e_machine"]), elf.elfclass, interpreter, soname, needed, rpath, runpath, elf.little_endian
    )


def _segments(elf: Any) -> Iterable[Any]:
    """The program headers, without the library's segment objects: those read more of the file."""
    count = elf.num_segments()
    if count > 65535:
        raise ValueError("too many segments")
    return (elf.get_segment(number).header for number in range(count))


def _plain(text: str | bytes) -> str:
    found = os.fsdecode(text)
    if len(found) > 65536:
        raise ValueError("name too long")
    return found


def _text(path: str, tree: Tree) -> str:
    real = tree.resolve(path)
    if real is None:
        return ""
    try:
        with tree.open(real) as file:
            return os.fsdecode(file.read(_CONFIG_BYTES))
    except OSError:
        return ""


def _read_config(path: str, tree: Tree, folders: list[str], seen: set[str]) -> None:
    """Folders of the configuration file `path`, with those that it includes in its place."""
    if path in seen or len(seen) > 1000:
        return
    seen.add(path)
    for raw in _text(path, tree).splitlines():
        line = raw.partition("#")[0].strip()
        word, _, rest = line.partition(" ")
        if word != "include":
            folders += line.replace(",", " ").split()[:1]
            continue
        for pattern in rest.split():
            absolute = pattern if pattern.startswith("/") else f"{path.rpartition('/')[0]}/{pattern}"
            folder, _, last = absolute.rpartition("/")
            for name in sorted(tree.names(folder)):
                if fnmatch.fnmatchcase(name, last):
                    _read_config(f"{folder}/{name}", tree, folders, seen)
