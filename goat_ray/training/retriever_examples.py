"""Samples as examples for the retriever: each wording of a query, what it needs, and what it might be confused with."""

from collections.abc import Iterator, Sequence

from goat_ray.agent.documents import DocumentPart, document_text
from goat_ray.identity import content_id
from goat_ray.records import Lookalikes, RetrievalExample, Sample
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.distractors import Distractors, DistractorsConfig


def retrieval_examples(
    samples: Dataset[Sample],
    functions: FunctionStore,
    near: Dataset[Lookalikes],
    hard: DistractorsConfig,
    parts: Sequence[DocumentPart],
) -> Iterator[RetrievalExample]:
    """An example for each wording of each sample's query; held-out samples are asked in one wording only.

    Hard negatives are neighbours of what a sample calls. A function that no training sample calls is none: it would
    only ever be pushed away, and queries may come to need it.
    """
    distractors = Distractors(functions, hard, near.data)
    called = {call.function for sample in samples.records() if sample.split == "train" for call in sample.calls}
    for sample in samples.records():
        needed = [functions[id_] for id_ in dict.fromkeys(call.function for call in sample.calls)]
        positives = [document_text(function, parts) for function in needed]
        for wording in (sample.query, *(sample.paraphrases if sample.split == "train" else ())):
            drawn = distractors.among(needed, len(needed) + hard.linked + hard.similar, sample.id, wording)
            negatives = [one for one in drawn if one.id in called and one not in needed]
            yield RetrievalExample(
                id=content_id(sample.id, wording),
                query=wording,
                positives=positives,
                negatives=[document_text(function, parts) for function in negatives],
                split=sample.split,
            )
