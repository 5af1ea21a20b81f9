"""A restored headquarters goes on above what its shops know, and no gateway can lead it out of reach."""

from contextlib import closing
from pathlib import Path

import pytest

from gateway import apply, forgetting
from gateway.core.changes import Erasure
from gateway.health import Health
from sync.fields import MAX_EXACT
from sync.hq import claims
from sync.hq.claims import ALONE, MAX_FOLLOWED, MAX_LED
from sync.hq.ledger import Ledger
from sync.messages import Seen
from sync.topics import Topics
from tests.rigs.orders import SHOP, member

OTHER = Topics("acme", "berlin-2", "gw-2")
ALL = 10_000
NOW_MS = 1_790_000_000_000


def erase(member_id: str) -> dict[str, object]:
    return {"op": "member.erase", "body": {"member_id": member_id}}


@pytest.fixture
def ledger(tmp_path: Path):
    with closing(Ledger(tmp_path / "hq.db")) as made:
        yield made


def test_a_restored_ledger_overtakes_what_a_gateway_knows(ledger: Ledger) -> None:
    ledger.record_ops([{"op": "offer.put", "body": {"offer_id": name, "title": {}, "text": {}}} for name in "ab"])
    assert not ledger.overtake(SHOP, 2)
    assert ledger.overtake(SHOP, 122)
    ops, version = ledger.changes_after(122, 10_000)
    assert [op["body"]["offer_id"] for op in ops] == ["a", "b"]
    assert version == ledger.version() == 124
    assert ledger.record_ops([{"op": "offer.drop", "body": {"offer_id": "a"}}]) == 125
    assert not ledger.overtake(SHOP, 125)
    assert ledger.claims() == {}


