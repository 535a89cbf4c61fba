"""For each function those that it might be confused with, by the graph and by the embedder."""

from collections.abc import Iterator, Sequence

from goat_ray.agent.documents import DEFAULT_PARTS, DocumentPart, document_text
from goat_ray.graph.config import GraphConfig
from goat_ray.graph.embedding import Embed
from goat_ray.graph.neighbours import find_neighbours
from goat_ray.records import ApiFunction, Edge, Embedding, Lookalikes, Neighbours
from goat_ray.runner import Runner
from goat_ray.shards import search_of
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.distractors import KEPT, lookalikes


def find_lookalikes(
    runner: Runner,
    functions: Dataset[ApiFunction],
    edges: Dataset[Edge],
    config: GraphConfig,
    parts: Sequence[DocumentPart] = DEFAULT_PARTS,
) -> Dataset[Lookalikes]:
    """The run's ``lookalikes``; functions are embedded as the retriever sees them."""
    embed = Embed(config.embedding)
    texts = runner.gather(
        "function_texts",
        Embedding,
        lambda: (
            Embedding(id=function.id, text=document_text(function, parts), asked=True, carried=True)
            for function in FunctionStore.open(functions.data)
        ),
        settings=list(parts),
        inputs=[functions],
    )
    embeddings = runner.bulk(embed, texts, into="function_embeddings")
    nearest = config.candidates.model_copy(update={"per_parameter": KEPT + 1})  # one is the function itself
    neighbours = runner.gather_tables(
        "function_neighbours",
        Neighbours,
        lambda: find_neighbours(embeddings, nearest, runner.directory, search_of(runner.directory)),
        settings={"embed": embed.settings(), **nearest.decisive()},
        inputs=[embeddings],
    )
    return runner.gather(
        "lookalikes",
        Lookalikes,
        lambda: lookalikes(FunctionStore.open(functions.data), _links(edges), neighbours.records()),
        settings={},
        inputs=[functions, edges, neighbours],
    )


def _links(edges: Dataset[Edge]) -> Iterator[tuple[str, str]]:
    for batch in edges.batches(["source", "target"]):
        yield from zip(batch["source"].to_pylist(), batch["target"].to_pylist(), strict=True)
