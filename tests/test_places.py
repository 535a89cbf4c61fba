"""A place behaves the same on this machine and in an object store; what is not finished is not seen."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from goat_ray.errors import ConfigError, RunError
from goat_ray.places import Place, fetched


def tree(place: Place) -> dict[str, bytes]:
    return {name: (place / name).read_bytes() for name, _ in place.files()}


def test_files_are_written_listed_read_and_removed(folder: Place) -> None:
    run = folder / "run"
    assert not run.exists() and run.children() == []
    (run / "b" / "two.json").write_bytes(b"2")
    (run / "one.json").write_bytes(b"1")
    (run / "one.json").write_bytes(b"new")

    assert run.children() == [run / "b", run / "one.json"]
    assert [child.is_dir() for child in run.children()] == [True, False]
    assert (run / "one.json").read_bytes() == b"new" and (run / "one.json").open().read() == b"new"
    (run / "one.json").remove()
    assert not (run / "one.json").exists() and run.exists()
    run.remove()
    run.remove()
    assert not run.exists()
    with pytest.raises(FileNotFoundError):
        (run / "one.json").read_bytes()


def test_names(folder: Place) -> None:
    place = folder / "run" / "samples"
    assert (place.name, place.parent) == ("samples", folder / "run")
    assert Place.of(str(place)) == place == Place.of(place)
    assert pickle.loads(pickle.dumps(place)) == place
    if place.local is not None:
        assert Place.of(place.local.as_uri()) == place and Place.of(place.local) == place


def test_what_an_error_interrupts_is_not_seen(folder: Place) -> None:
    (folder / "old").write_bytes(b"old")
    for name in ("old", "new"):
        with pytest.raises(ZeroDivisionError), (folder / name).written() as file:
            file.write(b"half")
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), (folder / "model").made("seal") as here:
        (here / "seal").write_text("half")
        raise ZeroDivisionError
    assert tree(folder) == {"old": b"old"}


KILLED = """
import os, signal, sys
from goat_ray.places import Place
with Place.of(sys.argv[1]).written() as file:
    file.write(bytes(40_000_000))  # more than what waits in memory
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_interrupts_is_not_seen(folder: Place) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder / "new.json")], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "new.json").exists()
    assert [child for child in folder.children() if not child.name.endswith(".tmp")] == []


def test_folders_are_made_and_filled_from_this_machine(folder: Place) -> None:
    with (folder / "model").made("seal") as here:
        (here / "deep").mkdir()
        (here / "deep" / "weights").write_text("w")
        (here / "seal").write_text("s")
    assert tree(folder / "model") == {"deep/weights": b"w", "seal": b"s"}
    with (folder / "model").made("seal") as here:
        (here / "seal").write_text("late")
    assert (folder / "model" / "seal").read_bytes() == b"s", "who comes second leaves the first one's"

    with (folder / "model").filled() as here:
        (here / "more").write_text("m")
    assert tree(folder) == {"model/deep/weights": b"w", "model/seal": b"s", "model/more": b"m"}


def test_a_folder_is_refilled_without_what_it_held_and_nothing_else_is_touched(folder: Place) -> None:
    export = folder / "export"
    (export / "data" / "notes.txt").write_bytes(b"mine")
    for names in (("data/train-0", "data/train-1", "unseen/0"), ("data/train-0", "card")):
        with export.refilled(".listing") as here:
            for name in names:
                (here / name).parent.mkdir(exist_ok=True)
                (here / name).write_text(name)
        assert tree(export).keys() == {*names, "data/notes.txt", ".listing"}
    assert export.local is None or not (export.local / "unseen").exists()
    before = tree(export)
    with pytest.raises(ZeroDivisionError), export.refilled(".listing") as here:
        (here / "card").write_text("half")
        _ = 1 / 0
    assert tree(export) == before, "a failed export leaves no half"
    with pytest.raises(RunError, match=r"holds card, which no earlier"), export.refilled(".other") as here:
        (here / "card").write_text("of another kind")
    assert tree(export) == before
    (export / ".listing").write_bytes(b'["../outside", "card"]')
    (folder / "outside").write_bytes(b"o")
    with export.refilled(".listing") as here:
        pass
    assert (folder / "outside").exists() and not (export / "card").exists()


