"""Segments are kept whole, in headquarters' order."""

from gateway.core.changes import SegmentsPut
from gateway.core.eligible import parse
from gateway.core.segment import Segment
from gateway.records import Tx

ONE = Segment("z", parse({"at_least": ["visit.minutes.wine", 5]}))
TWO = Segment("a", parse({"not": {"in": ["zone", ["tea", "wine"]]}}), parse({"is": ["visit.taps", 1]}), 10_000)


def test_a_list_replaces_the_one_before(tx: Tx) -> None:
    assert tx.segments() == ()
    tx.put_segments(SegmentsPut((ONE, TWO)))
    assert tx.segments() == (ONE, TWO)
    tx.put_segments(SegmentsPut((TWO,)))
    assert tx.segments() == (TWO,)
    tx.put_segments(SegmentsPut())
    assert tx.segments() == ()
