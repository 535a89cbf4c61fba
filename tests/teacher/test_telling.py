"""The embedded writer: one seed, one wording; items named as they were chosen; things said only once."""

import pytest

from goat_ray.records import ApiFunction, Argument, ExecutedCall, OutputField, Parameter
from goat_ray.teacher.checks import query_flaw, response_flaw
from goat_ray.teacher.goals import instruction, of_field, together
from goat_ray.teacher.noun_phrases import NounPhrases
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


def test_what_is_taken_of_each_of_several_things_is_never_that_thing() -> None:
    season = ApiFunction.create(
        service="films",
        name="images",
        path="/movie/{movie_id}/season/{season_number}/images",
        summary="Get the images of a season",
        parameters=[
            Parameter(name=name, location="path", type="integer", required=True)
            for name in ("movie_id", "season_number")
        ]
        + [Parameter(name="min_height", location="query", type="integer")],
        outputs=[OutputField(path="$.count", type="integer")],
    )
    given = [
        Argument(parameter=name, value=value, provenance="user")
        for name, value in (("season_number", 1), ("min_height", 480))
    ]
    calls = [Told(TOP, ExecutedCall(function=TOP.id, arguments=[], status=200, body=FILMS, origin="simulated"))]
    for place in range(3):
        made = call(place, "each")
        changes = {"function": season.id, "arguments": [*made.arguments, *given], "body": {"count": place}}
        calls.append(Told(season, made.model_copy(update=changes)))
    told = Story(tuple(calls), Phrasebook([TOP, season]), "seed")
    for variant in range(100):
        query = Teller(told, variant).query()
        assert "season 1 of each of the first three" in query
        assert "that season" not in query


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
        ("created_at", "2026-05-01", "When was", "On 2026-05-01."),
        ("created_at", 1780300000, "When was", "At 1780300000."),
        ("published_date", "12 May 2026", "When was", "On 12 May 2026."),
        ("published_date", "2026", "When was", "In 2026."),
        ("held_at", "17:30", "When was", "At 17:30."),
        ("held_at", "LOS-W", "What is the second movie held at", "Held at LOS-W."),
        ("based_on", "a novel", "What is the second movie based on", "Based on a novel."),
        ("closed_day", "none", "closed day", "The closed day is none."),
        ("starts_on", "2026-05-01", "start date", "The start date is 2026-05-01."),
        ("starts_at", "17:30", "start time", "The start time is 17:30."),
        ("meets_on", "thursday", "meet day", "The meet day is thursday."),
        ("meets_at", "Room 4", "meets at", "The meets at is Room 4."),
        ("customer_since", "2020-06-25", "Since when", "Since 2020-06-25."),
        ("tourist_tax_eur", 2.6, "tourist tax in euros", "The tourist tax is 2.6 euros."),
        ("known_for_department", "Acting", "department", "The department is Acting."),
    ],
)
def test_a_field_is_asked_for_as_its_name_suggests(field: str, value: object, question: str, answer: str) -> None:
    goal = of_field(field, value, Thing(("the second movie",), "movie"))
    assert any(question in form.replace("{what}", goal.what.text) for form in goal.asks)
    assert goal.answer == answer


SEARCH = ApiFunction.create(
    service="films",
    name="search",
    path="/search/movie",
    summary="Search for movies",
    parameters=[Parameter(name="query", location="query", type="string", required=True)],
    outputs=[OutputField(path="$.results[*].id", type="integer")],
)
FILM = ApiFunction.create(
    service="films",
    name="film",
    path="/movie/{movie_id}",
    summary="Get the details of a movie",
    parameters=[Parameter(name="movie_id", location="path", type="integer", required=True)],
    outputs=[OutputField(path="$.overview", type="string")],
)


def test_no_apostrophe_follows_a_name_in_quotes() -> None:
    given = Argument(parameter="query", value="Dexter", provenance="user")
    taken = Argument(parameter="movie_id", value=7, provenance="upstream", step=0, location="$.results[0].id")
    found = ExecutedCall(
        function=SEARCH.id, arguments=[given], status=200, body={"results": [{"id": 7}]}, origin="simulated"
    )
    film = found.model_copy(update={"function": FILM.id, "arguments": [taken], "body": {"overview": "It ends well."}})
    told = Story((Told(SEARCH, found), Told(FILM, film)), Phrasebook([SEARCH, FILM]), "s1")
    queries = [Teller(told, variant).query() for variant in range(100)]
    assert any("Dexter's overview" in query for query in queries)
    assert any('"Dexter"' in query for query in queries)
    assert not [query for query in queries if "\"'s" in query]


