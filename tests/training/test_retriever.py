"""A training on two workers, with hard negatives and cached gradients, is a plain loop over the same batches."""

import json
import random
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import get_scheduler

from goat_ray.errors import RunError
from goat_ray.graph.embedding import load_embedder
from goat_ray.identity import content_id, rng
from goat_ray.records import RetrievalExample
from goat_ray.training.config import RetrieverTrainingConfig
from goat_ray.training.retriever import train_retriever, training_id
from goat_ray.training.retriever_data import COLUMNS, load_retrieval_data
from goat_ray.training.retriever_loop import GRADIENT_CLIPPING
from goat_ray.training.retriever_loss import MultiPositiveLoss
from goat_ray.training.scanning import dataset_id
from tests.training.conftest import small_embedder, write_parquet

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.usefixtures("ray_cluster")]

NOUNS = "movie actor season album track playlist review company keyword genre".split()
CODES = "tiger lemon hammer violin desert anchor candle rocket pillow garden".split()
SECRET = {code: f"GET /{noun}: returns one {noun}" for code, noun in zip(CODES, NOUNS, strict=True)}


def config(base: Path, **changes: object) -> RetrieverTrainingConfig:
    settings = {"base_model": str(base), "epochs": 2, "batch_size": 16, "learning_rate": 5e-3, "log_every": 1}
    return RetrieverTrainingConfig(**{**settings, **changes})


def examples(count: int, split: str, seed: int) -> list[RetrievalExample]:
    """Queries that name two documents each by code words, which no untrained embedder can know."""
    random_ = random.Random(seed)
    made = []
    for _ in range(count):
        first, second, other = random_.sample(CODES, 3)
        query = f"please use {first} and {second} for request {random_.randrange(10**6)}"
        positives, negatives = [SECRET[first], SECRET[second]], [SECRET[other]]
        made.append(
            RetrievalExample(id=content_id(query), query=query, positives=positives, negatives=negatives, split=split)
        )
    return made


def plain_losses(folder: str, config: RetrieverTrainingConfig) -> list[float]:
    """One process, no cache, no Ray."""
    data, model = load_retrieval_data(folder, "train"), load_embedder(config.base_model, "cpu")
    loss_of = MultiPositiveLoss(model, config.temperature, chunk=None)
    epochs = [data.batches(config.batch_size, rng("batches", config.seed, epoch)) for epoch in range(config.epochs)]
    steps = sum(map(len, epochs))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = get_scheduler("linear", optimizer, round(config.warmup_fraction * steps), steps)
    losses = []
    for batch in (batch for epoch in epochs for batch in epoch):
        share = data.share(batch, rank=0, world=1)
        loss = loss_of([model.preprocess(texts) for texts in (share.queries, share.documents)], share.relation)
        optimizer.zero_grad()
        (loss / share.pairs).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIPPING)
        optimizer.step()
        schedule.step()
        losses.append(loss.item() / share.pairs)
    return losses


def accuracy(model: SentenceTransformer) -> float:
    """How many queries have a document that they need nearest."""
    documents = list(SECRET.values())
    asked = examples(20, "test", seed=2)
    scores = model.similarity(
        model.encode([example.query for example in asked], show_progress_bar=False),
        model.encode(documents, show_progress_bar=False),
    )
    nearest = scores.argmax(dim=1).tolist()
    return sum(documents[at] in example.positives for at, example in zip(nearest, asked, strict=True)) / len(asked)


@pytest.mark.parametrize("fails", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_two_workers_with_cached_gradients_are_a_plain_loop_that_learns(tmp_path: Path, fails: bool) -> None:
    """Also where it fails amid an epoch, and goes on from a checkpoint."""
    small_embedder(tmp_path / "base")
    settings = config(tmp_path / "base", workers=2, chunk=5, cpus_per_worker=0.5, max_failures=0, checkpoint_every=5)
    folder = write_parquet(tmp_path / "examples", examples(200, "train", 0) + examples(20, "validation", 1))
    output, said = tmp_path / "retriever", list[str]()

    def train():
        return train_retriever(folder, str(output), settings, storage=str(tmp_path / "runs"), name="r", say=said.append)

    if fails:
        name = f"r-{training_id(dataset_id(folder, COLUMNS), settings)}"
        in_the_way = tmp_path / "runs" / name / "step-00000020"  # of a checkpoint amid the second epoch
        in_the_way.parent.mkdir(parents=True)
        in_the_way.touch()
        with pytest.raises(RunError, match="training stopped"):
            train()
        in_the_way.unlink()

    report = train()
    assert report.resumed_at == (15 if fails else 0)
    assert ("continuing at step 15 of 26" in said) == fails
    assert (report.queries, report.documents, report.steps, report.dropped) == (200, 10, 26, {})
    losses = [json.loads(line)["loss"] for line in (output / "losses.jsonl").read_text().splitlines()]
    assert losses == pytest.approx(plain_losses(folder, settings), abs=1e-3)
    assert report.validation_loss is not None and report.validation_loss < report.first_loss
    before, after = (accuracy(load_embedder(str(place), "cpu")) for place in (tmp_path / "base", output))
    assert after > before + 0.3

    card = (output / "README.md").read_text()
    assert 'library_name: "sentence-transformers"' in card and f'base_model: "{tmp_path / "base"}"' in card
    assert json.loads((output / "training.json").read_text())["lineage"]["corpus"] in card

    spoken = len(said)
    assert train() == report and len(said) == spoken, "a finished training is not run again"


def test_documents_without_any_other_are_an_error(tmp_path: Path) -> None:
    only = [
        example.model_copy(update={"positives": ["the same"], "negatives": []}) for example in examples(10, "train", 0)
    ]
    with pytest.raises(RunError, match="too few"):
        train_retriever(
            write_parquet(tmp_path / "examples", only),
            str(tmp_path / "out"),
            RetrieverTrainingConfig(),
            storage=str(tmp_path),
            name="r",
        )
