"""What can be wrong with a document or one of its operations. Each flaw becomes a reject."""

from typing import ClassVar

from goat_ray.errors import DocumentError
from goat_ray.records import Reject


class Flaw(DocumentError):
    """A document, or one operation of it, that cannot be used."""

    reason: ClassVar[str]  # the constant that rejects are counted by

    def reject(self, id: str, place: str = "") -> Reject:
        """The reject of the record ``id``; ``place`` says where, unless the flaw itself knows better."""
        where = self.place or place
        return Reject(id=id, reason=self.reason, detail=f"{where + ': ' if where else ''}{self.problem}. {self.remedy}")


class UnknownFormat(Flaw):
    """No reader knows the document's format."""

    reason = "unknown-format"


class NotOpenApi(Flaw):
    """The document calls itself OpenAPI but is not a version that is read."""

    reason = "not-openapi"


class Unreadable(Flaw):
    """The file cannot be opened, or is not well-formed JSON or YAML."""

    reason = "unreadable"


class Empty(Flaw):
    """A file without content."""

    reason = "empty"


class Binary(Flaw):
    """A file that is no text, such as a picture or an archive."""

    reason = "binary"


class OutsideRoot(Flaw):
    """The file lies outside the folder it was found in, behind a link."""

    reason = "outside-root"


class TooLarge(Flaw):
    """The file, or what its YAML aliases expand to, exceeds a limit."""

    reason = "too-large"


class TooDeep(Flaw):
    """Values or schemas are nested beyond a limit."""

    reason = "too-deep"


class BadReference(Flaw):
    """A ``$ref`` that leads nowhere, or round in a circle."""

    reason = "bad-ref"


class RemoteReference(Flaw):
    """A ``$ref`` to another file or host."""

    reason = "remote-ref"


class NoOperations(Flaw):
    """An API document without any operation."""

    reason = "no-operations"


class BadOperation(Flaw):
    """An operation that is not what the format prescribes."""

    reason = "bad-operation"

    @classmethod
    def unforeseen(cls, error: Exception, noun: str) -> "BadOperation":
        """The last resort: untrusted input must not end a run over thousands with one odd part."""
        problem = f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return cls(problem, remedy=f"Correct the {noun}")


class NameTaken(Flaw):
    """A parameter that is left out of a function, because another one has its name."""

    reason = "name-taken"


class FieldsCut(Flaw):
    """Output fields or body parameters that are left out of a function, because they are too many."""

    reason = "fields-cut"


class DuplicateName(Flaw):
    """An API that the document describes once more, in other words."""

    reason = "duplicate-name"


class Incomplete(Flaw):
    """A tool list with further pages that are not in the document."""

    reason = "incomplete"


class Undocumented(Flaw):
    """A Python function with neither a docstring nor annotations."""

    reason = "undocumented"
