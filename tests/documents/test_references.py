"""Documents made of several files."""

import json

import pytest
import yaml

from goat_ray.documents import files, openapi
from goat_ray.documents.config import Limits
from goat_ray.documents.loading import Source
from goat_ray.records import ApiFunction, Document, Reject

from .writing import answering, api


@pytest.fixture
def read(tmp_path):
    """Writes files, JSON or YAML by their names, and reads the first: (functions, rejects)."""

    def run(contents, **limits):
        root = tmp_path / "root"
        for name, content in contents.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            dump = json.dumps if name.endswith(".json") else yaml.safe_dump
            file.write_text(content if isinstance(content, str) else dump(content, sort_keys=False))
        document = Document(id="0" * 16, path=next(iter(contents)), root=str(root))
        found = list(openapi.read(Source.open(document, Limits(**limits))))
        return [x for x in found if isinstance(x, ApiFunction)], [x for x in found if isinstance(x, Reject)]

    return run


def fields(function):
    return {field.path: (field.type, field.schema_name) for field in function.outputs}


PET = {"type": "object", "properties": {"id": {"type": "integer"}, "owner": {"$ref": "../people.yaml#/Person"}}}
PEOPLE = {"Person": {"type": "object", "properties": {"name": {"$ref": "#/Name"}}}, "Name": {"type": "string"}}


def test_references_are_relative_to_the_file_that_holds_them(read):
    document = api({"/pet": {"$ref": "paths/pet.yaml"}, "/people": {"get": answering({"$ref": "people.yaml#/Person"})}})
    item = {"get": answering({"$ref": "../schemas/Pet.json"})}
    contents = {"api.yaml": document, "paths/pet.yaml": item, "schemas/Pet.json": PET, "people.yaml": PEOPLE}
    (pet, people), rejects = read(contents)
    assert not rejects
    assert fields(pet) == {"$.id": ("integer", "Pet"), "$.owner.name": ("string", "Person")}
    assert fields(people) == {"$.name": ("string", "Person")}


def test_several_files_give_what_one_gives(read):
    schemas = {"Pet": {"properties": {"mate": {"$ref": "#/components/schemas/Pet"}, "id": {"type": "integer"}}}}
    operation = answering({"$ref": "#/components/schemas/Pet"})
    (whole,), _ = read({"a/api.json": api({"/pet": {"get": operation}}, schemas)})
    back = {"Pet": {"properties": {"mate": {"$ref": "../api.json#/components/schemas/Pet"}, "id": {"type": "integer"}}}}
    split = api({"/pet": {"get": operation}}) | {"components": {"schemas": {"$ref": "./parts/all.yaml"}}}
    (parts,), rejects = read({"a/api.json": split, "a/parts/all.yaml": back})
    assert (parts, rejects) == (whole, [])


def test_files_that_refer_to_each_other_end(read):
    one = {"type": "object", "properties": {"two": {"$ref": "two.json"}, "x": {"type": "string"}}}
    two = {"type": "object", "properties": {"one": {"$ref": "one.json"}, "self": {"$ref": "#"}}}
    document = api({"/a": {"get": answering({"$ref": "one.json"})}, "/b": {"get": answering({"$ref": "r1.json"})}})
    contents = {"api.json": document, "one.json": one, "two.json": two}
    contents |= {"r1.json": {"$ref": "r2.json#/x"}, "r2.json": {"$ref": "r1.json"}}
    (function,), (reject,) = read(contents)
    assert "$.x" in fields(function)
    assert (reject.reason, "circle" in reject.detail) == ("bad-ref", True)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("../secret.yaml", "outside-root"),
        ("parts/../../secret.yaml", "outside-root"),
        ("%2e%2e/secret.yaml", "outside-root"),
        ("/etc/passwd", "outside-root"),
        (".hidden.yaml", "outside-root"),
        ("parts/.git/config", "outside-root"),
        ("link.yaml", "outside-root"),
        ("http://evil.example/a.yaml", "remote-ref"),
        ("//evil.example/a.yaml", "remote-ref"),
        ("file:///etc/passwd", "remote-ref"),
        ("C:\\secret.yaml", "remote-ref"),
        ("missing.yaml", "unreadable"),
        ("parts", "unreadable"),
        ("nul%00.yaml", "unreadable"),
        (f"{'x' * 5_000}.yaml", "unreadable"),
        ("broken.json", "unreadable"),
        ("good.yaml#/nowhere", "bad-ref"),
    ],
)
def test_what_cannot_be_had_rejects_only_what_needs_it(read, tmp_path, reference, reason):
    (tmp_path / "secret.yaml").write_text("type: string\n")
    (tmp_path / "root/parts").mkdir(parents=True)
    (tmp_path / "root/link.yaml").symlink_to(tmp_path / "secret.yaml")
    bad, good = answering({"$ref": reference}), answering({"$ref": "good.yaml"})
    document = api({"/a": {"get": bad}, "/b": {"get": good}, "/c": {"get": bad}})
    contents = {"api.yaml": document, "good.yaml": {"type": "string"}, ".hidden.yaml": {"type": "string"}}
    functions, rejects = read(contents | {"broken.json": "{"})
    assert [function.path for function in functions] == ["/b"]
    assert [reject.reason for reject in rejects] == [reason, reason]
    assert rejects[0].detail.startswith("api.yaml#/paths/~1a/get: $ref ")


def test_all_files_together_are_bounded(read, monkeypatch):
    paths = {f"/{i}": {"get": answering({"$ref": f"{i}.json"})} for i in range(9)}
    contents = {"api.json": api(paths)} | {f"{i}.json": {"description": "x" * 1_000} for i in range(9)}
    functions, rejects = read(contents, max_bytes=len(json.dumps(contents["api.json"])) + 4_500)
    assert (len(functions), {reject.reason for reject in rejects}) == (4, {"too-large"})
    monkeypatch.setattr(files, "MAX_FILES", 3)
    functions, rejects = read(contents)
    assert (len(functions), {reject.reason for reject in rejects}) == (3, {"too-large"})


def test_paths_and_operations_may_be_elsewhere(read):
    document = api({}) | {"paths": {"$ref": "paths.yaml"}}
    contents = {"api.yaml": document, "paths.yaml": {"/a": {"get": {"$ref": "get.yaml"}}}, "get.yaml": {"summary": "A"}}
    (function,), rejects = read(contents)
    assert (function.title, function.summary, rejects) == ("GET /a", "A", [])
