"""Which shared libraries ELF files need and where their loader would find them: read, never run.

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
import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nuvtui.images.host import elf
from nuvtui.images.host.elf import ElfFacts
from nuvtui.images.host.trees import Tree, VirtualTree

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
                    self._facts[real] = elf.read(file)
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
