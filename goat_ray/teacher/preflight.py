"""Whether a cluster can carry the engines that a configuration asks for, said before anything starts."""

from collections.abc import Mapping, Sequence

from goat_ray.errors import ConfigError
from goat_ray.teacher.config import EngineConfig
from goat_ray.teacher.engine import spans_nodes

Resources = Mapping[str, float]  # of one node, by Ray's names


def check_cluster(options: EngineConfig, gpus: float, nodes: Sequence[Resources]) -> None:
    """Raise ``ConfigError`` where engines of ``gpus`` GPUs per replica cannot all be placed on these nodes."""
    if options.nodes_on_demand:
        return
    for unit, per_replica in (("GPU", gpus), ("CPU", options.cpus_per_replica)):
        have = [node.get(unit, 0.0) for node in nodes]
        _check_total(options, unit, per_replica, sum(have))
        if unit == "CPU" or not spans_nodes(options, gpus):
            _check_node(options, unit, per_replica, have)


def _check_total(options: EngineConfig, unit: str, per_replica: float, have: float) -> None:
    need = options.replicas * per_replica
    if need > have:
        raise ConfigError(
            f"{_replicas(options)} {'need' if options.replicas > 1 else 'needs'} {need:g} {unit}s, "
            f"the cluster has {have:g}",
            place="teacher.engine",
            remedy="Lower replicas or the parallel sizes, add nodes, or set nodes_on_demand if they come by themselves",
        )


def _check_node(options: EngineConfig, unit: str, per_replica: float, have: Sequence[float]) -> None:
    places = sum(int(node / per_replica) for node in have) if per_replica else options.replicas
    if places >= options.replicas:
        return
    raise ConfigError(
        f"{_replicas(options)} {'need' if options.replicas > 1 else 'needs'} {per_replica:g} {unit}s on one node each, "
        f"and the nodes, of {', '.join(f'{node:g}' for node in sorted(have, reverse=True))}, hold {places} of them",
        place="teacher.engine",
        remedy="Lower tensor_parallel, or let a replica span nodes with pipeline_parallel",
    )


def _replicas(options: EngineConfig) -> str:
    sizes = [f"TP={options.tensor_parallel}"]
    if options.pipeline_parallel > 1:
        sizes.append(f"PP={options.pipeline_parallel}")
    return f"{options.replicas} replica{'s' if options.replicas > 1 else ''} of {' '.join(sizes)}"
