"""Finding the documents that the configuration names."""

import glob
import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.files import referred
from goat_ray.errors import ConfigError
from goat_ray.identity import ID_HEX_DIGITS, content_id
from goat_ray.places import Place
from goat_ray.records import Document

logger = logging.getLogger(__name__)
_BLOCK = 1 << 20  # bytes of a file that are hashed at a time


def discover(config: DocumentsConfig) -> list[Document]:
    """The documents at the configured paths, in the order of the paths and then by name.

    Formats are told by content, so every file counts except hidden ones below a folder. Files with the
    same bytes are one document, the first found. Raises ``ConfigError`` for a path that matches no file
    and for a URL that is of no store, ``RunError`` for a store that cannot be read.
    """
    documents: dict[str, Document] = {}
    for path in config.paths:
        found = list(_located(path))
        if not found:
            raise ConfigError(
                f"no file is at {path!r} (looked in {Path.cwd()})",
                place="documents.paths",
                remedy="Give a file, a folder with files, a glob such as apis/**/*.yaml or the URL of one",
            )
        for root, file in found:
            document = Document(id=_id(root, file, config.max_bytes), path=file, root=root)
            if document.id in documents:
                logger.info("%s has the same content as %s and is left out", file, documents[document.id].path)
            documents.setdefault(document.id, document)
    return list(documents.values())


def file_id(file: Place) -> str:
    """``ID_HEX_DIGITS`` hex digits of the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    try:
        with file.open() as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", place=str(file), remedy="Make it readable or leave it out"
        ) from error
    return digest.hexdigest()[:ID_HEX_DIGITS]


def _located(path: str) -> Iterator[tuple[str, str]]:
    """(root, path below it) of the files that a path names; the root of files in a store is a URL."""
    path = re.sub(r"^file://(localhost(?=/))?", "", path, flags=re.IGNORECASE)
    if "://" in path:
        yield from _stored(path)
        return
    for match in _matches(path):
        for root, file in _files(match):
            yield str(root), file.relative_to(root).as_posix()


def _id(root: str, path: str, max_bytes: int) -> str:
    """The id of a document: of its bytes and of the files that it refers to."""
    folder = Place(root)
    own = file_id(folder / path)
    parts = [[part, file_id(folder / part)] for part in referred(folder, path, max_bytes)]
    return content_id(own, parts) if parts else own


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


def _stored(url: str) -> Iterator[tuple[str, str]]:
    """(root URL, path below it) of a file in a store, of all files below a folder, or of those that a glob matches.

    Hidden files below a folder, or below the part of a glob that is no pattern, are left out.
    """
    parts = url.rstrip("/").split("/")
    fixed = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    place, pattern = Place.of("/".join(parts[:fixed])), parts[fixed:]
    whole = Place("/".join([place.url, *pattern]))
    if whole.is_file():  # also one whose name looks like a glob
        yield whole.parent.url, whole.name
        return
    for name, _ in place.files():
        names = name.split("/")
        if any(part.startswith(".") for part in names):
            continue
        depths = [depth for depth in range(len(names) + 1) if _fits(names[:depth], pattern)]
        if depths:  # the folder that the glob matches is the root, or the folder of the file that it matches
            depth = min(depths[0], len(names) - 1)
            yield "/".join([place.url, *names[:depth]]), "/".join(names[depth:])


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a glob matches a path, both in parts; ``**`` stands for any number of folders."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_fits(names[start:], pattern[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _fits(names[1:], pattern[1:])
