"""Recipes and contexts without an engine: what goes in, what stays out, what is refused, same bytes again."""

import io
import json
import os
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError
from nuvtui.images import dockerfile, reference, report, requirements, site
from nuvtui.images.denylist import denied
from nuvtui.images.engine import build_context
from nuvtui.images.facts import ImageFacts
from nuvtui.images.oci import layers
from nuvtui.images.oci.config import image_config
from nuvtui.model.application import ApplicationKind, License, Lock, Package
from nuvtui.model.snapshot import TablePart
from tests.images.project import IMAGE, Project, application


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        ".env", "sub/.ENV", ".env.local", "prod.env", ".git/config", "a/.git", ".netrc", ".npmrc", ".pypirc",
        "pip.conf",
        ".Renviron", ".ssh/id_ed25519", "keys/server.key", "id_rsa", "deploy_rsa", ".aws/credentials", ".config/gcloud/x",
        ".Rhistory", ".bash_history", "lib/x-1.0.dist-info/direct_url.json", ".docker/config.json",
        ".streamlit/secrets.toml",
        "stata.lic", "tools/matlab.lic", "cert.p12", ".kube/config", ".git-credentials", "service-account-1.json",
        ".nuvtui/tables.duckdb", "kaggle.json", ".vault-token", ".pgpass", ".envrc", "terraform.tfstate",
    ],
)  # fmt: skip
def test_denied_names(path: str) -> None:
    assert denied(path)


@pytest.mark.parametrize(
    "path",
    [
        "analysis.py", "LICENSE", "environment.yml", ".env.example", ".gitignore", "id_rsa.pub", "data/keys.csv", "key.py",
        ".dockerignore", "direct_url.json", "credentials.py", "secrets.R", "README.md", "tokenizer.json", ".Rprofile",
        "environment", "src/env/x.py", "config.json", "git/config",
    ],
)  # fmt: skip
def test_names_that_may_go_in(path: str) -> None:
    assert denied(path) is None


def test_recipe_of_a_whole_application(project: Project) -> None:
    project.write("analysis.py", "print(1)")
    project.write("licenses/key.txt", "x")
    project.write("raw/a.csv", "1")
    project.write("raw/b.csv", "2")
    project.write(".env", "X=1")
    (project.workspace / "outside").symlink_to("/home/ada/data")
    tables = [TablePart("penguins", 344, [], "f", [], 10)]
    lock = Lock(
        "venv",
        "Python 3.11.7",
        [
            Package("NumPy", "2.1.0"),
            Package("mine", "0.1", "local", "somewhere"),
            Package("pandas", "2.2.0"),
            Package("pip", "24.0"),
        ],
    )
    app = application(
        pip=["pandas==2.2.3"],
        apt=["libgomp1"],
        variables={"A": "1", "API_KEY": "zzz", "TOKENIZERS_PARALLELISM": "false", "LM_LICENSE_FILE": "1@x"},
        secrets=["HF_TOKEN"],
        license=License(files=["licenses/key.txt"]),
        command=["python", "analysis.py"],
        exclude=["raw/"],
        ports=[8888],
    )
    recipe = project.recipe(app, snapshot=project.snapshot(lock, tables), base_digest="sha256:" + "1" * 64)

    assert [path for path, _ in recipe.members] == ["files/analysis.py", "files/licenses", "files/outside"]
    out = {item.what: item.reason for item in recipe.excluded}
    assert set(out) == {
        ".env", "raw/", "licenses/key.txt", "variable API_KEY", "variable HF_TOKEN", "variable LM_LICENSE_FILE",
        "tables: penguins", "~ (personal files)",
    }  # fmt: skip
    assert "--tables" in out["tables: penguins"]
    assert recipe.env == {"A": "1", "TOKENIZERS_PARALLELISM": "false"}
    assert recipe.dockerfile.splitlines()[1] == f"FROM docker.io/library/python@sha256:{'1' * 64}"
    assert recipe.files["usr/share/nuvtui/build/requirements.txt"] == b"pandas==2.2.3\nNumPy==2.1.0\n"
    assert recipe.labels["org.opencontainers.image.revision"] == "c0ffee" * 6 + "c0ff"
    assert recipe.labels["io.nuvtui.scope"] == "application and files"
    assert any("mine 0.1" in warning for warning in recipe.warnings)
    assert any("outside" in warning for warning in recipe.warnings)
    assert recipe.report.lock == lock
    assert "zzz" not in recipe.dockerfile + json.dumps(recipe.labels)
    assert b"zzz" not in b"".join(recipe.files.values())
    inside = report.from_json(recipe.files["usr/share/nuvtui/report.json"])
    assert inside.provenance.workspace == ""
    assert "| numpy | 2.1.0 |" in recipe.files["usr/share/nuvtui/report.md"].decode().lower()


