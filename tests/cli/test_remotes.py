"""Remotes on the command line: a study goes to another machine and comes back as it was."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import seaweed as seaweeds
from tests.support.cli import Nuvtui
from tests.support.seaweed import Seaweed
from tests.support.ssh import SshServer


@pytest.fixture
def here(tmp_path: Path) -> Nuvtui:
    """A study with two snapshots, a table and an application, on one machine."""
    home = tmp_path / "one"
    study = home / "study"
    (study / "data").mkdir(parents=True)
    environment = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "NUVTUI_HOME": str(home / "store"),
        "NUVTUI_REMOTE_PATIENCE": "0s",
    }
    nuvtui = Nuvtui(study, environment)
    (study / "data" / "penguins.csv").write_text("species,mass\nAdelie,3750\nGentoo,5000\n")
    (study / "README.md").write_text("# Penguins\n")
    (study / "large.bin").write_bytes(os.urandom(2 << 20))
    nuvtui.run("init", "--space", "Penguins")
    nuvtui.run("tables", "import", "data/penguins.csv")
    nuvtui.run("apps", "new", "analysis", "--template", "script")
    nuvtui.run("snapshots", "create", "-n", "raw-data")
    (study / "README.md").write_text("# Penguins of the Palmer archipelago\n")
    nuvtui.run("snapshots", "create", "-n", "paper")
    return nuvtui


@pytest.fixture
def there(tmp_path: Path) -> Nuvtui:
    """Another machine, on which nothing is yet."""
    home = tmp_path / "two"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "NUVTUI_HOME": str(home / "store"),
    }
    return Nuvtui(home, {**environment, "NUVTUI_REMOTE_PATIENCE": "0s"})


def assert_cloned(there: Nuvtui, here: Nuvtui) -> None:
    clone = there.at(there.folder / "penguins")
    assert (clone.folder / "large.bin").read_bytes() == (here.folder / "large.bin").read_bytes()
    assert (clone.folder / "README.md").read_text() == "# Penguins of the Palmer archipelago\n"
    assert clone.json("tables", "query", "SELECT sum(mass) AS mass FROM penguins")
    assert [app["slug"] for app in clone.json("apps", "list")] == ["analysis"]
    mine = [(each["id"], each["name"]) for each in here.json("snapshots", "list")]
    assert [(each["id"], each["name"]) for each in clone.json("snapshots", "list")] == mine
    assert clone.json("store", "check", "--read-data")["problems"] == []
    assert "Nothing differs" in clone.run("status").stdout + clone.run("status").stderr


def test_a_folder(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    added = here.json("remotes", "add", "lab", remote)
    assert {"name", "url", "kind", "encrypted", "snapshots", "bytes", "reachable"} <= added.keys()
    assert (added["name"], added["kind"], added["encrypted"]) == ("lab", "folder", False)
    first = here.json("push")
    assert [each["name"] for each in first["snapshots"]] == ["paper"]
    assert {"objects", "bytes", "seconds"} <= first.keys()
    everything = here.json("push", "--all")
    assert [each["name"] for each in everything["snapshots"]] == ["raw-data"]
    assert everything["bytes"] < 20_000
    again = here.json("push", "--all")
    assert (again["snapshots"], again["objects"]) == ([], 0)
    assert [each["remotes"] for each in here.json("snapshots", "list")] == [["lab"], ["lab"]]
    assert [each["name"] for each in here.json("snapshots", "list", "--remote", "lab")] == [
        "paper",
        "raw-data",
    ]
    shown = here.json("remotes", "show", "lab")
    assert (shown["snapshots"], shown["reachable"]) == (2, True)
    assert shown["bytes"] > 2 << 20
    assert here.json("remotes", "check", "lab", "--read-data")["problems"] == []

    cloned = there.json("clone", remote, "penguins")
    assert cloned["space"]["name"] == "Penguins"
    assert_cloned(there, here)
    clone = there.at(there.folder / "penguins")

    (clone.folder / "README.md").write_text("# Revised elsewhere\n")
    clone.run("snapshots", "create", "-n", "revision")
    clone.run("push")
    assert [each["name"] for each in here.json("pull")["snapshots"]] == ["revision"]
    here.run("snapshots", "restore", "revision", "--yes")
    assert (here.folder / "README.md").read_text() == "# Revised elsewhere\n"


def test_a_sealed_folder_and_its_keys(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    remote = tmp_path / "vault"
    told = here.run("remotes", "add", "vault", remote, "--encrypt").stderr
    assert "Lost keys are lost data" in told
    here.run("push", "--all")
    for path in remote.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (b"Penguins", b"penguins", b"NUVPACK", b"NUVINDX"):
                assert secret not in content, path
    refused = there.run("clone", remote, "penguins", code=6).stderr
    assert "No key here opens the remote" in refused
    assert not (there.folder / "penguins").exists() or not any((there.folder / "penguins").iterdir())

    sheet = here.run("remotes", "recovery", "vault").stdout
    (there.folder / "sheet.txt").write_text(sheet)
    there.run("clone", remote, "penguins", "--recovery", "sheet.txt")
    assert_cloned(there, here)
    (there.folder / "sheet.txt").unlink()
    assert len(here.json("remotes", "recipients", "list", "vault")) == 2
    state = (Path(here.environment["NUVTUI_HOME"]) / "state.json").read_text()
    assert "AGE-SECRET-KEY" not in state


def test_a_key_that_cannot_read_a_remote_is_not_taken_without_a_word(
    here: Nuvtui, there: Nuvtui, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote, "--encrypt")
    mine = here.json("remotes", "recipients", "list", "lab")
    (there.folder / "study").mkdir()
    there = there.at(there.folder / "study")
    there.run("init", "--space", "Other")
    there.run("remotes", "add", "other", tmp_path / "other", "--encrypt")
    other = there.json("remotes", "recipients", "list", "other")[0]
    here.run("remotes", "remove", "lab", "--yes")
    refused = here.run("remotes", "add", "lab", remote, "--recipient", other, code=5).stderr
    assert "is there already" in refused
    assert "nuvtui remotes recipients add lab KEY" in refused
    assert here.json("remotes", "list") == []
    # As it says: without the key, then the key is let in.
    here.run("remotes", "add", "lab", remote)
    here.run("remotes", "recipients", "add", "lab", other)
    assert sorted(here.json("remotes", "recipients", "list", "lab")) == sorted([*mine, other])
    here.run("remotes", "remove", "lab", "--yes")
    here.run("remotes", "add", "lab", remote, "--recipient", other)  # it can read it: nothing to refuse


def test_a_remote_that_a_passphrase_opens_is_joined(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    """The key of the account that joins, which a new remote would be sealed for, is no reason to refuse."""
    word = tmp_path / "word"
    word.write_text("a long enough word of the lab\n")
    word.chmod(0o600)
    for machine in (here, there):
        machine.environment["NUVTUI_PASSPHRASE_FILE"] = str(word)
    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote, "--recipient", "passphrase")
    (there.folder / "study").mkdir()
    there = there.at(there.folder / "study")
    there.run("init", "--space", "Other")
    there.run("remotes", "add", "lab", remote, "--encrypt")
    assert there.json("remotes", "recipients", "list", "lab") == ["passphrase"]


def test_one_damaged_manifest_hides_no_other_snapshot(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote)
    here.run("push", "--all", "--to", "lab")
    newest, oldest = here.json("snapshots", "list")
    (bad,) = remote.glob(f"snapshots/{newest['id']}*")
    bad.write_bytes(bad.read_bytes()[:-20])
    cloned = there.run("clone", remote, there.folder / "penguins")
    assert f"Snapshot {newest['id'][:8]} is left out" in cloned.stderr
    copy = there.at(there.folder / "penguins")
    assert [each["name"] for each in copy.json("snapshots", "list")] == [oldest["name"]]
    (name,) = [each["name"] for each in copy.json("remotes", "list")]
    asked = copy.run("snapshots", "list", "--remote", name, "-f", "json", code=1)
    assert [each["name"] for each in json.loads(asked.stdout)] == [oldest["name"]]
    assert f"snapshot {newest['id'][:8]} on {name} cannot be read" in asked.stderr
    assert f"nuvtui remotes check {name}" in asked.stderr
    assert newest["id"][:8] in copy.run("pull", "--all", "--from", name, code=1).stderr
    # Nobody knows whether it is the newest, or what it was called.
    for words in ([], [newest["name"]], [newest["id"]]):
        refused = copy.run("pull", *words, "--from", name, code=1).stderr
        assert f"nuvtui remotes forget {name} {newest['id'][:8]}" in refused
    copy.run("pull", oldest["id"], "--from", name)
    # As it says: taken off, and pushed again by who has it.
    copy.run("remotes", "forget", name, newest["id"][:8], "--yes")
    here.run("push", newest["id"], "--to", "lab")
    copy.run("pull", "--from", name)
    assert [each["name"] for each in copy.json("snapshots", "list")] == [newest["name"], oldest["name"]]


def test_a_machine_that_can_only_write(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    remote = tmp_path / "vault"
    there.run("store", "init")
    there.run("remotes", "add", "vault", remote, "--encrypt")
    key = there.json("remotes", "recipients", "list", "vault")[0]
    here.run("remotes", "add", "vault", remote, "--write-only", "--recipient", key)
    first = here.json("push")
    assert [each["name"] for each in first["snapshots"]] == ["paper"]
    assert here.json("push", "--all")["bytes"] < 30_000  # it remembers what it sent
    assert "can only write" in here.run("remotes", "check", "vault", code=6).stderr
    there.run("clone", remote, "penguins")
    assert_cloned(there, here)


def test_a_stolen_machine_that_can_only_write(
    here: Nuvtui, there: Nuvtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing on its disk opens what it pushed: neither the keys of its pushes, nor any file taken as an identity."""
    import base64

    from nuvtui.remote import config
    from nuvtui.remote.folder import FolderBlobs
    from nuvtui.remote.keys import Identities

    remote = tmp_path / "vault"
    there.run("store", "init")
    there.run("remotes", "add", "vault", remote, "--encrypt")
    key = there.json("remotes", "recipients", "list", "vault")[0]
    here.run("remotes", "add", "vault", remote, "--write-only", "--recipient", key)
    here.run("push", "--all")

    blobs = FolderBlobs(remote)
    made = config.read(blobs)
    monkeypatch.setenv("HOME", there.environment["HOME"])
    monkeypatch.setenv("XDG_CONFIG_HOME", there.environment["XDG_CONFIG_HOME"])
    keysets = config.unlock(blobs, made, Identities()).keysets
    assert len(keysets) == 2  # the remote's, and the push's
    files = [path for path in Path(here.environment["HOME"]).rglob("*") if path.is_file()]
    assert any(path.name == "state.json" for path in files)
    for path in files:
        content = path.read_bytes()
        for keyset in keysets:
            for secret in (keyset.secret, keyset.key, keyset.names):
                for form in (secret, secret.hex().encode(), base64.b64encode(secret)):
                    assert form not in content, path
    monkeypatch.setenv("HOME", here.environment["HOME"])
    monkeypatch.setenv("XDG_CONFIG_HOME", here.environment["XDG_CONFIG_HOME"])
    monkeypatch.setenv("NUVTUI_IDENTITY", ":".join(str(path) for path in files if ":" not in str(path)))
    assert config.unlock(blobs, made, Identities()).keysets == []


