"""The ledger of withdrawals: no database from a backup gives back what was taken back."""

import json
import shutil
from pathlib import Path

import pytest

from gateway.core.consent import may
from gateway.core.model import Act, ClockQuality, ConsentRecord, ConsentState, Member, Purpose
from gateway.errors import ConfigError, StoreError
from gateway.ledgerfile import Ledger, read
from gateway.records import Tx
from gateway.store import Store
from gateway.withdrawals import KIND

EPOCH, KEY = "e" * 32, bytes(32)
BLE, NFC = Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC
NOW_MS = 1_800_000_000_000
ACT = Act("tablet", "toggle", clock=ClockQuality.SYNCHRONISED)


def open_store(folder: Path) -> Store:
    return Store(folder / "gateway.db", EPOCH, KEY)


async def do(folder: Path, *works) -> list:
    store = open_store(folder)
    try:
        return [await store.run(work) for work in works]
    finally:
        store.close()


def begin(tx: Tx) -> None:
    for name in ("m-1", "m-2"):
        tx.put_member(Member(name))
        for seq, purpose in enumerate((BLE, NFC), 1):
            record = ConsentRecord(f"{name}-{purpose}", name, purpose, ConsentState.GIVEN, NOW_MS - 1_000, hq_seq=seq)
            tx.take_consent(record, NOW_MS)


def decides(choices: dict[Purpose, bool], at_ms: int, member_id: str = "m-1"):
    ids = iter(f"{at_ms}-{number}" for number in range(9))
    return lambda tx: tx.record_act(member_id, choices, ACT, at_ms, lambda: next(ids))


def numbers(seq: int):
    """Headquarters sends back what was told, with its numbers from `seq`."""

    def work(tx: Tx) -> None:
        rows = [json.loads(row.body) for row in tx.outbox_after(0, 99) if row.type == "consent.recorded"]
        for number, body in enumerate(rows, seq):
            kept = next(one for one in tx.log("m-1") or () if one.event_id == body["event_id"])
            record = ConsentRecord(**{name: getattr(kept, name) for name in kept.__slots__} | {"hq_seq": number})
            tx.take_consent(record, NOW_MS + 99_000)

    return work


def says(tx: Tx) -> dict[str, list[bool]]:
    return {name: [may(p, tx.consents(name), NOW_MS + 60_000).ok for p in (BLE, NFC)] for name in ("m-1", "m-2")}


def back_up(folder: Path) -> None:
    shutil.copy(folder / "gateway.db", folder / "backup")


def restore(folder: Path) -> None:
    shutil.copy(folder / "backup", folder / "gateway.db")


async def test_a_database_from_a_backup_withdraws_again_and_tells(tmp_path: Path) -> None:
    await do(tmp_path, begin)
    back_up(tmp_path)
    await do(tmp_path, decides({BLE: False}, NOW_MS))
    restore(tmp_path)
    store = open_store(tmp_path)
    assert store.withdrawn_again == 1
    assert await store.run(says) == {"m-1": [False, True], "m-2": [True, True]}
    told = [json.loads(row.body) for row in await store.outbox_after(0, 9)]
    assert [(one["member_id"], one["purpose"], one["state"], one["given_at_ms"]) for one in told] == [
        ("m-1", "recognise_ble", "withdrawn", NOW_MS)
    ]
    store.close()
    again = open_store(tmp_path)
    assert again.withdrawn_again == 0
    again.close()


async def test_what_headquarters_numbered_is_withdrawn_again_by_its_number(tmp_path: Path) -> None:
    """So a grant that another shop took meanwhile still counts once headquarters sends it."""
    await do(tmp_path, begin)
    back_up(tmp_path)
    await do(tmp_path, decides({BLE: False}, NOW_MS), numbers(7))
    restore(tmp_path)
    later = ConsentRecord("elsewhere", "m-1", BLE, ConsentState.GIVEN, NOW_MS + 5_000, hq_seq=8)
    before, _, after, waiting = await do(
        tmp_path, says, lambda tx: tx.take_consent(later, NOW_MS + 9_000), says, lambda tx: tx.waiting()
    )
    assert (before["m-1"], after["m-1"], waiting) == ([False, True], [True, True], 0)


async def test_what_was_given_again_waits_for_headquarters_and_is_not_told_as_withdrawn(tmp_path: Path) -> None:
    """The grant in the backup is another one than the one that was given again, which may have an end."""
    await do(tmp_path, begin)
    back_up(tmp_path)
    await do(tmp_path, decides({BLE: False}, NOW_MS), decides({BLE: True}, NOW_MS + 1_000))
    restore(tmp_path)
    given_again = ConsentRecord("again", "m-1", BLE, ConsentState.GIVEN, NOW_MS + 1_000, hq_seq=9)
    before, waiting, _, after = await do(
        tmp_path, says, lambda tx: tx.waiting(), lambda tx: tx.take_consent(given_again, NOW_MS + 9_000), says
    )
    assert (before["m-1"], waiting, after["m-1"]) == ([False, True], 0, [True, True])


async def test_a_withdrawal_that_the_disk_refused_is_made_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await do(tmp_path, begin)
    store = open_store(tmp_path)
    real = Tx.note_withdrawals

    def refuse(tx: Tx, count: int) -> None:
        raise StoreError("refused between the two")

    monkeypatch.setattr(Tx, "note_withdrawals", refuse)
    with pytest.raises(StoreError, match="refused"):
        await store.run(decides({BLE: False}, NOW_MS))
    monkeypatch.setattr(Tx, "note_withdrawals", real)
    store.close()
    again = open_store(tmp_path)
    assert again.withdrawn_again == 1
    assert (await again.run(says))["m-1"] == [False, True]
    again.close()


async def test_a_work_that_failed_leaves_no_entry(tmp_path: Path) -> None:
    await do(tmp_path, begin)

    def fails(tx: Tx) -> None:
        decides({BLE: False}, NOW_MS)(tx)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await do(tmp_path, fails)
    assert read(tmp_path / KIND.name, KIND) is None


async def test_whoever_was_erased_stays_nobody(tmp_path: Path) -> None:
    await do(tmp_path, begin)
    back_up(tmp_path)
    await do(tmp_path, decides({BLE: False}, NOW_MS), lambda tx: tx.erase_member("m-1", 1, NOW_MS))
    restore(tmp_path)
    store = open_store(tmp_path)
    assert (store.recovery.erased, store.withdrawn_again) == (1, 0)
    assert await store.run(lambda tx: (tx.has_member("m-1"), tx.log("m-1"))) == (False, [])
    store.close()


async def test_it_names_nobody(tmp_path: Path) -> None:
    await do(tmp_path, begin, decides({BLE: False}, NOW_MS))
    data = (tmp_path / KIND.name).read_bytes()
    assert b"m-1" not in data
    assert b"recognise" not in data


async def test_without_the_file_a_whole_database_serves_as_before(tmp_path: Path) -> None:
    await do(tmp_path, begin, decides({BLE: False}, NOW_MS))
    (tmp_path / KIND.name).unlink()
    assert (await do(tmp_path, says))[0]["m-1"] == [False, True]
    await do(tmp_path, decides({NFC: False}, NOW_MS + 1_000))
    assert Ledger(tmp_path, KIND).count == 1


def test_another_file_in_its_place_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / KIND.name).write_bytes(b"something else")
    with pytest.raises(ConfigError, match="no ledger of withdrawals"):
        open_store(tmp_path)
