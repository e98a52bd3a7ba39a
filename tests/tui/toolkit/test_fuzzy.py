"""The search of the palette: what comes first, and that it never holds up the keys."""

from nuvtui.tui.toolkit.fuzzy import BATCH, Search
from tests.support.waiting import cpu_seconds


def found(query: str, *texts: str) -> list[str]:
    search = Search(query, [texts])
    assert search.run(lambda: False)
    return [texts[hit.position] for hit in search.hits]


def test_a_beginning_is_better_than_a_word_than_a_part_than_letters_apart() -> None:
    texts = ("raw data received", "predraw", "r-a-w", "the raw one", "rest")
    assert found("raw", *texts) == ["raw data received", "the raw one", "predraw", "r-a-w"]


def test_the_name_of_a_file_counts_more_than_its_folders() -> None:
    assert found("model", "model/x.py", "src/model.py", "src/a/b.py") == ["src/model.py", "model/x.py"]


def test_what_a_thing_is_called_counts_more_than_what_is_said_of_it() -> None:
    assert found("first", "undo\nrestores what was taken first", "a first one", "first-results") == [
        "first-results",
        "a first one",
        "undo\nrestores what was taken first",
    ]


def test_all_words_in_any_order() -> None:
    assert found("data raw", "raw data", "raw", "data") == ["raw data"]
    assert found("", "raw") == []
    assert found("[", "a[b", "ab") == ["a[b"]


def test_a_hundred_thousand_are_looked_through_in_slices() -> None:
    texts = [f"folder{at % 300}/part-{at:06d}/measurement-{at % 97}.parquet" for at in range(110_000)]
    for query in ("meas", "099999", "fpm97", "zzz", "part 0999"):
        search = Search(query, [texts])
        slices = 1
        while not search.run(lambda: True):
            slices += 1
        assert slices > len(texts) / BATCH, "it stops wherever it is asked to, to leave room for the keys"
        whole = Search(query, [texts])
        cost = cpu_seconds(lambda whole=whole: whole.run(lambda: False))  # type: ignore[misc]
        assert (whole.hits, whole.count) == (search.hits, search.count)
        assert len(search.hits) <= 200
        peer = cpu_seconds(lambda: [text.replace("/", "").replace("-", "") for text in texts])
        assert cost < 30 * peer
