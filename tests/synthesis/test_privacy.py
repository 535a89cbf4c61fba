"""Redaction: private values go, their form stays, and a sample still agrees with itself."""

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import iban, luhn

from goat_ray import jsonpath, metering
from goat_ray.graph.coercion import WrongType, coerced
from goat_ray.records import Argument, CallTrace, ExecutedCall, Origin, Parameter, ValueType
from goat_ray.synthesis.privacy import PrivacyConfig, Redactor, find, redacted

# Test numbers of card schemes, an example IBAN, and tokens put together here so that no scanner takes them for real.
PRIVATE = {
    "email": ["ada.lovelace+films@mail.example.org"],
    "phone": [
        "+44 20 7946 0958",
        "+33 1 42 68 53 00",
        "+49 (0)30 901820",
        "+1.415.555.2671",
        "+14155552671",
        "(415) 555-2671",
        "(415)555-2671",
        "650-253-0000",
        "650.253.0000",
        "650 - 253 - 0000",
        "1-800-253-0000",
        "1 (650) 253-0000",
    ],
    "card": ["4111 1111 1111 1111", "5555555555554444", "378282246310005"],
    "iban": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
    "secret": [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "xoxb-" + "123456789012-abcdefABCDEF",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmNHl0w",
        "wJalrXUtnFEMIK7MDENGbPxRfiCYzEXAMPLEKEY9",
    ],
}
HARMLESS = [
    "The Shawshank Redemption (1994-10-14), rated 8.7 by 21862 people",
    "id 4155552671 of 1234567890123456",
    "2024-01-02T10:11:12.123456Z",
    "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "https://image.tmdb.org/t/p/w500/kqjL17yufvn9OVLyXYpvtyrFfak.jpg",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "12 Angry Men, 1957, 96 min, ISBN 978-0-14-310455-6",
    "@handle and 50 % off at 10.0.0.1:8080",
    "650.2530000",  # a coordinate, and a measure
    "4111111111111111.5",
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in PRIVATE.items() for value in values])
def test_each_kind_is_found_alone_and_in_a_sentence(kind: str, value: str) -> None:
    for text in (value, f"Write to {value}, please."):
        (found,) = find(text, "US")
        assert (found.kind, text[found.start : found.end]) == (kind, value)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_private_is_left_alone(text: str) -> None:
    assert find(text, "US") == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    ["1 2 3 4 5 ", "10.10 20.5 ", "+", "A+", "abcdEFGH+/", "-----BEGIN PRIVATE KEY-----", "eyJabcdefgh-"],
)
def test_a_long_text_is_looked_through_in_one_pass(unit: str) -> None:
    """Each of these once took time as the square of its length: minutes."""
    assert find(unit * (500_000 // len(unit)), "US") == []


@pytest.mark.timeout(60)
def test_many_values_are_found_in_one_text() -> None:
    assert len(find("ada@example.com, " * 50_000, "US")) == 50_000


@pytest.mark.parametrize("unit", ["MIIEvQIBADANBgkqhkiG9w0", "ab-cd+/=\n", "Proc-Type: 4,ENCRYPTED\n\n"])
@pytest.mark.parametrize("kind", ["", "RSA ", "ENCRYPTED "])
def test_private_keys_are_found_whole(kind: str, unit: str) -> None:
    key = f"-----BEGIN {kind}PRIVATE KEY-----\n{unit * 1000}\n-----END {kind}PRIVATE KEY-----"
    text = f"One: {key} Another: {key}"
    assert [text[one.start : one.end] for one in find(text, "US")] == [key, key]


def test_made_up_values_keep_the_form() -> None:
    redactor = Redactor("trace", "US")
    assert redactor.clean("ada@mail.example.org").endswith("@example.com")
    phone = redactor.clean("+44 20 7946 0958")
    assert phone.startswith("+44 55 5") and len(phone) == len("+44 20 7946 0958")
    card = redactor.clean("4111 1111 1111 1111")
    assert luhn.is_valid(card.replace(" ", "")) and card.startswith("4000 00") and card.count(" ") == 3
    account = redactor.clean("GB82 WEST 1234 5698 7654 32")
    assert account.startswith("GB") and "0000" in account and account != "GB82 WEST 1234 5698 7654 32"
    assert iban.calc_check_digits(account) == account[2:4]


def trace(origin: Origin) -> CallTrace:
    body = {"results": [{"email": "Ada@Mail.example.org", "note": "mail ada@mail.example.org", "id": 4111111111111111}],
            "access_token": "plain-words-as-token"}  # fmt: skip
    use = {"text": "sent to Ada@Mail.example.org with plain-words-as-token", "ok": True, "nothing": None}
    taken = [
        Argument(parameter=name, value=value, provenance="upstream", step=0, location=location)
        for name, value, location in (
            ("to", "Ada@Mail.example.org", "$.results[0].email"),
            ("key", "plain-words-as-token", "$.access_token"),
        )
    ]
    return CallTrace(
        id="0123456789abcdef",
        seed=1,
        calls=[
            ExecutedCall(function="a", arguments=[], status=200, body=body, origin=origin),
            ExecutedCall(function="b", arguments=taken, status=200, body=use, origin=origin),
        ],
    )


def test_a_redacted_trace_agrees_with_itself() -> None:
    metering.drain()
    clean = redacted(trace("real"), PrivacyConfig())
    for argument in clean.calls[1].arguments:
        assert argument.value == jsonpath.get(clean.calls[0].body, argument.location)
    email, token = (argument.value for argument in clean.calls[1].arguments)
    assert clean.calls[1].body["text"] == f"sent to {email} with {token}"
    assert clean.calls[0].body["results"][0]["note"] == f"mail {email}"
    assert clean.calls[0].body["results"][0]["id"] == 4111111111111111
    assert "mail.example.org" not in json.dumps(clean.model_dump()).lower()
    assert metering.drain() == {("redacted", "email"): 4, ("redacted", "secret"): 3}
    assert redacted(trace("real"), PrivacyConfig()) == clean


def test_names_of_fields_may_be_private_too() -> None:
    """An object may list people by their addresses; what was taken from it is still found there."""
    first, second = trace("real").calls
    address = "ada@mail.example.org"
    taken = second.arguments[0].model_copy(update={"value": 7, "location": f"$['{address}'].id"})
    calls = [first.model_copy(update={"body": {address: {"id": 7}}}), second.model_copy(update={"arguments": [taken]})]
    clean = redacted(CallTrace(id="0123456789abcdef", seed=1, calls=calls), PrivacyConfig())
    assert address not in json.dumps(clean.model_dump())
    assert jsonpath.get(clean.calls[0].body, clean.calls[1].arguments[0].location) == 7


def after_one_call(body: object, location: str, chosen: str = "") -> tuple[object, Argument]:
    """The body of a call and the argument that the next one takes from it, after redaction."""
    value = jsonpath.get(body, location)
    taken = Argument(parameter="x", value=value, provenance="upstream", step=0, location=location, chosen=chosen)
    calls = [
        ExecutedCall(function="a", arguments=[], status=200, body=body, origin="real"),
        ExecutedCall(function="b", arguments=[taken], status=200, body=None, origin="real"),
    ]
    first, second = redacted(CallTrace(id="0123456789abcdef", seed=1, calls=calls), PrivacyConfig()).calls
    return first.body, second.arguments[0]


@pytest.mark.parametrize("name", ["username", "user", "username_of_it", "it's a username"])
def test_a_secret_may_be_the_name_of_a_field(name: str) -> None:
    """A place stays a path, whose names are those of the redacted body."""
    body, argument = after_one_call({"password": "username", name: [{"id": "bob"}]}, jsonpath.render((name, 0, "id")))
    assert jsonpath.get(body, argument.location) == argument.value == "bob"
    assert "username" not in json.dumps(body) + argument.location


@pytest.mark.parametrize("name", ["access-token", "X-Api-Key", "api key", "Client Secret", "passphrase"])
def test_what_stands_under_the_name_of_a_secret_is_one(name: str) -> None:
    body, _ = after_one_call({name: "words of mine", "x": 1}, "$.x")
    assert body[name].startswith("REDACTED-") and list(body) == [name, "x"]


@pytest.mark.parametrize("link", ["/films?page=2&api_key={}", "https://example.org/films?a=b&amp;access-token={}#top"])
@pytest.mark.parametrize(
    ("written", "plain"), [("words-of-mine", "words-of-mine"), ("words%2Fof+mine", "words/of mine")]
)
def test_a_secret_in_a_link_is_one_wherever_it_stands(link: str, written: str, plain: str) -> None:
    """APIs repeat the key of a request in the links to more pages."""
    body, _ = after_one_call({"next": link.format(written), "said": [plain, written], "x": 1}, "$.x")
    assert re.fullmatch(re.escape(link).replace(r"\{\}", "REDACTED-[0-9a-f]{8}"), body["next"])
    assert not {plain, written} & set(body["said"])


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        (["abcdef", "abcdefghijk99"], "abcdef, abcdefghijk99"),
        (["abcdefghijk99", "abcdef"], "abcdef, abcdefghijk99"),
        (["ghijk9", "abcdefghijk99"], "ghijk9, abcdefghijk99"),
        (["abcdefghij", "fghijk99"], "abcdefghijk99"),
        (["abcdef"], "ghp_" + "abcdefA1" * 5),  # found by its form
    ],
)
def test_of_secrets_within_each_other_nothing_is_left(secrets: list[str], text: str) -> None:
    body, _ = after_one_call({"password": secrets, "note": text, "x": 1}, "$.x")
    assert re.fullmatch(r"REDACTED-[0-9a-f]{8}(, REDACTED-[0-9a-f]{8})?", body["note"])
    if "," in text:
        assert set(body["note"].split(", ")) == set(body["password"])


