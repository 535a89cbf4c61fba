"""Names as words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray import naming


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("production_companies", ["production", "companies"]),
        ("productionCompanies", ["production", "companies"]),
        ("ISBNNumber", ["isbn", "number"]),
        ("with-genres", ["with", "genres"]),
        ("iso_3166_1", ["iso", "3166", "1"]),
        ("", []),
    ],
)
def test_words(name: str, expected: list[str]) -> None:
    assert list(naming.words(name)) == expected


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("movies", "movie"),
        ("companies", "company"),
        ("people", "person"),
        ("branches", "branch"),
        ("copies", "copy"),
        ("reviews", "review"),
        ("areas", "area"),
    ],
)
def test_singular(plural: str, singular: str) -> None:
    assert naming.singular(plural) == singular


@pytest.mark.parametrize("word", ["status", "bus", "alias", "address", "analysis", "news", "series", "cast", "tv"])
def test_singular_leaves_singulars_alone(word: str) -> None:
    assert naming.singular(word) == word


@given(st.text(max_size=20))
def test_no_text_breaks_them(text: str) -> None:
    naming.is_identifier(text)
    for word in naming.words(text):
        naming.singular(word)
