"""Upkeep through the service: what the state lists is compared with what the store holds."""

import threading

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
