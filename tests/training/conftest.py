"""Examples small enough to train on in seconds."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerBase

from goat_ray.graph.embedding import resolve_embedder
from goat_ray.identity import content_id
from goat_ray.records import Example, Span
from goat_ray.rows import Record
from goat_ray.training import ray_metrics
from goat_ray.training.tiny import make_tiny_model
from goat_ray.training.tokenization import load_tokenizer

Gauges = dict[str, dict[str, list[float]]]

WORDS = ["film", "actor", "search", "list", "credit", "season", "café", "🎬"]


def make_example(number: int, split: str = "train") -> Example:
    """A question whose answer is one masked value in JSON."""
    random_ = random.Random(number)
    value = str(random_.randrange(10**6))
    prompt = f"Find number {value}. " + " ".join(random_.choices(WORDS, k=10))
    target = f'{{"movie_id": "{value}", "page": 1}}'
    start = target.index(value)
    return Example(
        id=content_id(number, prompt),
        sample=content_id(number // 3),
        kind=("plan", "call", "answer")[number % 3],
        split=split,
        prompt=prompt,
        target=target,
        masked=[Span(start=start, end=start + len(value))],
    )


def write_parquet(folder: Path, records: Iterable[Record], files: int = 2) -> str:
    """Records as a Parquet folder of so many files."""
    records = list(records)
    folder.mkdir(parents=True)
    for number in range(files):
        rows = [record.to_row() for record in records[number::files]]
        pq.write_table(
            pa.Table.from_pylist(rows, schema=type(records[0]).arrow_schema()), folder / f"part-{number}.parquet"
        )
    return str(folder)


def small_embedder(folder: Path, dropout: float = 0.0) -> SentenceTransformer:
    """A sentence-transformer with random weights and MiniLM's tokenizer, in a folder."""
    tokenizer = AutoTokenizer.from_pretrained(resolve_embedder())
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    bert = Transformer(str(folder / "bert"))
    model = SentenceTransformer(modules=[bert, Pooling(config.hidden_size)], device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)
    return model


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """So small models gain nothing from a second thread, and on a busy machine waiting for it costs minutes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    """54 training and 6 validation examples."""
    records = [make_example(number, "validation" if number < 6 else "train") for number in range(60)]
    return write_parquet(tmp_path_factory.mktemp("examples") / "kept", records)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer with a chat template."""
    texts = [text for number in range(60) for text in (make_example(number).prompt, make_example(number).target)]
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"), texts, vocabulary=400, hidden=8, layers=1, heads=1)
    return load_tokenizer(str(folder))


@pytest.fixture
def gauges(monkeypatch: pytest.MonkeyPatch) -> Gauges:
    """What Ray's metrics are told of each training, by name."""
    told: Gauges = defaultdict(lambda: defaultdict(list))

    class Gauge:
        def __init__(self, name: str, description: str, tags: tuple[str, ...]) -> None:
            self.name, self.tags = name, tags

        def set(self, value: float, tags: dict[str, str]) -> None:
            assert tuple(tags) == self.tags
            told[tags["training"]][self.name].append(value)

    monkeypatch.setattr(ray_metrics, "Gauge", Gauge)
    return told
