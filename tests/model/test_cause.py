"""Causes: every sentence that nuvtui ever wrote into a manifest is read, and written the same way again."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nuvtui.model.cause import Cause, read
from nuvtui.model.snapshot import SnapshotRecord
from tests.model.test_snapshot_filter import record

SENTENCES = {
    "before restore of snapshot 1a2b3c4d (raw-data)": Cause("restore", "1a2b3c4d", "raw-data"),
    "before restore of snapshot 1a2b3c4d (raw (data))": Cause("restore", "1a2b3c4d", "raw (data)"),
    "before restore of snapshot 1a2b3c4d (named)": Cause("restore", "1a2b3c4d", kind="named"),
    "before restore of snapshot 1a2b3c4d (quick)": Cause("restore", "1a2b3c4d", kind="quick"),
    "before restore of snapshot 1a2b3c4d (automatic)": Cause("restore", "1a2b3c4d", kind="automatic"),
    "before distribution 1a2b3c4d": Cause("distribution", "1a2b3c4d"),
    "before recall of distribution 1a2b3c4d": Cause("recall", "1a2b3c4d"),
    "source of distribution 1a2b3c4d": Cause("source", "1a2b3c4d"),
    "for export 1a2b3c4d of penguins": Cause("export", "1a2b3c4d", "penguins"),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_is_read_and_written_again(sentence: str) -> None:
    assert read(sentence) == SENTENCES[sentence]
    assert SENTENCES[sentence].sentence == sentence


@pytest.mark.parametrize(
    "sentence", ["", "before restore of 1a2b3c4d", "because", "before distribution 1a2b"]
)
def test_what_is_no_sentence_of_ours_tells_nothing(sentence: str) -> None:
    assert read(sentence) is None


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool)
CAUSES = st.one_of(
    st.builds(Cause, st.just("restore"), st.just("1a2b3c4d5e6f7081"), NAMES),
    st.builds(
        lambda kind: Cause("restore", "1a2b3c4d5e6f7081", kind=kind),
        st.sampled_from(["named", "quick", "automatic"]),
    ),
    st.builds(Cause, st.sampled_from(["distribution", "recall", "source"]), st.just("1a2b3c4d5e6f7081")),
    st.builds(Cause, st.just("export"), st.just("1a2b3c4d5e6f7081"), NAMES),
)


@given(CAUSES)
@example(Cause("restore", "1a2b3c4d5e6f7081", "quick"))
def test_a_record_keeps_the_value_and_tells_the_sentence(cause: Cause) -> None:
    kept = msgspec.structs.replace(record("", "automatic"), cause=cause)
    plain = msgspec.json.decode(msgspec.json.encode(kept))
    assert plain["cause"] == cause.sentence, "what older readers of version 1 look for"
    assert msgspec.convert(plain, SnapshotRecord).cause == cause


def test_a_record_of_an_older_nuvtui_has_its_sentence_alone() -> None:
    plain = msgspec.to_builtins(record("", "automatic"))
    del plain["taken_for"]
    plain["cause"] = "before restore of snapshot 1a2b3c4d (quick)"
    assert msgspec.convert(plain, SnapshotRecord).cause == Cause("restore", "1a2b3c4d", kind="quick")
