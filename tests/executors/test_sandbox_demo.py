"""The sandbox on the demo corpus: four services that refer to each other's things."""

from pathlib import Path

import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from tests.executors.library import Client

DEMO = Path(__file__).resolve().parents[2] / "configs/demo/documents"


@pytest.fixture(scope="module")
def functions():
    config = DocumentsConfig(paths=[str(DEMO)])
    return list(Ingest(config).process(discover(config)))


@pytest.fixture
def call(functions):
    return Client(functions)


class TestAcrossServices:
    def test_an_isbn_of_the_bookshop_finds_copies_in_the_library(self, call):
        edition = call.body("GET /books/{book_id}/editions", book_id=50312)["items"][0]
        holdings = call.body("GET /holdings", isbn=edition["isbn"])
        assert (holdings["isbn"], holdings["title"]) == (edition["isbn"], "The Tidekeeper's Ledger")
        copy = call.body("GET /copies/{barcode}", barcode=holdings["results"][0]["barcode"])
        assert copy["isbn"] == edition["isbn"]

    def test_a_member_of_the_library_is_a_customer_of_the_shop(self, call):
        member = call.body("GET /members/{card_number}", card_number="LM-40718")
        customer = call.body("GET /customers/{customer_id}", customer_id=member["customer_id"])
        assert customer["name"] == member["full_name"] == "Imogen Farrow"
        assert customer["library_card"] == "LM-40718"

    def test_cities_are_those_of_the_travel_service(self, call):
        city = call.body("GET /authors/{author_id}", author_id=2041)["home_city"]
        assert call.body("GET /cities/{city_id}", city_id=city["city_id"])["name"] == city["name"] == "Port Ellery"
        for venue in call.body("GET /cities/{city_id}/venues", city_id=301)["items"]:
            assert call.body("GET /venues/{venue_id}", venue_id=venue["venue_id"])["city"]["id"] == 301

    def test_keys_without_an_id_in_their_name(self, call):
        copy = call.body("GET /copies/{barcode}", barcode="30127004411027")
        assert call("GET /branches/{branch_code}", branch_code=copy["held_at"]).ok
        assert call("GET /branches/{branch_code}", branch_code="PEL-X9").status == 404

    def test_ids_of_other_kinds_are_refused(self, call):
        for title, name in (
            ("GET /orders/{order_id}", "order_id"),
            ("GET /members/{card_number}", "card_number"),
            ("GET /hotels/{hotel_id}", "hotel_id"),
            ("GET /stock/{edition_id}", "edition_id"),
        ):
            for value in ("CUS-7014", "PEL-C", "VEN-310", "9799041201026"):
                assert call(title, **{name: value}).status == 404


class TestJourneys:
    def test_from_an_empty_cart_to_an_order(self, call):
        cart = call.body("POST /carts", customer_id="CUS-7022")
        assert (cart["customer_id"], cart["items"], cart["items_count"]) == ("CUS-7022", [], 0)
        call.body("POST /carts/{cart_id}/items", cart_id=cart["cart_id"], edition_id="ED-50325-HB", quantity=2)
        (line,) = call.body("GET /carts/{cart_id}", cart_id=cart["cart_id"])["items"]
        assert (line["edition_id"], line["quantity"], line["title"]) == ("ED-50325-HB", 2, "The Cartographer's Alibi")
        order = call.body("POST /orders", cart_id=cart["cart_id"], courier_code="PENF", pickup_branch="PEL-C")
        assert order["customer"] == {"id": "CUS-7022", "full_name": "Dario Whitlock"}
        assert order["pickup_branch"] == "PEL-C"
        assert call.body("GET /orders/{order_id}", order_id=order["order_id"]) == order
        theirs = call.body("GET /customers/{customer_id}/orders", customer_id="CUS-7022")["items"]
        assert theirs[0]["order_id"] == order["order_id"]

    def test_a_hold_until_it_is_cancelled(self, call):
        hold = call.body("POST /holds", card_number="LM-40718", isbn="9799041201385", pickup_branch="PEL-C")
        assert (hold["title"], hold["status"]) == ("The Weight of Small Moons", "waiting")
        assert call.body("GET /holds/{hold_id}", hold_id=hold["hold_id"]) == hold
        assert call("DELETE /holds/{hold_id}", hold_id=hold["hold_id"]).status == 204
        assert call("GET /holds/{hold_id}", hold_id=hold["hold_id"]).status == 404

    def test_a_trip(self, call):
        trip = call.body(
            "POST /trips",
            traveller_id="CUS-7014",
            destination_city_id=304,
            starts_on="2026-06-05",
            ends_on="2026-06-07",
            hotel_id="HTL-436",
            room_offer="OFR-2232",
        )
        assert trip["traveller"] == {"customer_id": "CUS-7014", "name": "Imogen Farrow"}
        assert trip["destination"] == {"city_id": 304, "name": "Harrowmere"}
        assert (trip["stay"]["hotel_id"], trip["stay"]["offer_id"]) == ("HTL-436", "OFR-2232")
        assert call("POST /trips", traveller_id="CUS-7014").status == 422


def test_every_function_answers_with_documented_members(functions, call):
    for function in functions:
        arguments = {one.name: one.example for one in function.parameters if one.required and one.example is not None}
        arguments |= {one.name: one.enum[0] for one in function.parameters if one.required and one.enum}
        result = call.afresh().call(function.title, arguments)
        assert result.ok, (function.title, arguments, result)
        members = {
            output.path.split(".")[1].split("[")[0] for output in function.outputs if output.path.startswith("$.")
        }
        if members:
            assert set(result.body) == members
