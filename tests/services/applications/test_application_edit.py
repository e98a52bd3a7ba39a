"""One more pattern in an application's file: nothing else of it changes, whatever its style."""

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.services.applications.application_file import parse
from nuvtui.services.applications.edit import exclude, pattern
from nuvtui.store import ignore


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # brackets
        ("name: x\nexclude: [raw/]  # why\n", "name: x\nexclude: [raw/, /a.csv]  # why\n"),
        ("name: x\nexclude: []           # gitignore syntax\n", "name: x\nexclude: [/a.csv]           # gitignore syntax\n"),
        ("exclude: ['a, b' , \"c\",]\nname: x", "exclude: ['a, b' , \"c\", /a.csv,]\nname: x"),
        (
            "name: x\nexclude: [\n  a,  # first\n  b   # second\n]\nports: [1]\n",
            "name: x\nexclude: [\n  a,  # first\n  b,   # second\n  /a.csv\n]\nports: [1]\n",
        ),
        (
            "name: x\nexclude: [\n  a,\n  b,  # second, and last\n  # more?\n]\n",
            "name: x\nexclude: [\n  a,\n  b,  # second, and last\n  /a.csv,\n  # more?\n]\n",
        ),
        ("name: x\nexclude: [a,\n  b\n]\n", "name: x\nexclude: [a,\n  b,\n  /a.csv\n]\n"),
        ("name: x\nexclude: [ # none yet\n]\n", "name: x\nexclude: [/a.csv # none yet\n]\n"),
        ("name: x\nexclude: [# none yet\n]\n", "name: x\nexclude: [/a.csv # none yet\n]\n"),
        # lines
        (
            "name: x\nexclude:\n- a  # first\n- b  # second\n\n# the end\n",
            "name: x\nexclude:\n- a  # first\n- b  # second\n- /a.csv\n\n# the end\n",
        ),
        (
            "name: x\nexclude:\n    - 'a'\n    # about b\n    - b\n# about ports\nports: [1]\n",
            "name: x\nexclude:\n    - 'a'\n    # about b\n    - b\n    - /a.csv\n# about ports\nports: [1]\n",
        ),
        ("name: x\nexclude:\n  - a\n  - b", "name: x\nexclude:\n  - a\n  - b\n  - /a.csv"),
        ("name: x\nexclude:\n  - >-\n    a\n\nports: []\n", "name: x\nexclude:\n  - >-\n    a\n  - /a.csv\n\nports: []\n"),
        ("name: x\nexclude:\n  -\n    a\nsetup: []\n", "name: x\nexclude:\n  -\n    a\n  - /a.csv\nsetup: []\n"),
        ("name: x\r\nexclude:\r\n- a\r\nports: []\r\n", "name: x\r\nexclude:\r\n- a\r\n- /a.csv\r\nports: []\r\n"),
        # nothing there
        ("name: x\nexclude:  # none\nports: []\n", "name: x\nexclude: [/a.csv]  # none\nports: []\n"),
        ("name: x\nexclude: ~ # none\n", "name: x\nexclude: [/a.csv] # none\n"),
        ("name: x\nexclude:", "name: x\nexclude: [/a.csv]"),
        # no such key
        ("name: x", "name: x\nexclude: [/a.csv]"),
        ("# head\nname: x  # y\n# tail\n", "# head\nname: x  # y\nexclude: [/a.csv]\n# tail\n"),
        ("---\nname: x\n...\n", "---\nname: x\nexclude: [/a.csv]\n...\n"),
        ("  name: x\n  ports: []\n", "  name: x\n  ports: []\n  exclude: [/a.csv]\n"),
        (
            "name: x\nlicense:\n  required: false\n  files:\n    - a # b\n\n# end\n",
            "name: x\nlicense:\n  required: false\n  files:\n    - a # b\nexclude: [/a.csv]\n\n# end\n",
        ),
        (
            "name: x\nsetup:\n  - |\n    make\n    make it\n",
            "name: x\nsetup:\n  - |\n    make\n    make it\nexclude: [/a.csv]\n",
        ),
        ("name: x\nsetup:\n", "name: x\nsetup:\nexclude: [/a.csv]\n"),
        # all in braces
        ("{name: x, exclude: [a]}\n", "{name: x, exclude: [a, /a.csv]}\n"),
        ("{name: x, exclude}\n", "{name: x, exclude: [/a.csv]}\n"),
        ("{name: x, exclude: }\n", "{name: x, exclude: [/a.csv] }\n"),
        ("{ # c\n  name: x,\n}\n", "{exclude: [/a.csv],  # c\n  name: x,\n}\n"),
    ],
)  # fmt: skip
def test_styles(before: str, after: str) -> None:
    assert exclude(before, "a.csv") == after


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.csv", "/a.csv"),
        ("raw/", "/raw/"),
        ("/data/a b.csv", "/data/a b.csv"),
        ("#a", "/#a"),
        ("!a", "/!a"),
        ("a  ", "/a\\ \\ "),
        ("a\t", "/a\t"),
        ("a /", "/a /"),
        ("*.csv", "/\\*.csv"),
        ("what?[1]", "/what\\?\\[1]"),
        ("a\\b", "/a\\\\b"),
        ("a\\ ", "/a\\\\\\ "),
        ("ümlaut 😀", "/ümlaut 😀"),
    ],
)
def test_patterns(path: str, expected: str) -> None:
    assert pattern(path) == expected
    assert parse(exclude("name: x\n", path), "a.yaml").exclude == [expected]


