"""The content guard: planted secrets of every class are found with path and line, and never shown."""

import base64
import gzip
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from nuvtui.images.guard import scans
from nuvtui.model.export import Finding
from nuvtui.reporter import Silent
from tests.images.guard import planted
from tests.images.project import Project, application

KNOWN = "kn0wn/secret+value"
AWS = "AKIA" + "QWERTYUIOPASDFGH"
PLANTED = {
    "private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc",
    "AWS": f"aws = {AWS}",
    "GitHub": "ghp_" + "a1" * 18,
    "Hugging Face": "hf_" + "abcdefghij" * 3 + "abcd",
    "Slack": "xoxb-" + "1234567890-abcdef",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "abcdefghijklmnop",
    "credentials in a URL": "url = https://ada:hunter22@git.example/x",
    "known secret": f"x {KNOWN} y",
}


def scan(project: Project) -> list[Finding]:
    recipe = project.recipe(application(command=["x"]))
    return scans.scan_members(recipe.members, project.store, [KNOWN], Silent())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("name", ["notes.txt", "package-lock.json", "x.lock", "pic.svg", "nb.ipynb"])
def test_planted_secrets_are_found_by_path_and_line(project: Project, what: str, name: str) -> None:
    project.write(name, f"first\nsecond\n{PLANTED[what]} # pragma: allowlist secret\n")
    stops = [finding for finding in scan(project) if finding.level == "push"]
    assert [finding.subject for finding in stops] == [f"files/{name}:3"]
    assert what in stops[0].text
    secret = max(PLANTED[what].split(), key=len)
    assert all(secret not in str(finding) for finding in stops)


def test_known_values_in_other_spellings_and_one_undecodable_byte(project: Project) -> None:
    project.write("a.txt", b"\xff" + base64.b64encode(KNOWN.encode()))
    project.write("b.txt", quote(KNOWN, safe=""))
    project.write("d.bin", bytes(1000) + KNOWN.encode())
    assert {finding.subject.split(":")[0] for finding in scan(project)} == {
        "files/a.txt",
        "files/b.txt",
        "files/d.bin",
    }


@pytest.mark.parametrize("at", [0, 262_140, 1_048_570, 4_194_300, 5_999_000])
def test_nothing_hides_at_a_border_of_a_big_file(project: Project, at: int) -> None:
    data = bytearray(b"." * 79 + b"\n") * 75_000
    data[at : at + len(KNOWN)] = KNOWN.encode()
    project.write("big.dat", bytes(data))
    line = bytes(data[:at]).count(b"\n") + 1
    (found,) = scan(project)
    assert (found.level, found.subject, found.text) == (
        "push",
        f"files/big.dat:{line}",
        "holds a known secret value",
    )


def test_detectors_find_passwords_without_being_talked_out_of_it(project: Project) -> None:
    project.write("conf.py", b'x = 1\npassword = "Tr0ub4dor&3"  # pragma: allowlist secret \xff\n')
    project.write(
        "ok.py", 'password = getpass.getpass()\ntoken = os.environ["TOKEN"]\nsecret = "<your secret>"\n'
    )
    assert [(f.level, f.subject) for f in scan(project)] == [("push", "files/conf.py:2")]


def test_ordinary_data_has_no_findings(project: Project) -> None:
    project.write("data.csv", "id,name,mass\n" + "".join(f"{i},Adelie,{i * 3.7}\n" for i in range(2000)))
    project.write("code.R", "library(dplyr)\nx <- read.csv('data.csv')\nkey <- 'species'\n")
    project.write("blob.gz", gzip.compress(bytes(range(256)) * 500, mtime=0))
    assert scan(project) == []


