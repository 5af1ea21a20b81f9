"""gateway.recognition: the resolver follows the store, in parts, whatever happens meanwhile."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway import recognition
from gateway.core.changes import ConfigPut, ConsentAdd, CredentialPut, MemberPut
from gateway.core.eid import eid
from gateway.core.model import ConsentState, CredentialKind, Member, Purpose, ShopConfig, Token
from gateway.errors import StoreError
from tests.rigs.shop import NOTICE, START_MS, Shop, basics, consent, member, open_shop

NAMES = [f"m{number:02d}" for number in range(25)]
KEY = bytes(range(16))


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "PAGE", 4)


def known(shop: Shop) -> set[str]:
    """Who would be recognised by a fob now."""
    tokens = {name: Token(CredentialKind.IBEACON, name.encode().ljust(20, b"-")) for name in NAMES}
    return {name for name, token in tokens.items() if shop.resolver.resolve(token, shop.clock.ms) == name}


async def crowded(path: Path) -> Shop:
    changes = [change for name in NAMES for change in member(name, Purpose.RECOGNISE_BLE)]
    return await open_shop(path, *changes)


async def test_a_restart_reads_everybody_in_parts(tmp_path: Path) -> None:
    shop = await crowded(tmp_path)
    assert known(shop) == set(NAMES)
    shop.store.close()
    again = Shop(tmp_path)
    await again.flow.start()
    assert len(known(again)) < len(NAMES)  # screens and tablets do not wait for it
    await again.settle()
    assert known(again) == set(NAMES)
    again.store.close()


async def test_a_withdrawal_in_the_middle_of_a_reading_holds(tmp_path: Path) -> None:
    shop = await crowded(tmp_path)
    shop.flow.on_clock_step(3_000)
    await shop.push(*(consent(name, Purpose.RECOGNISE_BLE, ConsentState.WITHDRAWN, 2) for name in NAMES[::3]))
    assert known(shop) == set(NAMES) - set(NAMES[::3])
    await shop.settle()
    assert known(shop) == set(NAMES) - set(NAMES[::3])
    shop.store.close()


async def test_without_a_notice_nobody_is_known_and_with_it_everybody_again(tmp_path: Path) -> None:
    shop = await crowded(tmp_path)
    await shop.push(ConfigPut(ShopConfig()))
    assert known(shop) == set()
    assert len(shop.resolver) == 0
    await shop.push(ConfigPut(ShopConfig(notice=replace(NOTICE, version="2"))))
    await shop.settle()
    assert known(shop) == set(NAMES)
    shop.store.close()


@pytest.mark.parametrize("field", ["controller", "contact", "version", "text"])
async def test_a_notice_that_is_not_whole_is_none_and_health_names_what_is_missing(tmp_path: Path, field: str) -> None:
    shop = await crowded(tmp_path)
    assert known(shop) == set(NAMES)
    lacking = replace(NOTICE, **{field: {} if field == "text" else ""})
    await shop.push(ConfigPut(ShopConfig(notice=lacking)))
    assert len(shop.resolver) == 0
    (part,) = [part for part in shop.health.parts if part.name == "notice"]
    assert (part.state, part.detail) == ("degraded", f"nobody is recognised: the privacy notice has no {field}")
    assert "push-config" in part.action
    await shop.push(ConfigPut(ShopConfig(notice=NOTICE)))
    await shop.settle()
    assert known(shop) == set(NAMES)
    assert [part.state for part in shop.health.parts if part.name == "notice"] == ["ok"]
    shop.store.close()


async def test_a_notice_that_goes_during_a_reading_ends_it(tmp_path: Path) -> None:
    shop = await crowded(tmp_path)
    shop.flow.on_clock_step(3_000)
    await shop.push(ConfigPut(ShopConfig()))
    await shop.settle()
    assert len(shop.resolver) == 0
    shop.store.close()


async def test_who_was_taken_from_the_store_behind_the_scenes_is_gone_after_a_reading(tmp_path: Path) -> None:
    shop = await crowded(tmp_path)
    await shop.store.run(lambda tx: tx.erase_member(NAMES[3]))
    shop.flow.on_clock_step(3_000)
    await shop.settle()
    assert known(shop) == set(NAMES) - {NAMES[3]}
    shop.store.close()


async def test_a_beacons_learned_clock_survives_a_restart_and_ends_with_its_key(tmp_path: Path) -> None:
    shop = await open_shop(tmp_path, *member("mia", Purpose.RECOGNISE_BLE), beacon(KEY))
    off_ms = 900_000
    for _ in range(3):
        assert shop.resolver.resolve(shown(shop.clock.ms + off_ms), shop.clock.ms) == "mia"
        await shop.tick(1_000)
    (held,) = [one for one in await stored(shop) if one.kind is CredentialKind.EID]
    assert 0 < held.offset_s <= off_ms // 1000
    await shop.push(beacon(KEY))
    assert held in await stored(shop)
    await shop.push(beacon(bytes(16)))
    assert all(one.offset_s == 0 for one in await stored(shop))
    shop.store.close()


async def stored(shop: Shop):
    return await shop.store.run(lambda tx: tx.credentials("mia"))


def beacon(key: bytes) -> CredentialPut:
    return CredentialPut("mia-eid", "mia", CredentialKind.EID, key, 10, START_MS // 1000 - 100_000)


def shown(at_ms: int) -> Token:
    return Token(CredentialKind.EID, eid(KEY, at_ms // 1000 - (START_MS // 1000 - 100_000), 10))


async def test_only_a_colleague_is_known_by_a_phones_address(tmp_path: Path) -> None:
    irk = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")
    address = bytes.fromhex("7081940dfbaa")
    phone = CredentialPut("mia-phone", "mia", CredentialKind.RPA, irk)
    shop = await open_shop(tmp_path, *member("mia", Purpose.RECOGNISE_BLE), phone)
    assert shop.resolver.resolve_address(address, shop.clock.ms) is None
    await shop.push(MemberPut(Member("mia", staff=True)))
    assert shop.resolver.resolve_address(address, shop.clock.ms) == "mia"
    await shop.push(ConsentAdd(consent("mia", Purpose.RECOGNISE_BLE, ConsentState.WITHDRAWN, 9).record))
    assert shop.resolver.resolve_address(address, shop.clock.ms) is None
    assert basics()  # the shop itself goes on
    shop.store.close()


async def test_what_the_resolver_noticed_is_counted(tmp_path: Path) -> None:
    shop = await open_shop(tmp_path, *member("mia", Purpose.RECOGNISE_BLE), beacon(KEY))
    for at_ms in (shop.clock.ms, shop.clock.ms - 1_024_000):
        shop.resolver.resolve(shown(at_ms), shop.clock.ms)
    await shop.tick()
    assert shop.health.counts["ble.replayed"] == 1
    shop.store.close()


async def test_a_disk_that_refuses_ends_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "AGAIN_S", 0)
    shop = await crowded(tmp_path)
    shop.store.close()
    again = Shop(tmp_path)
    run, refused = again.store.run, []

    async def refuse(work, *rest, **more):
        if isinstance(work, partial) and len(refused) < 3:
            refused.append(work)
            raise StoreError("the disk is full")
        return await run(work, *rest, **more)

    monkeypatch.setattr(again.store, "run", refuse)
    await again.flow.start()
    await again.settle()
    assert len(refused) == 3
    assert known(again) == set(NAMES)
    assert {part.name: part.state for part in again.health.parts}["members"] == "ok"
    again.store.close()


async def test_a_withdrawal_that_the_disk_did_not_take_is_not_undone_by_reading(tmp_path: Path) -> None:
    shop = await crowded(tmp_path)
    shop.flow.recognition.forget(NAMES[5])
    shop.flow.on_clock_step(3_000)
    await shop.settle()
    assert known(shop) == set(NAMES) - {NAMES[5]}
    await shop.push(*member(NAMES[5], Purpose.RECOGNISE_BLE))
    assert known(shop) == set(NAMES)
    shop.store.close()
