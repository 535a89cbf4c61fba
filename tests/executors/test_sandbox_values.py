"""Made-up values are sensible: they fit each other, and nothing but the thing itself decides about them."""

import json
import random
from pathlib import Path

import faker
import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from tests.executors.library import Client, api, param

DEMO = Path(__file__).resolve().parents[2] / "configs/demo/documents"


def read(path):
    config = DocumentsConfig(paths=[str(path)])
    return list(Ingest(config).process(discover(config)))


@pytest.fixture(scope="module")
def tmdb(tmdb_document):
    return Client(read(tmdb_document))


@pytest.fixture(scope="module")
def demo():
    return Client(read(DEMO))


def everyone(gives):
    """All things of a service with nothing but a list of them."""
    return Client([api("GET", "/members", param("limit", "integer"), gives={"members": [gives]})]).body(
        "GET /members", limit=24
    )["members"][1:]


class TestPeople:
    def test_mail_and_parts_of_the_name_go_with_the_name(self):
        example = {
            "id": 48213,
            "name": "Ada Adler",
            "first_name": "Ada",
            "last_name": "Adler",
            "email": "a@mail.example",
        }
        for one in everyone(example):
            assert one["name"].split()[0] == one["first_name"]
            assert one["name"].split()[-1] == one["last_name"]
            local, _, host = one["email"].partition("@")
            assert one["first_name"].lower() in local.replace("-", " ")
            assert host == "mail.example"

    def test_customers_of_the_demo(self, demo):
        found = demo.body("GET /customers", query="a")["results"]
        assert found
        for customer in found:
            assert customer["email"].partition("@")[0].split(".")[-1] in customer["full_name"].lower()

    def test_the_mail_of_a_firm_is_the_firms(self, demo):
        for courier in demo.body("GET /couriers"):
            assert courier["support_email"].split("@")[1].split("-")[0].split(".")[0] in courier["name"].lower()

    def test_a_new_name_gets_its_own_mail(self):
        member = {"id": 48213, "name": "Ada Adler", "email": "ada@mail.example"}
        call = Client(
            [
                api("GET", "/members/{member_id}", param("member_id", "integer", "path"), gives=member),
                api("POST", "/members", param("name", location="body"), gives=member | {"email": None}),
            ]
        )
        made = call.body("POST /members", name="Grace Novak")
        assert call.body("GET /members/{member_id}", member_id=made["id"])["name"] == "Grace Novak"


class TestNames:
    def test_no_two_known_things_share_a_made_up_title(self, demo, tmdb):
        titles = [
            book["title"] for page in range(1, 20) for book in demo.body("GET /books", page=page, query="e")["results"]
        ]
        assert len(titles) == len(set(titles))
        shows = [one["name"] for page in range(1, 40) for one in tmdb.body("GET /tv/popular", page=page)["results"]]
        assert len(shows) > 50
        assert len(set(shows)) > 0.95 * len(shows)  # the document itself shows two pairs

    def test_numbered_things_are_called_by_their_number(self, tmdb):
        for season in tmdb.body("GET /tv/{tv_id}", tv_id=1402)["seasons"]:
            assert season["name"] in (f"Season {season['season_number']}", "Specials")


class TestDates:
    def test_ends_come_after_starts(self):
        example = {
            "id": 48213,
            "starts_on": "2025-03-01",
            "ends_on": "2025-03-03",
            "created_at": "2025-01-01T10:00:00Z",
            "updated_at": "2025-01-02T10:00:00Z",
            "birthday": "1950-02-03",
            "deathday": "2001-02-03",
        }
        for one in everyone(example):
            assert one["starts_on"] < one["ends_on"]
            assert one["created_at"] < one["updated_at"]
            assert int(one["birthday"][:4]) + 20 < int(one["deathday"][:4])

    def test_seasons_and_episodes_follow_each_other(self, tmdb):
        show = tmdb.body("GET /tv/popular", page=4)["results"][0]
        seasons = [
            tmdb.body("GET /tv/{tv_id}/season/{season_number}", tv_id=show["id"], season_number=number)
            for number in (1, 2)
        ]
        aired = [episode["air_date"] for season in seasons for episode in season["episodes"]]
        assert show["first_air_date"] <= aired[0]
        assert aired == sorted(aired)

    def test_what_a_document_shows_as_null_is_often_null(self, tmdb):
        found = [one["id"] for page in range(1, 6) for one in tmdb.body("GET /person/popular", page=page)["results"]]
        days = [tmdb.body("GET /person/{person_id}", person_id=one)["deathday"] for one in found]
        assert days.count(None) > len(days) / 2


