"""The content guard: planted secrets of every class are found with path and line, and never shown."""

import base64
import gzip
from pathlib import Path
from urllib.parse import quote

import pytest

from nuvtui.images import guard
from nuvtui.model.export import Finding
from nuvtui.reporter import Silent
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
    return guard.scan_members(recipe.members, project.store, [KNOWN], Silent())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("name", ["notes.txt", "package-lock.json", "x.lock", "pic.svg", "nb.ipynb"])
def test_planted_secrets_are_found_by_path_and_line(project: Project, what: str, name: str) -> None:
    project.write(name, f"first\nsecond\n{PLANTED[what]} # pragma: allowlist secret\n")
    stops = [finding for finding in scan(project) if finding.level == "stop"]
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
    assert scan(project) == [Finding("stop", f"files/big.dat:{line}", "holds a known secret value")]


def test_detectors_find_passwords_without_being_talked_out_of_it(project: Project) -> None:
    project.write("conf.py", b'x = 1\npassword = "Tr0ub4dor&3"  # pragma: allowlist secret \xff\n')
    project.write(
        "ok.py", 'password = getpass.getpass()\ntoken = os.environ["TOKEN"]\nsecret = "<your secret>"\n'
    )
    assert [(f.level, f.subject) for f in scan(project)] == [("warning", "files/conf.py:2")]


def test_ordinary_data_has_no_findings(project: Project) -> None:
    project.write("data.csv", "id,name,mass\n" + "".join(f"{i},Adelie,{i * 3.7}\n" for i in range(2000)))
    project.write("code.R", "library(dplyr)\nx <- read.csv('data.csv')\nkey <- 'species'\n")
    project.write("blob.gz", gzip.compress(bytes(range(256)) * 500, mtime=0))
    assert scan(project) == []


def test_application_file(project: Project) -> None:
    app = application(command=["run", "--token", AWS], variables={"DB": "postgres://u:hunter22@db.example/x"})
    found = guard.scan_application(app, [])
    stops = [finding for finding in found if finding.level == "stop"]
    assert sorted(finding.subject for finding in stops) == [
        "application, command:1",
        "application, variables.DB:1",
    ]
    assert all("hunter22" not in str(finding) and AWS not in str(finding) for finding in found)
