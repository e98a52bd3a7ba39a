"""Secrets of every kind that was found in public images: planted, exported, and looked for by a search of its own.

What has a name that is denied is in no part of the image and in no text about it; what is in ordinary files is told
by path and line, never shown, and stops a push until it is excluded or accepted with a reason.
"""

import base64
import io
import json
import random
import secrets
import string
import subprocess
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nuvtui.config import Settings
from nuvtui.images.engine.oci_engine import OciEngine
from nuvtui.images.oci.layout import Layout
from nuvtui.reporter import Silent
from tests.exports.conftest import Make, Study
from tests.support import search
from tests.support.cli import Nuvtui
from tests.support.engine import Engine
from tests.support.registry import Registry

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]


def value() -> str:
    """Something that nobody guesses, with signs that encodings change."""
    return f"{secrets.token_urlsafe(15)}/+%{secrets.token_urlsafe(15)}"


def letters(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(random.SystemRandom().choice(alphabet) for _ in range(count))


def private_key(body: str) -> str:
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"


DENIED = {
    "deploy/id_rsa": "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
    "deploy/server.key": "{}\n",
    ".ssh/id_rsa": "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
    ".ssh/config": "Host x\n  # {}\n",
    ".env": "HF_TOKEN={}\n",
    "sub/.env.production": "PASSWORD={}\n",
    "conf/pip.conf": "[global]\nindex-url = https://ada:{}@pypi.example.org/simple\n",
    ".netrc": "machine example.org login ada password {}\n",
    ".npmrc": "//packages.example.org/:_authToken={}\n",
    ".pypirc": "[pypi]\npassword = {}\n",
    ".Renviron": "GITHUB_PAT={}\n",
    ".Rhistory": "Sys.setenv(KEY='{}')\n",
    ".bash_history": "export TOKEN={}\n",
    ".aws/credentials": "[default]\naws_secret_access_key = {}\n",
    ".config/gcloud/application_default_credentials.json": '{{"refresh_token": "{}"}}\n',
    "cloud/service-account-7.json": '{{"private_key": "{}"}}\n',
    ".azure/accessTokens.json": '[{{"accessToken": "{}"}}]\n',
    ".docker/config.json": '{{"auths": {{"x": {{"auth": "{}"}}}}}}\n',
    ".kube/config": "token: {}\n",
    ".git-credentials": "https://ada:{}@example.org\n",
    ".streamlit/secrets.toml": 'password = "{}"\n',
    ".nuvtui/notes.txt": "{}\n",
}
"""What is kept out by its name, with the value in its place."""


@dataclass
class Planted:
    """The values by where they are."""

    token: str = field(default_factory=value)
    """Of the secret HF_TOKEN, known by the environment alone."""
    denied: dict[str, str] = field(default_factory=dict)
    open: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Workspace file → the value in it, and what a finding's subject is."""

    @property
    def all(self) -> list[str]:
        return [self.token, *self.denied.values(), *(value for value, _ in self.open.values())]


def plant(study: Study) -> Planted:
    """A workspace with secrets of every class."""
    planted = Planted()
    study.write("README.md", "# A study without secrets\n")
    for path, text in DENIED.items():
        planted.denied[path] = value()
        study.write(path, text.format(planted.denied[path]))
    # A clone by a URL with credentials, and a file that was deleted from it but is in its history.
    root = study.world.root()
    planted.denied[".git/config"], planted.denied["deleted.txt"] = value(), value()

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)

    git("init", "--quiet")
    study.write("deleted.txt", planted.denied["deleted.txt"])
    git("add", "deleted.txt")
    git("commit", "--quiet", "--message", "all of it")
    (root / "deleted.txt").unlink()
    url = urllib.parse.quote(planted.denied[".git/config"], safe="")
    git("remote", "add", "origin", f"https://ada:{url}@example.org/study.git")

    token = planted.token
    hub, aws = f"hf_{letters(34)}", f"AKIA{letters(16, string.ascii_uppercase + string.digits)}"
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": ["login()"],
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["logging in\n", f"token {hub}\n"]}],
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    study.write("analysis.ipynb", json.dumps(notebook, indent=1))
    planted.open["analysis.ipynb"] = hub, "analysis.ipynb:"
    body = "\n".join(base64.b64encode(secrets.token_bytes(48)).decode() for _ in range(4))
    study.write("doc/howto.md", f"# How to\n\n{private_key(body)}")
    planted.open["doc/howto.md"] = body.splitlines()[0], "doc/howto.md:3"
    study.write("upload.py", f"import boto\nKEY = '{aws}'  # pragma: allowlist secret\n")
    planted.open["upload.py"] = aws, "upload.py:2"
    password = letters(24)
    study.write("db.yaml", f"a: 1\nurl: postgresql://ada:{password}@db.example.org/x\n")
    planted.open["db.yaml"] = password, "db.yaml:2"
    study.write("notes.txt", f"one\ntwo\nthe token is {token}, keep it\n")
    planted.open["notes.txt"] = token, "notes.txt:3"
    study.write("encoded.txt", f"blob: {base64.b64encode(f'x-access:{token}'.encode()).decode()}\n")
    planted.open["encoded.txt"] = token, "encoded.txt:1"
    study.write("link.html", f"\n<a href='https://x.org/?t={urllib.parse.quote(token, safe='')}'>x</a>\n")
    planted.open["link.html"] = token, "link.html:2"
    study.write("latin.csv", f"caf\xe9;1\n{token};2\n".encode("latin-1"))
    planted.open["latin.csv"] = token, "latin.csv:2"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/readme.txt", f"nothing\n{token}\n" + "padding\n" * 50)
    study.write("bundle.zip", packed.getvalue())
    planted.open["bundle.zip"] = token, "bundle.zip!inner/readme.txt:2"
    return planted


