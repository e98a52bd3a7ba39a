"""Which libraries files need and where the loader would find them, in trees of the smallest ELF files."""

import io
from collections.abc import Callable

from nuvtui.images.host import libraries, trees
from tests.images.host.elves import tiny_elf, tree_of


def test_an_rpath_is_inherited_and_a_runpath_is_not() -> None:
    files = {
        "app/main": tiny_elf(("liba.so",), rpath="$ORIGIN/deep"),
        "app/deep/liba.so": tiny_elf(("libb.so",)),
        "app/deep/libb.so": tiny_elf(),
    }
    found = libraries.closure(["/app/main"], tree_of(files))
    assert [one.path for one in found.libraries] == ["/app/deep/liba.so", "/app/deep/libb.so"]
    assert found.missing == []
    files["app/main"] = tiny_elf(("liba.so",), runpath="${ORIGIN}/deep")
    assert libraries.closure(["/app/main"], tree_of(files)).missing == [("/app/deep/liba.so", "libb.so")]
    files["app/deep/liba.so"] = tiny_elf(("libb.so",), runpath="/elsewhere")
    files["app/main"] = tiny_elf(("liba.so",), rpath="$ORIGIN/deep")
    assert libraries.closure(["/app/main"], tree_of(files)).missing == [("/app/deep/liba.so", "libb.so")]


def test_the_program_s_rpath_counts_for_what_it_loads() -> None:
    files = {
        "opt/py/bin/python3": tiny_elf(rpath="$ORIGIN/../lib"),
        "opt/py/lib/libz.so": tiny_elf(),
        "env/ext.so": tiny_elf(("libz.so",)),
    }
    assert libraries.missing(tree_of(files), roots=["/env/ext.so"]) == [("/env/ext.so", "libz.so")]
    assert libraries.missing(tree_of(files), "/opt/py/bin/python3", ["/env/ext.so"]) == []


def test_libraries_that_need_each_other_end() -> None:
    names = [f"lib{number}.so" for number in range(12)]
    files = {
        f"w.libs/{name}": tiny_elf(tuple(names), rpath=f"$ORIGIN:$ORIGIN/../w.libs:/x{name}")
        for name in names
    }
    read: list[str] = []

    def reading(path: str) -> Callable[[], io.BytesIO]:
        return lambda: (read.append(path), io.BytesIO(files[path]))[1]

    found = libraries.closure(
        [f"/{path}" for path in files], trees.VirtualTree({path: reading(path) for path in files}, {})
    )
    assert len(read) <= len(files) ** 2  # each for each other at most, not for each way to it
    assert found.missing == []
    assert {one.name for one in found.libraries} == set(names)


def test_the_configuration_and_the_default_folders_are_searched() -> None:
    files = {
        "etc/ld.so.conf": b"# head\ninclude ld.so.conf.d/*.conf\n/opt/late\n",
        "etc/ld.so.conf.d/b.conf": b"/opt/b\n",
        "etc/ld.so.conf.d/a.conf": b"/opt/a # said\n",
        "etc/ld.so.conf.d/not.txt": b"/opt/not\n",
        "opt/b/libb.so": tiny_elf(),
        "opt/not/libnot.so": tiny_elf(),
        "usr/lib/x86_64-linux-gnu/libd.so.1.2": tiny_elf(),
        "app/main": tiny_elf(("libb.so", "libd.so.1", "libnot.so", "relative/lib.so")),
    }
    links = {"lib": "usr/lib", "usr/lib/x86_64-linux-gnu/libd.so.1": "libd.so.1.2"}
    tree = tree_of(files, links)
    assert libraries.configured_folders(tree) == ["/opt/a", "/opt/b", "/opt/late"]
    found = libraries.closure(["/app/main"], tree, libraries.configured_folders(tree))
    assert [(one.path, one.by) for one in found.libraries] == [
        ("/opt/b/libb.so", "configured"),
        ("/lib/x86_64-linux-gnu/libd.so.1", "default"),
    ]
    assert found.libraries[1].real == "/usr/lib/x86_64-linux-gnu/libd.so.1.2"
    assert found.missing == [("/app/main", "libnot.so"), ("/app/main", "relative/lib.so")]


def test_what_is_missing_and_what_only_seems_so() -> None:
    files = {
        "env/ext.so": tiny_elf(("libown.so.3", "libcuda.so.1", "libarm.so", "libgone.so")),
        "env/site-packages/other.libs/libown-1a2b.so": tiny_elf(soname="libown.so.3"),
        "usr/lib/libarm.so": tiny_elf(machine=183),
        "usr/bin/tool": tiny_elf(interpreter="/lib64/ld-gone.so"),
    }
    assert libraries.missing(tree_of(files)) == [
        ("/env/ext.so", "libarm.so"),
        ("/env/ext.so", "libgone.so"),
        ("/usr/bin/tool", "/lib64/ld-gone.so"),
    ]


def test_links_in_circles_lead_nowhere() -> None:
    tree = tree_of({"a/file": b""}, {"x": "y", "y": "/x", "b": "../../a", "c": "b/file"})
    assert tree.resolve("/x/file") is None
    assert tree.resolve("/c") == "/a/file"
    assert tree.names("/b") == ["file"]
    assert tree.resolve("/a") is None
