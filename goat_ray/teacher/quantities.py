"""Units in the names of fields and parameters: ``weight_grams`` is a weight, in grams."""

from functools import lru_cache

from goat_ray.naming import words

_UNITS = {
    **{unit: unit for unit in "grams kilograms tonnes ounces pounds metres meters kilometres kilometers miles".split()},
    **{unit: unit for unit in "seconds minutes hours days weeks months euros dollars cents bytes percent".split()},
    **{"kg": "kilograms", "mg": "milligrams", "oz": "ounces", "lbs": "pounds", "km": "kilometres", "cm": "centimetres"},
    **{"mm": "millimetres", "ms": "milliseconds", "secs": "seconds", "mins": "minutes", "kb": "kilobytes"},
    **{"mb": "megabytes", "gb": "gigabytes", "pct": "percent", "celsius": "degrees Celsius", "kwh": "kilowatt hours"},
    **{"eur": "euros", "usd": "US dollars", "gbp": "pounds sterling", "jpy": "yen", "chf": "Swiss francs"},
}


@lru_cache(maxsize=4096)
def measured(name: str) -> tuple[tuple[str, ...], str]:
    """The words of a name without its unit, and the unit; empty where the name has none.

    >>> measured("tourist_tax_eur")
    (('tourist', 'tax'), 'euros')
    """
    parts = words(name)
    if len(parts) > 1 and parts[-1] in _UNITS:
        kept = parts[:-2] if parts[-2] == "in" and len(parts) > 2 else parts[:-1]
        return kept, _UNITS[parts[-1]]
    return parts, ""
