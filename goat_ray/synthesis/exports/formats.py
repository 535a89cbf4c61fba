"""The formats that a corpus can be written in."""

from collections.abc import Callable
from pathlib import Path

from goat_ray.synthesis.exports import bfcl, chat, huggingface, published
from goat_ray.synthesis.exports.corpus import Corpus

Write = Callable[[Corpus, Path], dict[str, int]]
"""Writes a corpus into a folder: file name -> entries."""

FORMATS: dict[str, Write] = {
    "openai": chat.write_openai,
    "messages": chat.write_messages,
    "axolotl": chat.write_axolotl,
    "sharegpt": chat.write_sharegpt,
    "bfcl": bfcl.write,
    "goat": published.write,
    "huggingface": huggingface.write,
}
