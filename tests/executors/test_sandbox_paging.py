"""Pages by number, offset and cursor, totals, and bodies that wrap what they are about in a list."""

import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction
from tests.conftest import shared
from tests.executors.library import Client, api, param

USER = {"id": "W012A3CDE", "name": "spengler"}
FUNCTIONS = [
    api(
        "GET",
        "/users",
        param("cursor"),
        param("limit", "integer"),
        gives={"members": [USER], "response_metadata": {"next_cursor": "dXNlcjpVMEc5V0ZYTlo="}},
    ),
    api(
        "GET",
        "/logins",
        param("offset", "integer"),
        param("limit", "integer"),
        gives={"users": [USER], "meta": {"paging": {"total": 1, "offset": 0, "has_more": False}}},
    ),
    api("GET", "/users/{user_id}", param("user_id", location="path"), gives=USER),
]


def read(*names):
    config = DocumentsConfig(paths=[str(shared(*names))])
    return [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]


class TestCursor:
    def test_following_it_shows_everything_once(self):
        call, cursor, seen = Client(FUNCTIONS), None, []
        for _ in range(10):
            page = call.body("GET /users", cursor=cursor, limit=7)
            seen += [user["id"] for user in page["members"]]
            cursor = page["response_metadata"]["next_cursor"]
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == 24

    @pytest.mark.parametrize("cursor", ["nonsense", "dXNlcjpVMEc5V0ZYTlo=", "aXRlbXM6LTU="])
    def test_one_that_no_answer_gave_starts_at_the_beginning(self, cursor):
        call = Client(FUNCTIONS)
        assert call.body("GET /users", cursor=cursor) == call.body("GET /users")


class TestOffset:
    def test_it_moves_on_and_the_totals_stay(self):
        call = Client(FUNCTIONS)
        pages = [call.body("GET /logins", offset=offset, limit=10) for offset in (0, 10, 20)]
        assert [len(page["users"]) for page in pages] == [10, 10, 4]
        assert {page["meta"]["paging"]["total"] for page in pages} == {24}
        assert [page["meta"]["paging"]["offset"] for page in pages] == [0, 10, 20]
        assert [page["meta"]["paging"]["has_more"] for page in pages] == [True, True, False]


class TestRealDocuments:
    def test_slack_pages_by_cursor(self):
        call = Client(read("openapi", "slack_web_openapi_v2.json"))
        first = call.body("GET /conversations.list")
        second = call.body("GET /conversations.list", cursor=first["response_metadata"]["next_cursor"])
        assert not {one["id"] for one in first["channels"]} & {one["id"] for one in second["channels"]}

    def test_xero_wraps_one_thing_in_a_list(self):
        call = Client(read("openapi", "xero_accounting.yaml"))
        tenant = {"xero-tenant-id": "YOUR_XERO_TENANT_ID"}
        first, second = (call.body("GET /Contacts", page=page, **tenant) for page in (1, 2))
        total = first["pagination"]["itemCount"]
        assert total > len(first["Contacts"])
        assert second["pagination"]["itemCount"] == total
        assert first["Contacts"][0]["ContactID"] != second["Contacts"][0]["ContactID"]
        for contact in second["Contacts"]:
            found = call.body("GET /Contacts/{ContactID}", ContactID=contact["ContactID"], **tenant)
            assert [one["ContactID"] for one in found["Contacts"]] == [contact["ContactID"]]
            assert found["Contacts"][0]["Name"] == contact["Name"]
