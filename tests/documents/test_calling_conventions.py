"""What a call needs to know: how arrays are written, what the body is, and how callers are known."""

import pytest

from goat_ray.documents import swagger
from goat_ray.records import SecurityScheme

from .writing import api, read, read_one, source, taking

ARRAY = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("stated", "style", "explode"),
    [
        ({"schema": ARRAY}, "", None),
        ({"schema": ARRAY, "explode": False}, "", False),
        ({"schema": ARRAY, "style": "pipeDelimited", "explode": True}, "pipeDelimited", True),
        ({"schema": {"type": "object"}, "style": "deepObject", "explode": "yes"}, "deepObject", None),
        ({"content": {"application/json": {"schema": ARRAY}}}, "json", None),
        ({"schema": {"type": "string"}, "style": "form", "explode": False}, "", None),
    ],
)
def test_the_style_of_arrays_and_objects_is_kept(stated, style, explode):
    (parameter,) = read_one({"parameters": [{"name": "a", "in": "query", **stated}]}).parameters
    assert (parameter.style, parameter.explode) == (style, explode)


@pytest.mark.parametrize(
    ("written", "style", "explode"),
    [(None, "", False), ("csv", "", False), ("multi", "", True), ("ssv", "spaceDelimited", False)],
)
def test_swagger_says_it_in_other_words(written, style, explode):
    node = {"name": "a", "type": "array", "items": {"type": "string"}}
    node |= {"collectionFormat": written} if written else {}
    operation = {"parameters": [{**node, "in": "query"}, {**node, "name": "b", "in": "formData"}]}
    document = {"swagger": "2.0", "info": {"title": "Zoo"}, "paths": {"/animals": {"post": operation}}}
    (function,) = swagger.read(source(document))
    assert [(p.style, p.explode) for p in function.parameters] == [(style, explode)] * 2
    assert function.body_type == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("media_type", "kept"),
    [
        ("application/json", ""),
        ("application/problem+json", ""),
        ("*/*", ""),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("multipart/form-data", "multipart/form-data"),
        ("text/plain", "text/plain"),
    ],
)
def test_the_media_type_of_a_body_is_kept_unless_it_is_json(media_type, kept):
    assert read_one(taking({"properties": {"name": {"type": "string"}}}, media_type)).body_type == kept
    assert read_one({}).body_type == ""


def test_the_encoding_of_a_form_says_how_its_arrays_are_written():
    encoding = {"tags": {"style": "form", "explode": False}}
    form = taking({"properties": {"tags": ARRAY}}, "multipart/form-data", encoding=encoding)
    (tags,) = read_one(form).parameters
    assert (tags.style, tags.explode) == ("form", False)


def test_security_is_described_as_alternatives_of_schemes():
    schemes = {
        "key": {"type": "apiKey", "name": "X-Key", "in": "header"},
        "sign": {"type": "http", "scheme": "Bearer"},
    }
    document = api(
        {"/a": {"get": {"security": [{"key": [], "sign": []}, {"lost": []}, {}]}, "post": {}, "put": {"security": []}}},
        components={"securitySchemes": schemes},
        security=[{"sign": []}],
    )
    (get, post, put), _ = read(document)
    key = SecurityScheme(name="key", type="apiKey", location="header", parameter="X-Key")
    sign = SecurityScheme(name="sign", type="http", scheme="bearer")
    assert get.security == [[key, sign], [SecurityScheme(name="lost", type="")], []]
    assert (post.security, put.security) == ([[sign]], [])


def test_swagger_has_basic_as_a_type():
    document = {
        "swagger": "2.0",
        "info": {"title": "Zoo"},
        "securityDefinitions": {"who": {"type": "basic"}},
        "paths": {"/animals": {"get": {"security": [{"who": []}]}}},
    }
    (function,) = swagger.read(source(document))
    assert function.security == [[SecurityScheme(name="who", type="http", scheme="basic")]]
