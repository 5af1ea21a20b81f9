import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import media
from gateway.core.media import MAX_PIXELS, MAX_SIDE_PX
from tests.rigs.pictures import avif, jpeg, mp4, png, webm, webp, woff2

EXIF = b"\xff\xe1\x00\x10" + bytes(14)


@pytest.mark.parametrize(
    ("data", "kind", "size"),
    [
        (png(7, 5), "image/png", (7, 5)),
        (jpeg(640, 480), "image/jpeg", (640, 480)),
        (jpeg(640, 480, EXIF * 3 + b"\xff\xff"[:1]), "image/jpeg", (640, 480)),
        (webp(1_000, 700), "image/webp", (1_000, 700)),
        (webp(1_000, 700, "VP8L"), "image/webp", (1_000, 700)),
        (webp(1_000, 700, "VP8"), "image/webp", (1_000, 700)),
        (avif((800, 600)), "image/avif", (800, 600)),
        (avif((100, 100), (4_000, 3_000), (512, 512)), "image/avif", (4_000, 3_000)),
    ],
)
def test_pictures_tell_their_size(data: bytes, kind: str, size: tuple[int, int]) -> None:
    assert media.type_of(data) == kind
    assert media.pixels(data) == size
    assert media.fault(data, "image") is None
    assert media.fault(data, "logo") is None
    assert media.fault(data, "video") == "type"


@pytest.mark.parametrize(
    ("data", "use", "why"),
    [
        (mp4(), "video", None),
        (webm(64), "video", None),
        (woff2(), "font", None),
        (mp4(), "image", "type"),
        (woff2(), "logo", "type"),
        (png(1, 1), "font", "type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image", "type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "logo", "type"),
        (b"<!doctype html><script>", "image", "type"),
        (b"GIF89a", "image", "type"),
        (b"", "image", "type"),
        (png(1, 1), "something", "type"),
        (b"\x1a\x45\xdf\xa3" + b"matroska".ljust(80), "video", "type"),
        (b"\0\0\0\x20ftypheic" + bytes(32), "image", "type"),
        (png(8_193, 1)[:60], "image", "too_large"),
        (jpeg(6_400, 6_400), "image", "too_large"),
        (webp(8_192, 8_192), "image", "too_large"),
        (avif((9_000, 10)), "image", "too_large"),
        (webp(1, 1)[:20], "image", "size"),
        (jpeg(0, 5), "image", "size"),
        (b"\xff\xd8\xff\xda\x00\x08" + bytes(20), "image", "size"),
        (b"\xff\xd8\xff\xe0\x00\x00" + bytes(20), "image", "size"),
        (b"\xff\xd8\xff\xe0\x00\x04ab" + bytes(20), "image", "size"),
        (avif(), "image", "size"),
    ],
)
def test_what_may_be_shown_as_what(data: bytes, use: str, why: str | None) -> None:
    assert media.fault(data, use) == why


def test_the_limits_themselves() -> None:
    assert media.fault(webp(MAX_SIDE_PX, MAX_PIXELS // MAX_SIDE_PX), "image") is None
    assert media.fault(webp(MAX_SIDE_PX, MAX_PIXELS // MAX_SIDE_PX + 1), "image") == "too_large"
    assert set(media.ENDINGS.values()) == {*media.IMAGES, *media.VIDEOS, *media.FONTS}


heads = st.sampled_from([png(3, 3), jpeg(4, 4, EXIF), webp(5, 5), webp(5, 5, "VP8L"), webp(5, 5, "VP8"), avif((6, 6))])


@given(heads, st.integers(0, 80), st.integers(0, 79), st.integers(0, 255))
def test_no_header_brings_it_down(head: bytes, length: int, at: int, byte: int) -> None:
    torn = bytearray(head[:length])
    if at < len(torn):
        torn[at] = byte
    assert media.fault(bytes(torn), "image") in (None, "type", "size", "too_large")


@given(st.binary(max_size=200))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"\xff\xd8\xff", b"RIFF....WEBP", b"\0\0\0\x14ftypavif"):
        media.fault(start + data, "image")
