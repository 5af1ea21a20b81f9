"""One-time codes at headquarters: what binds with them, what is refused, and when they go."""

from pathlib import Path

import pytest

from sync.hq.bindings import BINDING_MEMORY_MS
from sync.hq.ledger import Ledger
from sync.hq.sqlite import Sqlite
from sync.hq.versions import CLOCK_SLACK_MS, CODE_MINUTES_MAX, OFFLINE_MS
from sync.topics import Topics
from tests.rigs.orders import ALL, SHOP, bound, code, key, member, offer


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


def names(ledger: Ledger, after: int = 0, gateway: str = "") -> list[str]:
    return [op["op"] for op in ledger.changes_after(after, ALL, gateway)[0]]


def stored(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in tmp_path.glob("hq.db*"))


@pytest.fixture
def waiting(ledger: Ledger) -> Ledger:
    """A member with a one-time code that a shop may use."""
    ledger.record_ops([member("m-1"), code("b-1", "m-1"), member("m-2")])
    return ledger


@pytest.mark.sqlite
def test_a_bound_card_becomes_a_credential_for_all_shops_and_the_code_goes(waiting: Ledger, tmp_path: Path) -> None:
    assert b"31415926" in stored(tmp_path)
    assert waiting.ingest(SHOP, bound(1), 9)[:2] == ((1, ()), ())
    ops, version = waiting.changes_after(3, ALL)
    assert [op["op"] for op in ops] == ["credential.put", "binding.drop"]
    assert ops[0]["body"] == {
        "credential_id": "c-new",
        "member_id": "m-1",
        "kind": "pass",
        "value": b"7-4711".hex(),
    }
    assert b"31415926" not in stored(tmp_path)
    assert "value" not in waiting.events(0, 1)[0]["body"]
    assert waiting.ingest(SHOP, bound(1), 9)[:2] == ((1, ()), ())
    assert waiting.ingest(SHOP, bound(2), 9)[:2] == ((2, ()), ()), "told again under another number"
    assert waiting.version() == version


def test_what_was_dropped_since_does_not_come_back_with_an_old_event(waiting: Ledger) -> None:
    waiting.ingest(SHOP, bound(1), 9)
    waiting.record_ops([{"op": "credential.drop", "body": {"credential_id": "c-new"}}])
    version = waiting.version()
    waiting.ingest(SHOP, bound(1), 9)
    waiting.ingest(SHOP, bound(2), 9)
    assert waiting.version() == version


def test_the_number_of_a_chip_stays_in_its_shop(waiting: Ledger) -> None:
    assert waiting.ingest(SHOP, bound(1, kind="chip", value=None), 9).refused == ()
    assert names(waiting, after=3) == ["binding.drop"]


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"binding_id": "b-2"}, "unknown"),
        ({"member_id": "m-2"}, "foreign"),
        ({"credential_id": "c-taken"}, "taken"),
        ({"credential_id": "c-own"}, "taken"),
        ({"credential_id": "c-gone"}, "taken"),
        ({"kind": "eid"}, "fields"),
        ({"kind": "chip"}, "fields"),
        ({"value": None}, "fields"),
        ({"value": "0g"}, "fields"),
        ({"kind": "sun"}, "fields"),
        ({"proof": "sworn"}, "fields"),
        ({"credential_id": None}, "fields"),
    ],
)
def test_what_no_code_can_have_bound_is_refused(waiting: Ledger, own: dict[str, object], reason: str) -> None:
    waiting.record_ops([key("c-taken", "m-2"), key("c-own", "m-1"), key("c-gone", "m-1")])
    waiting.record_ops([{"op": "credential.drop", "body": {"credential_id": "c-gone"}}])
    version = waiting.version()
    assert waiting.ingest(SHOP, bound(1, **own), 9)[:2] == ((1, ()), (reason,))
    assert waiting.version() == version
    assert waiting.ingest(SHOP, bound(2), 9).refused == (), "the code still counts"


def test_a_code_counts_once_and_the_second_shop_lets_go(waiting: Ledger) -> None:
    waiting.ingest(SHOP, bound(1), 9)
    assert waiting.ingest(SHOP, bound(2, credential_id="c-other"), 9).refused == ("used",)
    assert names(waiting, after=5) == ["credential.drop"]
    assert waiting.ingest(SHOP, bound(3, credential_id="c-other"), 9).refused == ("used",)
    assert names(waiting, after=6) == []


def test_a_gateway_is_answered_once_for_a_binding_whatever_it_tells(waiting: Ledger) -> None:
    waiting.ingest(SHOP, bound(1), 9)
    for seq in range(2, 50):
        assert waiting.ingest(SHOP, bound(seq, credential_id=f"c-{seq}"), 9).refused == ("used",)
    assert names(waiting, after=5) == ["credential.drop"]
    other = Topics("acme", "bern-2", "gw-9")
    for seq in range(2, 5):
        waiting.ingest(other, bound(seq, credential_id=f"d-{seq}"), 9)
    assert names(waiting, after=6) == ["credential.drop"], "another shop has its own card to let go of"
    waiting.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    assert waiting._read("SELECT * FROM binding_refused") == []


def test_an_open_code_changes_no_credential_that_is_there(waiting: Ledger) -> None:
    waiting.record_ops([key("mia-fob", "m-1")])
    assert waiting.ingest(SHOP, bound(1, credential_id="mia-fob"), 9).refused == ("taken",)
    assert names(waiting, after=3) == ["credential.put"], "and nobody is told to let go of it"
    assert waiting.ingest(SHOP, bound(2), 9).refused == (), "the honest shop still binds"