@pytest.mark.timeout(60)
def test_many_secrets_are_hidden_in_many_texts() -> None:
    users = [{"password": f"password of {number}", "note": f"I am {number}"} for number in range(50_000)]
    redactor = Redactor("trace", "US")
    redactor.learn(users)
    assert "password of" not in json.dumps(redactor.clean(users))


def test_what_an_item_was_chosen_by_is_named_as_in_the_body() -> None:
    users = [{"username": 7, "password": "username"}, {"username": 5}]
    body, argument = after_one_call({"users": users}, "$.users[0].username", chosen="highest username")
    assert argument.chosen.partition(" ")[2] in body["users"][0] and "username" not in argument.chosen


@pytest.mark.parametrize("secret", ["000001", "1.00000", "+000001"])
def test_a_short_number_is_no_secret_for_its_zeros(secret: str) -> None:
    body = {"page": 1, "users": [{"id": 41, "password": secret}, {"id": 1}]}
    assert after_one_call(body, "$.users[1].id") == (
        body, Argument(parameter="x", value=1, provenance="upstream", step=0, location="$.users[1].id")
    )  # fmt: skip


CARD, PHONE = 4532015112830366, 14155552671


def passed_on(value: object, taken: object, name: str = "id", said: object = None) -> tuple[object, object, object]:
    """What a body holds, what an argument takes from it and what the next body says, after redaction."""
    argument = Argument(parameter="user", value=taken, provenance="upstream", step=0, location=f"$.{name}")
    calls = [
        ExecutedCall(function="a", arguments=[], status=200, body={name: value, "other": 7}, origin="real"),
        ExecutedCall(function="b", arguments=[argument], status=200, body=said, origin="real"),
    ]
    first, second = redacted(CallTrace(id="0123456789abcdef", seed=1, calls=calls), PrivacyConfig()).calls
    (found,) = second.arguments
    assert first.body["other"] == 7
    return jsonpath.get(first.body, found.location), found.value, second.body


