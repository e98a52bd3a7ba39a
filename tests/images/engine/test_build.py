"""Builds on a real engine: what is in the image, how it runs, what stays out."""

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from nuvtui.config import Settings
from nuvtui.errors import NuvError
from nuvtui.images.engine.client import Endpoint
from nuvtui.images.engine.docker_engine import DockerEngine
from nuvtui.images.oci.layout import Layout
from nuvtui.images.recipe import Recipe
from nuvtui.model.application import License
from nuvtui.model.tree import FILE
from tests.images.project import IMAGE, Project, Recorder, application, built
from tests.support.engine import Engine


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def docker(engine: Engine) -> DockerEngine:
    engine.remove_images()
    return DockerEngine(Endpoint(engine.url), "host")


def build(docker: DockerEngine, project: Project, recipe: Recipe, reporter: Recorder | None = None) -> str:
    return built(docker, project, recipe, reporter)


def saved(docker: DockerEngine, image: str, folder: Path) -> bytes:
    archive = folder / "saved.tar"
    docker.save(image, archive, Recorder())
    return archive.read_bytes()


def test_image_with_files_runs_as_anybody_on_a_read_only_root(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine
) -> None:
    project.write(
        "analysis.sh",
        "#!/bin/sh\ncat data/values.csv; id -u; pwd; echo $GREETING; ls -l /files | wc -l\n",
        0o700,
    )
    project.write("data/values.csv", "1,2\n", 0o600)
    project.write("big.bin", os.urandom(3_000_000))
    (project.workspace / "empty").mkdir()
    (project.workspace / "link").symlink_to("data/values.csv")
    os.link(project.workspace / "big.bin", project.workspace / "data" / "zbig.bin")
    app = application(
        tiny_base, command=["./analysis.sh"], variables={"GREETING": "grüß $HOME \"'\\ #1"}, ports=[8888]
    )
    recipe = project.recipe(app, base=docker.inspect(tiny_base))
    reporter = Recorder()

    image = build(docker, project, recipe, reporter)

    assert image == docker.inspect(IMAGE).id  # type: ignore[union-attr]
    listed = {fact.path: fact for fact in docker.list_files(image, "/files", Recorder())}
    assert set(listed) == {"files", *(path for path, _ in recipe.members)}
    for path, entry in recipe.members:
        assert listed[path].kind == entry.kind, path
        if entry.kind == FILE and not entry.group:  # what is one file by two names is listed as a link
            assert listed[path].size == entry.size, path
    assert engine.ran(image, user="54321") == (0, "1,2\n54321\n/files\ngrüß $HOME \"'\\ #1\n6\n".encode())
    files = engine.files(IMAGE)
    assert files["files/analysis.sh"].mode & 0o7777 == 0o777
    assert files["files/data/values.csv"].mode & 0o7777 == 0o666
    assert files["files/link"].linkname == "data/values.csv"
    assert files["files/empty"].isdir()
    assert {(m.uid, m.gid) for name, m in files.items() if name.startswith("files")} == {(0, 0)}
    assert files["files/data/values.csv"].mtime == int(
        (project.workspace / "data/values.csv").stat().st_mtime
    )
    assert all(layer in reporter.text for layer in docker.inspect(image).layers[-2:])  # type: ignore[union-attr]
    assert engine.containers() == []


def test_any_user_can_write_results(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine
) -> None:
    project.write("sub/data.csv", "1")
    app = application(tiny_base, command=["sh", "-c", "echo 2 > out && echo 3 > sub/out && cat out sub/out"])
    recipe = project.recipe(app)
    image = build(docker, project, recipe)
    assert engine.ran(image, user="54321", read_only=False) == (0, b"2\n3\n")


HOSTILE = [
    'a" RUN touch /pwned #',
    "$(touch /pwned) `touch /pwned` ${PATH}",
    "\\",
    "ends with backslash \\",
    "'; touch /pwned; '",
    "<<EOF",
    "# comment",
    "ünï — ☃ %s",
    "  spaces  ",
]


