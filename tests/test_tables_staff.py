"""Colleagues and their acts in the real SQLite: sealed, replaced whole, tries kept, acts aged."""

from pathlib import Path

import pytest

from gateway.core.changes import StaffPut
from gateway.core.identity import static_digest
from gateway.core.model import Event
from gateway.core.shift import Tries
from gateway.core.streams import Stream
from gateway.store import Store
from tests.rigs.colleagues import badge, colleague, crew

KEY = bytes(range(32))
NOW = 1_800_000_000_000


@pytest.fixture
def store(tmp_path: Path):
    one = Store(tmp_path / "gateway.db", "e" * 32, KEY)
    yield one
    one.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_they_are_kept_sealed_and_a_badge_as_its_hash(store: Store, tmp_path: Path) -> None:
    put = crew(colleague("cy", "installer", "both", active=False))
    await store.run(lambda tx: tx.put_staff(put, KEY))
    rows, known = await store.run(lambda tx: (tx.staff(), tx.has_lock))
    assert known and [one.staff_id for one, _ in rows] == ["ada", "bo", "cy", "mo"]
    cy = rows[2][0]
    assert (cy.role, cy.opens, cy.active, cy.pin) == ("installer", "both", False, colleague("cy").pin)
    assert cy.badge is not None
    assert cy.badge.value == static_digest(KEY, badge("cy").kind, badge("cy").value)
    store.close()
    held = on_disk(tmp_path)
    assert b"Invented" not in held and badge("cy").value not in held and cy.pin.digest not in held


async def test_tries_stay_with_the_pin(store: Store) -> None:
    await store.run(lambda tx: tx.put_staff(crew(), KEY))
    await store.run(lambda tx: tx.keep_tries("ada", Tries(5, 77)))
    await store.run(lambda tx: tx.put_staff(StaffPut((colleague("ada", name="Ada Other"), colleague("bo"))), KEY))
    rows = await store.run(lambda tx: {one.staff_id: tries for one, tries in tx.staff()})
    assert rows == {"ada": Tries(5, 77), "bo": Tries()}
    await store.run(lambda tx: tx.put_staff(StaffPut((colleague("ada", pin_of="cy"),)), KEY))
    assert [tries for _, tries in await store.run(lambda tx: tx.staff())] == [Tries()]


async def test_a_wipe_leaves_the_lock_and_an_empty_list_takes_it(store: Store) -> None:
    assert not await store.run(lambda tx: tx.has_lock)
    await store.run(lambda tx: tx.put_staff(crew(), KEY))
    await store.run(lambda tx: tx.wipe_profiles())
    assert await store.run(lambda tx: (tx.staff(), tx.has_lock)) == ([], True)
    await store.run(lambda tx: tx.put_staff(StaffPut(), KEY))
    assert not await store.run(lambda tx: tx.has_lock)


async def test_acts_are_found_by_tablet_or_colleague_and_are_synced_once_confirmed(store: Store) -> None:
    def act(tx, number: int, tablet: str, staff_id: str) -> None:
        tx.emit(Event("redemption.committed", NOW, {"redemption_id": f"r-{number}"}))
        tx.note_act(f"r-{number}", tablet, staff_id, NOW + number)

    await store.run(lambda tx: [act(tx, 1, "t1", "ada"), act(tx, 2, "t2", "ada"), act(tx, 3, "t1", "")])
    found = await store.run(lambda tx: [one.redemption_id for one in tx.acts("t1", "ada", NOW, 9)])
    assert found == ["r-3", "r-2", "r-1"]
    assert [one.redemption_id for one in await store.run(lambda tx: tx.acts("t1", "", NOW + 1, 9))] == ["r-3"]
    seq = (await store.run(lambda tx: tx.outbox_after(0, 9)))[0].seq
    await store.run(lambda tx: tx.acknowledge(Stream.VITAL, seq))
    assert [one.synced for one in await store.run(lambda tx: tx.acts("t1", "ada", NOW, 9))] == [False, False, True]
    await store.run(lambda tx: act(tx, 1, "t9", "bo"))
    last = (await store.run(lambda tx: tx.acts("t1", "ada", NOW, 9)))[-1]
    assert (last.staff_id, last.synced) == ("ada", False), "a later step waits anew; whose it was stays"
