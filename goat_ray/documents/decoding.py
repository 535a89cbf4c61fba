"""From the bytes of a file to UTF-8, which all readers take (RFC 8259, section 8.1; YAML 1.2.2, section 5.2)."""

import codecs

from goat_ray.documents.flaws import Binary, Empty, Unreadable

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Without a mark, the NUL bytes around the first character tell, which is ASCII in YAML and JSON.
_NULS: dict[tuple[bool, ...], str] = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False, True, False): "utf-16-be",
    (False, True, False, True): "utf-16-le",
}
_KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"PAR1": "a Parquet file",
    b"%PDF-": "a PDF",
    b"\x7fELF": "a program",
}


def as_utf8(content: bytes, place: str) -> bytes:
    """The content of a text file as UTF-8 without a byte order mark.

    Raises ``Flaw`` if nothing but blanks is in it, if it is no text, or if its encoding cannot be told for sure:
    Latin-1 and its kin are never guessed, since every file would be valid in them.
    """
    for magic, kind in _KINDS.items():
        if content.startswith(magic):
            remedy = "Unpack it" if "archive" in kind else "Leave it out"
            raise Binary(f"is {kind}, not an API document", place=place, remedy=remedy)
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", ""))
    if not encoding:
        encoding = _NULS.get(tuple(byte == 0 for byte in content[:4]), "utf-8")
    body = content[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8" and b"\0" in content:
            raise _no_text(place) from error
        offset = len(mark) + error.start
        raise Unreadable(
            f"is not {encoding.upper()}: {error.reason} at byte {offset} (0x{content[offset]:02x})",
            place=place,
            remedy="Save it as UTF-8; if it is in Windows-1252, with iconv -f CP1252 -t UTF-8",
        ) from error
    if not text or text.isspace():
        raise Empty("has nothing in it", place=place, remedy="Fill it or leave it out")
    if "\0" in text:
        raise _no_text(place)
    return body if encoding == "utf-8" else text.encode()


def _no_text(place: str) -> Binary:
    return Binary("has NUL bytes, so it is no text", place=place, remedy="Leave it out, or save it as UTF-8")
