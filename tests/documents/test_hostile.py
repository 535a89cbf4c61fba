"""Hostile and broken documents, read as a user reads them: discovered in a folder beside a good one."""

import json
import resource
import subprocess
import sys

import pytest

from goat_ray.documents import ingest as ingest_module
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Reject

from .writing import answering, api, taking

GOOD = json.dumps(api({"/good": {"get": answering({"properties": {"id": {"type": "integer"}}})}}))
MIB = 1 << 20


@pytest.fixture
def ingest(tmp_path):
    """(functions, rejects) of one document, checked: a good one beside it is read, and all can be stored."""

    def run(content, **limits):
        if isinstance(content, dict):
            content = json.dumps(content)
        (tmp_path / "bad").write_bytes(content.encode() if isinstance(content, str) else content)
        (tmp_path / "good.json").write_text(GOOD)
        config = DocumentsConfig(paths=[str(tmp_path)], **limits)
        found = list(Ingest(config).process(discover(config)))
        for record in found:
            assert type(record).from_row(record.to_row()) == record
            json.dumps(record.to_row(), allow_nan=False).encode()
        functions = [one for one in found if isinstance(one, ApiFunction)]
        assert functions.pop().path == "/good"
        rejects = [one for one in found if isinstance(one, Reject)]
        for reject in rejects:
            assert reject.detail.startswith("bad"), "no place"
            assert len(reject.detail.split(". ")) >= 2, "no remedy"
            assert "cannot be read:" not in reject.detail, "only the last resort caught it"
        return functions, rejects

    return run


def reasons(outcome):
    return [reject.reason for reject in outcome[1]]


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def nested_json(levels):
    return '{"properties": {"a": ' * levels + "{}" + "}}" * levels


DEEP_JSON = '{"openapi": "3.0.0", "paths": {}, "x": ' + nested_json(10_000) + "}"
DEEP_YAML = "openapi: 3.0.0\nx: " + "[" * 10_000 + "]" * 10_000
DEEP_BLOCK_YAML = "openapi: 3.0.0\nx:\n" + "".join(" " * i + "a:\n" for i in range(1, 3_000))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \r\n\t", "empty", id="blanks"),
        pytest.param(b"\x89PNG\r\n\x1a\n openapi", "binary", id="picture"),
        pytest.param(b"PK\x03\x04openapi", "binary", id="zip"),
        pytest.param(b"openapi: 3.0.0\n\x00\x01", "binary", id="nul"),
        pytest.param("openapi: 3.0.0\ninfo: {title: Zoë}".encode("latin-1"), "unreadable", id="latin-1"),
        pytest.param('openapi: "3.0.0"\nx: ë'.encode() + b"\xe9", "unreadable", id="mixed encodings"),
        pytest.param(DEEP_JSON, "too-deep", id="deep JSON"),
        pytest.param('{"openapi": ' + "[" * 1_000_000, "too-deep", id="endless JSON"),
        pytest.param(DEEP_YAML, "unreadable", id="deep YAML"),  # by libyaml, which looks ahead
        pytest.param(DEEP_BLOCK_YAML, "too-deep", id="deep YAML in blocks"),
        pytest.param('{"openapi": "3.0.0", "paths": {}, "x": NaN}', "unreadable", id="NaN"),
        pytest.param('{"openapi": "3.0.0", "x": ' + "9" * 10_000 + "}", "unreadable", id="endless integer"),
        pytest.param({"openapi": "3.0.0", "paths": [1, 2]}, "not-openapi", id="paths is a list"),
        pytest.param({"openapi": {"3": 0}, "paths": {}}, "not-openapi", id="version is an object"),
        pytest.param("openapi: 3.0.0\npaths: &p {/a: *p}\n", "too-deep", id="endless alias"),
    ],
)
def test_a_document_that_cannot_be_used_is_one_reject(ingest, content, reason):
    functions, rejects = ingest(content)
    assert (functions, [reject.reason for reject in rejects]) == ([], [reason])


def aliases(levels):
    lines = ["openapi: 3.0.0", "a0: &a0 [lol]"]
    return "\n".join(lines + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)])


def merges(width):
    wide = ", ".join(f"k{i}: 1" for i in range(width))
    return f"openapi: 3.0.0\nw: &w {{{wide}}}\nx: [{', '.join(['{<<: *w}'] * width)}]\n"


