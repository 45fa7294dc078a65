"""The text of a trace, whatever wrote it: packed or not, in any encoding, parted by commas, tabs or what else."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from nercc_tune.errors import TraceError
from nercc_tune.straggling.trace_header import TraceColumns, find_columns


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


PACKED: dict[str, tuple[bytes, Callable[[BinaryIO], _Readable]]] = {
    ".gz": (b"\x1f\x8b", lambda file: gzip.open(file, "rb")),  # noqa: SIM115 - it ends with its file
    ".bz2": (b"BZh", lambda file: bz2.open(file, "rb")),  # noqa: SIM115 - it ends with its file
    ".xz": (b"\xfd7zXZ\x00", lambda file: lzma.open(file, "rb")),  # noqa: SIM115 - it ends with its file
}
"""Packed files by their suffix: how they begin, and what unpacks them."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Lines that say nothing of the trace; "#N/A" is how Excel writes a missing number.
_COMMENT = re.compile(r"^[^\S\n]*(?:#(?!n/?a\b)|//)[^\n]*\n?", re.MULTILINE | re.IGNORECASE)
_SEPARATOR_HINT = re.compile(r"\s*\"?sep=[^\n]?\"?\s*")  # Excel's own first line
_SPACES = re.compile(r"[^\S\n]+")
SPACES_BECOME = "\x1f"
_SEPARATORS = (",", ";", "\t", "|", SPACES_BECOME)


@dataclass(frozen=True, kw_only=True)
class TraceText:
    """A table as text, without its header.

    Attributes:
        header: The names of all columns, as they are written.
        columns: Which of them are a trace.
        separator: What parts the cells.
        rows: The rows, in UTF-8.
    """

    header: list[str]
    columns: TraceColumns
    separator: str
    rows: bytes


def read_bytes(path: Path, *, most: int) -> bytes:
    """Return what is in a file, unpacked where it begins like a packed one.

    Raises:
        OSError: If it cannot be read or unpacked, or is more than may be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        unpack = next((unpack for begins, unpack in PACKED.values() if start.startswith(begins)), None)
        try:
            content = (unpack(file) if unpack else file).read(most + 1)
        except (EOFError, lzma.LZMAError, zlib.error) as error:
            raise OSError("the packed file is damaged or cut off") from error
    if len(content) > most:
        raise OSError(f"it has more than the {most} bytes that are read")
    return content


def decode(content: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16 or, where it is neither, in the encoding of Western Windows.

    Raises:
        ValueError: If it is no text.
    """
    encoding = next((encoding for bom, encoding in _BOMS if content.startswith(bom)), None)
    if encoding is None and b"\0" in content:
        encoding = _wide_encoding(content)
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding is not None:
            raise
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise ValueError("it is not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _wide_encoding(content: bytes) -> str:
    """Return the encoding of text of which every second byte is zero."""
    head = content[: len(content) // 2 * 2][:4096]
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(content) % 2 == 0 and zeros.count(0) > 0.9 * len(zeros):
            return encoding
    raise ValueError("it is not text")


def parse(text: str) -> TraceText:
    """Find the header and what parts the cells.

    Raises:
        TraceError: If the columns are not those of a trace.
        ValueError: If there is no line.
    """
    comment, line, body = _split_header(text)
    if not line:
        raise ValueError("it is empty")
    first = _separate(line)
    if isinstance(first, TraceError) and comment:  # NumPy writes the header as a comment
        second = _separate(comment)
        if not isinstance(second, TraceError):
            first, body = second, f"{line}\n{body}"
    if isinstance(first, TraceError):
        raise first
    separator, header, columns = first
    rows = _COMMENT.sub("", body)
    if separator == SPACES_BECOME:
        rows = "\n".join(_SPACES.sub(SPACES_BECOME, row.strip()) for row in rows.split("\n"))
    return TraceText(header=header, columns=columns, separator=separator, rows=rows.encode())


def _split_header(text: str) -> tuple[str, str, str]:
    """Return the last comment before the first other line, that line, and what follows."""
    comment, place = "", 0
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        line = text[place:end]
        place = end + 1
        if _COMMENT.match(line):
            comment = line.strip().lstrip("#/").strip()
        elif line.strip() and not _SEPARATOR_HINT.fullmatch(line):
            return comment, line, text[place:]
    return comment, "", ""


def _separate(line: str) -> tuple[str, list[str], TraceColumns] | TraceError:
    """Return what parts a header into the columns of a trace, or why nothing does."""
    told: TraceError | None = None
    for separator in sorted(_SEPARATORS, key=line.count, reverse=True):
        parted = _SPACES.sub(SPACES_BECOME, line.strip()) if separator == SPACES_BECOME else line
        try:
            header = next(csv.reader([parted], delimiter=separator))
            return separator, header, find_columns(header)
        except csv.Error:
            continue
        except TraceError as error:
            told = told or error
    return told or TraceError("the columns cannot be told apart; part them by commas, semicolons or tabs.")