def test_a_config_that_says_no_more_that_it_is_encrypted(here: Nuvtui, tmp_path: Path) -> None:
    """Who runs the place swaps `config`: nothing is sent in plain text."""
    import json

    remote = tmp_path / "vault"
    here.run("remotes", "add", "vault", remote, "--encrypt")
    file = remote / "config"
    true = json.loads(file.read_bytes())
    file.chmod(0o600)
    file.write_text(json.dumps({**true, "encryption": "none", "ring": None}))
    before = sorted(remote.rglob("*"))
    assert "was encrypted when it was added" in here.run("push", code=5).stderr
    assert sorted(remote.rglob("*")) == before


def test_an_object_store(here: Nuvtui, there: Nuvtui, seaweed: Seaweed) -> None:
    """On a distributed store of which one server is killed while it works."""
    bucket = f"archive-{os.urandom(4).hex()}"
    seaweed.make_bucket(bucket)
    access = {
        "AWS_ACCESS_KEY_ID": seaweeds.KEY,
        "AWS_SECRET_ACCESS_KEY": seaweeds.SECRET,
        "AWS_ENDPOINT_URL": seaweed.endpoint,
    }
    here.environment |= {**access, "NUVTUI_REMOTE_PATIENCE": "2m"}
    there.environment |= {**access, "NUVTUI_REMOTE_PATIENCE": "2m"}
    refused = here.run("remotes", "add", "lab", f"s3://{bucket}/open", "--no-encrypt", code=6).stderr
    assert "Whoever can read the object store" in refused
    assert here.json("remotes", "add", "lab", f"s3://{bucket}/penguins")["encrypted"] is True
    here.run("push")
    seaweed.kill_volume(1)
    try:
        here.run("push", "--all")
        assert here.json("remotes", "check", "lab", "--read-data")["problems"] == []
        here.run("remotes", "prune", "lab", "--grace", "0")
        shutil.copytree(Path(here.environment["XDG_CONFIG_HOME"]), Path(there.environment["XDG_CONFIG_HOME"]))
        there.run("clone", f"s3://{bucket}/penguins", "penguins")
    finally:
        seaweed.start_volume(1)
    assert_cloned(there, here)
    for place in (here, there):
        home = Path(place.environment["NUVTUI_HOME"])
        for file in home.rglob("*"):
            if file.is_file():
                assert seaweeds.SECRET.encode() not in file.read_bytes(), file


