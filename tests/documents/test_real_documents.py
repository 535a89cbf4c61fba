"""The readers on documents that companies publish."""

from pathlib import Path

import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Reject

DEMO = Path(__file__).resolve().parents[2] / "configs/demo/documents"


def ingested(*paths):
    config = DocumentsConfig(paths=[str(path) for path in paths])
    found = list(Ingest(config).process(discover(config)))
    for record in found:
        assert type(record).from_row(record.to_row()) == record
    functions = {one.title: one for one in found if isinstance(one, ApiFunction)}
    return functions, [one for one in found if isinstance(one, Reject)]


@pytest.fixture(scope="module")
def tmdb(shared):
    return ingested(shared("restbench/tmdb_oas.json"))


@pytest.fixture(scope="module")
def xero(shared):
    return ingested(shared("openapi/xero_accounting.yaml"))


class TestTmdb:
    def test_all_functions_are_read(self, tmdb):
        functions, rejects = tmdb
        assert (len(functions), rejects) == (54, [])
        assert {function.service for function in functions.values()} == {"api.themoviedb.org"}
        assert {function.server for function in functions.values()} == {"https://api.themoviedb.org/3"}

    def test_search_movie(self, tmdb):
        function = tmdb[0]["GET /search/movie"]
        assert {p.name: (p.location, p.type, p.required) for p in function.parameters} == {
            "query": ("query", "string", True),
            "page": ("query", "integer", False),
            "include_adult": ("query", "boolean", False),
            "region": ("query", "string", False),
            "year": ("query", "integer", False),
            "primary_release_year": ("query", "integer", False),
        }
        assert function.parameter("page").default == 1
        field = function.output("$.results[*].id")
        assert (field.type, field.schema_name, field.examples[0]) == ("integer", "movie-list-object", 24428)
        assert function.output("$.results[*].genre_ids[*]").type == "integer"
        assert function.response_example["results"][0]["id"] == 24428

    def test_movie_details(self, tmdb):
        function = tmdb[0]["GET /movie/{movie_id}"]
        assert function.parameter("movie_id").location == "path"  # stated at the path
        assert function.parameter("movie_id").required
        assert function.output("$.genres[*].id").examples == [18]
        assert function.output("$.release_date").format == "date"
        assert "Released" in function.output("$.status").enum
        assert "$.belongs_to_collection" not in [
            field.path for field in function.outputs
        ]  # a bare object, shown as null

    def test_trending_gets_its_fields_from_the_example(self, tmdb):
        function = tmdb[0]["GET /trending/{media_type}/{time_window}"]
        assert function.parameter("media_type").enum == ["all", "movie", "tv", "person"]
        field = function.output("$.results[*].id")
        assert (field.type, field.schema_name, field.examples[0]) == ("integer", "", 299536)

    def test_alternatives_share_their_fields(self, tmdb):
        field = tmdb[0]["GET /search/person"].output("$.results[*].known_for[*].id")
        assert len(field.schema_name.split(" | ")) == 2


class TestXero:
    def test_all_functions_are_read(self, xero):
        functions, rejects = xero
        assert len(functions) == 235
        assert {reject.reason for reject in rejects} == {"fields-cut", "name-taken"}  # beside kept functions

    def test_named_schemas_dates_and_codes(self, xero):
        accounts = xero[0]["GET /Accounts"]
        code = accounts.output("$.Accounts[*].Code")
        assert (code.type, code.schema_name, code.examples) == ("string", "Account", ["091", "200", "4400"])
        assert accounts.parameter("If-Modified-Since").example == "2020-02-06T12:17:43.202-08:00"
        assert (
            "2019-03-07T17:59:28Z"
            in xero[0]["GET /Invoices/{InvoiceID}"].output("$.Invoices[*].UpdatedDateUTCString").examples
        )

    def test_bodies(self, xero):
        create = xero[0]["PUT /Accounts"]
        assert create.parameter("Code").location == "body"
        assert "Class" not in [parameter.name for parameter in create.parameters]  # read-only
        upload = xero[0]["PUT /Accounts/{AccountID}/Attachments/{FileName}"]
        assert upload.parameter("$").location == "body"


def test_openapi_3_1_with_polymorphism(shared):
    functions, rejects = ingested(shared("openapi/adyen_checkout_v71.yaml"))
    assert len(functions) == 28
    assert [reject.reason for reject in rejects] == ["fields-cut"]
    payment = functions["POST /payments"]
    assert payment.parameter("amount.value").required
    assert payment.output("$.action.url").type == "string"
    assert payment.output("$.pspReference").schema_name == "PaymentResponse"


def test_the_demo_documents_are_read_without_rejects():
    files = [file for file in DEMO.iterdir() if file.is_file()]
    functions, rejects = ingested(DEMO)
    assert rejects == []
    assert len(functions) >= 3 * len(files)
    assert all(function.outputs for function in functions.values() if function.method == "GET")
