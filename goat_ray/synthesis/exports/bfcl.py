"""The form of the Berkeley Function-Calling Leaderboard: questions with functions, and possible answers."""

from pathlib import Path
from typing import Any

from goat_ray.records import ApiFunction, ValueType, without_failures
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles
from goat_ray.synthesis.exports.tools import arguments_schema, description

# The leaderboard's documents use Python's words, and its checker wants one for each parameter and each array's items.
_WORDS = {"object": "dict", "number": "float", "any": "any"}


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
                {corpus.names[call.function]: _possible(corpus.functions[call.function], call.values)}
                for call in without_failures(sample.calls)
            ]
            files.add(f"questions_{sample.split}.jsonl", {"id": sample.id, "question": question, "function": functions})
            files.add(f"possible_answers_{sample.split}.jsonl", {"id": sample.id, "ground_truth": truth})
    return files.counts


def _possible(function: ApiFunction, values: dict[str, Any]) -> dict[str, list[Any]]:
    """What would be right for each argument.

    The checker (BFCL's ``ast_checker.py``) wants such lists for the members of an object, too, alone or in an array,
    but only where the document names it so, and none deeper: there it compares values as they are.
    """
    named = {parameter.name: (parameter.type, parameter.item_type) for parameter in function.parameters}
    return {name: [_right(value, *named.get(name, ("any", None)))] for name, value in values.items()}


def _right(value: Any, type_: ValueType, item_type: ValueType | None) -> Any:
    if isinstance(value, dict) and type_ == "object":
        return {name: [inner] for name, inner in value.items()}
    if isinstance(value, list) and (type_, item_type) == ("array", "object"):
        return [_right(item, "object", None) for item in value]
    return value
