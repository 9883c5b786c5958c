"""The encoding of XML: what its bytes are, beside what its declaration says.

A byte order mark is certain, and counts more than the declaration. Where a declaration without one is wrong, nobody can tell
what the sender meant: text would come out garbled, the seller's name too, so that such a document is rejected.
Source: XML 1.0 (fifth edition), 4.3.3 and appendix F; RFC 7303, 3.3, by which the mark decides.
"""

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARATION = re.compile(rb"""<\?xml[^>]{0,100}?\bencoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")
_START = 400
_DEFAULT = "utf-8"
_ASK = "ask its sender for one whose declaration is right; or"


def of_mark(content: bytes) -> str | None:
    """The encoding that a byte order mark tells; None where there is none, and the declaration counts."""
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)


def what_is_wrong(content: bytes) -> str | None:
    """What is wrong with the declared encoding of XML, and what to do; None where it may be right, or a mark says better."""
    if of_mark(content) is not None:
        return None
    start = content[:_START]
    # Of wide characters the ASCII ones have a byte that is 0.
    declared = _DECLARATION.search(start.replace(b"\0", b""))
    says = declared[1].decode() if declared else None
    encoding = _name(says or _DEFAULT)
    if encoding is None:
        return None
    if start[:2] in {b"<\0", b"\0<"}:
        return None if encoding.startswith("utf-16") else _of_wide(says, "UTF-16BE" if start[0] == 0 else "UTF-16LE")
    return _of_bytes(says, encoding, content)


def _of_wide(says: str | None, width: str) -> str:
    return (
        f"line 1: {_said(says)}, and its bytes are {width}: {_ASK} {_convert(width)}, and write "
        'encoding="UTF-8" into its first line'
    )


def _of_bytes(says: str | None, encoding: str, content: bytes) -> str | None:
    write = 'write encoding="UTF-8" into its first line, and drop it again'
    if encoding.startswith("utf-16"):
        return f"line 1: {_said(says)}, and its bytes are not: {_ASK} if its words are right when you open it as UTF-8, {write}"
    problem = _not_utf_8(content)
    if encoding == _DEFAULT and problem is not None:
        line = content.count(b"\n", 0, problem) + 1
        return (
            f"line {line}: {_said(says)}, and the byte 0x{content[problem]:02x} is not: {_ASK} if it is of a Western European "
            f"Windows, {_convert('WINDOWS-1252')}"
        )
    if encoding != _DEFAULT and problem is None and not content.isascii():
        # What is UTF-8 by chance in another encoding has such letters in pairs that no word has.
        return f"line 1: {_said(says)}, and its bytes are UTF-8: {_ASK} {write}"
    return None


def _said(says: str | None) -> str:
    return "it has no declaration of another encoding than UTF-8" if says is None else f"its declaration says {says}"


def _convert(encoding: str) -> str:
    return f"convert it (iconv -f {encoding} -t UTF-8 old.xml > new.xml), look whether its words are right, and drop the new file"


def _name(encoding: str) -> str | None:
    """The encoding as Python calls it; None for one that it does not know."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return None


def _not_utf_8(content: bytes) -> int | None:
    """Where the first byte is that is not UTF-8; None where all are."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None
