"""What belongs together when somebody operates the box: the time that a command is judged by, its end, its bundle."""

import asyncio
import base64
import io
import zipfile
from pathlib import Path

import pytest

from gateway import operating, updatefiles
from gateway.app import Gateway
from gateway.clock import ShopClock
from gateway.config import Config
from gateway.core.command import Command, Rescan, Restart, Update
from gateway.errors import StoreError
from gateway.updatefiles import REQUEST


class Times(ShopClock):
    """A clock of which a test says whether it may be trusted."""

    is_trusted = True

    @property
    def trusted(self) -> bool:
        return self.is_trusted


def config(folder: Path) -> Config:
    own = {"data_dir": str(folder), "update_folder": str(folder / "update")}
    return Config.model_validate({"gateway": {"tenant": "t", "store": "s", "id": "g"} | own})


async def opened(folder: Path, clock: ShopClock) -> tuple[Gateway, asyncio.Event]:
    stop = asyncio.Event()
    return Gateway(
        config(folder), clock, stop, lambda: [{"what": "Disk", "state": "ok", "found": "", "step": ""}]
    ), stop


async def test_the_end_of_a_command_is_judged_by_what_can_be_trusted(tmp_path: Path) -> None:
    clock = Times()
    gateway, _ = await opened(tmp_path, clock)
    try:
        surely_ms = gateway._flow.life.times().surely_ms
        await gateway._flow.life.start(trusted=True)
        await gateway._flow.settled()
        clock._wall_ms += 3_600_000_000  # weeks ahead, and no hour has passed that would believe it
        gateway._flow.life.clock_stepped(3_600_000_000)
        assert gateway.operating.surely_ms() >= surely_ms + 3_600_000_000
        clock.is_trusted = False
        assert gateway.operating.surely_ms() < surely_ms + 3_600_000
    finally:
        await gateway.close()


async def test_a_shop_that_runs_faster_is_commanded_from_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, _ = await opened(tmp_path, ShopClock(60.0))
    monkeypatch.setattr(operating, "world_ms", lambda: 4_711)
    try:
        assert gateway.operating.surely_ms() == 4_711
    finally:
        await gateway.close()


async def test_the_service_ends_to_begin_anew(tmp_path: Path) -> None:
    gateway, stop = await opened(tmp_path, ShopClock())
    try:
        now_ms = gateway.operating.surely_ms()
        await gateway.operating.commands.take(Command("c-1", "rescan", Rescan(), now_ms, now_ms + 60_000))
        assert not stop.is_set() and not gateway.operating.begins_anew
        await gateway.operating.commands.take(Command("c-2", "restart", Restart("service"), now_ms, now_ms + 60_000))
        await stop.wait()
        assert gateway.operating.begins_anew
    finally:
        await gateway.close()


async def test_headquarters_command_reaches_the_boxs_own_updater(tmp_path: Path) -> None:
    (tmp_path / "update" / "spool").mkdir(parents=True)
    gateway, _ = await opened(tmp_path, ShopClock())
    try:
        now_ms = gateway.operating.surely_ms()
        await gateway.operating.commands.take(Command("c-1", "update", Update("1.2"), now_ms, now_ms + 60_000))
        async with asyncio.timeout(60):
            while not (tmp_path / REQUEST).exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0)
        assert updatefiles.take_request(tmp_path) == "1.2"
    finally:
        await gateway.close()


async def test_an_operator_gets_the_bundle_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, _ = await opened(tmp_path, ShopClock())
    try:
        assert operating.is_for({"verb": "bundle"}) and not operating.is_for({"verb": "counts"})
        assert not operating.is_for("bundle")
        answer = await gateway.answer({"verb": "bundle"})
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(answer["zip"]))) as made:
            assert b"Disk" in made.read("doctor.json")

        async def full(*_: object, **__: object) -> object:
            raise StoreError("full")

        monkeypatch.setattr(gateway._store, "run", full)
        assert await gateway.answer({"verb": "bundle"}) == {"result": "disk"}
    finally:
        await gateway.close()


async def test_an_operator_gets_what_was_written_and_in_how_long(tmp_path: Path) -> None:
    gateway, _ = await opened(tmp_path, ShopClock())
    try:
        assert operating.is_for({"verb": "written"})
        answer = await gateway.answer({"verb": "written"})
        assert answer["result"] == "ok" and answer["bytes"] >= 0 and answer["seconds"] > 0
    finally:
        await gateway.close()