class TestNothingElseDecides:
    def test_what_others_asked_before_a_change_does_not(self):
        stay = {"stay_id": "STY-48213", "guest_name": "Ada Adler", "email": "a@mail.example"}
        stay |= {"starts_on": "2025-03-01", "ends_on": "2025-03-03"}
        functions = [
            api("GET", "/stays", param("limit", "integer"), gives={"stays": [{"stay_id": "STY-48213"}]}),
            api("GET", "/stays/{stay_id}", param("stay_id", location="path"), gives=stay),
            api(
                "PATCH",
                "/stays/{stay_id}",
                param("stay_id", location="path"),
                param("guest_name", location="body"),
                param("ends_on", location="body"),
                gives=stay,
            ),
        ]
        made_up = Client(functions).body("GET /stays", limit=24)["stays"][5]["stay_id"]
        after = []
        for asks_before in (True, False):
            call = Client(functions)
            if asks_before:
                call.afresh().body("GET /stays/{stay_id}", stay_id=made_up)
            after.append(call.body("PATCH /stays/{stay_id}", stay_id=made_up, guest_name="Bo Li", ends_on="1999-01-01"))
        assert after[0] == after[1]
        assert (after[0]["guest_name"], after[0]["ends_on"]) == ("Bo Li", "1999-01-01")

    def test_the_order_of_the_calls_does_not(self, demo):
        functions = list(demo.functions.values())
        readers = [one for one in functions if one.method == "GET"]
        asked = [
            (one.title, {p.name: p.example for p in one.parameters if p.required and p.example is not None})
            for one in readers
        ]
        forth, back = Client(functions), Client(functions)
        expected = {title: forth.call(title, arguments) for title, arguments in asked}
        assert {title: back.call(title, arguments) for title, arguments in reversed(asked)} == expected

    def test_the_global_generators_neither_decide_nor_change(self):
        example = {"id": 48213, "first_name": "Ada", "email": "ada@mail.example", "city": "Vienna"}
        random.seed(1)
        faker.Faker.seed(1)
        before, first = random.getstate(), everyone(example)
        assert random.getstate() == before
        faker.Faker.seed(2)
        random.seed(2)
        assert everyone(example) == first


class TestBounds:
    """Values keep within what the document allows, whatever their names would suggest."""

    STATED = {"rating": ("number", 0.5, 0.9), "age": ("integer", 90, 99), "temperature": ("integer", -3, None)}

    def document(self, folder, *, bounded):
        fields = {name: {"type": kind} for name, (kind, _, _) in self.STATED.items()}
        for name, (_, low, high) in self.STATED.items():
            given = {"minimum": low, "maximum": high}
            fields[name] |= {key: value for key, value in given.items() if bounded and value is not None}
        members = {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, **fields}}}
        schema = {"type": "object", "properties": {"members": members}}
        answer = {"description": "ok", "content": {"application/json": {"schema": schema}}}
        operation = {"operationId": "members", "responses": {"200": answer}}
        about = {"openapi": "3.0.0", "info": {"title": "Club", "version": "1"}}
        folder.mkdir()
        (folder / "club.json").write_text(json.dumps({**about, "paths": {"/members": {"get": operation}}}))
        return read(folder / "club.json")

    def test_numbers_stay_within_them(self, tmp_path):
        (club,) = self.document(tmp_path / "bounded", bounded=True)
        members = Client([club]).body("GET /members")["members"]
        assert members
        for name, (_, low, high) in self.STATED.items():
            values = [member[name] for member in members if member[name] is not None]
            assert values and all(low <= value and (high is None or value <= high) for value in values), (name, values)

    def test_they_do_not_change_which_function_it_is(self, tmp_path):
        (bounded,) = self.document(tmp_path / "bounded", bounded=True)
        (free,) = self.document(tmp_path / "free", bounded=False)
        assert bounded.id == free.id and bounded != free
