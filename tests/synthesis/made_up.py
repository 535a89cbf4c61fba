"""Any graph that hypothesis thinks of, and which ids its functions need of each other."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import networkx as nx
from hypothesis import strategies as st

from goat_ray.records import ApiFunction, Edge, OutputField, Parameter


@st.composite
def worlds(draw) -> tuple[list[ApiFunction], list[Edge]]:
    count = draw(st.integers(1, 8))
    functions = [
        ApiFunction.create(
            service=f"s{number % 2}",
            name=f"f{number}",
            method=draw(st.sampled_from(("GET", "POST", "PUT"))),
            parameters=[
                Parameter(name=f"p{p}_id", location="query", type="string", required=draw(st.booleans()))
                for p in range(draw(st.integers(0, 3)))
            ],
            outputs=[OutputField(path="$.id", type="string"), OutputField(path="$.other", type="string")],
        )
        for number in range(count)
    ]
    possible = [
        (source.id, field, target.id, parameter.name)
        for source in functions
        for target in functions
        if source is not target
        for parameter in target.parameters
        for field in ("$.id", "$.other")
    ]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    return functions, [
        Edge(
            id=f"{number}",
            source=source,
            field=field,
            target=target,
            parameter=parameter,
            carries="",
            wants="",
            similarity=1,
            reason="",
            teacher="",
        )
        for number, (source, field, target, parameter) in enumerate(chosen)
    ]


Slot = tuple[str, str]  # ids of functions, and names of parameters


def needs(functions: Sequence[ApiFunction], edges: Sequence[Edge]) -> set[Slot]:
    """The parameters that another call must fill: required and fed, but not where a circle starts."""
    by_id = {function.id: function for function in functions}
    feeding: dict[Slot, set[str]] = defaultdict(set)
    for edge in edges:
        if by_id[edge.source].method != "PUT" and by_id[edge.target].parameter(edge.parameter).required:
            feeding[edge.target, edge.parameter].add(edge.source)
    while waiting := _waiting(by_id, feeding):
        joined = nx.DiGraph((source, slot[0]) for slot in waiting for source in feeding[slot])
        circles = nx.condensation(joined)
        first = {id_ for node in circles if not circles.in_degree(node) for id_ in circles.nodes[node]["members"]}
        for slot in waiting:
            if slot[0] in first:
                del feeding[slot]
    return set(feeding)


def _waiting(functions: Collection[str], feeding: dict[Slot, set[str]]) -> list[Slot]:
    """What only functions fill that no plan can end in."""
    able: set[str] = set()
    while more := set(functions) - able - {slot[0] for slot, sources in feeding.items() if not sources & able}:
        able |= more
    return [slot for slot, sources in feeding.items() if not sources & able]
