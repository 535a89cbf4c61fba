import random
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from goat_ray.errors import RunError
from goat_ray.graph.embedding import load_embedder
from goat_ray.identity import content_id
from goat_ray.records import RetrievalPair
from goat_ray.training.config import RetrieverTrainingConfig
from goat_ray.training.progress import Losses
from goat_ray.training.retriever import train_retriever
from tests.training.conftest import write_parquet

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.usefixtures("ray_cluster")]

CONFIG = RetrieverTrainingConfig(epochs=1, batch_size=10, log_every=1, learning_rate=1e-4)
NOUNS = "movie actor season album track playlist review company keyword genre".split()
CODES = "tiger lemon hammer violin desert anchor candle rocket pillow garden".split()
SECRET = {code: f"GET /{noun}: returns one {noun}" for code, noun in zip(CODES, NOUNS, strict=True)}


def pairs(count: int, split: str, seed: int) -> list[RetrievalPair]:
    """Queries that name a document by a code word, which no untrained embedder can know."""
    random_ = random.Random(seed)
    made = []
    for number in range(count):
        code = CODES[number % len(CODES)]
        query = f"please use {code} for request {random_.randrange(10**6)}"
        made.append(RetrievalPair(id=content_id(query, code), query=query, document=SECRET[code], split=split))
    return made


def accuracy(model: SentenceTransformer) -> float:
    """How many queries have their own document nearest."""
    documents = list(SECRET.values())
    asked = pairs(20, "test", seed=2)
    scores = model.similarity(
        model.encode([pair.query for pair in asked], show_progress_bar=False),
        model.encode(documents, show_progress_bar=False),
    )
    nearest = scores.argmax(dim=1).tolist()
    return sum(documents[at] == pair.document for at, pair in zip(nearest, asked, strict=True)) / len(asked)


@pytest.mark.slow
def test_two_hundred_pairs_teach_what_no_embedder_knows(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "pairs", pairs(200, "train", 0) + pairs(20, "validation", 1))
    output = tmp_path / "retriever"
    said: list[str] = []
    report = train_retriever(
        folder, str(output), CONFIG, storage=str(tmp_path / "runs"), name="retriever", say=said.append
    )
    assert (report.pairs, report.steps, report.dropped) == (200, 20, {})
    assert report.last_loss < report.first_loss - 0.5
    assert report.validation_loss is not None and report.validation_loss < report.first_loss
    losses = [Losses.model_validate_json(line) for line in (output / "losses.jsonl").read_text().splitlines()]
    assert [row.step for row in losses] == list(range(1, 21))
    assert accuracy(load_embedder(str(output), "cpu")) > accuracy(load_embedder("", "cpu")) + 0.2
    spoken = len(said)
    again = train_retriever(
        folder, str(output), CONFIG, storage=str(tmp_path / "runs"), name="retriever", say=said.append
    )
    assert again == report and len(said) == spoken, "a finished training is not run again"


def test_pairs_without_any_negative_are_an_error(tmp_path: Path) -> None:
    only = [pair.model_copy(update={"document": "the same", "split": "train"}) for pair in pairs(10, "train", 0)]
    with pytest.raises(RunError, match="too few"):
        train_retriever(
            write_parquet(tmp_path / "pairs", only), str(tmp_path / "out"), CONFIG, storage=str(tmp_path), name="r"
        )