def test_what_stands_is_numbered_without_the_gaps_of_what_is_over(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1", "A"), *(member("m-2", f"name {n}") for n in range(50))])
    assert ledger.version() == 51
    assert ledger.overtake(SHOP, 60)
    assert ledger.version() == 62


def test_a_ledger_from_a_backup_numbers_erasures_above_what_a_gateway_knows(ledger: Ledger) -> None:
    ledger.record_ops([erase("m-1"), erase("m-2")], NOW_MS)
    assert not ledger.overtake_erasures(SHOP, 2)
    assert ledger.overtake_erasures(SHOP, 40)
    assert ledger.erasures_after(40, ALL) == [Erasure(41, "m-1"), Erasure(42, "m-2")]
    ledger.record_ops([erase("m-3")], NOW_MS)
    assert ledger.erasures_after(42, ALL) == [Erasure(43, "m-3")]
    assert not ledger.overtake_erasures(SHOP, 43)


def test_an_empty_ledger_numbers_above_what_a_gateway_knows_once(ledger: Ledger) -> None:
    assert ledger.overtake_erasures(SHOP, 40)
    assert not ledger.overtake_erasures(SHOP, 40)
    ledger.record_ops([erase("m-1")], NOW_MS)
    assert ledger.erasures_after(40, ALL) == [Erasure(41, "m-1")]


def test_a_restored_ledger_takes_a_boot_number_above_what_a_gateway_has_seen(ledger: Ledger) -> None:
    boot = ledger.next_boot()
    version, erase_seq = ledger.newest()
    for known in (None, Seen(boot, version, erase_seq), Seen(boot - 1, version + 9, erase_seq + 9)):
        assert ledger.boot_for(SHOP, boot, known) == boot
    higher = ledger.boot_for(SHOP, boot, Seen(boot + 40, 0, 0))
    assert higher == boot + 41
    assert ledger.boot_for(SHOP, higher, Seen(higher, version + 1, 0)) == higher + 1, "as many, and less to tell"
    assert ledger.boot_for(SHOP, higher + 1, Seen(higher + 1, 0, erase_seq + 1)) == higher + 2
    assert ledger.next_boot() == higher + 3
    beyond = higher + 3 + ALONE["boot"]
    assert ledger.boot_for(SHOP, higher, Seen(beyond + 1, 0, 0)) == higher, "a lie"
    assert ledger.boot_for(SHOP, higher, Seen(beyond, 0, 0)) == beyond + 1


def climb(ledger: Ledger, line: str, step: int, times: int, *who: Topics) -> int:
    """The line's number after its gateways have claimed so often to be so far ahead."""
    number = 0
    for _ in range(times):
        for where in who:
            if line == "version":
                number = ledger.version()
                ledger.overtake(where, number + step)
            elif line == "erasure":
                ledger.overtake_erasures(where, ledger.erase_seq() + step)
            else:
                ledger.boot_for(where, ledger.next_boot(), Seen(ledger.next_boot() + step, 0, 0))
    return {"version": ledger.version, "erasure": ledger.erase_seq, "boot": ledger.next_boot}[line]()


@pytest.mark.parametrize("line", ["version", "erasure", "boot"])
def test_claims_lead_a_line_so_far_and_no_further(ledger: Ledger, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(claims.MAX_LED, line, 5_000)
    monkeypatch.setitem(claims.ALONE, line, 1_000)
    ledger.record_ops([member("m-1"), member("m-2"), erase("m-3")], NOW_MS)
    reached = climb(ledger, line, 900, 30, SHOP)
    assert 4_000 < reached <= 5_000 + 90
    assert climb(ledger, line, 900, 30, SHOP, OTHER) <= reached + 200, "nor two of them"
    assert set(ledger.claims()) == {SHOP.name, OTHER.name}


@pytest.mark.parametrize("claimed", [2**63 - 1, 2**62, ALONE["version"] + 3])
def test_one_gateway_that_claims_much_moves_nothing(ledger: Ledger, claimed: int) -> None:
    ledger.record_ops([member("m-1"), member("m-2")])
    ledger.saw_version(SHOP, 0, NOW_MS)
    assert not ledger.overtake(SHOP, claimed, NOW_MS)
    assert ledger.version() == 2
    assert ledger.claims() == {SHOP.name: [{"line": "version", "number": claimed, "at_ms": NOW_MS}]}
    assert ledger.gateways()[0]["claims"] == ledger.claims()[SHOP.name]
    assert ledger.overtake(SHOP, ALONE["version"] + 2)
    assert ledger.claims() == {}
    assert not ledger.overtake(SHOP, 2**63 - 1)


def test_two_gateways_that_claim_much_are_followed_as_far_as_they_agree(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1")])
    assert not ledger.overtake(SHOP, 2**63 - 1)
    assert not ledger.overtake(SHOP, 3_000_000)
    assert ledger.overtake(OTHER, 2**63 - 1)
    assert ledger.version() == 3_000_001
    assert set(ledger.claims()) == {OTHER.name}
    assert not ledger.overtake(OTHER, 3_000_001)
    assert ledger.claims() == {}


def test_an_operator_follows_a_claim_or_strikes_it(ledger: Ledger) -> None:
    ledger.record_ops([member("m-1"), erase("m-2")], NOW_MS)
    assert ledger.settle_claims(SHOP.name, follow=True) is None
    ledger.overtake(SHOP, 700_000_000)
    ledger.overtake_erasures(SHOP, 70_000)
    ledger.boot_for(SHOP, 0, Seen(2**40, 0, 0))
    assert ledger.settle_claims(SHOP.name, follow=True) == [{"line": "boot", "number": 2**40}]
    assert (ledger.version(), ledger.erase_seq()) == (700_000_002, 70_001)
    assert [one["line"] for one in ledger.claims()[SHOP.name]] == ["boot"]
    assert ledger.settle_claims(SHOP.name, follow=False) == []
    assert ledger.claims() == {}


def test_what_is_led_stays_within_what_gateways_and_browsers_take() -> None:
    assert min(apply.MAX_STEP, forgetting.MAX_STEP) > MAX_FOLLOWED
    for line, most in MAX_LED.items():
        assert ALONE[line] < most <= apply.MAX_STEP < MAX_EXACT


def test_who_claims_too_much_is_told_until_nobody_does() -> None:
    health = Health()
    claims.tell(health, SHOP, [SHOP.name, *"abc"], NOW_MS)
    (part,) = health.parts
    assert (part.state, part.detail) == ("degraded", f"{SHOP.name}, a, b and 1 more: more is claimed than is believed")
    assert "hq ahead" in part.action
    claims.tell(health, OTHER, [SHOP.name], NOW_MS)
    assert health.counts == {"hq.claims_refused": 1}
    claims.tell(health, OTHER, [], NOW_MS)
    assert health.state == "ok"
