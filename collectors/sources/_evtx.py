"""Windows event logs (EVTX), read in a child process: a damaged file can stall or end the reader, never us.

The child writes frames to its standard output: kind (r record, x record that is no JSON, d damage, e end), length
(4 bytes, little endian), bytes. A record is the JSON of the evtx library in its default shape (`#attributes`, `#text`).
"""

from __future__ import annotations

import os
import re
import resource
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

FRAME = struct.Struct("<cI")
TOO_MUCH = b"!"
MEMORY = 2 << 30  # address space of the child, bytes
CPU = 900  # seconds of work that one file may take
OUTPUT, GROWTH = 256 << 20, 100  # bytes that its records may take, or so many times the file
SILENCE = 60.0  # seconds without a record after which the child is given up
DAMAGES = 100_000
CHUNK_SPAN = re.compile(rb"chunk containing record IDs (\d+)\.\.(\d+)")
HEADER, CHUNK = 4096, 65_536  # bytes; a whole file is a header and whole chunks
CHUNK_RECORDS = 4096  # a chunk of 64 KiB holds fewer
ROOT = Path(__file__).resolve().parents[2]


def read(path: Path) -> Iterator[tuple[bytes, str]]:
    """(JSON, "") for each record, (what is known, why) for each damaged one, in the order of the file."""
    child = subprocess.Popen(
        [sys.executable, "-m", "collectors.sources._evtx", str(path.resolve()), str(MEMORY), str(CPU)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    most = max(OUTPUT, GROWTH * path.stat().st_size)
    try:
        for kind, data in _frames(child.stdout.fileno(), most):
            if kind == b"r":
                yield data, ""
            elif kind == b"x":
                yield data, "EVTX: the record does not come out as JSON"
            elif kind == b"d":
                yield from _damage(data)
            elif kind == TOO_MUCH:
                yield b"", f"EVTX: the records take over {most >> 20} MiB; the rest of the file is not read"
                return
            else:
                return
        child.kill()
        status = child.wait()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        yield b"", f"EVTX: the reader ended early ({how}); the rest of the file is not read"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _frames(pipe: int, most: int) -> Iterator[tuple[bytes, bytes]]:
    """The child's whole frames, until its output ends, is more than `most` bytes or is silent for too long."""
    held, total = b"", 0
    while select.select([pipe], [], [], SILENCE)[0] and (data := os.read(pipe, 1 << 20)):
        held += data
        total += len(data)
        if total > most:
            yield TOO_MUCH, b""
            return
        at = 0
        while at + FRAME.size <= len(held):
            kind, size = FRAME.unpack_from(held, at)
            if at + FRAME.size + size > len(held):
                break
            at += FRAME.size + size
            yield kind, held[at - size : at]
        held = held[at:]


def _damage(message: bytes) -> Iterator[tuple[bytes, str]]:
    """A damaged chunk stands for as many records as it says it held."""
    span = CHUNK_SPAN.search(message)
    first, last = (int(span[1]), int(span[2])) if span else (0, 0)
    count = last - first + 1 if 0 <= last - first < CHUNK_RECORDS else 1
    for _ in range(count):
        yield message, f"EVTX: {message.decode('utf-8', 'replace')}"


def _is_json(record: bytes) -> bool:
    """The library lets control characters of damaged texts through."""
    try:
        orjson.loads(record)
    except ValueError:
        return False
    return True


def main(path: str, memory: int, cpu: int) -> None:
    """The child: read one file under limits of memory and time."""
    from evtx import PyEvtxParser

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    out = sys.stdout.buffer

    def send(kind: bytes, data: bytes) -> None:
        out.write(FRAME.pack(kind, len(data)) + data)

    records: Iterator[Any] = iter(())
    try:
        records = PyEvtxParser(path, 1).records_json()
    except (RuntimeError, OSError, ValueError) as error:
        send(b"d", str(error).encode())
    damages = 0
    while damages < DAMAGES:
        try:
            record = next(records)["data"].encode("utf-8", "surrogatepass")
            send(b"r" if _is_json(record) else b"x", record)
        except StopIteration:
            break
        except RuntimeError as error:
            damages += 1
            send(b"d", str(error).encode())
    if not damages and (cut := _cut(Path(path))):
        send(b"d", cut.encode())
    send(b"e", b"")
    out.flush()


def _cut(path: Path) -> str:
    """What is to be said of a file that ends within a chunk, which the library passes over in silence; else ""."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        over = max(size - HEADER, 0) % CHUNK
        file.seek(size - over)
        return f"the file ends within a chunk; {over} bytes are not read" if file.read().strip(b"\0") else ""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
