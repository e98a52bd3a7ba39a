"""The stage: one source state, kept, never dropped silently."""

import shutil

import pytest

from nuvtui.model.distribution import ObjectType
from nuvtui.model.names import path_to_text
from nuvtui.model.stage import StateRef
from nuvtui.services.states.service import StatesService
from tests.services.helpers import World, refused


def test_the_stage_survives_the_process_and_only_clear_empties_it(study: World) -> None:
    staged = study.services.staging.add(study.current(), ["README.md", "data"], ["visits"], ["demo"])
    assert study.fresh().staging.get(study.space.id) == staged
    items = study.fresh().staging.contents(staged)
    assert [(i.type, i.name) for i in items] == [
        (ObjectType.FILES, "README.md"),
        (ObjectType.FILES, "data/"),
        (ObjectType.TABLES, "visits"),
        (ObjectType.APPLICATIONS, "demo"),
    ]
    assert (items[0].size, items[2].size) == (10, 2)
    study.services.staging.clear(study.space.id)
    assert study.fresh().staging.get(study.space.id) is None
    study.services.staging.clear(study.space.id)


def test_another_source_state_is_refused_without_replace(study: World) -> None:
    first, other = study.snapshot("first"), study.add("other")
    study.write("there.txt", "x", other)
    staging = study.services.staging
    kept = staging.add(study.current(), ["README.md"])
    for source in (StateRef(study.master.id, first.id), StateRef(other.id)):
        with refused(5, "Current State of Master", "--replace"):
            staging.add(source, ["README.md" if source.snapshot else "there.txt"])
        assert staging.get(study.space.id) == kept
    replaced = staging.add(StateRef(study.master.id, first.id), ["analysis.py"], replace=True)
    assert (replaced.source.snapshot, replaced.files) == (first.id, ["analysis.py"])
    # An empty stage stands in nobody's way.
    staging.remove(study.space.id, ["analysis.py"])
    assert staging.add(study.current(), ["README.md"]).source == study.current()


def test_what_was_refused_is_put_on_a_new_stage_without_looking_it_up_again(
    study: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study.snapshot("first")
    staging = study.services.staging
    staging.add(study.current(), ["README.md"])
    chosen = staging.choose(StateRef(study.master.id, first.id), ["data"], ["visits"])
    monkeypatch.delattr(StatesService, "reader")
    with refused(5, "Current State of Master", "--replace"):
        staging.put(chosen)
    staged = staging.put(chosen, replace=True)
    assert (staged.source, staged.files, staged.tables) == (chosen.source, ["data"], ["visits"])


def test_a_folder_covers_what_is_below_it(study: World) -> None:
    study.write("data-more.txt", "not below data")
    staging = study.services.staging
    staging.add(study.current(), ["data/a.csv", "data-more.txt"])
    assert staging.add(study.current(), ["./data//"]).files == ["data", "data-more.txt"]
    assert staging.add(study.current(), ["data/b.csv"]).files == ["data", "data-more.txt"]


def test_names_that_are_not_utf8_are_staged(study: World) -> None:
    study.write("caf\udce9/a\nb", "x")
    staged = study.services.staging.add(study.current(), ["caf\udce9/a\nb"])
    assert staged.files == [path_to_text("caf\udce9/a\nb")]
    assert [i.missing for i in study.fresh().staging.contents(staged)] == [False]


def test_what_the_state_does_not_have_is_refused_and_nothing_is_staged(study: World) -> None:
    staging = study.services.staging
    for files, tables, applications in (
        (["nothing.txt"], [], []),
        (["README.md/below"], [], []),
        (["README.md"], ["nothing"], []),
        (["README.md"], [], ["nothing"]),
        ([".nuvtui/apps/demo.yaml"], [], []),
    ):
        with refused(3):
            staging.add(study.current(), files, tables, applications)
    for path in ("../master/README.md", "/etc/passwd", "data/../../x", "a\0b"):
        with refused(2):
            staging.add(study.current(), [path])
    assert staging.get(study.space.id) is None


def test_removing_takes_out_what_is_there_only(study: World) -> None:
    staging = study.services.staging
    with refused(3):
        staging.remove(study.space.id, ["README.md"])
    staging.add(study.current(), ["README.md", "data"], ["visits"], ["demo"], everything=True)
    with refused(3, "analysis.py"):
        staging.remove(study.space.id, ["analysis.py"])
    left = staging.remove(study.space.id, ["README.md"], ["visits"], everything=True)
    assert (left.files, left.tables, left.applications, left.everything) == (["data"], [], ["demo"], False)


def test_what_went_missing_is_marked(study: World) -> None:
    staged = study.services.staging.add(study.current(), ["README.md", "data"], ["visits"], ["demo"])
    (study.root() / "README.md").unlink()
    shutil.rmtree(study.root() / "data")
    study.drop("visits")
    (study.root() / ".nuvtui" / "apps" / "demo.yaml").unlink()
    assert [i.missing for i in study.services.staging.contents(staged)] == [True] * 4


def test_everything_lists_what_the_state_holds(study: World) -> None:
    staged = study.services.staging.add(study.current(), everything=True)
    assert [i.name for i in study.services.staging.contents(staged)] == [".", "visits", "demo"]
    assert study.services.staging.add(study.current(), ["."]).everything
