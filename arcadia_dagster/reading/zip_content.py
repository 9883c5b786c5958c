"""What is in a ZIP archive of one file, as AWS packs the parts of its legacy reports, and people what they send.

An archive of several files, with a password, or packed in a way that few programs know, is not read: the error says why, and
what to do. Nothing is ever written under the name of a member; one that leads out of a folder is an error all the same. What
macOS puts beside each file (`__MACOSX/`) does not count.
Source: the ZIP file format specification (APPNOTE.TXT 6.3.10).
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from arcadia_dagster.reading import unread

MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
"""How an archive begins: with a file, with none, or with the mark of one in several volumes."""

_ENCRYPTED = 0x1
_KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MOST_DIRECTORY_BYTES = 1 << 20
_SHOWN = 3
_TOTAL = ".total"
_LEADS_OUT = re.compile(r"([A-Za-z]:|[/\\])|(.*[/\\])?\.\.([/\\]|$)")
_KINDS = (
    ("xl/workbook.xml", unread.XLSX),
    ("xl/workbook.bin", unread.XLSB),
    ("word/document.xml", unread.DOCX),
    ("index/document.iwa", unread.NUMBERS),
    ("[content_types].xml", unread.OFFICE),
)
"""The kind of an archive, by the name of a member in small letters."""

_MIME = "mimetype"
_MIMES = (
    (b"application/vnd.oasis.opendocument.spreadsheet", unread.ODS),
    (b"application/vnd.oasis.opendocument.text", unread.ODT),
)
_LONGEST_MIME = 200
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)
"""What reading a member raises where it is damaged."""

_MALFORMED = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, NotImplementedError)
"""What Python's module raises for bytes that are no valid archive."""


class ZipError(Exception):
    """An archive is not read; the message says why, and what to do."""


def open_only_member(path: Path) -> BinaryIO:
    """The content of the archive's one file, unpacked as a stream.

    Reading raises zipfile.BadZipFile, zlib.error or EOFError where it is damaged.

    Raises:
        ZipError: The archive is damaged, or has not one file that can be read.
        OSError: It cannot be read.
    """
    try:
        with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            if (words := _document(archive)) is not None:
                raise ZipError(words)
            member = _only(archive.infolist())
        with zipfile.ZipFile(path) as archive:
            return cast("BinaryIO", archive.open(member))
    except _MALFORMED as error:
        raise ZipError(
            f"it cannot be unpacked: its ZIP archive is damaged or not whole ({error}); drop it again"
        ) from error


def member_name(path: Path) -> str | None:
    """The name of the archive's one file, without its folders; None where it has not one that can be read.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            return _only(archive.infolist()).filename.replace("\\", "/").rpartition("/")[2]
    except (ZipError, *_MALFORMED):
        return None


class _Bounded(io.BufferedReader):
    """A file of which no large piece is read: a directory of a million members would be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_DIRECTORY_BYTES:
            raise ZipError(f"it is a ZIP archive of many files: {_SEVERAL}")
        return super().read(size)


_SEVERAL = "unpack it, and drop its files, those of one delivery in one folder"


def _document(archive: zipfile.ZipFile) -> str | None:
    """The kind of document that the archive itself is, such as a spreadsheet; None where a person packed a file."""
    names = {member.filename.lower().lstrip("/") for member in archive.infolist()}
    if (words := next((words for name, words in _KINDS if name in names), None)) is not None:
        return words
    first = archive.infolist()[0] if names else None
    if first is None or first.filename != _MIME or first.compress_type != zipfile.ZIP_STORED:
        return None
    if first.flag_bits & _ENCRYPTED or first.file_size > _LONGEST_MIME:
        return None
    mime = archive.read(first)
    return next((words for start, words in _MIMES if mime.startswith(start)), None)


def _only(members: Sequence[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    files = [
        member
        for member in members
        if not member.filename.endswith("/") and not member.filename.startswith("__MACOSX/")
    ]
    if not files:
        raise ZipError("it is a ZIP archive with no file in it; expected one: pack it again, or drop the file itself")
    if totals := [member for member in files if member.filename.lower().endswith(_TOTAL)]:
        raise ZipError(
            f"it is a ZIP archive with a control total in it ({totals[0].filename[:60]!r}), which is read from the inbox only: "
            "unpack it, and drop the document and its .total side by side"
        )
    if len(files) > 1:
        shown = ", ".join(repr(member.filename[:60]) for member in files[:_SHOWN])
        more = ", ..." if len(files) > _SHOWN else ""
        raise ZipError(f"it is a ZIP archive of {len(files)} files ({shown}{more}): {_SEVERAL}")
    [file] = files
    if file.flag_bits & _ENCRYPTED:
        raise ZipError("it is a ZIP archive with a password: unpack it, and drop the file that is in it")
    if file.compress_type not in _KNOWN:
        raise ZipError(
            "it is a ZIP archive that is packed in an unusual way: unpack it, and drop the file that is in it"
        )
    if _LEADS_OUT.match(file.filename):
        raise ZipError(
            f"it is a ZIP archive whose file would be written outside of its folder ({file.filename[:60]!r}), as attacks do: "
            "find out who sent it; where that is right, drop the file itself"
        )
    if min(member.header_offset for member in members) != 0:
        raise ZipError(
            "it is a ZIP archive with something before it that it does not list: unpack it, and drop the file that you mean"
        )
    return file