def test_hostile_values_arrive_as_they_are(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine
) -> None:
    app = application(
        tiny_base,
        name='Study" \n RUN touch /pwned',
        variables={f"V{at}": value for at, value in enumerate(HOSTILE)},
        command=["printf", "%s|", *HOSTILE, "two\nlines"],
        workdir='/files/$HOME/a b"c\\d',
        setup=['echo "it\'s"\nRUN=1; printf \'%s\' "$V0" > /from-setup'],
    )
    project.write("x", "1")
    snapshot = project.snapshot(description='Line one\nRUN touch /pwned\n"quoted" \\')

    image = build(docker, project, project.recipe(app, snapshot=snapshot))

    facts = docker.inspect(image)
    assert facts is not None
    assert [facts.env[f"V{at}"] for at in range(len(HOSTILE))] == HOSTILE
    assert facts.workdir == '/files/$HOME/a b"c\\d'
    assert facts.labels["org.opencontainers.image.description"] == 'Line one RUN touch /pwned "quoted" \\'
    assert facts.labels["org.opencontainers.image.title"] == 'Study" RUN touch /pwned'
    assert engine.ran(image)[1].decode() == "|".join([*HOSTILE, "two\nlines"]) + "|"
    files = engine.files(IMAGE)
    assert "from-setup" in files
    assert "pwned" not in files


