"""The radio map's file: what is written is read, and what is wrong is named."""

import json
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.core.radiomap import Ear, Point
from gateway.errors import ConfigError
from gateway.mapfile import load_radio_map, load_survey, misplaced, radio_map_of, save_survey

EARS = (Ear("left", (0.0, 0.0), "coffee"), Ear("right", None, "wine"))
POINTS = (Point((1.0, 1.0), {"left": -60.5, "right": -70.0}, "coffee"), Point((8.0, 1.0), {"right": -58.0}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    save_survey(path, EARS, POINTS)
    assert load_survey(path) == (EARS, POINTS)
    assert {"coffee", "tea"} >= set(load_radio_map(path, {"right": "tea"}).zones)
    assert [file.name for file in tmp_path.iterdir()] == ["map.json"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"store_gateway_radio_map": 2}, "store_gateway_radio_map"),
        ({"receivers": []}, "receivers"),
        ({"points": [{"x_m": 1, "y_m": 2, "levels_dbm": {"left": "loud"}}]}, "points.0.levels_dbm.left"),
        ({"points": [{"x_m": 1, "y_m": 1e9, "levels_dbm": {"left": -60}}]}, "points.0.y_m"),
        ({"points": [{"x_m": 1, "y_m": 2, "levels_dbm": {"other": -60}}]}, "points.0.levels_dbm: 'other'"),
        ({"receivers": [{"id": "left"}, {"id": "left"}]}, "twice"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], word: str) -> None:
    path = tmp_path / "map.json"
    save_survey(path, EARS, POINTS)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError, match=word) as told:
        load_survey(path)
    assert str(path) in str(told.value)


def test_no_file_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_survey(tmp_path / "none.json")
    (tmp_path / "odd.json").write_bytes(b"\xff{")
    with pytest.raises(ConfigError, match="expected a radio map"):
        load_survey(tmp_path / "odd.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_survey(tmp_path / "no" / "map.json", EARS, POINTS)


def config(tmp_path: Path, receivers: list[dict[str, object]], radio_map: Path | None = None) -> Config:
    gateway = {"tenant": "t", "store": "s", "id": "g", "data_dir": str(tmp_path)}
    return Config.model_validate({"gateway": gateway, "receiver": receivers, "presence": {"radio_map": radio_map}})


def test_the_best_map_that_a_configuration_allows(tmp_path: Path) -> None:
    bare = [{"id": "left", "zone": "coffee"}, {"id": "right", "zone": "wine"}]
    assert radio_map_of(config(tmp_path, bare)) is None
    placed = [bare[0] | {"x_m": 0, "y_m": 0}, bare[1] | {"x_m": 9, "y_m": 0}]
    by_positions = radio_map_of(config(tmp_path, placed))
    assert by_positions is not None and by_positions.source == "positions"
    save_survey(tmp_path / "map.json", EARS, POINTS)
    walked = radio_map_of(config(tmp_path, placed, tmp_path / "map.json"))
    assert walked is not None and walked.source == "walk"
    with pytest.raises(ConfigError):
        radio_map_of(config(tmp_path, placed, tmp_path / "other.json"))


LEFT, RIGHT = {"id": "left", "zone": "coffee"}, {"id": "right", "zone": "wine"}
NEW = {"id": "new", "zone": "wine"}
HEAR = [
    {"path": "ble:hci0", "receiver": "left"},
    {"path": "mgmt:hci1", "receiver": "right"},
    {"path": "mqtt:scanner/new", "receiver": "new"},
]


def shop(tmp_path: Path, receivers: list[dict[str, object]], sources: list[dict[str, str]], **more: object) -> Config:
    gateway = {"tenant": "t", "store": "s", "id": "g", "data_dir": str(tmp_path)}
    tables = {"gateway": gateway, "receiver": receivers, "source": sources, "mqtt": {"host": "localhost"}}
    return Config.model_validate(tables | more)


def placed(receiver: dict[str, object], x_m: float) -> dict[str, object]:
    return receiver | {"x_m": x_m, "y_m": 0.0}


def test_a_bluetooth_receiver_without_a_place_among_placed_ones_is_named(tmp_path: Path) -> None:
    three = [placed(LEFT, 0), placed(RIGHT, 8), NEW]
    (problem,) = misplaced(shop(tmp_path, three, HEAR))
    assert problem[0] == ("receiver", 2, "id")
    assert "'new'" in problem[1]
    assert "x_m and y_m, as the other receivers have them" in problem[1]
    assert misplaced(shop(tmp_path, [LEFT, RIGHT, NEW], HEAR)) == []
    assert misplaced(shop(tmp_path, [placed(LEFT, 0), placed(RIGHT, 8), placed(NEW, 4)], HEAR)) == []


def test_a_reader_needs_no_place_and_a_simulation_may_hear_anywhere(tmp_path: Path) -> None:
    three = [placed(LEFT, 0), placed(RIGHT, 8), NEW]
    reader = {"path": "nfc:tty:AMA0:pn532", "receiver": "new"}
    assert misplaced(shop(tmp_path, three, [*HEAR[:2], reader])) == []
    assert misplaced(shop(tmp_path, three, [*HEAR, {"path": "sim:1"}])) == []


def test_a_map_fits_its_shop(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    save_survey(path, EARS, POINTS)
    named = {"presence": {"radio_map": path}}
    assert misplaced(shop(tmp_path, [LEFT, RIGHT], HEAR[:2], **named)) == []
    (missing,) = misplaced(shop(tmp_path, [LEFT, RIGHT, placed(NEW, 4)], HEAR, **named))
    assert missing[0] == ("presence", "radio_map")
    assert "missed 'new'" in missing[1]
    (other,) = misplaced(shop(tmp_path, [NEW], HEAR[2:], **named))
    assert "has none of the receivers" in other[1]


@pytest.mark.parametrize("zone", ["coffee", "till"])
def test_the_zones_of_a_map_are_the_shops(tmp_path: Path, zone: str) -> None:
    path = tmp_path / "map.json"
    save_survey(path, EARS, [Point((1.0, 1.0), {"left": -60.5}, zone), *POINTS[1:]])
    named = {"presence": {"radio_map": path}}
    told = misplaced(shop(tmp_path, [LEFT, RIGHT], HEAR[:2], **named))
    assert [problem for _, problem in told if "'till'" in problem] == [problem for _, problem in told]
    assert len(told) == (zone == "till")
    screens = [{"id": "s", "zone": "till"}]
    assert misplaced(shop(tmp_path, [LEFT, RIGHT], HEAR[:2], screen=screens, **named)) == []
