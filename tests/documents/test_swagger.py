import json
from collections import Counter

import pytest
import yaml

from goat_ray.documents import openapi, swagger
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.flaws import Flaw, NoOperations, NotOpenApi
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Reject

from .writing import api, source


def swag(paths, **top):
    return {"swagger": "2.0", "info": {"title": "Zoo"}, "paths": paths, **top}


def read(document):
    found = list(swagger.read(source(document)))
    return [x for x in found if isinstance(x, ApiFunction)], [x for x in found if isinstance(x, Reject)]


def read_one(operation, **top):
    (function,), rejects = read(swag({"/animals": {"post": operation}}, **top))
    assert not rejects, rejects
    return function


PET = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}


def test_it_gives_what_the_same_document_in_openapi_3_gives():
    limit = {"name": "limit", "in": "query", "description": "How many"}
    kind = {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
    body = {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    old = swag(
        {
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "integer"}],
                "get": {
                    "tags": ["pets"],
                    "deprecated": True,
                    "parameters": [{"$ref": "#/parameters/Limit"}],
                    "responses": {"200": {"$ref": "#/responses/Pet"}},
                },
                "post": {"parameters": [body], "responses": {"201": {"description": "made"}}},
            }
        },
        host="zoo.example",
        basePath="/v1/",
        schemes=["http", "https"],
        consumes=["application/json"],
        produces=["application/json"],
        definitions={"Pet": PET},
        parameters={"Limit": limit | kind},
        responses={"Pet": {"schema": {"$ref": "#/definitions/Pet"}, "examples": {"application/json": {"name": "Rex"}}}},
    )
    schema = {"$ref": "#/components/schemas/Pet"}
    answer = {"content": {"application/json": {"schema": schema, "example": {"name": "Rex"}}}}
    new = api(
        {
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "get": {
                    "tags": ["pets"],
                    "deprecated": True,
                    "parameters": [{**limit, "schema": kind}],
                    "responses": {"200": answer},
                },
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
                    "responses": {"201": {"description": "made"}},
                },
            }
        },
        {"Pet": PET},
        servers=[{"url": "https://zoo.example/v1"}],
    )
    functions, rejects = read(old)
    assert (functions, rejects) == (list(openapi.read(source(new))), [])
    assert (len(functions), functions[0].outputs[0].schema_name) == (2, "Pet")
    assert read(yaml.safe_dump(old, sort_keys=False).replace("'2.0'", "2.0"))[0] == functions


def test_a_form_becomes_body_parameters():
    function = read_one(
        {
            "consumes": ["multipart/form-data"],
            "parameters": [
                {"name": "title", "in": "formData", "type": "string", "required": True, "description": "Its title"},
                {"name": "photo", "in": "formData", "type": "file"},
                {"name": "kind", "in": "formData", "type": "string", "enum": ["cat", None], "x-nullable": True},
                {
                    "name": "tags",
                    "in": "formData",
                    "type": "array",
                    "items": {"type": "integer"},
                    "collectionFormat": "multi",
                },
                {
                    "name": "page",
                    "in": "query",
                    "type": "array",
                    "items": {"type": "string"},
                    "collectionFormat": "csv",
                },
            ],
        }
    )
    assert [(p.name, p.location, p.type, p.item_type, p.required) for p in function.parameters] == [
        ("page", "query", "array", "string", False),
        ("title", "body", "string", None, True),
        ("photo", "body", "string", None, False),
        ("kind", "body", "string", None, False),
        ("tags", "body", "array", "integer", False),
    ]
    assert function.parameter("title").description == "Its title"
    assert function.parameter("photo").format == "binary"
    assert function.parameter("kind").enum == ["cat"]


def test_the_body_of_the_operation_goes_before_that_of_the_path():
    def body(name):
        return {"name": "b", "in": "body", "schema": {"properties": {name: {"type": "string"}}}}

    item = {"parameters": [body("path")], "put": {"parameters": [body("own")]}, "post": {}}
    (put, post), _ = read(swag({"/a": item}))
    assert [[p.name for p in function.parameters] for function in (put, post)] == [["own"], ["path"]]
    whole = read_one({"parameters": [{"name": "b", "in": "body", "schema": {"type": "string"}, "required": True}]})
    assert [(p.name, p.required) for p in whole.parameters] == [("$", True)]


