"""Checks by rule: what is planted is found, and honest texts pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.records import ApiFunction, Argument, ExecutedCall, Parameter
from goat_ray.teacher.checks import query_flaw, response_flaw
from goat_ray.teacher.grounding import occurs
from goat_ray.teacher.narration import Subqueries, WriteSubqueries
from goat_ray.teacher.phrases import Phrasebook
from goat_ray.teacher.story import Story, Told


def function(name: str, path: str, parameter: str) -> ApiFunction:
    parameters = [Parameter(name=parameter, location="query", type="string")]
    return ApiFunction.create(service="s", name=name, path=path, parameters=parameters)


SEARCH = function("searchBooks", "/books", "search_text")
REVIEWS = function("book_reviews", "/books/{id}/reviews", "book_id")
BOOKS = {"results": [{"id": "BK-4411", "title": 'The "Quiet" Tide', "author": "Ada Lind", "pages": 311}]}
LULLABY = "Gute Nacht, schlaf schön, mein Kind"


def story(title: object = "Quiet Tide", index: int = 0, chosen: str = "") -> Story:
    search = Argument(parameter="search_text", value=title, provenance="user")
    book = Argument(
        parameter="book_id",
        value="BK-4411",
        provenance="upstream",
        step=0,
        location=f"$.results[{index}].id",
        chosen=chosen,
    )
    calls = [
        ExecutedCall(function=SEARCH.id, arguments=[search], status=200, body=BOOKS, origin="simulated"),
        ExecutedCall(
            function=REVIEWS.id,
            arguments=[book],
            status=200,
            body=[{"by": "Noor\nAbernathy", "stars": 4.5, "date": "2016-05-03", "text": LULLABY}],
            origin="simulated",
        ),
    ]
    told = tuple(Told(one, call) for one, call in zip((SEARCH, REVIEWS), calls, strict=True))
    return Story(told, Phrasebook([SEARCH, REVIEWS]), "seed")


HONEST = "Who wrote the first review of the book Quiet Tide?"


def reason(query: str) -> str:
    flaw = query_flaw(story(), query)
    return flaw.reason if flaw else ""


@pytest.mark.parametrize(
    "query",
    [
        HONEST,
        "quiet tide - what do people say about this book?",
        "I want the reviews of Quiet Tide. If there are several, then show me the first one.",
    ],
)
def test_honest_queries_pass(query: str) -> None:
    assert reason(query) == ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Who wrote the first review of that book?", "missing-value"),
        ("What are the reviews of Quiet Tide with number bk-4411?", "leaked-value"),
        ("Call searchBooks for Quiet Tide and tell me the reviews.", "names-api"),
        ("Tell me the reviews where search_text is Quiet Tide.", "names-api"),
        ("Use /books/{id}/reviews to tell me about Quiet Tide.", "names-api"),
        ("1. Search for Quiet Tide\n2. Get its reviews", "lists-steps"),
        ("Search for Quiet Tide, then get the book, and finally show me the reviews.", "lists-steps"),
        ("First, search for Quiet Tide and then show its reviews.", "lists-steps"),
        ("Welche Bewertungen hat das Buch Quiet Tide bisher bekommen?", "wrong-language"),
        ("Какие отзывы у книги Quiet Tide?", "wrong-language"),  # noqa: RUF001
        ("Quiet Tide", "bad-length"),
        ("Quiet Tide " + "and what people say of it " * 20, "bad-length"),
        ("What are the the reviews of Quiet Tide?", "unreadable"),
        ("What are the reviews of {title} Quiet Tide?", "unreadable"),
        ("What is " + "the book of " * 6 + "Quiet Tide?", "unreadable"),
    ],
)
def test_planted_flaws_of_queries_are_found(query: str, expected: str) -> None:
    assert reason(query) == expected


@pytest.mark.parametrize(
    ("index", "chosen", "query", "named"),
    [
        (0, "", "What are the reviews of Quiet Tide?", True),
        (2, "", "What are the reviews of Quiet Tide?", False),
        (2, "", "What are the reviews of the third book that Quiet Tide brings?", True),
        (2, "", "What are the reviews of the 3rd result for Quiet Tide?", True),
        (2, "", "What are the reviews of the second book that Quiet Tide brings?", False),
        (0, "highest pages", "On request, what are the reviews of Quiet Tide?", False),
        (0, "highest pages", "What are the reviews of the longest book called Quiet Tide?", True),
        (1, "latest date", "What are the reviews of the newest Quiet Tide?", True),
        (1, "each", "What are the reviews of Quiet Tide?", False),
        (1, "each", "What are the reviews of each of the first two books called Quiet Tide?", True),
    ],
)
def test_a_query_says_which_item_is_meant(index: int, chosen: str, query: str, named: bool) -> None:
    flaw = query_flaw(story(index=index, chosen=chosen), query)
    assert (flaw.reason if flaw else "") == ("" if named else "unnamed-choice")


def test_the_users_words_do_not_name_a_choice() -> None:
    flaw = query_flaw(story("Second Thoughts", index=1), "What are the reviews of Second Thoughts?")
    assert flaw is not None and flaw.reason == "unnamed-choice"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("The first review is by Noor Abernathy, who gave 4.5 stars on May 3, 2016.", ""),
        ('The book is called "The "Quiet" Tide" and has 311 pages.', ""),
        ("It is by Noor Abernathy's hand.", ""),
        ("Quiet Tide has 312 pages.", "unsupported-number"),
        ("It has 31 pages.", "unsupported-number"),
        ("It has 311.0 pages and 4.50 stars.", ""),
        ("It has 4 stars.", "unsupported-number"),
        ("The review is by Runa Feldspar.", "unsupported-name"),
        ('They call it "a masterpiece".', "unsupported-name"),
        ("Runa.", "unsupported-name"),
        ("Paris", "unsupported-name"),
        ("Oslo: it is the capital.", "unsupported-name"),
        ("**Runa** wrote it.", "unsupported-name"),
        ("It runs 10km and has 500mg.", "unsupported-number"),
        ("In the 1890s.", "unsupported-number"),
        ("It has three hundred pages.", "unsupported-number"),
        ("Rated 4.5/5 by twelve.", "unsupported-number"),
        ("It has three hundred and eleven pages.", ""),
        ("Stars: 4.5. Reviewed by Noor, with 311pages.", ""),  # a field's name, and a word of grammar
        ("Reviews: there is one.", ""),
        ("es wurde von ihm hier gut geschrieben.", "wrong-language"),
        ("это написала его сестра.", "wrong-language"),  # noqa: RUF001
        ("Noor Abernathy: gute nacht, schlaf schön, mein kind.", ""),  # as the review says
        ("It is by [the author].", "unreadable"),
        ("It is is by Noor Abernathy.", "unreadable"),
        ("It is good " + "and good and well " * 14, "unreadable"),
        ("  ", "bad-length"),
        ("word " * 300, "bad-length"),
    ],
)
def test_responses_say_only_what_outputs_say(response: str, expected: str) -> None:
    flaw = response_flaw(story(), HONEST, response)
    assert (flaw.reason if flaw else "") == expected


def test_what_the_user_says_is_no_flaw() -> None:
    """A title may look like a step, markup, a foreign language or an API's name."""
    for title in ("book_reviews", "first, this and then that", "Bücher {und} mehr", "BK-4411 and more"):
        assert query_flaw(story(title), f"What are the reviews of {title}?") is None


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), st.integers(10, 10**9))
def test_any_value_of_the_user_must_be_in_the_query(text: str, number: int) -> None:
    for value in (text, number, [text, number]):
        said = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        told = story(value)
        flaw = query_flaw(told, f"Tell me what is known about {said}, please.")
        assert flaw is None or flaw.reason == "leaked-value"
        missing = query_flaw(told, "¿")
        assert missing is not None


