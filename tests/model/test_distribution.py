"""The plan against an independent simulation of what the domain's table says."""

from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model.distribution import Strategy, plan, plan_paths

names = st.sampled_from(["a", "b", "c", "d", "e"])
states = st.dictionaries(names, st.integers(0, 2), max_size=5)
segments = st.sampled_from(["x", "y", "z"])
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)


def without_clashes(tree: dict[str, int]) -> dict[str, int]:
    """A tree as a disk can hold it: no path lies below another that is a file."""
    return {
        path: value
        for path, value in tree.items()
        if not any(path.startswith(other + "/") for other in tree if other != path)
    }


trees = st.dictionaries(paths, st.integers(0, 2), max_size=8).map(without_clashes)


def apply(target: dict[str, int], source: dict[str, int], outcome) -> dict[str, int]:  # type: ignore[no-untyped-def]
    after = {name: value for name, value in target.items() if name not in outcome.removed}
    for name in [*outcome.created, *outcome.replaced]:
        after[name] = source[name]
    return after


@given(states, states)
def test_overwrite_replaces_creates_and_keeps_the_rest(
    source: dict[str, int], target: dict[str, int]
) -> None:
    assert apply(target, source, plan(source, target, Strategy.OVERWRITE)) == target | source


@given(states, states)
def test_distribute_extra_never_touches_what_is_there(source: dict[str, int], target: dict[str, int]) -> None:
    assert apply(target, source, plan(source, target, Strategy.EXTRA)) == source | target


@given(states, states)
def test_mirror_makes_the_target_equal(source: dict[str, int], target: dict[str, int]) -> None:
    assert apply(target, source, plan(source, target, Strategy.MIRROR)) == source


@given(states, states)
def test_skip_does_nothing(source: dict[str, int], target: dict[str, int]) -> None:
    assert apply(target, source, plan(source, target, Strategy.SKIP)) == target


@given(states, states, st.sampled_from(Strategy))
def test_every_object_of_the_target_has_exactly_one_outcome(
    source: dict[str, int], target: dict[str, int], strategy: Strategy
) -> None:
    outcome = plan(source, target, strategy)
    listed = [*outcome.replaced, *outcome.removed, *outcome.kept]
    assert sorted(listed) == sorted(target)
    assert not set(outcome.created) & set(target)


@given(trees, trees, st.sampled_from([Strategy.OVERWRITE, Strategy.EXTRA, Strategy.MIRROR]))
def test_paths_never_clash_afterwards(
    source: dict[str, int], target: dict[str, int], strategy: Strategy
) -> None:
    outcome = plan_paths(source, target, strategy)
    after = apply(target, source, outcome)
    assert without_clashes(after) == after
    assert sorted([*outcome.replaced, *outcome.removed, *outcome.kept]) == sorted(target)
    if strategy is Strategy.EXTRA:
        assert after | target == after
    else:
        assert after | source == after
    if strategy is Strategy.MIRROR:
        assert after == source