@pytest.mark.parametrize("value", [CARD, float(CARD)])
def test_a_number_is_replaced_where_its_text_is(value: float) -> None:
    held, taken, _ = passed_on(value, str(value))
    assert type(held) is type(value) and held != value and str(held) == taken
    (held, taken, _) = passed_on(str(CARD), CARD)  # the other way round
    assert isinstance(taken, int) and taken != CARD and held == str(taken)


def test_a_number_is_replaced_where_a_spelling_of_it_is() -> None:
    held, taken, said = passed_on("+14155552671", PHONE, said=["call 14155552671", "415 and +1 415-555-2671", -PHONE])
    assert isinstance(taken, int) and held == f"+{taken}" and said[0] == f"call {taken}" and said[2] == -taken
    assert not {"14155552671", "1 415-555-2671"} & set(said) and taken != PHONE
    held, taken, said = passed_on(CARD, CARD, said="4532 0151 1283 0366")
    assert held == taken == int(str(said).replace(" ", "")) != CARD


def test_a_number_that_is_nowhere_private_is_left_alone() -> None:
    assert passed_on(CARD, CARD, said="7") == (CARD, CARD, "7")
    assert passed_on(PHONE, str(PHONE), said=True) == (PHONE, str(PHONE), True)
    assert passed_on(81549300, "81549300", "access_token") == (81549300, "81549300", None)  # no text stands under it


@given(
    st.tuples(
        st.sampled_from([CARD, 4111111111111111, PHONE, 815493]) | st.integers(1, 2**53),
        st.sampled_from(["{}", "+{}", "{}.0", "00{}", None]),
    )
    | st.tuples(st.floats(1e-9, 1e17), st.sampled_from(["{}", None])),
    st.sampled_from(["string", "integer", "number"]),
    st.sampled_from(["id", "access_token", "phone"]),
    st.sampled_from(["+{}", "{}", "call {}.", {"access_token": "{}"}, None]),
)
def test_an_argument_is_what_its_body_holds_in_any_spelling(
    spelt: tuple[float, str | None], type_: ValueType, name: str, also: object
) -> None:
    number, spelling = spelt
    value = number if spelling is None else spelling.format(number)
    said = json.loads(json.dumps(also).replace("{}", str(number)))
    parameter = Parameter(name="user", location="query", type=type_)
    try:
        argument = coerced(parameter, value)
    except WrongType:
        assume(False)
    held, taken, echoed = passed_on(value, argument, name, said)
    assert coerced(parameter, held) == taken
    if isinstance(number, int):
        left = [str(number) in json.dumps(one) for one in (held, taken, *([echoed] if also else []))]
        assert all(left) or not any(left)


def test_the_sandbox_is_left_alone_unless_asked_for() -> None:
    made_up = trace("simulated")
    assert redacted(made_up, PrivacyConfig()) is made_up
    assert redacted(made_up, PrivacyConfig(origins=["simulated"])) != made_up


@given(st.recursive(st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_any_json_keeps_its_structure(body: object) -> None:
    def bones(value: object) -> object:
        if isinstance(value, dict):
            return {key: bones(item) for key, item in value.items()}
        return [bones(item) for item in value] if isinstance(value, list) else type(value)

    assert bones(Redactor("t", "US").clean(body)) == bones(body)