@pytest.mark.parametrize(
    ("top", "own", "server"),
    [
        ({"host": "a.example"}, {}, "https://a.example"),
        ({"host": "a.example", "schemes": ["http"], "basePath": "/"}, {}, "http://a.example"),
        ({"host": "a.example", "schemes": ["http"]}, {"schemes": ["https"]}, "https://a.example"),
        ({"basePath": "/v2/"}, {}, "/v2"),
        ({"host": 7, "schemes": "x"}, {}, ""),
    ],
)
def test_the_server_is_put_together(top, own, server):
    assert read_one(own, **top).server == server


@pytest.mark.parametrize(
    ("produces", "response", "fields"),
    [
        (None, {"schema": PET}, 2),
        (["application/xml", "application/json"], {"schema": PET}, 2),
        (["application/xml"], {"schema": PET}, 0),
        (["application/xml"], {"schema": PET, "examples": {"application/json": {"name": "Rex", "tail": 1}}}, 3),
        (None, {"examples": {"application/json": '{"name": "Rex"}'}}, 1),
        (None, {"examples": {"text/plain": "Rex"}}, 0),
        (None, {"description": "nothing"}, 0),
    ],
)
def test_the_json_response_is_read(produces, response, fields):
    top = {} if produces is None else {"produces": produces}
    assert len(read_one({"responses": {"200": response}}, **top).outputs) == fields
    assert len(read_one({"responses": {"200": response}, **top}, produces=["text/html"]).outputs) == (
        fields if produces or "examples" in response else 0
    )


def test_alternatives_written_as_a_list_of_items():
    choices = [{"properties": {"id": {"type": "string"}}}, {"properties": {"n": {"type": "integer"}}}]
    schema = {"properties": {"user": {"items": choices}, "pair": {"type": "array", "items": choices}}}
    function = read_one({"responses": {"200": {"schema": schema}}})
    assert [field.path for field in function.outputs] == ["$.user.id", "$.user.n", "$.pair[*].id", "$.pair[*].n"]


def test_credentials_are_no_arguments():
    schemes = {"key": {"type": "apiKey", "name": "k", "in": "query"}, "basic": {"type": "basic"}}
    parameters = [
        {"name": "k", "in": "query", "type": "string"},
        {"name": "token", "in": "formData", "type": "string", "description": "Authentication token"},
        {"name": "x", "in": "formData", "type": "string"},
    ]
    top = {"securityDefinitions": schemes, "security": [{"key": []}]}
    assert [p.name for p in read_one({"parameters": parameters}, **top).parameters] == ["x"]
    basic = read_one({"parameters": parameters, "security": [{"basic": []}]}, **top)
    assert [p.name for p in basic.parameters] == ["k", "x"]


@pytest.mark.parametrize("document", [{"swagger": "1.2"}, {"swagger": None}, {"swagger": "2.0", "paths": []}, "[]"])
def test_other_documents_are_refused(document):
    with pytest.raises(NotOpenApi):
        read(document)
    with pytest.raises(NoOperations):
        read(swag({}))


@pytest.mark.parametrize("node", [None, 7, [], {"in": "body"}, {"in": "formData"}, {"$ref": "#/parameters/no"}])
@pytest.mark.parametrize("key", ["parameters", "responses", "security", "consumes", "schemes"])
def test_nonsense_does_no_worse_than_a_reject(key, node):
    for value in (node, [node], {"200": node}, {"200": {"examples": node, "schema": node}}):
        try:
            functions, rejects = read(swag({"/a": {"get": {key: value}}, "/b": {"get": {}}}, **{key: value}))
        except Flaw:
            continue
        assert len(functions) + len(rejects) == 2
        assert "cannot be read" not in json.dumps([reject.detail for reject in rejects])


def test_slack(shared):
    config = DocumentsConfig(paths=[str(shared("openapi/slack_web_openapi_v2.json"))])
    found = list(Ingest(config).process(discover(config)))
    functions = {one.name: one for one in found if isinstance(one, ApiFunction)}
    assert (len(functions), len(found)) == (174, 174)
    assert {function.server for function in functions.values()} == {"https://slack.com/api"}
    parameters = [parameter for function in functions.values() for parameter in function.parameters]
    assert not [parameter for parameter in parameters if parameter.name == "token"]
    assert set(Counter(parameter.location for parameter in parameters)) == {"query", "body"}
    post = functions["chat_postMessage"]
    assert (post.parameter("channel").location, post.parameter("channel").required) == ("body", True)
    user = functions["users_info"].output("$.user.id")
    assert (user.type, user.examples) == ("string", ["W012A3CDE"])
    assert all(function.outputs and function.response_example is not None for function in functions.values())
