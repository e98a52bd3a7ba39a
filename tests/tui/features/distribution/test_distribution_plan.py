"""The dry run as a list: complete, in order, and cheap at any length."""

from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model.distribution import TargetPlan, TypePlan
from nuvtui.tui.features.distribution.plan import OUTCOMES, PlanSource, summary, totals
from nuvtui.tui.toolkit.glyphs import UNICODE

names = st.lists(st.text("abc/._\x1b", min_size=1, max_size=8), max_size=6, unique=True).map(sorted)
parts = st.builds(TypePlan, names, names, names, names)
plans = st.lists(st.builds(TargetPlan, st.uuids().map(str), parts, parts, parts), max_size=4)


@given(plans)
def test_every_object_is_listed_once_under_its_target(found: list[TargetPlan]) -> None:
    source = PlanSource(found, {}, UNICODE)
    assert source.count() == len(found) + sum(totals(found).values())
    assert len({source.key(index) for index in range(source.count())}) == source.count()
    for plan in found:
        assert any(plan.instance in source.line(index, 80).text for index in range(source.count()))


@given(plans, st.sampled_from(OUTCOMES))
def test_one_outcome_alone(found: list[TargetPlan], only: str) -> None:
    source = PlanSource(found, {}, UNICODE, only)  # type: ignore[arg-type]
    lines = [source.line(index, 80).text for index in range(source.count())]
    assert sum(f" {only} " in text[:14] for text in lines if text.startswith("  ")) == totals(found)[only]  # type: ignore[index]


def test_a_million_names_are_not_copied() -> None:
    many = [f"f{number}" for number in range(1_000_000)]
    source = PlanSource([TargetPlan("t", TypePlan(created=many))], {"t": "target"}, UNICODE)
    assert source.count() == 1_000_001
    assert source.line(1_000_000, 80).text.endswith("f999999")
    assert "1,000,000 created" in summary([TargetPlan("t", TypePlan(created=many))])
