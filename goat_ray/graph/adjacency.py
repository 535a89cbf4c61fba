"""The dependency graph as a few arrays, for sampling: 10 M edges take some hundred megabytes.

Functions, their parameters ("slots") and output fields are numbers, and strings are kept once. Functions
are numbered by the least number of calls that a plan ending in them needs, so that "all sources that are
within reach" is always a range. The arrays lie in Arrow IPC files, which all workers of a node map into
memory and share.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.graph.ends import is_callers_own
from goat_ray.graph.values import is_scoped
from goat_ray.naming import is_identifier
from goat_ray.records import ApiFunction, Parameter

VERSION = 4  # raise it when the same edges would give another graph
CHANGES = frozenset(("PUT", "PATCH", "DELETE"))
SEAL = "paths.arrow"  # the file that is written last
EDGE_COLUMNS = ("source", "field", "target", "parameter")
OUT_OF_REACH = 127  # cost of a function that needs as many calls or more

REQUIRED, NEEDED, SCOPED, ASKABLE, BODY = 1, 2, 4, 8, 16
"""What a slot is: required; to be filled by another call; a number within something else ("season 2");
optional and worth asking the user for; part of the body."""

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CallGraph:
    """Functions [f], slots [s], edges [e] in order of slot, source and field, and the same edges by source."""

    ids: pa.StringArray  # [f] ApiFunction.id
    service: Ints  # [f] number in ``services``
    changes: Bytes  # [f] whether it changes what is there; such functions feed no other
    cost: Bytes  # [f] least number of calls of a plan that ends in it; rising
    even: Floats  # [f] weight that keeps use even: the inverse of how often others draw it
    slots: Ints  # [f + 1] the slots of function i are slots[i] to slots[i + 1]
    name: Ints  # [s] number in ``names``
    kind: Bytes  # [s] flags
    into: Longs  # [s + 1] the edges into slot i are into[i] to into[i + 1]
    owner: Ints  # [s] function
    source: Ints  # [e] function
    slot: Ints  # [e]
    field: Ints  # [e] number in ``paths``
    into_weight: Floats  # [e + 1] running sum of the edges' weights
    out: Longs  # [f + 1] the edges that leave function i are leaving[out[i]] to leaving[out[i + 1]]
    leaving: Ints  # [l] edge, without those into scoped slots
    out_weight: Floats  # [l + 1] running sum
    services: pa.StringArray
    names: pa.StringArray
    paths: pa.StringArray

    def save(self, folder: Path) -> None:
        """Write one file an array."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in fields(self):
            table = pa.table({part.name: getattr(self, part.name)})
            with pa.OSFile(str(folder / f"{part.name}.arrow"), "wb") as sink:
                with pa.ipc.new_file(sink, table.schema) as writer:
                    writer.write_table(table)

    @classmethod
    def open(cls, folder: Path) -> "CallGraph":
        """Map what ``save`` wrote; nothing is read before it is used."""
        found: dict[str, Any] = {}
        for part in fields(cls):
            with pa.memory_map(str(folder / f"{part.name}.arrow")) as mapped:
                column = pa.ipc.open_file(mapped).read_all().column(0)
            values = column.chunk(0) if column.num_chunks else pa.array([], column.type)
            found[part.name] = values if part.type is pa.StringArray else values.to_numpy()
        return cls(**found)


@dataclass
class _Ends:
    """Functions and slots in the order in which they were read."""

    ids: list[str]
    service: list[str]
    changes: list[bool]
    slots: list[int]
    names: list[str]
    kinds: list[int]

    @classmethod
    def of(cls, functions: Iterable[ApiFunction]) -> "_Ends":
        ends = cls([], [], [], [0], [], [])
        for function in functions:
            ends.ids.append(function.id)
            ends.service.append(function.service)
            ends.changes.append(function.method in CHANGES)
            ends.names += [parameter.name for parameter in function.parameters]
            ends.kinds += [_kind(function, parameter) for parameter in function.parameters]
            ends.slots.append(len(ends.names))
        return ends


def _kind(function: ApiFunction, parameter: Parameter) -> int:
    scoped = is_scoped(function, parameter)
    kind = SCOPED if scoped else 0
    if parameter.location == "body":
        kind |= BODY
    if parameter.required:
        identifies = is_identifier(parameter.name) or parameter.location == "path"
        return kind | REQUIRED | (NEEDED if identifies and not parameter.enum and not scoped else 0)
    return kind | (ASKABLE if _worth_asking(parameter) else 0)