def said(study: Study, *, images: bool) -> Iterator[tuple[str, bytes]]:
    """All that the store has on the disk but the snapshots' own objects: state, tasks with logs, reports, caches.

    `images`: with the images too.
    """
    home = study.world.home.root
    left = {"objects"} if images else {"objects", "images"}
    for file in sorted(home.rglob("*")):
        inside = file.relative_to(home)
        if file.is_file() and inside.parts[0] not in left:
            yield str(inside), file.read_bytes()


def nowhere(study: Study, values: list[str], *, images: bool) -> None:
    """The values are in no text about the export."""
    found = [one for name, data in said(study, images=images) for one in search.in_bytes(data, values, name)]
    assert found == []


def image_of(study: Study, nuvtui: Nuvtui, export: dict[str, Any], name: str) -> Path:
    path = study.folder / name
    nuvtui.run("exports", "archive", export["id"], path)
    return path


def held_image_of(study: Study, nuvtui: Nuvtui, engine: Engine, export: dict[str, Any], name: str) -> Path:
    """The image of an export that may not leave, as who holds the store or the engine can have it all the same."""
    path = study.folder / name
    assert "--accept" in nuvtui.run("exports", "archive", export["id"], path, code=6).stderr
    assert not path.exists()
    if export["engine"] == "docker":
        engine.run("save", "--output", str(path), export["image"])
    else:
        home = study.world.home
        OciEngine(Layout(home.images), Settings(), home.tmp).save(export["image"], path, Silent())
    return path


