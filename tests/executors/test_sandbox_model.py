"""How the sandbox reads the structure of documents: kinds of things and where their keys occur."""

import pytest

from goat_ray.executors.sandbox.keys import canonical, is_telling, read
from goat_ray.executors.sandbox.model import infer
from goat_ray.executors.sandbox.shape import ROOT
from tests.executors.library import api, param


def kinds_at(model, function, *names):
    place = model.holders[function.id].members[ROOT]
    for name in names:
        place = place.members[name]
    return [kind.name for kind in place.kinds]


def lookup(model, function, name):
    ref = model.parameters.get((function.id, name))
    return (ref.kinds[0].name, ref.key) if ref is not None else None


class TestNames:
    @pytest.mark.parametrize(
        ("name", "owner", "key", "plural"),
        [
            ("movie_id", "movie", "id", False),
            ("destinationCityIds", "destination_city", "id", True),
            ("idMovie", "movie", "id", False),
            ("branch_code", "branch", "code", False),
            ("isbn", "", "isbn", False),
            ("companies_id", "company", "id", False),
        ],
    )
    def test_keys_are_read(self, name, owner, key, plural):
        named = read(name)
        assert ("_".join(named.owner), named.key, named.plural) == (owner, key, plural)

    @pytest.mark.parametrize("name", ["title", "paid", "idle", "video", "", "grid"])
    def test_other_names_are_none(self, name):
        assert read(name) is None

    def test_ids_are_compared_as_text(self):
        assert [canonical(value) for value in (550, 550.0, " 550 ", True, None, 1.5, [1])] == ["550"] * 3 + [""] * 4

    def test_telling_values(self):
        assert all(map(is_telling, ("CUS-7014", "24428", "PEL-C", "52fe4250c3a36847f80149f3")))
        assert not any(
            map(is_telling, ("3", "on", "mystery", "12345", "1111", "a name", "https://a.example/1", "string"))
        )


class TestKinds:
    def test_the_segment_names_what_a_bare_id_identifies(self):
        function = api("GET", "/companies/{id}", param("id", location="path"), gives={"id": "C-1", "name": "Acme"})
        model = infer([function])
        assert lookup(model, function, "id") == ("company", "id")
        assert kinds_at(model, function) == ["company"]

    def test_a_key_of_another_name_belongs_to_the_segment(self):
        member = api(
            "GET", "/members/{card_number}", param("card_number", location="path"), gives={"card_number": "LM-407"}
        )
        group = api("GET", "/groups", gives={"groups": [{"group_id": 1, "leader_card_number": "LM-407"}]})
        model = infer([member, group])
        assert lookup(model, member, "card_number") == ("member", "card_number")
        ref = model.holders[group.id].members[ROOT].members["groups"].refs["leader_card_number"]
        assert (ref.kinds[0].name, ref.key, ref.relation) == ("member", "card_number", "leader")

    def test_anonymous_objects_are_what_their_members_are_like(self):
        person = api(
            "GET",
            "/person/{person_id}",
            param("person_id", "integer", "path"),
            gives={"id": 287, "name": "Brad Pitt", "gender": 2, "profile_path": "/cckcYc2v0yh1tc9QjRelptcOBko.jpg"},
        )
        movie = api(
            "GET", "/movie/{movie_id}", param("movie_id", "integer", "path"), gives={"id": 550, "title": "Fight Club"}
        )
        credits = api(
            "GET",
            "/movie/{movie_id}/credits",
            param("movie_id", "integer", "path"),
            gives={
                "id": 550,
                "cast": [{"id": 819, "name": "Edward Norton", "gender": 2, "profile_path": "/x", "order": 0}],
            },
        )
        model = infer([person, movie, credits])
        assert kinds_at(model, credits, "cast") == ["person"]
        assert kinds_at(model, credits) == ["movie"]  # its id only echoes the path

    def test_objects_like_nothing_else_are_a_kind_of_their_own(self):
        function = api(
            "GET", "/movie/{movie_id}", param("movie_id", location="path"), gives={"logos": [{"id": "5a7a"}]}
        )
        assert kinds_at(infer([function]), function, "logos") == ["logo"]

    def test_a_discriminator_names_the_kinds_that_share_a_place(self):
        movie = api(
            "GET", "/movie/{movie_id}", param("movie_id", "integer", "path"), gives={"id": 604, "title": "Reloaded"}
        )
        show = api("GET", "/tv/{tv_id}", param("tv_id", "integer", "path"), gives={"id": 1399, "name": "Thrones"})
        known = [{"id": 604, "media_type": "movie"}, {"id": 1399, "media_type": "tv"}]
        found = api("GET", "/search", gives={"results": known})
        assert kinds_at(infer([movie, show, found]), found, "results") == ["movie", "tv"]

    def test_values_tell_what_a_member_refers_to_whose_name_does_not(self):
        branch = api("GET", "/branches/{branch_code}", param("branch_code", location="path"), gives={"code": "PEL-C"})
        copy = api(
            "GET", "/copies/{barcode}", param("barcode", location="path"), gives={"barcode": "301", "held_at": "PEL-C"}
        )
        model = infer([branch, copy])
        assert model.holders[copy.id].members[ROOT].refs["held_at"].kinds[0].name == "branch"

    def test_descriptions_tell_what_a_filter_takes(self):
        people = api("GET", "/person/{person_id}", param("person_id", "integer", "path"), gives={"id": 287})
        discover = api(
            "GET", "/discover", param("with_cast", description="A list of person ID's."), gives={"results": []}
        )
        assert lookup(infer([people, discover]), discover, "with_cast") == ("person", "id")


class TestServices:
    USER = {"id": 70141, "name": "Ada"}

    def users(self, service, user_id):
        return api(
            "GET",
            "/users/{user_id}",
            param("user_id", "integer", "path"),
            gives=self.USER | {"id": user_id},
            service=service,
        )

    def test_kinds_of_one_name_are_two_without_a_common_id(self):
        one, two = self.users("a", 70141), self.users("b", 80555)
        model = infer([one, two])
        assert model.parameters[one.id, "user_id"].kinds != model.parameters[two.id, "user_id"].kinds

    def test_and_one_with_it(self):
        one, two = self.users("a", 70141), self.users("b", 70141)
        model = infer([one, two])
        assert model.parameters[one.id, "user_id"].kinds == model.parameters[two.id, "user_id"].kinds

    def test_a_kind_that_is_only_named_is_what_its_ids_belong_to(self):
        customer = api(
            "GET", "/customers/{customer_id}", param("customer_id", location="path"), gives={"customer_id": "CUS-7014"}
        )
        trip = api("POST", "/trips", param("traveller_id", location="body", example="CUS-7014"), service="travel")
        assert lookup(infer([customer, trip]), trip, "traveller_id") == ("customer", "id")
