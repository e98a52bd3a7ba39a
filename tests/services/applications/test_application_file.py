"""The application file: strict parsing with line, key, expected and found; and what is rendered parses again."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import Application, ApplicationKind, License, Packages
from nuvtui.paths import Workspace
from nuvtui.services.applications import application_file
from nuvtui.services.applications.application_file import check, parse, render

DESIGN = """\
name: Penguin analysis
kind: script              # template it came from: script, python, …
image: host               # base image reference, or `host`
environment: .venv        # optional
packages: {apt: [], pip: [pandas==2.2.3], conda: [], cran: []}
variables: {OMP_NUM_THREADS: "2"}
secrets: [HF_TOKEN]       # names only
license: {required: false, variables: [MLM_LICENSE_FILE], files: [licenses/stata.lic]}
setup: []                 # shell commands at build time, after the packages
command: [python, analysis.py]
ports: []
healthcheck: [python, -c, "import pandas"]
workdir: /files
exclude: [raw/]           # gitignore syntax
"""


def test_the_file_of_the_design() -> None:
    assert parse(DESIGN, "a.yaml") == Application(
        name="Penguin analysis",
        kind=ApplicationKind.SCRIPT,
        image="host",
        environment=".venv",
        packages=Packages(pip=["pandas==2.2.3"]),
        variables={"OMP_NUM_THREADS": "2"},
        secrets=["HF_TOKEN"],
        license=License(variables=["MLM_LICENSE_FILE"], files=["licenses/stata.lic"]),
        command=["python", "analysis.py"],
        healthcheck=["python", "-c", "import pandas"],
        exclude=["raw/"],
    )


def test_only_a_name_is_needed_and_empty_keys_are_left_out() -> None:
    assert parse("name: x\nsetup:\nlicense:\nenvironment: ~\n", "a.yaml") == Application("x")


@pytest.mark.parametrize(
    ("text", "line", "key", "expected", "found"),
    [
        ("", 0, "", "a mapping", "nothing"),
        ("# only a comment\n", 0, "", "a mapping", "nothing"),
        ("- a\n", 1, "", "a mapping", "a list"),
        ("kind: script\n", 0, "name", "a name", "no such key"),
        ("name: x\ncomand: [a]\n", 2, "comand", "one of name, kind", "unknown key 'comand'"),
        ("name: x\npackages:\n  npm: [a]\n", 3, "packages.npm", "one of apt, pip", "unknown key 'npm'"),
        ("name: x\nlicense: {require: true}\n", 2, "license.require", "one of required", "unknown key"),
        ("name: x\n\nname: y\n", 3, "name", "each key once", "second time (first in line 1)"),
        ("name: x\nvariables: {A: a, A: b}\n", 2, "variables.A", "each key once", "second time"),
        ("name: [x]\n", 1, "name", "a name", "a list"),
        ("name: 7\n", 1, "name", "a name", "the number 7"),
        ("name: yes\n", 1, "name", "a name", "the truth value yes"),
        ("name: 2020-01-01\n", 1, "name", "a name", "the date 2020-01-01"),
        ("name: ''\n", 1, "name", "a name", "nothing"),
        ('name: "a\\nb"\n', 1, "name", "one line", "line break"),
        ("name: x\nkind: jupyter\n", 2, "kind", "one of script", "'jupyter'"),
        ("name: x\nimage: 'python:3.12; rm -rf /'\n", 2, "image", "an image reference", "'python:3.12; rm"),
        ("name: x\nimage: -v\n", 2, "image", "an image reference", "'-v'"),
        ("name: x\nimage: {a: b}\n", 2, "image", "an image reference", "a mapping"),
        ("name: x\nenvironment: [a]\n", 2, "environment", "a folder", "a list"),
        ("name: x\npackages: [a]\n", 2, "packages", "a mapping", "a list"),
        ("name: x\npackages: {apt: curl}\n", 2, "packages.apt", "a list of packages", "'curl'"),
        ("name: x\npackages: {apt: [-o, a]}\n", 2, "packages.apt[0]", "Debian package", "'-o'"),
        ("name: x\npackages: {apt: [a, 'b c']}\n", 2, "packages.apt[1]", "Debian package", "'b c'"),
        ("name: x\npackages: {apt: ['a$(id)']}\n", 2, "packages.apt[0]", "Debian package", "'a$(id)'"),
        ("name: x\npackages: {pip: ['-r x.txt']}\n", 2, "packages.pip[0]", "without options", "'-r x.txt'"),
        ("name: x\npackages: {pip: ['a --pre']}\n", 2, "packages.pip[0]", "without options", "'a --pre'"),
        ('name: x\npackages: {pip: ["a\\n-r b"]}\n', 2, "packages.pip[0]", "one line", "line break"),
        ("name: x\npackages: {conda: ['a; id']}\n", 2, "packages.conda[0]", "conda package", "'a; id'"),
        ("name: x\npackages: {cran: ['a\")']}\n", 2, "packages.cran[0]", "R package", 'a")'),
        ("name: x\nvariables: [A]\n", 2, "variables", "a mapping", "a list"),
        ("name: x\nvariables: {A: 2}\n", 2, "variables.A", "text", "the number 2"),
        ("name: x\nvariables: {A B: c}\n", 2, "variables", "name of a variable", "'A B'"),
        ("name: x\nsecrets: [A=b]\n", 2, "secrets[0]", "name of a variable", "'A=b'"),
        ("name: x\nsecrets: {A: b}\n", 2, "secrets", "a list of names", "a mapping"),
        (
            "name: x\nvariables: {A: b}\nsecrets: [A]\n",
            3,
            "secrets",
            "not among the variables",
            "'A' in both",
        ),
        ("name: x\nlicense: {required: maybe}\n", 2, "license.required", "true or false", "'maybe'"),
        ("name: x\nlicense: {files: [1]}\n", 2, "license.files[0]", "a file", "the number 1"),
        ("name: x\nsetup: make\n", 2, "setup", "a list of shell commands", "'make'"),
        ("name: x\ncommand: python a.py\n", 2, "command", "a list of words", "'python a.py'"),
        ("name: x\ncommand: ['', a]\n", 2, "command", "a program", "nothing"),
        ("name: x\nhealthcheck: curl x\n", 2, "healthcheck", "a list of words", "'curl x'"),
        ("name: x\nhealthcheck: [' ']\n", 2, "healthcheck", "a program", "nothing"),
        ("name: x\nhealthcheck: [a, 5]\n", 2, "healthcheck[1]", "a word", "the number 5"),
        ("name: x\nports: [80, 65536]\n", 2, "ports[1]", "from 1 to 65535", "the number 65536"),
        ("name: x\nports: [0]\n", 2, "ports[0]", "from 1 to 65535", "the number 0"),
        ("name: x\nports: ['80']\n", 2, "ports[0]", "from 1 to 65535", "'80'"),
        ("name: x\nports: [0x50]\n", 2, "ports[0]", "from 1 to 65535", "the number 0x50"),
        ("name: x\nworkdir: files\n", 2, "workdir", "an absolute path", "'files'"),
        ("name: x\nworkdir: /a/../b\n", 2, "workdir", "without `..`", "'/a/../b'"),
        ("name: &n x\nimage: *n\n", 1, "", "plain values", "an anchor or alias"),
        ("name: x\n<<: {kind: shell}\n", 2, "", "a name as key", "'<<'"),
        ("name: x\n? [a]\n: b\n", 2, "", "a name as key", "a list"),
        ("name: x\n1: b\n", 2, "", "a name as key", "the number 1"),
        ("name: !!python/object/apply:os.system [id]\n", 1, "name", "a name", "a list"),
        ("name: !!python/name:os.system x\n", 1, "name", "a name", "with the tag"),
        ("name: x\n---\nname: y\n", 2, "", "one application a file", "a second one"),
        ("name: [1\n", 0, "", "YAML", "expected ',' or ']'"),
        ("name: a: b\n", 1, "", "YAML", "mapping values are not allowed"),
        ("name: \x00\n", 0, "", "YAML", "unacceptable character"),
        ("\tname: x\n", 1, "", "YAML", "cannot start any token"),
        ("name: " + "[" * 100_000, 1, "", "at most 8 levels", "more"),
        ("name: x # " + "x" * 300_000, 0, "", "at most 262144 bytes", "300010"),
    ],
)
def test_refusals_name_line_key_expected_and_found(
    text: str, line: int, key: str, expected: str, found: str
) -> None:
    with pytest.raises(NuvError) as caught:
        parse(text, "my-app.yaml")
    error = caught.value
    assert error.exit_code == Exit.USAGE
    assert error.title.startswith("my-app.yaml")
    if line:
        assert f"line {line}" in error.title
    if key:
        assert error.title.endswith(f": {key}")
    assert error.message.startswith("expected ")
    assert expected in error.message
    assert found in error.message.partition("; found ")[2]


def test_hints() -> None:
    with pytest.raises(NuvError) as caught:
        parse("name: x\ncomand: [a]\n", "a.yaml")
    assert caught.value.hint == "Did you mean 'command'?"
    with pytest.raises(NuvError) as caught:
        parse("name: x\nvariables: {A: 2}\n", "a.yaml")
    assert caught.value.hint == 'Put it in quotes: "2".'


@pytest.mark.parametrize(
    "image",
    [
        "host",
        "python",
        "python:3.12-slim",
        "docker.io/library/python:3.12-slim",
        "localhost:5000/a/b_c:v1",
        "127.0.0.1:5000/x",
        "[::1]:5000/x",
        "ghcr.io/o/r@sha256:" + "a" * 64,
        "quay.io/jupyter/minimal-notebook:2024-10-07@sha256:" + "0" * 64,
    ],
)
def test_image_references(image: str) -> None:
    assert parse(f"name: x\nimage: '{image}'\n", "a.yaml").image == image


@pytest.mark.parametrize(
    ("manager", "packages"),
    [
        ("apt", ["libgsl-dev", "g++", "curl=8.5.0-2ubuntu10.6", "libc6:amd64"]),
        (
            "pip",
            ["pandas==2.2.3", "a[b,c]>=1,<2", "a; python_version < '3.12'", "p @ https://example.org/p.whl"],
        ),
        ("conda", ["numpy=2.1", "conda-forge::r-base", "python >=3.11,<3.13"]),
        ("cran", ["dplyr", "data.table@1.16.0", "a==1.2-3"]),
    ],
)
def test_package_names(manager: str, packages: list[str]) -> None:
    text = f"name: x\npackages:\n  {manager}:\n" + "".join(f'    - "{package}"\n' for package in packages)
    assert getattr(parse(text, "a.yaml").packages, manager) == packages


_line = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=1, max_size=20).filter(
    str.strip
)
_lines = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(
    str.strip
)
_variable = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
APPLICATIONS = st.builds(
    Application,
    name=_line,
    kind=st.sampled_from(ApplicationKind),
    image=st.sampled_from(["host", "docker.io/library/python:3.12-slim", "1.2.3.4:5/x"]),
    environment=st.none() | _line,
    packages=st.builds(Packages, pip=st.lists(st.sampled_from(["a==1", "b[x]>2"]), max_size=2)),
    variables=st.dictionaries(_variable.map(lambda v: f"V{v}"), st.just("") | _lines, max_size=3),
    secrets=st.lists(_variable.map(lambda v: f"S{v}"), max_size=2),
    license=st.builds(License, required=st.booleans(), files=st.lists(_line, max_size=2)),
    setup=st.lists(_lines, max_size=2),
    command=st.lists(_lines, max_size=3),
    ports=st.lists(st.integers(1, 65535), max_size=2),
    healthcheck=st.lists(_lines, max_size=3),
    workdir=_line.map(lambda p: f"/{p}").filter(lambda p: ".." not in p.split("/")),
    exclude=st.lists(_line, max_size=2),
)


@given(APPLICATIONS)
def test_what_is_rendered_parses_to_the_same(application: Application) -> None:
    assert parse(render(application), "a.yaml") == application


@given(
    st.text(st.characters(codec="utf-8"), max_size=60).map(lambda rest: f"name: x\n{rest}")
    | st.text(max_size=40)
)
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        result: Application | NuvError = parse(text, "a.yaml")
    except NuvError as error:
        result = error
    assert isinstance(result, Application) or result.title.startswith("a.yaml")


def _said(application: Application, workspace: Workspace) -> set[tuple[str, str]]:
    return {(finding.level, finding.subject) for finding in check(application, workspace, "a.yaml")}


def test_check_finds_dangling_paths(workspace: Workspace) -> None:
    application = Application(
        "x",
        environment=".venv",
        license=License(files=["licenses/stata.lic", "/nowhere/at/all.lic"]),
        command=["python", "code/analysis.py"],
    )
    assert _said(application, workspace) == {
        ("stop", "environment"),
        ("stop", "license.files"),
        ("warning", "command"),
    }
    assert len(check(application, workspace, "a.yaml")) == 4
    (workspace.root / ".venv").mkdir()
    (workspace.root / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7\n")
    (workspace.root / "licenses").mkdir()
    (workspace.root / "licenses" / "stata.lic").touch()
    (workspace.root / "code").mkdir()
    (workspace.root / "code" / "analysis.py").touch()
    findings = check(application, workspace, "a.yaml")
    assert [finding.level for finding in findings] == ["stop"]
    assert "/nowhere/at/all.lic" in findings[0].text


def test_check_knows_environments_variables_and_licences(workspace: Workspace) -> None:
    (workspace.root / "empty").mkdir()
    application = Application(
        "x",
        kind=ApplicationKind.STATA,
        environment="empty",
        variables={"AWS_SECRET_ACCESS_KEY": "v", "LIC": "v", "OMP_NUM_THREADS": "2"},
        license=License(variables=["LIC"]),
    )
    assert _said(application, workspace) == {
        ("warning", "environment"),
        ("warning", "variables"),
        ("note", "variables"),
        ("warning", "command"),
        ("note", "license"),
    }


def test_paths_lead_from_the_workspace_or_the_home_folder(workspace: Workspace) -> None:
    assert application_file.located(workspace, "a/b") == workspace.root / "a" / "b"
    assert str(application_file.located(workspace, "~/env")) == f"{os.environ['HOME']}/env"
    assert str(application_file.located(workspace, "/opt/env")) == "/opt/env"