@pytest.mark.slow
@pytest.mark.parametrize("builder", ["oci", "docker"])
def test_planted_secrets_of_every_class_leave_only_where_somebody_says_so(
    builder: str, make_study: Make, engine: Engine, registry: Registry, tiny_archive: str
) -> None:
    study = make_study(builder, registry=f"{registry.host}/secrets-{builder}")
    planted = plant(study)
    study.application(tiny_archive, ["true"], secrets=["HF_TOKEN"])
    url = engine.url if builder == "docker" else "unix:///nonexistent.sock"
    nuvtui = study.cli(HF_TOKEN=planted.token, DOCKER_HOST=url, NUVTUI_PRIVATE_REGISTRIES=registry.host)
    create = ("exports", "create", "demo", "--with-files", "--engine", builder)

    # It is not pushed. What is said names path and line, and shows nothing.
    refused = nuvtui.run(*create, "--push", code=6)
    for path, (_, subject) in planted.open.items():
        assert subject in refused.stderr, path
    assert search.in_bytes((refused.stdout + refused.stderr).encode(), planted.all, "said") == []
    (record,) = nuvtui.json("exports", "list", "--all")
    assert (record["status"], record["failed_stage"], record["pushed"]) == ("failed", "guard", False)
    nowhere(study, planted.all, images=True)

    # Built without a push it holds what is in ordinary files, and nothing of what has a denied name.
    export = nuvtui.json(*create)
    found = {finding["path"]: finding for finding in export["findings"]}
    assert {path for path in found if path} == set(planted.open)
    assert {finding["level"] for finding in export["findings"]} == {"push"}
    left_out = {one["what"].rstrip("/") for one in export["excluded"]}
    for path in planted.denied:
        assert path == "deleted.txt" or any(
            path == what or path.startswith(f"{what}/") for what in {*left_out, ".nuvtui"}
        ), path
    archive = held_image_of(study, nuvtui, engine, export, "with-findings.tar")
    log = nuvtui.run("exports", "logs", export["id"]).stdout
    report = nuvtui.run("exports", "report", export["id"]).stdout
    texts = {"log": log, "report": report, "record": json.dumps(export)}
    assert search.in_image(archive, list(planted.denied.values()), texts) == []
    nowhere(study, list(planted.denied.values()), images=True)
    nowhere(study, planted.all, images=False)
    # The search does find: what is not kept out is there.
    inside = {one.value for one in search.in_image(archive, planted.all)}
    assert inside == {value for value, _ in planted.open.values()}
    assert "notes.txt:3" in report
    refused = nuvtui.run("exports", "push", export["id"], code=6)
    assert "notes.txt:3" in refused.stderr
    assert [name for name in registry.repositories() if name.startswith(f"secrets-{builder}")] == []

    # Excluded, or accepted with a reason: then it may go.
    accepted = {"db.yaml": "a made-up password for the manual", "upload.py": "was revoked in 2019"}
    for path in planted.open:
        if path not in accepted:
            nuvtui.run("exports", "exclude", "demo", path)
    words = ["--accept", f"db.yaml={accepted['db.yaml']}"]
    words += ["--accept", f"{found['upload.py']['key']}={accepted['upload.py']}"]
    pushed = nuvtui.json(*create, "--push", *words)
    assert (pushed["status"], pushed["pushed"], pushed["findings"]) == ("completed", True, [])
    repository, _, tag = pushed["image"].removeprefix(f"{registry.host}/").rpartition(":")
    assert registry.digest(repository, tag) == pushed["digest"]
    archive = image_of(study, nuvtui, pushed, "pushed.tar")
    inside = {one.value for one in search.in_image(archive, planted.all)}
    assert inside == {planted.open[path][0] for path in accepted}
    kept = json.loads((study.world.home.export(pushed["id"]) / "report.json").read_bytes())
    reasons = {one["reason"] for one in kept["accepted"]}
    assert reasons == set(accepted.values())
    assert {one.where for one in search.in_image(archive, list(accepted.values()))}, (
        "the reasons travel along"
    )
    assert any("report.json" in one.where for one in search.in_image(archive, [accepted["upload.py"]]))
    nowhere(study, planted.all, images=False)
    # What is not accepted any more stops the next push.
    nuvtui.run(*create, "--push", code=6)


