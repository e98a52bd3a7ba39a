"""Applications of a workspace: templates, captured word for word, put back, made and deleted."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import Application, ApplicationKind
from nuvtui.model.snapshot import ApplicationPart
from nuvtui.paths import Workspace
from nuvtui.services.applications import application_file, applications, templates


def put(workspace: Workspace, name: str, content: str | bytes) -> None:
    workspace.applications.mkdir(exist_ok=True)
    data = content if isinstance(content, bytes) else content.encode()
    (workspace.applications / name).write_bytes(data)


@pytest.mark.parametrize("kind", ApplicationKind)
def test_every_template_is_valid_and_has_no_stop(workspace: Workspace, kind: ApplicationKind) -> None:
    applications.new(workspace, "my-app", kind)
    text = workspace.application("my-app").read_text()
    application = application_file.parse(text, "my-app.yaml")
    assert (application.name, application.kind) == ("my-app", kind)
    assert application.command
    assert "/" in application.image
    assert ":" in application.image
    assert text.startswith("# ")
    levels = {finding.level for finding in application_file.check(application, workspace, "my-app.yaml")}
    assert "stop" not in levels
    # What serves a port can be asked whether it does.
    assert bool(application.healthcheck) == bool(application.ports)
    assert all(str(application.ports[0]) in " ".join(application.healthcheck) for _ in application.ports)
    assert application.needs_license == (kind in (ApplicationKind.STATA, ApplicationKind.MATLAB))


@pytest.mark.parametrize("kind", [ApplicationKind.JUPYTERLAB, ApplicationKind.STREAMLIT])
@pytest.mark.parametrize("answer", [200, 500, None])
def test_the_healthchecks_of_templates_tell_sick_from_sound(
    kind: ApplicationKind, answer: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer or 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    application = application_file.parse(templates.template(kind, "x"), "x.yaml")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        if answer is None:
            server.shutdown()
            server.server_close()
        words = [
            word.replace(f":{application.ports[0]}/", f":{server.server_port}/")
            for word in application.healthcheck
        ]
        assert words[0] == "python"
        # A proxy that containers are given must not be asked for the container itself.
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True)
        server.shutdown()
        serving.join()
    assert (done.returncode == 0) == (answer == 200)
    assert len(asked) == (answer is not None)


def test_a_template_takes_any_name() -> None:
    for name in ("it's: a #name", "- x", "ünï", "a\x7fb", "yes", "007"):
        assert application_file.parse(templates.template(ApplicationKind.SHELL, name), "a.yaml").name == name


def test_load_all_tells_good_from_bad(workspace: Workspace) -> None:
    assert applications.load_all(workspace) == []
    put(workspace, "good.yaml", "name: Good\n")
    put(workspace, "bad.yaml", "nam: x\n")
    put(workspace, "latin.yaml", b"name: caf\xe9\n")
    put(workspace, "Not A Slug.yaml", "name: x\n")
    put(workspace, os.fsdecode(b"\xff.yaml"), "name: x\n")
    put(workspace, "notes.txt", "x")
    put(workspace, ".hidden.yaml", "x")
    put(workspace, "huge.yaml", "#" * 300_000)
    os.mkfifo(workspace.applications / "pipe.yaml")
    (workspace.applications / "folder.yaml").mkdir()
    loaded = {slug: (text, result) for slug, text, result in applications.load_all(workspace)}
    assert list(loaded) == ["Not A Slug", "bad", "folder", "good", "huge", "latin", "pipe", "\\xff"]
    assert loaded["good"] == ("name: Good\n", Application("Good"))
    for slug, (_text, result) in loaded.items():
        assert isinstance(result, NuvError) == (slug != "good")
    assert "0xe9 at 9" in str(loaded["latin"][1])
    assert loaded["bad"][0] == "nam: x\n"


def test_capture_and_apply_word_for_word(workspace: Workspace) -> None:
    text = "# my own comment\nname:   Good   # kept\n"
    put(workspace, "good.yaml", text)
    put(workspace, "bad.yaml", "nam: x\n")
    put(workspace, "env.yaml", "name: e\nenvironment: nowhere\n")
    put(workspace, "latin.yaml", b"name: caf\xe9\n")
    parts, warnings = applications.capture(workspace)
    assert [part.slug for part in parts] == ["bad", "env", "good"]
    assert parts[2] == ApplicationPart("good", "Good", "custom", text)
    assert (parts[0].kind, parts[0].text) == ("invalid", "nam: x\n")
    assert (parts[1].lock, parts[1].lock_note) == (None, "the environment nowhere does not exist")
    assert [warning.path for warning in warnings] == [
        ".nuvtui/apps/bad.yaml",
        ".nuvtui/apps/env.yaml",
        ".nuvtui/apps/latin.yaml",
    ]
    assert msgspec.json.decode(msgspec.json.encode(parts), type=list[ApplicationPart]) == parts
    target = Workspace(workspace.root / "target")
    (target.root / ".nuvtui").mkdir(parents=True)
    applications.apply(target, parts, [])
    put(target, "kept.yaml", "name: k\n")
    put(target, "gone.yaml", "name: g\n")
    applications.apply(target, [parts[2]], ["gone", "never-there"])
    assert sorted(path.name for path in target.applications.iterdir()) == [
        "bad.yaml",
        "env.yaml",
        "good.yaml",
        "kept.yaml",
    ]
    assert target.application("good").read_text() == text


def test_a_lock_is_captured(workspace: Workspace) -> None:
    site = workspace.root / ".venv" / "lib" / "python3.11" / "site-packages" / "a-1.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Name: a\nVersion: 1\n")
    (workspace.root / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7\n")
    put(workspace, "x.yaml", "name: x\nenvironment: .venv\n")
    parts, warnings = applications.capture(workspace)
    assert warnings == []
    assert parts[0].lock is not None
    assert [(p.name, p.version) for p in parts[0].lock.packages] == [("a", "1")]


@pytest.mark.parametrize("slug", ["../../evil", "a/b", "", ".", "..", "A", "a\nb", "x" * 65, "-a"])
def test_a_hostile_slug_touches_nothing(workspace: Workspace, slug: str) -> None:
    put(workspace, "good.yaml", "name: x\n")
    before = sorted(str(path) for path in workspace.root.rglob("*"))
    good = ApplicationPart("good", "x", "custom", "changed")
    for action in (
        lambda: applications.apply(workspace, [good, ApplicationPart(slug, "x", "custom", "x")], []),
        lambda: applications.apply(workspace, [good], [slug]),
        lambda: applications.new(workspace, slug, ApplicationKind.SHELL),
    ):
        with pytest.raises(NuvError) as caught:
            action()
        assert caught.value.exit_code == Exit.USAGE
    assert sorted(str(path) for path in workspace.root.rglob("*")) == before
    assert workspace.application("good").read_text() == "name: x\n"


def test_new_and_delete(workspace: Workspace) -> None:
    applications.new(workspace, "a", ApplicationKind.SHELL)
    text = workspace.application("a").read_text()
    with pytest.raises(NuvError) as caught:
        applications.new(workspace, "a", ApplicationKind.STATA)
    assert caught.value.exit_code == Exit.CONFLICT
    assert workspace.application("a").read_text() == text
    with pytest.raises(NuvError) as caught:
        applications.delete(workspace, "b")
    assert caught.value.exit_code == Exit.NOT_FOUND
    assert caught.value.hint == "There is: a."
    applications.delete(workspace, "a")
    assert applications.load_all(workspace) == []


def test_a_link_at_the_place_of_a_file_is_replaced_not_followed(workspace: Workspace) -> None:
    outside = workspace.root / "outside.yaml"
    outside.write_text("name: outside\n")
    workspace.applications.mkdir()
    workspace.application("a").symlink_to(outside)
    applications.apply(workspace, [ApplicationPart("a", "x", "custom", "name: new\n")], [])
    assert outside.read_text() == "name: outside\n"
    assert not workspace.application("a").is_symlink()


def test_a_new_file_can_be_read_by_others(workspace: Workspace) -> None:
    applications.new(workspace, "a", ApplicationKind.JUPYTERLAB)
    assert workspace.application("a").stat().st_mode & 0o777 == 0o644
