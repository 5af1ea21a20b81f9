"""A chart is well-formed SVG that says every name, stays in its frame and does not grow with the data."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import plot

PATH = "{http://www.w3.org/2000/svg}path"
POINTS = st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=30)


@given(st.dictionaries(st.text("ab<&\"'", max_size=4), POINTS, max_size=6))
def test_any_lines_make_a_well_formed_picture(lines: dict[str, list[tuple[float, float]]]) -> None:
    picture = ET.fromstring(plot.line_chart("a < b", "x & y", '"up"', lines))
    drawn = [path.attrib["d"] for path in picture.iter(PATH) if path.attrib.get("fill") == "none"]
    assert len(drawn) == sum(bool(line) for line in lines.values())
    for way in drawn:
        for place in way.removeprefix("M").split("L"):
            x, y = map(float, place.split())
            assert plot.LEFT <= x <= plot.WIDTH - plot.RIGHT
            assert plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM


def test_names_and_the_last_point_stay_however_long_the_line() -> None:
    line = [(float(x), float(x)) for x in range(12_345)]
    text = plot.line_chart("t", "decisions", "lost", {"learned": line})
    assert "learned" in text
    assert f"L{plot.WIDTH - plot.RIGHT}.0 {plot.TOP}.0" in text
    assert text.count("L") <= plot.MAX_POINTS


def test_names_of_lines_that_end_together_stand_apart() -> None:
    same = [(0.0, 0.0), (1.0, 1.0)]
    picture = ET.fromstring(plot.line_chart("t", "x", "y", {"one": same, "two": same, "low": [(1.0, 0.98)]}))
    texts = picture.iter("{http://www.w3.org/2000/svg}text")
    places = sorted(float(text.attrib["y"]) for text in texts if text.text in ("one", "two", "low"))
    assert all(after - before >= plot.APART for before, after in pairwise(places))
    assert len(places) == 3


def test_more_lines_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="colours"):
        plot.line_chart("t", "x", "y", {str(at): [] for at in range(7)})


@given(
    st.dictionaries(st.text("ab<&\"'", max_size=4), st.lists(st.floats(0, 1e9), min_size=2, max_size=2), max_size=40)
)
def test_any_bars_make_a_well_formed_picture_that_does_not_grow(bars: dict[str, list[float]]) -> None:
    picture = ET.fromstring(plot.bar_chart("a < b", "times", ("be&fore", "after"), bars))
    drawn = [one for one in picture.iter("{http://www.w3.org/2000/svg}rect") if one.attrib["fill"] != "#fff"]
    assert len(drawn) == 2 * min(len(bars), plot.MAX_BARS)
    assert all(0 <= float(one.attrib["width"]) <= plot.WIDTH - plot.BAR_NAME for one in drawn)


def test_bars_beyond_the_bound_are_one_sum() -> None:
    text = plot.bar_chart("t", "x", ("n",), {f"b{number}": (1.0,) for number in range(plot.MAX_BARS + 5)})
    assert ">6 more<" in text
    assert ">6<" in text
    with pytest.raises(ValueError, match="one value per name"):
        plot.bar_chart("t", "x", ("n",), {"b": (1.0, 2.0)})


def test_a_long_name_stays_in_its_room() -> None:
    assert f">{'x' * (plot.MAX_NAME - 1)}…<" in plot.bar_chart("t", "x", ("n",), {"x" * 64: (1.0,)})


def test_charts_stand_below_each_other() -> None:
    one, other = plot.bar_chart("t", "x", ("n",), {"b": (1.0,)}), plot.line_chart("t", "x", "y", {})
    picture = ET.fromstring(plot.below([one, other]))
    inner = picture.findall("{http://www.w3.org/2000/svg}svg")
    assert [int(chart.attrib["y"]) for chart in inner] == [0, int(inner[0].attrib["height"])]
