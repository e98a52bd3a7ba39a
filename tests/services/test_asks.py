"""Whatever takes away what is there without its name being said asks; without a terminal it is refused."""

import contextlib
import hashlib
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from nuvtui import clock
from nuvtui.cli.main import root
from nuvtui.errors import Exit, NuvError
from nuvtui.model.distribution import Strategies
from nuvtui.model.export import ExportRecord
from nuvtui.model.policy import Keep
from nuvtui.model.schedule import Schedule
from nuvtui.model.stage import StateRef
from nuvtui.reporter import Silent
from tests.cli.commands import commands
from tests.services.helpers import World

ASKS = {
    ("snapshots", "restore"): ["{snapshot}"],
    ("snapshots", "delete"): ["{snapshot}"],
    ("distribution", "recall"): ["{distribution}"],
    ("tables", "delete"): ["visits"],
    ("apps", "delete"): ["demo"],
    ("instances", "delete"): ["reviewer"],
    ("spaces", "delete"): ["study"],
    ("exports", "delete"): ["{export}"],
    ("remotes", "add"): ["bucket", "s3://bucket/prefix", "--no-encrypt"],
    ("remotes", "remove"): ["lab"],
    ("remotes", "forget"): ["lab", "{snapshot}"],
    ("remotes", "recipients", "remove"): ["lab", "age1xyz"],
    ("policy", "run"): [],
    ("policy", "install"): ["--with", "crontab"],
    ("policy", "remove"): [],
}  # fmt: skip
"""What asks, with arguments that mean something."""
DOES_NOT = {
    "demo", "init", "status", "doctor",
    "spaces list", "spaces show", "spaces create", "instances list", "instances create", "instances move",
    "members list", "members set", "members remove",
    "snapshots create", "snapshots list", "snapshots show", "snapshots files", "snapshots cat", "snapshots diff",
    "snapshots history", "snapshots rename",
    "tables import", "tables list", "tables columns", "tables preview", "tables query", "tables export", "tables rename",
    "tables describe",
    "apps list", "apps new", "apps show", "apps check",
    "stage add", "stage list", "stage remove", "stage clear",
    "distribution distribute", "distribution list", "distribution show",
    "exports create", "exports list", "exports show", "exports report", "exports logs", "exports cancel",
    "exports run-command", "exports verify", "exports load", "exports exclude", "exports archive", "exports push",
    "tasks list", "tasks get", "tasks cancel", "tasks attach",
    "policy set", "policy show",
    "push", "pull", "clone", "remotes list", "remotes show", "remotes check", "remotes prune", "remotes recovery",
    "remotes recipients list", "remotes recipients add",
    "store init", "store info", "store check", "store gc", "store repair", "store serve",
}  # fmt: skip
"""What only looks, adds, or takes away no more than what was named by a word in the call: see `cli.common.asks`."""


def test_of_every_command_it_is_decided_whether_it_asks() -> None:
    found = dict(commands())
    assert {" ".join(words) for words in found} <= DOES_NOT | {" ".join(words) for words in ASKS}, (
        "decide it here"
    )
    for words, command in found.items():
        takes_yes = any("--yes" in each.opts for each in command.params)
        assert takes_yes == (words in ASKS), words


def everything(folder: Path) -> dict[str, str]:
    """A digest of every file below, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"locks", "cache"} & set(path.parts) and path.name != "nuvtui.log":
            with contextlib.suppress(OSError):
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize("words", sorted(ASKS), ids=" ".join)
def test_without_a_terminal_and_without_yes_nothing_is_touched(study: World, words: tuple[str, ...]) -> None:
    reviewer = study.add("reviewer")
    study.snapshot()  # a quick one, which no rule of the policy keeps
    study.services.policies.set(study.master.id, schedule=Schedule(hours=6), quick=Keep())
    snapshot = study.snapshot("one")
    study.write("README.md", "changed since\n")
    study.services.staging.add(StateRef(study.master.id, snapshot.id), ["README.md"])
    study.services.remotes.add("lab", str(study.folder / "remote"))
    study.services.remotes.push("lab", [snapshot.id], Silent())
    sent = study.services.distribution.distribute(study.space.id, [reviewer.id], Strategies())
    export = ExportRecord(
        clock.new_id(), study.space.id, study.master.id, "demo", snapshot.id, "an-export", "ada", clock.now(),
        "completed", "oci", "docker.io/x/an-export:1", False,
    )  # fmt: skip
    with study.services.context.state.transaction() as tx:
        tx.exports.put(export)
    names = {"snapshot": snapshot.id, "distribution": sent.id, "export": export.id}
    given = [each.format(**names) for each in ASKS[words]]
    before = everything(study.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study.root())
        ran = CliRunner().invoke(root, ["--home", str(study.home.root), *words, *given], obj={}, input="")
    assert isinstance(ran.exception, NuvError), ran.output
    assert ran.exception.exit_code == Exit.REFUSED
    assert ran.exception.title == "Not confirmed"
    assert "--yes" in ran.exception.hint
    assert everything(study.folder) == before
    assert os.path.lexists(study.root() / "README.md")
