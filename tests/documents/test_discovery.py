import pytest

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.errors import ConfigError


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


@pytest.mark.parametrize("path", ["missing.json", "apis/*.xml", "empty", "https://example.org/openapi.json"])
def test_a_path_without_files_is_an_error_with_a_remedy(folder, path, monkeypatch):
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"no file is at .*Give a file, a folder"):
        discover(DocumentsConfig(paths=["apis", path]))


def test_at_least_one_path_is_needed():
    with pytest.raises(ValueError, match="at least 1 item"):
        DocumentsConfig(paths=[])
