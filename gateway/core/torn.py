"""Whether a file ends where its own parts say, by their headers alone. Browsers show the beginning of a cut picture and
take it for a whole one.

Reads a little at a time, through `read`; decodes nothing, so a part whose bytes are wrong is not found.
"""

import re
from collections.abc import Callable

from gateway.core import media

Read = Callable[[int, int], bytes]  # so many bytes from there on, fewer only at the end

# Of one file. An honest one of 64 MiB has some 16,000: PNG encoders write parts of 4 KiB and more.
MAX_PARTS = 65_536
# Of a JPEG at a time, in search of the next marker: MAX_PARTS of them are 1 GiB, read in less than a second.
WINDOW_BYTES = 16 * 1024

_HEAD_BYTES = 16  # the longest header of a part: a box with a long size
_TO_THE_END = -1
# A marker that begins a segment or ends the picture: no fill, no stuffed zero, no restart (ITU-T T.81, B.1.1).
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
_SOS, _EOI = 0xDA, 0xD9
_WOFF2_HEAD_BYTES = 48
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"

_Part = tuple[bytes, int]  # its kind, its length with its header


def is_torn(read: Read, size: int) -> bool:
    """Whether a file of `size` bytes of one of media's types is cut off, or lacks what there would be to show."""
    head = read(0, 64)
    match media.type_of(head):
        case "image/png":
            whole = _walk(read, 8, size, _png, ({b"IDAT"}, {b"IEND"}), last=b"IEND")
        case "image/jpeg":
            whole = _jpeg(read, size)
        case "image/webp":
            length = 8 + int.from_bytes(head[4:8], "little")
            whole = length <= size and _walk(read, 12, length + length % 2, _riff, ({b"VP8 ", b"VP8L", b"ANMF"},))
        case "image/avif":
            whole = _walk(read, 0, size, _box, ({b"meta"},))
        case "video/mp4":
            whole = _walk(read, 0, size, _box, ({b"moov"}, {b"mdat", b"moof"}))
        case "video/webm":
            whole = _walk(read, 0, size, _element, ({_SEGMENT, _CLUSTER},))
        case "font/woff2":
            whole = _woff2(head, size)
        case _:
            return True
    return not whole


def _walk(
    read: Read,
    at: int,
    end: int,
    part: Callable[[bytes], _Part],
    needs: tuple[set[bytes], ...],
    last: bytes | None = None,
) -> bool:
    """Whether the parts from `at` on fit, up to the one of the kind `last`, and of each of `needs` one is there."""
    seen = set()
    for _ in range(MAX_PARTS):
        head = read(at, _HEAD_BYTES)
        if at >= end or not head:
            break
        kind, length = part(head)
        if length > end - at:
            return False
        if any(kind in kinds for kinds in needs):
            seen.add(kind)
        if kind == last:
            break
        at = end if length == _TO_THE_END else at + length
    else:
        return False
    return all(kinds & seen for kinds in needs)


def _png(head: bytes) -> _Part:
    """Length, kind, data, check (PNG specification, 5.3)."""
    return head[4:8], 12 + int.from_bytes(head[:4], "big")


def _riff(head: bytes) -> _Part:
    """A chunk, filled up to even lengths (WebP container specification)."""
    length = int.from_bytes(head[4:8], "little")
    return head[:4], 8 + length + length % 2


def _box(head: bytes) -> _Part:
    """ISO/IEC 14496-12, 4.2: 0 = to the end of the file, 1 = a long size follows."""
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return head[4:8], _TO_THE_END if length == 0 and len(head) >= 8 else max(length, 8)


def _element(head: bytes) -> _Part:
    """RFC 8794, 4 to 6. Of a live recording nobody knows the length: what is in its segment comes next, until a cluster
    is there."""
    id_bytes = 9 - head[0].bit_length()
    first = head[id_bytes] if id_bytes < len(head) else 0
    if head[0] == 0 or first == 0:
        return b"", _TO_THE_END
    size_bytes = 9 - first.bit_length()
    kind, begin = head[:id_bytes], id_bytes + size_bytes
    length = int.from_bytes(head[id_bytes:begin], "big") & (1 << 7 * size_bytes) - 1
    if length < (1 << 7 * size_bytes) - 1:
        return kind, begin + length
    return (b"", begin) if kind == _SEGMENT else (kind, _TO_THE_END)


def _jpeg(read: Read, size: int) -> bool:
    """From marker to marker: what a segment holds is skipped, so that a preview's end is not the picture's."""
    at, scans = 2, 0
    for _ in range(MAX_PARTS):
        found = _marker(read, at, size)
        if found is None:
            return False
        head = read(found, 4)
        if head[1] == _EOI:
            return scans > 0
        scans += head[1] == _SOS
        at = found + 2 + int.from_bytes(head[2:4], "big")
    return False


def _marker(read: Read, at: int, size: int) -> int | None:
    while at + 1 < size:
        window = read(at, WINDOW_BYTES)
        found = _MARKER.search(window)
        if found is not None:
            return at + found.start()
        at += max(len(window) - 1, 1)  # a marker may stand across two windows
    return None


def _woff2(head: bytes, size: int) -> bool:
    """WOFF2, 4.1: the file's length stands there, how many tables, and how long they are, pressed."""
    if len(head) < _WOFF2_HEAD_BYTES:
        return False
    length, tables, pressed = (int.from_bytes(head[a:b], "big") for a, b in ((8, 12), (12, 14), (20, 24)))
    return length == size and tables > 0 and 0 < pressed <= size - _WOFF2_HEAD_BYTES
