"""What reading calls of the sandbox give."""

import pytest

from tests.executors.library import FUNCTIONS, Client, api, param


@pytest.fixture(scope="module")
def call():
    return Client()


class TestIds:
    def test_documented_ids_are_known(self, call):
        book = call.body("GET /books/{book_id}", book_id=50312)
        assert book["title"] == "The Tidekeeper's Ledger"
        assert book["author"] == {"id": 2041, "name": "Maren Holloway"}

    @pytest.mark.parametrize("value", [50312, "50312", 50312.0])
    def test_ids_compare_as_text(self, call, value):
        assert call.body("GET /books/{book_id}", book_id=value)["id"] == 50312

    @pytest.mark.parametrize("value", [1, 99_999_999, "880121"])
    def test_unknown_ids_are_not_found(self, call, value):
        result = call("GET /books/{book_id}", book_id=value)
        assert result.status == 404
        assert "book" in result.body["message"]

    def test_ids_of_one_kind_are_not_known_as_another(self, call):
        assert call("GET /authors/{author_id}", author_id=50312).status == 404
        assert call("GET /books/{book_id}", book_id=2041).status == 404

    def test_every_listed_id_works(self, call):
        for page in range(1, 6):
            for book in call.body("GET /books", page=page)["results"]:
                assert call.body("GET /books/{book_id}", book_id=book["id"])["id"] == book["id"]
                assert call.body("GET /authors/{author_id}", author_id=book["author"]["id"])

    def test_things_are_padded_with_made_up_ones(self, call):
        assert call.body("GET /books")["total"] == 24
        assert Client(entities=40).body("GET /books")["total"] == 40


class TestConsistency:
    def test_a_thing_is_the_same_everywhere(self, call):
        for listed in call.body("GET /books", limit=24)["results"]:
            book = call.body("GET /books/{book_id}", book_id=listed["id"])
            for name in ("title", "pages", "author"):
                assert book[name] == listed[name]
            author = call.body("GET /authors/{author_id}", author_id=book["author"]["id"])
            assert author["name"] == book["author"]["name"]

    def test_the_books_of_an_author_are_that_authors(self, call):
        for book in call.body("GET /books", limit=24)["results"]:
            theirs = call.body("GET /authors/{author_id}/books", author_id=book["author"]["id"])["items"]
            assert theirs
            assert {one["author"]["id"] for one in theirs} == {book["author"]["id"]}

    def test_sublists_differ_by_parent(self, call):
        ids = [book["id"] for book in call.body("GET /books", limit=24)["results"]]
        reviews = [str(call.body("GET /books/{book_id}/reviews", book_id=one)["results"]) for one in ids]
        assert len(set(reviews)) > len(ids) // 2

    def test_bodies_have_exactly_the_documented_members(self, call):
        assert list(call.body("GET /books")) == ["results", "page", "total"]
        assert set(call.body("GET /authors/{author_id}", author_id=2058)) == {"id", "name", "born_year", "bio"}

    def test_a_function_without_outputs_gives_an_empty_object(self, call):
        assert call("GET /status").body == {}


class TestLists:
    def test_search_gives_what_matches(self, call):
        found = call.body("GET /books", query="tidekeeper")["results"]
        assert found[0]["title"] == "The Tidekeeper's Ledger"
        assert all("tidekeeper" in book["title"].lower() for book in found)

    def test_search_that_matches_nothing_is_empty(self, call):
        body = call.body("GET /books", query="no such words")
        assert (body["results"], body["total"]) == ([], 0)

    def test_a_filter_acts_where_that_leaves_something(self, call):
        found = call.body("GET /books", genre="poetry", limit=50)["results"]
        assert found
        assert {book["genre"] for book in found} == {"poetry"}

    def test_a_reference_filters(self, call):
        found = call.body("GET /books", author_id=2041)["results"]
        assert found
        assert {book["author"]["id"] for book in found} == {2041}

    def test_a_reference_to_nothing_gives_nothing(self, call):
        assert call.body("GET /books", author_id=77)["results"] == []

    def test_bounds_filter(self, call):
        found = call.body("GET /books", min_pages=400, limit=50)["results"]
        assert found
        assert all(book["pages"] >= 400 for book in found)
        assert call.body("GET /books", min_pages=99_999)["results"] == []

    def test_a_choice_that_none_of_those_found_is_of_gives_nothing(self, call):
        (book, *_) = call.body("GET /books", genre="mystery")["results"]
        assert call.body("GET /books", query=book["title"], genre="mystery")["results"]
        assert call.body("GET /books", query=book["title"], genre="poetry")["results"] == []

    def test_sorting(self, call):
        pages = [book["pages"] for book in call.body("GET /books", sort_by="pages.desc", limit=24)["results"]]
        assert pages == sorted(pages, reverse=True)

    def test_pages_do_not_overlap(self, call):
        one, two = (call.body("GET /books", page=page, limit=4) for page in (1, 2))
        assert (len(one["results"]), one["page"], two["page"]) == (4, 1, 2)
        assert not {book["id"] for book in one["results"]} & {book["id"] for book in two["results"]}

    def test_list_length_comes_from_the_configuration(self):
        assert len(Client(list_length=3).body("GET /books")["results"]) == 3


