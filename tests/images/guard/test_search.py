"""The search itself: every spelling of a known value, at any place, however the bytes arrive; never shown."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nuvtui.images.guard import scans
from nuvtui.images.guard.hits import HITS, MORE
from nuvtui.images.guard.secrets import KNOWN, Scanner, SecretSearch
from nuvtui.images.redact import forms
from tests.images.guard.planted import packed, scan, tarred, told, zipped
from tests.support import search as independent
from tests.support.waiting import cpu_seconds

VALUE = 'kn0wn/"secret"+ välue'
SPELLINGS = {
    "raw": VALUE.encode(),
    "url": quote(VALUE, safe="").encode(),
    "url, slashes": quote(VALUE).encode(),
    "url, plus": quote_plus(VALUE).encode(),
    "url, lower": quote(VALUE, safe="").lower().encode(),
    "hex": VALUE.encode().hex().encode(),
    "HEX": VALUE.encode().hex().upper().encode(),
    "utf-16": VALUE.encode("utf-16"),
    "utf-16-be": VALUE.encode("utf-16-be"),
    "json": json.dumps(VALUE).encode(),
    "json, unicode": json.dumps(VALUE, ensure_ascii=False).encode(),
    "json, slashes": json.dumps(VALUE).replace("/", "\\/").encode(),
    **{
        f"base64 {before} {after}": base64.b64encode(b"u" * before + VALUE.encode() + b"p" * after)
        for before in range(4)
        for after in range(3)
    },
    "base64, url": base64.urlsafe_b64encode(b"\xff" + VALUE.encode()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling(spelling: str) -> None:
    data = b"\xff\n" + SPELLINGS[spelling] + b"\n"
    assert told(scan({"a.dat": data}, [VALUE])) == [("push", "files/a.dat:2")]
    assert independent.in_bytes(data, [VALUE], "a")


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40),
    noise=st.binary(max_size=3000),
    data=st.data(),
)
@settings(max_examples=150)
def test_a_value_is_found_wherever_it_stands(value: str, noise: bytes, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(forms(value)))
    at = data.draw(st.integers(0, len(noise)))
    whole = noise[:at] + form + noise[at:]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    findings = scans.scan_text("log", pieces, [value])
    assert any(finding.text == KNOWN for finding in findings)
    hidden = "".join(
        f"{finding.level} {finding.subject} {finding.text} {finding.key}" for finding in findings
    )
    assert (
        value.strip() == ""
        or value in "push log:1234567890 holds a known secret value"
        or value not in hidden
    )


@given(at=st.integers(0, 700_000), piece=st.sampled_from([1 << 16, 100_003, 1 << 18, 1 << 20]))
@settings(max_examples=40)
def test_nothing_hides_where_two_pieces_meet(at: int, piece: int) -> None:
    token = b"ghp_" + b"a1" * 18
    for secret, what in ((b"kn0wn-value-12", KNOWN), (b"kn0wnv", KNOWN), (token, "holds a GitHub token")):
        data = (b"." * 99 + b"\n") * 7000
        data = data[:at] + b" " + secret + b" " + data[at:]
        search = SecretSearch(Scanner(["kn0wn-value-12", "kn0wnv"]))
        for start in range(0, len(data), piece):
            search.feed(data[start : start + piece])
        assert search.close() == [(at // 100 + 1, what)]


def test_many_hits_are_told_to_be_many() -> None:
    hits = Scanner([VALUE]).whole((VALUE.encode() + b"\n") * 50)
    assert len(hits) == HITS + 1
    assert hits[-1].what == MORE


def test_keys_say_nothing_of_the_value_and_tell_findings_apart() -> None:
    def keys(value: str) -> list[str]:
        return [finding.key for finding in scan({"a.txt": f"{value}\n\n{value}", "b.txt": value}, [value])]

    assert len(set(keys("value-one"))) == 3
    assert keys("value-one") == keys("value-two")
    moved = scan({"a.txt": "\n\n\nvalue-one\nvalue-one", "b.txt": "value-one"}, ["value-one"])
    assert [finding.key for finding in moved] == keys("value-one")


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("a.json", b'{"secret": "'), ("b.py", b"://a:"), ("c.txt", b"-"), ("d.py", b"SG."), ("e.js", b"sk-"),
        ("f.py", b'password="'), ("g.py", b"PRIVATE KEY"), ("h.py", b"eyJ."), ("i.json", b'":'),
    ],
)  # fmt: skip
def test_lines_without_end_take_no_long_time(name: str, piece: bytes) -> None:
    line = piece * (1_500_000 // len(piece))
    quarter = cpu_seconds(lambda: scan({name: line[: len(line) // 4]}))
    whole = cpu_seconds(lambda: scan({name: line}))
    assert whole < 9 * quarter + 0.1  # in proportion to its length, not to its square


def test_the_independent_search_looks_into_everything() -> None:
    inner = zipped({"a.txt": VALUE.encode()})
    assert independent.in_bytes(tarred({"x/layer.tar": packed(tarred({"b.zip": inner}))}), [VALUE], "image")
    book = json.dumps({"history": [{"created_by": ["kn0wn/", '"secret"+ välue']}]}).encode()
    assert independent.in_bytes(tarred({"config.json": book}), [VALUE], "image")
    assert independent.in_bytes(tarred({"kn0wn-name": b""}), ["kn0wn-name"], "image")
    assert not independent.in_bytes(tarred({"a": b"fine"}), [VALUE], "image")
