"""Which Python an image has: found in its list of files, without running anything of it.

What decides is what would decide in a container: the first `python3` or `python` on the image's search path, and
the links that it leads over. Where that does not say for certain which Python runs (a version manager's shim,
say), there is no answer rather than a guess: packages for another Python would be in the image and not be found.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The search path of an image that sets none."""
_NAMES = ("python3", "python")
_HOPS = 40
"""So many links are followed on the way to a file, as Linux does."""
_MACHINES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "386": "i686",
    "arm": "armv7l",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""Names of architectures: OCI's, and the machine's own, which wheels go by."""
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Names that wheels for glibc 2.x had before PEP 600."""
_GLIBC = re.compile(rb"GNU C Library [^\n\0]*?version (\d+\.\d+)")
_MUSL = re.compile(rb"(?<=\0)(1\.\d+)\.\d+(?:[_-][0-9A-Za-z_.-]*)?(?=\0)")
_LIBRARY_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64")


@dataclass(frozen=True)
class ImagePython:
    """The Python of an image, as pip has to know it."""

    executable: str
    """Absolute path in the image, as the search path leads to it: `/usr/local/bin/python3`."""
    version: str
    """`3.12`."""
    site: str
    """Absolute folder that packages are installed into, without links in it; on the Python's `sys.path`."""
    platforms: list[str]
    """Platform tags of the wheels that run there, best first."""


def find_python(
    paths: Iterable[str], links: Mapping[str, str], libc: str, architecture: str, path_variable: str
) -> ImagePython | None:
    """The Python that `python3` or `python` leads to in an image; None: none, or not certain which.

    `paths` are all paths of the image (links as well), `links` the targets of those that are links, both without
    leading slash. `libc` is what `libc_version` gave, `architecture` OCI's name, `path_variable` the image's PATH.
    """
    platforms = platform_tags(libc, architecture)
    if not platforms:
        return None
    known = frozenset(path.strip("/") for path in paths)
    for folder in (path_variable or _PATH).split(":"):
        if not folder.startswith("/"):
            continue
        for name in _NAMES:
            place, real = resolve(folder, links), resolve(f"{folder}/{name}", links)
            if place is None or real is None or real not in known:
                continue
            found = _described(_within(place, name), real, known, links)
            executable = posixpath.normpath(f"/{folder.lstrip('/')}/{name}")
            return found and ImagePython(executable, *found, platforms)
    return None


def resolve(path: str, links: Mapping[str, str]) -> str | None:
    """`path` with every link in it followed, without leading slash; None where the links go round in circles."""
    rest = [part for part in path.split("/") if part]
    done: list[str] = []
    hops = 0
    while rest:
        part = rest.pop(0)
        if part == ".":
            continue
        if part == "..":
            del done[-1:]
            continue
        target = links.get("/".join([*done, part]))
        if target is None:
            done.append(part)
            continue
        hops += 1
        if hops > _HOPS:
            return None
        if target.startswith("/"):
            done = []
        rest[:0] = [step for step in target.split("/") if step]
    return "/".join(done)


def platform_tags(libc: str, architecture: str) -> list[str]:
    """The platform tags that pip takes wheels of, best first; none for an architecture that has no wheels.

    Where the C library is not known (``), only the tag that goes with pure Python packages is there.
    """
    machine = _MACHINES.get(architecture)
    if machine is None:
        return []
    tags: list[str] = []
    family, _, version = libc.partition(" ")
    number = re.fullmatch(r"(\d+)\.(\d+)(?:\..*)?", version)
    if family == "glibc" and number and number[1] == "2":
        # Wheels for an older glibc exist for the two oldest architectures only.
        oldest = 5 if machine in ("x86_64", "i686") else 17
        for minor in range(int(number[2]), oldest - 1, -1):
            tags.append(f"manylinux_2_{minor}_{machine}")
            if minor in _LEGACY:
                tags.append(f"{_LEGACY[minor]}_{machine}")
    elif family == "musl" and number:
        tags += [f"musllinux_{number[1]}_{minor}_{machine}" for minor in range(int(number[2]), -1, -1)]
    return [*tags, f"linux_{machine}"]


def libc_version(read: Callable[[str], bytes | None]) -> str:
    """`glibc 2.36`, `musl 1.2`, or `` where neither is found.

    `read` gives the content of a file of the image by its path without leading slash, over links; None: no such
    file. Debian's musl package stands beside glibc and is not what programs there run with: glibc goes first.
    """
    machines = list(dict.fromkeys(_MACHINES.values()))
    for folder in _LIBRARY_FOLDERS:
        for triple in (*(f"/{_triple(machine)}" for machine in machines), ""):
            data = read(f"{folder}{triple}/libc.so.6")
            if data and (found := _GLIBC.search(data)):
                return f"glibc {found[1].decode()}"
    for machine in machines:
        for folder in ("lib", "usr/lib"):
            for name in (_musl_name(machine), f"{_musl_name(machine)}hf"):
                data = read(f"{folder}/ld-musl-{name}.so.1")
                if data and b"musl libc" in data and (found := _MUSL.search(data)):
                    return f"musl {found[1].decode()}"
    return ""


def _triple(machine: str) -> str:
    """Debian's folder for the libraries of `machine`."""
    if machine == "armv7l":
        return "arm-linux-gnueabihf"
    return f"{'powerpc64le' if machine == 'ppc64le' else machine.replace('i686', 'i386')}-linux-gnu"


def _musl_name(machine: str) -> str:
    return {"armv7l": "arm", "i686": "i386", "ppc64le": "powerpc64le"}.get(machine, machine)


def _described(
    path: str, real: str, known: frozenset[str], links: Mapping[str, str]
) -> tuple[str, str] | None:
    """Version and site folder of the Python at `path`, whose file is `real`."""
    named = re.fullmatch(r"(?:platform-)?python(?:3|(3\.\d+))?", posixpath.basename(real))
    if named is None:
        return None
    venv, home = (posixpath.dirname(posixpath.dirname(at)) for at in (path, real))
    prefix = venv if _within(venv, "pyvenv.cfg") in known else home
    version = named[1] or _only_version(prefix, known) or _only_version(home, known)
    if not version:
        return None
    library = _within(prefix, f"lib/python{version}")
    if prefix == "usr" and "usr/lib/python3/dist-packages" in known:
        # Debian's own: packages of apt lie below /usr, all others below /usr/local, which comes first.
        folder = f"usr/local/lib/python{version}/dist-packages"
    elif f"{library}/site-packages" in known or f"{library}/os.py" in known:
        folder = f"{library}/site-packages"
    else:
        return None
    site = resolve(folder, links)
    return None if site is None else (version, f"/{site}")


def _only_version(prefix: str, known: frozenset[str]) -> str:
    """The version whose library is below `prefix`, where there is just one."""
    pattern = re.compile(re.escape(_within(prefix, "lib/python")) + r"(3\.\d+)(?:/os\.py|/site-packages)")
    found = {match[1] for path in known if (match := pattern.fullmatch(path))}
    return found.pop() if len(found) == 1 else ""


def _within(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path