@pytest.mark.parametrize(
    ("name", "value", "query", "said"),
    [
        ("region", "us", "Discuss the books of this region.", False),
        ("region", "us", "What do they read in the US?", True),
        ("language", "en", "What was written then?", False),
        ("kind", "person", "Which persons are trending?", True),
        ("time_window", "day", "Who is trending today?", True),
        ("time_window", "day", "Who is trending on Monday?", False),
        ("include_adult", True, "Which books are there?", False),
        ("include_adult", True, "Which books for adults are there?", True),
        ("in_stock", False, "Which books are not in stock?", True),
        ("card", {"type": "gift", "number": 41}, "Which books can I buy with gift card 41?", True),
        ("card", {"type": "gift", "number": 41}, "Which books can I buy with a gift card?", False),
        ("cards", [{"number": 41, "is_valid": True}], "Which books can I buy with card 41?", False),
    ],
)
def test_values_are_told_as_words_and_those_in_objects_too(name: str, value: object, query: str, said: bool) -> None:
    argument = Argument(parameter=name, value=value, provenance="user")
    call = ExecutedCall(function=SEARCH.id, arguments=[argument], status=200, body=BOOKS, origin="simulated")
    flaw = query_flaw(Story((Told(SEARCH, call),), Phrasebook([SEARCH]), "seed"), query)
    assert (flaw.reason if flaw else "") == ("" if said else "missing-value")


