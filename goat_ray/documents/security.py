"""How an operation is secured, and which parameters are credentials.

The executor supplies credentials; they are nothing that a user or a model says. A parameter is a credential if the
operation's ``security`` has an ``apiKey`` scheme of its name and place, or if the operation is secured in any way and
the parameter is both called and described as one ("token": "Authentication token"). The header ``Authorization`` is
no parameter in any case. Placeholders of a path stay.
"""

import re
from dataclasses import dataclass
from typing import Any

from goat_ray.documents.flaws import Flaw
from goat_ray.documents.references import References
from goat_ray.documents.schemas import text
from goat_ray.records import Parameter, SecurityScheme

_NAMES = {"token", "accesstoken", "authtoken", "apitoken", "oauthtoken", "apikey", "xapikey", "xauthtoken"}
_DESCRIPTION = re.compile(
    r"authenticat|authori[sz]|\bauth\b|\bbearer\b|\bcredential|\bapi[ _-]?key\b|\byour (\w+ )?token\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Security:
    """What one operation asks of its callers."""

    alternatives: list[list[SecurityScheme]]  # each of schemes to be met together; an empty one asks for nothing

    @classmethod
    def of(cls, security: Any, schemes: Any, references: References) -> "Security":
        """That of a list of "Security Requirement Objects", given the document's schemes."""
        asked = [need for need in security if isinstance(need, dict)] if isinstance(security, list) else []
        return cls([[_scheme(name, schemes, references) for name in need] for need in asked])

    def is_credential(self, parameter: Parameter) -> bool:
        """Whether the executor has to supply the parameter."""
        if parameter.location == "path":
            return False
        schemes = [scheme for alternative in self.alternatives for scheme in alternative]
        place = _key(parameter.location, parameter.name)
        if any(scheme.type == "apiKey" and _key(scheme.location, scheme.parameter) == place for scheme in schemes):
            return True
        called = re.sub(r"[^a-z]", "", parameter.name.lower()) in _NAMES
        return bool(schemes) and called and _DESCRIPTION.search(parameter.description) is not None


def _scheme(name: str, schemes: Any, references: References) -> SecurityScheme:
    """The scheme of that name; of an unknown type where the document does not describe it."""
    try:
        node = references.follow(schemes.get(name)) if isinstance(schemes, dict) else None
    except Flaw:  # no reason to lose the operation: what it takes is known all the same
        node = None
    node = node if isinstance(node, dict) else {}
    kind = text(node.get("type"))
    if kind == "basic":  # as Swagger 2.0 has it
        return SecurityScheme(name=name, type="http", scheme="basic")
    if kind == "apiKey":
        return SecurityScheme(name=name, type=kind, location=text(node.get("in")), parameter=text(node.get("name")))
    return SecurityScheme(name=name, type=kind, scheme=text(node.get("scheme")).lower())


def _key(location: str, name: str) -> tuple[str, str]:
    return location, name.lower() if location == "header" else name
