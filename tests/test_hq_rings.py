"""Rings: how they are named, and that each store is in one, always the same."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from sync.hq import rings
from sync.hq.rings import MAX_RINGS, MAX_TEXT

FLEET = [f"acme/store-{number}/gw-1" for number in range(1, 101)]


def ring_of(who: list[str], fleet: list[str] = FLEET) -> dict[int, int]:
    """How many gateways each ring has."""
    found = rings.members(rings.checked(who, "test"), fleet)
    return {number: sum(ring == number for ring in found.values()) for number in range(1, len(who) + 1)}


def test_rings_are_named_one_after_another() -> None:
    assert rings.named(["1:store-7", "2:5%", "3: all"]) == ("store-7", "5%", "all")
    assert rings.checked(["store-7, acme/berlin-*", "100%"], "test") == ("store-7,acme/berlin-*", "all")
    for wrong in (["store-7"], ["2:all"], ["1:all", "3:all"], ["x:all"]):
        with pytest.raises(ConfigError, match="the rings one after another from 1"):
            rings.named(wrong)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (["0%"], "above 0%"),
        (["101%"], "above 0%"),
        (["5%", "all", "store-1"], "at the end"),
        (["a/b/c/d"], "expected all, a share"),
        (["store-1,"], "expected all, a share"),
        ([""], "expected all, a share"),
        (["ü"], "expected all, a share"),
        (["store-1," * MAX_TEXT + "s"], "expected all, a share"),
        ([], "1 to 20 rings"),
        (["1%"] * (MAX_RINGS + 1), "1 to 20 rings"),
    ],
)
def test_what_is_no_ring_is_told(who: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rings.checked(who, "test")


def test_a_file_names_them_too(tmp_path: Path) -> None:
    path = tmp_path / "rings.toml"
    path.write_text('rings = ["store-7", "2.5%", "all"]\n')
    assert rings.in_file(path) == ("store-7", "2.5%", "all")
    for wrong in ("rings = 5", "rings = [5]", 'ring = ["all"]', 'rings = ["all"]\nsoak = 5'):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match=r'expected rings = \["store-7"'):
            rings.in_file(path)


def test_a_share_is_of_all_stores_and_rings_grow_round_each_other() -> None:
    assert ring_of(["1%", "10%", "all"]) == {1: 1, 2: 9, 3: 90}
    assert ring_of(["0.01%", "all"]) == {1: 1, 2: 99}  # never nobody
    first = {name for name, ring in rings.members(("5%", "all"), FLEET).items() if ring == 1}
    again = {name for name, ring in rings.members(("3%", "5%", "all"), reversed(FLEET)).items() if ring <= 2}
    assert first == again  # always the same stores


def test_gateways_of_a_store_are_in_one_ring() -> None:
    fleet = [f"acme/store-{number}/gw-{box}" for number in range(20) for box in (1, 2)]
    found = rings.members(("10%", "all"), fleet)
    assert sum(ring == 1 for ring in found.values()) == 4
    assert all(found[f"acme/store-{number}/gw-1"] == found[f"acme/store-{number}/gw-2"] for number in range(20))


def test_stores_are_named_with_and_without_tenant_and_gateway() -> None:
    fleet = ["acme/munich-1/gw-1", "acme/munich-1/gw-2", "acme/berlin-1/gw-1", "zeta/munich-1/gw-1"]
    assert rings.members(("munich-1",), fleet) == {fleet[0]: 1, fleet[1]: 1, fleet[3]: 1}
    assert rings.members(("acme/munich-?",), fleet) == {fleet[0]: 1, fleet[1]: 1}
    assert rings.members(("acme/munich-1/gw-2", "acme/*"), fleet) == {fleet[1]: 1, fleet[0]: 2, fleet[2]: 2}
    assert rings.members(("nobody", "all"), fleet) == dict.fromkeys(sorted(fleet), 2)
