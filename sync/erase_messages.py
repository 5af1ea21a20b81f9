"""The messages of the erasure stream, to bytes and back: headquarters' orders down, receipts up. Pure.

As strict as sync.messages: exactly what this version defines, else PeerError with one of messages.REASONS.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.changes import EraseReceipt, Erasure, Erasures
from gateway.errors import PeerError
from sync import messages
from sync.fields import EXACT, INT64_MAX, Id

# A pseudonym has at most 64 characters, a receipt at most MAX_PLACES of 24 and a number: 64 of either stay below
# messages.MAX_PAYLOAD_BYTES, with room to spare.
MAX_ORDERS = 64
MAX_PLACES = 32  # a shop has 16 tables and 8 kinds of surfaces that hold a member
MAX_PLACE_COUNT = 1_000_000_000

_Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
_Number = Annotated[int, Field(ge=1, le=INT64_MAX)]
_Place = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,24}$")]
_Places = Annotated[dict[_Place, Annotated[int, Field(ge=1, le=MAX_PLACE_COUNT)]], Field(max_length=MAX_PLACES)]


@dataclass(frozen=True, slots=True)
class Erased:
    """A gateway's receipt: all orders up to `seq` are done there; what each of a message's orders cleared."""

    seq: int
    receipts: tuple[EraseReceipt, ...]


class _Order(BaseModel):
    model_config = EXACT
    seq: _Number
    member_id: Id


class _Erase(BaseModel):
    model_config = EXACT
    parent: _Count
    seq: _Count
    orders: Annotated[list[_Order], Field(min_length=1, max_length=MAX_ORDERS)]


class _Receipt(BaseModel):
    model_config = EXACT
    seq: _Number
    places: _Places


class _Erased(BaseModel):
    model_config = EXACT
    erase_seq: _Count
    receipts: Annotated[list[_Receipt], Field(max_length=MAX_ORDERS)]


FORMS: Mapping[str, type[BaseModel]] = {"erase": _Erase, "erased": _Erased}


def erase(parent: int, orders: Sequence[Erasure]) -> bytes:
    """The 1 to MAX_ORDERS orders that follow number `parent`, by rising number."""
    listed = [{"seq": order.seq, "member_id": order.member_id} for order in orders]
    return messages.dump("erase", parent=parent, seq=orders[-1].seq, orders=listed)


def parse_erase(payload: bytes) -> Erasures:
    """Raises PeerError; "range" where the numbers do not rise from above `parent` to exactly `seq`."""
    wire = messages.parse(payload, "erase", _Erase)
    numbers = [wire.parent, *(order.seq for order in wire.orders)]
    if any(a >= b for a, b in itertools.pairwise(numbers)) or numbers[-1] != wire.seq:
        raise PeerError("range")
    return Erasures(wire.parent, wire.seq, tuple(Erasure(order.seq, order.member_id) for order in wire.orders))


def erased(seq: int, receipts: Sequence[EraseReceipt]) -> bytes:
    """A gateway's receipt. It names no member."""
    listed = [{"seq": one.seq, "places": dict(one.places)} for one in receipts]
    return messages.dump("erased", erase_seq=seq, receipts=listed)


def parse_erased(payload: bytes) -> Erased:
    """Raises PeerError."""
    wire = messages.parse(payload, "erased", _Erased)
    return Erased(wire.erase_seq, tuple(EraseReceipt(one.seq, one.places) for one in wire.receipts))
