"""gateway.core.roster: rows are kept apart, reused and overwritten."""

from dataclasses import replace

from gateway.core.model import Credential, CredentialKind
from gateway.core.roster import Roster

NOW_MS = 1_800_000_000_000
FOB = Credential("c1", "m1", CredentialKind.EID, bytes(range(16)), 9, 1_700_000_000, 42)


def test_a_row_holds_what_was_put_in() -> None:
    roster = Roster()
    row = roster.add(FOB, NOW_MS)
    assert roster.same(row, FOB)
    assert roster.same(row, replace(FOB, member_id="m2", offset_s=1))  # on air they are alike
    for other in (
        replace(FOB, exponent=10),
        replace(FOB, secret=bytes(16)),
        replace(FOB, clock_zero_s=1),
        replace(FOB, kind=CredentialKind.APP),
    ):
        assert not roster.same(row, other)
    assert (roster.member(row), roster.offset_s[row], roster.of_member("m1")) == ("m1", 42, [row])


def test_a_zero_counts_modulo_the_beacons_32_bits() -> None:
    roster = Roster()
    row = roster.add(replace(FOB, clock_zero_s=FOB.clock_zero_s - 2**32), NOW_MS)
    assert roster.same(row, FOB)
    assert roster.zero_s[row] == FOB.clock_zero_s


def test_validity_is_never_longer_than_asked_for() -> None:
    roster = Roster()
    row = roster.add(FOB, NOW_MS)
    roster.set_validity(row, NOW_MS + 1, NOW_MS + 2_999)
    valid = [roster.valid(row, NOW_MS + ms) for ms in (0, 1, 999, 1_000, 1_999, 2_000, 2_998)]
    assert valid == [False, False, False, True, True, False, False]
    roster.set_validity(row, 0, None)
    assert roster.valid(row, 2**52)


def test_a_dropped_row_is_overwritten_and_used_again() -> None:
    roster = Roster()
    first, second = roster.add(FOB, NOW_MS), roster.add(replace(FOB, member_id="m2"), NOW_MS)
    roster.drop(first)
    assert not roster.in_use(first)
    assert roster.of_member("m1") == []
    assert roster.secret(first) == bytes(16)
    assert len(roster) == 1
    assert roster.add(replace(FOB, member_id="m3"), NOW_MS) == first
    assert (roster.member(first), roster.member(second), roster.rows) == ("m3", "m2", 2)
