"""A step takes no folder that holds what no step has written, and goes on in every folder that a kill has left."""

from pathlib import Path

import pytest

from goat_ray.carryover import REMAINING
from goat_ray.config import RunConfig
from goat_ray.console import Console
from goat_ray.errors import RunError
from goat_ray.places import Place
from goat_ray.records import Document
from goat_ray.runner import Runner
from goat_ray.stage import CHECKPOINT
from goat_ray.storage import BOOKS
from tests.steps import documents


def make(runner: Runner, count: int = 3) -> int:
    return runner.gather("documents", Document, lambda: documents(count), settings={"count": count}).rows


@pytest.mark.parametrize("name", ["api.yaml", "deep/api.yaml", "outcomes", ".hidden"])
def test_files_of_others_are_left_where_they_are(folder: Place, name: str) -> None:
    mine = folder / "project" / "documents" / name
    mine.write_bytes(b"openapi: 3.0.0")
    with pytest.raises(RunError, match=r"holds files that no step has written \(.*\)\. Choose another run\.directory"):
        make(Runner(folder / "project", Console()))
    assert mine.read_bytes() == b"openapi: 3.0.0"


def test_a_file_of_a_datasets_name_is_left_where_it_is(folder: Place) -> None:
    (folder / "project" / "documents").write_bytes(b"mine")
    with pytest.raises(RunError, match="no step has written"):
        make(Runner(folder / "project", Console()))
    assert (folder / "project" / "documents").read_bytes() == b"mine"


def test_what_a_kill_can_leave_without_books_is_made_anew(folder: Place) -> None:
    """Before the books are written, while a folder is removed, and while one is moved in a store."""
    left = folder / "run" / "documents"
    for name in ("outcome=kept/part-0.parquet", "outcome=rejected/a.parquet", f"{CHECKPOINT}/x.pending.parquet"):
        (left / name).write_bytes(b"cut off")
    (left / REMAINING / "part-000000.parquet").write_bytes(b"cut off")
    for book in BOOKS:
        (left / f".{book}.0a1b2c3d.tmp").write_bytes(b"cut off")
    assert make(Runner(folder / "run", Console())) == 3
    assert {name.partition("/")[0] for name, _ in left.files()} == {"outcome=kept", "manifest.json"}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run" / "documents").mkdir(parents=True)
    assert make(Runner(tmp_path / "run", Console())) == 3


@pytest.mark.parametrize("empty", ["", " "])
def test_no_run_directory_is_not_this_folder(empty: str) -> None:
    with pytest.raises(ValueError, match="names no folder"):
        RunConfig(directory=empty)
