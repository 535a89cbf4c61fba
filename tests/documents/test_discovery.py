import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.errors import ConfigError, RunError
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Document
from tests.conftest import free_port


@pytest.fixture
def folder(tmp_path):
    for name, content in {
        "apis/b.json": "b",
        "apis/a.yaml": "a",
        "apis/deep/er/c": "c",
        "apis/deep/copy-of-a.txt": "a",
        "apis/.hidden/d.json": "d",
        "apis/.e.json": "e",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


def found(*paths):
    return [(document.root, document.path) for document in discover(DocumentsConfig(paths=list(map(str, paths))))]


def test_a_folder_gives_all_visible_files_below_it_once_and_in_order(folder):
    root = str(folder / "apis")
    assert found(root) == [(root, "a.yaml"), (root, "b.json"), (root, "deep/er/c")]


def test_the_root_of_a_file_is_its_folder(folder):
    assert found(folder / "apis/deep/er/c") == [(str(folder / "apis/deep/er"), "c")]


def test_paths_keep_their_order_and_globs_are_sorted(folder):
    names = [path for _, path in found(folder / "apis/b.json", folder / "apis/**/*[ac]*")]
    assert names == ["b.json", "a.yaml", "c"]


def test_a_file_whose_name_looks_like_a_glob_is_found(tmp_path):
    (tmp_path / "api[1].json").write_text("x")
    assert [path for _, path in found(tmp_path / "api[1].json")] == ["api[1].json"]


def test_the_id_is_of_the_content_alone(folder):
    (folder / "elsewhere").write_text("b")
    (first,) = discover(DocumentsConfig(paths=[str(folder / "apis/b.json")]))
    (second,) = discover(DocumentsConfig(paths=[str(folder / "elsewhere")]))
    assert first.id == second.id
    assert len(first.id) == 16


@pytest.mark.parametrize("path", ["missing.json", "apis/*.xml", "empty"])
def test_a_path_without_files_is_an_error_with_a_remedy(folder, path, monkeypatch):
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"no file is at .*Give a file, a folder"):
        discover(DocumentsConfig(paths=["apis", path]))


def test_something_to_read_is_needed():
    with pytest.raises(ValueError, match="nothing to read"):
        DocumentsConfig(paths=[])


GOOD = b"openapi: 3.0.0\ninfo: {title: Zoo}\npaths: {/a: {get: {}}}\n"


