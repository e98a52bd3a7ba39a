"""The ignore file says what git's own `.gitignore` says: git is the judge."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.store import ignore
from nuvtui.store.store import Store
from nuvtui.store.trees import walk
from tests.store.helpers import look, new_store, take

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}

NAMES = [b"a", b"b", b"ab", b"aa", b"A", b"b ", b"a b", b"#a", b"!a", b":a", b"a*", b"[a]", b"]", b"-", b"\\"]
NAMES += [b".a", b"a.b", b"a\n", b"a\r", b"\xff", b"\xc3\xa4", b"a\\", b"\x0b", b"7", b"_"]

PIECES = (
    rb"a b ab A 7 _ . * * ** *** ? / / / **/ /** /**/ \ \/ \* \# ! # - [ ] [a] [!a] [^b] [a-b] [b-a]".split()
)
PIECES += (
    rb"[/] []a] [!]] [\]] [a\-b] [[-a] [a- [[: [:a:] [[:none:]] [[:alpha:]_] [^[:punct:]] [[:space:]]".split()
)
PIECES += [b" ", b"\\ ", b"\t", b"\r", b"\xff", b"\xc3\xa4"]

line = st.builds(
    lambda before, body, after: before + b"".join(body) + after,
    st.sampled_from([b"", b"", b"", b"!", b"!", b"/", b"#", b"**/"]),
    st.lists(st.sampled_from(PIECES), max_size=6),
    st.sampled_from([b"", b"", b"", b"/", b"/", b"/**", b" ", b"  ", b"\\ "]),
)
rules = st.builds(
    lambda mark, lines, end, last: mark + end.join(lines) + last,
    st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"]),
    st.lists(line, min_size=1, max_size=6),
    st.sampled_from([b"\n", b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\n"]),
)
trees = st.sets(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(tuple), min_size=1, max_size=12)


class Git:
    """A repository whose work tree is made anew for every question."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0
        subprocess.run(["git", "init", "-q", "--bare", root / "git"], check=True, env=ENVIRONMENT)

    def ignored(self, paths: set[tuple[bytes, ...]], data: bytes) -> dict[tuple[bytes, bool], bool]:
        """Of every path of a tree of these files, and whether it is a folder: whether git leaves it out."""
        self.count += 1
        top = os.fsencode(self.root / str(self.count))
        folders = {path[:length] for path in paths for length in range(1, len(path))}
        for folder in sorted(folders, key=len):
            os.makedirs(b"/".join([top, *folder]), exist_ok=True)
        os.makedirs(top, exist_ok=True)
        files = paths - folders
        for file in files:
            os.close(os.open(b"/".join([top, *file]), os.O_CREAT | os.O_WRONLY))
        with open(top + b"/.gitignore", "wb") as written:
            written.write(data)
        asked = {(b"/".join(path), path in folders) for path in folders | files}
        answer = subprocess.run(
            ["git", "--git-dir", self.root / "git", "--work-tree", top, "check-ignore", "-z", "--stdin"],
            input=b"".join(b"./" + path + b"\0" for path, _ in asked),
            capture_output=True,
            cwd=top,
            env=ENVIRONMENT,
        )
        assert answer.returncode in (0, 1), answer.stderr
        out = set(answer.stdout.split(b"\0"))
        return {(path, folder): b"./" + path in out for path, folder in asked}


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    return Git(tmp_path_factory.mktemp("git"))


@settings(deadline=None, max_examples=150)
@given(paths=trees, data=rules)
def test_what_is_left_out_is_what_git_leaves_out(
    git: Git, paths: set[tuple[bytes, ...]], data: bytes
) -> None:
    found = ignore.parse(data)
    for (path, folder), wanted in git.ignored(paths, data).items():
        assert found.leaves_out(path, folder) == wanted, (data, path, folder)
        if found.empty:
            assert not wanted


@settings(deadline=None, max_examples=50)
@given(data=rules)
def test_a_walk_from_the_top_finds_the_same(data: bytes) -> None:
    found = ignore.parse(data)

    def walk(path: bytes, depth: int, out: bool) -> None:
        folder = depth < 3
        out = out or found.match(path, folder)
        assert found.leaves_out(path, folder) == out
        if folder:
            for name in (b"a", b"ab", b"7"):
                walk(path + b"/" + name, depth + 1, out)

    for name in (b"a", b"ab", b"\xff"):
        walk(name, 0, False)


