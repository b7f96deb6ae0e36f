"""In which encoding a file's text stands, and how it is read."""

import codecs
import re
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats.source import Source

MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks."""

SHOWN = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with a byte order mark", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
"""What people are told; Latin-1 is read as its superset Windows-1252, as browsers do (WHATWG Encoding)."""

OTHERS = frozenset(
    [
        *("utf-16-le", "utf-16-be", "ascii", "mac-roman", "cp437", "cp850", "cp852", "cp866", "koi8-r", "koi8-u"),
        *(f"cp125{number}" for number in range(9)),
        *(f"iso8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)),
        *("shift_jis", "cp932", "euc_jp", "gb18030", "gbk", "big5", "euc_kr", "cp949", "tis-620"),
    ]
)
"""Encodings that are never guessed, but read where an operator names them."""

LONE = "populace_lone"
"""Handles what cannot be decoded: it becomes a lone surrogate, which no value may hold, so its own row is bad."""

_CHUNK = 1 << 20  # bytes
_broken = re.compile("[\udc80-\udcff]").search
_multi_byte = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]").search


def _lone(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    first = error.object[error.start]
    # As surrogateescape does, which has no answer for bytes below 128 (UTF-16 has such).
    end = error.end if error.encoding.startswith("utf-16") else error.start + 1
    return chr(0xDC00 + max(first, 0x80)), end


codecs.register_error(LONE, _lone)


def read_text(file: BinaryIO, encoding: str = "", *, newline: str = "") -> TextIOWrapper:
    """Return the file's text; by its byte order mark where no encoding is given, else UTF-8."""
    if not encoding:
        head = file.peek(3) if hasattr(file, "peek") else b""
        encoding = next((name for mark, name in MARKS if head.startswith(mark)), "utf-8")
    return TextIOWrapper(file, encoding=encoding, errors=LONE, newline=newline)


def known(name: str) -> str:
    """Return the encoding that an operator names, as it is called here. Raises OptionRefused."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found not in OTHERS and found not in SHOWN:
        raise OptionRefused("unknown encoding; utf-8, utf-16, cp1252 and iso8859-2 are some that are known")
    return found


def encoding_of(path: Path) -> str:
    """Return the encoding of a whole text file: its mark's, UTF-8, or Windows-1252 where nothing is UTF-8 beyond ASCII.

    A file with both is UTF-8, and the broken rows are told one by one. Raises FileRefused for what is no text.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    broken = multi_byte = False
    with Source(path) as source:
        first = chunk = source.file.read(_CHUNK)
        for mark, name in MARKS:
            if first.startswith(mark):
                return name
        if b"\0" in first[:4096]:
            raise FileRefused("is no text; UTF-16 needs its byte order mark, or save it as UTF-8")
        while not (broken and multi_byte):
            text = "" if chunk.isascii() and not decoder.getstate()[0] else decoder.decode(chunk, not chunk)
            broken = broken or _broken(text) is not None
            multi_byte = multi_byte or _multi_byte(text) is not None
            if not chunk:
                break
            chunk = source.file.read(_CHUNK)
    return "cp1252" if broken and not multi_byte else "utf-8"