class TestStores:
    """Against the server of the tests, by the driver that run directories use: nothing else is installed."""

    @pytest.fixture
    def zoo(self, store_folder):
        for name in ("apis/b.yaml", "apis/deep/a.yaml", "apis/.hidden/c.yaml", "apis/deep/.d.yaml"):
            (store_folder / name).write_bytes(GOOD + name.encode().join([b"# ", b"\n"]))
        return store_folder

    def test_a_folder_a_glob_and_a_file(self, zoo):
        assert found(f"{zoo}/apis/") == [(f"{zoo}/apis", "b.yaml"), (f"{zoo}/apis", "deep/a.yaml")]
        for pattern in ("**/a.yaml", "*/deep/[a-c].y?ml", "apis/deep/a.yaml"):
            assert found(f"{zoo}/{pattern}") == [(f"{zoo}/apis/deep", "a.yaml")]
        assert found(f"{zoo}/apis/*.yaml") == [(f"{zoo}/apis", "b.yaml")]
        assert found(f"{zoo}/ap*") == found(f"{zoo}/apis"), "a folder that a glob matches"

    def test_a_file_whose_name_looks_like_a_glob(self, zoo):
        (zoo / "api[1].json").write_bytes(b"x")
        assert found(f"{zoo}/api[1].json") == [(str(zoo), "api[1].json")]

    def test_documents_are_the_same_as_from_files(self, zoo, tmp_path):
        (tmp_path / "copy").write_bytes((zoo / "apis" / "b.yaml").read_bytes())
        config = DocumentsConfig(paths=[f"{zoo}/apis/b.yaml"])
        (remote,) = discover(config)
        (local,) = discover(DocumentsConfig(paths=[str(tmp_path)]))
        assert remote.id == local.id
        assert list(Ingest(config).process([remote])) == list(Ingest(config).process([local]))
        assert isinstance(next(Ingest(config).process([remote])), ApiFunction)

    def test_what_is_gone_too_large_or_outside_is_rejected(self, zoo):
        step = Ingest(DocumentsConfig(paths=["x"], max_bytes=20))
        names = {"gone.yaml": "unreadable", "b.yaml": "too-large", "../../secret": "outside-root"}
        rejects = list(step.process([Document(id=name, path=name, root=f"{zoo}/apis") for name in names]))
        assert {reject.id: reject.reason for reject in rejects} == names
        assert all(reject.id in reject.detail for reject in rejects)

    def test_a_file_url_is_a_path(self, folder):
        assert found(f"file://{folder}/apis/b.json") == [(str(folder / "apis"), "b.json")]

    @pytest.mark.parametrize("path", ["none", "*.xml"])
    def test_an_empty_store_is_an_error(self, zoo, path):
        with pytest.raises(ConfigError, match="no file is at"):
            found(f"{zoo}/{path}")

    def test_a_store_that_does_not_answer_is_an_error_with_a_remedy(self, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setattr("goat_ray.places._RETRIES", 1)
        with pytest.raises(RunError, match=r"s3://elsewhere/apis: the object store does not do it: .*credentials"):
            found("s3://elsewhere/apis")

    @pytest.mark.parametrize("path", ["https://example.org/a.json", "shell://ls", "zip://a::s3://b", "memory://x/y"])
    def test_other_schemes_are_refused(self, path):
        with pytest.raises(ConfigError, match="is no URL of a folder in a store"):
            found(path)


@pytest.mark.parametrize("where", ["tmp_path", "store_folder"])
def test_the_id_of_a_document_changes_with_the_files_that_it_refers_to(where, request):
    root = Place.of(request.getfixturevalue(where))
    parts = root / "parts"
    (root / "api.yaml").write_bytes(b"openapi: 3.0.0\nx: {$ref: 'parts/a.json#/A'}\n")
    (parts / "a.json").write_bytes(b'{"A": {"$ref": "b.yaml"}}')
    (parts / "b.yaml").write_bytes(b"type: string")
    (parts / "unrelated.yaml").write_bytes(b"type: string")

    def id_of_api():
        (document,) = discover(DocumentsConfig(paths=[f"{root}/api.yaml"]))
        return document.id

    first = id_of_api()
    (parts / "unrelated.yaml").write_bytes(b"type: integer")
    assert id_of_api() == first
    (parts / "b.yaml").write_bytes(b"type: integer")
    assert id_of_api() != first


@pytest.mark.parametrize(
    "content",
    [
        b'{"x": {"$ref": "parts\\/the zoo.json#\\/A"}}',
        b"x: {$ref: 'parts/the zoo.json#/A'}",
        b"x:\n  $ref: parts/the%20zoo.json#/A\n",
        '{"$ref": "parts/the zoo.json"}'.encode("utf-16"),
    ],
)
def test_a_reference_counts_for_the_id_however_it_is_written(tmp_path, content):
    (tmp_path / "parts").mkdir()
    (tmp_path / "api").write_bytes(content)
    ids = set()
    for kind in ("string", "integer"):
        (tmp_path / "parts" / "the zoo.json").write_text(f'{{"A": {{"type": "{kind}"}}}}')
        (document,) = discover(DocumentsConfig(paths=[str(tmp_path / "api")]))
        ids.add(document.id)
    assert len(ids) == 2


def test_references_out_of_the_folder_are_not_looked_at_for_the_id(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (root / "api.json").write_text('{"$ref": "../secret.json", "b": {"$ref": "https://x.example/y.json"}}')
    (document,) = discover(DocumentsConfig(paths=[str(root)]))
    (tmp_path / "secret.json").write_text('{"a": 1}')
    (again,) = discover(DocumentsConfig(paths=[str(root)]))
    assert again.id == document.id