def test_what_a_setup_step_prints_is_not_in_the_log_and_what_it_leaves_stops_a_push(
    make_study: Make, engine: Engine, registry: Registry, tiny_archive: str
) -> None:
    study = make_study(registry=f"{registry.host}/steps")
    token = value()
    printed = f"printf '%s%s\\n' '{token[:11]}' '{token[11:]}'"
    steps = [f"echo begun; {printed}", f"{printed} > /left.bin; echo ${{HF_TOKEN:-no token here}}"]
    nuvtui = study.cli(HF_TOKEN=token, DOCKER_HOST=engine.url)

    def export(*steps: str) -> tuple[dict[str, Any], bytes]:
        study.application(tiny_archive, ["true"], secrets=["HF_TOKEN"], setup=list(steps))
        made = nuvtui.json("exports", "create", "demo", "--engine", "docker")
        log = nuvtui.run("exports", "logs", made["id"]).stdout
        assert "begun" in log
        assert "***" in log
        assert "no token here" in log, "the value is not in the environment of the steps"
        nowhere(study, [token], images=True)
        history = engine.text("history", "--no-trunc", made["image"])
        about = json.dumps(engine.inspect(made["image"])) + history
        assert search.in_bytes(about.encode(), [token], "configuration and history") == []
        return made, engine.run("save", made["image"]).stdout

    # What one step leaves and a later one deletes was never in a layer.
    clean, archive = export(*steps, "rm /left.bin")
    assert clean["findings"] == []
    assert search.in_bytes(archive, [token], "image") == []
    # What is left is found in the layer.
    held, archive = export(*steps)
    assert search.in_bytes(archive, [token], "image")
    assert any("left.bin" in finding["subject"] for finding in held["findings"]), held["findings"]
    refused = nuvtui.run("exports", "push", held["id"], code=6)
    assert "left.bin" in refused.stderr
    nuvtui.run("exports", "create", "demo", "--engine", "docker", "--push", code=6)
    assert [name for name in registry.repositories() if name.startswith("steps")] == []
    mine = [image for image in engine.images() if image.startswith(f"{registry.host}/steps")]
    assert sorted(mine) == sorted([clean["image"], held["image"]])


def test_a_secret_value_in_the_application_file_stops_a_push(
    make_study: Make, engine: Engine, registry: Registry, tiny_archive: str
) -> None:
    study = make_study(registry=f"{registry.host}/app")
    token, hub = value(), f"hf_{letters(34)}"
    study.application(
        tiny_archive,
        ["sh", "-c", f"curl -H 'X: {token}' x"],
        secrets=["KEY"],
        variables={"MODEL": hub, "API_TOKEN": value()},
    )
    nuvtui = study.cli(KEY=token)
    refused = nuvtui.run("exports", "create", "demo", "--push", "--engine", "oci", code=6)
    assert "command" in refused.stderr
    assert "variables.MODEL" in refused.stderr
    assert search.in_bytes((refused.stdout + refused.stderr).encode(), [token, hub], "said") == []
    assert [name for name in registry.repositories() if name.startswith("app")] == []
    # A variable that is named like a secret is not carried into an image at all.
    export = nuvtui.json("exports", "create", "demo", "--engine", "oci")
    assert "variable API_TOKEN" in {one["what"] for one in export["excluded"]}
    archive = held_image_of(study, nuvtui, engine, export, "image.tar")
    assert search.in_image(archive, [study.fields["variables"]["API_TOKEN"]]) == []


def test_a_value_that_is_known_only_later_is_found_all_the_same(
    make_study: Make, registry: Registry, tiny_archive: str
) -> None:
    """What was looked into before is not looked into again, unless there is another value to look for."""
    study = make_study(registry=f"{registry.host}/later")
    token = value()
    study.write("notes.txt", f"{token}\n")
    study.application(tiny_archive, ["true"], secrets=["HF_TOKEN"])
    create = ("exports", "create", "demo", "--with-files", "--engine", "oci")
    assert study.cli().json(*create)["findings"] == []
    for _ in range(2):
        export = study.cli(HF_TOKEN=token).json(*create)
        assert [finding["subject"] for finding in export["findings"]] == ["files/notes.txt:1"]
    assert study.cli(HF_TOKEN=value()).json(*create)["findings"] == []
    nowhere(study, [token], images=False)
