"""Upkeep through the service: what the state lists is compared with what the store holds."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.services.helpers import World


def test_a_check_names_a_listed_snapshot_without_a_manifest(study: World) -> None:
    first, second = study.snapshot("first version of the data"), study.snapshot("second version of the data")
    assert study.services.maintenance.check().problems == []
    (study.home.snapshots / f"{first.id}.json").unlink()
    (problem,) = study.services.maintenance.check().problems
    assert (problem.what, problem.snapshots) == (f"snapshot {first.id}", [first.id])
    study.services.snapshots.delete([second.id])
    assert [p.snapshots for p in study.services.maintenance.check().problems] == [[first.id]]


def test_two_instances_of_one_store_take_snapshots_at_once(study: World) -> None:
    other = study.add("Other")
    for number in range(200):
        study.write(f"many/{number}.txt", f"the same {number}\n")
        study.write(f"many/{number}.txt", f"the same {number}\n", instance=other)
    together = threading.Barrier(2)
    errors: list[BaseException] = []

    def take(instance_id: str) -> None:
        services = study.fresh()
        together.wait()
        try:
            for number in range(3):
                services.snapshots.create(instance_id, f"state {number} of it")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take, args=(item.id,)) for item in (study.master, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for item in (study.master, other):
        assert len(study.fresh().snapshots.list(item.id)) == 3
    assert study.services.maintenance.check(read_data=True).problems == []


WORKER = """
import sys, time
from pathlib import Path
from nuvtui.tables import scratch
with scratch.folder(Path(sys.argv[1])) as folder:
    (folder / "spill").write_bytes(bytes(300_000))
    print(folder, flush=True)
    time.sleep(600)
"""


def test_gc_clears_what_killed_work_left_and_info_counts_it(study: World) -> None:
    study.snapshot("one")
    tmp, cache = study.home.tmp, study.home.cache
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        folders = [Path(worker.stdout.readline().strip()) for worker in workers if worker.stdout]
        workers[0].kill()
        workers[0].wait()
        gone = subprocess.Popen([sys.executable, "-c", "pass"])
        gone.wait()
        left = [
            tmp / "look-old" / "file",
            tmp / "ahead",
            cache / f".nuvtui-tmp-{gone.pid:x}-0011223344556677",
        ]
        left[0].parent.mkdir()
        for path in left:
            path.write_bytes(bytes(1000))
        day = 86400
        os.utime(left[0].parent, (0, 0))
        os.utime(left[1], (time.time() + 40 * day,) * 2)
        fresh = tmp / "somebody-works-here"
        fresh.write_bytes(bytes(1000))
        before = study.services.maintenance.info()
        assert before.tmp_bytes >= 603_000
        assert before.cache_bytes >= 1000
        dry = study.services.maintenance.gc(dry_run=True)
        assert all(path.exists() for path in (*folders, *left))
        done = study.services.maintenance.gc(grace=0)
        assert done.freed_bytes >= dry.freed_bytes + 300_000
        assert not any(path.exists() for path in (folders[0], *left))
        assert (folders[1] / "spill").is_file(), "its process lives"
        assert fresh.exists()
        assert study.services.maintenance.info().tmp_bytes < before.tmp_bytes
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
