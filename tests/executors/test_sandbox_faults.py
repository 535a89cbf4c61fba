"""Faults on purpose: as many as asked for, the same ones everywhere, and none by default."""

from collections import Counter

import pytest
from pydantic import ValidationError

from goat_ray import metering
from goat_ray.executors.sandbox.config import FaultsConfig
from tests.executors.library import Client

SHARES = {"timeout": 0.1, "server_error": 0.2, "rate_limit": 0.1}


def statuses(call, count=600):
    return [call("GET /books", page=1 + number % 3).status for number in range(count)]


def test_none_by_default():
    assert set(statuses(Client(), 50)) == {200}


def test_shares_are_kept():
    metering.drain()
    found = Counter(statuses(Client(faults=SHARES)))
    assert metering.drain() == {(f"status {status}", "sandbox"): amount for status, amount in found.items()}
    assert set(found) == {200, 429, 500, 504}
    for status, share in ((504, 0.1), (500, 0.2), (429, 0.1)):
        assert abs(found[status] / 600 - share) < 0.05


def test_the_same_session_fails_alike_and_another_seed_does_not():
    call = Client(faults=SHARES)
    first = statuses(call, 60)
    assert statuses(call.afresh(), 60) == first
    assert statuses(Client(faults=SHARES), 60) == first
    assert statuses(Client(faults=SHARES, seed=1), 60) != first


def test_what_was_called_before_decides_too():
    call = Client(faults={"server_error": 0.5})
    outcomes = set()
    for before in range(20):
        session = call.afresh()
        session("GET /books", page=before + 1)
        outcomes.add(session("GET /authors/{author_id}", author_id=2041).status)
    assert outcomes == {200, 500}


def test_the_same_call_again_may_succeed():
    call = Client(faults={"server_error": 0.5})
    outcomes = [call("GET /books/{book_id}", book_id=50312).status for _ in range(20)]
    assert {200, 500} == set(outcomes)


def test_a_write_that_fails_changes_nothing():
    call = Client(faults={"timeout": 0.5})
    made = sum(call("POST /books", title="A New Tale").status == 201 for _ in range(20))
    while not (listed := call("GET /books")).ok:
        pass
    assert 0 < made < 20
    assert listed.body["total"] == 24 + made


def test_shares_above_one_are_refused():
    with pytest.raises(ValidationError, match="add up to more than 1"):
        FaultsConfig(timeout=0.6, server_error=0.6)
