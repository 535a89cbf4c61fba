"""The verified graph: as a networkx multidigraph to look at, as plain arrays to sample from."""

from collections import defaultdict
from collections.abc import Iterable

import networkx as nx

from goat_ray.records import ApiFunction, Edge


def to_networkx(functions: Iterable[ApiFunction], edges: Iterable[Edge]) -> "nx.MultiDiGraph[str]":
    """The dependency graph with function ids as nodes and one edge per (field, parameter).

    Nodes carry title and service; edges carry parameter, field, similarity and reason. For looking
    and for graphs that fit: a networkx edge costs about 1 kB.
    """
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for function in functions:
        graph.add_node(function.id, title=function.title, service=function.service)
    for edge in edges:
        graph.add_edge(
            edge.source,
            edge.target,
            key=edge.id,
            parameter=edge.parameter,
            field=edge.field,
            similarity=edge.similarity,
            reason=edge.reason,
        )
    return graph


class EdgeIndex:
    """Edges by the input they feed and by the function they start from, in a stable order."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self.into: dict[tuple[str, str], list[Edge]] = defaultdict(list)  # (target, parameter)
        self.out_of: dict[str, list[Edge]] = defaultdict(list)  # source
        for edge in sorted(edges, key=lambda edge: edge.id):
            self.into[edge.target, edge.parameter].append(edge)
            self.out_of[edge.source].append(edge)
