"""The file beside the database: what is in it is sealed, whole chunks alone, and nobody who was erased."""

import os
import threading
from pathlib import Path

import pytest

from gateway.core.changes import BalancePut, ConsentPark
from gateway.core.model import ConsentState, Purpose
from gateway.core.points import Counted
from gateway.core.vault import Vault
from gateway.errors import StoreError
from gateway.staging import FILE, Staging
from tests.rigs.shop import SITE_KEY, START_MS, consent, member
from tests.rigs.snapped import GATEWAY

MIA, BEN = member("mia-roe", Purpose.RECOGNISE_NFC), member("ben-doe", Purpose.RECOGNISE_NFC)
VAULT = Vault(bytes(32))


@pytest.fixture
def staging(tmp_path: Path):
    tmp_path.chmod(0o700)
    one = opened(tmp_path)
    one.open("first")
    yield one
    one.end()


def opened(folder: Path) -> Staging:
    return Staging(folder / FILE, VAULT, SITE_KEY, GATEWAY)


def take(one: Staging, number: int, *changes, revision: int = 1):
    told = one.take(changes, {"clock": "synchronised"}, {}, START_MS)
    one.keep(number, len(changes), revision)
    return told


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith(FILE))


def test_what_is_kept_is_there_in_another_process(staging: Staging, tmp_path: Path) -> None:
    take(staging, 0, *MIA)
    take(staging, 1, *BEN)
    staging.end()
    again = opened(tmp_path)
    assert again.open("first")
    assert (again.chunks, again.ops) == (2, len(MIA) + len(BEN))
    rows, last = again.rows("member", (), 1)
    assert last == ("ben-doe",)
    assert [row[0] for row in again.rows("member", last, 5)[0]] == ["mia-roe"]
    assert again.rows("member", ("mia-roe",), 5) == ([], ())
    assert len(rows) == 1
    again.end()


def test_what_is_not_kept_was_never_there(staging: Staging) -> None:
    staging.take(MIA, {}, {}, START_MS)
    take(staging, 0, *BEN)
    assert [row[0] for row in staging.rows("member", (), 5)[0]] == ["ben-doe"]
    with pytest.raises(StoreError):
        staging.keep(1, 1, 1)  # nothing was taken
    assert staging.chunks == 1


def test_a_file_of_another_snapshot_or_a_torn_one_is_made_anew(staging: Staging, tmp_path: Path) -> None:
    take(staging, 0, *MIA)
    assert staging.open("first")
    assert not staging.open("second")
    assert staging.chunks == 0
    staging.end()
    (tmp_path / FILE).write_bytes(os.urandom(8_192))
    again = opened(tmp_path)
    assert not again.open("second")
    assert again.chunks == 0
    again.drop()
    assert not list(tmp_path.glob(f"{FILE}*"))
    again.end()


def test_profiles_and_keys_lie_sealed(staging: Staging, tmp_path: Path) -> None:
    take(staging, 0, *MIA)
    bare = on_disk(tmp_path)
    assert b"Espresso" not in bare
    assert b"card.example" not in bare
    assert b"mia-roe" in bare  # the pseudonym, as in the database


def test_nobody_who_was_erased_is_in_it_or_comes_into_it(staging: Staging, tmp_path: Path) -> None:
    take(staging, 0, *MIA, *BEN)
    digest = VAULT.mac("erasure", b"mia-roe")[:16]
    assert staging.forget(frozenset((digest,))) == 1
    assert staging.forget(frozenset((digest,))) == 0
    take(staging, 1, *MIA)
    assert [row[0] for row in staging.rows("member", (), 5)[0]] == ["ben-doe"]
    staging.end()
    assert b"mia-roe" not in on_disk(tmp_path)
    assert b"ben-doe" in on_disk(tmp_path)


def test_it_tells_what_the_shops_own_database_must_know_first(staging: Staging) -> None:
    counted = BalancePut("mia-roe", 5, 2, (Counted(GATEWAY, "e" * 32, 7),))
    others = BalancePut("ben-doe", 5, 2, (Counted("acme/other/gw-9", "e" * 32, 7),))
    parked = ConsentPark("e-1", "mia-roe", "astrology", "given", "unknown_purpose", '{"purpose": "astrology"}')
    no = consent("mia-roe", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 2)
    told = take(staging, 0, *MIA, no, parked, counted, others)
    assert [event.type for event in told.events] == ["consent.parked"]
    assert told.balances == [counted]
    assert [entry.seq for entry in told.withdrawals] == [2]
    assert take(staging, 1, *BEN).withdrawals == []


def test_counts_say_nothing_once_the_manifest_has_changed(staging: Staging) -> None:
    take(staging, 0, *MIA)
    take(staging, 1, *BEN, revision=2)
    assert staging.ops == -1


def test_it_ends_in_the_middle_of_a_chunk(staging: Staging) -> None:
    many = [one for number in range(2_000) for one in member(f"m{number}", Purpose.RECOGNISE_NFC)]
    failed: list[BaseException] = []

    def work() -> None:
        try:
            staging.take(many, {}, {}, START_MS)
        except StoreError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    staging.end()
    thread.join()
    assert failed
    with pytest.raises(StoreError):
        staging.rows("member", (), 1)