def _worth_asking(parameter: Parameter) -> bool:
    """Whether a user would name this optional argument: a filter, not paging or formatting."""
    return (
        not is_callers_own(parameter)
        and parameter.type in ("string", "integer", "number")
        and parameter.location in ("query", "body")
        and not is_identifier(parameter.name)
        and (bool(parameter.enum) or parameter.example is not None or parameter.minimum is not None)
    )


def build_graph(functions: Iterable[ApiFunction], edges: Iterable[pa.RecordBatch]) -> CallGraph:
    """The graph of these functions, each read once and not kept, and edges, as batches of ``EDGE_COLUMNS``.

    The order of functions and edges makes no difference. Edges that no plan can use are left out: those of
    functions that change something (what a change returns was there before it, so a query would not make
    the change necessary) and those at functions out of reach.
    """
    ends = _Ends.of(functions)
    service, services = _encoded(ends.service)
    name, names = _encoded(ends.names)
    slots, kind = np.array(ends.slots, np.int64), np.array(ends.kinds, np.uint8)
    changes = np.array(ends.changes, np.uint8)
    source, slot, field, paths = _numbered(edges, pa.array(ends.ids, pa.string()), slots, name, names, changes)
    # Only what some edge feeds can be needed.
    fed = np.zeros(len(name), bool)
    fed[slot] = True
    kind[~fed] &= np.uint8(0xFF ^ NEEDED)
    owner = np.repeat(np.arange(len(ends.ids)), np.diff(slots))
    cost = _least_calls(source, slot, kind, owner, len(ends.ids))

    order = np.lexsort((np.array(ends.ids, object).astype(str), cost))
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order))
    lengths = np.diff(slots)[order]
    moved = _ranges(slots[:-1][order], lengths)  # the old place of each slot
    place = np.empty(len(moved), np.int64)
    place[moved] = np.arange(len(moved))
    useful = (cost[source] < OUT_OF_REACH) & (cost[owner[slot]] < OUT_OF_REACH)
    source, slot, field = number[source[useful]], place[slot[useful]].astype(np.int32), field[useful]
    in_order = np.lexsort((field, source, slot))
    source, slot, field = source[in_order], slot[in_order], field[in_order]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return CallGraph(
        ids=pa.array(ends.ids, pa.string()).take(pa.array(order)),
        service=service[order],
        changes=changes[order],
        cost=cost[order],
        slots=bounds.astype(np.int32),
        name=name[moved],
        kind=kind[moved],
        owner=number[owner[moved]],
        source=source,
        slot=slot,
        field=field,
        services=services,
        names=names,
        paths=paths,
        **_weighted(source, slot, kind[moved], number[owner[moved]], len(order)),
    )


def _encoded(texts: list[str]) -> tuple[Ints, pa.StringArray]:
    """A number for each text, and the texts in order."""
    distinct = pa.array(sorted(set(texts)), pa.string())
    return pc.index_in(pa.array(texts, pa.string()), distinct).to_numpy(zero_copy_only=False), distinct


def _numbered(
    edges: Iterable[pa.RecordBatch],
    ids: pa.StringArray,
    slots: Longs,
    name: Ints,
    names: pa.StringArray,
    changes: Bytes,
) -> tuple[Ints, Ints, Ints, pa.StringArray]:
    """(source, slot, field, field paths) of the edges whose source changes nothing."""
    key = np.repeat(np.arange(len(ids)), np.diff(slots)) * np.int64(len(names) + 1) + name
    by_key = np.argsort(key)
    known: dict[str, int] = {}
    parts: list[tuple[Ints, Ints, Ints]] = []
    for batch in edges:
        source, target, called, path = (
            _look_up(batch["source"], ids),
            _look_up(batch["target"], ids),
            _look_up(batch["parameter"], names),
            batch["field"].dictionary_encode(),
        )
        local = [known.setdefault(text, len(known)) for text in path.dictionary.to_pylist()]
        wanted = target * np.int64(len(names) + 1) + called
        slot = by_key[np.searchsorted(key, wanted, sorter=by_key)].astype(np.int32)
        kept = changes[source] == 0
        parts.append((source[kept], slot[kept], np.array(local, np.int32)[path.indices.to_numpy()][kept]))
    columns = [np.concatenate([np.empty(0, np.int32), *column]) for column in zip(*parts, strict=True)] if parts else []
    source, slot, field = columns or [np.empty(0, np.int32)] * 3
    paths = sorted(known)
    rank = np.empty(len(paths), np.int32)
    rank[[known[text] for text in paths]] = np.arange(len(paths))
    return source, slot, rank[field], pa.array(paths, pa.string())


def _look_up(column: pa.Array, values: pa.StringArray) -> Any:
    return pc.index_in(column, values).to_numpy(zero_copy_only=False)


