"""An offer of an open card is held at a till, for the customer whom a colleague advises. What may be held is the till's
(gateway.reserving); it is booked there, with the receipt."""

from typing import Literal

from gateway.advice import Advice
from gateway.checkout import Asked, Outcome
from gateway.core.ports import Clock
from gateway.core.redemption import TTL_MS
from gateway.core.tills import Sale
from gateway.tilldesk import TillDesk


class CardOffers:
    """Lives on the event loop."""

    def __init__(self, advice: Advice, till_desk: TillDesk, clock: Clock) -> None:
        self._advice = advice
        self._till_desk = till_desk
        self._clock = clock

    async def reserve(
        self, handshake_id: str, offer_id: str, till: str, tablet: str, key: str
    ) -> Outcome | Literal["gone"]:
        """Hold this offer of the card that is open on this tablet; "gone" = it is not. `key` as a till's
        Idempotency-Key, and `till` one of the shop's. Raises StoreError; then nothing happened."""
        asked = self._advice.asked(handshake_id, tablet)
        if asked is None or not self._advice.shows(handshake_id, offer_id):
            return "gone"
        member_id, proof = asked
        sale = Sale(till, member_id, proof, self._clock.now_ms() + TTL_MS)
        staff_id = self._advice.colleague(tablet)
        return await self._till_desk.ask(
            till, key, Asked("reserve", offer_id=offer_id, tablet=tablet, staff_id=staff_id), sale
        )
