"""The verified graph as a networkx multidigraph, to look at."""

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