def _least_calls(source: Ints, slot: Ints, kind: Bytes, owner: Longs, functions: int) -> Bytes:
    """The least number of calls that a plan ending in each function has (an upper bound).

    Functions that could only be called after each other wait in vain. Where nothing else leads into such circles, the
    user is to give what their functions need of each other: all of them, so that plans can start at any and use every
    edge. Those slots are NEEDED in ``kind`` no more.
    """
    order = np.argsort(slot, kind="stable")
    source, slot = source[order], slot[order]
    cost = np.full(functions, OUT_OF_REACH)
    while True:
        needs = kind[slot] & NEEDED > 0
        source, slot = source[needs], slot[needs]
        needed, starts = np.unique(slot, return_index=True)
        while True:
            least = np.minimum.reduceat(cost[source], starts) if len(needed) else needed
            better = 1 + np.bincount(owner[needed], least, functions).astype(np.int64)
            better = np.minimum(cost, np.minimum(better, OUT_OF_REACH))
            if (better == cost).all():
                break
            cost = better
        waiting = np.repeat(least >= OUT_OF_REACH, np.diff(np.append(starts, len(slot))))
        if not waiting.any():
            return cost.astype(np.uint8)
        first = _first_in_circles(source[waiting], owner[slot[waiting]], functions)
        if not first.any():  # the others need more calls than are counted
            return cost.astype(np.uint8)
        kind[slot[waiting][first]] &= np.uint8(0xFF ^ NEEDED)


def _first_in_circles(source: Ints, target: Longs, functions: int) -> npt.NDArray[np.bool_]:
    """For each edge whether it leads into a circle (strongly connected component) that no other edge leads into."""
    from scipy.sparse import csr_array  # takes half a second to load, and few graphs need it
    from scipy.sparse.csgraph import connected_components

    joined = csr_array((np.ones(len(source)), (source, target)), shape=(functions, functions))
    parts, part = connected_components(joined, connection="strong")
    first = np.ones(parts, bool)
    first[part[target[part[source] != part[target]]]] = False
    return np.asarray(first[part[target]])


def _ranges(starts: Longs, lengths: Longs) -> Longs:
    """The numbers starts[i], starts[i] + 1, ... of all ranges, one range after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths - starts, lengths)


def _weighted(source: Ints, slot: Ints, kind: Bytes, owner: Ints, functions: int) -> dict[str, Any]:
    """Both directions of the adjacency, with weights that keep the use of functions even."""
    target = owner[slot]
    even = _even(slot, source, 1.0, functions)
    into = np.concatenate([[0], np.cumsum(np.bincount(slot, minlength=len(kind)))])
    # A pair of functions counts once, however many fields and parameters link it.
    into_weight = even[source] / _group_sizes(slot.astype(np.int64) * functions + source)
    free = np.flatnonzero(kind[slot] & SCOPED == 0)
    pair = source[free].astype(np.int64) * functions + target[free]
    by_source = np.argsort(pair, kind="stable")
    leaving, part = free[by_source].astype(np.int32), 1.0 / _group_sizes(pair[by_source])
    led_to = _even(source[leaving], target[leaving], part, functions)
    return {
        "even": even,
        "into": into,
        "into_weight": np.concatenate([[0.0], np.cumsum(into_weight)]),
        "out": np.concatenate([[0], np.cumsum(np.bincount(source[leaving], minlength=functions))]),
        "leaving": leaving,
        "out_weight": np.concatenate([[0.0], np.cumsum(led_to[target[leaving]] * part)]),
    }


def _group_sizes(keys: Longs) -> Longs:
    """How many equal neighbours each of the sorted keys has, itself included."""
    if not len(keys):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.append(starts, len(keys)))
    return np.repeat(sizes, sizes)


def _even(choosers: Any, chosen: Any, part: Any, functions: int) -> Floats:
    """For each function the inverse of how often it would be chosen if each chooser chose alike.

    A choice is an edge, or as large a ``part`` of one.
    """
    if not len(chosen):
        return np.ones(functions)
    parts = np.broadcast_to(part, len(chosen))
    expected = np.bincount(chosen, parts / np.bincount(choosers, parts)[choosers], functions)
    return np.asarray(1.0 / (1.0 + expected))


def links(graph: CallGraph) -> Longs:
    """The first edge of each link: a function, another that it feeds, and the parameter it feeds."""
    if not len(graph.source):
        return np.empty(0, np.int64)
    new = (np.diff(graph.source) != 0) | (np.diff(graph.slot) != 0)
    return np.flatnonzero(np.concatenate([[True], new]))