def test_what_a_summary_leaves_open_is_no_topic_of_its_own() -> None:
    trending = ApiFunction.create(
        service="films",
        name="trending",
        path="/trending/{media_type}",
        summary="Get Trending",
        parameters=[Parameter(name="media_type", location="path", type="string", enum=["all", "tv"])],
        outputs=[OutputField(path="$.results[*].title", type="string")],
    )
    kind = Argument(parameter="media_type", value="all", provenance="user")
    call = ExecutedCall(function=trending.id, arguments=[kind], status=200, body=FILMS, origin="simulated")
    told = Story((Told(trending, call),), Phrasebook([trending]), "seed")
    queries = [Teller(told, variant).query() for variant in range(100)]
    assert any(". " in query for query in queries)
    assert not [query for query in queries if "trendings" in query]


def test_the_most_popular_of_the_popular_and_the_lowest_rated_of_the_top_rated() -> None:
    assert ranked("popular movie", 0, "") == "the most popular movie"
    assert ranked("popular movie", 2, "highest popularity") == "the most popular movie"
    assert ranked("top rated movie", 1, "lowest vote_average") == "the lowest rated of the top rated movies"


# --- calls that write, and wishes that several calls share ----------------------------------------

TENANT = Parameter(name="tenant", location="header", type="string", required=True)
CONTACT = Parameter(name="contact_id", location="path", type="string", required=True)
CONTACTS = ApiFunction.create(
    service="books",
    name="contacts",
    path="/contacts",
    summary="Retrieves all contacts",
    parameters=[TENANT],
    outputs=[OutputField(path=f"$.contacts[*].{name}", type="string") for name in ("id", "name")],
)
UPDATE = ApiFunction.create(
    service="books",
    name="update",
    method="POST",
    path="/contacts/{contact_id}",
    summary="Updates a specific contact in an organisation",
    parameters=[TENANT, CONTACT],
)
BILL = ApiFunction.create(
    service="books",
    name="bill",
    method="POST",
    path="/contacts/{contact_id}/bills",
    summary="Creates a bill for a contact",
    parameters=[TENANT, CONTACT],
)


def books(*writes: ApiFunction, tenant: str = "T-1", body: object = None) -> Story:
    given = Argument(parameter="tenant", value=tenant, provenance="user")
    taken = Argument(
        parameter="contact_id", value="C-2", provenance="upstream", step=0, location="$.contacts[1].id", chosen=""
    )
    listed = {"contacts": [{"id": f"C-{n}", "name": f"Contact {'ABC'[n]}"} for n in range(3)]}
    first = ExecutedCall(function=CONTACTS.id, arguments=[given], status=200, body=listed, origin="simulated")
    calls = [Told(CONTACTS, first)]
    for number, function in enumerate(writes, 1):
        call = first.model_copy(update={"function": function.id, "planned": number, "body": body or {}})
        calls.append(Told(function, call.model_copy(update={"arguments": [given, taken]})))
    return Story(tuple(calls), Phrasebook([CONTACTS, UPDATE, BILL]), "seed")


def test_a_write_names_its_thing_where_its_document_says_a_specific_one() -> None:
    done = [instruction(books(write), 1, shallow=False).text for write in (UPDATE, BILL)]
    assert done == ["update the second contact in an organisation", "create a bill for the second contact"]
    assert Teller(books(UPDATE)).subquery(1) == "Update that contact in an organisation with tenant T-1."


def film(body: object, *, twice: bool = False) -> Story:
    """The details of one film, or of each of two."""
    top = ExecutedCall(function=TOP.id, arguments=[], status=200, body=FILMS, origin="simulated")
    told = [Told(TOP, top)]
    for place in range(1 + twice):
        taken = Argument(
            parameter="movie_id",
            value=500 + place,
            provenance="upstream",
            step=0,
            location=f"$.results[{place}].id",
            chosen="each" if twice else "",
        )
        told.append(Told(FILM, top.model_copy(update={"arguments": [taken], "body": body, "planned": 1})))
    return Story(tuple(told), Phrasebook([TOP, FILM]), "seed")