@pytest.mark.sqlite
def test_the_search_for_another_holder_reads_no_other_credential(waiting: Ledger) -> None:
    seen: list[str] = []
    assert isinstance(waiting._db, Sqlite)
    waiting._db.db.conn.set_trace_callback(seen.append)
    waiting.ingest(SHOP, bound(1), 9)
    waiting._db.db.conn.set_trace_callback(None)
    (search,) = [one for one in seen if "shown = " in one and one.startswith("SELECT")]
    plan = " ".join(str(row[3]) for row in waiting._db.execute(f"EXPLAIN QUERY PLAN {search}"))
    assert "USING INDEX change_shown" in plan


def test_what_another_member_shows_is_not_bound_a_second_time(waiting: Ledger) -> None:
    body = {"credential_id": "c-2", "member_id": "m-2", "kind": "pass", "value": b"7-4711".hex()}
    waiting.record_ops([{"op": "credential.put", "body": body}])
    assert waiting.ingest(SHOP, bound(1), 9).refused == ("taken",)
    assert names(waiting, after=4) == ["credential.drop"]
    assert waiting.ingest(SHOP, bound(2, value=b"8-4711".hex(), credential_id="c-3"), 9).refused == ()


@pytest.mark.sqlite
def test_a_shop_may_report_late_what_happened_in_time(waiting: Ledger, tmp_path: Path) -> None:
    waiting.forget_codes(1_000_000)
    assert b"31415926" not in stored(tmp_path)
    assert waiting.ingest(SHOP, bound(1, at_ms=1_000_000 + CLOCK_SLACK_MS), 9).refused == ()
    assert names(waiting, after=3) == ["credential.put"]


@pytest.mark.parametrize("drop", [False, True])
def test_what_happened_too_late_is_refused(waiting: Ledger, drop: bool) -> None:
    if drop:
        waiting.record_ops([{"op": "binding.drop", "body": {"binding_id": "b-1"}}])
    at_ms = 900_000 if drop else 1_000_001 + CLOCK_SLACK_MS
    assert waiting.ingest(SHOP, bound(1, at_ms=at_ms), 9).refused == ("late",)
    assert names(waiting, after=3)[-1:] == ["credential.drop"]


@pytest.mark.parametrize(("offline_ms", "refused"), [(OFFLINE_MS, ()), (OFFLINE_MS + 1, ("late",))])
def test_a_shops_own_time_is_believed_for_a_week(waiting: Ledger, offline_ms: int, refused: tuple[str, ...]) -> None:
    end_ms = 1_000_000 + CLOCK_SLACK_MS
    assert waiting.ingest(SHOP, bound(1), end_ms + offline_ms).refused == refused


def test_no_card_is_bound_before_its_code_was_made(ledger: Ledger) -> None:
    life_ms = CODE_MINUTES_MAX * 60_000 + CLOCK_SLACK_MS
    ledger.record_ops([member("m-1"), code("b-1", "m-1", until_ms=2 * life_ms)])
    assert ledger.ingest(SHOP, bound(1, at_ms=life_ms - 1), life_ms).refused == ("early",)
    assert names(ledger, after=2) == ["credential.drop"]
    assert ledger.ingest(SHOP, bound(2, at_ms=life_ms), life_ms).refused == ("taken",)
    assert ledger.ingest(SHOP, bound(3, at_ms=life_ms, credential_id="c-3"), life_ms).refused == ()


def test_after_a_quarter_of_a_year_a_code_is_unknown(waiting: Ledger) -> None:
    waiting.forget_codes(1_000_000 + BINDING_MEMORY_MS)
    assert waiting.ingest(SHOP, bound(1), 9).refused == ("unknown",)


@pytest.mark.sqlite
@pytest.mark.parametrize("newest", [False, True])
def test_a_code_out_of_date_goes_and_the_line_of_versions_stays(ledger: Ledger, tmp_path: Path, newest: bool) -> None:
    ledger.record_ops([member("m-1"), code("b-1", "m-1"), *([] if newest else [offer("o-1")])])
    version = ledger.version()
    ledger.forget_codes(999_999)
    assert [row["code"] for row in ledger.open_bindings("m-1")] == ["31415926"]
    ledger.forget_codes(1_000_000)
    assert ledger.version() == version
    assert ledger.open_bindings() == []
    assert b"31415926" not in stored(tmp_path)
    assert names(ledger, after=1) == (["binding.drop"] if newest else ["offer.put"])
    ledger.record_ops([offer("o-2")])
    ledger.forget_codes(1_000_000)
    assert "binding.drop" not in names(ledger)


@pytest.mark.sqlite
def test_a_dropped_code_is_told_and_gone(waiting: Ledger, tmp_path: Path) -> None:
    waiting.record_ops([{"op": "binding.drop", "body": {"binding_id": "b-1"}}])
    assert names(waiting, after=3) == ["binding.drop"]
    assert b"31415926" not in stored(tmp_path)
    assert waiting.record_ops([{"op": "binding.drop", "body": {"binding_id": "b-9"}}]) == 4, "nobody has it"
    assert waiting.record_ops([code("b-1", "m-1", "27182818")]) == 4, "an id counts once"


@pytest.mark.sqlite
def test_an_erased_members_code_goes_with_them(waiting: Ledger, tmp_path: Path) -> None:
    waiting.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    assert b"31415926" not in stored(tmp_path)
    assert waiting.ingest(SHOP, bound(1), 9).refused == ()
    assert waiting.events(0, 1)[0]["body"] == {}
    assert names(waiting) == ["member.put", "member.erase"]
