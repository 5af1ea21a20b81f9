"""The erasure stream's messages: what is written comes back, numbers rise, and the largest fits the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import EraseReceipt, Erasure, Erasures
from gateway.errors import PeerError
from gateway.tables import erasures
from sync import erase_messages, messages
from sync.fields import INT64_MAX

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
numbers = st.lists(st.integers(1, INT64_MAX), min_size=1, max_size=20, unique=True).map(sorted)
places = st.dictionaries(
    st.from_regex(r"[a-z_]{1,24}", fullmatch=True),
    st.integers(1, erase_messages.MAX_PLACE_COUNT),
    max_size=erase_messages.MAX_PLACES,
)


@given(numbers, st.data())
def test_orders_come_back(seqs: list[int], data: st.DataObject) -> None:
    orders = tuple(Erasure(seq, data.draw(ids)) for seq in seqs)
    parent = data.draw(st.integers(0, seqs[0] - 1))
    assert erase_messages.parse_erase(erase_messages.erase(parent, orders)) == Erasures(parent, seqs[-1], orders)


@given(st.integers(0, INT64_MAX), st.lists(st.tuples(st.integers(1, INT64_MAX), places), max_size=20))
def test_receipts_come_back(seq: int, listed: list[tuple[int, dict[str, int]]]) -> None:
    receipts = tuple(EraseReceipt(*one) for one in listed)
    payload = erase_messages.erased(seq, receipts)
    assert erase_messages.parse_erased(payload) == erase_messages.Erased(seq, receipts)


@pytest.mark.parametrize(
    ("parent", "seq", "seqs"), [(4, 6, [6, 5]), (4, 5, [5, 5]), (5, 5, [5]), (6, 5, [5]), (4, 7, [5, 6]), (0, 0, [])]
)
def test_numbers_that_do_not_rise_to_the_end_are_refused(parent: int, seq: int, seqs: list[int]) -> None:
    fields = json.loads(erase_messages.erase(4, [Erasure(5, "m1")]))
    fields |= {"parent": parent, "seq": seq, "orders": [{"seq": one, "member_id": "m1"} for one in seqs]}
    with pytest.raises(PeerError) as caught:
        erase_messages.parse_erase(json.dumps(fields).encode())
    assert caught.value.reason == ("range" if seqs else "fields")


def test_a_receipt_has_room_for_every_place_that_a_shop_clears() -> None:
    surfaces = ("visits", "screens", "requests", "tills", "till_pages", "baskets", "segments", "takeaways")
    places = dict.fromkeys((*erasures.CLEARED, *erasures.EDITED, *surfaces), erasures.MAX_PLACE_COUNT)
    assert len(places) + 6 <= erase_messages.MAX_PLACES  # some to spare
    receipt = EraseReceipt(1, places)
    assert erase_messages.parse_erased(erase_messages.erased(1, [receipt])).receipts == (receipt,)


def test_the_largest_messages_fit_the_wire() -> None:
    orders = [Erasure(INT64_MAX - n, "m" * 64) for n in range(erase_messages.MAX_ORDERS)][::-1]
    assert len(erase_messages.erase(INT64_MAX, orders)) < messages.MAX_PAYLOAD_BYTES / 2
    most = {
        f"{n:02}".translate(str.maketrans("0123456789", "abcdefghij")) + "_" * 22: 10**9
        for n in range(erase_messages.MAX_PLACES)
    }
    receipts = [EraseReceipt(INT64_MAX, most)] * erase_messages.MAX_ORDERS
    assert len(most) == erase_messages.MAX_PLACES
    assert len(erase_messages.erased(INT64_MAX, receipts)) < messages.MAX_PAYLOAD_BYTES
