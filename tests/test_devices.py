"""The service: a device keeps its identity, one of two approvals counts, and a revoked one is out before the commit."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from display import cookies
from gateway import devices as devices_module
from gateway.core.devices import CODE_MS, Grant, Kind
from gateway.devices import Devices, Shown
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store
from tests.rigs.paired import devices_of
from tests.rigs.shopfront import KEY, HandClock

SCREEN = Grant("screen", "display", "coffee", "Bar")
STAFF = Grant("tablet", "staff")
SOURCE = "192.0.2.1"


class Rig:
    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "gateway.db", "e" * 32, bytes(32))
        self.clock, self.health, self.woken = HandClock(), Health(), list[str]()
        self.devices = self.again()

    def again(self) -> Devices:
        return devices_of(self.store, self.clock, self.health, self.woken)

    def ask(self, shown: Shown | None = None, kind: Kind = "screen") -> Shown:
        had = (shown.device_id, shown.key) if shown is not None else ("", "")
        found = self.devices.ask(*had, kind, "", SOURCE)
        assert found is not None
        return found

    async def paired(self, grant: Grant = SCREEN) -> Shown:
        shown = self.ask(kind=grant.kind)
        assert (await self.devices.approve(shown.code, grant, "operator")).result == "ok"
        return shown

    def whose(self, shown: Shown) -> str:
        device = self.devices.whose(shown.device_id, shown.key)
        return "nobody" if device is None else "active" if device.is_active else "revoked"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    one = Rig(tmp_path)
    await one.devices.start()
    yield one
    one.store.close()


async def test_a_new_device_waits_and_is_nobodys_until_it_is_approved(rig: Rig) -> None:
    shown = rig.ask()
    assert shown.state == "pending" and len(shown.key) == 64 and shown.left_ms == CODE_MS
    assert rig.whose(shown) == "nobody" and rig.devices.waiting == 1
    again = rig.ask(shown)
    assert (again.code, again.key) == (shown.code, "")
    await rig.devices.approve(shown.code, SCREEN, "operator")
    assert rig.whose(shown) == "active" and rig.devices.waiting == 0
    assert rig.devices.look(shown.device_id, shown.key, "screen").state == "active"
    assert rig.ask(shown).state == "active"
    assert rig.devices.look(shown.device_id, "0" * 64, "screen").state == "new"
    assert rig.devices.look(shown.device_id, shown.key, "tablet").state == "new"


async def test_only_a_hash_of_the_key_is_kept_and_it_counts_after_a_restart(rig: Rig, tmp_path: Path) -> None:
    shown = await rig.paired()
    await rig.store.purge()
    files = await asyncio.to_thread(_read_all, tmp_path)
    assert shown.key.encode() not in files and bytes.fromhex(shown.key) not in files
    assert hashlib.sha256(shown.key.encode()).digest() in files
    rig.devices = rig.again()
    assert rig.whose(shown) == "nobody"
    await rig.devices.start()
    assert rig.whose(shown) == "active"


async def test_of_two_who_approve_at_once_one_does(rig: Rig) -> None:
    shown = rig.ask()
    both = await asyncio.gather(
        rig.devices.approve(shown.code, SCREEN, "tablet:a"), rig.devices.approve(shown.code, SCREEN, "tablet:b")
    )
    assert sorted(found.result for found in both) == ["ok", "wrong"]
    assert len(rig.devices.listed()) == 1


async def test_a_device_that_asks_while_the_disk_writes_waits_on_and_becomes_no_second_one(rig: Rig) -> None:
    shown, run, written = rig.ask(), rig.devices._run, asyncio.Event()

    async def slow(work: Callable[[Tx], object]) -> object:
        await written.wait()
        return await run(work)

    rig.devices._run = slow
    approving = asyncio.create_task(rig.devices.approve(shown.code, SCREEN, "tablet:a"))
    await asyncio.sleep(0)
    assert rig.devices.find(shown.code, "tablet:b").result == "wrong"
    assert rig.devices.look(shown.device_id, shown.key, "screen").state == "pending"
    again = rig.ask(shown)
    assert (again.device_id, again.code, again.key) == (shown.device_id, shown.code, "")
    written.set()
    assert (await approving).result == "ok"
    assert rig.devices.look(shown.device_id, shown.key, "screen").state == "active"
    assert rig.devices.waiting == 0 and len(rig.devices.listed()) == 1


async def test_a_device_that_is_revoked_and_paired_again_is_the_same_one(rig: Rig) -> None:
    shown = await rig.paired()
    assert await rig.devices.revoke(shown.device_id, "operator") == "ok"
    assert await rig.devices.revoke(shown.device_id, "operator") == "gone"
    assert rig.whose(shown) == "revoked"
    assert rig.devices.look(shown.device_id, shown.key, "screen").state == "revoked"
    again = rig.ask(shown)
    assert again.was_revoked and again.device_id == shown.device_id and again.key == ""
    await rig.devices.approve(again.code, SCREEN, "operator")
    assert rig.whose(shown) == "active" and len(rig.devices.listed()) == 1


async def test_revoking_ends_the_streams_at_once_and_the_list_counts_them(rig: Rig) -> None:
    shown = await rig.paired()
    ended: list[str] = []
    over = rig.devices.streaming(shown.device_id, lambda: ended.append("first"))
    rig.devices.streaming(shown.device_id, lambda: ended.append("second"))
    rig.devices.seen(shown.device_id)
    (one,) = rig.devices.listed()
    assert (one.streams, one.seen_ms) == (2, rig.clock.now_ms())
    over()
    assert rig.devices.listed()[0].streams == 1
    told: list[str] = []
    rig.devices.let_go = told.append
    await rig.devices.revoke(shown.device_id, "operator")
    assert (ended, told) == (["second"], [shown.device_id])


async def test_another_name_ends_no_stream_and_another_place_does(rig: Rig) -> None:
    shown = await rig.paired()
    ended: list[str] = []
    rig.devices.streaming(shown.device_id, lambda: ended.append("end"))
    for grant, ends in ((replace(SCREEN, name="Theke"), []), (replace(SCREEN, name="Theke", place="wine"), ["end"])):
        assert await rig.devices.change(shown.device_id, grant, "tablet:a") == "ok"
        assert ended == ends
        assert rig.devices.listed()[0].device.grant == grant


async def test_a_device_that_is_revoked_while_it_is_changed_stays_revoked(rig: Rig) -> None:
    tablet = await rig.paired(STAFF)
    manager = replace(STAFF, role="manager")
    changes = [asyncio.create_task(rig.devices.change(tablet.device_id, manager, "one")) for _ in range(3)]
    await asyncio.sleep(0)
    revoking = asyncio.create_task(rig.devices.revoke(tablet.device_id, "two"))
    while not revoking.done():
        await asyncio.sleep(0)
        assert rig.whose(tablet) == "revoked"
        assert await rig.devices.change(tablet.device_id, manager, "three") == "gone"
    assert await revoking == "ok" and await asyncio.gather(*changes) == ["ok"] * 3
    assert rig.whose(tablet) == "revoked"
    rig.devices = rig.again()
    await rig.devices.start()
    assert rig.whose(tablet) == "revoked"


async def test_a_screens_key_does_not_make_it_a_tablet(rig: Rig) -> None:
    screen = await rig.paired()
    waits = rig.ask(screen, "tablet")
    assert waits.device_id != screen.device_id and waits.key
    assert (await rig.devices.approve(waits.code, STAFF, "operator")).result == "ok"
    assert rig.whose(screen) == "active"
    other = rig.ask(kind="tablet")
    assert rig.ask(other, "till").device_id != other.device_id
    assert rig.ask(other, "tablet").code == other.code


async def test_a_disk_that_refuses_leaves_a_code_that_counts_and_a_revoked_device_that_is_out(rig: Rig) -> None:
    shown, paired = rig.ask(), await rig.paired()
    run, rig.devices._run = rig.devices._run, _refusing
    with pytest.raises(StoreError):
        await rig.devices.approve(shown.code, SCREEN, "operator")
    with pytest.raises(StoreError):
        await rig.devices.revoke(paired.device_id, "operator")
    assert rig.whose(paired) == "revoked"
    rig.devices._run = run
    assert (await rig.devices.approve(shown.code, SCREEN, "operator")).result == "ok"


def _read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def _refusing(_: object) -> object:
    raise StoreError("the disk refused")


async def test_headquarters_and_the_audit_hear_of_it_and_no_name_leaves(rig: Rig) -> None:
    shown = await rig.paired()
    await rig.devices.change(shown.device_id, Grant("screen", "display", "wine", "Anders"), "tablet:a")
    await rig.devices.revoke(shown.device_id, "tablet:a")
    rows = await rig.store.outbox_after(0, 10)
    assert [row.type for row in rows] == ["device.paired", "device.paired", "device.revoked"]
    assert "Bar" not in str(rows) and "Anders" not in str(rows) and shown.key not in str(rows)
    assert len(rig.woken) == 3
    audits = await rig.store.run(lambda tx: tx.audits(""))
    assert [(one["actor"], one["action"]) for one in audits] == [
        ("operator", "device.paired"),
        ("tablet:a", "device.changed"),
        ("tablet:a", "device.revoked"),
    ]


async def test_what_cannot_be_granted_is_refused_and_the_code_still_counts(rig: Rig) -> None:
    shown = rig.ask()
    for grant in (STAFF, Grant("screen", "display", "nowhere"), Grant("screen", "manager", "coffee")):
        assert (await rig.devices.approve(shown.code, grant, "operator")).result == "refused"
    assert (await rig.devices.approve(shown.code, SCREEN, "operator")).result == "ok"
    assert await rig.devices.change(shown.device_id, STAFF, "operator") == "refused"
    assert await rig.devices.change("nobody", SCREEN, "operator") == "gone"


async def test_wrong_codes_make_whoever_types_them_wait_and_nobody_else(rig: Rig) -> None:
    shown = rig.ask()
    results = [rig.devices.find("AAAAAA", "tablet:a").result for _ in range(4)]
    assert results == ["wrong", "wrong", "wrong", "wait"]
    assert rig.devices.find(shown.code, "tablet:a").result == "wait"
    assert rig.devices.find(shown.code, "tablet:b").result == "ok"
    assert rig.health.counts["devices.wrong_code"] == 3


async def test_a_refused_device_is_told_so(rig: Rig) -> None:
    shown = rig.ask()
    assert rig.devices.refuse(shown.code, "operator").result == "ok"
    assert rig.devices.look(shown.device_id, shown.key, "screen").state == "refused"
    assert rig.ask(shown).state == "pending"


async def test_the_link_of_an_earlier_manager_lets_nobody_in_any_more(rig: Rig) -> None:
    await rig.devices.by_link("a" * 32)
    await rig.devices.by_link("a" * 32)
    (one,) = rig.devices.listed()
    assert (one.device.grant.role, one.device.via) == ("manager", "link")
    assert rig.devices.whose("a" * 32, cookies.proof("a" * 32, KEY)) == one.device
    later = rig.again()
    later._proof = lambda tablet: cookies.proof(tablet, "another key")
    await later.start()
    assert later.listed() == [] and await rig.store.run(lambda tx: tx.devices()) == []


async def test_a_tablet_that_was_paired_by_a_code_becomes_the_managers_by_the_link(rig: Rig) -> None:
    shown = await rig.paired(Grant("tablet", "staff", name="Eingang"))
    await rig.devices.by_link(shown.device_id)
    (one,) = rig.devices.listed()
    assert (one.device.grant.role, one.device.grant.name, one.device.via) == ("manager", "Eingang", "link")
    assert rig.whose(shown) == "nobody"  # its cookie is the link's now


async def test_a_full_list_lets_go_of_the_oldest_that_was_revoked_but_of_none_of_the_link(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices_module, "MAX_DEVICES", 3)
    await rig.devices.by_link("a" * 32)
    await rig.devices.revoke("a" * 32, "operator")
    first, second = await rig.paired(), await rig.paired()
    assert (await rig.devices.approve(rig.ask().code, SCREEN, "operator")).result == "full"
    await rig.devices.revoke(first.device_id, "operator")
    third = await rig.paired()
    assert rig.whose(first) == "nobody" and rig.whose(second) == "active" and rig.whose(third) == "active"
    assert len(await rig.store.run(lambda tx: tx.devices())) == 3


async def test_an_address_that_asks_too_often_is_told_so(rig: Rig) -> None:
    while rig.devices.ask("", "", "screen", "", SOURCE) is not None:
        pass
    assert rig.health.counts["devices.asked_too_often"] == 1
    assert rig.devices.ask("", "", "screen", "", "192.0.2.2") is not None


async def test_a_step_of_the_clock_and_time_itself(rig: Rig) -> None:
    shown = rig.ask()
    rig.clock.at_ms += 3_600_000
    rig.devices.shift(3_600_000)
    assert rig.devices.look(shown.device_id, shown.key, "screen").left_ms == CODE_MS
    rig.clock.at_ms += CODE_MS
    assert rig.devices.look(shown.device_id, shown.key, "screen").state == "new"