class TestWrongArguments:
    @pytest.mark.parametrize(
        ("title", "arguments", "parameter"),
        [
            ("GET /books/{book_id}", {}, "book_id"),
            ("GET /books/{book_id}", {"book_id": None}, "book_id"),
            ("GET /books/{book_id}", {"book_id": "a"}, "book_id"),
            ("GET /books/{book_id}", {"book_id": True}, "book_id"),
            ("GET /books", {"page": 0}, "page"),
            ("GET /books", {"limit": 51}, "limit"),
            ("GET /books", {"limit": 1.5}, "limit"),
            ("GET /books", {"genre": "horror"}, "genre"),
            ("GET /books", {"query": ""}, "query"),
            ("GET /books", {"colour": "red"}, "colour"),
            ("POST /books/{book_id}/reviews", {"book_id": 50312, "rating": "5"}, "rating"),
            ("POST /books/{book_id}/reviews", {"book_id": 50312, "rating": 6}, "rating"),
            ("POST /books/{book_id}/reviews", {"book_id": 50312, "text": 5}, "text"),
        ],
    )
    def test_are_refused_with_the_parameters_name(self, call, title, arguments, parameter):
        result = call.call(title, arguments)
        assert result.status == 422
        assert [detail["parameter"] for detail in result.body["details"]] == [parameter]

    def test_numbers_in_paths_and_queries_may_be_text(self, call):
        assert len(call.body("GET /books", limit="3")["results"]) == 3

    def test_arrays_may_be_lists_or_text_with_commas(self):
        functions = [
            *FUNCTIONS,
            api("GET", "/shelf", param("book_ids", "array", item_type="integer"), gives={"books": [{"id": 50312}]}),
        ]
        call = Client(functions)
        asked = [call.body("GET /shelf", book_ids=ids)["books"] for ids in ([50312, 50347], "50312,50347")]
        assert asked[0] == asked[1]
        assert {book["id"] for book in asked[0]} == {50312, 50347}

    def test_forms_of_text(self):
        functions = [api("GET", "/events", param("since", format="date"), gives={"events": [{"id": 81007}]})]
        call = Client(functions)
        assert call("GET /events", since="2025-03-31").status == 200
        assert call("GET /events", since="soon").status == 422

    def test_a_foreign_function_is_not_found(self, call):
        foreign = api("GET", "/elsewhere")
        client = Client([*FUNCTIONS, foreign], call.sandbox)
        assert client("GET /elsewhere").status == 404


class TestShapes:
    def test_bare_arrays(self):
        call = Client([api("GET", "/genres", gives=[{"slug": "mystery", "name": "Mystery"}, {"slug": "poetry"}])])
        body = call.body("GET /genres")
        assert isinstance(body, list)
        assert body[0]["slug"] == "mystery"

    def test_bare_scalars_and_arrays_of_scalars(self):
        assert isinstance(Client([api("GET", "/count", gives=7)]).body("GET /count"), int)
        assert Client([api("GET", "/tags", gives=["new", "used"])]).body("GET /tags")

    def test_values_keep_to_their_enum(self):
        functions = [
            api("GET", "/books/{book_id}", param("book_id", "integer", "path"), gives={"id": 50312, "format": "ebook"})
        ]
        field = functions[0].output("$.format").model_copy(update={"enum": ["ebook", "paperback"]})
        functions = [functions[0].model_copy(update={"outputs": [functions[0].outputs[0], field]})]
        call = Client(functions)
        for thing in range(5):
            result = call("GET /books/{book_id}", book_id=50312 + thing)
            assert result.status == 404 or result.body["format"] in ("ebook", "paperback")

    def test_seasons_are_numbered_within_their_show(self):
        season = {"id": 3624, "season_number": 1, "name": "Season 1"}
        functions = [
            api(
                "GET",
                "/tv/{tv_id}",
                param("tv_id", "integer", "path"),
                gives={
                    "id": 1399,
                    "name": "Thrones",
                    "number_of_seasons": 3,
                    "seasons": [season, season | {"season_number": 3}],
                },
            ),
            api(
                "GET",
                "/tv/{tv_id}/season/{season_number}",
                param("tv_id", "integer", "path"),
                param("season_number", "integer", "path"),
                gives=season,
            ),
        ]
        call = Client(functions)
        show = call.body("GET /tv/{tv_id}", tv_id=1399)
        assert show["number_of_seasons"] == len(show["seasons"]) == 3  # the second one is made up
        for season in show["seasons"]:
            path = {"tv_id": 1399, "season_number": season["season_number"]}
            assert call.body("GET /tv/{tv_id}/season/{season_number}", **path) == season
        assert call("GET /tv/{tv_id}/season/{season_number}", tv_id=1399, season_number=4).status == 404
