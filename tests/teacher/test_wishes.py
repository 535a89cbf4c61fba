"""User's wishes, quantities and facts read as English, whatever the parameter or field is called."""

import time

import pytest

from goat_ray.records import ApiFunction, Parameter
from goat_ray.teacher.facts import MAX_TEXT, facts, name_of, said, short
from goat_ray.teacher.phrases import Phrasebook
from goat_ray.teacher.verbs import imperative, task
from goat_ray.teacher.wishes import joined, wish, wishes


def parameter(name: str, enum: tuple[str, ...] = ()) -> Parameter:
    return Parameter(name=name, location="query", type="string", enum=list(enum))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tier", "gold", " with tier gold"),
        ("courier_code", "SWIFT", " with courier SWIFT"),
        ("isbn", "9799", " with ISBN 9799"),
        ("min_rating", 4, " with a rating of at least 4"),
        ("price_max", 30, " with a price of at most 30"),
        ("date_from", "2026-05-01", " from 2026-05-01"),
        ("published_after", "2026-05-01", " published after 2026-05-01"),
        ("starts_on", "2026-05-27", " starting on 2026-05-27"),
        ("due_before", "2026-06-01", " due before 2026-06-01"),
        ("due_on", "2026-05-08", " due on 2026-05-08"),
        ("not_before", "2026-06-01", " not before 2026-06-01"),
        ("not_before", 1780300000, " not before 1780300000"),
        ("created_after", 1780300000, " created after 1780300000"),
        ("near_venue", "VEN-310", " near venue VEN-310"),
        ("currency", "EUR", " in EUR"),
        ("year", 2021, " from 2021"),
        ("max_weight_grams", 500, " with a weight of at most 500 grams"),
        ("in_stock", True, " in stock"),
        ("in_stock", False, " not in stock"),
        ("with_gift_wrap", False, " without gift wrap"),
        ("gift_note", "To my dear aunt", ' with gift note "To my dear aunt"'),
        ("watch_types", ["ads"], " with watch type ads"),
        ("名前", "Ada", " with Ada"),
        ("hasAttachments", True, " with attachments"),
        ("hasAttachments", False, " without attachments"),
        ("is_private", True, " that should be private"),
        ("is_private", False, " that should not be private"),
        ("contact.bank.accountName", "Everyday", " with account name Everyday"),
        ("deliveryAddress.street", "Quay", " with delivery address street Quay"),
        ("card", {"type": "gift", "number": 41}, " with card type gift and number 41"),
    ],
)
def test_a_wish_reads_as_its_name_suggests(name: str, value: object, expected: str) -> None:
    assert joined([wish(parameter(name), value)]) == expected


def test_what_a_thing_is_to_become_does_not_say_which_one_it_is() -> None:
    due = Parameter(name="due_on", location="body", type="string")
    assert joined([wish(due, "2026-05-08")]) == " to be due on 2026-05-08"


def test_an_amount_and_its_currency_are_one_wish() -> None:
    given = [(parameter(name), value) for name, value in (("amount.currency", "EUR"), ("amount.value", 1250))]
    assert joined(wishes(given)) == " with an amount of 1250 EUR"
    assert joined(wishes(given[:1])) == " with amount currency EUR"


def test_a_period_is_the_present_one() -> None:
    assert joined([wish(parameter("time_window", ("day", "week")), "week")]) == " this week"


def test_wishes_with_the_same_words_before_them_are_told_together() -> None:
    wishes = [wish(parameter(name), value) for name, value in (("rating", 3), ("year", 2021), ("size", "small"))]
    assert joined(wishes) == " with rating 3 and size small from 2021"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tourist_tax_eur", 2.6, "Tourist tax: 2.6 euros"),
        ("weight_in_grams", 406, "Weight: 406 grams"),
        ("opening_hours", "9 to 5", "Opening: 9 to 5"),
        ("pages", 406, "Pages: 406"),
    ],
)
def test_units_stand_after_the_number(name: str, value: object, expected: str) -> None:
    assert said(name, value) == expected


def test_an_item_without_a_name_is_called_by_the_thing_in_it() -> None:
    assert name_of({"similarity": 0.8, "author": {"id": "A1", "name": "Ada Lind"}}) == "Ada Lind"
    assert name_of({"id": "O1", "status": "paid"}) == "status paid"


