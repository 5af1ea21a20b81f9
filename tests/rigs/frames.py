"""What a screenshot looks like, without an imaging library: PNG of 8 bits, as Chromium writes it."""

import struct
import zlib

STEP = 7  # every so many pixels of a line are looked at


def luminance(png: bytes) -> tuple[float, float]:
    """Mean and standard deviation of the luminance (0 to 255) of a PNG picture."""
    width, channels, lines = _lines(png)
    values = [
        0.299 * line[at] + 0.587 * line[at + 1] + 0.114 * line[at + 2]
        for line in lines[::STEP]
        for at in range(0, width * channels, channels * STEP)
    ]
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5


def _lines(png: bytes) -> tuple[int, int, list[bytearray]]:
    """Width, channels and the unfiltered lines (PNG, second edition, clause 9)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    width = height = channels = 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and interlaced == 0
            channels = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    raw = zlib.decompress(packed)
    size = width * channels
    before = bytearray(size)
    lines = []
    for row in range(height):
        start = row * (size + 1)
        before = _unfiltered(raw[start], raw[start + 1 : start + 1 + size], before, channels)
        lines.append(before)
    return width, channels, lines


def _unfiltered(kind: int, line: bytes, above: bytearray, channels: int) -> bytearray:
    out = bytearray(line)
    if kind == 2:
        return bytearray((a + b) & 255 for a, b in zip(out, above, strict=True))
    for n in range(len(out)) if kind else ():
        left = out[n - channels] if n >= channels else 0
        corner = above[n - channels] if n >= channels else 0
        guess = {1: left, 3: (left + above[n]) >> 1, 4: _paeth(left, above[n], corner)}[kind]
        out[n] = (out[n] + guess) & 255
    return out


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    return min((left, up, corner), key=lambda one: abs(near - one))
