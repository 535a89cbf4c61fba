"""The functions that a model must choose from: those that a sample needs, among others that it might confuse with them.

Hard negatives are neighbours of the needed functions: linked ones give or take a value of the same kind, similar ones
are described in similar words, as those are that a retriever finds beside the right ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from pydantic import Field

from goat_ray.identity import rng
from goat_ray.records import ApiFunction, Lookalikes, Neighbours, Split
from goat_ray.settings import Settings
from goat_ray.storage import FunctionStore, parquet_files, read_parquet
from goat_ray.synthesis.splits import SplitsConfig, is_unseen

KEPT = 16  # neighbours of each kind that are remembered
FEWEST = 2  # others that even a sample with many functions is shown with: a choice without any is none


class DistractorsConfig(Settings):
    """How many neighbours of the needed functions are drawn; random functions fill what room is left."""

    linked: int = Field(1, ge=0, le=KEPT, description="Neighbours in the dependency graph.")
    similar: int = Field(2, ge=0, le=KEPT, description="Nearest by the embedding of what describes them.")


def lookalikes(
    functions: FunctionStore, links: Iterable[tuple[str, str]], nearest: Iterable[Neighbours]
) -> Iterator[Lookalikes]:
    """For each function its neighbours in the graph, a seeded choice of hubs' many, and its nearest by embedding."""
    linked: dict[str, set[str]] = defaultdict(set)
    for source, target in links:
        linked[source].add(target)
        linked[target].add(source)
    similar = {one.id: one.nearest for one in nearest}
    for function in functions:
        around = sorted(linked[function.id] - {function.id})
        yield Lookalikes(
            id=function.id,
            linked=rng("linked", function.id).sample(around, min(KEPT, len(around))),
            similar=[one for one in similar.get(function.id, []) if one != function.id][:KEPT],
        )


class Distractors:
    """Chooses them. Rows stay in Arrow until they are asked for."""

    def __init__(
        self,
        functions: FunctionStore,
        config: DistractorsConfig | None = None,
        data: str = "",
        splits: SplitsConfig | None = None,
    ) -> None:
        """``data`` is the Parquet folder of the lookalikes, if any; ``splits`` says what ``offered`` holds back."""
        self._functions = functions
        self._ids = functions.ids
        share, seed = (splits.unseen_functions, splits.seed) if splits else (0.0, 0)
        self._seen = [id_ for id_ in self._ids if not is_unseen(id_, share, seed)] if share else self._ids
        self._unseen = frozenset(self._ids).difference(self._seen)
        self._config = config or DistractorsConfig()
        names = Lookalikes.arrow_schema().names
        tables = [read_parquet(file, names) for file in parquet_files(data)] if data else []
        self._table = pa.concat_tables(tables) if tables else Lookalikes.arrow_schema().empty_table()
        self._rows = {id_: row for row, id_ in enumerate(self._table["id"].to_pylist())}

    def offered(
        self, needed: Sequence[ApiFunction], count: int, *seed: object, split: Split, fewest: int = FEWEST
    ) -> list[ApiFunction]:
        """What a model chooses from: ``count`` functions as by ``among``, but at least ``fewest`` that are not needed.

        Functions of the split "unseen" are offered in that split only: elsewhere they could only ever be wrong.
        """
        distinct = len({function.id for function in needed})
        return self.among(needed, max(count, distinct + fewest), *seed, unseen=split == "unseen")

    def among(self, needed: Sequence[ApiFunction], count: int, *seed: object, unseen: bool = True) -> list[ApiFunction]:
        """``count`` functions, shuffled: each needed one once, even beyond the count, then hard and random others.

        Functions of the split "unseen" are drawn only where ``unseen`` says so.
        """
        ids, hidden = (self._ids, frozenset[str]()) if unseen else (self._seen, self._unseen)
        random_ = rng("candidates", *seed)
        chosen = dict.fromkeys(function.id for function in needed)
        room = max(0, count - len(chosen))
        for kind, wanted in (("linked", self._config.linked), ("similar", self._config.similar)):
            pool = sorted({id_ for one in needed for id_ in self._near(one.id, kind)} - set(chosen) - hidden)
            for id_ in random_.sample(pool, min(len(pool), wanted, room)):
                chosen[id_] = None
                room -= 1
        for id_ in random_.sample(ids, min(len(ids), room + len(chosen))):
            if room and id_ not in chosen:
                chosen[id_] = None
                room -= 1
        functions = [self._functions[id_] for id_ in chosen]
        random_.shuffle(functions)
        return functions

    def _near(self, function: str, kind: str) -> list[str]:
        row = self._rows.get(function)
        return [] if row is None else self._table[kind][row].as_py()
