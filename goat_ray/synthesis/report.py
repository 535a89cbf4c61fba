"""What a corpus is like: sizes, shapes, coverage, variety. Counted in one pass with memory for its vocabulary only."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from goat_ray.identity import canonical_json
from goat_ray.records import Sample
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.shapes import shape_of
from goat_ray.synthesis.variety import DistinctGrams, self_bleu

VARIETY_QUERIES = 10_000  # distinct-n falls with the number of texts, so it is always taken of at most so many
BLEU_QUERIES = 100  # self-BLEU takes time in their square
TOKEN_SAMPLES = 1_000  # counting tokens takes longer than all the rest

CountTokens = Callable[[str], int]


@dataclass
class CorpusReport:
    """Counts over all samples of a corpus."""

    functions: int
    links: int = 0  # of the graph: pairs of a function and one that it feeds
    samples: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)
    teachers: Counter[str] = field(default_factory=Counter)
    provenance: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)  # function id -> calls
    joined: Counter[tuple[str, str]] = field(default_factory=Counter)  # link -> arguments that go along it
    failed: int = 0  # calls, each with its correction
    paraphrases: Counter[int] = field(default_factory=Counter)  # other wordings that passed the checks -> samples
    query_words: int = 0
    tokens: Counter[str] = field(default_factory=Counter)  # of TOKEN_SAMPLES samples, by part
    variety: DistinctGrams = field(default_factory=DistinctGrams)  # of the first VARIETY_QUERIES queries
    first: list[str] = field(default_factory=list)  # queries, BLEU_QUERIES at most

    @classmethod
    def of(
        cls,
        samples: Iterable[Sample],
        functions: FunctionStore,
        *,
        links: int = 0,
        count_tokens: CountTokens | None = None,
    ) -> "CorpusReport":
        """Count; ``links`` is how many the graph has, 0 where that is not known."""
        report = cls(len(functions), links)
        for sample in samples:
            report._add(sample, functions)
            if count_tokens is not None and report.samples <= TOKEN_SAMPLES:
                for part, text in _parts(sample):
                    report.tokens[part] += count_tokens(text)
        return report

    def _add(self, sample: Sample, functions: FunctionStore) -> None:
        self.samples += 1
        self.splits[sample.split] += 1
        self.lengths[len({call.planned for call in sample.calls})] += 1
        self.shapes[shape_of(sample)] += 1
        self.services.update({functions[call.function].service for call in sample.calls})
        self.teachers[sample.lineage.teacher] += 1
        self.provenance.update(argument.provenance for call in sample.calls for argument in call.arguments)
        self.used.update(call.function for call in sample.calls)
        self.joined.update(
            (sample.calls[argument.step].function, call.function)
            for call in sample.calls
            for argument in call.arguments
            if argument.step is not None
        )
        self.failed += sum(call.corrected_by is not None for call in sample.calls)
        self.paraphrases[len(sample.paraphrases)] += 1
        self.query_words += len(sample.query.split())
        if self.samples <= BLEU_QUERIES:
            self.first.append(sample.query)
        if self.samples <= VARIETY_QUERIES:
            self.variety.add(sample.query)

    def lines(self) -> Iterator[str]:
        """As text, one fact a line."""
        calls = self.used.total()
        yield f"samples             {self.samples:,}  ({_shares(self.splits, self.samples)})"
        yield f"calls               {calls:,}  ({_shares(self.lengths, self.samples)} of the samples by length)"
        yield f"shapes              {_shares(self.shapes, self.samples)}"
        yield f"functions used      {len(self.used):,} of {self.functions:,}  ({_evenness(self.used)})"
        of_all = f" of {self.links:,}" if self.links else ""
        yield f"links used          {len(self.joined):,}{of_all}  ({_evenness(self.joined)})"
        if self.failed:
            yield f"corrected failures  {self.failed:,}"
        yield f"services            {', '.join(f'{name} {count:,}' for name, count in self.services.most_common(8))}"
        yield f"arguments           {_shares(self.provenance, self.provenance.total())}"
        yield f"paraphrases         {_shares(self.paraphrases, self.samples)} of the samples"
        yield f"words of a query    {self.query_words / max(self.samples, 1):.1f}"
        queries = min(self.samples, VARIETY_QUERIES)
        distinct = ", ".join(f"distinct-{n} {self.variety.share(n):.3f}" for n in (1, 2))
        bleu = f"self-BLEU {self_bleu(self.first):.3f} of {len(self.first)}"
        yield f"variety             {distinct} of {queries:,} queries, {bleu}"
        if self.tokens:
            counted = min(self.samples, TOKEN_SAMPLES)
            per = ", ".join(f"{part} {count / counted:,.0f}" for part, count in self.tokens.items())
            yield f"tokens of a sample  {per}  (mean of {counted:,})"
        yield f"written by          {', '.join(sorted(self.teachers))}"


def _parts(sample: Sample) -> Iterator[tuple[str, str]]:
    yield "query", sample.query
    yield "arguments", "\n".join(canonical_json(call.values) for call in sample.calls)
    yield "outputs", "\n".join(canonical_json(call.body) for call in sample.calls)
    yield "response", sample.response


def _evenness(counts: Counter[Any]) -> str:
    """How evenly things are used: entropy, which for equal use is the logarithm of their number."""
    total = counts.total()
    bits = -sum(count / total * math.log2(count / total) for count in counts.values()) if total else 0.0
    most = math.log2(len(counts)) if counts else 0.0
    return f"entropy {bits:.2f} of {most:.2f} bits, the rarest {min(counts.values(), default=0):,} times"


def _shares(counts: Counter[str] | Counter[int], total: int) -> str:
    return ", ".join(f"{name}: {100 * count / max(total, 1):.0f} %" for name, count in sorted(counts.items()))
