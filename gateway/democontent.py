"""The demo's bundle: two pictures that are drawn here, of ellipses, and one template. Always the same bytes."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt
from pathlib import Path

WIDTH, HEIGHT = 1_280, 720
_SUBROWS = 4  # of one row, to smooth edges

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Around (x, y) with half axes a and b, in pixels."""

    x: float
    y: float
    a: float
    b: float
    colour: Colour


MANIFEST = """\
# What the demo's screens show between offers; docs/content.md tells every key.

[[item]]
id = "coffee-morning"
kind = "image"
file = "coffee.png"
title = { de = "Guten Morgen beginnt hier", en = "Good mornings start here" }
alt = { de = "Eine Tasse Kaffee von oben", en = "A cup of coffee from above" }
seconds = 9

[[item]]
id = "autumn-hills"
kind = "image"
file = "autumn.png"
title = { de = "Aus der Region", en = "From around here" }
alt = { de = "Abendsonne über Hügeln", en = "Evening sun above hills" }
seconds = 9

[[item]]
id = "bread-of-the-day"
kind = "template"
title = { de = "Heute aus dem Ofen: Walnussbrot", en = "Out of the oven today: walnut bread" }
text = { de = "Zum Probieren an der Brottheke.", en = "Taste it at the bread counter." }
badge = { de = "Frisch", en = "Fresh" }
art = "bread"
seconds = 8
"""

_COFFEE = (
    Ellipse(650, 392, 330, 322, (178, 148, 118)),  # shadow
    Ellipse(640, 372, 330, 322, (250, 246, 239)),  # saucer
    Ellipse(640, 372, 300, 292, (240, 233, 222)),
    Ellipse(640, 372, 262, 256, (250, 246, 239)),
    Ellipse(872, 372, 74, 36, (255, 255, 255)),  # handle
    Ellipse(866, 372, 46, 17, (250, 246, 239)),
    Ellipse(648, 382, 214, 208, (214, 203, 188)),
    Ellipse(640, 372, 214, 208, (255, 255, 255)),  # cup
    Ellipse(640, 372, 188, 182, (92, 52, 30)),
    Ellipse(640, 376, 182, 174, (122, 72, 42)),  # coffee
    Ellipse(604, 352, 116, 106, (171, 112, 68)),
    Ellipse(622, 366, 84, 74, (201, 146, 98)),
    Ellipse(640, 378, 52, 44, (232, 190, 146)),
    *(Ellipse(x, y, 34, 22, (84, 50, 32)) for x, y in ((182, 560), (248, 604), (1_092, 146), (1_030, 100))),
    *(Ellipse(x, y, 30, 3, (56, 32, 20)) for x, y in ((182, 560), (248, 604), (1_092, 146), (1_030, 100))),
)
_AUTUMN = (
    Ellipse(880, 300, 150, 150, (255, 214, 140)),
    Ellipse(880, 300, 104, 104, (255, 236, 190)),
    Ellipse(1_120, 760, 700, 330, (158, 88, 74)),
    Ellipse(300, 780, 760, 360, (128, 62, 58)),
    Ellipse(960, 900, 820, 380, (88, 44, 48)),
    Ellipse(220, 940, 760, 360, (58, 34, 42)),
)
PICTURES: dict[str, tuple[Colour, Colour, Sequence[Ellipse]]] = {
    "coffee.png": ((222, 196, 166), (196, 164, 130), _COFFEE),
    "autumn.png": ((238, 150, 104), (252, 206, 146), _AUTUMN),
}


def write(folder: Path) -> None:
    """The bundle as an operator's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "content.toml").write_text(MANIFEST, encoding="utf-8")
    for name, (top, bottom, shapes) in PICTURES.items():
        (folder / name).write_bytes(picture(top, bottom, shapes))


def picture(top: Colour, bottom: Colour, shapes: Sequence[Ellipse]) -> bytes:
    """A PNG file: a sky from one colour to the other, and the shapes on it, the last one in front."""
    rows = bytearray()
    for y in range(HEIGHT):
        share = y / (HEIGHT - 1)
        sky = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        row = bytearray(sky * WIDTH)
        for shape in shapes:
            _draw(row, y, shape)
        rows += b"\0" + row
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _draw(row: bytearray, y: int, shape: Ellipse) -> None:
    spans = []
    for sub in range(_SUBROWS):
        height = (y + (sub + 0.5) / _SUBROWS - shape.y) / shape.b
        if abs(height) < 1:
            half = shape.a * sqrt(1 - height * height)
            spans.append((max(0.0, shape.x - half), min(float(WIDTH), shape.x + half)))
    if not spans:
        return
    colour = bytes(shape.colour)
    first, last = floor(min(a for a, _ in spans)), ceil(max(b for _, b in spans))
    begin = ceil(max(a for a, _ in spans)) if len(spans) == _SUBROWS else last
    end = floor(min(b for _, b in spans)) if len(spans) == _SUBROWS else last
    if begin < end:
        row[3 * begin : 3 * end] = colour * (end - begin)
    else:
        begin = end = last
    for x in (*range(first, begin), *range(end, last)):
        share = sum(max(0.0, min(b, x + 1) - max(a, x)) for a, b in spans) / _SUBROWS
        under = row[3 * x : 3 * x + 3]
        row[3 * x : 3 * x + 3] = bytes(round(o * share + u * (1 - share)) for o, u in zip(colour, under, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