@pytest.fixture
def ssh(ssh_server: SshServer, tmp_path: Path) -> dict[str, str]:
    """A search path on which `ssh` knows the suite's server as `there`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "ssh"
    script.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {ssh_server.folder / "ssh_config"} "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_another_server(here: Nuvtui, there: Nuvtui, ssh: dict[str, str], tmp_path: Path) -> None:
    here.environment |= ssh
    there.environment |= ssh
    command = ("--command", f"{sys.executable} -m nuvtui")
    here.run("remotes", "add", "server", f"there:{tmp_path}/archive", *command)
    here.run("push", "--all")
    assert here.json("remotes", "show", "server")["snapshots"] == 2
    there.run("clone", f"ssh://there{tmp_path}/archive", "penguins", *command)
    assert_cloned(there, here)


def test_what_can_be_wrong(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    assert "There is no remote yet" in here.run("push", code=3).stderr
    assert "cannot be a remote's name" in here.run("remotes", "add", "No Good", tmp_path / "r", code=2).stderr
    assert "holds credentials" in here.run("remotes", "add", "lab", "s3://key:secret@bucket/x", code=2).stderr
    assert "ftp:// is not known" in here.run("remotes", "add", "lab", "ftp://host/x", code=2).stderr
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.pdf").write_text("x")
    assert "holds something else" in here.run("remotes", "add", "lab", other, code=5).stderr
    assert [each.name for each in other.iterdir()] == ["thesis.pdf"]

    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote)
    assert "There is a remote lab already" in here.run("remotes", "add", "lab", tmp_path / "r", code=5).stderr
    shutil.copytree(remote, tmp_path / "copy")
    assert (
        "lab is this remote already" in here.run("remotes", "add", "twin", tmp_path / "copy", code=5).stderr
    )
    assert "is not encrypted" in here.run("remotes", "recovery", "lab", code=6).stderr
    assert "holds no snapshot yet" in there.run("clone", remote, "penguins", code=3).stderr
    here.run("push")
    assert "No remote 'nobody'" in here.run("push", "--to", "nobody", code=3).stderr

    here.run("remotes", "add", "second", tmp_path / "second")
    assert "Which remote?" in here.run("push", code=2).stderr

    remote.rename(tmp_path / "unplugged")
    assert "There is no remote at" in here.run("push", "--to", "lab", code=1).stderr
    shown = here.run("remotes", "show", "lab", "-f", "json", code=1)
    assert '"reachable": false' in shown.stdout
    assert "There is no remote at" in here.run("doctor").stdout
    shutil.copytree(tmp_path / "second", remote)
    assert "is another remote now" in here.run("push", "--to", "lab", code=5).stderr
    shutil.rmtree(remote)
    (tmp_path / "unplugged").rename(remote)
    here.run("push", "--all", "--to", "lab")

    folder = there.folder / "full"
    folder.mkdir()
    (folder / "mine").write_text("x")
    assert "is not empty" in there.run("clone", remote, folder, code=5).stderr
    there.run("clone", remote, "penguins")
    assert "is in this store already" in there.run("clone", remote, "again", code=5).stderr


def test_what_is_no_more_needed_goes(here: Nuvtui, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote)
    (here.folder / "large.bin").unlink()
    here.run("push", "--all")
    here.run("snapshots", "create", "-n", "small")
    here.run("push")
    assert "Not confirmed" in here.run("remotes", "forget", "lab", "paper", code=6).stderr
    here.run("remotes", "forget", "lab", "paper", "raw-data", "--yes")
    before = sum(path.stat().st_size for path in (remote / "packs").rglob("*") if path.is_file())
    dry = here.json("remotes", "prune", "lab", "--dry-run")
    assert (dry["freed"], dry["dry_run"]) == (0, True)
    assert dry["condemned"] > 2 << 20 or before > 2 << 20
    here.run("remotes", "prune", "lab", "--grace", "0")
    here.run("remotes", "prune", "lab", "--grace", "0")
    assert here.json("remotes", "check", "lab", "--read-data")["problems"] == []
    assert [each["name"] for each in here.json("snapshots", "list", "--remote", "lab")] == ["small"]


def test_roles(here: Nuvtui, tmp_path: Path) -> None:
    """Who may not look into an instance may not push from it."""
    here.run("remotes", "add", "lab", tmp_path / "remote")
    user = here.json("members", "list")[0]["user"]
    here.run("members", "set", "nobody", "administrator")
    here.run("members", "set", user, "observer", "-i", "Master")
    refused = here.run("push", "paper", code=4).stderr
    assert "needs the role instance viewer" in refused


def test_a_snapshot_that_is_only_there_is_looked_into(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    """Opened, read, compared without being pulled; restored, it comes here."""
    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote, "--encrypt")
    here.run("push", "--all")
    shutil.copytree(Path(here.environment["XDG_CONFIG_HOME"]), Path(there.environment["XDG_CONFIG_HOME"]))
    there.run("clone", remote, "penguins", "--snapshot", "paper")
    clone = there.at(there.folder / "penguins")
    (here.folder / "notes.txt").write_text("measured again\n")
    (here.folder / "large.bin").write_bytes(os.urandom(3 << 20))
    here.run("snapshots", "create", "-n", "again")
    here.run("push")
    assert clone.json("snapshots", "list", "--remote", "origin")[0]["name"] == "again"
    before = [each["name"] for each in clone.json("snapshots", "list")]
    assert "again" not in before
    size = sum(
        path.stat().st_size for path in Path(there.environment["NUVTUI_HOME"]).rglob("*") if path.is_file()
    )
    assert clone.run("snapshots", "cat", "again", "notes.txt").stdout == "measured again\n"
    assert any(each["path"] == "notes.txt" for each in clone.json("snapshots", "files", "again"))
    assert "notes.txt" in clone.run("snapshots", "diff", "paper", "again").stdout
    assert clone.json("tables", "query", "-p", "again", "SELECT count(*) AS n FROM penguins")
    grown = sum(
        path.stat().st_size for path in Path(there.environment["NUVTUI_HOME"]).rglob("*") if path.is_file()
    )
    assert grown - size < 1 << 20, "the large file came along"
    assert clone.json("store", "check", "--read-data")["problems"] == []
    gone = clone.run("snapshots", "delete", "again", "--yes", code=3).stderr
    assert "remotes forget" in gone

    clone.run("snapshots", "restore", "again", "--yes")
    assert (clone.folder / "large.bin").read_bytes() == (here.folder / "large.bin").read_bytes()
    assert "again" in [each["name"] for each in clone.json("snapshots", "list")]
    clone.run("store", "gc", "--grace", "0")
    assert clone.json("store", "check", "--read-data")["problems"] == []


def test_a_snapshot_whose_remote_is_away(here: Nuvtui, there: Nuvtui, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    here.run("remotes", "add", "lab", remote)
    here.run("push")
    there.run("clone", remote, "penguins")
    clone = there.at(there.folder / "penguins")
    (here.folder / "notes.txt").write_text("x")
    here.run("snapshots", "create", "-n", "again")
    here.run("push")
    clone.run("snapshots", "list", "--remote", "origin")
    remote.rename(tmp_path / "unplugged")
    said = clone.run("snapshots", "files", "again", code=1).stderr
    assert "is not here" in said
    assert "There is no remote at" in said
    assert clone.run("snapshots", "files", "paper").stdout


def test_a_store_home_on_another_server(
    here: Nuvtui, there: Nuvtui, ssh: dict[str, str], tmp_path: Path
) -> None:
    """What is pushed appears in the timeline there; what is done there is pulled from there."""
    here.environment |= ssh
    there.run("store", "init")
    command = ("--command", f"{sys.executable} -m nuvtui")
    here.run("remotes", "add", "server", f"there:{there.environment['NUVTUI_HOME']}", *command)
    pushed = here.json("push", "--all")
    assert sorted(each["name"] for each in pushed["snapshots"]) == ["paper", "raw-data"]
    assert here.json("push", "--all")["objects"] == 0
    mine = [(each["id"], each["name"]) for each in here.json("snapshots", "list")]
    listed = there.json("snapshots", "list", "-s", "Penguins", "-i", "Master")
    assert [(each["id"], each["name"]) for each in listed] == mine
    assert there.json("store", "check", "--read-data")["problems"] == []
    assert here.json("remotes", "check", "server", "--read-data")["problems"] == []
    there.run("store", "gc", "--grace", "0")  # nobody's lease is in the way

    there.run("snapshots", "restore", "paper", "-s", "Penguins", "-i", "Master", "--yes")
    master = there.json("instances", "list", "-s", "Penguins")[0]["workspace"]
    assert (Path(master) / "README.md").read_text() == "# Penguins of the Palmer archipelago\n"
    (Path(master) / "README.md").write_text("# Revised there\n")
    there.run("snapshots", "create", "-n", "revision", "-s", "Penguins", "-i", "Master")
    there.run("store", "gc", "--grace", "0")
    pulled = here.json("pull")["snapshots"]
    assert [each["name"] for each in pulled] == ["revision"]
    here.run("snapshots", "restore", "revision", "--yes")
    assert (here.folder / "README.md").read_text() == "# Revised there\n"


def test_a_distribution_to_another_server(
    here: Nuvtui, there: Nuvtui, ssh: dict[str, str], tmp_path: Path
) -> None:
    """A part of a state goes straight into an instance there: dry run, approval, history on both sides, recall."""
    here.environment |= ssh
    review = there.at(there.folder / "review")
    review.folder.mkdir()
    review.run("init", "--space", "Review")
    (review.folder / "README.md").write_text("# Theirs\n")
    (review.folder / "own.txt").write_text("stays\n")
    inside = f"NUVTUI_HOME={there.environment['NUVTUI_HOME']} HOME={there.environment['HOME']}"
    command = ("--command", f"env {inside} {sys.executable} -m nuvtui")
    to = ("distribution", "distribute", "--targets", "there:Review/Master", *command)
    here.run("stage", "add", "--files", "README.md", "--files", "data", "--tables", "penguins")
    (plan,) = here.json(*to, "--dry-run")
    assert plan["files"]["created"] == ["data/penguins.csv"]
    assert plan["files"]["replaced"] == ["README.md"]
    assert plan["tables"]["created"] == ["penguins"]
    (review.folder / "README.md").write_text("# Theirs, changed since\n")
    assert "changed since" in here.run(*to, "--plan", plan["plan"], code=5).stderr
    assert (review.folder / "README.md").read_text() == "# Theirs, changed since\n"

    (plan,) = here.json(*to, "--dry-run")
    done = here.json(*to, "--plan", plan["plan"], "--message", "For your review")
    assert done["status"] == "completed"
    assert done["targets"][0]["name"] == "there:Review/Master"
    assert (done["targets"][0]["created"], done["targets"][0]["replaced"]) == (2, 1)
    assert (review.folder / "README.md").read_text() == "# Penguins of the Palmer archipelago\n"
    assert (review.folder / "data" / "penguins.csv").read_bytes() == (
        here.folder / "data" / "penguins.csv"
    ).read_bytes()
    assert (review.folder / "own.txt").read_text() == "stays\n"
    assert not (review.folder / "large.bin").exists()
    assert review.json("tables", "query", "SELECT sum(mass) AS mass FROM penguins")
    history = review.json("distribution", "list")
    assert history[0]["id"] == done["id"]
    assert (history[0]["status"], history[0]["message"]) == ("completed", "For your review")
    assert here.json("distribution", "list")[0]["id"] == done["id"]
    (kept,) = review.json("snapshots", "list", "-i", "Distributed")
    assert "Penguins/Master" in kept["name"]
    for store in (here, review):
        assert store.json("store", "check", "--read-data")["problems"] == []
    review.run("store", "gc", "--grace", "0")

    here.run("distribution", "recall", done["id"], "--yes")
    assert not (review.folder / "README.md").exists()
    assert not (review.folder / "data").exists()
    assert (review.folder / "own.txt").read_text() == "stays\n"
    assert here.json("distribution", "list")[0]["status"] == "recalled"
    assert review.json("distribution", "list")[0]["status"] == "recalled"

    here.run(*to[:3], "there:Review/Nobody", *command, code=3)
    here.run(*to[:3], "there:Review/Master,elsewhere:Review/Master", *command, code=2)
    here.run("stage", "clear")
    here.run("stage", "add", "--all")
    whole = here.json(*to, "--files-strategy", "mirror")
    assert whole["status"] == "completed"
    assert (review.folder / "large.bin").read_bytes() == (here.folder / "large.bin").read_bytes()
    assert not (review.folder / "own.txt").exists()
