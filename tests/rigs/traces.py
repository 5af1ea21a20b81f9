"""Numbered strangers, and the search for what is left of them: in a heap, in a process's memory, in files.

Every address and every identifier is a fixed mark and the stranger's number, so that one search finds all of them and
says whose each trace is. The program that searches its own heap holds the marks, but no mark with a number behind it.
"""

import array
import gc
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from drivers import frames

# 5A: a resolvable private address, so that the search for colleagues' phones sees it too.
ADDRESS_MARK, ADDRESS_NUMBER_BYTES = bytes.fromhex("5a5eed"), 3
PAYLOAD_MARK, PAYLOAD_NUMBER_BYTES = bytes.fromhex("5eed0815"), 4
# Numbers from 1 to this are given: three bytes that look like a mark turn up by accident once in 16 MB.
MAX_NUMBER = 1 << 17

_SEPARATORS = b"[:_-]?"
_CHUNK_BYTES = 1 << 22
_LONGEST_BYTES = 64  # no form of a trace is longer


def address(number: int) -> str:
    return (ADDRESS_MARK + number.to_bytes(ADDRESS_NUMBER_BYTES, "big")).hex(":").upper()


def identifier(number: int) -> bytes:
    """8 bytes."""
    return PAYLOAD_MARK + number.to_bytes(PAYLOAD_NUMBER_BYTES, "big")


def advertisement(number: int) -> bytes:
    """AD structures of one of the usual kinds, with the identifier in it: whole, broken, or as part of a name."""
    mine = identifier(number)
    kinds = (
        frames.encode_eid(mine, -20),
        frames.encode_ibeacon(mine + bytes(12), -59),
        b"\x02\x01\x1a\x0d\xff\x4c\x00\x10\x08" + mine,  # a phone nearby
        b"\x02\x01\x06\x19\x16\xaa\xfe\x40" + mine + bytes(13),  # Find Hub
        b"\x02\x01\x06\x0c\x16\xaa\xfe\x30" + mine,  # an EID without its power
        b"\x02\x01\x06\x11\x09" + mine.hex().encode(),  # headphones with a number in their name
    )
    return kinds[number % len(kinds)]


def uuids(number: int) -> list[str]:
    """The list that a phone with somebody else's token in our form leaves in BlueZ."""
    mine = identifier(number).hex()
    return [f"5468052c-3c79-8301-{mine[:4]}-{mine[4:]}"] if number % 7 == 0 else []


def found(data: bytes) -> set[int]:
    """Whose address or identifier is in there: binary or hexadecimal, either case, with or without separators
    between the bytes, forwards or backwards."""
    numbers: set[int] = set()
    for mark, size in ((ADDRESS_MARK, ADDRESS_NUMBER_BYTES), (PAYLOAD_MARK, PAYLOAD_NUMBER_BYTES)):
        numbers.update(_binary(data, mark, size))
        numbers.update(_text(data, mark, size))
    return {number for number in numbers if 0 < number < MAX_NUMBER}


def _binary(data: bytes, mark: bytes, size: int) -> Iterator[int]:
    for match in re.finditer(re.escape(mark), data):
        yield _number(data[match.end() : match.end() + size], size, "big")
    for match in re.finditer(re.escape(mark[::-1]), data):
        yield _number(data[max(0, match.start() - size) : match.start()], size, "little")


def _text(data: bytes, mark: bytes, size: int) -> Iterator[int]:
    for match in re.finditer(_hex_pattern(mark), data):
        digits = re.sub(rb"[:_-]", b"", data[match.end() : match.end() + 3 * size + 1])[: 2 * size]
        yield _number(_unhexed(digits), size, "big")
    for match in re.finditer(_hex_pattern(mark[::-1]), data):
        digits = re.sub(rb"[:_-]", b"", data[max(0, match.start() - 3 * size - 1) : match.start()])[-2 * size :]
        yield _number(_unhexed(digits), size, "little")


def _hex_pattern(mark: bytes) -> bytes:
    digits = [b"".join(b"[%c%c]" % (d, d - 32) if d > 57 else b"%c" % d for d in b"%02x" % byte) for byte in mark]
    return _SEPARATORS.join(digits)


def _unhexed(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode()) if re.fullmatch(b"([0-9a-fA-F]{2})+", digits) else b""


def _number(data: bytes, size: int, order: Any) -> int:
    return int.from_bytes(data, order) if len(data) == size else MAX_NUMBER


def in_memory(pid: int, others: Mapping[bytes, int] | None = None) -> set[int]:
    """In what a process could write and nobody shares with it: heap, stacks, freed blocks. Needs to be its parent.

    `others`: bytes without a mark, and whose they are; looked for as they are and backwards.
    """
    numbers: set[int] = set()
    for chunk in _chunks(pid):
        numbers |= found(chunk)
        numbers |= {number for item, number in (others or {}).items() if item in chunk or item[::-1] in chunk}
    return numbers


def _chunks(pid: int) -> Iterator[bytes]:
    """A process's own writable memory, in pieces that overlap by the longest trace."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            extent, rights = line.split()[:2]
            if rights.startswith("rw") and rights.endswith("p"):
                start, end = (int(part, 16) for part in extent.split("-"))
                yield from _in_range(memory, start, end)


def _in_range(memory: Any, start: int, end: int) -> Iterator[bytes]:
    before = b""
    while start < end:
        try:
            memory.seek(start)
            chunk = memory.read(min(_CHUNK_BYTES, end - start))
        except OSError:  # given back meanwhile
            break
        if not chunk:
            break
        yield before + chunk
        before = chunk[-_LONGEST_BYTES:]
        start += len(chunk)


def in_files(folder: Path) -> set[int]:
    """In all files below the folder."""
    return set().union(*(found(path.read_bytes()) for path in folder.rglob("*") if path.is_file()))


def in_heap() -> set[int]:
    """In every text, number and row of bytes that anything in this process can still reach, stacks included."""
    gc.collect()
    pieces: list[bytes] = []
    queue: list[Any] = [*gc.get_objects(), *sys._current_frames().values()]
    seen: dict[int, Any] = {id(pieces): pieces, id(queue): queue}
    seen[id(seen)] = seen
    while queue:
        value = queue.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value  # held, so that nobody else gets its id
        if isinstance(value, str | bytes | bytearray | memoryview | array.array | int):
            pieces += _as_bytes(value)
        elif not isinstance(value, float | ModuleType):
            queue += gc.get_referents(value)
    return found((b"\xff" * PAYLOAD_NUMBER_BYTES).join(pieces))


def _as_bytes(value: Any) -> Iterable[bytes]:
    if isinstance(value, str):
        return (value.encode(errors="replace"),)
    if isinstance(value, int):
        return (value.to_bytes((value.bit_length() + 7) // 8, "big"),) if value >> 40 > 0 else ()
    try:
        return (bytes(value),)
    except ValueError:  # a view that was given back
        return ()
