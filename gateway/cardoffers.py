"""An offer of an open card is held at a till, for the customer whom a colleague advises. What may be held is the till's
(gateway.reserving); it is booked there, with the receipt, and the card follows."""

from dataclasses import dataclass
from typing import Literal

from gateway.advice import Advice
from gateway.checkout import Asked, Outcome
from gateway.core.ports import Clock
from gateway.core.redemption import TTL_MS, State
from gateway.core.tills import Sale
from gateway.store import Store
from gateway.tilldesk import TillDesk


@dataclass(frozen=True, slots=True)
class Held:
    """An offer of a card that is reserved at a till, for `left_ms` more, or was committed there meanwhile."""

    offer_id: str
    till: str
    state: State
    left_ms: int


class CardOffers:
    """Lives on the event loop."""

    def __init__(self, advice: Advice, store: Store, till_desk: TillDesk, clock: Clock) -> None:
        self._advice = advice
        self._store = store
        self._till_desk = till_desk
        self._clock = clock

    async def reserve(
        self, handshake_id: str, offer_id: str, till: str, tablet: str, key: str
    ) -> Outcome | Literal["gone"]:
        """Hold this offer of the card that is open on this tablet; "gone" = it is not. `key` as a till's
        Idempotency-Key, and `till` one of the shop's. Raises StoreError; then nothing happened."""
        asked = self._advice.asked(handshake_id, tablet)
        if asked is None or offer_id not in self._offers(handshake_id):
            return "gone"
        member_id, proof = asked
        sale = Sale(till, member_id, proof, self._clock.now_ms() + TTL_MS)
        staff_id = self._advice.colleague(tablet)
        return await self._till_desk.ask(
            till, key, Asked("reserve", offer_id=offer_id, tablet=tablet, staff_id=staff_id), sale
        )

    async def held(self, handshake_id: str, tablet: str) -> list[Held]:
        """What became at the tills of offers of the card that is open on this tablet; of each the newest. What was
        redeemed before its customer asked for advice is none of a colleague's business. Raises StoreError."""
        asked, card = self._advice.asked(handshake_id, tablet), self._advice.card(handshake_id)
        if asked is None or card is None:
            return []
        member_id, since_ms, now_ms = asked[0], card.asked_at_ms, self._clock.now_ms()
        rows = await self._store.run(lambda tx: tx.redemptions_of(member_id))
        newest = {one.offer_id: (one, at_ms) for one, at_ms in rows if one.offer_id in self._offers(handshake_id)}
        return [
            Held(one.offer_id, one.till, one.state, max(0, one.until_ms - now_ms))
            for one, at_ms in newest.values()
            if (one.state is State.RESERVED and now_ms < one.until_ms)
            or (one.state is State.COMMITTED and since_ms <= at_ms)
        ]

    def _offers(self, handshake_id: str) -> set[str]:
        """What stands on the open card, by id; nothing once it is closed."""
        card = self._advice.card(handshake_id)
        return set() if card is None else {line.offer_id for line in card.offers}
