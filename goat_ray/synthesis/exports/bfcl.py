"""The form of the Berkeley Function-Calling Leaderboard: questions with functions, and possible answers."""

from pathlib import Path

from goat_ray.records import without_failures
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles
from goat_ray.synthesis.exports.tools import arguments_schema, description

# The leaderboard's documents use Python's words.
_WORDS = {"object": "dict", "number": "float"}


def write(corpus: Corpus, folder: Path) -> dict[str, int]:
    """Two files of JSON Lines for each split; values are lists of what would be right, here of one."""
    with JsonFiles(folder) as files:
        for sample in corpus:
            functions = [
                {
                    "name": corpus.names[function.id],
                    "description": description(function),
                    "parameters": arguments_schema(function, _WORDS),
                }
                for function in corpus.offered(sample)
            ]
            question = [[{"role": "user", "content": sample.query}]]
            truth = [
                {corpus.names[call.function]: {name: [value] for name, value in call.values.items()}}
                for call in without_failures(sample.calls)
            ]
            files.add(f"questions_{sample.split}.jsonl", {"id": sample.id, "question": question, "function": functions})
            files.add(f"possible_answers_{sample.split}.jsonl", {"id": sample.id, "ground_truth": truth})
    return files.counts
