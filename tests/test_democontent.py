import struct
import zlib
from pathlib import Path

from gateway import democontent
from gateway.core import media
from sync.hq import bundles


def test_the_demos_bundle_is_right_and_always_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        democontent.write(tmp_path / name)
    first, second = (bundles.read_content(tmp_path / name) for name in ("a", "b"))
    assert first.ops == second.ops
    assert [ref.bytes < 100_000 for ref, _ in first.files] == [True, True]
    assert first.doubts == ()


def test_a_picture_has_what_was_drawn() -> None:
    """Read back with the standard library: the first row is sky, the middle of the sun is the sun's colour."""
    top, bottom, shapes = democontent.PICTURES["autumn.png"]
    data = democontent.picture(top, bottom, shapes)
    assert media.pixels(data) == (democontent.WIDTH, democontent.HEIGHT)
    length = struct.unpack(">I", data[33:37])[0]
    rows = zlib.decompress(data[41 : 41 + length])
    stride = 1 + 3 * democontent.WIDTH

    def at(x: int, y: int) -> tuple[int, ...]:
        return tuple(rows[y * stride + 1 + 3 * x : y * stride + 4 + 3 * x])

    assert at(0, 0) == top
    assert at(880, 300) == (255, 236, 190)
    assert at(1_279, 719) == (88, 44, 48)