def test_application_file(project: Project) -> None:
    app = application(command=["run", "--token", AWS], variables={"DB": "postgres://u:hunter22@db.example/x"})
    found = scans.scan_application(app, app.variables, [])
    stops = [finding for finding in found if finding.level == "push"]
    assert sorted(finding.subject for finding in stops) == [
        "application, command:1",
        "application, variables.DB:1",
    ]
    assert all("hunter22" not in str(finding) and AWS not in str(finding) for finding in found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.yaml", "db:\n  password: Tr0ub4dor3\n"),
        ("setup.cfg", "a\npassword = Tr0ub4dor3\n"),
        ("run.sh", "#\nexport API_KEY=Tr0ub4dor3 # pragma: allowlist secret\n"),
        ("a.json", '{"a": 1,\n"api_key": "Tr0ub4dor3"}'),
        ("long.json", '\n{"a": "' + "x" * 50_000 + '", "client_secret": "Tr0ub4dor3", "b": 1}'),
        ("old.R", 'caf\xe9\npassword <- paste("a"); api_key = "Tr0ub4dor3"'),
        ("big.py", "\n" + 'password = "Tr0ub4dor3"\n' + "x = 1\n" * 200_000),
        ("wide.txt", '\npassword = "Tr0ub4dor3"'.encode("utf-16")),
        ("phrase.py", '\npassword = "correct horse battery Tr0ub4dor3"'),
        ("bot.py", "\nx = 'd110201543:" + "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1'".replace("d1", "1")),
    ],
)
def test_blind_spots_of_the_detectors(name: str, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode("latin-1")
    found = planted.scan({name: data})
    assert planted.told(found) == [("push", f"files/{name}:2")]
    assert "Tr0ub4dor" not in str(found)


def test_key_in_one_line_of_json() -> None:
    key = "-----BEGIN RSA " + "PRIVATE KEY-----\\nMIIEow\\n-----END RSA " + "PRIVATE KEY-----\\n"
    found = planted.scan({"sa.json": '{"type": "service_account",\n "private_key": "' + key + '"}'})
    assert [(finding.subject, finding.text) for finding in found] == [
        ("files/sa.json:2", "holds a private key")
    ]


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".env",
        "sub/.ENV",
        "pip.conf",
        ".netrc",
        ".npmrc",
        ".Renviron",
        ".ssh/id_ed25519",
        ".aws/credentials",
        ".config/gcloud/credentials.db",
        "keys/service-account-1.json",
        "x-1.dist-info/direct_url.json",
        ".bash_history",
        ".cargo/credentials.toml",
        ".cdsapirc",
    ],
)
def test_names_that_are_denied(name: str) -> None:
    found = planted.scan({name: b"x", "sub/" + name.lstrip("/"): b""})
    assert [(f.level, f.path) for f in found[:1]] == [("push", name)]
    assert found[0].subject == f"files/{name}"


def notebook(*cells: dict[str, object]) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_notebooks_are_read_as_texts() -> None:
    split = {"cell_type": "code", "source": ["x = 'kn0wn/", "secret+value'\n"], "outputs": []}
    quoted = {
        "cell_type": "code",
        "source": "ok",
        "outputs": [{"output_type": "stream", "text": ["\x1b[1mkn0wn/\x1b[0m", "secret+value"]}],
    }
    data = {
        "cell_type": "code",
        "source": "",
        "outputs": [{"data": {"text/html": ["<b>kn0wn/", "secret+value</b>"]}}],
    }
    error = {
        "cell_type": "code",
        "source": "",
        "outputs": [
            {"output_type": "error", "evalue": "", "traceback": ["\x1b[31m", "at kn0wn/\x1b[31msecret+value"]}
        ],
    }
    text = {"cell_type": "markdown", "source": ['password = "Tr0ub4dor3"']}
    found = planted.scan({"nb.ipynb": notebook(split, quoted, data, error, text)})
    assert planted.told(found) == [
        ("push", "files/nb.ipynb:cell 1"),
        ("push", "files/nb.ipynb:cell 2, output"),
        ("push", "files/nb.ipynb:cell 3, output"),
        ("push", "files/nb.ipynb:cell 4, output"),
        ("push", "files/nb.ipynb:cell 5"),
    ]
    assert all("kn0wn" not in str(finding) for finding in found)


def test_notebooks_metadata_and_escapes() -> None:
    escaped = notebook({"cell_type": "code", "source": "XX", "outputs": []}).replace(
        b"XX", "".join(f"\\u{ord(char):04x}" for char in KNOWN).encode()
    )
    assert planted.told(planted.scan({"nb.ipynb": escaped})) == [("push", "files/nb.ipynb:cell 1")]
    meta = json.dumps({"cells": [], "metadata": {"a": KNOWN}}, indent=1).encode()
    assert planted.told(planted.scan({"nb.ipynb": meta})) == [("push", "files/nb.ipynb:4")]
    for broken in (
        b"[" * 200_000,
        b"{",
        b"[]",
        b'{"cells": 5, "a": "',
        b'{"cells": [1, {"outputs": [null, 3]}]}',
    ):
        planted.scan({"nb.ipynb": broken})


def test_hostile_names_are_text() -> None:
    found = planted.scan({"caf\udce9.txt": KNOWN, f"x/{KNOWN}/y.txt": KNOWN})
    assert found[0].subject == "files/caf\\xe9.txt:1"
    assert found[0].path == "caf\\xe9.txt"
    assert all("kn0wn" not in str(finding) for finding in found)
