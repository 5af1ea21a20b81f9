"""What an operator on the box asks of devices, and what is no request."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.devicedesk import DeviceDesk, is_for
from gateway.devices import Devices
from gateway.store import Store
from tests.rigs.paired import devices_of
from tests.rigs.shopfront import HandClock


@pytest.fixture
async def devices(tmp_path: Path) -> AsyncIterator[Devices]:
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    yield devices_of(store, HandClock())
    store.close()


async def test_an_operator_approves_lists_and_revokes(devices: Devices) -> None:
    desk = DeviceDesk(devices, HandClock())
    shown = devices.ask("", "", "screen", "", "192.0.2.1")
    assert shown is not None
    asked = {"verb": "device.approve", "code": shown.code, "kind": "screen", "place": "coffee", "name": "Bar"}
    assert (await desk.answer({**asked, "place": "nowhere"}))["result"] == "refused"
    assert (await desk.answer(asked))["result"] == "ok"
    assert (await desk.answer(asked))["result"] == "wrong"
    listed = await desk.answer({"verb": "device.list"})
    (one,) = listed["devices"]
    assert (one["as"], one["role"], one["name"], one["state"]) == ("screen:coffee", "display", "Bar", "active")
    assert one["paired_by"] == "operator" and listed["waiting"] == 0
    assert (await desk.answer({"verb": "device.revoke", "device_id": one["id"][:8]}))["result"] == "ok"
    assert (await desk.answer({"verb": "device.revoke", "device_id": one["id"]}))["result"] == "gone"
    assert (await desk.answer({"verb": "device.revoke", "device_id": ""}))["result"] == "gone"
    assert (await desk.answer({"verb": "device.list"}))["devices"][0]["state"] == "revoked"


async def test_a_programs_token_is_told_once_and_listed_without_its_key(devices: Devices) -> None:
    desk = DeviceDesk(devices, HandClock())
    asked = {"verb": "device.token", "kind": "till", "role": "till", "place": "till-1", "name": "POS"}
    made = await desk.answer(asked)
    assert made["result"] == "ok" and devices.whose(made["id"], made["key"]) is not None
    listed = await desk.answer({"verb": "device.list"})
    assert listed["devices"][0]["via"] == "token" and made["key"] not in str(listed)
    assert (await desk.answer({**asked, "place": "till-9"}))["result"] == "refused"


async def test_the_beginning_of_several_ids_revokes_none(devices: Devices) -> None:
    desk = DeviceDesk(devices, HandClock())
    for n in range(2):
        await devices.by_link(f"a{n}" + "0" * 30)
    assert (await desk.answer({"verb": "device.revoke", "device_id": "a"}))["result"] == "many"
    assert all(one.device.is_active for one in devices.listed())


@pytest.mark.parametrize(
    "asked", [{"verb": "device.eat"}, {"verb": "device.list", "more": 1}, {"verb": "device.approve", "kind": "phone"}]
)
async def test_no_request(devices: Devices, asked: dict[str, object]) -> None:
    assert is_for(asked)
    assert await DeviceDesk(devices, HandClock()).answer(asked) == {"result": "wrong_form"}
    assert not is_for({"verb": "show"}) and not is_for("device.list")
