"""Bytes of a file as they were before compression, read in pieces with bounded memory, and what kind they are."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

from collectors.sources._framing import ENVELOPE

CHUNK = 1 << 18
SAMPLE = 1 << 16
EXPANDED = 64 << 20  # from here on the ratio of a compressed file counts
RATIO = 250  # text logs reach 30, in the worst case 100
LARGEST = 64 << 30  # bytes that one compressed file may expand to

Kind = Literal["evtx", "utf-16", "json", "lines"]

GZIP = b"\x1f\x8b"
MAGIC = {
    b"PK\x03\x04": "a ZIP archive", b"PK\x05\x06": "a ZIP archive", b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive", b"BZh": "bzip2 data", b"\xfd7zXZ\x00": "xz data", b"\x28\xb5\x2f\xfd": "zstd data",
    b"\xd4\xc3\xb2\xa1": "a packet capture", b"\xa1\xb2\xc3\xd4": "a packet capture",
    b"\x4d\x3c\xb2\xa1": "a packet capture", b"\xa1\xb2\x3c\x4d": "a packet capture",
    b"\x0a\x0d\x0d\x0a": "a packet capture", b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "a Parquet file", b"%PDF-": "a PDF document", b"\x7fELF": "a program", b"MZ\x90\x00": "a program",
    b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"LPKSHHRH": "a journal of systemd",
}
TEXT_CONTROLS = b"\b\t\n\v\f\r\x1b"
CONTROLS = bytes(code for code in range(1, 32) if code not in TEXT_CONTROLS)
ARRAY = re.compile(rb"\s*" + ENVELOPE.encode() + rb"?\[\s*\{")
OPEN_ENDED = re.compile(rb'(?:\{\s*(?:".*[{\[,:]\s*)?|\[\s*)\Z')  # a first line after which the value goes on


class Refused(ValueError):
    """A file that is no log this platform reads: one sentence."""


class Stream:
    """A file's contents, gzip undone whatever the name. `fault` says why it ended before its end, if it did."""

    def __init__(self, path: Path) -> None:
        self.fault = ""
        self.given = 0  # bytes given out
        self._file: BinaryIO = path.open("rb")
        self._zip = None
        if self._file.read(2) == GZIP:
            self._file.seek(0)
            self._zip = gzip.GzipFile(fileobj=self._file)
        else:
            self._file.seek(0)

    @property
    def compressed(self) -> bool:
        return self._zip is not None

    @property
    def taken(self) -> int:
        """Bytes of the file itself that have been read."""
        return self._file.tell()

    def read(self) -> bytes:
        """The next piece; empty at the end."""
        if self.fault:
            return b""
        if self._zip is None:
            data = self._file.read(CHUNK)
        else:
            try:
                data = self._zip.read1(CHUNK)
            except EOFError:
                data, self.fault = b"", "gzip data ends early"
            except (OSError, zlib.error) as error:
                if getattr(error, "errno", None):
                    raise
                data, self.fault = b"", f"gzip data is damaged: {error}"
        self.given += len(data)
        if self._zip is not None and self.given > EXPANDED:
            self._guard()
        return data

    def _guard(self) -> None:
        if self.given > RATIO * max(self.taken, 1):
            self.fault = f"gzip data grows more than {RATIO} times; the rest was not read"
        elif self.given > LARGEST:
            self.fault = f"gzip data grows over {LARGEST >> 30} GiB; the rest was not read"

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data

    def close(self) -> None:
        self._file.close()


def kind(sample: bytes, name: str) -> Kind:
    """What the first bytes of the contents say. Raises Refused for what is neither text nor an event log."""
    if sample.startswith(b"ElfFile\x00"):
        return "evtx"
    for magic, what in MAGIC.items():
        if sample.startswith(magic):
            raise Refused(f"{name} is {what}, not a log file")
    if sample[257:262] == b"ustar":
        raise Refused(f"{name} is a tar archive; unpack it first")
    if utf16(sample):
        return "utf-16"
    if sample.count(0) * 3 > len(sample) or len(sample.translate(None, CONTROLS)) * 20 < len(sample) * 19:
        raise Refused(f"{name} is binary and of no known kind")
    return "json" if is_document(sample) else "lines"


def utf16(sample: bytes) -> str:
    """The codec of UTF-16 text, with or without its mark; empty for anything else."""
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    whole = sample[: len(sample) // 2 * 2]
    even, odd = whole[::2].count(0), whole[1::2].count(0)
    if len(whole) >= 16 and max(even, odd) * 10 > len(whole) * 4 and min(even, odd) == 0:
        return "utf-16-le" if odd else "utf-16-be"
    return ""


def is_document(sample: bytes) -> bool:
    """Whether records are JSON values that do not end with their lines: an array of objects, or indented objects."""
    text = sample.removeprefix(b"\xef\xbb\xbf").lstrip()
    first, newline, _ = text.partition(b"\n")
    if ARRAY.match(text):
        return not (newline and text.startswith(b"{") and _is_json(first))  # one batch a line is lines
    return bool(newline) and OPEN_ENDED.match(first) is not None and not _is_json(first) and _begins_as_json(text)


def _begins_as_json(text: bytes) -> bool:
    """Whether a whole JSON value stands at the beginning, or as much of one as there is."""
    try:
        json.JSONDecoder(strict=False).raw_decode(text.decode("latin-1"))
    except json.JSONDecodeError as error:
        return len(text) >= SAMPLE and error.pos > len(text) // 2
    except RecursionError:
        return False
    return True


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except ValueError:
        return False
    return True