def test_a_value_in_an_object_that_a_call_gave_is_leaked() -> None:
    told = story()
    given = told.calls[1].call.arguments[0].model_copy(update={"value": {"ref": "BK-4411"}})
    call = told.calls[1].call.model_copy(update={"arguments": [given]})
    told = Story((told.calls[0], Told(REVIEWS, call)), told.phrases, "seed")
    flaw = query_flaw(told, "What are the reviews of the first book Quiet Tide, BK-4411?")
    assert flaw is not None and flaw.reason == "leaked-value"


def short_id(parameter: str, value: object, location: str, chosen: str = "", **user: object) -> Story:
    """A call that takes a short value from another one, and other values from the user."""
    source = function("listKinds", "/kind/list", "language")
    parameters = [Parameter(name=name, location="query", type="string") for name in (parameter, *user)]
    target = ApiFunction.create(service="s", name="useThem", path="/found", parameters=parameters)
    taken = Argument(parameter=parameter, value=value, provenance="upstream", step=0, location=location, chosen=chosen)
    given_ = [Argument(parameter=name, value=one, provenance="user") for name, one in user.items()]
    calls = [
        ExecutedCall(function=source.id, arguments=[], status=200, body={}, origin="simulated"),
        ExecutedCall(function=target.id, arguments=[taken, *given_], status=200, body={}, origin="simulated"),
    ]
    told = tuple(Told(one, call) for one, call in zip((source, target), calls, strict=True))
    return Story(told, Phrasebook([source, target]), "seed")


@pytest.mark.parametrize(
    ("said", "leaked"),
    [
        ("movies of genre 18", True),
        ("movies of the Genres 18", True),
        ("movies of genre id 18", True),
        ("movies with genre_id=18", True),
        ("movies of genre #18", True),
        ("movies of genre (no. 18)", True),
        ("movies with the ID 18", True),
        ("18 movies of the first genre", False),
        ("movies of genre 180", False),
        ("movies of a genre, 18 of them", False),
        ("movies of the first genre over 18", False),
    ],
)
def test_an_id_of_two_digits_is_leaked_after_its_noun(said: str, leaked: bool) -> None:
    for value, parameter, location in (
        (18, "with_genres", "$.genres[0].id"),
        ("18", "genre_id", "$.results[0].genre_ids[1]"),
        ([18], "ids", "$.genres[0].id"),
    ):
        story_ = short_id(parameter, value, location, year=1994)
        flaw = query_flaw(story_, f"Which are the {said}, in 1994? It is the second.")
        assert (flaw.reason if flaw else "") == ("leaked-value" if leaked else "")


