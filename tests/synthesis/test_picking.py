"""Picking properties: values stand where they are said to stand, and the highest is the highest."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray import jsonpath
from goat_ray.records import Binding, CallPlan, PlannedCall
from goat_ray.synthesis.picking import NoValue, Picks, comparable

FIELDS = ("$.results[*].id", "$.results[*].name", "$.results[*].owner.id", "$.results[*].tags[*].id", "$.page")

maybe_text = st.none() | st.text(max_size=3)
items = st.fixed_dictionaries(
    {
        "id": st.none() | st.integers(1, 99),
        "score": st.floats(0, 10) | st.integers(0, 10),
        "released": st.dates().map(str),
    },
    optional={
        "name": maybe_text,
        "owner": st.fixed_dictionaries({"id": maybe_text}),
        "tags": st.lists(st.fixed_dictionaries({"id": st.integers(1, 9)}), max_size=3),
    },
)
bodies = st.fixed_dictionaries({"page": st.integers(1, 3), "results": st.lists(items, max_size=6)})


def plan_of(name: str, fields: list[str]) -> CallPlan:
    bindings = [Binding(parameter=f"p{n}", step=0, field=field) for n, field in enumerate(fields)]
    calls = [PlannedCall(function="a", bindings=[]), PlannedCall(function="b", bindings=bindings)]
    return CallPlan(id=name, calls=calls, seed=0)


@given(st.text(max_size=4), bodies, st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True))
def test_values_stand_at_their_location_and_come_from_one_item(name: str, body: Any, fields: list[str]) -> None:
    picks = Picks(plan_of(name, fields))
    try:
        found = {field: picks.pick(0, field, body) for field in fields}
    except NoValue:
        return
    for field, pick in found.items():
        assert jsonpath.get(body, pick.location) == pick.value not in (None, "")
        assert re.sub(r"\[\d+\]", "[*]", pick.location) == field
    assert len({pick.location.split("]")[0] for field, pick in found.items() if "[" in field}) <= 1
    again = Picks(plan_of(name, fields))
    assert {field: again.pick(0, field, body) for field in fields} == found


@given(st.text(max_size=4), bodies)
def test_the_highest_is_really_the_highest(name: str, body: Any) -> None:
    try:
        pick = Picks(plan_of(name, ["$.results[*].id"])).pick(0, "$.results[*].id", body)
    except NoValue:
        assert all(item["id"] is None for item in body["results"])
        return
    index = jsonpath.parse(pick.location)[1]
    assert isinstance(index, int)
    if pick.chosen:
        word, member = pick.chosen.split()
        values = [item[member] for item in body["results"]]
        best = max(values) if word in ("highest", "latest") else min(values)
        assert values.count(best) == 1
        assert values[index] == best
        assert (word in ("latest", "earliest")) == (member == "released")


@given(st.text(max_size=4), bodies, st.integers(2, 4))
def test_a_fan_out_takes_distinct_values_from_different_items(name: str, body: Any, count: int) -> None:
    picks = Picks(plan_of(name, ["$.results[*].id", "$.results[*].name"]))
    found = [
        [one.pick(0, field, body) for field in ("$.results[*].id", "$.results[*].name")]
        for one in picks.spread(0, "$.results[*].id", body, count)
    ]
    assert len(found) <= count
    assert len({ids.value for ids, _ in found}) == len(found)
    for ids, name_ in found:
        assert ids.chosen == name_.chosen == "each"
        assert ids.location.split("]")[0] == name_.location.split("]")[0]


def test_an_item_has_all_that_the_plan_takes_from_its_list() -> None:
    body = {"results": [{"id": 1}, {"id": None, "name": "b"}, {"id": 3, "name": "c"}]}
    for seed in range(20):
        picks = Picks(plan_of(str(seed), ["$.results[*].id", "$.results[*].name"]))
        assert picks.pick(0, "$.results[*].id", body).value == 3
        assert picks.pick(0, "$.results[*].name", body).value == "c"


@pytest.mark.parametrize(
    ("items_", "names"),
    [
        ([{"id": 2, "votes": 1}, {"id": 3, "votes": 5}], ["votes"]),
        ([{"votes": 1}, {"votes": 10**400}], ["votes"]),
        ([{"votes": 1}, {"votes": 1}], []),
        ([{"votes": 1}, {"votes": None}], []),
        ([{"votes": 1}], []),
        ([{"page": 1, "ok": True}, {"page": 2, "ok": False}], []),
        ([{"on": "2024-01-02"}, {"on": "2023-01-02"}], ["on"]),
        ([{"on": "2024-01-02"}, {"on": "2023-01-02T10:00:00Z"}], []),
        ([1, 2], []),
    ],
)
def test_only_what_tells_items_apart_is_compared(items_: list[Any], names: list[str]) -> None:
    assert [name for name, _ in comparable(items_)] == names


def test_of_a_mixed_list_an_item_of_the_wanted_kind_is_taken() -> None:
    body = {"results": [{"id": n, "media_type": "tv" if n == 4 else "movie"} for n in range(1, 7)]}
    for name in map(str, range(20)):
        plan = plan_of(name, ["$.results[*].id"])
        binding = plan.calls[1].bindings[0].model_copy(update={"parameter": "tv_id"})
        show = plan.model_copy(update={"calls": [plan.calls[0], PlannedCall(function="b", bindings=[binding])]})
        assert Picks(show).pick(0, "$.results[*].id", body).value == 4
