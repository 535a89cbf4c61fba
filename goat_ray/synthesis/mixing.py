"""Which kinds of plans are drawn for a corpus with quotas, and whether they can meet them."""

import difflib
from collections.abc import Collection, Mapping

from goat_ray.errors import ConfigError
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.orders import Cell
from goat_ray.synthesis.quotas import KINDS, Quotas
from goat_ray.synthesis.shapes import SHORTEST, Shape


def wanted_mix(quotas: Quotas, config: SynthesisConfig, sampling: SamplingConfig) -> dict[Cell, float] | None:
    """What to draw next: the missing shares of what has quotas, the configured shares of what has none.

    None leaves it to the configuration.
    """
    if config.quotas == type(config.quotas)():
        return None
    by_length, by_shape, by_service = quotas.room
    lengths = sampling.lengths if by_length is None else by_length
    shapes: Mapping[Shape, float] = {"single": 1.0, **sampling.shapes} if by_shape is None else by_shape
    services = (sampling.services or {"": 1.0}) if by_service is None else by_service
    mix: dict[Cell, float] = {}
    for length in lengths:
        possible: list[Shape] = ["single"] if length == 1 else [s for s in shapes if 1 < SHORTEST[s] <= length]
        total = sum(shapes.get(shape, 0) for shape in possible)
        for shape in possible:
            for service in services:
                if weight := lengths[length] * shapes.get(shape, 0) * services[service]:
                    mix[Cell(length, shape, service)] = weight / total
    return mix


def check_quotas(config: SynthesisConfig, sampling: SamplingConfig) -> None:
    """Raise ``ConfigError`` where no graph whatever could meet the quotas."""
    if config.accepted is None:
        return
    quotas = Quotas(config.accepted, config.quotas)
    mix = wanted_mix(quotas, config, sampling)
    if mix is None:
        return
    for kind, room, drawn in zip(KINDS, quotas.room, zip(*mix, strict=True) if mix else [()] * len(KINDS), strict=True):
        for value, count in (room or {}).items():
            if count and value not in drawn:
                raise ConfigError(
                    f"no plan can be of {kind} {value!r} together with the other shares",
                    place=f"synthesis.quotas.{kind}",
                    remedy="A single is of length 1 and nothing else is; see also sampling.lengths and sampling.shapes",
                )
    if contradiction := _contradiction(quotas):
        raise ConfigError(
            contradiction, place="synthesis.quotas", remedy="Change the shares of one until both can be met"
        )


def _contradiction(quotas: Quotas) -> str:
    """In what lengths and shapes cannot both be met; counts may be off by one, as they are rounded apart."""
    lengths, shapes, _ = quotas.room
    if lengths is None or shapes is None:
        return ""
    short, single = lengths.get(1, 0), shapes.get("single", 0)
    if abs(short - single) > 1:
        return f"{short:,} samples are to be of length 1, and {single:,} singles"
    for least in sorted({*SHORTEST.values()}):
        rich = sum(count for shape, count in shapes.items() if SHORTEST[shape] >= least)
        long = sum(count for length, count in lengths.items() if length >= least)
        if rich > long + 1:
            return f"{rich:,} samples have shapes of {least} calls and more, and {long:,} such lengths"
    return ""


def check_services(named: Collection[str], known: Collection[str]) -> None:
    """Raise ``ConfigError`` for a service that no function is of."""
    for name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(sorted(known)[:10])}"
            raise ConfigError(f"no function is of service {name!r}", place="services", remedy=hint)
