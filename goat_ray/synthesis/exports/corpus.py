"""What all exports share: the samples, the functions, and the tools that each sample is shown with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from goat_ray.records import ApiFunction, Sample
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.distractors import Distractors
from goat_ray.synthesis.exports.tools import tool_names
from goat_ray.synthesis.report import CorpusReport, CountTokens
from goat_ray.synthesis.splits import SplitsConfig


@dataclass
class Corpus:
    """A finished corpus that is to be exported."""

    samples: Dataset[Sample]
    functions: FunctionStore
    tools: int = 6  # shown with each sample, or more: those it needs and others (paper: section 3.3 has six)
    lookalikes: str = ""  # Parquet folder of the lookalikes dataset, for hard negatives; empty for random ones
    splits: SplitsConfig = field(default_factory=SplitsConfig)  # that the corpus was made with
    history: list[str] = field(default_factory=list)  # what was dropped on the way to it, as text for its card
    count_links: Callable[[], int] = lambda: 0  # of its graph; 0 where that is not known
    count_tokens: CountTokens | None = None

    def __iter__(self) -> Iterator[Sample]:
        return self.samples.records()

    def report(self) -> CorpusReport:
        """What it is like: one pass over all samples."""
        return CorpusReport.of(self, self.functions, links=self.count_links(), count_tokens=self.count_tokens)

    @cached_property
    def names(self) -> dict[str, str]:
        """The tool name of each function id."""
        return tool_names(self.functions)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """A number from 1 for each function id, in order: ``docid`` of the published code, which takes 0 for none."""
        return {function.id: number for number, function in enumerate(self.functions, 1)}

    def offered(self, sample: Sample) -> list[ApiFunction]:
        """The functions that a model gets to choose from."""
        needed = [self.functions[call.function] for call in sample.calls]
        return self._distractors.offered(needed, self.tools, sample.id, split=sample.split)

    @cached_property
    def _distractors(self) -> Distractors:
        return Distractors(self.functions, data=self.lookalikes, splits=self.splits)