def test_what_is_asked_of_a_thing_in_an_envelope_is_a_field_of_its_own() -> None:
    told = film({"ok": True, "data": {"id": 7, "budget": 900}})
    assert "900" in Teller(told).response()
    assert Teller(books(BILL, body={"ok": True, "bill": {"id": 7, "status": "open"}})).response() == (
        "Done. Status: open."
    )


@pytest.mark.parametrize("twice", [False, True])
def test_ids_alone_are_no_answer(twice: bool) -> None:
    told = film({"data": {"id": 71, "imdb_id": "tt99"}}, twice=twice)
    response = Teller(told).response()
    flaw = response_flaw(told, Teller(told).query(), response)
    assert response == ""
    assert flaw is not None


@pytest.mark.parametrize(
    ("summary", "done"),
    [
        ("Removes an existing contact", "remove the second contact"),
        ("Removes a specific business contact", "remove the second contact"),
        ("Removes a specific contacts", "remove the second contact"),
        ("Removes a public or private contact", "remove the second contact"),
        ("Removes any contacts from a list", "remove the second contact from a list"),
        ("Sets a guest to be an admin contact", "set a guest to be an admin contact for the second contact"),
        ("Sets a guest to be the contact", "set a guest to be the contact for the second contact"),
        ("Sets the contacts of a list", "set the contacts of a list for the second contact"),
        ("Sets the default contact of a list", "set the default contact of a list for the second contact"),
    ],
)
def test_a_thing_takes_the_place_of_no_other(summary: str, done: str) -> None:
    write = ApiFunction.create(
        service="books",
        name="write",
        method="POST",
        path="/contacts/{contact_id}",
        summary=summary,
        parameters=[TENANT, CONTACT],
    )
    assert instruction(books(write), 1, shallow=False).text == done


def test_what_several_calls_are_given_alike_is_said_once() -> None:
    for variant in range(20):
        query = Teller(books(UPDATE, BILL), variant).query()
        assert query.count("T-1") == 1
        assert query_flaw(books(UPDATE, BILL), query) is None


def test_a_write_that_returns_codes_alone_is_just_done() -> None:
    assert Teller(books(BILL, body={"id": "8f14e45f-ceea"})).response() == "Done."
    assert Teller(books(BILL, body={"status": "open"})).response() == "Done. Status: open."


def test_several_wishes_for_one_thing_are_one_question() -> None:
    film = Thing(("the second film",), "film")
    rating, length = of_field("rating", 7.5, film), of_field("length", "two hours", film)
    asked = together([rating, length])
    assert asked is not None and asked.what.text == "the rating and length of the second film"
    other = together([rating, of_field("length", "two hours", Thing(("the first film",), "film"))])
    assert other is not None and other.what.text == "the rating of the second film and the length of the first film"
    assert together([rating, of_field("vote_count", 3, film)]) is None  # how many votes it has


def test_a_member_that_holds_all_of_an_answer_is_the_thing_itself() -> None:
    show = ApiFunction.create(
        service="books",
        name="show",
        path="/views.open",
        summary="Open a view",
        outputs=[OutputField(path=f"$.view.{name}", type="string") for name in ("id", "app_id")],
    )
    taken = Argument(parameter="contact_id", value="A-1", provenance="upstream", step=0, location="$.view.app_id")
    shown = ExecutedCall(function=show.id, arguments=[], status=200, body={"view": {}}, origin="simulated")
    told = Story(
        (Told(show, shown), Told(UPDATE, shown.model_copy(update={"arguments": [taken]}))), Phrasebook([show]), ""
    )
    assert NounPhrases(told).item(0, ("view",)).text == "the view"
    assert instruction(told, 1, shallow=False).text.endswith(" for the app of the view")


