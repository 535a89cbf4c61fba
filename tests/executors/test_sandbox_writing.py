"""Writes of a session are read back in it, and nowhere else."""

import pytest

from tests.executors.library import Client, api, param


@pytest.fixture
def call():
    return Client()


class TestCreating:
    def test_a_created_thing_is_read_back(self, call):
        made = call("POST /books/{book_id}/reviews", book_id=50347, rating=4, text="Give it eighty pages.")
        assert made.status == 201
        assert (made.body["book_id"], made.body["rating"]) == (50347, 4)
        assert call.body("GET /reviews/{review_id}", review_id=made.body["review_id"]) == made.body

    def test_it_is_listed_first_under_its_parent(self, call):
        before = call.body("GET /books/{book_id}/reviews", book_id=50347)
        made = call.body("POST /books/{book_id}/reviews", book_id=50347, rating=4)
        after = call.body("GET /books/{book_id}/reviews", book_id=50347)
        assert after["results"] == [made, *before["results"]][: len(after["results"])]
        assert after["total"] == before["total"] + 1
        elsewhere = call.body("GET /books/{book_id}/reviews", book_id=50312)["results"]
        assert made not in elsewhere

    def test_it_is_listed_among_all(self, call):
        made = call.body("POST /books", title="A New Tale", author_id=2058, pages=77)
        assert (made["title"], made["pages"]) == ("A New Tale", 77)
        assert made["author"] == {"id": 2058, "name": "Teodor Vance"}
        assert call.body("GET /books")["results"][0]["id"] == made["id"]
        assert [book["id"] for book in call.body("GET /books", query="new tale")["results"]] == [made["id"]]
        theirs = call.body("GET /authors/{author_id}/books", author_id=2058)["items"]
        assert made["id"] in [book["id"] for book in theirs]

    def test_what_it_belongs_to_must_exist(self, call):
        assert call("POST /books/{book_id}/reviews", book_id=1, rating=4).status == 404
        assert call("POST /books", title="A New Tale", author_id=1).status == 404

    def test_ids_are_the_same_in_every_session_and_differ_within_one(self, call):
        first = [call.body("POST /books", title="A")["id"] for _ in range(3)]
        fresh = call.afresh()
        assert [fresh.body("POST /books", title="A")["id"] for _ in range(3)] == first
        assert len(set(first)) == 3

    def test_a_taken_key_is_a_conflict(self):
        edition = {"isbn": "9799041201026", "title": "The Tidekeeper's Ledger"}
        functions = [
            api("GET", "/editions/{isbn}", param("isbn", location="path"), gives=edition),
            api("POST", "/editions", param("isbn", location="body"), param("title", location="body"), gives=edition),
        ]
        call = Client(functions)
        assert call("POST /editions", isbn="9799041201026").status == 409
        made = call("POST /editions", isbn="9799041209999", title="New")
        assert (made.status, made.body) == (201, {"isbn": "9799041209999", "title": "New"})
        assert call.body("GET /editions/{isbn}", isbn="9799041209999") == made.body


class TestChanging:
    def test_an_update_is_read_back(self, call):
        changed = call("PATCH /reviews/{review_id}", review_id=880121, text="Better the second time.")
        assert (changed.status, changed.body["text"]) == (200, "Better the second time.")
        assert call.body("GET /reviews/{review_id}", review_id=880121)["text"] == "Better the second time."
        assert call.body("GET /reviews/{review_id}", review_id=880121)["rating"] == 5

    def test_a_deleted_thing_is_gone(self, call):
        assert call("DELETE /reviews/{review_id}", review_id=880121).status == 204
        assert call("GET /reviews/{review_id}", review_id=880121).status == 404
        assert call("DELETE /reviews/{review_id}", review_id=880121).status == 404
        left = call.body("GET /books/{book_id}/reviews", book_id=50312)["results"]
        assert 880121 not in [review["review_id"] for review in left]

    def test_a_created_thing_can_be_changed_and_deleted(self, call):
        made = call.body("POST /books/{book_id}/reviews", book_id=50347, rating=4)["review_id"]
        call.body("PATCH /reviews/{review_id}", review_id=made, text="On second thought.")
        assert call.body("GET /reviews/{review_id}", review_id=made)["text"] == "On second thought."
        call.body("DELETE /reviews/{review_id}", review_id=made)
        assert call("GET /reviews/{review_id}", review_id=made).status == 404

    def test_an_item_is_added_to_the_list_of_a_thing(self):
        cart = {"cart_id": "CRT-55031", "items": [{"sku": "ED-50312", "quantity": 1}]}
        functions = [
            api("GET", "/carts/{cart_id}", param("cart_id", location="path"), gives=cart),
            api("POST", "/carts", gives=cart | {"items": []}, outputs=api("GET", "/", gives=cart).outputs),
            api(
                "POST",
                "/carts/{cart_id}/items",
                param("cart_id", location="path"),
                param("sku", location="body"),
                param("quantity", "integer", "body"),
                gives=cart,
            ),
        ]
        call = Client(functions)
        made = call.body("POST /carts")
        assert made["items"] == []
        added = call("POST /carts/{cart_id}/items", cart_id=made["cart_id"], sku="ED-9", quantity=2)
        assert added.status == 201
        assert call.body("GET /carts/{cart_id}", cart_id=made["cart_id"])["items"] == [{"sku": "ED-9", "quantity": 2}]


class TestSessions:
    def test_other_sessions_see_nothing_of_it(self, call):
        other = call.afresh()
        made = call.body("POST /books", title="A New Tale")
        call("PATCH /reviews/{review_id}", review_id=880121, text="Changed.")
        call("DELETE /reviews/{review_id}", review_id=880121)
        for session in (other, call.afresh()):
            assert session("GET /books/{book_id}", book_id=made["id"]).status == 404
            assert session.body("GET /reviews/{review_id}", review_id=880121)["text"] == "I read it in two evenings."
            assert session.body("GET /books")["total"] == 24


class TestTools:
    """Functions without HTTP: the verb in the name says what they do."""

    def test_a_tool_creates_and_another_one_reads(self):
        ticket = {"ticket_id": "TKT-90418", "seat": "12A", "status": "valid"}
        tools = [
            tool("book_ticket", param("seat", location="body"), gives=ticket),
            tool("get_ticket", param("ticket_id", location="body").model_copy(update={"required": True}), gives=ticket),
        ]
        call = Client(tools)
        made = call("book_ticket", seat="3C")
        assert (made.status, made.body["seat"]) == (201, "3C")
        assert call.body("get_ticket", ticket_id=made.body["ticket_id"]) == made.body
        assert call("get_ticket", ticket_id="TKT-1").status == 404


def tool(name, *parameters, gives):
    made = api("CALL", "", *parameters, gives=gives)
    return made.model_copy(update={"name": name, "id": name})
