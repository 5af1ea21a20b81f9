"""What every storage of headquarters promises: whole transactions, writers one after another, numbers given once."""

import threading
from pathlib import Path

import pytest

from gateway.errors import PeerError
from sync.hq.ledger import Ledger
from sync.hq.storage import RefusedError
from tests.rigs.orders import offer

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def test_what_fails_in_the_middle_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), ledger._write():
        ledger._db.execute("UPDATE hq SET boot = 7")
        raise RuntimeError("in the middle")
    assert ledger.next_boot() == 1


def test_many_rows_at_once_and_what_they_say(ledger: Ledger) -> None:
    with ledger._write():
        ledger._db.executemany("INSERT INTO notice VALUES (?, ?, ?)", [("v1", "de", "a"), ("v1", "en", "b")])
        assert ledger._one("SELECT count(*) FROM notice WHERE version = ?", ("v1",)) == 2
        assert ledger._db.execute("DELETE FROM notice WHERE language = ?", ("de",)).rowcount == 1
    assert ledger._read("SELECT * FROM notice") == [{"version": "v1", "language": "en", "sha256": "b"}]


def test_a_number_is_given_once_whoever_asks(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "hq.db")
    given: list[int] = []

    def take(one: Ledger) -> None:
        for _ in range(20):
            with one._write():
                given.append(one._next("pass"))

    threads = [threading.Thread(target=take, args=(one,)) for one in (ledger, ledger, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert given == list(range(1, 81)), "in the order of the transactions"


def test_writers_in_two_processes_make_one_line_of_versions(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "hq.db")
    threads = [
        threading.Thread(target=lambda one=one, n=n: [one.record_ops([offer(f"o-{n}-{k}")]) for k in range(10)])
        for n, one in enumerate((ledger, other))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    versions = [row["version"] for row in ledger._read("SELECT version FROM change ORDER BY version")]
    assert versions == list(range(1, 21))


def test_a_part_that_fails_is_taken_back_alone(ledger: Ledger) -> None:
    with ledger.together():
        ledger.record_ops([offer("o-1")])
        with pytest.raises(PeerError):
            ledger.record_ops([offer("o-2"), {"op": "consent.restore", "body": {"member_id": "m-1", "records": []}}])
        ledger.record_ops([offer("o-3")])
    assert ledger.version() == 2
    assert [one["offer_id"] for one in ledger.offers()] == ["o-1", "o-3"]


def test_a_whole_that_fails_takes_its_parts_along(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.together():
        ledger.record_ops([offer("o-1")])
        raise RuntimeError
    assert ledger.version() == 0
    assert ledger.record_ops([offer("o-2")]) == 1


def test_a_value_that_does_not_fit_takes_back_its_part_alone_and_is_not_told(ledger: Ledger) -> None:
    with ledger._write():
        ledger._db.execute("UPDATE hq SET boot = 7")
        with pytest.raises(RefusedError) as refused, ledger._write():
            ledger._db.execute("UPDATE hq SET boot = 8")
            ledger._db.execute("UPDATE hq SET boot = ?", (2**63,))
        assert str(2**63) not in str(refused.value)
        with pytest.raises(RefusedError), ledger._write():
            ledger._db.execute("INSERT INTO counter VALUES ('erasure', 1)")
    assert ledger._read("SELECT boot FROM hq") == [{"boot": 7}]


def test_a_sum_that_does_not_fit_is_refused_as_well(ledger: Ledger) -> None:
    with ledger._write():
        ledger._db.execute("UPDATE counter SET last = ?", (2**63 - 1,))
    with pytest.raises(RefusedError):
        ledger._read("SELECT CAST(sum(last) AS BIGINT) AS last FROM counter")
