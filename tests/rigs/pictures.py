"""Small files that are what they say: pictures, films and fonts, as far as their headers go."""

import random
import struct
import zlib


def png(width: int, height: int, colour: tuple[int, int, int] = (30, 90, 200)) -> bytes:
    """A whole PNG file of one colour."""
    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


# Start of scan, and its bytes with a stuffed zero and a restart.
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\xff\x00\x34\xff\xd0\x56"


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    """A JPEG file with an empty scan; `before`: segments before the start of frame."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + before + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + SCAN + b"\xff\xd9"


def webp(width: int, height: int, coding: str = "VP8X") -> bytes:
    """A WebP file in one of its three codings, as far as its headers go."""
    if coding == "VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif coding == "VP8L":
        body = b"\x2f" + (width - 1 | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    else:
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = coding.ljust(4).encode() + struct.pack("<I", len(body)) + body
    if coding == "VP8X":
        chunk += b"VP8 " + struct.pack("<I", 10) + bytes(10)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def box(kind: bytes, body: bytes) -> bytes:
    """A box of an ISO base media file."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def avif(*sizes: tuple[int, int]) -> bytes:
    """The headers of an AVIF file with these image spatial extents."""
    extents = b"".join(box(b"ispe", bytes(4) + struct.pack(">II", *size)) for size in sizes)
    meta = box(b"meta", bytes(4) + box(b"hdlr", bytes(20)) + box(b"iprp", box(b"ipco", extents)))
    return box(b"ftyp", b"avif" + bytes(4)) + meta


def mp4(size: int = 64) -> bytes:
    """The boxes of an MP4 file, with filling."""
    return box(b"ftyp", b"isom" + bytes(12)) + box(b"moov", bytes(8)) + box(b"mdat", bytes(size))


def webm(size: int, rng: random.Random | None = None) -> bytes:
    """A WebM file of `size` bytes: one cluster of noise."""
    head = b"\x1a\x45\xdf\xa3\x8b\x42\x86\x81\x01\x42\x82\x84webm"
    noise = size - len(head) - 24
    for kind, length in ((b"\x18\x53\x80\x67", noise + 12), (b"\x1f\x43\xb6\x75", noise)):
        head += kind + (1 << 56 | length).to_bytes(8, "big")
    return head + (rng or random.Random(1)).randbytes(noise)


def woff2(size: int = 128) -> bytes:
    """A file with the header of a woff2 font of one table."""
    header = struct.pack(">4sIIHHII", b"wOF2", 0x10000, size, 1, 0, 64, size - 48)
    return header.ljust(48, b"\0") + bytes(size - 48)
