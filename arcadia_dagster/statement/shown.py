"""The documents that people look at, beside the pages: copies of archived PDF and XML that pages link to.

    statements/documents/3f9a....pdf     the content of the document with this SHA-256
    statements/documents/77c0....txt     XML, as text: no browser runs anything that it has in it

A copy, because a link from a page must work in both ways that a page is opened: from the statements' server, and as a
file, where the archive may lie anywhere. A file that shows no invoice any more is removed, so the server has no others.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final
from uuid import uuid4

from arcadia_dagster.landing.archive import Archive, ArchiveError
from arcadia_dagster.reading.content import DAMAGED, open_content
from arcadia_dagster.reading.pdf_attachments import is_pdf

FOLDER: Final = "documents"
"""The folder below that of the pages."""

NAME: Final = re.compile(r"[0-9a-f]{64}\.(pdf|txt)", re.ASCII)
"""What its files are called."""

MAX_BYTES: Final = 64 << 20
"""A document with more content than this is not copied: `arcadia documents get` writes it out."""

_PART = ".part"
_START = 1024
_MARK = "\xef\xbb\xbf"


def copies(archive: Archive, pages: Path, hashes: Collection[str]) -> dict[str, str]:
    """Put the documents beside the pages.

    Args:
        archive: Where their bytes are.
        pages: The folder of the pages.
        hashes: The documents.

    Returns:
        For each document its address relative to the pages, such as `documents/3f9a....pdf`. One that is too large, gone
        from the archive or damaged has none.

    Raises:
        OSError: A file cannot be written.
    """
    addresses: dict[str, str] = {}
    for sha256 in sorted(hashes):
        try:
            name = _copy(archive.path_of(sha256), pages)
        except ArchiveError:
            # The archive is a bucket, which has other bytes there, or does not answer: the pages do not wait for it.
            continue
        if name is not None:
            addresses[sha256] = f"{FOLDER}/{name}"
    return addresses


def remove_others(pages: Path, hashes: Collection[str]) -> None:
    """Remove the copies of all documents but these, and what a process left when it was killed."""
    for file in (pages / FOLDER).glob("*"):
        if file.name.endswith(_PART) or (NAME.fullmatch(file.name) and file.stem not in hashes):
            file.unlink(missing_ok=True)


def file_of(pages: Path, document_sha256: str) -> Path | None:
    """The copy of a document beside the pages; None where there is none."""
    files = (pages / FOLDER / f"{document_sha256}{ending}" for ending in (".pdf", ".txt"))
    return next((file for file in files if file.is_file()), None)


def _copy(archived: Path, pages: Path) -> str | None:
    if (there := file_of(pages, archived.name)) is not None:
        return there.name
    folder = pages / FOLDER
    if not archived.is_file():
        return None
    try:
        with open_content(archived) as file:
            content = file.read(MAX_BYTES + 1)
    except DAMAGED:
        return None
    if len(content) > MAX_BYTES:
        return None
    is_pdf_ = is_pdf(content[:_START].decode("latin-1").removeprefix(_MARK))
    name = f"{archived.name}{'.pdf' if is_pdf_ else '.txt'}"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{uuid4().hex[:12]}{_PART}"
    try:
        part.write_bytes(content)
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)
    return name
