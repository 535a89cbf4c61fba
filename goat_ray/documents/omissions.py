"""What to say of a function that is kept without some of its parts: nothing disappears silently."""

from collections import Counter
from collections.abc import Iterator

from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import FieldsCut, Flaw, NameTaken
from goat_ray.records import Parameter


def left_out(twins: list[Parameter], cut: Counter[str], limits: Limits) -> Iterator[Flaw]:
    """The flaws of a function without the parameters ``twins``, whose names others have, and ``cut`` more parts."""
    if twins:
        names = ", ".join(f"{twin.name} ({twin.location})" for twin in twins[:10]) + (", …" if twins[10:] else "")
        yield NameTaken(
            f"the function was kept without {len(twins)} of its parameters, whose names others have: {names}",
            remedy="Rename them if they mean something else",
        )
    if +cut:
        counts = " and ".join(f"{count} known {kind}" for kind, count in sorted((+cut).items()))
        yield FieldsCut(
            f"the function was kept without {counts}, and what is inside these:"
            f" a function has {limits.max_fields} of a kind",
            remedy="Raise documents.max_fields if they matter",
        )
