"""A decision made for nobody, to see whether decisions can be made: with the catalogue, configuration and rules of now.

Nothing of it is kept or shown.
"""

from collections.abc import Mapping
from typing import Literal

from gateway.core.gate import Profile
from gateway.core.model import AgeGate, ConsentRecord, ConsentState, Member, Purpose
from gateway.core.offers import Person, decide
from gateway.records import Tx
from gateway.situations import loops, situation_of

NOBODY = "@nobody"  # "@" begins no pseudonym
_TRIGGERS: tuple[Literal["zone", "tap"], ...] = ("zone", "tap")


def probe(tx: Tx, screens: Mapping[str, str], now_ms: int) -> None:
    """Decide at these screens, whose zones are given, for somebody who agrees to everything; raises what that does."""
    given = ConsentState.GIVEN
    consents = {one: ConsentRecord("@probe", NOBODY, one, given, given_at_ms=0, hq_seq=1) for one in Purpose}
    person = Person(Profile(Member(NOBODY, age=AgeGate.OVER_16), consents))
    loops(tx, screens, now_ms)
    for screen, zone in screens.items():
        for trigger in _TRIGGERS:
            decide(situation_of(tx, "@probe", trigger, now_ms, zone, screen, person))
