"""Finding the documents that a query needs."""

from collections.abc import Sequence

import faiss
import numpy as np

from goat_ray.agent.documents import DEFAULT_PARTS, DocumentPart, document_text
from goat_ray.graph.embedding import load_embedder
from goat_ray.records import ApiFunction


class Retriever:
    """The documents of a corpus, embedded once, searched exactly by cosine."""

    def __init__(
        self,
        functions: Sequence[ApiFunction],
        model: str = "",
        device: str = "",
        parts: Sequence[DocumentPart] = DEFAULT_PARTS,
    ) -> None:
        self.functions = list(functions)
        self._model = load_embedder(model, device)
        vectors = self._encode([document_text(function, parts) for function in self.functions])
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, queries: Sequence[str], k: int) -> list[list[ApiFunction]]:
        """The k nearest functions of each query, nearest first."""
        if not queries:
            return []
        _, numbers = self._index.search(self._encode(list(queries)), min(k, len(self.functions)))
        return [[self.functions[number] for number in row] for row in numbers]

    def similarities(self, queries: Sequence[str]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        """Cosines [queries, functions] of every query with every function, in the order of ``functions``."""
        vectors = self._index.reconstruct_n(0, len(self.functions))
        return np.asarray(self._encode(list(queries)) @ vectors.T, dtype=np.float32)

    def _encode(self, texts: list[str]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)
