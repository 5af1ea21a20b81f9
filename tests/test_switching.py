"""The switch brings along what only this shop knows, and takes what headquarters says of everybody else."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway import acts, switching
from gateway.core.changes import BalancePut, CredentialPut
from gateway.core.consent import may
from gateway.core.model import Act, AgeGate, ConsentState, CredentialKind, Event, Member, Purpose
from gateway.records import Tx
from gateway.tables.beside import NEXT, SWAPPED
from tests.rigs.shop import START_MS, Shop, consent, member, open_shop
from tests.rigs.snapped import Headquarters, Snapped

NFC, BLE = Purpose.RECOGNISE_NFC, Purpose.RECOGNISE_BLE
ACT = Act(channel="tablet", method="tap", notice_version="1", device_id="t1")


@pytest.fixture
async def box(tmp_path: Path):
    shop = await open_shop(tmp_path, *member("mia", NFC, BLE), *member("ben", NFC))
    await shop.push(BalancePut("mia", 7, 3))
    one = Snapped(shop, tmp_path)
    yield one
    one.close()
    await shop.settle()
    shop.store.close()


async def switched(box: Snapped, *changes, until: str = "") -> Headquarters:
    """Headquarters' snapshot says this of members."""
    hq = Headquarters(500, changes)
    await box.offer(hq)
    await box.go(hq, until)
    return hq


async def read(shop: Shop, work):
    return await shop.store.run(work)


async def test_members_are_those_of_the_snapshot(box: Snapped) -> None:
    moved = CredentialPut("mia-fob", "ada", CredentialKind.IBEACON, b"other".ljust(20, b"-"), trackable_wording="1")
    await switched(box, *member("mia", NFC), *member("ada", BLE), moved, BalancePut("mia", 5, 2))
    found = await read(box.shop, lambda tx: (tx.member_count(), tx.has_member("ben"), tx.owner("mia-fob")))
    assert found == (2, False, "ada")
    assert "snapshot.switched" in await box.shop.types()
    kept = await read(box.shop, lambda tx: (tx.snapshot(), tx.members_version, tx.hq_version, tx.beside()))
    assert kept == (None, 500, 500, ())


@pytest.mark.parametrize("until", ["staging", "copying", "checking", "noting", "ready"])
async def test_a_decision_made_here_at_any_moment_counts_afterwards(box: Snapped, until: str) -> None:
    hq = Headquarters(500, [*member("mia", NFC, BLE), *member("ben", NFC)])
    await box.offer(hq)
    await box.go(hq, until)
    await box.shop.flow.on_consent("mia", {NFC: False, BLE: False}, ACT)
    await box.shop.flow.on_consent("ben", {BLE: True}, ACT)
    await box.go(hq)

    def ask(tx: Tx):
        mia, ben = tx.consents("mia"), tx.consents("ben")
        now_ms = box.shop.clock.ms
        return [may(NFC, mia, now_ms).ok, may(BLE, mia, now_ms).ok, may(NFC, ben, now_ms).ok, ben[BLE].state]

    assert await read(box.shop, ask) == [False, False, True, ConsentState.GIVEN]
    assert await read(box.shop, lambda tx: tx.check_consents("", 10)) == ("mia", [])


async def test_a_decision_from_before_that_headquarters_has_not_numbered_counts(box: Snapped) -> None:
    await box.shop.flow.on_consent("mia", {NFC: False}, ACT)
    await switched(box, *member("mia", NFC, BLE))
    assert (await read(box.shop, lambda tx: tx.consents("mia")))[NFC].state is ConsentState.WITHDRAWN


async def test_a_grant_made_here_does_not_outrank_a_no_that_it_did_not_know(box: Snapped) -> None:
    """As in a delta: until headquarters has numbered it, it is newer than what the log held when it was made alone."""
    await box.shop.flow.on_consent("ben", {BLE: True}, ACT)
    no = consent("ben", BLE, ConsentState.WITHDRAWN, 9)
    await switched(box, *member("ben", NFC), no)
    assert (await read(box.shop, lambda tx: tx.consents("ben")))[BLE].state is ConsentState.WITHDRAWN


async def test_who_joined_here_stays_a_member(box: Snapped) -> None:
    def join(tx: Tx) -> None:
        new = acts.Newcomer("new-1", "Neu", "de", AgeGate.OVER_16, "b-1", "12345678")
        acts.enrol(tx, new, {NFC: True}, ACT, bytes(32), START_MS, box.shop.flow._new_id)

    await box.shop.store.run(join)
    await switched(box, *member("mia", NFC))
    assert await read(box.shop, lambda tx: tx.has_member("new-1"))
    assert (await read(box.shop, lambda tx: tx.consents("new-1")))[NFC].state is ConsentState.GIVEN


