"""What a file is by its own bytes: type by magic numbers, size of a picture by its header. Decodes nothing.

Vector graphics are none of the types: they can hold scripts and outside references.
"""

from gateway.core.content import Kind

HEAD_BYTES = 1024 * 1024  # that much of a file is looked at; a JPEG's size may stand behind its colour profile

MAX_SIDE_PX = 8_192  # browsers' textures end there
MAX_PIXELS = 40_000_000  # 160 MB once decoded, what a Pi with 2 GB can spare

IMAGES = ("image/png", "image/jpeg", "image/webp", "image/avif")
VIDEOS = ("video/mp4", "video/webm")
FONTS = ("font/woff2",)
ALLOWED = {"image": IMAGES, "video": VIDEOS, "logo": IMAGES, "font": FONTS}
ENDINGS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".woff2": "font/woff2",
}

Use = Kind | str  # "image", "video", "logo", "font"

_AVIF = (b"avif", b"avis")
_MP4 = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash", b"hvc1", b"av01")
# Start of frame of all codings that browsers know (ITU-T T.81, table B.1): C0-CF but C4, C8 and CC.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MAX_BOXES = 4_096  # of one walk; an honest picture has some dozens


def type_of(head: bytes) -> str | None:
    """The media type of a file that begins so; None for everything that no page may show."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "image/avif" if brand in _AVIF else "video/mp4" if brand in _MP4 else None
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:64]:
        return "video/webm"
    return "font/woff2" if head.startswith(b"wOF2") else None


def fault(head: bytes, use: Use) -> str | None:
    """Why a file may not be shown as this: "type", "size" (it tells none) or "too_large"; None = it may.

    `head`: its first HEAD_BYTES.
    """
    found = type_of(head)
    if found is None or found not in ALLOWED.get(use, ()):
        return "type"
    if found not in IMAGES:
        return None
    size = pixels(head)
    if size is None or 0 in size:
        return "size"
    width, height = size
    return "too_large" if max(size) > MAX_SIDE_PX or width * height > MAX_PIXELS else None


def pixels(head: bytes) -> tuple[int, int] | None:
    """Width and height of a picture as its header says; None where it says nothing."""
    match type_of(head):
        case "image/png":
            return (_be(head, 16, 4), _be(head, 20, 4)) if len(head) >= 24 else None
        case "image/jpeg":
            return _jpeg(head)
        case "image/webp":
            return _webp(head)
        case "image/avif":
            return _avif(head)
    return None


def _be(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _le(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Segments up to the start of frame (ITU-T T.81, B.1 and B.2.2)."""
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _SOF:
            return _be(head, at + 7, 2), _be(head, at + 5, 2)
        else:
            length = _be(head, at + 2, 2)
            if length < 2 or marker == 0xDA:
                return None
            at += 2 + length
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    """The first chunk (WebP container specification; RFC 6386 section 9.1; lossless: section 3)."""
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            return _le(head, 26, 2) & 0x3FFF, _le(head, 28, 2) & 0x3FFF
        case b"VP8L" if head[20] == 0x2F:
            bits = _le(head, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _le(head, 24, 3) + 1, _le(head, 27, 3) + 1
    return None


def _avif(head: bytes) -> tuple[int, int] | None:
    """The largest image spatial extents of the file (ISO/IEC 23008-12, 6.5.3): meta, iprp, ipco, ispe."""
    found: list[tuple[int, int]] = []
    seen = 0
    open_boxes = [(0, len(head))]
    while open_boxes:
        at, end = open_boxes.pop()
        while at + 8 <= end and seen < _MAX_BOXES:
            seen += 1
            length, kind = _be(head, at, 4), head[at + 4 : at + 8]
            if length < 8:
                break
            inside = at + 8
            if kind == b"meta":
                open_boxes.append((inside + 4, min(end, at + length)))
            elif kind in (b"iprp", b"ipco"):
                open_boxes.append((inside, min(end, at + length)))
            elif kind == b"ispe" and at + 20 <= end:
                found.append((_be(head, at + 12, 4), _be(head, at + 16, 4)))
            at += length
    return max(found, key=lambda size: size[0] * size[1], default=None)