def test_facts_are_sentences_with_the_name_first() -> None:
    assert facts({"kind": "library", "name": "Harbourside", "capacity": 120}) == (
        "Harbourside. Kind: library. Capacity: 120."
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"data": {"id": "u-81", "name": "Ada Lind", "city": "Rome"}}, "Ada Lind. City: Rome."),
        ({"ok": True, "view": {"id": "VM1", "hash": "1567.18", "title": "Team plans"}}, "Team plans."),
        ({"data": {"id": "9", "attributes": {"title": "Quiet Tide", "year": 1999}}}, "Quiet Tide. Year: 1999."),
        ({"Prepayments": [{"PrepaymentID": "aea95d78", "Amount": 100}]}, "Amount: 100."),
        (
            {"pagination": {"itemCount": 5}, "Warnings": [{"Message": "x"}], "Bills": [{"Status": "paid"}]},
            "Status: paid.",
        ),
        ([{"id": 1, "name": "A"}], "A."),
        ({"id": 4, "owner": {"name": "Ada"}, "team": {"id": 5, "name": "Sea"}}, "Ada, Sea."),
        ({"tags": ["a", "b"]}, "a, b."),
        ({"status": "open", "view": {"title": "Team plans"}}, "Status: open."),
        ({"id": 4, "image": {"format": "png"}}, ""),
        ({"id": 1, "hash": "1567.18", "view": {"id": 5, "app_id": 1}}, ""),
        ({"id": 1, "link": "https://a.org"}, ""),
        (["AAPL", "MSFT"], "AAPL, MSFT."),
    ],
)
def test_facts_are_told_of_what_an_envelope_holds_and_never_of_ids(body: object, told: str) -> None:
    assert facts(body) == told


def test_long_texts_are_cut_after_a_sentence_or_a_word() -> None:
    sentence = "The tide clerk and the retired pilot solve the harbour's quietest crimes."
    assert short(f"{sentence} {'More of it ' * 20}") == sentence
    cut = short("word, " * 100)
    assert cut.endswith("word…")
    assert len(cut) <= MAX_TEXT + 1


def test_a_summary_in_the_third_person_is_asked_for_as_well() -> None:
    assert imperative("Creates an order.") == "create an order"
    assert imperative("Plan a trip") == "plan a trip"
    assert imperative("Applies taxes (all of them)") == "apply taxes"
    assert imperative("Opens or resumes a chat") == "open or resume a chat"
    assert imperative("Allows you to create an Allocation") == "create an Allocation"
    order = ApiFunction.create(service="s", name="o", path="/Orders/{id}", summary="Retrieves a specific order")
    assert Phrasebook([order]).topic(order).noun == "order"


def test_what_has_no_summary_is_told_by_a_short_description() -> None:
    told = ApiFunction.create(service="s", name="chat_update", method="POST", description="Updates a message.")
    silent = ApiFunction.create(service="s", name="chat_update", method="POST", description="word " * 40)
    assert task(told) == "update a message"
    assert task(silent) == "chat update"


def test_a_task_names_no_parameter_to_do_it_by() -> None:
    name = Parameter(name="FileName", location="path", type="string", required=True)
    upload = ApiFunction.create(service="s", name="u", summary="Uploads a file by file name", parameters=[name])
    assert task(upload) == "upload a file"


@pytest.mark.parametrize(
    ("summary", "noun"),
    [
        ("Retrieves any credit notes", "credit notes"),
        ("Opens a view for a user.", "view"),
        ("Push a note into a channel", "note"),
        ("Gets information about a reminder", "reminder"),
        ("Get a member's loans", "loans"),
        ("Get members' loans", "loans"),
        ("List the team leader's open tasks", "open tasks"),
        ("Get today's weather", "weather"),
    ],
)
def test_a_topic_is_the_noun_of_a_summary(summary: str, noun: str) -> None:
    function = ApiFunction.create(service="s", name="f", path="/things/{id}", summary=summary)
    assert Phrasebook([function]).topic(function).noun == noun


@pytest.mark.parametrize(
    ("key", "noun"),
    [("postal_code", "postal code"), ("external_id", "external ID"), ("team_id", "team"), ("movie_id", "movie")],
)
def test_a_key_that_names_no_kind_keeps_its_name(key: str, noun: str) -> None:
    assert Phrasebook([]).member(key) == noun


@pytest.mark.parametrize("start", ["search", "search for", "get a name of", "get of the"])
def test_a_run_of_blanks_in_a_summary_costs_no_time(start: str) -> None:
    blanks = " " * 500
    summary = f"{start.replace(' ', blanks)}{blanks}the!"
    function = ApiFunction.create(service="s", name="f", path="/things", summary=summary)
    began = time.monotonic()
    Phrasebook([function]).topic(function)
    assert time.monotonic() - began < 1


def test_what_a_search_searches_for_may_be_written_in_several_lines() -> None:
    search = ApiFunction.create(service="s", name="f", path="/search/tv", summary="Search  for TV\n  shows by title.")
    assert Phrasebook([search]).noun("tv") == "TV show"