CLASSES = [
    "alnum",
    "alpha",
    "blank",
    "cntrl",
    "digit",
    "graph",
    "lower",
    "print",
    "punct",
    "space",
    "upper",
    "xdigit",
]


def test_named_classes_are_gits_for_every_byte(git: Git) -> None:
    names = {(bytes([byte]),) for byte in range(1, 256) if byte not in b"/."}
    for name in CLASSES:
        data = b"[[:%b:]]\n" % name.encode()
        found = ignore.parse(data)
        for (path, folder), wanted in git.ignored(names, data).items():
            assert found.leaves_out(path, folder) == wanted, (name, path)


def test_a_file_taken_back_below_a_folders_stars_is_there(tmp_path: Path) -> None:
    store, place = new_store(tmp_path / "home"), tmp_path / "place"
    for name in ("volumes/keep.json", "volumes/other.py", "deep/a/b/keep", "deep/a/b/c/other"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    (place / ".nuvtui").mkdir()
    (place / ".nuvtui" / "ignore").write_text(
        "volumes/**\n!volumes/keep.json\ndeep/**\n!deep/**/\n!deep/a/b/keep\n"
    )
    snapshot = take(store, place, tmp_path / "cache")
    assert names(store, snapshot.files.root) == {"volumes/keep.json", "deep/a/b/keep", ".nuvtui/ignore"}


def names(store: Store, root: str) -> set[str]:
    return {path for path, entry in walk(store.tree, bytes.fromhex(root)) if entry.kind == "f"}


PATTERNS = [b"*a" * 20 + b"b", b"**/a/" * 20 + b"b", b"x?" + b"*/**/" * 20 + b"z", b"**\\/" * 20 + b"b"]
PATTERNS += [b"[!b]*" * 20 + b"b", b"/**/" + b"*a*/**/" * 20 + b"c"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_takes_for_ever(pattern: bytes) -> None:
    found = ignore.parse(pattern)  # with plain backtracking each takes years
    assert not found.leaves_out(b"a" * 255, False)
    assert not found.match(b"/".join([b"aaaa"] * 800), False)


def test_nuvtuis_own_folder_is_nobodys_to_leave_out() -> None:
    found = ignore.parse(b".*\n*\n")
    assert not found.leaves_out(b".nuvtui/ignore", False)
    assert found.leaves_out(b".nuvtui-notes", False)


# -- a rules file that cannot be read is not the same as none


def be_link(file: Path) -> None:
    file.with_name("elsewhere").write_bytes(b"*.tmp\n")
    file.symlink_to("elsewhere")


def be_dangling(file: Path) -> None:
    file.symlink_to("nowhere")


def be_socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(file))


def be_large(file: Path) -> None:
    file.touch()
    os.truncate(file, ignore.MOST + 1)


def be_utf16(file: Path) -> None:
    file.write_text("*.tmp\n", "utf-16")


def be_folder(file: Path) -> None:
    file.mkdir()


def be_pipe(file: Path) -> None:
    os.mkfifo(file)


BAD = [be_link, be_dangling, be_socket, be_large, be_utf16, be_folder, be_pipe]


@pytest.mark.parametrize("be", BAD)
def test_rules_that_cannot_be_read_stop_a_snapshot_and_a_look(
    be: Callable[[Path], None], tmp_path: Path
) -> None:
    store, place = new_store(tmp_path / "home"), tmp_path / "p"
    (place / ".nuvtui").mkdir(parents=True)
    (place / "f").write_bytes(b"x")
    be(place / ".nuvtui" / "ignore")
    for action in (take, look):
        with pytest.raises(NuvError, match="ignore") as caught:
            action(store, place, tmp_path / "cache")  # type: ignore[operator]
        assert caught.value.exit_code is Exit.REFUSED
        assert str(place) in caught.value.title
        assert caught.value.message
        assert caught.value.hint
    assert store.manifest_ids() == []


def test_rules_that_only_others_may_read_stop_a_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".nuvtui").mkdir()
    (tmp_path / ".nuvtui" / "ignore").write_text("a\n")
    real = os.open

    def refuse(path: object, *arguments: object, **more: object) -> int:
        if path == ".nuvtui/ignore":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            with pytest.raises(NuvError, match="Permission denied"):
                ignore.read(descriptor)
        assert ignore.read(descriptor).leaves_out(b"a", False)
        (tmp_path / ".nuvtui" / "ignore").unlink()
        assert ignore.read(descriptor).empty
    finally:
        os.close(descriptor)
