"""Base of every configuration section: strict, immutable, and clear about what is wrong."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args
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


class _Loader(yaml.SafeLoader):
    """YAML in which no mapping has a key twice, of which the first would be dropped without a word."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Checked here, as a mapping that is made has the keys of merged ones (<<) too, which its own may replace."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"):
            if (key.tag, key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add((key.tag, key.value))
        return node


def read_yaml(text: str) -> Any:
    """What a YAML text says; raises ``ValueError`` for one that cannot be read."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a safe one)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def load(path: Path, kind: type[S], changes: Sequence[str] = ()) -> S:
    """Read a YAML file into a section; raises ``ConfigError`` naming file, key and remedy.

    ``changes`` such as ``sampling.plans=100`` replace single values; what follows ``=`` is YAML.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file", place=str(path), remedy="Give the path of a YAML file, such as configs/demo.yaml"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read as YAML: {error}", place=str(path), remedy="Mend the file") from error
    content = {} if content is None else content
    for change in changes:
        _change(content, change)
    changed = (f"with {change.partition('=')[0]}" for change in changes)
    return build(content, kind, place=" ".join([str(path), *changed]))


def _change(content: Any, change: str) -> None:
    """Replace a value. Errors do not repeat what stands behind ``=``, or where a key is missing: it may be a secret."""
    remedy = "Write it like sampling.plans=100"
    key, equals, text = change.partition("=")
    *sections, last = key.split(".")
    if not (equals and last):
        name = f"{key} is no key" if equals and key else "a change has no key or no '='"
        raise ConfigError(name, place="--set", remedy=remedy)
    try:
        for section in sections:
            content = content.setdefault(section, {})
        content[last] = read_yaml(text)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"{key} cannot be set to this", place="--set", remedy=remedy) from error


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
    sections = [kind]
    for part in loc:
        fields = [section.model_fields[str(part)] for section in sections if part in section.model_fields]
        if fields:  # else the key of a mapping of sections, or the number of one in a list
            sections = [section for field in fields for section in _sections(field.annotation)]
    return [key for section in sections for key in section.model_fields]


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The sections in a type such as ``Section | None`` or ``dict[str, Section]``."""
    inner = get_args(annotation)
    if not inner:
        return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
    return [section for one in inner for section in _sections(one)]
