"""What Python and the packages need of the system: the frame of a small Linux, and shared libraries."""

import os

from nuvtui.images.host.collector import CaptureRules, Collector
from nuvtui.images.host.files import HostFile, folder_at
from nuvtui.images.host.interpreter import Interpreter, homes
from nuvtui.images.host.libraries import closure, configured_folders
from nuvtui.images.host.notes import Notes, shown, some
from nuvtui.images.host.trees import HostTree
from nuvtui.model.export import Excluded
from nuvtui.model.tree import LINK

_DLOPENED = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
"""The C library asks for these by name when a thread is cancelled or a host name looked up."""
_MERGED = ("bin", "sbin", "lib", "lib64")
_LOCALES = ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8")
_ZONES = "/usr/share/zoneinfo"


def add_frame(collector: Collector) -> None:
    """The frame of a small Linux system."""
    for name in _MERGED:
        if os.path.islink(f"/{name}"):
            collector.place(f"/{name}", collector.runtime)
    for program in ("/bin/sh", "/usr/bin/env"):
        real = collector.place(program, collector.runtime)
        if real:
            collector.programs.append(real)
        else:
            collector.notes.warn(f"This machine has no {program}; the image has none either")
    zones = os.path.realpath(_ZONES)
    if os.path.isdir(zones):
        collector.place(_ZONES, collector.runtime)
        other = Excluded("time zones with leap seconds", "programs use the others")
        local = Excluded(f"{_ZONES}/localtime", "the image is in UTC unless TZ says otherwise")
        skipped = {"right": other, "posix": other, "localtime": local}
        collector.take(zones, collector.runtime, CaptureRules(skipped=skipped, hard_links=True))
    for locale in _LOCALES:
        if os.path.isdir(locale):
            collector.place(locale, collector.runtime)
            collector.take(os.path.realpath(locale), collector.runtime, CaptureRules())
    collector.generate(
        "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
    )
    collector.generate("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    collector.generate(
        "etc/nsswitch.conf",
        b"passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
    )
    collector.runtime["tmp"] = folder_at("/tmp")  # noqa: S108 - the folder itself


def add_libraries(collector: Collector, interpreter: Interpreter) -> None:
    """The shared libraries that all collected programs need, and the loader."""
    tree = HostTree()
    configured = configured_folders(tree)
    program = closure(
        dict.fromkeys(collector.programs), tree, configured, interpreter.real, _DLOPENED, collector.check
    )
    for loader in program.interpreters:
        collector.place(loader, collector.runtime)
    c_library = next((one for one in program.libraries if one.name.startswith("libc.")), None)
    default = os.path.dirname(os.path.realpath(c_library.path)) if c_library else ""
    foreign: dict[str, list[str]] = {}
    personal = tuple(f"{home}/" for home in homes())
    for library in program.libraries:
        if library.real.startswith(personal) and not collector.inside(library.real):
            collector.notes.group(
                "Libraries in a home folder, outside environment and interpreter, are not in the image",
                shown(library.path),
            )
            continue
        collector.place(library.path, collector.runtime)
        folder = os.path.dirname(library.path)
        if library.by == "configured" and default:
            link = HostFile(f"{default}/{library.name}"[1:], LINK, 0o777, 0, target=library.path)
            collector.add(collector.runtime, link)
        elif (
            library.by == "path"
            and not collector.inside(library.real)
            and not library.real.startswith("/usr/")
        ):
            foreign.setdefault(os.path.normpath(folder), []).append(library.name)
        if library.name.startswith("libcrypto.so") and library.by != "path":
            # OpenSSL loads it by name for older algorithms.
            collector.place(f"{folder}/ossl-modules/legacy.so", collector.runtime)
    for folder, names in sorted(foreign.items()):
        collector.notes.warn(
            f"Libraries from {shown(folder)} are in the image; see that you may hand them on: {some(names)}"
        )
    if program.drivers:
        collector.notes.left_out(
            f"graphics driver: {some(program.drivers)}",
            "must fit the machine; the container's runtime hands it in (docker run --gpus all)",
        )
    _tell_missing(collector.notes, program.missing)


def _tell_missing(notes: Notes, lacking: list[tuple[str, str]]) -> None:
    by_name: dict[str, list[str]] = {}
    for file, name in lacking:
        by_name.setdefault(name, []).append(file)
    folders = [one for one in os.environ.get("LD_LIBRARY_PATH", "").split(":") if one.startswith("/")]
    for name, files in sorted(by_name.items()):
        users = some([shown(file) for file in sorted(set(files))], 2)
        only = next((folder for folder in folders if os.path.isfile(f"{folder}/{name}")), None)
        if only is not None and "/" not in name:
            notes.warn(
                f"The library {shown(name)} is found only by LD_LIBRARY_PATH (in {shown(only)}) and is not "
                f"in the image; needed by {users}"
            )
        else:
            notes.group(
                "Libraries that are not found on this machine, so that what needs them does not work",
                f"{shown(name)} (needed by {users})",
            )
