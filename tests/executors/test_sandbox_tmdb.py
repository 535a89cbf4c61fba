"""The sandbox on the real TMDB document, and as evidence about the gold graph's edges."""

import json
import random
import re
from collections import defaultdict

import pytest

from goat_ray import jsonpath
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from tests.conftest import shared
from tests.executors.library import Client


@pytest.fixture(scope="module")
def call(tmdb_document):
    config = DocumentsConfig(paths=[str(tmdb_document)])
    return Client(list(Ingest(config).process(discover(config))))


@pytest.fixture(scope="module")
def movie(call):
    return call.body("GET /search/movie", query="avengers")["results"][0]


class TestChains:
    def test_a_found_movie_has_credits(self, call, movie):
        assert movie["title"] == "The Avengers"
        credits = call.body("GET /movie/{movie_id}/credits", movie_id=movie["id"])
        assert credits["id"] == movie["id"]
        assert credits["cast"]

    def test_its_cast_are_persons_and_not_movies(self, call, movie):
        movies = {one["id"] for page in range(1, 60) for one in self._page(call, page)}
        for member in call.body("GET /movie/{movie_id}/credits", movie_id=movie["id"])["cast"]:
            assert call.body("GET /person/{person_id}", person_id=member["id"])["name"] == member["name"]
            as_movie = call("GET /movie/{movie_id}", movie_id=member["id"])
            assert as_movie.status == (200 if member["id"] in movies else 404)

    @staticmethod
    def _page(call, page):
        return call.body("GET /movie/popular", page=page)["results"]

    def test_known_credits_are_those_of_the_document(self, call):
        cast = call.body("GET /movie/{movie_id}/credits", movie_id=550)["cast"]
        assert [(one["name"], one["character"]) for one in cast[:2]] == [
            ("Edward Norton", "The Narrator"),
            ("Brad Pitt", "Tyler Durden"),
        ]
        credit = call.body("GET /credit/{credit_id}", credit_id=cast[0]["credit_id"])
        assert (credit["person"]["name"], credit["media"]["id"]) == ("Edward Norton", 550)

    def test_production_companies_are_companies(self, call, movie):
        companies = call.body("GET /movie/{movie_id}", movie_id=movie["id"])["production_companies"]
        for company in companies:
            assert call.body("GET /company/{company_id}", company_id=company["id"])["name"] == company["name"]

    def test_parts_of_a_collection_are_movies(self, call):
        found = call.body("GET /search/collection", query="fast")["results"][0]
        for part in call.body("GET /collection/{collection_id}", collection_id=found["id"])["parts"]:
            assert call.body("GET /movie/{movie_id}", movie_id=part["id"])["title"] == part["title"]

    def test_movies_and_shows_are_different_worlds(self, call):
        movies = {one["id"] for page in range(1, 60) for one in call.body("GET /movie/popular", page=page)["results"]}
        shows = {one["id"] for page in range(1, 60) for one in call.body("GET /tv/popular", page=page)["results"]}
        assert len(movies) > 50
        assert len(shows) > 50
        for one in sorted(shows - movies)[:20]:
            assert call("GET /tv/{tv_id}", tv_id=one).status == 200
            assert call("GET /movie/{movie_id}", movie_id=one).status == 404

    def test_genres_filter_movies(self, call):
        genres = {genre["id"] for genre in call.body("GET /genre/movie/list")["genres"]}
        found = {}
        for genre in genres:
            found[genre] = call.body("GET /discover/movie", with_genres=str(genre))["results"]
            assert found[genre]
        assert len({str(movies) for movies in found.values()}) > 1
        assert call.body("GET /discover/movie", with_genres="999999999")["results"] == []

    def test_seasons_and_episodes(self, call):
        show = call.body("GET /tv/{tv_id}", tv_id=1399)
        assert (show["number_of_seasons"], show["last_episode_to_air"]["show_id"]) == (len(range(8)), 1399)
        path = {"tv_id": 1399, "season_number": show["last_episode_to_air"]["season_number"]}
        episode = path | {"episode_number": show["last_episode_to_air"]["episode_number"]}
        title = "GET /tv/{tv_id}/season/{season_number}/episode/{episode_number}"
        assert call.body(title, **episode)["name"] == "The Dragon and the Wolf"
        assert call("GET /tv/{tv_id}/season/{season_number}", **path | {"season_number": 9}).status == 404

    def test_trending_lists_the_kind_that_is_asked_for(self, call):
        title = "GET /trending/{media_type}/{time_window}"
        for media_type, lookup, name in (
            ("movie", "GET /movie/{movie_id}", "movie_id"),
            ("tv", "GET /tv/{tv_id}", "tv_id"),
            ("person", "GET /person/{person_id}", "person_id"),
        ):
            found = call.body(title, media_type=media_type, time_window="day")["results"]
            assert all(call(lookup, **{name: one["id"]}).ok for one in found)