def test_application_only_has_no_files(project: Project) -> None:
    project.write("analysis.py", "print(1)")
    recipe = project.recipe(application(command=["python"]), with_files=False)
    assert recipe.members == []
    assert "workspace files" in {item.what for item in recipe.excluded}
    assert recipe.labels["io.nuvtui.scope"] == "application"


def test_entrypoint_and_user_of_the_base_are_carried_on(project: Project) -> None:
    base = ImageFacts("sha256:" + "0" * 64, 1, entrypoint=["tini", "--"], command=["start"], user="1000:100")
    recipe = project.recipe(application(secrets=["T"], kind=ApplicationKind.JUPYTERLAB), base=base)
    assert recipe.entrypoint == ["/usr/share/nuvtui/start", "tini", "--"]
    assert recipe.command == ["start"]
    assert json.loads(image_config(base, recipe, []))["config"]["User"] == "1000:100"
    assert project.recipe(application(), base=base).entrypoint == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"variables": {"A": "line\nRUN touch /pwned"}}, "variables.A"),
        ({"variables": {"A=1 B": "x"}}, "variables"),
        ({"variables": {"A": "x\x00"}}, "variables.A"),
        ({"workdir": "relative"}, "workdir"),
        ({"workdir": "/files/../etc"}, "workdir"),
        ({"workdir": "/a\nRUN x"}, "workdir"),
        ({"secrets": ["$(id)"]}, "secrets"),
        ({"license": License(files=["../../etc/passwd"])}, "license.files"),
        ({"command": ["a\0b"]}, "command"),
        ({"ports": [0]}, "ports"),
        ({"pip": ["--index-url=https://evil.example/"]}, "packages.pip"),
        ({"pip": ["-r /etc/passwd"]}, "packages.pip"),
        ({"pip": ["six\n--extra-index-url x"]}, "packages.pip"),
        ({"pip": ["six; rm -rf /"]}, "packages.pip"),
        ({"pip": ["./local"]}, "packages.pip"),
        ({"pip": ["x @ https://ada:pw@git.example/x.whl"]}, "packages.pip"),
        ({"apt": ["tree; rm -rf /"]}, "packages.apt"),
        ({"apt": ["-o Debug=1"]}, "packages.apt"),
        ({"apt": ["$(id)"]}, "packages.apt"),
        ({"conda": ["--channel x"]}, "packages.conda"),
        ({"conda": ["a b"]}, "packages.conda"),
        ({"cran": ["x'); system('id"]}, "packages.cran"),
        ({"image": "python:3.12\nRUN x"}, "image reference"),
        ({"image": "python AS x"}, "image reference"),
        ({"kind": ApplicationKind.STATA}, "not eligible"),
    ],
)
def test_refused_by_name(project: Project, values: dict[str, object], key: str) -> None:
    with pytest.raises(NuvError) as refusal:
        project.recipe(application(**{"image": "docker.io/library/python:3", **values}))  # type: ignore[arg-type]
    assert key in str(refusal.value)
    assert refusal.value.exit_code in (Exit.USAGE, Exit.REFUSED)
    assert "pw@" not in str(refusal.value)


@pytest.mark.parametrize(
    "entry",
    ["six", "pandas==2.2.3", "pandas>=2,<3", "jax[cuda12]==0.4", "x ~= 1.4.2 ; python_version < '3.13'",
     "a @ https://x.example/a.whl",
     "scikit-learn", "numpy == 2.*", "a @ git+https://git.example/a@v1"],
)  # fmt: skip
def test_ordinary_requirements_are_taken(entry: str) -> None:
    assert requirements.pip([entry], None) == f"{entry}\n"


@given(st.text(max_size=40))
def test_a_quoted_value_stays_on_its_line(value: str) -> None:
    try:
        quoted = dockerfile.quoted(value, "x")
    except NuvError:
        assert re.search("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", value)
        return
    assert quoted.splitlines() in ([quoted], [])
    # Undone by the rules of the Dockerfile reference: a backslash before ", $ and \ goes, nothing else is special.
    assert re.fullmatch(r'"(?:[^"$\\]|\\["$\\])*"', quoted)
    assert re.sub(r'\\(["$\\])', r"\1", quoted[1:-1]) == value


