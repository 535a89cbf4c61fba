"""The dataset and corpus of GOAT's published code (arXiv 2510.12218), so that its own scripts read ours."""

import json
from pathlib import Path
from typing import Any

from goat_ray import jsonpath
from goat_ray.records import ApiFunction, OutputField, Parameter, Sample
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.files import JsonFiles

_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "any": "str"}


def write(corpus: Corpus, folder: Path) -> dict[str, int]:
    """``corpus.json`` and a folder for each split: the scripts train on all files of a folder."""
    with JsonFiles(folder) as files:
        for function in corpus.functions:
            document = json.dumps(document_content(function), ensure_ascii=False)
            files.add("corpus.json", {"docid": corpus.numbers[function.id], "document_content": document})
        for sample in corpus:
            files.add(f"{sample.split}/{sample.split}.json", item(sample, corpus))
    return files.counts


def item(sample: Sample, corpus: Corpus) -> dict[str, Any]:
    """One entry of the dataset."""
    # Its form has no place for a failed call.
    done = [pair for pair in zip(sample.calls, sample.subqueries, strict=True) if pair[0].corrected_by is None]
    first = corpus.functions[sample.calls[0].function]
    # Its authors reworded the response, too; ours is one, and fits each wording of the query. Both are expected.
    one, two = [*sample.paraphrases, sample.query, sample.query][:2]
    return {
        "query": sample.query,
        "subinstructions": [subquery for _, subquery in done],
        "api_path": [
            {
                "docid": str(corpus.numbers[call.function]),  # a text here and a number in the corpus, as there
                "llm_generation": call.values,
                "server_response": json.dumps(call.body, ensure_ascii=False),
                "sub_instruction": subquery,
            }
            for call, subquery in done
        ],
        "final_response": sample.response,
        "domain": first.category or first.service,
        "paraphrase": {"query1": one, "query2": two, "response1": sample.response, "response2": sample.response},
    }


def document_content(function: ApiFunction) -> dict[str, Any]:
    """One API as the published corpus describes it."""
    return {
        "category_name": function.category,
        "tool_name": function.service,
        "api_name": function.name,
        "api_description": function.description or function.summary,
        "required_parameters": [_parameter(one) for one in function.parameters if one.required],
        "optional_parameters": [_parameter(one) for one in function.parameters if not one.required],
        "method": function.method,
        "template_response": _template(function.outputs),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    example = parameter.example if parameter.example is not None else parameter.default
    return {
        "name": parameter.name,
        "type": parameter.type.upper(),
        "description": parameter.description,
        "default": "" if example is None else example,
    }


def _template(outputs: list[OutputField]) -> Any:
    """A body whose leaves are names of types."""
    whole: dict[str, Any] = {}  # the body is its member ""
    for field in outputs:
        holder: Any = whole
        key: Any = ""
        for token in jsonpath.parse(field.path):
            empty: Any = [None] if token is jsonpath.ANY else {}
            if not isinstance(holder[key] if key in _keys(holder) else None, type(empty)):
                holder[key] = empty
            holder, key = holder[key], 0 if token is jsonpath.ANY else token
        holder[key] = _TYPES.get(field.type, "str")
    return whole.get("", {})


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))