def test_layers_depend_on_the_snapshot_alone(
    docker: DockerEngine,
    tiny_base: str,
    project: Project,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.write("data/a.csv", "1")
    project.write("run.sh", "#!/bin/sh\n", 0o755)
    app = application(tiny_base, command=["./run.sh"])
    snapshot = project.snapshot()
    found, made = [], []
    docker = DockerEngine(docker.endpoint, "host", None, Layout(tmp_path / "images"), tmp_path)
    for zone, mask in (("UTC", 0o022), ("Asia/Tokyo", 0o077)):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", "C" if mask else "C.UTF-8")
        os.umask(mask)
        recipe = project.recipe(app, snapshot=snapshot, image=f"127.0.0.1:1/{zone.lower()}/x:1")
        found.append(build(docker, project, recipe))
        made.append(docker.inspect(found[-1]).layers)  # type: ignore[union-attr]
        engine.remove_images()
    assert made[0] == made[1]
    assert found[0] == found[1]
    # What the engine has, it is not given again.
    build(docker, project, project.recipe(app, snapshot=snapshot))
    reporter = Recorder()
    assert build(docker, project, project.recipe(app, snapshot=snapshot), reporter) == found[0]
    assert reporter.text == "The engine has this image already.\n"
    assert reporter.progresses == []
    # Made anew all the same, it is the same.
    assert built(docker, project, project.recipe(app, snapshot=snapshot), fresh=True) == found[0]


def test_build_log_and_failure_are_told(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine
) -> None:
    app = application(tiny_base, setup=["echo before", "echo this goes wrong >&2; exit 7"], command=["true"])
    reporter = Recorder()
    with pytest.raises(NuvError) as failure:
        build(docker, project, project.recipe(app, with_files=False), reporter)
    assert "returned a non-zero code: 7" in failure.value.message
    assert "setup.sh" in failure.value.message
    assert "before\n" in reporter.text
    assert "this goes wrong\n" in reporter.text
    assert IMAGE not in engine.images()
    assert engine.containers() == []


def test_what_an_image_lacks_is_said_at_start_and_then_it_runs(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine
) -> None:
    project.write("licenses/stata.lic", "SECRET-LICENCE")
    project.write("run.sh", "#!/bin/sh\necho works; cat licenses/my.txt\n", 0o755)
    project.write("licenses/my.txt", "SECRET-LICENCE-2")
    app = application(
        tiny_base,
        command=["sh", "run.sh"],
        secrets=["HF_TOKEN"],
        variables={"HF_TOKEN": "hf_value", "MLM_LICENSE_FILE": "27000@server", "PLAIN": "1"},
        license=License(required=True, variables=["MLM_LICENSE_FILE"], files=["licenses/my.txt"]),
    )
    with pytest.raises(NuvError, match="not eligible"):
        project.recipe(app)
    recipe = project.recipe(app, without_license=True, base=docker.inspect(tiny_base))
    image = build(docker, project, recipe)

    told = engine.ran(image, user="54321")[1].decode()
    assert "secret HF_TOKEN is not set" in told
    assert "licence variable MLM_LICENSE_FILE is not set" in told
    assert "licence file /files/licenses/my.txt is missing" in told
    assert "works" in told
    given = {"HF_TOKEN": "x", "MLM_LICENSE_FILE": "y"}
    quiet = engine.ran(image, "echo", "hello", variables=given)[1].decode()
    assert "HF_TOKEN" not in quiet
    assert "my.txt is missing" in quiet
    assert "hello\n" in quiet
    facts = docker.inspect(image)
    assert facts is not None
    assert facts.env["PLAIN"] == "1"
    assert "HF_TOKEN" not in facts.env
    assert {item.what for item in recipe.excluded} >= {
        "licenses/my.txt",
        "licenses/stata.lic",
        "variable HF_TOKEN",
    }


def test_nothing_denied_or_excluded_is_in_the_image(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine, tmp_path: Path
) -> None:
    planted = "planted-secret-4711"
    for path in (
        ".env",
        ".git/config",
        "sub/.netrc",
        "keys/id_rsa",
        "raw/big.csv",
        ".nuvtui/ignore",
        "a/.aws/credentials",
    ):
        project.write(path, planted)
    project.write("kept.txt", "fine")
    recipe = project.recipe(application(tiny_base, command=["cat", "kept.txt"], exclude=["raw/"]))
    image = build(docker, project, recipe)
    assert sorted(name for name in engine.files(IMAGE) if name.startswith("files/")) == [
        "files/a", "files/kept.txt", "files/keys", "files/sub",
    ]  # fmt: skip
    assert planted.encode() not in saved(docker, image, tmp_path)
    reasons = {item.what: item.reason for item in recipe.excluded}
    assert reasons[".env"].startswith("environment file")
    assert reasons["raw/"] == "left out by the application's `exclude`"


def test_report_is_inside_without_where_it_was_made(
    docker: DockerEngine, tiny_base: str, project: Project, engine: Engine, tmp_path: Path
) -> None:
    image = build(docker, project, project.recipe(application(tiny_base, command=["true"])))
    inside = json.loads(engine.ran(image, "cat", "/usr/share/nuvtui/report.json")[1])
    assert inside["snapshot"] == {"id": "00112233445566ff", "name": "paper-1"}
    assert inside["provenance"]["code"]["dirty"] is True
    content = saved(docker, image, tmp_path)
    for private in (b"secret-place", b"ada-laptop"):
        assert private not in content


@pytest.mark.slow
def test_pip_and_apt_use_the_sites_settings_and_leave_nothing_of_them(
    docker: DockerEngine,
    python_base: str,
    project: Project,
    engine: Engine,
    tmp_path: Path,
    package_index: dict[str, str],
) -> None:
    bundle = package_index.get("PIP_CERT") or package_index.get("SSL_CERT_FILE") or ""
    index = package_index.get("PIP_INDEX_URL", "")
    settings = Settings(ca_bundle=bundle, pip_index=index)
    project.write("main.py", "import six\nprint(six.__version__)\n")
    app = application(python_base, pip=["six==1.16.0"], apt=["tree"], command=["python3", "main.py"])
    recipe = project.recipe(app, settings=settings, base=docker.inspect(python_base))
    reporter = Recorder()

    image = build(docker, project, recipe, reporter)

    assert engine.ran(image, user="54321") == (0, b"1.16.0\n")
    assert b"tree v" in engine.ran(image, "tree", "--version")[1]
    facts = docker.inspect(image)
    assert facts is not None
    base = docker.inspect(python_base)
    assert base is not None
    said = json.dumps([facts.env, facts.labels, [step.created_by for step in facts.history]]).encode()
    archive = saved(docker, image, tmp_path)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        own = manifest["Layers"][len(base.layers) :]
        layers = b"".join(tar.extractfile(layer).read() for layer in own)  # type: ignore[union-attr]
        said += tar.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
    assert b"six-1.16.0.dist-info" in layers
    for carrier in ("FTP_PROXY", "ftp_proxy"):
        value = recipe.build_arguments.get(carrier, "")
        # The base has most of the same certificates: what counts is that nothing new of the bundle is in.
        for part in {line for line in value.splitlines() if len(line) == 64}:
            assert part.encode() not in layers
            assert part.encode() not in said
    assert carrier.encode() not in said
    if index:
        assert index.encode() not in layers + said
