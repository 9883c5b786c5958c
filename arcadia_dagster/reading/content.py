"""What is in a document's bytes: the bytes themselves, what gzip, Zstandard or ZIP packed, or Parquet.

The first bytes decide, never the name. The identity of a packed document is the hash of its packed bytes; the program examines,
reads and shows its content, which is unpacked as a stream, so that a small file with a large content costs no memory.
"""

import gzip
import io
import shutil
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from arcadia_dagster.reading import zip_content
from arcadia_dagster.reading.text import TextExaminer, TextFacts
from arcadia_dagster.reading.unread import IN_SMALLER_FILES, WHOLE_AGAIN

_CHUNK = 1 << 20

_DAMAGED = (*zip_content.DAMAGED, EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)

DAMAGED = (*_DAMAGED, zip_content.ZipError)
"""What opening and reading packed content raise where it is not whole, or is no single file."""


class Encoding(StrEnum):
    """How a document's content is in its bytes. The values are those of DuckDB's `compression`, but for ZIP and Parquet."""

    PLAIN = "none"
    GZIP = "gzip"
    ZSTANDARD = "zstd"
    ZIP = "zip"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    """A document in the archive, with what the pass over its bytes found."""

    document_sha256: str
    path: Path
    byte_size: int
    encoding: Encoding
    facts: TextFacts


_MAGIC = (
    (b"\x1f\x8b", Encoding.GZIP),
    (b"\x28\xb5\x2f\xfd", Encoding.ZSTANDARD),
    (b"PAR1", Encoding.PARQUET),
    *((magic, Encoding.ZIP) for magic in zip_content.MAGIC),
)
# RFC 1952, 2.3.1; RFC 8878, 3.1.1; APPNOTE.TXT 6.3.10, 4.3; Apache Parquet's file format.

_MAGIC_BYTES = 4


def encoding_of(start: bytes) -> Encoding:
    """The encoding that the first bytes tell."""
    return next((encoding for magic, encoding in _MAGIC if start.startswith(magic)), Encoding.PLAIN)


def open_content(path: Path) -> BinaryIO:
    """The document's content, unpacked; Parquet as it is.

    Reading raises one of `DAMAGED` where packed content is not whole.

    Raises:
        zip_content.ZipError: A ZIP archive, which is one of `DAMAGED`, has not one file that can be read.
        OSError: The document cannot be read.
    """
    with path.open("rb") as file:
        encoding = encoding_of(file.read(_MAGIC_BYTES))
    match encoding:
        case Encoding.GZIP:
            return cast("BinaryIO", gzip.open(path))
        case Encoding.ZSTANDARD:
            reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
            return io.BufferedReader(cast("io.RawIOBase", reader))
        case Encoding.ZIP:
            return zip_content.open_only_member(path)
        case _:
            return path.open("rb")


def unpack(path: Path, target: Path) -> None:
    """Write the document's content into a file.

    Raises:
        OSError: It cannot be read, or the file not be written.
    """
    with open_content(path) as content, target.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)


class Examiner:
    """Examines a document chunk by chunk; packed content is unpacked after the last chunk."""

    def __init__(self, *, max_bytes: int) -> None:
        """Start before the first byte.

        Args:
            max_bytes: Content that unpacks into more is not unpacked any further.
        """
        self._max_bytes = max_bytes
        self._start = b""
        self._text = TextExaminer()
        self.encoding: Encoding | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next chunk of the document's bytes."""
        if self.encoding is None:
            self._start += chunk
            if len(self._start) < _MAGIC_BYTES:
                return
            chunk = self._begin()
        if self.encoding is Encoding.PLAIN:
            self._text.update(chunk)

    def finish(self, path: Path) -> tuple[Encoding, TextFacts]:
        """The encoding and what the content is, once all bytes have been taken and are at the path."""
        if self.encoding is None:
            self._text.update(self._begin())
        match self.encoding:
            case Encoding.GZIP | Encoding.ZSTANDARD | Encoding.ZIP:
                return self.encoding, self._unpacked(path)
            case Encoding.PARQUET:
                return self.encoding, TextFacts(head=b"", problem=None, newline="", records=0)
            case _:
                return Encoding.PLAIN, self._text.facts()

    def _begin(self) -> bytes:
        start, self._start = self._start, b""
        self.encoding = encoding_of(start)
        return start

    def _unpacked(self, path: Path) -> TextFacts:
        taken = 0
        try:
            with open_content(path) as content:
                while chunk := content.read(_CHUNK):
                    taken += len(chunk)
                    if taken > self._max_bytes:
                        return _unreadable(
                            f"it unpacks into more than ARCADIA_MAX_DOCUMENT_BYTES={self._max_bytes} bytes: raise that "
                            f"setting, or {IN_SMALLER_FILES}"
                        )
                    self._text.update(chunk)
        except zip_content.ZipError as error:
            return _unreadable(str(error))
        except _DAMAGED as error:
            return _unreadable(
                f"it cannot be unpacked: its {self.encoding} content is damaged or not whole ({error}); {WHOLE_AGAIN}"
            )
        return self._text.facts()


def _unreadable(problem: str) -> TextFacts:
    return TextFacts(head=b"", problem=problem, newline="", records=0)