def test_yaml_bombs(ingest):
    assert reasons(ingest(aliases(30))) == ["too-large"]
    assert reasons(ingest(merges(3_000))) == ["unreadable"]


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("http://169.254.169.254/latest#/x", "remote-ref"),
        ("https://example.org/schema.json", "remote-ref"),
        ("../../../../../../etc/passwd", "outside-root"),
        ("/etc/passwd", "outside-root"),
        ("#/components/schemas/Missing", "bad-ref"),
        ("#/components/schemas/Self", "bad-ref"),
        ("#/components/schemas/Left", "bad-ref"),
    ],
)
def test_references_that_lead_astray_cost_their_operation_only(ingest, reference, reason):
    schemas = {"Self": ref("Self"), "Left": ref("Right"), "Right": ref("Left")}
    paths = {"/bad": {"get": answering({"$ref": reference})}, "/fine": {"get": {}}}
    functions, rejects = ingest(api(paths, schemas))
    assert [function.path for function in functions] == ["/fine"]
    assert [reject.reason for reject in rejects] == [reason]
    assert "$ref" in rejects[0].detail
    assert "#/paths/~1bad/get" in rejects[0].detail


def test_duplicate_operation_ids_are_kept_and_numbered(ingest):
    functions, rejects = ingest(api({f"/{i}": {"get": {"operationId": "x"}} for i in range(300)}))
    assert rejects == []
    assert {function.name for function in functions} == {"x", *(f"x_{i}" for i in range(2, 301))}


def test_an_operation_without_responses_is_a_function(ingest):
    ((function,), rejects) = ingest(api({"/a": {"get": {"operationId": "a"}}}))
    assert (function.outputs, rejects) == ([], [])


ODD = [None, 0, -1, 1.5, True, "", "text", "#/", [], [1], {}, {"a": 1}, {"$ref": 7}, [[]], 10**400, "\u0000"]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_wrong_types_everywhere(ingest, odd):
    """Each keyword in turn holds something that it must not hold: no operation but this one may be lost."""
    schema = {"type": "object", "properties": {"id": {"type": "integer", "enum": [1], "example": 1, "minimum": 0}}}
    keywords = (
        "type",
        "properties",
        "items",
        "required",
        "enum",
        "example",
        "examples",
        "default",
        "minimum",
        "format",
    )
    keywords += ("description", "allOf", "oneOf", "anyOf", "readOnly", "nullable", "additionalProperties", "const")
    operations = [answering({**schema, keyword: odd}) for keyword in keywords]
    operations += [taking({**schema, keyword: odd}) for keyword in keywords]
    operations += [
        {"parameters": [{"name": "p", "in": "query", "schema": {**schema, keyword: odd}}]} for keyword in keywords
    ]
    fields = ("parameters", "tags", "responses", "requestBody", "servers", "summary", "operationId", "deprecated")
    operations += [{field: odd} for field in (*fields, "security", "description")]
    operations += [{"responses": {"200": odd}}, {"responses": {"200": {"content": odd}}}, odd]
    operations += [answering(odd), answering({"properties": odd}), answering({"properties": {"a": odd}})]
    paths = {f"/{i}": {"get": operation} for i, operation in enumerate(operations)}
    functions, rejects = ingest(api(paths, info=odd, servers=odd, tags=odd, security=odd))
    places = [reject.detail.split("#/paths/~1")[1].split("/")[0] for reject in rejects if "#/paths/~1" in reject.detail]
    assert {function.path for function in functions} | {f"/{place}" for place in places} >= set(paths)


def test_components_of_wrong_types(ingest):
    for odd in ODD:
        functions, rejects = ingest(api({"/a": {"get": answering(ref("A"))}, "/b": {"get": {}}}) | {"components": odd})
        assert "/b" in [function.path for function in functions]
        assert reasons((functions, rejects)) == ["bad-ref"]


def test_the_last_of_two_equal_keys_counts(ingest):
    text = '{"openapi": "3.0.0", "paths": {"/a": {}, "/a": {"get": {"summary": "1", "summary": "2"}}}}'
    ((function,), rejects) = ingest(text)
    assert (function.summary, rejects) == ("2", [])


