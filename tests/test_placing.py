"""gateway.placing: what was drawn and walked goes before the file, and never keeps a gateway from its start."""

from pathlib import Path
from typing import Any

from gateway.config import Config
from gateway.core.floor import Floor
from gateway.core.radiomap import Ear, Point
from gateway.mapfile import radio_map_of, save_survey
from gateway.placing import RADIO_MAP, placed, radios

THREE = {"a-ble": (1.0, 1.0), "b-ble": (9.0, 1.0), "c-ble": (5.0, 8.0)}


def config(folder: Path, *, sim: bool = False, **more: Any) -> Config:
    sources = [{"path": "sim:1"}] if sim else [{"path": f"ble:hci{n}", "receiver": one} for n, one in enumerate(THREE)]
    return Config.model_validate(
        {
            "gateway": {"tenant": "t", "store": "s", "id": "g", "data_dir": folder},
            "source": sources,
            "receiver": [
                *({"id": one, "zone": one[0]} for one in THREE),
                {"id": "a-nfc", "zone": "a", "screen": "a"},
            ],
            "screen": [{"id": "a", "zone": "a"}],
            "anchor": [{"id": "door", "beacon": "uid:" + "0" * 32}],
            **more,
        }
    )


def places(of: Config) -> dict[str, tuple[float, float] | None]:
    return {one.id: one.place for one in of.receiver}


def walked(folder: Path, receivers: list[str], zone: str = "a") -> None:
    points = [Point((1, 1), dict.fromkeys(receivers, -60.0), zone)]
    save_survey(folder / RADIO_MAP, [Ear(one, None, zone) for one in receivers], points)


def test_receivers_that_hear_beacons(tmp_path: Path) -> None:
    assert radios(config(tmp_path)) == tuple(THREE)
    assert radios(config(tmp_path, sim=True)) == tuple(THREE)


def test_without_a_plan_the_file_speaks(tmp_path: Path) -> None:
    one = config(tmp_path)
    found = placed(one, None)
    assert (found.config, found.source, found.unplaced, found.unfit) == (one, "receivers", (), "")


def test_a_whole_plan_goes_before_the_file(tmp_path: Path) -> None:
    found = placed(config(tmp_path), Floor(receivers={**THREE, "a-nfc": (3, 3)}, anchors={"door": (2, 2)}))
    assert found.source == "positions"
    assert places(found.config) == {**THREE, "a-nfc": None}  # a reader hears no beacon
    assert found.config.anchor[0].place == (2, 2)
    made = radio_map_of(found.config)
    assert made is not None
    assert set(made.receivers) == set(THREE)


def test_a_plan_that_lacks_a_radio_is_left_aside(tmp_path: Path) -> None:
    for sim in (False, True):
        one = config(tmp_path, sim=sim)
        found = placed(one, Floor(receivers={"a-ble": (1, 1), "b-ble": (2, 2)}))
        assert (found.config, found.source, found.unplaced) == (one, "receivers", ("c-ble",))


def test_a_plan_without_radios_changes_nothing(tmp_path: Path) -> None:
    one = config(tmp_path)
    assert placed(one, Floor(receivers={"a-nfc": (1, 1), "long-gone": (2, 2)})).config == one


def test_the_pages_own_map_is_used_if_the_file_names_none(tmp_path: Path) -> None:
    walked(tmp_path, list(THREE))
    found = placed(config(tmp_path), None)
    assert (found.source, found.config.presence.radio_map, found.unfit) == ("walk", tmp_path / RADIO_MAP, "")
    other = tmp_path / "another.json"
    named = placed(config(tmp_path, presence={"radio_map": other}), None)
    assert (named.source, named.config.presence.radio_map) == ("walk", other)


def test_a_map_that_does_not_fit_is_left_aside_with_a_reason(tmp_path: Path) -> None:
    walked(tmp_path, ["a-ble", "b-ble"])
    found = placed(config(tmp_path), None)
    assert (found.source, found.config.presence.radio_map) == ("receivers", None)
    assert "'c-ble'" in found.unfit
    (tmp_path / RADIO_MAP).write_text("{")
    broken = placed(config(tmp_path), Floor(receivers=THREE))
    assert broken.source == "positions"
    assert "expected a radio map" in broken.unfit
