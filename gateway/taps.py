"""What a tap does: its proof is spent first, then it opens a visit, a sale, a request for advice or a dialogue.

A later gesture at a screen or till always wins: what is somebody else's goes at once, before the disk writes anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.advice import Advice, Commit
from gateway.binding import Binding
from gateway.config import ReceiverTable
from gateway.core.model import Proof, ShopConfig, Tap, Trouble
from gateway.core.ports import Clock
from gateway.core.proof import may_redeem
from gateway.core.stage import Dialogue, Stage, hint, join
from gateway.core.tills import Sale, Tills
from gateway.decisions import Arrival, Decisions
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.visits import Visits

Outcome = Literal["ok", "gone", "refused"]

TORN = (Trouble.AGAIN, Trouble.UNLOCK)  # "once more, please"
_ANSWERS = {"yes": "offer.accepted", "more": "offer.explained", "not_now": "offer.declined"}


@dataclass(frozen=True, slots=True)
class _Made:
    who: Literal["guest", "colleague", "nobody"] | None  # whose visit changed
    sale: bool
    dialogue: Dialogue | None


class Taps:
    """All readers and the screens and tills beside them; every method runs on the event loop."""

    def __init__(
        self,
        *,
        receivers: Mapping[str, ReceiverTable],
        decisions: Decisions,
        stage: Stage,
        tills: Tills,
        advice: Advice,
        binding: Binding,
        visits: Visits,
        clock: Clock,
        health: Health,
        commit: Any,
        new_id: Callable[[], str],
        show: Callable[[str], None],
        shop: Callable[[], ShopConfig],
    ) -> None:
        self._receivers = receivers
        self._decisions = decisions
        self._stage = stage
        self._tills = tills
        self._advice = advice
        self._binding = binding
        self._visits = visits
        self._clock = clock
        self._health = health
        self._commit: Commit = commit
        self._new_id = new_id
        self._show = show
        self._shop = shop
        self._taps = 0
        self._latest: dict[str, int] = {}  # "screen/ID" or "till/ID" -> number of its latest tap

    # --- at a reader -----------------------------------------------------------------------------------------

    async def on_tap(self, tap: Tap) -> None:
        """A gesture at a reader."""
        receiver = self._receivers.get(tap.reader)
        if receiver is None:
            self._health.count("nfc.unknown_reader")
            return
        if receiver.screen is not None and self._binding.awaits(receiver.screen):
            await self._binding.on_tap(tap, receiver.screen)
            return
        if tap.trouble in TORN:  # it is nobody's, and may be the member's own second one: nothing ends by it
            self._cover(receiver.screen, tap.trouble)
            return
        self._taps += 1
        number = self._taps
        self._latest[f"screen/{receiver.screen}"] = self._latest[f"till/{receiver.till}"] = number
        self._take_away(tap, receiver)
        if tap.trouble is not None:
            self._refuse(receiver.screen)
            return
        if tap.guard is not None and tap.member_id is not None:
            admitted = await self._commit(lambda tx: self._decisions.admit(tx, tap))
            if admitted == "spent":
                self._health.count("nfc.refused.replayed")
                if self._latest[f"screen/{receiver.screen}"] == number:
                    self._refuse(receiver.screen)
                return
            if admitted == "nobody":
                tap = Tap(None, tap.reader, tap.at_ms)
        await self._act(tap, receiver, number)

    async def _act(self, tap: Tap, receiver: ReceiverTable, number: int) -> None:
        member_id = tap.member_id
        screen = None if receiver.advice or self._latest[f"screen/{receiver.screen}"] != number else receiver.screen
        if member_id is None:
            if screen is not None:
                self._open_join(screen, tap.at_ms)
            return
        if screen is not None and await self._accepted(tap, screen):
            screen = None
        arrival = self._visits.tapped(member_id, receiver, tap.at_ms)
        if arrival is not None or receiver.till is not None or screen is not None:
            shop = self._shop()
            made = await self._commit(lambda tx: self._decide(tx, tap, receiver, arrival, screen, shop.dialogue_ms))
            if arrival is not None and made.who is not None:
                self._visits.settled(arrival, made.who)
            if receiver.till is not None and made.sale and self._latest[f"till/{receiver.till}"] == number:
                self._tills.identify(Sale(receiver.till, member_id, tap.proof, tap.at_ms + shop.sale_ms))
            if screen is not None and self._latest[f"screen/{screen}"] == number:
                self._stage.open(screen, made.dialogue or join(self._new_id(), tap.at_ms))
                self._show(screen)
        if receiver.advice:
            await self._advice.tapped(member_id, receiver.zone, receiver.id, tap.proof)

    def _decide(
        self, tx: Tx, tap: Tap, receiver: ReceiverTable, arrival: Arrival | None, screen: str | None, idle_ms: int
    ) -> _Made:
        """All that one tap decides, in one transaction (in the writer thread)."""
        who = self._decisions.visit(tx, tap, arrival) if arrival is not None else None
        sale = receiver.till is not None and self._decisions.identify(tx, tap, receiver.till)
        dialogue = None
        if screen is not None:
            dialogue = self._decisions.greet(tx, tap, screen, receiver.zone, idle_ms, door=receiver.door)
        return _Made(who, sale, dialogue)

    async def _accepted(self, tap: Tap, screen: str) -> bool:
        """Whether this is the second tap, which says yes; its own proof has to be good enough for the offer."""
        standing = self._stage.dialogue_at(screen)
        if standing is None or standing.member_id != tap.member_id or "yes" not in standing.choices:
            return False
        if not may_redeem(tap.proof, standing.value_cents, self._shop().bearer_limit_cents).ok:
            self._health.count("nfc.refused.proof")
            self._cover(screen, Trouble.REFUSED)
            return True
        await self._choose(screen, standing, "yes", tap.proof)
        return True

    def _take_away(self, tap: Tap, receiver: ReceiverTable) -> None:
        """What belongs to somebody else goes at once."""
        for screen in self._stage.leave(tap.member_id, receiver.screen) if tap.member_id is not None else ():
            self._show(screen)  # whoever taps here has walked away from there
        if receiver.screen is not None:
            standing = self._stage.dialogue_at(receiver.screen)
            if standing is not None and standing.member_id not in (None, tap.member_id):
                self._stage.end(receiver.screen, standing.dialogue_id)
                self._show(receiver.screen)
        if receiver.till is not None and tap.trouble is None:
            sale = self._tills.at(receiver.till, tap.at_ms)
            if sale is not None and sale.member_id != tap.member_id:
                self._tills.done(receiver.till)

    def _open_join(self, screen: str, at_ms: int) -> None:
        standing = self._stage.dialogue_at(screen)
        if standing is None or standing.step != "code":  # whoever types a code goes on typing
            self._stage.open(screen, join(self._new_id(), at_ms))
            self._show(screen)

    def _refuse(self, screen: str | None) -> None:
        """Whatever was shown is not what it says it is; the dialogue that it pretended to belong to ends."""
        standing = self._stage.dialogue_at(screen) if screen is not None else None
        if screen is not None and standing is not None and standing.member_id is not None:
            self._stage.end(screen, standing.dialogue_id)
        self._cover(screen, Trouble.REFUSED)

    def _cover(self, screen: str | None, trouble: Trouble) -> None:
        if screen is not None:
            self._stage.cover(screen, hint(self._new_id(), trouble, self._clock.now_ms()))
            self._show(screen)

    # --- at a screen -----------------------------------------------------------------------------------------

    async def on_screen(self, screen: str, dialogue_id: str, choice: str) -> Outcome:
        """The person at the screen chose one of the dialogue's choices."""
        standing = self._stage.dialogue_at(screen)
        if standing is None or standing.dialogue_id != dialogue_id:
            return "gone"
        return await self._choose(screen, standing, choice, standing.proof)

    async def _choose(self, screen: str, standing: Dialogue, choice: str, proof: Proof) -> Outcome:
        now_ms = self._clock.now_ms()
        after = self._stage.answer(screen, standing.dialogue_id, choice, now_ms, self._shop().dialogue_ms)
        if after is None:
            return "refused"
        if choice == "advice" and after.member_id is not None:
            await self._advice.ask(after.member_id, self._stage.screens[screen], "screen", proof)
        elif choice in _ANSWERS and after.member_id is not None:
            kind = _ANSWERS[choice]
            try:
                await self._commit(lambda tx: self._decisions.answered(tx, kind, standing, proof, now_ms))
            except StoreError:
                self._stage.end(screen, standing.dialogue_id)
                self._show(screen)
                return "refused"
        self._show(screen)
        return "ok"
