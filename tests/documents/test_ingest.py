import pickle

import pytest

from goat_ray.documents.config import DocumentsConfig, Limits
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Document, Reject

GOOD = "openapi: 3.0.0\ninfo: {title: Zoo}\npaths: {/a: {get: {}}, /b: {get: {$ref: 1}, put: 7}}\n"


@pytest.fixture
def ingest(tmp_path):
    """Writes files into a folder and ingests it: (functions, rejects)."""

    def run(files, **limits):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        config = DocumentsConfig(paths=[str(tmp_path)], **limits)
        found = list(Ingest(config).process(discover(config)))
        return [x for x in found if isinstance(x, ApiFunction)], [x for x in found if isinstance(x, Reject)]

    return run


def test_every_document_gives_functions_or_a_reject_with_its_id(ingest, tmp_path):
    functions, rejects = ingest(
        {
            "a-good": GOOD,
            "b-swagger.json": '{"swagger": "2.0", "paths": {}}',
            "c-notes.md": "# Notes on [openapi",
            "d-picture.png": b"\x89PNG\r\n\x1a\n\x00\xff",
            "e-empty": "",
            "f-none.yaml": "openapi: 3.1.0\npaths: {}\n",
            "g-old.yaml": "openapi: 2\n",
            "h-bad.json": '{"openapi": "3.0.0", ',
        }
    )
    assert [function.path for function in functions] == ["/a", "/b"]
    assert [(reject.detail.split(":")[0], reject.reason) for reject in rejects] == [
        ("a-good#/paths/~1b/put", "bad-operation"),
        ("b-swagger.json", "no-operations"),
        ("c-notes.md", "unknown-format"),
        ("d-picture.png", "binary"),
        ("e-empty", "empty"),
        ("f-none.yaml", "no-operations"),
        ("g-old.yaml", "not-openapi"),
        ("h-bad.json", "unreadable"),
    ]
    ids = [document.id for document in discover(DocumentsConfig(paths=[str(tmp_path)]))]
    assert [reject.id for reject in rejects[1:]] == ids[1:]
    assert all(len(reject.detail) > 30 for reject in rejects)


def test_a_file_over_the_limit_is_rejected(ingest):
    functions, (reject,) = ingest({"a.yaml": GOOD}, max_bytes=len(GOOD) - 1)
    assert not functions
    assert reject.reason == "too-large"
    assert "documents.max_bytes" in reject.detail


def test_bombs_cost_little_and_harm_nobody_else(ingest):
    aliases = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 15)]
    functions, rejects = ingest(
        {
            "bomb.yaml": "\n".join(["openapi: 3.0.0", "a0: &a0 [lol]", *aliases]),
            "deep.json": '{"openapi": "3.0.0", "paths": ' + '{"a":' * 10_000 + "1" + "}" * 10_001,
            "good.yaml": GOOD.replace("put: 7", "put: {}"),
        }
    )
    assert [reject.reason for reject in rejects] == ["too-large", "too-deep"]
    assert len(functions) == 3


def test_links_may_not_lead_out_of_the_folder(ingest, tmp_path, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.yaml"
    secret.write_text(GOOD)
    (tmp_path / "link.yaml").symlink_to(secret)
    functions, (reject,) = ingest({})
    assert not functions
    assert reject.reason == "outside-root"
    (step,) = (Ingest(Limits()),)
    (reject,) = step.process([Document(id="x", path="../secret.yaml", root=str(tmp_path))])
    assert reject.reason == "outside-root"


def test_a_file_that_is_gone_is_rejected(tmp_path):
    (reject,) = Ingest(Limits()).process([Document(id="x", path="gone.yaml", root=str(tmp_path))])
    assert (reject.id, reject.reason) == ("x", "unreadable")


def test_the_step_is_cheap_to_send_and_its_fingerprint_follows_the_limits():
    step = pickle.loads(pickle.dumps(Ingest(DocumentsConfig(paths=["a"]))))
    assert step.fingerprint() == Ingest(DocumentsConfig(paths=["b"])).fingerprint() == Ingest(Limits()).fingerprint()
    assert step.fingerprint() != Ingest(Limits(max_fields=7)).fingerprint()
    assert (step.takes, step.gives, step.one_to_one) == (Document, ApiFunction, False)
