"""Templates: each kind that can be had here is built and started as its template says, on a base of this suite's own."""

import json
import re

import pytest
import yaml

from nuvtui.model.application import LICENSED_KINDS, ApplicationKind
from nuvtui.services.applications.templates import template
from tests.exports.conftest import STRANGER, Make, Study, passed
from tests.services.helpers import refused
from tests.support.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("services")]

PROGRAM = "import os, sys; print('ran', os.getuid(), sorted(os.listdir('.')))\n"


def from_template(study: Study, kind: ApplicationKind, base: str, **changes: object) -> None:
    """The template's own text, but for its base image, which no registry of this machine has."""
    fields = yaml.safe_load(template(kind, "Demo"))
    study.world.application("demo").write_text(json.dumps({**fields, "image": base, **changes}))


def test_a_template_of_every_kind_is_planned(study: Study) -> None:
    """Each is valid as it is: a dry run says what would be made of it, and what stands in its way."""
    study.snapshot()
    for kind in ApplicationKind:
        study.world.application("demo").write_text(template(kind, "Demo"))
        study.snapshot(f"of-{kind}")
        nuvtui = study.cli()
        code = 6 if kind in LICENSED_KINDS else 0
        plan = nuvtui.json("exports", "create", "demo", "--dry-run", "--engine", "oci", code=code)
        stops = [finding["subject"] for finding in plan["findings"] if finding["level"] == "stop"]
        assert stops == (["license"] if kind in LICENSED_KINDS else []), kind
        assert plan["layers"][-1] == "application"
    assert study.records() == []


@pytest.mark.slow
def test_script_and_python(study: Study, engine: Engine, python_archive: str) -> None:
    study.reach(engine)
    study.write("analysis.py", PROGRAM)
    for kind in (ApplicationKind.SCRIPT, ApplicationKind.PYTHON):
        # Debian calls its Python python3 alone.
        from_template(study, kind, python_archive, setup=["ln -s python3 /usr/bin/python"])
        record = study.export("docker", with_files=True)
        assert engine.inspect(record.image)["Config"]["Env"]  # type: ignore[index]
        if kind == ApplicationKind.SCRIPT:
            printed = engine.text("run", "--rm", *STRANGER, record.image)
            assert printed == "ran 54321 ['analysis.py']"
        else:
            # A prompt: what is typed is run; without a terminal it ends with its input.
            done = engine.run(
                "run", "--rm", "--interactive", *STRANGER, record.image, data=b"print('typed', 6 * 7)\n"
            )
            assert done.stdout == b"typed 42\n"
        assert passed(study.verify(record))["packages"] == "passed"
        engine.run("rmi", record.image)


@pytest.mark.slow
def test_shell_and_custom(study: Study, engine: Engine, python_archive: str) -> None:
    study.write("note.txt", "of the river\n")
    for kind, shell in ((ApplicationKind.SHELL, "bash"), (ApplicationKind.CUSTOM, "sh")):
        from_template(study, kind, python_archive)
        record = study.export(with_files=True)
        engine.run("load", "--input", str(study.archive(record)))
        assert engine.inspect(record.image)["Config"]["Cmd"] == [shell]  # type: ignore[index]
        done = engine.run(
            "run", "--rm", "--interactive", *STRANGER, record.image, data=b"cat note.txt; id -u; pwd\n"
        )
        assert done.stdout == b"of the river\n54321\n/files\n"
        engine.run("rmi", record.image)


@pytest.mark.slow
def test_streamlit_answers_its_health_check(
    make_study: Make, pip_settings: dict[str, str], engine: Engine, python_archive: str
) -> None:
    """The template's packages, command, port and health check: pip's wheels without an engine, then run by one."""
    study = make_study(**pip_settings)
    study.write("app.py", "import streamlit as st\nst.write('hello')\n")
    fields = yaml.safe_load(template(ApplicationKind.STREAMLIT, "Demo"))
    command = fields["command"]
    check = ["python3", *fields["healthcheck"][1:]]
    from_template(
        study,
        ApplicationKind.STREAMLIT,
        python_archive,
        command=["python3", "-m", *command],
        healthcheck=check,
    )
    record = study.export(with_files=True)
    report = study.report(record)
    assert "streamlit" in {name for name, _ in report["installed"]}
    assert re.search(r"-p 127\.0\.0\.1:8501:8501", record.run_command)
    study.reach(engine)
    checks = study.verify(record)
    assert checks["run"].status == "passed", checks["run"].text
    assert "answers its health check" in checks["run"].text
    assert checks["packages"].status == "passed", checks["packages"].text
    assert checks["libraries"].status == "passed", checks["libraries"].text


def test_licensed_kinds_are_not_eligible(study: Study, tiny_archive: str, engine: Engine) -> None:
    for kind in LICENSED_KINDS:
        from_template(study, kind, tiny_archive)
        with refused(6, "--without-license"):
            study.export()
        record = study.export(without_license=True)
        engine.run("load", "--input", str(study.archive(record)))
        # The program itself is not in this base: that it starts up to there, and what it says first, is.
        done = engine.run("run", "--rm", *STRANGER, record.image, check=False)
        variable = yaml.safe_load(template(kind, "Demo"))["license"]["variables"][0]
        assert variable in done.stderr.decode()
        assert done.returncode == 127
        engine.run("rmi", record.image)
