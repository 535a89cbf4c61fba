"""The embedded writer: one seed, one wording; items named as they were chosen; things said only once."""

import pytest

from goat_ray.records import ApiFunction, Argument, ExecutedCall, OutputField, Parameter
from goat_ray.teacher.goals import of_field
from goat_ray.teacher.phrases import Phrasebook
from goat_ray.teacher.ranking import ranked
from goat_ray.teacher.story import Story, Told
from goat_ray.teacher.telling import Teller
from goat_ray.teacher.things import Thing

TOP = ApiFunction.create(
    service="films",
    name="top",
    path="/movie/top",
    summary="Get the top rated movies",
    outputs=[OutputField(path=f"$.results[*].{name}", type="integer") for name in ("id", "title", "vote_average")],
)
REVIEWS = ApiFunction.create(
    service="films",
    name="reviews",
    path="/movie/{movie_id}/reviews",
    summary="Get the reviews for a movie",
    parameters=[Parameter(name="movie_id", location="path", type="integer", required=True)],
    outputs=[OutputField(path=f"$.results[*].{name}", type="string") for name in ("id", "author")],
)
FILMS = {"results": [{"id": 500 + n, "title": f"Film {'ABC'[n]}", "vote_average": n} for n in range(3)]}


def call(index: int, chosen: str = "", **more: object) -> ExecutedCall:
    film = Argument(
        parameter="movie_id",
        value=500 + index,
        provenance="upstream",
        step=0,
        location=f"$.results[{index}].id",
        chosen=chosen,
    )
    body = {"results": [{"id": "r", "author": f"Reviewer {'XYZ'[index]}"}]}
    return ExecutedCall(
        function=REVIEWS.id, arguments=[film], status=200, body=body, origin="simulated", planned=1
    ).model_copy(update=more)


def story(*calls: ExecutedCall) -> Story:
    first = ExecutedCall(function=TOP.id, arguments=[], status=200, body=FILMS, origin="simulated")
    told = (Told(TOP, first), *(Told(REVIEWS, one) for one in calls))
    return Story(told, Phrasebook([TOP, REVIEWS]), "seed")


def test_one_seed_and_variant_is_one_wording_and_variants_differ() -> None:
    told = story(call(1))
    assert Teller(told).query() == Teller(told).query()
    assert len({Teller(told, variant).query() for variant in range(20)}) > 10


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("", "the second movie"),
        ("highest vote_average", "the highest rated movie"),
        ("latest release_date", "the most recent movie"),
        ("lowest popularity", "the least popular movie"),
        ("highest page_count", "the movie with the most pages"),
        ("each 3", "each of the first three movies"),
    ],
)
def test_an_item_is_named_as_it_was_chosen(chosen: str, expected: str) -> None:
    assert ranked("movie", 1, chosen) == expected


def test_a_fan_out_is_one_wish_with_all_its_answers() -> None:
    told = story(call(0, "each"), call(1, "each"))
    for variant in range(5):
        query = Teller(told, variant).query()
        assert query.count("each of the first two top rated movies") == 1
    assert all(name in Teller(told).response() for name in ("Reviewer X", "Reviewer Y"))


def test_a_failed_call_is_no_wish_of_its_own() -> None:
    told = story(call(0, status=404, body={"error": "not found"}, corrected_by=2), call(1))
    assert told.goals == [2]
    assert "first" not in Teller(told).query()


def test_a_thing_that_two_wishes_share_is_told_once() -> None:
    told = story(call(1), call(1))
    for variant in range(10):
        assert Teller(told, variant).query().count("the second top rated movie") == 1


@pytest.mark.parametrize(
    ("field", "value", "question", "answer"),
    [
        ("pages", 406, "How many pages", "406 pages."),
        ("vote_count", 1, "How many votes", "1 vote."),
        ("created_at", "2026-05-01T10:00:00Z", "When was", "At 2026-05-01T10:00:00Z."),
        ("first_published", "2026-05-01", "When was", "On 2026-05-01."),
        ("born_year", 1970, "In which year was", "In 1970."),
        ("customer_since", "2020-06-25", "Since when", "Since 2020-06-25."),
        ("tourist_tax_eur", 2.6, "tourist tax in euros", "The tourist tax is 2.6 euros."),
        ("known_for_department", "Acting", "department", "The department is Acting."),
    ],
)
def test_a_field_is_asked_for_as_its_name_suggests(field: str, value: object, question: str, answer: str) -> None:
    goal = of_field(field, value, Thing(("the second movie",), "movie"))
    assert any(question in form for form in goal.asks)
    assert goal.answer == answer


def test_the_most_popular_of_the_popular_and_the_lowest_rated_of_the_top_rated() -> None:
    assert ranked("popular movie", 0, "") == "the most popular movie"
    assert ranked("popular movie", 2, "highest popularity") == "the most popular movie"
    assert ranked("top rated movie", 1, "lowest vote_average") == "the lowest rated of the top rated movies"