def test_folders_move_with_their_seals_last(folder: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data/part", "manifest.json"):
        (folder / "old" / name).write_bytes(name.encode())
    old, new = folder / "old", folder / "aside" / "old"
    if folder.local is None:  # a copy that fails leaves the source, and a target without a seal
        with monkeypatch.context() as broken:
            broken.setattr("goat_ray.places._transfer", _only("manifest.json"))
            with pytest.raises(RunError, match="no data"):
                old.move(new, ["manifest.json"])
        assert len(tree(old)) == 2 and not (new / "manifest.json").exists()

    old.move(new, ["manifest.json"])

    assert not old.exists()
    assert tree(new) == {"data/part": b"data/part", "manifest.json": b"manifest.json"}


def _only(name):
    def transfer(source, target, given):
        if given != name:
            raise RunError("no data", remedy="")
        raise AssertionError("a seal before the data")

    return transfer


def test_what_is_fetched_is_copied_once_and_again_when_it_changes(
    folder: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOAT_CACHE", str(tmp_path / "cache"))
    (folder / "agent" / "deep" / "weights").write_bytes(b"w")
    first = (folder / "agent").fetch()
    assert (first / "deep" / "weights").read_bytes() == b"w"
    assert (folder / "agent").fetch() == first == Path(fetched(str(folder / "agent")))
    assert (folder / "agent" / "deep" / "weights").fetch().read_bytes() == b"w"
    (folder / "agent" / "deep" / "weights").write_bytes(b"longer")
    assert ((folder / "agent").fetch() / "deep" / "weights").read_bytes() == b"longer"
    assert fetched("sentence-transformers/all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"
    if folder.local is None:
        with pytest.raises(FileNotFoundError):
            (folder / "nothing").fetch()
        assert [path for path in (tmp_path / "cache").rglob("*") if path.name.startswith("tmp")] == []


@pytest.mark.parametrize(
    "url", ["http://host/run", "s3://", "s3://key:secret@bucket/run", "s3://bucket/run?secret_key=secret", "hdfs://a/b"]
)
def test_urls_that_cannot_be_used_are_refused_without_repeating_secrets(url: str) -> None:
    with pytest.raises(ConfigError, match="is no URL of a folder in a store") as error:
        Place.of(url)
    assert "secret@" not in str(error.value) and "=secret" not in str(error.value)


@pytest.mark.parametrize("url", ["s3:/bucket/secret-run", "gs:/bucket", "abfs:/bucket/run", "file:/tmp/run"])
def test_a_url_with_one_slash_is_no_local_folder(url: str) -> None:
    with pytest.raises(ConfigError, match=rf"{url.partition(':')[0]}:/…: .*://") as error:
        Place.of(url)
    assert "secret" not in str(error.value)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Place.of("~/runs/demo") == Place.of(Path("~/runs/demo")) == Place.of(tmp_path / "runs" / "demo")
    assert Place.of("a/~/b") == Place.of(Path.cwd() / "a" / "~" / "b")


def test_a_store_that_cannot_be_used_is_one_clear_error(store: Place) -> None:
    with pytest.raises(RunError, match=r"s3://nowhere/run: the object store does not do it: .*nowhere.*credentials"):
        Place.of("s3://nowhere/run").make()
    with pytest.raises(RunError, match="nowhere"):
        Place.of("s3://nowhere/run/file").write_bytes(b"")


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_in_the_way_of_a_folder_is_one_clear_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(ConfigError, match="cannot be made: a file is in its way"):
        Place.of(tmp_path / "taken" / below).make()


def test_places_travel_without_credentials(store: Place) -> None:
    assert b"hush" not in pickle.dumps(store.filesystem)


def test_other_stores_have_their_clients_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as this goes without one: each URL has a client, which travels and knows the path by its own name."""
    google = Place.of("gs://bucket/run/")
    assert (google.filesystem.type_name, google.path) == ("gcs", "bucket/run")
    azure = Place.of("abfs://container/run")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(ConfigError, match=r"storage account of abfs:// .*AZURE_STORAGE_ACCOUNT"):
        azure.exists()
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "goats")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hush-hush")
    assert (azure.filesystem.type_name, azure.path) == ("abfs", "container/run")
    for place in (google, azure):
        travelled = pickle.dumps(place.filesystem)
        assert b"hush" not in travelled and pickle.loads(travelled) == place.filesystem
