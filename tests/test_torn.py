import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import torn
from tests.rigs import films
from tests.rigs.pictures import SCAN, avif, box, jpeg, mp4, png, webm, webp, woff2

PREVIEW = jpeg(160, 120)
EXIF = b"\xff\xe1" + struct.pack(">H", 2 + len(PREVIEW)) + PREVIEW
# A segment without a length and two clusters, as browsers record them.
LIVE = (
    b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
    + b"\x1f\x43\xb6\x75\x83abc"
    + b"\x1f\x43\xb6\x75\xffabc"
)
WHOLE = {
    "png": png(64, 36),
    "jpeg": jpeg(640, 480),
    "jpeg with a preview": jpeg(640, 480, EXIF),
    "webp": webp(70, 50),
    "webp VP8": webp(70, 50, "VP8"),
    "webp VP8L": webp(70, 50, "VP8L"),
    "avif": avif((8, 6)) + box(b"mdat", bytes(30)),
    "mp4": mp4(),
    "mp4, its index last": box(b"ftyp", b"isom" + bytes(12)) + box(b"mdat", bytes(30)) + box(b"moov", bytes(8)),
    "webm": webm(120),
    "a film": films.film(3),
    "woff2": woff2(80),
}


def is_torn(data: bytes) -> bool:
    return torn.is_torn(lambda at, length: data[at : at + length], len(data))


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_and_every_cut_is_found(name: str) -> None:
    data = WHOLE[name]
    assert not is_torn(data)
    between = {len(avif((8, 6)))} if name == "avif" else set()  # a still picture may lie in its first boxes
    assert [end for end in range(len(data)) if not is_torn(data[:end])] == sorted(between)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "webm"])
def test_what_stands_behind_the_end_is_nobodys_business(name: str) -> None:
    assert not is_torn(WHOLE[name] + bytes(100))


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (LIVE, False),
        (LIVE[: LIVE.index(b"\x1f")], True),
        (LIVE[:30], True),
        (box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", b"") + struct.pack(">I", 0) + b"mdat and the rest", False),
        (
            box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", b"") + b"\0\0\0\1mdat" + struct.pack(">Q", 20) + b"four",
            False,
        ),
        (
            box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", b"") + b"\0\0\0\1mdat" + struct.pack(">Q", 21) + b"four",
            True,
        ),
        (box(b"ftyp", b"isom" + bytes(4)) + box(b"mdat", bytes(99)), True),
        (png(3, 3)[:33] + png(3, 3)[-12:], True),
        (jpeg(4, 4).replace(SCAN, b""), True),
        (woff2(80)[:20], True),
        (woff2(80)[:12] + bytes(2) + woff2(80)[14:], True),
        (b"<svg/>", True),
        (b"", True),
    ],
)
def test_odd_ones(data: bytes, cut: bool) -> None:
    assert is_torn(data) == cut


def test_a_marker_across_two_windows() -> None:
    for length in range(torn.WINDOW_BYTES - 30, torn.WINDOW_BYTES + 5):
        assert not is_torn(jpeg(4, 4).replace(SCAN, SCAN + b"\x12" * length))


def test_no_file_has_parts_without_end() -> None:
    start, tail = png(3, 3)[:33], png(3, 3)[33:]
    part = struct.pack(">I", 0) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    assert not is_torn(start + part * 1_000 + tail)
    assert is_torn(start + part * torn.MAX_PARTS + tail)
    assert is_torn(jpeg(4, 4).replace(SCAN, SCAN * torn.MAX_PARTS))


def test_a_large_file_is_read_a_little_at_a_time() -> None:
    data, most = jpeg(4, 4).replace(SCAN, SCAN + bytes(1_000_000)), []

    def read(at: int, length: int) -> bytes:
        most.append(length)
        return data[at : at + length]

    assert not torn.is_torn(read, len(data))
    assert max(most) == torn.WINDOW_BYTES
    assert len(most) < 100


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 200), st.binary(max_size=40))
def test_no_bytes_bring_it_down(name: str, at: int, instead: bytes) -> None:
    data = WHOLE[name]
    is_torn(data[:at] + instead + data[at + len(instead) :])
    is_torn(data[:at] + instead)
