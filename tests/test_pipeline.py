"""The road from documents to samples on the shipped documents, by the same classes as `goat run`."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goat_ray import benchmarking
from goat_ray.config import GoatConfig
from goat_ray.console import Console
from goat_ray.documents.config import DocumentsConfig
from goat_ray.errors import ConfigError
from goat_ray.evaluation.benchmark import Benchmark
from goat_ray.pipeline import Road
from goat_ray.places import Place
from goat_ray.records import ApiFunction, Edge, Example, Sample
from goat_ray.runner import Runner
from goat_ray.storage import Dataset
from tests.world import World, make_samples

pytestmark = pytest.mark.ray


def road(directory: Path, documents: Path, plans: int) -> Road:
    return Road(
        GoatConfig.model_validate(
            {
                "run": {"directory": str(directory)},
                "documents": DocumentsConfig(paths=[str(documents)]).model_dump(),
                "sampling": {"plans": plans},
            }
        )
    )


def test_engines_end_with_the_work_however_it_ends(
    ray_cluster: None, tmp_path: Path, demo_documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are detached: on a cluster that lives on, nobody else would give their GPUs back."""
    one, released = road(tmp_path, demo_documents / "none", 1), []
    monkeypatch.setattr(one.teacher, "release", lambda: released.append("engines"))
    with pytest.raises(ConfigError):
        one.perform("ingest")
    assert released == ["engines"]


def test_before_its_training_the_retriever_is_what_training_starts_from(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what embeds the texts of the graph, which may be another model."""
    sections = {"graph": {"embedding": {"model": "of/texts"}}, "training": {"retriever": {"base_model": "a/base"}}}
    settings = {"run": {"directory": str(tmp_path)}, "documents": {"paths": ["unread"]}, **sections}
    one = Road(GoatConfig.model_validate(settings))
    one.runner.gather("functions", ApiFunction, lambda: list(world.functions), settings={})
    one.runner.gather("samples", Sample, lambda: make_samples(world, 4), settings={})
    trained, asked = str(tmp_path / "retriever"), []
    finished = one.runner.finished
    examples: Any = SimpleNamespace(data="")
    monkeypatch.setattr(one.runner, "finished", lambda name, *of: examples if of == (Example,) else finished(name, *of))
    monkeypatch.setattr(one, "train_retriever", lambda: Place.of(trained))
    monkeypatch.setattr(one, "train_agent", lambda: "agent")
    monkeypatch.setattr("goat_ray.training.agent.base_model", lambda *_: "base")
    monkeypatch.setattr("goat_ray.pipeline.retriever_scores", lambda models, *_: asked.append(models) or [])

    assert one.contenders() == {"untuned": ("base", "a/base"), "tuned": ("agent", trained)}
    one.evaluate_retriever()
    assert asked == [{"untuned": "a/base", "tuned": trained}]

    monkeypatch.setattr(one, "graph", lambda: SimpleNamespace(records=lambda: iter(())))
    monkeypatch.setattr(benchmarking, "Retriever", lambda functions, model, parts: asked.append(model))
    empty = benchmarking.Benchmarking(one, Benchmark("b", [], {}, str), list(world.functions), [])
    for planner in ("graph", "graph-tuned"):
        empty.evaluate(planner, tmp_path / "into")
    assert asked[1:] == ["a/base", trained]


@pytest.mark.soak
def test_documents_that_grow_and_change_give_what_they_would_have_given_at_once(
    ray_cluster: None, tmp_path: Path, demo_documents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also: the same input, configuration and seed give the same samples in another directory.

    What is taken over for one step is in ``test_carryover.py``.
    """
    first, second, *rest = sorted(demo_documents.iterdir())
    documents = tmp_path / "documents"
    documents.mkdir()
    for file in (second, *rest):
        shutil.copy(file, documents)
    old = documents / second.name
    old.write_text(old.read_text().replace("Identifier of the", "Number of the"))
    road(tmp_path / "run", documents, 120).graph()
    shutil.copy(first, documents)
    shutil.copy(second, documents)
    capsys.readouterr()

    samples = road(tmp_path / "run", documents, 120).synthesize()

    said = capsys.readouterr().out
    for name in ("embeddings", "verified"):
        taken, total = re.search(rf"{name}: ([\d,]+) of ([\d,]+) are as before", said).groups()
        assert 0.1 < int(taken.replace(",", "")) / int(total.replace(",", "")) < 1
    whole = road(tmp_path / "whole", demo_documents, 120)
    at_once = whole.synthesize()
    edges = road(tmp_path / "run", documents, 120).runner.finished("edges", Edge)
    # Which texts share a batch moves the last bits of their vectors, and so, at times, a cosine's last digit.
    assert without_similarity(edges) == without_similarity(whole.runner.finished("edges", Edge))
    assert told(samples) == told(at_once)


def told(samples: Dataset[Sample]) -> dict[str, Sample]:
    """The samples by id, without the fingerprint of the settings, which names the documents' folder."""
    return {
        one.id: one.model_copy(update={"lineage": one.lineage.model_copy(update={"fingerprint": ""})})
        for one in samples.records()
    }


def without_similarity(edges: Dataset[Edge]) -> dict[str, Edge]:
    return {edge.id: edge.model_copy(update={"similarity": 0.0}) for edge in edges.records()}


def test_every_edge_carries_what_each_filter_saw(world: World) -> None:
    for edge in world.edges:
        assert edge.similarity == 1 and edge.reason and edge.teacher == "rules"
        assert edge.execution and edge.origin == "simulated"


def test_samples_are_parquet_that_others_can_read(tmp_path: Path, world: World) -> None:
    import datasets

    samples = Runner(Place.of(tmp_path / "run"), Console()).gather(
        "samples", Sample, lambda: make_samples(world, 12), settings={}
    )
    read = datasets.load_dataset("parquet", data_dir=samples.data, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(read) == samples.rows > 0
    assert {"query", "subqueries", "calls", "response", "lineage"} <= set(read.column_names)
