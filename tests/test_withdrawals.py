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
from gateway.withdrawals import KIND, Restored

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
    assert store.withdrawn_again.again == 1
    assert await store.run(says) == {"m-1": [False, True], "m-2": [True, True]}
    told = [json.loads(row.body) for row in await store.outbox_after(0, 9)]
    assert [(one["member_id"], one["purpose"], one["state"], one["given_at_ms"]) for one in told] == [
        ("m-1", "recognise_ble", "withdrawn", NOW_MS)
    ]
    store.close()
    again = open_store(tmp_path)
    assert again.withdrawn_again == Restored()
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

    def refuse(tx: Tx, first: bytes, count: int) -> None:
        raise StoreError("refused between the two")

    monkeypatch.setattr(Tx, "note_withdrawals", refuse)
    with pytest.raises(StoreError, match="refused"):
        await store.run(decides({BLE: False}, NOW_MS))
    monkeypatch.setattr(Tx, "note_withdrawals", real)
    store.close()
    again = open_store(tmp_path)
    assert again.withdrawn_again.again == 1
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
    assert (store.recovery.erased, store.withdrawn_again.again) == (1, 0)
    assert await store.run(lambda tx: (tx.has_member("m-1"), tx.log("m-1"))) == (False, [])
    store.close()


async def test_it_names_nobody(tmp_path: Path) -> None:
    await do(tmp_path, begin, decides({BLE: False}, NOW_MS))
    data = (tmp_path / KIND.name).read_bytes()
    assert b"m-1" not in data
    assert b"recognise" not in data


async def test_without_the_file_nobody_is_known_until_headquarters_has_spoken_and_it_is_made_anew(
    tmp_path: Path,
) -> None:
    await do(tmp_path, begin, decides({BLE: False}, NOW_MS))
    (tmp_path / KIND.name).unlink()
    store = open_store(tmp_path)
    assert store.withdrawn_again == Restored(0, True, True)
    assert await store.run(lambda tx: tx.erasures_doubted)
    assert (await store.run(says))["m-1"] == [False, True]
    store.close()
    assert Ledger(tmp_path, KIND).count == 2  # which file it is, and the one withdrawal
    store = open_store(tmp_path)
    assert store.withdrawn_again == Restored()
    store.close()


@pytest.mark.parametrize("how", ["lost", "older", "damaged"])
async def test_a_ledger_that_is_not_what_was_written_leaves_doubt_beside_a_backup(tmp_path: Path, how: str) -> None:
    await do(tmp_path, begin, decides({NFC: False}, NOW_MS, "m-2"))
    shutil.copy(tmp_path / KIND.name, tmp_path / "older")
    back_up(tmp_path)
    await do(tmp_path, decides({BLE: False}, NOW_MS + 2))
    path = tmp_path / KIND.name
    match how:
        case "lost":
            path.unlink()
        case "older":
            await do(tmp_path, decides({BLE: True}, NOW_MS + 3))
            back_up(tmp_path)
            shutil.copy(tmp_path / "older", path)
        case "damaged":
            data = bytearray(path.read_bytes())
            data[-5] ^= 1
            path.write_bytes(data)
    restore(tmp_path)
    store = open_store(tmp_path)
    assert store.withdrawn_again.doubt
    assert await store.run(lambda tx: tx.erasures_doubted)
    store.close()
    again = open_store(tmp_path)
    assert again.withdrawn_again == Restored()
    again.close()


def parks(tx: Tx) -> None:
    body = {"event_id": "p", "member_id": "m-1", "purpose": "recognise_ble", "state": "withdrawn", "x": 1}
    tx.park("p", "m-1", "fields", json.dumps(body), True, NOW_MS)


def breaks(tx: Tx) -> None:
    tx.db.execute("UPDATE consent_head SET mac = x'00' WHERE member_id = 'm-1'")


def contradicts(tx: Tx) -> None:
    tx.take_consent(ConsentRecord("m-1-recognise_ble", "m-1", BLE, ConsentState.WITHDRAWN, NOW_MS, hq_seq=9), NOW_MS)


def heals(tx: Tx) -> None:
    tx.restore_consents("m-1", [ConsentRecord("w", "m-1", BLE, ConsentState.WITHDRAWN, NOW_MS, hq_seq=9)], NOW_MS)


@pytest.mark.parametrize(
    "works",
    [(parks,), (contradicts,), (breaks, decides({BLE: False}, NOW_MS)), (breaks, heals)],
    ids=["parked", "contradicted", "broken", "sent anew"],
)
async def test_a_no_that_never_came_into_the_log_as_it_was_is_kept_too(tmp_path: Path, works: tuple) -> None:
    await do(tmp_path, begin)
    back_up(tmp_path)
    await do(tmp_path, *works)
    restore(tmp_path)
    assert not (await do(tmp_path, says))[0]["m-1"][0]


async def test_a_grant_by_a_clock_that_was_ahead_is_withdrawn_again_too(tmp_path: Path) -> None:
    ahead = ConsentRecord("ahead", "m-1", BLE, ConsentState.GIVEN, NOW_MS + 50_000, hq_seq=7)
    await do(tmp_path, begin, lambda tx: tx.take_consent(ahead, NOW_MS))
    back_up(tmp_path)
    await do(tmp_path, decides({BLE: False}, NOW_MS), decides({BLE: True}, NOW_MS + 51_000))
    restore(tmp_path)
    assert not (await do(tmp_path, says))[0]["m-1"][0]


async def test_a_long_ledger_is_written_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.withdrawals.COMPACT_AT", 10)
    await do(tmp_path, begin)
    back_up(tmp_path)
    for round_ in range(6):
        await do(tmp_path, *(decides({BLE: yes}, NOW_MS + 10 * round_ + yes) for yes in (False, True)))
    assert Ledger(tmp_path, KIND).count < 10
    await do(tmp_path, decides({NFC: False}, NOW_MS + 90))
    restore(tmp_path)
    assert (await do(tmp_path, says))[0]["m-1"] == [False, False]


async def test_a_file_that_is_taken_away_meanwhile_stops_nothing(tmp_path: Path) -> None:
    await do(tmp_path, begin, decides({BLE: False}, NOW_MS))
    store = open_store(tmp_path)
    (tmp_path / KIND.name).unlink()
    await store.run(decides({NFC: False}, NOW_MS + 1))
    store.close()
    again = open_store(tmp_path)
    assert again.withdrawn_again.doubt
    assert (await again.run(says))["m-1"] == [False, False]
    again.close()


def test_another_file_in_its_place_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / KIND.name).write_bytes(b"something else")
    with pytest.raises(ConfigError, match="no ledger of withdrawals"):
        open_store(tmp_path)
