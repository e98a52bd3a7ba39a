"""Settings: which one wins, and what of them is written down."""

from pathlib import Path

import pytest

from nuvtui import config
from nuvtui.errors import NuvError
from tests.support.cli import Nuvtui


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("home: /of/the/file\nregistry: file.example\ntheme: nuvtui-light\nkeys: {a.b: s}\n")
    environ = {
        "NUVTUI_HOME": "/of/the/environment",
        "NUVTUI_REGISTRY": "environment.example",
        "NUVTUI_KEYS": "a.b=x,f5;c.d=y",
    }
    settings = config.load({"registry": "flag.example", "home": None}, environ, file)
    assert settings.registry == "flag.example"
    assert settings.home == "/of/the/environment"
    assert settings.theme == "nuvtui-light"
    assert settings.keys == {"a.b": "x,f5", "c.d": "y"}
    assert settings.engine == "auto"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour: red", "colour"),
        ("engine: kaniko", "engine"),
        ("- a list", "mapping"),
        ("a: [", "YAML"),
        ("reread_every: often", "reread_every"),
        ("reread_every: 7", "reread_every"),
    ],
)
def test_what_cannot_hold_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(NuvError) as refused:
        config.load({}, {}, file)
    assert refused.value.exit_code == 2
    assert words in str(refused.value)
    assert str(file) in str(refused.value)


def test_credentials_of_a_package_index_are_written_nowhere(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    home = tmp_path / "home"
    secret = "hunter2-hunter2"
    nuvtui = Nuvtui(
        project, {"NUVTUI_HOME": str(home), "NUVTUI_PIP_INDEX": f"https://bob:{secret}@index.invalid/simple"}
    )
    nuvtui.run("init")
    nuvtui.run("snapshots", "create")
    for path in home.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("text", "seconds"), [("", None), ("12h", 43200.0), ("7d", 604800.0), (" 2 w ", 1209600.0), ("0d", 0.0)]
)
def test_how_often_everything_is_read_again(tmp_path: Path, text: str, seconds: float | None) -> None:
    settings = config.load({}, {"NUVTUI_REREAD_EVERY": text}, tmp_path / "none.yaml")
    assert config.reread_seconds(settings) == seconds
