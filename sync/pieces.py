"""Files over MQTT: the gateway's question for a piece and headquarters' answer, to bytes and back. Pure.

An answer is one line of JSON and behind its line feed the bytes themselves: base64 would cost a third more.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.core.content import MAX_FILE_BYTES
from gateway.core.fetching import PIECE_BYTES, Piece, Want
from gateway.errors import PeerError
from sync import messages
from sync.forms import Body

MAX_HEADER_BYTES = 512

_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Start = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]


class _Want(Body):
    sha256: _Hash
    start: _Start


class _Piece(Body):
    sha256: _Hash
    start: _Start
    size: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)] | None


FORMS: Mapping[str, type[Body]] = {"want": _Want, "piece": _Piece}


def want(value: Want) -> bytes:
    """A gateway's question for the piece of a file that begins at `start`."""
    return messages.dump("want", sha256=value.sha256, start=value.start)


def parse_want(payload: bytes) -> Want:
    """Raises PeerError; "range" where no piece begins there."""
    wire = messages.parse(payload, "want", _Want)
    if wire.start % PIECE_BYTES:
        raise PeerError("range")
    return Want(wire.sha256, wire.start)


def piece(value: Piece) -> bytes:
    """Headquarters' answer."""
    header = messages.dump("piece", sha256=value.sha256, start=value.start, size=value.size)
    return header + b"\n" + value.data


def parse_piece(payload: bytes) -> Piece:
    """Raises PeerError; "range" for more bytes than a piece has, or bytes of a file that is not there."""
    header, _, data = payload.partition(b"\n")
    if len(payload) > messages.MAX_PAYLOAD_BYTES or len(header) > MAX_HEADER_BYTES:
        raise PeerError("too_large")
    wire = messages.parse(header, "piece", _Piece)
    if len(data) > PIECE_BYTES or (wire.size is None and data):
        raise PeerError("range")
    return Piece(wire.sha256, wire.start, wire.size, data)