async def test_a_card_bound_here_stays_bound_while_headquarters_has_not_heard_of_it(box: Snapped) -> None:
    def bind(tx: Tx) -> None:
        for name in ("here", "told"):
            tx.put_credential(
                replace(
                    tx.credentials("ben")[0],
                    credential_id=f"ben-{name}",
                    kind=CredentialKind.NDEF,
                    secret=name.encode().ljust(32),
                )
            )
        tx.emit(Event("credential.bound", START_MS, {"member_id": "ben", "credential_id": "ben-here"}))

    await box.shop.store.run(bind)
    await switched(box, *member("ben", NFC))
    found = {one.credential_id for one in await read(box.shop, lambda tx: tx.credentials("ben"))}
    assert found == {"ben-fob", "ben-card", "ben-here"}


async def test_what_a_devices_clock_taught_stays_while_its_key_does(box: Snapped) -> None:
    eid = CredentialPut("mia-eid", "mia", CredentialKind.EID, bytes(16), 10, 5)
    other = replace(eid, credential_id="ben-eid", member_id="ben")
    await box.shop.push(eid, other)
    await box.shop.store.run(lambda tx: (tx.keep_offset("mia", bytes(16), 42), tx.keep_offset("ben", bytes(16), 9)))
    await switched(box, *member("mia", BLE), *member("ben", BLE), eid, replace(other, value=b"n" * 16))
    found = {one.credential_id: one.offset_s for one in await read(box.shop, lambda tx: tx.credentials("mia"))}
    assert found["mia-eid"] == 42
    found = {one.credential_id: one.offset_s for one in await read(box.shop, lambda tx: tx.credentials("ben"))}
    assert found["ben-eid"] == 0


async def test_a_newer_delta_wins_over_the_snapshot(box: Snapped) -> None:
    hq = Headquarters(500, member("mia", NFC, BLE))
    await box.offer(hq)
    await box.go(hq, "copying")
    await box.shop.push(consent("mia", BLE, ConsentState.WITHDRAWN, 99), BalancePut("mia", 70, 30))
    await box.go(hq)
    found = await read(box.shop, lambda tx: (tx.consents("mia")[BLE].state, tx.stored_balance("mia")))
    assert found[0] is ConsentState.WITHDRAWN
    assert found[1].points == 70
    assert await read(box.shop, lambda tx: tx.hq_version) == 501


async def test_whoever_lost_a_yes_is_cleared_from_every_surface_at_once(box: Snapped) -> None:
    await box.shop.tap("mia", "coffee-nfc")
    assert box.shop.walls.screens["bar"].dialogue is not None
    await switched(box, *member("mia", BLE))
    assert box.shop.walls.screens["bar"].dialogue is None
    assert await read(box.shop, lambda tx: tx.has_member("ben")) is False


async def test_it_waits_until_the_rest_of_the_line_and_every_erasure_are_here(box: Snapped) -> None:
    hq = Headquarters(500, member("mia", NFC))
    hq.erase_seq = 3
    await box.offer(hq)
    await box.go(hq, "ready")
    assert await read(box.shop, lambda tx: switching.switch(tx, (), START_MS)) is None
    await read(box.shop, lambda tx: tx.reached_erasure(3))
    assert await read(box.shop, lambda tx: switching.switch(tx, (), START_MS)) is not None


async def test_tables_made_under_other_keys_are_given_up(box: Snapped) -> None:
    hq = Headquarters(500, member("mia", NFC))
    await box.offer(hq)
    await box.go(hq, "ready")
    roots = (bytes(range(32)),)
    await read(box.shop, lambda tx: (tx.ask_rekey(), tx.add_field_key(roots, START_MS)))
    await read(box.shop, lambda tx: tx.load_field_keys(roots))
    assert await read(box.shop, lambda tx: switching.switch(tx, (), START_MS)) is None
    assert await read(box.shop, lambda tx: (tx.snapshot(), tx.has_member("ben"))) == (None, True)


async def test_age_that_headquarters_does_not_know_stays(box: Snapped) -> None:
    await read(box.shop, lambda tx: tx.put_member(Member("mia", "Mia", "de", age=AgeGate.OVER_16)))
    await read(box.shop, lambda tx: tx.begin_noting())
    await box.shop.flow.on_consent("mia", {BLE: False}, ACT)
    await switched(box, *member("mia", NFC))
    assert (await read(box.shop, lambda tx: tx.consents("mia"))).age is AgeGate.OVER_16


async def test_a_switch_that_fails_changes_nothing(box: Snapped, monkeypatch: pytest.MonkeyPatch) -> None:
    hq = Headquarters(500, member("mia", NFC))
    await box.offer(hq)
    await box.go(hq, "ready")
    monkeypatch.setattr(switching, "recognised", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await read(box.shop, lambda tx: switching.switch(tx, ("mia",), START_MS))
    monkeypatch.undo()
    assert await read(box.shop, lambda tx: (tx.has_member("ben"), tx.has_beside(NEXT))) == (True, True)
    await box.go(hq)
    assert await read(box.shop, lambda tx: (tx.has_member("ben"), tx.member_count())) == (False, 1)
    assert len(SWAPPED) == 7
