"""How many samples of each length, shape and service a corpus is to have."""

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from goat_ray.settings import Settings
from goat_ray.synthesis.shapes import LONGEST, SHORTEST, Shape

KINDS = ("lengths", "shapes", "services")
Shared = TypeVar("Shared", bound=Mapping[Any, float])


def _some(shares: Shared) -> Shared:
    if shares and not sum(shares.values()):
        raise ValueError("shares are not all zero")
    return shares


def _possible(lengths: dict[int, float]) -> dict[int, float]:
    if lengths and not 1 <= min(lengths) <= max(lengths) <= LONGEST:
        raise ValueError(f"lengths are 1 to {LONGEST}")
    return lengths


Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Lengths = Annotated[dict[int, Share], AfterValidator(_possible), AfterValidator(_some)]
Shapes = Annotated[dict[Shape, Share], AfterValidator(_some)]
Services = Annotated[dict[str, Share], AfterValidator(_some)]


class QuotasConfig(Settings):
    """Relative shares of the accepted samples. What an unempty one does not name is not accepted."""

    lengths: Lengths = Field({}, description="Number of calls -> share; empty for any.")
    shapes: Shapes = Field({}, description="How the calls hang together -> share; empty for any.")
    services: Services = Field({}, description="Service of the last call -> share; empty for any.")


class Quotas:
    """The room that is left for each kind of sample."""

    def __init__(self, accepted: int, config: QuotasConfig) -> None:
        self.left = accepted
        self.room: list[dict[Any, int] | None] = [
            shared_out(accepted, shares) if (shares := getattr(config, kind)) else None for kind in KINDS
        ]
        self.spare = _spare(*self.room[:2])

    def accept(self, *values: Any) -> str:
        """Take a sample of this length, shape and service; or say what there is enough of, and take nothing."""
        if not self.left:
            return "samples"
        for kind, room, value in zip(KINDS, self.room, values, strict=True):
            if room is not None and not room.get(value):
                return f"{kind} {value}"
        length, shape, _ = values
        if not self.fits(length, shape):
            return f"{shape} of {length} calls"
        self.left -= 1
        for room, value in zip(self.room, values, strict=True):
            if room is not None:
                room[value] -= 1
        for least in self.spare:
            self.spare[least] += (SHORTEST[shape] >= least) - (length >= least)
        return ""

    def fits(self, length: int, shape: Shape) -> bool:
        """Whether the missing lengths would still suffice for the missing shapes, once this length had this shape.

        A shape takes any length from its shortest on, so it is enough that of each such bound on there are as many
        lengths as shapes (Hall's theorem; the sets are nested).
        """
        return all(spare for least, spare in self.spare.items() if length >= least > SHORTEST[shape])

    def missing(self) -> Iterable[str]:
        """What is missing, as text."""
        for kind, room in zip(KINDS, self.room, strict=True):
            for value, count in (room or {}).items():
                if count:
                    yield f"{kind} {value}: {count:,}"


def _spare(lengths: dict[Any, int] | None, shapes: dict[Any, int] | None) -> dict[int, int]:
    """For each least number of calls, how many more samples have lengths from there on than shapes that need it.

    Below zero the two contradict each other.
    """
    if lengths is None or shapes is None:
        return {}
    return {
        least: sum(count for length, count in lengths.items() if length >= least)
        - sum(count for shape, count in shapes.items() if SHORTEST[shape] >= least)
        for least in sorted(set(SHORTEST.values()))
    }


def shared_out(total: int, shares: Mapping[Any, float]) -> dict[Any, int]:
    """Whole numbers that add up to a total, each less than one from the proportions of its share.

    Running sums are what is rounded, from long and rich to short and plain. So lengths and shapes that agree as
    shares agree as numbers, too: where half of the samples are of one call, as many are singles.
    """
    exact = {value: Fraction(str(shares[value])) for value in sorted(shares, key=_rich_first)}
    whole = sum(exact.values())
    given: dict[Any, int] = {}
    running, before = Fraction(0), 0
    for value, share in exact.items():
        running += share
        upto = math.floor(total * running / whole + Fraction(1, 2))
        given[value], before = upto - before, upto
    return given


def _rich_first(value: Any) -> tuple[int, str]:
    least = value if isinstance(value, int) else SHORTEST.get(value, 0)
    return -least, str(value)