@pytest.mark.parametrize("path", ["", "/", "a\nb", "a\rb", "a\0", "caf\udce9"])
def test_paths_that_no_pattern_stands_for(path: str) -> None:
    with pytest.raises(NuvError) as caught:
        exclude("name: x\n", path)
    assert caught.value.exit_code == Exit.USAGE


def test_a_file_that_is_no_application_is_refused_as_it_is() -> None:
    with pytest.raises(NuvError) as caught:
        exclude("nam: x\n", "a", "my.yaml")
    assert caught.value.title == "my.yaml, line 1: nam"


def test_where_nothing_can_be_added_safely_it_says_what_to_add() -> None:
    full = "name: x # " + "x" * ((256 << 10) - 10)
    with pytest.raises(NuvError) as caught:
        exclude(full, "a.csv", "my.yaml")
    assert caught.value.hint == "Add it by hand: /a.csv"


def test_the_last_pattern_wins_over_one_that_let_it_in() -> None:
    text = exclude("name: x\nexclude: ['*.csv', '!a.csv']\n", "a.csv")
    assert leaves_out(parse(text, "a.yaml").exclude, "a.csv")


def leaves_out(patterns: list[str], path: str) -> bool:
    return ignore.parse("\n".join(patterns).encode()).leaves_out(path.encode(), False)


_component = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0\n\r"), min_size=1, max_size=8
).filter(lambda part: part not in (".", ".."))
_path = st.lists(_component, min_size=1, max_size=3).map("/".join)


@given(_path, _path)
@example("a\\ ", "a\\")
@example("\x1f", "a")
def test_a_pattern_matches_its_path_and_no_other(path: str, other: str) -> None:
    assume(path.split("/") != other.split("/")[: path.count("/") + 1])
    patterns = [pattern(path)]
    assert leaves_out(patterns, path)
    assert not leaves_out(patterns, other)
    assert not leaves_out(patterns, f"x/{path}")


_gap = st.sampled_from(["", " ", "  # c, [x]\n ", "\n  "])
_break = st.sampled_from(["\n", "\r\n"])
_item = st.sampled_from(["raw/", "'a, b'", '"c # d"', "e#f", "'!g'", '"h\\\n    i"'])
_comment = st.sampled_from(["", "  # why: [this]", " # - that"])
_other = st.sampled_from(
    ["ports: [1]", "setup:\n  - |\n    make\n    # no comment\n", "license:\n  files: [a]", "command:\n- a\n- b",
     "\n# c\n", "kind:"]
)  # fmt: skip


@st.composite
def _texts(draw: st.DrawFn) -> str:
    items = draw(st.lists(_item, max_size=4))
    style = draw(st.sampled_from(["flow", "block", "indented", "empty", "missing"]))
    if style == "flow":
        inner = ",".join(f"{draw(_gap)}{item}{draw(_gap)}" for item in items)
        inner += "," if items and draw(st.booleans()) else ""
        lines = [f"exclude: [{inner}{draw(_gap)}]{draw(_comment)}"]
    elif style in ("block", "indented") and items:
        indent = "   " if style == "indented" else ""
        lines = ["exclude:" + draw(_comment)]
        for item in items:
            lines += [
                f"{indent}- {item}{draw(_comment)}",
                *draw(st.lists(st.sampled_from(["", "# own"]), max_size=1)),
            ]
    elif style == "empty":
        lines = [f"exclude:{draw(st.sampled_from(['', ' ~', ' null']))}{draw(_comment)}"]
    else:
        lines = []
    others = draw(st.lists(_other, max_size=3, unique=True))
    at = draw(st.integers(0, len(others)))
    lines = [*others[:at], *lines, *others[at:]]
    lines.insert(draw(st.sampled_from([0, len(lines)])), "name: x" + draw(_comment))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n# end\n", "\n...\n"]))
    return text.replace("\n", draw(_break))


@given(_texts(), _path)
def test_exactly_one_more_in_any_style(text: str, path: str) -> None:
    before = parse(text, "a.yaml")
    edited = exclude(text, path)
    after = parse(edited, "a.yaml")
    assert after == msgspec.structs.replace(before, exclude=[*before.exclude, pattern(path)])
    # All that stood there stands there still, in its order; only a `~` may have given way.
    rest = iter(edited)
    for word in (" ~", " null"):
        text = text.replace(f"exclude:{word}", "exclude:")
    assert all(char in rest for char in text)
