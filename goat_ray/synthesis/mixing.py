"""Which kinds of plans are drawn for a corpus with quotas, and whether they can meet them."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping

from goat_ray.errors import ConfigError
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.orders import Cell, Mix
from goat_ray.synthesis.quotas import KINDS, Quotas
from goat_ray.synthesis.shapes import SHORTEST, Shape

FITTINGS = 20  # of each kind in turn; what is off by a little then, later rounds make good


def wanted_mix(quotas: Quotas, config: SynthesisConfig, sampling: SamplingConfig) -> dict[Cell, float] | None:
    """What to draw next: kinds of plans that there is room for, by the configured shares of what has no quotas.

    ``fitted`` gives them the missing shares of what has. None leaves it to the configuration.
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
        possible = [shape for shape in possible if quotas.fits(length, shape)]
        total = sum(shapes.get(shape, 0) for shape in possible)
        for shape in possible:
            for service in services:
                if weight := lengths[length] * shapes.get(shape, 0) * services[service]:
                    mix[Cell(length, shape, service)] = weight / total
    return mix


def fitted(mix: Mix, quotas: Quotas) -> dict[Cell, float]:
    """These kinds of plans in such shares that they give the missing lengths, shapes and services, where they can.

    Iterative proportional fitting (Deming and Stephan 1940). What only one kind can give, others leave to it: a
    service without long plans gets the short ones.
    """
    fit = {cell: weight for cell, weight in mix.items() if weight > 0}
    for _ in range(FITTINGS):
        for kind, room in enumerate(quotas.room):
            if room is not None:
                sums: Counter[int | str] = Counter()
                for cell, weight in fit.items():
                    sums[cell[kind]] += weight  # type: ignore[assignment]
                fit = {cell: weight * room[cell[kind]] / sums[cell[kind]] for cell, weight in fit.items()}
    return fit


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
    """In what lengths and shapes cannot both be met."""
    lengths, shapes, _ = quotas.room
    if lengths is None or shapes is None:
        return ""
    short, single = lengths.get(1, 0), shapes.get("single", 0)
    if short != single:
        return f"{short:,} samples are to be of length 1, and {single:,} singles"
    for least, spare in quotas.spare.items():
        if spare < 0:
            long = sum(count for length, count in lengths.items() if length >= least)
            return f"{long - spare:,} samples have shapes of {least} calls and more, and {long:,} such lengths"
    return ""


def check_services(named: Collection[str], known: Collection[str]) -> None:
    """Raise ``ConfigError`` for a service that no function is of."""
    for name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(sorted(known)[:10])}"
            raise ConfigError(f"no function is of service {name!r}", place="services", remedy=hint)