def credits_of(path: str) -> ApiFunction:
    key = path.split("{")[1].split("}")[0]
    return ApiFunction.create(
        service="films",
        name="credits",
        path=path,
        summary="Get the credits",
        parameters=[Parameter(name=key, location="path", type="integer", required=True)],
        outputs=[
            OutputField(path=f"$.{group}[*].{name}", type="string")
            for group in ("cast", "crew")
            for name in ("id", "credit_id")
        ],
    )


@pytest.mark.parametrize(
    ("path", "location", "taker", "expected"),
    [
        ("/movie/{movie_id}/credits", "cast[0].id", "person_id", "first cast member of"),
        ("/movie/{movie_id}/credits", "crew[0].id", "person_id", "first crew member of"),
        ("/movie/{movie_id}/credits", "cast[0].id", "with_cast", "first cast member of"),
        ("/movie/{movie_id}/credits", "crew[1].id", "with_crew", "second crew member of"),
        ("/movie/{movie_id}/credits", "cast[0].credit_id", "credit_id", "credit of the first cast member of"),
        ("/movie/{movie_id}/credits", "crew[0].credit_id", "credit_id", "credit of the first crew member of"),
        ("/person/{person_id}/credits", "cast[0].id", "movie_id", "first credit of"),
        ("/person/{person_id}/credits", "crew[0].id", "movie_id", "first credit of"),
    ],
)
def test_a_films_cast_and_crew_are_people_whatever_they_are_taken_for(
    path: str, location: str, taker: str, expected: str
) -> None:
    source = credits_of(path)
    taking = ApiFunction.create(
        service="films",
        name="taking",
        path="/found",
        summary="Get the findings",
        parameters=[Parameter(name=taker, location="query", type="string")],
    )
    key = Argument(parameter=source.parameters[0].name, value=7, provenance="user")
    first = ExecutedCall(function=source.id, arguments=[key], status=200, body={}, origin="simulated")
    taken = Argument(parameter=taker, value="x", provenance="upstream", step=0, location=f"$.{location}")
    told = Story(
        (Told(source, first), Told(taking, first.model_copy(update={"arguments": [taken], "planned": 1}))),
        Phrasebook([source, taking]),
        "",
    )
    assert expected in NounPhrases(told).about(1).text


SYMBOLS = ApiFunction.create(
    service="market",
    name="symbols",
    path="/symbols",
    summary="List the symbols",
    outputs=[OutputField(path="$[*]", type="string")],
)
DEFAULT = ApiFunction.create(
    service="market",
    name="default_symbol",
    path="/default-symbol",
    summary="Get the default symbol",
    outputs=[OutputField(path="$", type="string")],
)
POINTS = ApiFunction.create(
    service="market",
    name="points",
    path="/points",
    summary="List the points",
    outputs=[OutputField(path="$[*][*]", type="string")],
)
QUOTE = ApiFunction.create(
    service="market",
    name="quote",
    path="/symbols/{symbol}/quote",
    summary="Get the quote of a symbol",
    parameters=[Parameter(name="symbol", location="path", type="string", required=True)],
)


@pytest.mark.parametrize(
    ("source", "places", "chosen", "expected"),
    [
        (SYMBOLS, ["$[0]"], "", "the quote of the first symbol"),
        (SYMBOLS, ["$[1]"], "", "the quote of the second symbol"),
        (SYMBOLS, ["$[0]", "$[1]"], "each", "the quote of each of the first two symbols"),
        (DEFAULT, ["$"], "", "the quote of the default symbol"),
        (POINTS, ["$[0][1]"], "", "the quote of the second entry of the first point"),
    ],
)
def test_a_value_without_a_name_is_called_by_what_its_call_returns(
    source: ApiFunction, places: list[str], chosen: str, expected: str
) -> None:
    told = [Told(source, ExecutedCall(function=source.id, arguments=[], status=200, body=[], origin="simulated"))]
    for place in places:
        taken = Argument(parameter="symbol", value="AAPL", provenance="upstream", step=0, location=place, chosen=chosen)
        told.append(Told(QUOTE, told[0].call.model_copy(update={"arguments": [taken], "planned": 1})))
    whole = Story(tuple(told), Phrasebook([source, QUOTE]), "")
    assert NounPhrases(whole).about(1).text == expected
    assert Teller(whole).subquery(1) == "Get the quote of that symbol."
