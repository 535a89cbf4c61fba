"""How many samples of each length, shape and service a corpus is to have."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from goat_ray.settings import Settings
from goat_ray.synthesis.shapes import LONGEST, Shape

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


Share = Annotated[float, Field(ge=0)]
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

    def accept(self, *values: Any) -> str:
        """Take a sample of this length, shape and service; or say what there is enough of, and take nothing."""
        if not self.left:
            return "samples"
        for kind, room, value in zip(KINDS, self.room, values, strict=True):
            if room is not None and not room.get(value):
                return f"{kind} {value}"
        self.left -= 1
        for room, value in zip(self.room, values, strict=True):
            if room is not None:
                room[value] -= 1
        return ""

    def missing(self) -> Iterable[str]:
        """What is missing, as text."""
        for kind, room in zip(KINDS, self.room, strict=True):
            for value, count in (room or {}).items():
                if count:
                    yield f"{kind} {value}: {count:,}"


def shared_out(total: int, shares: Mapping[Any, float]) -> dict[Any, int]:
    """Whole numbers that add up to a total, in the proportions of shares (largest remainders)."""
    whole = sum(shares.values())
    exact = {value: total * share / whole for value, share in shares.items()}
    given = {value: int(amount) for value, amount in exact.items()}
    by_remainder: Sequence[Any] = sorted(exact, key=lambda value: (given[value] - exact[value], str(value)))
    for value in by_remainder[: total - sum(given.values())]:
        given[value] += 1
    return given
