"""Which Python an image has, by its list of files alone."""

from collections.abc import Callable

import pytest

from nuvtui.images.python.interpreter import ImagePython, find_python, libc_version, platform_tags, resolve

SLIM = [
    "usr/bin/perl",
    "usr/local/bin/python",
    "usr/local/bin/python3",
    "usr/local/bin/python3.12",
    "usr/local/bin/python3.12-config",
    "usr/local/lib/python3.12/os.py",
    "usr/local/lib/python3.12/site-packages",
]
SLIM_LINKS = {"usr/local/bin/python": "python3", "usr/local/bin/python3": "python3.12", "bin": "usr/bin"}
DEBIAN = [
    "usr/bin/python3",
    "usr/bin/python3.11",
    "usr/lib/python3.11/os.py",
    "usr/lib/python3/dist-packages",
    "usr/local/lib/python3.11/dist-packages",
]
DEBIAN_LINKS = {"usr/bin/python3": "python3.11", "bin": "usr/bin"}
CONDA = [
    "opt/conda/bin/python",
    "opt/conda/bin/python3",
    "opt/conda/bin/python3.12",
    "opt/conda/lib/python3.12/os.py",
    "opt/conda/conda-meta/python-3.12.4-h1.json",
]
CONDA_LINKS = {"opt/conda/bin/python": "python3.12", "opt/conda/bin/python3": "python3.12"}
USUAL = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def found(
    paths: list[str], links: dict[str, str], variable: str = USUAL, libc: str = "glibc 2.36"
) -> tuple[str, str, str] | None:
    python = find_python([*paths, *links], links, libc, "amd64", variable)
    return None if python is None else (python.executable, python.version, python.site)


def test_the_official_image() -> None:
    assert find_python(SLIM, SLIM_LINKS, "glibc 2.36", "amd64", USUAL) == ImagePython(
        "/usr/local/bin/python3",
        "3.12",
        "/usr/local/lib/python3.12/site-packages",
        platform_tags("glibc 2.36", "amd64"),
    )
    assert found(SLIM, SLIM_LINKS, "") is not None


def test_debian_alpine_and_conda() -> None:
    debian = ("/usr/bin/python3", "3.11", "/usr/local/lib/python3.11/dist-packages")
    assert found(DEBIAN, DEBIAN_LINKS) == debian
    assert found(DEBIAN, DEBIAN_LINKS, "/bin") == ("/bin/python3", *debian[1:])
    conda = ("/opt/conda/bin/python3", "3.12", "/opt/conda/lib/python3.12/site-packages")
    both = DEBIAN + CONDA, DEBIAN_LINKS | CONDA_LINKS
    assert found(*both, f"/opt/conda/bin:{USUAL}") == conda
    assert found(*both) == debian
    alpine = ["usr/bin/python3", "usr/bin/python3.12", "usr/lib/python3.12/os.py"]
    assert found(alpine, {"usr/bin/python3": "python3.12"}, libc="musl 1.2") == (
        "/usr/bin/python3",
        "3.12",
        "/usr/lib/python3.12/site-packages",
    )


def test_a_venv_keeps_its_own_path_although_its_python_is_a_link() -> None:
    paths = [*SLIM, "opt/venv/pyvenv.cfg", "opt/venv/bin/python", "opt/venv/lib/python3.12/site-packages"]
    links = {
        **SLIM_LINKS,
        "opt/venv/bin/python": "/usr/local/bin/python3",
        "opt/venv/lib64": "lib",
        "venv": "opt/venv",
    }
    site = "/opt/venv/lib/python3.12/site-packages"
    assert found(paths, links, f"/opt/venv/bin:{USUAL}") == ("/opt/venv/bin/python", "3.12", site)
    assert found(paths, links, "/venv/bin/") == ("/venv/bin/python", "3.12", site)


def test_a_python_elsewhere_is_followed_to_its_library() -> None:
    paths = ["opt/py/bin/python3", "opt/py/lib/python3.13/os.py", "usr/local/bin/python3"]
    links = {"usr/local/bin/python3": "../../../opt/py/bin/python3"}
    assert found(paths, links) == ("/usr/local/bin/python3", "3.13", "/opt/py/lib/python3.13/site-packages")


@pytest.mark.parametrize(
    ("paths", "links", "variable"),
    [
        ([], {}, USUAL),
        (["usr/bin/perl"], {}, USUAL),
        (SLIM, SLIM_LINKS, "/nowhere:bin"),
        (["root/.pyenv/shims/python3", *DEBIAN], DEBIAN_LINKS, f"/root/.pyenv/shims:{USUAL}"),
        (["usr/bin/python3"], {"usr/bin/python3": "python3"}, USUAL),
        (["usr/bin/python3"], {"usr/bin/python3": "/etc/alternatives/python3"}, USUAL),
        (
            ["usr/local/bin/python3", "usr/local/bin/python3.13t"],
            {"usr/local/bin/python3": "python3.13t"},
            USUAL,
        ),
        (["usr/bin/python3", "usr/lib/python3.11/os.py", "usr/lib/python3.12/os.py"], {}, USUAL),
    ],
)
def test_no_answer_rather_than_a_guess(paths: list[str], links: dict[str, str], variable: str) -> None:
    assert found(paths, links, variable) is None


def test_links_are_followed_as_the_system_follows_them() -> None:
    links = {"a": "b/c", "b/c": "/d", "e": "../../../f/./g", "loop": "loop"}
    assert resolve("a/x", links) == "d/x"
    assert resolve("/x/../e/y", links) == "f/g/y"
    assert resolve("loop/x", links) is None


def test_platform_tags() -> None:
    tags = platform_tags("glibc 2.36", "amd64")
    assert (tags[0], tags[-1]) == ("manylinux_2_36_x86_64", "linux_x86_64")
    assert tags.index("manylinux_2_17_x86_64") + 1 == tags.index("manylinux2014_x86_64")
    assert {"manylinux2010_x86_64", "manylinux1_x86_64"} < set(tags)
    arm = platform_tags("glibc 2.19", "arm64")
    assert arm == [
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "linux_aarch64",
    ]
    assert platform_tags("musl 1.2", "amd64") == [
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
        "musllinux_1_0_x86_64",
        "linux_x86_64",
    ]
    assert platform_tags("", "amd64") == ["linux_x86_64"]
    assert platform_tags("glibc 2.36", "z80") == []


GLIBC = b"\x7fELF\0GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright\0"
MUSL = b"\x7fELF\0musl libc (x86_64)\nVersion %s\nDynamic Program Loader\0abc\0001.2.5\0x"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"lib/x86_64-linux-gnu/libc.so.6": GLIBC}, "glibc 2.36"),
        ({"usr/lib/aarch64-linux-gnu/libc.so.6": GLIBC}, "glibc 2.36"),
        ({"usr/lib64/libc.so.6": GLIBC.replace(b"2.36.", b"2.34.")}, "glibc 2.34"),
        ({"lib/ld-musl-x86_64.so.1": MUSL}, "musl 1.2"),
        ({"lib/ld-musl-aarch64.so.1": MUSL.replace(b"1.2.5", b"1.2.4_git20230717")}, "musl 1.2"),
        ({"lib/ld-musl-x86_64.so.1": MUSL, "lib/x86_64-linux-gnu/libc.so.6": GLIBC}, "glibc 2.36"),
        ({"lib/x86_64-linux-gnu/libc.so.6": b"nothing"}, ""),
        ({}, ""),
    ],
)
def test_c_library(files: dict[str, bytes], expected: str) -> None:
    read: Callable[[str], bytes | None] = files.get
    assert libc_version(read) == expected
