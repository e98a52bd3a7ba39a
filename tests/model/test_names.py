"""Paths as text and names as slugs."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuvtui.model.names import is_slug, path_to_text, slugify, text_to_path

paths = st.binary(max_size=60).map(os.fsdecode)


@given(paths)
def test_any_path_survives_json(path: str) -> None:
    text = path_to_text(path)
    assert text_to_path(json.loads(json.dumps(text))) == path
    text.encode("utf-8")


@given(paths, paths)
def test_different_paths_have_different_texts(one: str, other: str) -> None:
    assert (path_to_text(one) == path_to_text(other)) == (one == other)


def test_ordinary_names_stay_as_they_are() -> None:
    assert path_to_text("data/Résumé 数据.csv") == "data/Résumé 数据.csv"
    assert path_to_text("a\\b") == "a\\\\b"
    assert path_to_text(os.fsdecode(b"caf\xe9")) == "caf\\xe9"


@pytest.mark.parametrize("text", ["\\", "a\\q", "\\x1", "\\xzz"])
def test_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="text form"):
        text_to_path(text)


@given(st.text(max_size=100))
def test_a_slug_can_always_be_made(text: str) -> None:
    assert is_slug(slugify(text))
