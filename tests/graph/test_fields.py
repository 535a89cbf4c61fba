"""Meanings: the same thing is called the same, whatever a document calls it."""

import pytest

from goat_ray.graph.fields import Meanings
from goat_ray.records import ApiFunction, OutputField, Parameter


def function(
    path: str, parameters: list[Parameter] | None = None, outputs: dict[str, str] | None = None, **more: str
) -> ApiFunction:
    fields = [OutputField(path=at, type="integer", schema_name=schema) for at, schema in (outputs or {}).items()]
    return ApiFunction.create(service="s", name=path, path=path, parameters=parameters or [], outputs=fields, **more)


def in_path(name: str) -> Parameter:
    return Parameter(name=name, location="path", type="integer", required=True)


MOVIE = function(
    "/movie/{movie_id}",
    [in_path("movie_id")],
    {"$.id": "", "$.title": "", "$.budget": "", "$.genres[*].id": "", "$.production_companies[*].id": ""},
)
SEARCH = function("/search/movie", outputs={"$.results[*].id": "movie-list-object", "$.results[*].title": ""})
PERSON = function("/person/{person_id}", [in_path("person_id")], {"$.id": "", "$.name": "", "$.profile_path": ""})
COMPANY = function("/company/{company_id}", [in_path("company_id")], {"$.id": "", "$.headquarters": ""})
CREDITS = function(
    "/movie/{movie_id}/credits",
    [in_path("movie_id")],
    {"$.id": "", "$.cast[*].id": "", "$.cast[*].name": "", "$.cast[*].profile_path": "", "$.cast[*].order": ""},
)
DISCOVER = function(
    "/discover/movie",
    [
        Parameter(name="with_genres", location="query", type="string", description="Comma separated genre ids."),
        Parameter(name="page", location="query", type="integer"),
    ],
    {"$.results[*].genre_ids[*]": ""},
)
BRANCH = function("/branches/{branch_code}", [in_path("branch_code")], {"$.code": "", "$.manager.id": ""})
MEMBER = function("/members", outputs={"$.home_branch": "", "$.author_id": ""})
CORPUS = [MOVIE, SEARCH, PERSON, COMPANY, CREDITS, DISCOVER, BRANCH, MEMBER]


@pytest.mark.parametrize(
    ("source", "path", "expected"),
    [
        (SEARCH, "$.results[*].id", "movie id"),  # named schema
        (MOVIE, "$.id", "movie id"),  # the path's resource
        (MOVIE, "$.genres[*].id", "genre id"),  # the member that holds it
        (MOVIE, "$.production_companies[*].id", "company id"),
        (CREDITS, "$.cast[*].id", "person id"),  # looks like a person
        (CREDITS, "$.id", "movie id"),
        (DISCOVER, "$.results[*].genre_ids[*]", "genre id"),
        (BRANCH, "$.code", "branch code"),
        (MEMBER, "$.home_branch", "branch id"),
        (MEMBER, "$.author_id", "author id"),
    ],
)
def test_fields(source: ApiFunction, path: str, expected: str) -> None:
    assert Meanings(CORPUS).of_field(source, source.output(path)).phrase == expected


@pytest.mark.parametrize(
    ("target", "name", "expected"),
    [(MOVIE, "movie_id", "movie id"), (DISCOVER, "with_genres", "genre id"), (BRANCH, "branch_code", "branch code")],
)
def test_parameters(target: ApiFunction, name: str, expected: str) -> None:
    assert Meanings(CORPUS).of_parameter(target, target.parameter(name)).phrase == expected


def test_a_bare_id_in_a_path_takes_its_kind_from_the_segment_before() -> None:
    order = function("/orders/{id}", [in_path("id")], {"$.id": ""})
    assert Meanings([order]).of_parameter(order, order.parameter("id")).phrase == "order id"


def test_meanings_do_not_depend_on_the_order_of_functions() -> None:
    forward, backward = Meanings(CORPUS), Meanings(reversed(CORPUS))
    for one in CORPUS:
        for field in one.outputs:
            assert forward.of_field(one, field) == backward.of_field(one, field)
