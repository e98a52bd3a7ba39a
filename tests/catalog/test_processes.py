"""Eight processes change the state at once, some are killed, others read all the time (hard case 5)."""

import os
import subprocess
import sys
import time
from pathlib import Path

from nuvtui.catalog.catalog import Catalog
from nuvtui.paths import Home
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from nuvtui.model.space import Space
from nuvtui.paths import Home
from nuvtui.catalog.catalog import Catalog

home, name, count = Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in range(count):
    with Catalog(home).transaction() as change:
        old = change.spaces.get("counter")
        change.spaces.put(Space("counter", str(int(old.name) + 1 if old else 1), ""))
        change.spaces.put(Space(f"{name}-{number}", "ticket", ""))
    print(f"{name}-{number}", flush=True)
"""

READER = """
import sys
from pathlib import Path
from nuvtui.paths import Home
from nuvtui.catalog.catalog import Catalog

home, stop = Home(Path(sys.argv[1])), Path(sys.argv[2])
last, looks, state = 0, 0, Catalog(home)
while not stop.exists():
    view = state.read() if looks % 2 else Catalog(home).read()
    counter = view.spaces.get("counter")
    total = int(counter.name) if counter else 0
    tickets = len(view.spaces) - (counter is not None)
    assert total == tickets, f"torn: {total} of {tickets}"
    assert total >= last, f"back from {last} to {total}"
    assert state.recovered is None, state.recovered
    last, looks = total, looks + 1
print(looks, last)
"""


def _start(code: str, *arguments: object, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )


def test_the_total_is_exact_and_no_read_is_torn(home: Home, tmp_path: Path) -> None:
    Catalog(home).create()
    stop = tmp_path / "stop"
    outputs = {f"w{number}": tmp_path / f"w{number}" for number in range(8)}

    def said(name: str) -> list[str]:
        text = outputs[name].read_text()
        return text[: text.rfind("\n") + 1].split()

    readers = [_start(READER, home.root, stop, output=tmp_path / f"r{n}") for n in range(2)]
    victims = ["w0", "w1", "w2", "w3"]
    writers = {
        name: _start(WRITER, home.root, name, 1_000_000 if name in victims else 25, output=output)
        for name, output in outputs.items()
    }
    try:
        for number, name in enumerate(victims):
            # At different places of its work: the kill lands wherever it happens to be then.
            wait_until(
                lambda n=name, least=5 + 3 * number: len(said(n)) >= least, f"{name} at work", every=0.001
            )
            time.sleep(0.001 * number)  # no synchronisation: it only moves the place of the kill
            writers[name].kill()
            assert writers[name].wait() == -9
        for name, writer in writers.items():
            if name not in victims:
                assert writer.wait(120) == 0, outputs[name].read_text()
    finally:
        stop.touch()
        for process in (*readers, *writers.values()):
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    for number, reader in enumerate(readers):
        text = (tmp_path / f"r{number}").read_text()
        assert reader.returncode == 0, text
        assert int(text.split()[0]) > 1
    state = Catalog(home)
    view = state.read()
    assert state.recovered is None
    counter = view.spaces.get("counter")
    assert counter is not None
    tickets = {s.id for s in view.spaces.all()} - {"counter"}
    assert int(counter.name) == len(tickets)
    told = {ticket for name in outputs for ticket in said(name)}
    assert told <= tickets, "a change that was acknowledged is lost"
    assert len(tickets - told) <= len(victims), "only what was cut before it could say so"
    for name in set(outputs) - set(victims):
        assert {f"{name}-{number}" for number in range(25)} <= tickets
    with state.transaction() as change:  # the lock is free
        assert len(change.spaces) == len(tickets) + 1
