"""Finding the documents that the configuration names."""

import glob
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from goat_ray.documents.config import DocumentsConfig
from goat_ray.errors import ConfigError
from goat_ray.identity import ID_HEX_DIGITS
from goat_ray.records import Document

logger = logging.getLogger(__name__)


def discover(config: DocumentsConfig) -> list[Document]:
    """The documents at the configured paths, in the order of the paths and then by name.

    Formats are told by content, so every file counts except hidden ones below a folder. Files with the
    same bytes are one document, the first found. Raises ``ConfigError`` for a path that matches no file.
    """
    documents: dict[str, Document] = {}
    for path in config.paths:
        found = [(root, file) for match in _matches(path) for root, file in _files(match)]
        if not found:
            raise ConfigError(
                f"no file is at {path!r} (looked in {Path.cwd()})",
                place="documents.paths",
                remedy="Give a file, a folder with files or a glob such as apis/**/*.yaml; download remote documents",
            )
        for root, file in found:
            document = Document(id=file_id(file), path=file.relative_to(root).as_posix(), root=str(root))
            if document.id in documents:
                logger.info("%s has the same content as %s and is left out", file, documents[document.id].path)
            documents.setdefault(document.id, document)
    return list(documents.values())


def file_id(file: Path) -> str:
    """The id of a document: ``ID_HEX_DIGITS`` hex digits of the SHA-256 of its bytes."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:ID_HEX_DIGITS]
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", place=str(file), remedy="Make it readable or leave it out"
        ) from error


def _matches(path: str) -> list[Path]:
    expanded = Path(path).expanduser()
    if expanded.exists():  # also a file whose name looks like a glob
        return [expanded]
    return [Path(match) for match in sorted(glob.glob(str(expanded), recursive=True))]


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """(root, file) for a file, or for each file below a folder; both absolute, so that any worker can read them."""
    if path.is_file():
        file = path.resolve()  # a link that the user named is meant; links below a folder are not followed out of it
        yield file.parent, file
        return
    root = path.resolve()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield root, file
