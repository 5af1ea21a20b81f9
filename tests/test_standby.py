"""The box that does not serve hears nothing; whoever stops serving forgets who is there and turns every page out."""

import pathlib
import random
from types import SimpleNamespace
from typing import Any, cast

from display.hub import Hub
from gateway.clock import ShopClock
from gateway.config import Config
from gateway.core.model import Sighting, Tap
from gateway.health import Health
from gateway.standby import Standby, standby_of
from gateway.store import Store
from tests.rigs.shop import Clock


class Path:
    """What of the flow is asked."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.checkout = SimpleNamespace(redeems=lambda: True)

    def sighted(self, sighting: Sighting) -> None:
        self.seen.append(sighting)

    def tapped(self, tap: Tap) -> None:
        self.seen.append(tap)

    def anchored(self, *heard: object) -> None:
        self.seen.append("anchor")

    def awaits(self, reader: str) -> bool:
        return True

    def forget_all(self) -> None:
        self.seen.append("forgotten")


class Line:
    serves = redeems = False

    def __init__(self) -> None:
        self.told = lambda _: None
        self.woken = 0
        self.left = False

    def wake(self) -> None:
        self.woken += 1

    async def leave(self) -> None:
        self.left = True


def made(line: Line | None) -> tuple[Standby, Path, Hub, Health]:
    path, health = Path(), Health()
    hub = Hub(Clock(), health)
    return Standby(cast(Any, line), cast(Any, path), hub, health), path, hub, health


SIGHTING, TAP = cast(Sighting, "sighting"), cast(Tap, "tap")


async def test_without_another_box_everything_passes() -> None:
    standby, path, _, _ = made(None)
    standby.sighted(SIGHTING)
    standby.tapped(TAP)
    standby.wake()
    await standby.leave()
    assert path.seen == [SIGHTING, TAP]
    assert path.checkout.redeems()


async def test_the_one_that_does_not_serve_hears_only_anchors() -> None:
    line = Line()
    standby, path, _, health = made(line)
    standby.sighted(SIGHTING)
    standby.tapped(TAP)
    standby.anchored("a", "r", -50, 0)
    assert path.seen == ["anchor"]
    assert standby.awaits("reader")
    assert health.counts == {"standby.unheard": 2}
    assert not path.checkout.redeems()
    line.serves = line.redeems = True
    standby.sighted(SIGHTING)
    assert path.seen == ["anchor", SIGHTING]
    assert path.checkout.redeems()
    standby.wake()
    await standby.leave()
    assert (line.woken, line.left) == (1, True)


async def test_who_stops_serving_forgets_and_turns_pages_out() -> None:
    line = Line()
    _, path, hub, _ = made(line)
    stream = hub.watch_screen("bar")
    assert stream is not None
    line.told(True)
    assert path.seen == []
    line.told(False)
    assert path.seen == ["forgotten"]
    assert hub.screens_connected("bar") == 0
    assert hub.watch_screen("bar") is not None  # it may come back


async def test_without_a_table_there_is_no_other_box(tmp_path: pathlib.Path) -> None:
    box = {"tenant": "acme", "store": "munich-1", "id": "gw1", "data_dir": str(tmp_path)}
    (tmp_path / "secret").write_text("0" * 64)
    url = "http://gw2:8080"
    other = {"host": "broker", "other": "gw2", "secret_file": str(tmp_path / "secret"), "other_url": url}
    _, path, hub, health = made(None)
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    own = store, cast(Any, path), hub, ShopClock(), health, random.Random(1)
    try:
        assert standby_of(Config.model_validate({"gateway": box}), *own).line is None
        both = standby_of(Config.model_validate({"gateway": box, "standby": other}), *own)
        assert both.line is not None
        assert (both.line.other, both.other_url) == ("gw2", url)
    finally:
        store.close()
