"""The vocabulary of a service: phrases are kinds where something is called so."""

import pytest

from goat_ray.graph.fields import Meanings
from goat_ray.graph.kinds import Kinds
from goat_ray.records import ApiFunction, OutputField, Parameter


def function(path: str, *parameters: Parameter, outputs: dict[str, str] | None = None) -> ApiFunction:
    fields = [OutputField(path=at, type="string", schema_name=schema) for at, schema in (outputs or {}).items()]
    return ApiFunction.create(service="books", name=path, path=path, parameters=list(parameters), outputs=fields)


def in_path(name: str, **more: object) -> Parameter:
    return Parameter(name=name, location="path", type="string", required=True, **more)  # type: ignore[arg-type]


def in_query(name: str, **more: object) -> Parameter:
    return Parameter(name=name, location="query", type="string", **more)  # type: ignore[arg-type]


ITEM = function("/Items/{ItemID}", in_path("ItemID"), outputs={"$.Items[*].ItemID": "Item"})
CONTACT = function(
    "/Contacts/{ContactID}",
    in_path("ContactID"),
    outputs={"$.Contacts[*].MergedToContactID": "Contact", "$.Id": "Contacts"},
)
BANK = function(
    "/BankTransactions/{BankTransactionID}",
    in_path("BankTransactionID"),
    outputs={
        "$.BankTransactions[*].BankTransactionID": "BankTransaction",
        "$.BankTransactions[*].LineItems[*].LineItemID": "LineItem",
        "$.BankTransactions[*].IsItem": "BankTransaction",
    },
)
LINKED = function("/LinkedTransactions/{LinkedTransactionID}", in_path("LinkedTransactionID"))
LEDGER = [ITEM, CONTACT, BANK, LINKED]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("bank transaction", "bank transaction"),
        ("linked transactions", "linked transaction"),
        ("merged to contact", "contact"),  # a role of a contact
        ("line item", "line item"),  # a schema of its own, so no item
        ("source line item", "line item"),
        ("item", "item"),
        ("transaction", ""),
    ],
)
def test_the_longest_known_phrase_is_the_kind(words: str, kind: str) -> None:
    assert Kinds(LEDGER).at_end(words.split()) == kind


def carried(source: ApiFunction, path: str, corpus: list[ApiFunction]) -> str:
    return Meanings(corpus).of_field(source, source.output(path)).phrase


def test_phrases_are_kept_apart() -> None:
    assert carried(BANK, "$.BankTransactions[*].BankTransactionID", LEDGER) == "bank transaction id"
    assert carried(BANK, "$.BankTransactions[*].LineItems[*].LineItemID", LEDGER) == "line item id"
    assert carried(CONTACT, "$.Contacts[*].MergedToContactID", LEDGER) == "contact id"
    assert carried(BANK, "$.BankTransactions[*].IsItem", LEDGER) != "item id"  # a switch, not a reference


def test_the_id_of_an_envelope_is_not_that_of_what_it_holds() -> None:
    assert carried(CONTACT, "$.Id", LEDGER) == "id"


def test_the_type_beside_an_id_tells_its_kind() -> None:
    choices = in_path("media_type", enum=["all", "movie", "tv"])
    trending = function("/trending/{media_type}", choices, outputs={"$.results[*].id": ""})
    review = ApiFunction.create(
        service="books", name="r", path="/review/{review_id}", parameters=[in_path("review_id")],
        outputs=[OutputField(path="$.media_id", type="integer"),
                 OutputField(path="$.media_type", type="string", examples=["Movie"])],
    )  # fmt: skip
    corpus = [trending, review, function("/movie/{movie_id}", in_path("movie_id")), function("/tv/{id}", in_path("id"))]
    assert carried(trending, "$.results[*].id", corpus) == "movie id or tv id"
    assert carried(review, "$.media_id", corpus) == "movie id"


@pytest.mark.parametrize(
    ("parameter", "wants"),
    [
        (in_query("channel"), "channel id"),
        (in_query("with_channels"), "channel id"),
        (in_query("channel", description="Name of the channel."), "channel"),
        (in_query("channel", enum=["a", "b"]), "channel"),
        (in_query("country", description="An ISO 3166-1 code."), "country code"),
    ],
)
def test_a_parameter_named_like_a_kind_asks_for_its_id(parameter: Parameter, wants: str) -> None:
    target = function("/post", parameter)
    listing = function("/list", outputs={"$.channels[*].id": "", "$.channels[*].topic": ""})
    also = function("/open", in_query("channel_id"))
    assert Meanings([target, listing, also]).of_parameter(target, parameter).phrase == wants


def test_services_do_not_bear_on_each_other() -> None:
    other = ApiFunction.create(service="other", name="x", path="/merged/{merged_to_contact_id}",
                               parameters=[in_path("merged_to_contact_id")])  # fmt: skip
    alone, together = Meanings(LEDGER), Meanings([*LEDGER, other])
    for one in LEDGER:
        assert [alone.of_field(one, f) for f in one.outputs] == [together.of_field(one, f) for f in one.outputs]