def test_numbers_and_texts_that_no_other_program_would_take(ingest):
    content = json.dumps(
        api({"/a": {"get": answering({"properties": {"n": {"example": "@", "enum": [10**400]}}}, example={"n": 1})}})
    ).replace('"@"', r'"a\ud800"')
    ((function,), rejects) = ingest(content.replace('{"n": 1}', '{"n": 1e999, "m": "\\udfff"}'))
    assert rejects == []
    assert function.output("$.n").examples == ["1e999", "a\ufffd"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_any_unicode_encoding_is_read(ingest, encoding):
    ((function,), _) = ingest("openapi: 3.0.0\npaths: {/zoë: {get: {}}}\n".encode(encoding))
    assert function.path == "/zoë"


def test_a_hundred_thousand_properties_are_cut(ingest):
    schema = {"properties": {f"p{i}": {"type": "string", "example": str(i)} for i in range(100_000)}}
    functions, _ = ingest(api({"/a": {"post": answering(schema) | taking(schema)}}), max_fields=50)
    assert len(functions[0].outputs) == len(functions[0].parameters) == 50


_MEASURED = """
import resource, sys
from goat_ray.documents import ingest as ingest_module
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
config = DocumentsConfig(paths=sys.argv[1:])
documents = discover(config)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for found in Ingest(config).process(documents):
    print(getattr(found, "reason", "function"))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", ["sparse", "aliases", "merges"])
def test_memory_stays_small(tmp_path, name):
    """In a process of its own, whose peak tells; the address space is bounded too, in case a bomb goes off."""
    file = tmp_path / "bad"
    with file.open("wb") as stream:
        if name == "sparse":
            stream.write(b'{"openapi": "3.0.0"')
            stream.truncate(200 * MIB)
        else:
            stream.write((aliases(40) if name == "aliases" else merges(5_000)).encode())
    good = tmp_path / "good.json"
    good.write_text(GOOD)
    limit = 6_000 * MIB
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(file), str(good)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    *outcomes, grown = done.stdout.split()
    assert outcomes == ["unreadable" if name == "merges" else "too-large", "function"]
    assert int(grown) < {"sparse": 40, "aliases": 150, "merges": 1_500}[name]  # MiB


def test_server_variables_that_name_each_other_stay_as_they_are(ingest):
    """Ten of them would be thirty gigabytes."""
    names = [f"v{number}" for number in range(10)]
    variables = {name: {"default": f"{{{below}}}" * 10} for name, below in zip(names, [*names[1:], "end"], strict=True)}
    server = {"url": "https://{v0}.example", "variables": variables}
    functions, rejects = ingest({**api({"/a": {"get": answering({})}}), "servers": [server]})
    assert [one.server for one in functions] == [f"https://{'{v1}' * 10}.example"] and rejects == []


def test_parts_of_thousands_of_members_each_are_one_reject(ingest):
    """Two million members to gather, from a document of 200 KB."""
    schemas = {"all": {"properties": {f"p{number}": {} for number in range(5_000)}}}
    schemas |= {f"part{number}": {"allOf": [{"$ref": "#/components/schemas/all"}]} for number in range(400)}
    whole = {"allOf": [{"$ref": f"#/components/schemas/part{number}"} for number in range(400)]}
    functions, rejects = ingest({**api({"/a": {"get": answering(whole)}}), "components": {"schemas": schemas}})
    assert functions == [] and [reject.reason for reject in rejects] == ["too-deep"]


def test_json_in_an_example_that_is_quoted_as_a_text_holds_what_json_can(ingest):
    """Checked by the fixture, which stores what is read."""
    for quoted in ('{"rate": NaN, "most": 1e999}', '{"rate": "\\ud83d"}'):
        body = {"get": {"responses": {"200": {"content": {"application/json": {"example": quoted}}}}}}
        functions, rejects = ingest(api({"/a": body}))
        assert len(functions) == 1 and rejects == []


def test_what_no_reader_foresees_is_that_documents_reject(ingest, monkeypatch):
    def stumble(source):
        if source.document.path == "bad":
            raise IndexError("list index out of range")
        return read(source)

    read = ingest_module._read
    monkeypatch.setattr(ingest_module, "_read", stumble)
    with pytest.raises(AssertionError, match="only the last resort caught it"):
        ingest(api({"/other": {"get": answering({})}}))
