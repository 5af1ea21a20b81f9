"""Small films that a browser plays, and such as it can't: WebM of one VP8 frame over and over, or of silence."""

import base64
import struct

WIDTH, HEIGHT = 64, 36
# A dark field beside a light one, made by a browser's canvas as WebP, whose picture is a VP8 key frame (RFC 6386).
FRAME = base64.b64decode(
    "sAMAnQEqQAAkAD7RXqhOKCUjoiqoAQAaCWMAzjgdr0nnjEBMcAAA/uy9j9vObO4A+/Xrp7fQP/9Q5fri5siKOVervgXZwEhWGZHjAfAA"
)
SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus (RFC 6716)
_OPUS_HEAD = b"OpusHead\x01\x01" + struct.pack("<HIHB", 312, 48_000, 0, 0)  # RFC 7845, section 5.1


def film(
    frames: int = 10, *, frame: bytes = FRAME, last: bytes | None = None, size: tuple[int, int] | None = None
) -> bytes:
    """A film of five frames a second; `last`: another last frame; `size`: what its head says of it."""
    width, height = size or (WIDTH, HEIGHT)
    head = _part("e0", _number("b0", width), _number("ba", height))
    shown = [frame] * (frames - 1) + [frame if last is None else last]
    return _webm(1, b"V_VP8", head, shown, 200)


def sound(packets: int = 100) -> bytes:
    """A film without a picture: silence alone."""
    head = _part("63a2", _OPUS_HEAD) + _part("e1", _part("b5", struct.pack(">d", 48_000)), _number("9f", 1))
    return _webm(2, b"A_OPUS", head, [SILENCE] * packets, 20)


def _webm(kind: int, codec: bytes, head: bytes, frames: list[bytes], step_ms: int) -> bytes:
    """One track in a file (RFC 8794, RFC 9559): every frame is a key frame."""
    ebml = _part("1a45dfa3", _part("4282", b"webm"), _number("4287", 4), _number("4285", 2))
    length = struct.pack(">d", len(frames) * step_ms)
    info = _part("1549a966", _number("2ad7b1", 1_000_000), _part("4489", length))
    track = _part("ae", _number("d7", 1), _number("73c5", 1), _number("83", kind), _part("86", codec), head)
    blocks = [_part("a3", b"\x81" + struct.pack(">hB", n * step_ms, 0x80) + frame) for n, frame in enumerate(frames)]
    cluster = _part("1f43b675", _number("e7", 0), *blocks)
    return ebml + _part("18538067", info, _part("1654ae6b", track), cluster)


def _part(name: str, *parts: bytes) -> bytes:
    """An element: its id, its length in eight bytes, and what is in it."""
    body = b"".join(parts)
    return bytes.fromhex(name) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def _number(name: str, value: int) -> bytes:
    return _part(name, value.to_bytes(4, "big"))
