"""Credentials among parameters. The executor supplies them; they are nothing that a user or a model says.

A parameter is a credential if the operation's ``security`` has an ``apiKey`` scheme of its name and place, or if
the operation is secured in any way and the parameter is both called and described as one ("token":
"Authentication token"). The header ``Authorization`` is no parameter in any case. Placeholders of a path stay.
"""

import re
from dataclasses import dataclass
from typing import Any

from goat_ray.documents.flaws import Flaw
from goat_ray.documents.references import References
from goat_ray.records import Parameter

_NAMES = {"token", "accesstoken", "authtoken", "apitoken", "oauthtoken", "apikey", "xapikey", "xauthtoken"}
_DESCRIPTION = re.compile(
    r"authenticat|authori[sz]|\bauth\b|\bbearer\b|\bcredential|\bapi[ _-]?key\b|\byour (\w+ )?token\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Credentials:
    """Tells which parameters of one operation are credentials."""

    keys: frozenset[tuple[str, str]]  # (location, name) of apiKey schemes, names of headers in lower case
    secured: bool

    @classmethod
    def of(cls, security: Any, schemes: Any, references: References) -> "Credentials":
        """Those of a list of "Security Requirement Objects", alternatives included, given the document's schemes."""
        asked = [need for need in security if isinstance(need, dict)] if isinstance(security, list) else []
        keys: set[tuple[str, str]] = set()
        for name in {name for need in asked for name in need}:
            try:
                scheme = references.follow(schemes.get(name)) if isinstance(schemes, dict) else None
            except Flaw:  # no reason to lose the operation: what it takes is known all the same
                continue
            if isinstance(scheme, dict) and scheme.get("type") == "apiKey":
                keys.add(_key(str(scheme.get("in")), str(scheme.get("name"))))
        return cls(frozenset(keys), any(asked))

    def include(self, parameter: Parameter) -> bool:
        """Whether the parameter is a credential."""
        if parameter.location == "path":
            return False
        if _key(parameter.location, parameter.name) in self.keys:
            return True
        called = re.sub(r"[^a-z]", "", parameter.name.lower()) in _NAMES
        return self.secured and called and _DESCRIPTION.search(parameter.description) is not None


def _key(location: str, name: str) -> tuple[str, str]:
    return location, name.lower() if location == "header" else name
