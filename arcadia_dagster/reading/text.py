"""Whether a document's bytes are text, and their line ends and records, in the same pass that hashes them.

Text is UTF-8 or it is rejected with the offset: a guessed encoding turns an amount or a name into something else.
"""

import codecs
from dataclasses import dataclass

from arcadia_dagster.reading import unread
from arcadia_dagster.reading.unread import WHOLE_AGAIN

HEAD_BYTES = 64 * 1024
BYTE_ORDER_MARK = codecs.BOM_UTF8

# The control characters of ASCII, without tab, line feed and carriage return.
_QUOTE, _COMMA = ord('"'), ord(",")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"


@dataclass(frozen=True, slots=True)
class TextFacts:
    r"""What one pass over a document's bytes found.

    Attributes:
        head: The first 64 KiB.
        problem: Why it is not text, with the offset in bytes from 0; None where it is.
        newline: What ends its lines: `\n`, `\r\n` or `\r`; the first line end decides.
        records: How many records it has, blank lines and quoting considered; counted independently of the reader.
        commas: How many commas it has outside of quotes: as many as separate the values of its records, if it is CSV.
    """

    head: bytes
    problem: str | None
    newline: str
    records: int
    commas: int = 0


class TextExaminer:
    """Examines bytes chunk by chunk, in bounded memory. How they are cut into chunks does not matter."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._head = b""
        self._size = 0
        self._problem: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._pending = 0
        self._counter = _RecordCounter()

    def update(self, chunk: bytes) -> None:
        """Take the next chunk."""
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        if self._problem is None:
            self._problem = self._problem_in(chunk)
        self._counter.update(chunk)
        self._size += len(chunk)

    def facts(self) -> TextFacts:
        """What was found, once all bytes have been taken."""
        problem = self._problem
        if (own := _start_with_own_encoding(self._head)) is not None:
            # The reader of its kind finds out what it is and whether it can be read.
            return TextFacts(head=own, problem=None, newline="\n", records=self._counter.finish())
        if (words := unread.binary(self._head)) is not None:
            problem = words
        elif problem is not None:
            # For a web page, the encoding is not what a person needs to know.
            problem = unread.no_table(self._head.decode("latin-1")) or problem
        elif self._pending:
            problem = f"byte {self._size - self._pending}: the file ends within a UTF-8 character: {WHOLE_AGAIN}"
        records = self._counter.finish()
        return TextFacts(
            head=self._head,
            problem=problem,
            newline=self._counter.newline,
            records=records,
            commas=self._counter.commas,
        )

    def _problem_in(self, chunk: bytes) -> str | None:
        """The first problem in the chunk, if there is one."""
        problems: list[tuple[int, str]] = []
        if len(chunk.translate(None, _CONTROLS)) != len(chunk):
            index = next(index for index, byte in enumerate(chunk) if byte in _CONTROLS)
            problems.append((self._size + index, f"control character 0x{chunk[index]:02x}; expected text"))
        if self._pending or not chunk.isascii():
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                offset = self._size - self._pending + error.start
                problems.append((offset, f"0x{byte:02x} is not UTF-8; save the file as UTF-8"))
            self._pending = len(self._decoder.getstate()[0])
        return "byte {}: {}".format(*min(problems)) if problems else None


def text_of_start(start: bytes) -> str:
    """The start of a document as text, without a byte order mark. A character that its end cuts in half is no fault of it."""
    own = _start_with_own_encoding(start)
    return (start if own is None else own).removeprefix(BYTE_ORDER_MARK).decode("utf-8", "ignore")


_XML = "<?xml"
_WIDE = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def _start_with_own_encoding(start: bytes) -> bytes | None:
    """The start of XML with a declaration, or of a PDF, as UTF-8: XML names its encoding, and a PDF is no text. Else None.

    Of XML in another encoding than UTF-8, only the ASCII characters are certain.
    """
    for mark, encoding in _WIDE:
        if start.removeprefix(mark).startswith(_XML.encode(encoding)):
            return start.removeprefix(mark).decode(encoding, "ignore").encode()
    text = start.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(_XML.encode()):
        try:
            # Its end may be half a character.
            codecs.getincrementaldecoder("utf-8")().decode(text)
        except UnicodeDecodeError:
            return text.decode("latin-1").encode()
        return text
    # Bytes of a PDF that are no text are left out: nothing is read from its text.
    return text.decode("ascii", "ignore").encode() if text.startswith(b"%PDF-") else None


class _RecordCounter:
    """Counts records as RFC 4180 delimits them: by line ends outside quotes; blank lines do not count."""

    def __init__(self) -> None:
        self._newline: bytes | None = None
        self._ends = 0
        self._blank = 0
        self.commas = 0
        self._is_quoted = False
        self._line_has_bytes = False
        self._carried = b""
        self._is_first = True

    @property
    def newline(self) -> str:
        return (self._newline or b"\n").decode()

    def update(self, chunk: bytes) -> None:
        if self._carried:
            chunk, self._carried = self._carried + chunk, b""
        if self._is_first:
            if len(chunk) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(chunk):
                self._carried = chunk
                return
            chunk = chunk.removeprefix(BYTE_ORDER_MARK)
            self._is_first = False
        if self._newline is None:
            self._newline = newline_of(chunk)
        # A carriage return at the edge may be half of a line end.
        if self._newline in {None, b"\r\n"} and chunk.endswith(b"\r"):
            self._carried, chunk = b"\r", chunk[:-1]
        self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        # While the line end is not known, no line has ended.
        newline = self._newline or b"\n"
        if b'"' in chunk:
            self._count_outside_quotes(chunk, newline)
        elif self._is_quoted:
            self._line_has_bytes = self._line_has_bytes or bool(chunk)
        elif chunk:
            self._count(chunk, newline)

    def _count_outside_quotes(self, chunk: bytes, newline: bytes) -> None:
        """Count by columns of bytes: a file may have a dozen quotes a line."""
        # Needed for few commands only, and slow to import.
        import numpy as np  # noqa: PLC0415

        data = np.frombuffer(chunk, np.uint8)
        quotes = np.flatnonzero(data == _QUOTE)
        # Between two quotes, in turn: outside and inside.
        commas = np.add.reduceat(data == _COMMA, np.concatenate(([0], quotes)), dtype=np.uint32)
        self.commas += int(commas[int(self._is_quoted) :: 2].sum())
        ends = data == newline[0]
        if len(newline) > 1:
            ends[:-1] &= data[1:] == newline[1]
            ends[-1] = False
        positions = np.flatnonzero(ends)
        # After an even number of quotes, nothing is quoted.
        positions = positions[(np.searchsorted(quotes, positions) + self._is_quoted) % 2 == 0]
        self._is_quoted ^= quotes.size % 2 == 1
        if not positions.size:
            self._line_has_bytes = True
            return
        self._ends += int(positions.size)
        self._blank += int(np.count_nonzero(np.diff(positions) == len(newline)))
        self._blank += int(positions[0] == 0 and not self._line_has_bytes)
        self._line_has_bytes = int(positions[-1]) + len(newline) < len(chunk)

    def _count(self, part: bytes, newline: bytes) -> None:
        self.commas += part.count(b",")
        ends = part.count(newline)
        if not ends:
            self._line_has_bytes = True
            return
        self._ends += ends
        if part.startswith(newline) and not self._line_has_bytes:
            self._blank += 1
        # Overlapping runs of line ends: n ends in a row are n - 1 blank lines.
        self._blank += _adjacent(part, newline)
        self._line_has_bytes = not part.endswith(newline)

    def finish(self) -> int:
        carried, self._carried = self._carried, b""
        if carried == b"\r" and self._newline is None:
            self._newline = carried
        self._take(carried)
        return self._ends - self._blank + (1 if self._line_has_bytes else 0)


def newline_of(chunk: bytes) -> bytes | None:
    """The first line end; None where there is none, or perhaps only half of it."""
    line_feed, carriage_return = chunk.find(b"\n"), chunk.find(b"\r")
    if carriage_return == -1 or -1 < line_feed < carriage_return:
        return None if line_feed == -1 else b"\n"
    if carriage_return == len(chunk) - 1:
        return None
    return b"\r\n" if line_feed == carriage_return + 1 else b"\r"


def _adjacent(part: bytes, newline: bytes) -> int:
    """How many line ends follow another one at once."""
    doubled = newline * 2
    if doubled not in part:
        return 0
    return sum(1 for piece in part.split(newline)[1:-1] if not piece)
