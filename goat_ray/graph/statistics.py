"""The shape of a dependency graph, and the graph as files for other programs."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import networkx as nx

from goat_ray.errors import RunError
from goat_ray.graph.assembly import to_networkx
from goat_ray.records import ApiFunction, Edge
from goat_ray.storage import FunctionStore

_NO_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2
HUBS = 5
_SHARES = {"least": 0.0, "median": 0.5, "90 %": 0.9, "most": 1.0}  # of sorted degrees


def describe(functions: FunctionStore, edges: Iterable[Edge]) -> Iterator[str]:
    """What one wants to know of a graph, line by line: size, components, degrees, hubs, chains, origins."""
    edges = list(edges)
    graph = to_networkx(functions, edges)
    simple = nx.DiGraph(graph)
    components = sorted((len(part) for part in nx.weakly_connected_components(simple)), reverse=True)
    isolated = list(nx.isolates(simple))
    yield f"functions            {graph.number_of_nodes():,}"
    yield f"edges                {graph.number_of_edges():,} between {simple.number_of_edges():,} pairs of functions"
    yield f"components           {len(components):,} weakly connected; the largest has {max(components, default=0):,}"
    yield f"isolated functions   {len(isolated):,}{_some([functions[one].title for one in sorted(isolated)])}"
    yield f"longest chain        {_longest_chain(simple):,} functions (cycles count once)"
    yield f"targets of a function   {_spread([degree for _, degree in simple.out_degree()])}"
    yield f"sources of a function   {_spread([degree for _, degree in simple.in_degree()])}"
    for label, degrees in (("feeds most", simple.out_degree()), ("fed by most", simple.in_degree())):
        for function_id, degree in sorted(degrees, key=lambda pair: (-pair[1], pair[0]))[:HUBS]:
            if degree:
                yield f"{label:<20} {degree:>5,}  {functions[function_id].title}"
    for label, counts in (
        ("accepted by", Counter(edge.teacher for edge in edges)),
        ("calls", Counter(edge.origin or "not executed" for edge in edges)),
    ):
        yield f"{label:<20} {', '.join(f'{count:,} {name}' for name, count in counts.most_common())}"


def write_graphml(path: Path, functions: FunctionStore, edges: Iterable[Edge]) -> None:
    """Write GraphML (graphml.graphdrawing.org) with all attributes of ``to_networkx``."""
    graph = to_networkx(functions, edges)
    for attributes in (entry[-1] for entry in (*graph.nodes(data=True), *graph.edges(data=True))):
        for name, value in attributes.items():
            if isinstance(value, str):
                attributes[name] = _NO_XML.sub("\ufffd", value)
    with _told(path):
        nx.write_graphml(graph, path)


def write_edgelist(path: Path, functions: FunctionStore, edges: Iterable[Edge]) -> None:
    """Write the published GOAT code's form: a weighted edge list whose weight is the parameter's index.

    Nodes are the functions' numbers in the order of their ids.
    """
    number = {function.id: index for index, function in enumerate(functions)}
    triples = sorted(
        {(number[edge.source], number[edge.target], _index(functions[edge.target], edge.parameter)) for edge in edges}
    )
    with _told(path), path.open("w", encoding="utf-8") as file:
        file.writelines(f"{source} {target} {index}\n" for source, target, index in triples)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raises ``RunError`` where the file cannot be written."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"cannot be written: {error.strerror or error}", place=str(path), remedy="Name a file in a folder there is"
        ) from error


def _index(function: ApiFunction, name: str) -> int:
    return [parameter.name for parameter in function.parameters].index(name)


def _longest_chain(graph: "nx.DiGraph[str]") -> int:
    """Functions on the longest path of the graph with each cycle drawn together into one node."""
    return len(nx.dag_longest_path(nx.condensation(graph), weight=None)) if graph else 0


def _spread(degrees: list[int]) -> str:
    if not degrees:
        return "none"
    ordered = sorted(degrees)
    at = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in _SHARES.items()}
    return ", ".join(f"{name} {value:,}" for name, value in at.items())


def _some(names: list[str], count: int = 3) -> str:
    return f" ({', '.join(names[:count])}{', …' if len(names) > count else ''})" if names else ""
