"""Base of every configuration section: strict, immutable, and clear about what is wrong."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from goat_ray.errors import ConfigError


class Settings(BaseModel):
    """A section of the configuration. Unknown keys are errors; each package owns its sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def variable_name(name: str) -> str:
    """The name of an environment variable; raises ``ValueError`` without the text, which may be a secret by mistake."""
    if not (name.isascii() and name.isidentifier()):
        raise ValueError("is not the name of an environment variable; put the secret in one and give its name here")
    return name


VariableName = Annotated[str, AfterValidator(variable_name)]
"""A secret's environment variable: configurations hold names, never values."""


def environment_variable(name: str, *, place: str) -> str:
    """The value of an environment variable; raises ``ConfigError`` where it is not set."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(
            f"the environment variable {name} is not set",
            place=place,
            remedy=f"Set {name} where goat starts, and on every node before Ray starts there; see cluster/README.md",
        )
    return value


def is_http_address(url: str) -> bool:
    """Whether a text is an address such as http://localhost:8000/v1."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


S = TypeVar("S", bound=Settings)


def load(path: Path, kind: type[S], changes: Sequence[str] = ()) -> S:
    """Read a YAML file into a section; raises ``ConfigError`` naming file, key and remedy.

    ``changes`` such as ``sampling.plans=100`` replace single values; what follows ``=`` is YAML.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file", place=str(path), remedy="Give the path of a YAML file, such as configs/demo.yaml"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"cannot be read as YAML: {' '.join(str(error).split())}", place=str(path), remedy="Mend the file"
        ) from error
    content = {} if content is None else content
    for change in changes:
        _change(content, change)
    return build(content, kind, place=" ".join([str(path), *(f"with {change}" for change in changes)]))


def _change(content: Any, change: str) -> None:
    key, equals, text = change.partition("=")
    *sections, last = key.split(".")
    try:
        for section in sections:
            content = content.setdefault(section, {})
        content[last] = yaml.safe_load(text)
    except (AttributeError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{change!r} cannot be set", place="--set", remedy="Write it like sampling.plans=100"
        ) from error
    if not (equals and last):
        raise ConfigError(f"{change!r} sets nothing", place="--set", remedy="Write it like sampling.plans=100")


def build(content: Any, kind: type[S], *, place: str) -> S:
    """Validate plain data into a section; raises ``ConfigError`` that lists every wrong key."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = [_explain(detail, kind) for detail in error.errors()]
        raise ConfigError("; ".join(problems), place=place, remedy="Correct these keys") from error


def _explain(detail: ErrorDetails, kind: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "the whole file"
    if detail["type"] != "extra_forbidden":
        return f"{where}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    known = _keys_at(kind, detail["loc"][:-1])
    close = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known keys are {', '.join(sorted(known))}"
    return f"{where}: there is no such key ({hint})"


def _keys_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    section: Any = kind
    for part in loc:
        field = section.model_fields.get(part) if hasattr(section, "model_fields") else None
        section = field.annotation if field is not None else None
    return list(section.model_fields) if hasattr(section, "model_fields") else []