ATTEMPTS = 4  # source calls, with other arguments
VALUES = 3  # of the first ones that the field has


@pytest.fixture(scope="module")
def pools(call):
    """Ids by type, harvested from answers as the gold typing says where they are."""
    types = json.loads(shared("gold", "tmdb_types.json").read_text())
    pools = defaultdict(list)
    for _ in range(2):
        for title, found in types["outputs"].items():
            for attempt in range(ATTEMPTS):
                arguments = _arguments(call, pools, title, attempt)
                result = call.call(title, arguments) if arguments is not None else None
                for type_, fields in found.items() if result is not None and result.ok else ():
                    pools[type_] += [value for field in fields for value in _values(result.body, field)]
    return {type_: list(dict.fromkeys(values)) for type_, values in pools.items()}


class TestEvidence:
    """An edge counts as accepted if a value from a real answer works in the target, and a made-up one does not."""

    def test_gold_edges_are_accepted(self, call, pools):
        gold = [json.loads(line) for line in shared("gold", "tmdb_edges.jsonl").read_text().splitlines()]
        accepted = sum(_is_accepted(call, pools, e["source"], e["note"], e["target"], e["param"]) for e in gold)
        assert accepted / len(gold) >= 0.95

    def test_wrong_edges_are_not(self, call, pools):
        sample = random.Random(7).sample(_wrong_edges(call), 800)
        accepted = sum(_is_accepted(call, pools, *edge) for edge in sample)
        assert accepted / len(sample) <= 0.04


def _arguments(call, pools, title, attempt):
    """Required arguments that work; None if one is not known yet."""
    arguments = {}
    for parameter in call.functions[title].parameters:
        if parameter.required:
            pool = [1] if parameter.name.endswith("_number") else parameter.enum or pools.get(parameter.name)
            if parameter.name == "query":
                pool = ["a"]
            if not pool:
                return None
            arguments[parameter.name] = pool[attempt % len(pool)]
    return arguments


def _is_accepted(call, pools, source, field, target, name):
    parameter = call.functions[target].parameter(name)
    for attempt in range(ATTEMPTS):
        given = _arguments(call, pools, source, attempt)
        body = call.body(source, **given)
        for value in _values(body, field)[:VALUES]:
            base = _arguments(call, pools, target, attempt)
            base |= {key: value for key, value in given.items() if key in base and key.endswith("_id")}
            if name.endswith("_number") and "tv_id" in base and "tv_id" not in given:
                shown = [one for path in ("media.id", "id") for one in _values(body, path)]
                base["tv_id"] = next((one for one in shown if one in pools["tv_id"]), base["tv_id"])
            used, other = (
                call.call(target, base | {name: str(one) if parameter.type == "string" else one})
                for one in (value, _made_up(value))
            )
            empty = not parameter.required and used.ok and used.body.get("results") == []
            if used.ok and not empty and (other.status, other.body) != (used.status, used.body):
                return True
    return False


def _wrong_edges(call):
    """Id-like fields with id parameters that neither the gold edges nor the ambiguous ones connect."""
    files = [shared("gold", name).read_text() for name in ("tmdb_edges.jsonl", "tmdb_ambiguous.jsonl")]
    edges = [json.loads(line) for text in files for line in text.splitlines()]
    right = {(e["source"], e["target"], e["param"], part.strip()) for e in edges for part in e["note"].split(";")}
    targets = {(e["target"], e["param"]) for e in edges if e.get("tier") == "core"}
    fields = [
        (function.title, output.path[2:].replace("[*]", "[]"))
        for function in call.functions.values()
        for output in function.outputs
        if re.search(r"(^|[._])id(s\[\*\])?$|_number$", output.path)
    ]
    return [
        (source, field, target, name)
        for source, field in sorted(fields)
        for target, name in sorted(targets)
        if source != target and (source, target, name, field) not in right
    ]


def _values(body, note):
    paths = ["$." + part.strip().replace("[]", "[*]") for part in note.split(";")]
    found = [value for path in paths for _, value in jsonpath.find(body, path)]
    return [value for value in found if value not in (None, "") and not isinstance(value, dict | list)]


def _made_up(value):
    return value + 987_654_321 if isinstance(value, int | float) else f"{value}-zq7x9"