@pytest.mark.parametrize(
    ("story_", "query", "leaked"),
    [
        # The user's season, and a show that has the same number.
        (short_id("tv_id", 2, "$.results[0].id", season=2), "Which episodes has season 2 of the show?", False),
        (short_id("tv_id", 2, "$.results[0].id", name="Show 2"), "Which episodes has the TV programme Show 2?", False),
        (short_id("movie_id", 2, "$.results[1].id"), "Who plays in the second movie?", False),
        (short_id("movie_id", 2, "$.results[1].id"), "Who plays in the 2nd movie of the list?", False),
        (short_id("movie_id", 2, "$.results[1].id"), "Who plays in result 2 of the movies?", False),
        (short_id("movie_id", 2, "$.results[1].id"), "Who plays in the second movie, movie 2?", True),
        (short_id("movie_id", 7, "$.id"), "Who plays in kind 7 of the list?", True),  # of what lists kinds
        # A number that counts says the place; another one is what only a call knows.
        (short_id("season_number", 1, "$.seasons[0].season_number"), "Which episodes has season 1?", False),
        (short_id("season_number", 4, "$.seasons[0].season_number"), "Which episodes has season 4?", True),
        (
            short_id("season_number", 1, "$.seasons[0].season_number", "highest episodes"),
            "Which episodes has the longest season, season 1?",
            True,
        ),
    ],
)
def test_a_short_number_that_one_may_say_is_no_leak(story_: Story, query: str, leaked: bool) -> None:
    flaw = query_flaw(story_, query)
    assert (flaw.reason if flaw else "") == ("leaked-value" if leaked else "")


@given(st.integers(0, 20) | st.sampled_from([31, 201, 311, 441, 2016, 4411]) | st.integers(0, 10**6))
def test_numbers_are_compared_as_wholes(number: int) -> None:
    flaw = response_flaw(story(), HONEST, f"It has {number} pages.")
    assert (flaw is None) == (number in {311, 3, 5, 2016, 4411})  # 2016-05-03, and no 4 of 4.5


@given(st.text("ab _", max_size=8), st.text("ab", min_size=1, max_size=3))
def test_a_text_occurs_only_as_whole_words(within: str, text: str) -> None:
    assert occurs(text, within) == (text in within.split(" "))


@pytest.mark.parametrize(
    ("first", "flaw"),
    [
        ("Find the book Quiet Tide.", None),
        ("Find the book BK-4411.", "the instruction reveals 'BK-4411', which only a call can know"),
        ("Call searchBooks for Quiet Tide.", "the instruction names 'searchbooks'"),
    ],
)
def test_instructions_have_no_ids_and_no_names_of_apis(first: str, flaw: str | None) -> None:
    subqueries = Subqueries(subqueries=[first, "Get the reviews of that book."])
    assert WriteSubqueries().flaw(story(), subqueries) == flaw


@pytest.mark.parametrize(
    ("value", "said", "missing"),
    [
        (10, "at least 10 votes, please", False),
        (10, "at least 10, please", False),
        (10, "at least 10.", False),
        (10, "10,12 or so", False),
        (1990, "from the 1990s", False),
        (10, "at least 10,000 votes", True),
        (10, "at least 10.5 votes", True),
        (5, "at least 2.5 votes", True),
        (10, "at least 110 votes", True),
    ],
)
def test_a_number_of_the_user_stands_by_itself(value: int, said: str, missing: bool) -> None:
    flaw = query_flaw(story(value), f"What are the reviews of the first book with {said}")
    assert (flaw is not None and flaw.reason == "missing-value") == missing, flaw


@pytest.mark.parametrize("title", [" ", "\u3000", "\t", "a " * 3000, "a" * 50_000])
def test_blank_and_endless_values_raise_nothing(title: str) -> None:
    """What a document gives as an example may be a separator, or a file."""
    flaw = query_flaw(story(title), "What are the reviews of the first book?")
    assert flaw is None or flaw.reason == "missing-value"


def test_an_id_within_a_value_of_the_user_is_leaked_all_the_same() -> None:
    flaw = query_flaw(story("BK-44115 volumes"), "What are the reviews of BK-4411, one of the BK-44115 volumes?")
    assert flaw is not None and flaw.reason == "leaked-value"