def test_context_is_the_plan_and_the_same_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(b"bad\xff\xfename\n")
    project.write("a/" + "long" * 40 + "/x.txt", "long")
    project.write(odd, "odd")
    project.write("empty")
    project.write("big", os.urandom(700_001))
    os.link(project.workspace / "big", project.workspace / "c-linked")
    (project.workspace / "link").symlink_to("../up")
    app = application(command=["x"], workdir="/files/out/here", setup=["true"])
    snapshot = project.snapshot()
    recipe = project.recipe(app, snapshot=snapshot)
    layer = layers.files_layer(recipe, project.store)
    data = b"".join(layer.stream())
    assert len(data) == layer.size
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    os.umask(0o077)
    again = project.recipe(app, snapshot=snapshot, image=IMAGE + "x")
    assert b"".join(layers.files_layer(again, project.store).stream()) == data
    own = [b"".join(layers.application_layer(one).stream()) for one in (recipe, again)]
    assert own[0] == own[1]
    assert build_context.context(again) == build_context.context(recipe)

    # Nothing of the workspace goes to the install steps.
    with tarfile.open(fileobj=io.BytesIO(build_context.context(recipe))) as outer:
        assert outer.getnames() == ["Dockerfile", "build.tar"]
        with tarfile.open(fileobj=outer.extractfile("build.tar")) as inner:
            scripts = [member.name for member in inner if not member.isdir()]
    assert scripts == sorted(recipe.build_files)
    assert scripts
    with tarfile.open(fileobj=io.BytesIO(data)) as inner:
        found = {member.name: member for member in inner}
        assert inner.extractfile("files/big").read() == (project.workspace / "big").read_bytes()  # type: ignore[union-attr]
        assert inner.extractfile("files/c-linked").read() == (project.workspace / "big").read_bytes()  # type: ignore[union-attr]
    assert set(found) == {
        "files", "files/out", "files/out/here", *(path for path, _ in recipe.members)
    }  # fmt: skip
    assert found[f"files/{odd}"].size == 3
    assert found["files/c-linked"].islnk()
    assert found["files/link"].linkname == "../up"
    assert {(m.uid, m.gid, m.uname) for m in found.values()} == {(0, 0, "")}


def test_layers_are_streamed_in_bounded_pieces(project: Project) -> None:
    project.write("big", bytes(20_000_000))
    recipe = project.recipe(application(command=["x"]))
    assert max(map(len, layers.files_layer(recipe, project.store).stream())) < 9_000_000


def test_site_settings_are_checked(tmp_path: Path) -> None:
    assert site.build_arguments(Settings()) == {}
    for bad in ("file:///etc/passwd", "https://x y", "https://h/$(id)", "http://h/`id`", "https://h/a,b"):
        with pytest.raises(NuvError, match="pip_index"):
            site.build_arguments(Settings(pip_index=bad))
    with pytest.raises(NuvError, match="cannot be read"):
        site.build_arguments(Settings(ca_bundle=str(tmp_path / "none.pem")))
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(NuvError, match="no certificate"):
        site.build_arguments(Settings(ca_bundle=str(bundle)))
    certificate = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----"
    bundle.write_text(f"{bundle.read_text()}{certificate}\n")
    arguments = site.build_arguments(
        Settings(ca_bundle=str(bundle), pip_index="https://a:b@h.example/simple")
    )
    joined = "".join(arguments[name] for name in site.CARRIERS)
    assert joined == f"{site.MARK}\nhttps://a:b@h.example/simple\n\n{certificate}"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("ada/study:1", "docker.io/ada/study:1"),
        ("index.docker.io/ada/x", "docker.io/ada/x:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        ("r.example/a@sha256:" + "a" * 64, "r.example/a@sha256:" + "a" * 64),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
    ],
)
def test_references(text: str, full: str) -> None:
    assert str(reference.parse(text)) == full


@pytest.mark.parametrize(
    "text", ["", "UPPER/x", "a//b", "a:b:c", "x@sha256:1", "-a", "a b", "a\nb", "Ada/x", "a" * 600]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(NuvError, match="image reference"):
        reference.parse(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:5000", True),
        ("localhost", True),
        ("[::1]:1", True),
        ("r.example:5", False),
        ("127.evil.example", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert reference.is_loopback(host) is loopback


@pytest.mark.parametrize(
    "written", ["lic/key.txt", "./lic//key.txt", "lic/./key.txt", "/files/lic/key.txt", "WORKSPACE"]
)
def test_a_licence_file_stays_out_however_its_path_is_written(project: Project, written: str) -> None:
    project.write("lic/key.txt", "LICENCE")
    project.write("lic/copy-of-it.txt", "LICENCE")
    os.link(project.workspace / "lic" / "key.txt", project.workspace / "linked.txt")
    project.write("kept.txt", "kept")
    if written == "WORKSPACE":
        written = "/home/ada/secret-place/lic/key.txt"  # as the manifest names the workspace
    recipe = project.recipe(application(license=License(files=[written])))
    assert [path for path, _ in recipe.members] == ["files/kept.txt", "files/lic"]
    assert recipe.report.license_files == ["/files/lic/key.txt"]
    assert b"secret-place" not in b"".join(recipe.files.values())


def test_where_a_package_lies_on_this_machine_does_not_leave(project: Project) -> None:
    lock = Lock("venv", "Python 3.11.7", [Package("mine", "0.1", "local", "/home/ada/secret-place/mine")])
    recipe = project.recipe(application(), snapshot=project.snapshot(lock))
    assert recipe.report.lock == lock
    assert b"secret-place" not in b"".join(recipe.files.values())
    assert b"mine" in recipe.files["usr/share/nuvtui/report.json"]
