"""Makes `tests/remote/fixtures`: remotes of version 1, which every later nuvtui has to read. Run once, by hand."""

import os
import sys
import tempfile
from pathlib import Path

from nuvtui.remote import config, keys, recovery
from nuvtui.remote.folder import FolderBlobs
from nuvtui.remote.keys import Identities
from nuvtui.remote.push import push
from nuvtui.remote.repository import Repository
from tests.store.helpers import FIRST, QUIET, SECOND, new_store, take


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["HOME"] = os.environ["XDG_CONFIG_HOME"] = folder
        store, place = new_store(root / "home"), root / "workspace"
        (place / ".nuvtui").mkdir(parents=True)
        (place / "data").mkdir()
        (place / "data" / "penguins.csv").write_text("species,mass\nAdelie,3750\nGentoo,5000\n" * 40)
        (place / "README.md").write_text("# Penguins\n")
        take(store, place, root / "cache", FIRST)
        (place / "README.md").write_text("# Penguins of the Palmer archipelago\n")
        take(store, place, root / "cache", SECOND)
        for name, recipients in (("plain", []), ("sealed", [keys.make_identity()])):
            blobs = FolderBlobs(target / name, create=True)
            made = config.create(blobs, recipients)
            for snapshot in (FIRST, SECOND):
                seal = config.seal(blobs, made, Identities())
                push(Repository(name, blobs, made, seal, root / name), store, [snapshot], [], QUIET)
            if recipients:
                secrets = [each.secret for each in config.unlock(blobs, made, Identities()).keysets]
                (target / "sheet.txt").write_text(recovery.sheet(name, "/remote", made.repository, secrets))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
