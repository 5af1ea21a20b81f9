"""What a tap does: its proof is spent first, then it opens a visit, a sale, a request for advice or a dialogue.

A later gesture at a screen or till always wins: what is somebody else's goes at once, before the disk writes anything.
A proof that counts once takes nothing away but at the screen that it is shown to, until the disk says that it is new.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gateway.advice import Advice
from gateway.binding import Binding
from gateway.choices import Lent
from gateway.config import ReceiverTable
from gateway.core.arrivals import Arrived
from gateway.core.eligible import Value
from gateway.core.model import Proof, Purpose, Tap, Trouble
from gateway.core.proof import may_redeem
from gateway.core.stage import Dialogue, Stage, hint, join
from gateway.core.tills import Sale, Tills
from gateway.decisions import Arrival, Decisions
from gateway.errors import StoreError
from gateway.records import Tx
from gateway.selfservice import SelfService
from gateway.takeaway import Takeaways
from gateway.visits import Visits

Outcome = Literal["ok", "gone", "refused"]

TORN = (Trouble.AGAIN, Trouble.UNLOCK)  # "once more, please"
_OWN = ("my_data", "mine", "not_mine", "forget_yes")  # choices about one's own data
_ANSWERS = {"yes": "offer.accepted", "more": "offer.explained", "not_now": "offer.declined"}


@dataclass(frozen=True, slots=True)
class _Made:
    who: Literal["guest", "colleague", "nobody"] | None  # whose visit changed
    sale: bool
    dialogue: Dialogue | None
    announced: Arrived | None


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
        selfservice: SelfService,
        takeaways: Takeaways,
        lent: Lent,
        denies: Callable[[str], bool],
    ) -> None:
        self._receivers = receivers
        self._decisions = decisions
        self._stage = stage
        self._tills = tills
        self._advice = advice
        self._binding = binding
        self._visits = visits
        self._selfservice = selfservice
        self._takeaways = takeaways
        self._clock = lent.clock
        self._health = lent.health
        self._commit = lent.commit
        self._new_id = lent.new_id
        self._show = lent.show
        self._shop = lent.shop
        self._denies = denies
        self._taps = 0
        self._latest: dict[str, int] = {}  # "screen/ID" or "till/ID" -> number of its latest tap

    # --- at a reader -----------------------------------------------------------------------------------------

    async def on_tap(self, tap: Tap) -> None:
        """A gesture at a reader."""
        receiver = self._receivers.get(tap.reader)
        if receiver is None:
            self._health.count("nfc.unknown_reader")
            return
        if tap.trouble in TORN:  # it is nobody's, and may be the member's own second one: nothing ends by it
            self._cover(receiver.screen, tap.trouble)
            return
        self._visits.gesture(receiver.zone, tap.at_ms)
        self._taps += 1
        number = self._taps
        self._latest[_screen(receiver)] = number
        self._make_way(tap, receiver)
        if tap.guard is not None and tap.member_id is not None:  # it counts as nothing before it is spent
            admitted = await self._commit(lambda tx: self._decisions.admit(tx, tap))
            if admitted == "spent":
                self._health.count("nfc.refused.replayed")
                if self._is_latest(_screen(receiver), number):
                    self._refuse(receiver.screen)
                return
            now_ms = self._clock.now_ms()  # it may have been set while the disk wrote
            tap = replace(tap, at_ms=now_ms) if admitted == "new" else Tap(None, tap.reader, now_ms)
        if self._denied(tap):
            tap = Tap(None, tap.reader, tap.at_ms)
        self._take_over(tap, receiver, number)
        if tap.member_id is None and self._binding.awaits(receiver.screen):
            await self._binding.on_tap(tap, receiver.screen or "")
        elif tap.trouble is not None:
            self._refuse(receiver.screen)
        else:
            await self._act(tap, receiver, number)

    async def _act(self, tap: Tap, receiver: ReceiverTable, number: int) -> None:
        member_id = tap.member_id
        held = self._binding.awaits(receiver.screen)
        may_open = self._is_latest(_screen(receiver), number) and not (receiver.advice or held)
        screen = receiver.screen if may_open else None
        if member_id is None:
            if screen is not None:
                self._open_join(screen, tap.at_ms)
            return
        if held and not (receiver.door or receiver.till or receiver.advice):
            self._cover(receiver.screen, Trouble.REFUSED)  # somebody's card cannot be bound
        if screen is not None and await self._answered(tap, screen):
            screen = None
        arrival = self._visits.tapped(member_id, receiver, tap.at_ms)
        if arrival is not None or receiver.till is not None or screen is not None:
            await self._open(tap, receiver, number, arrival, screen)
        if not self._denied(tap):
            self._visits.counted(member_id, receiver.zone)
        if receiver.advice and not self._denied(tap):
            await self._advice.tapped(member_id, receiver.zone, receiver.id, tap.proof)

    async def _open(
        self, tap: Tap, receiver: ReceiverTable, number: int, arrival: Arrival | None, screen: str | None
    ) -> None:
        """Commit what a member's tap means for the visit, the sale and the screen, and only then follow it."""
        shop = self._shop()
        greets = arrival is not None and self._advice.greets(arrival.change.member_id)
        facts = self._visits.facts(tap.member_id) if tap.member_id is not None else {}

        def decide(tx: Tx) -> _Made:
            return self._decide(tx, tap, receiver, arrival, screen, shop.dialogue_ms, greets, facts)

        try:
            made = await self._commit(decide, copied=True)
        except StoreError:
            if arrival is not None:
                self._visits.taken_back(arrival)
            raise
        if self._denied(tap):
            return  # all that was theirs is wiped already
        if arrival is not None and made.who is not None:
            self._visits.settled(arrival, made.who, made.announced)
        now_ms = self._clock.now_ms()  # ends count from now, for the clock may have been set while the disk wrote
        if tap.member_id and receiver.till and made.sale and self._is_latest(_till(receiver), number):
            self._tills.identify(Sale(receiver.till, tap.member_id, tap.proof, now_ms + shop.sale_ms))
        if screen is not None and self._is_latest(_screen(receiver), number) and not self._binding.awaits(screen):
            dialogue = made.dialogue or join(self._new_id(), tap.at_ms)
            dialogue = replace(dialogue.shifted(now_ms - tap.at_ms), since_ms=now_ms, tapped_ms=now_ms)
            dialogue = replace(dialogue, may_see_data=made.dialogue is not None)
            self._stage.open(screen, dialogue)
            self._show(screen)

    def _decide(
        self,
        tx: Tx,
        tap: Tap,
        receiver: ReceiverTable,
        arrival: Arrival | None,
        screen: str | None,
        idle_ms: int,
        greets: bool,
        facts: Mapping[str, Value],
    ) -> _Made:
        """All that one tap decides, in one transaction (in the writer thread)."""
        who = self._decisions.visit(tx, tap, arrival) if arrival is not None else None
        sale = receiver.till is not None and self._decisions.identify(tx, tap, receiver.till)
        dialogue = announced = None
        if screen is not None:
            dialogue = self._decisions.greet(tx, tap, screen, receiver.zone, idle_ms, door=receiver.door, facts=facts)
            if dialogue is not None and self._takeaways.may(tx, dialogue):
                dialogue = replace(dialogue, may_take=True)
        if arrival is not None and greets:
            announced = self._decisions.announce(tx, arrival.change, Purpose.RECOGNISE_NFC)
        return _Made(who, sale, dialogue, announced)

    async def _answered(self, tap: Tap, screen: str) -> bool:
        """Whether this tap belongs to the dialogue that stands here; the second one says yes.

        One that comes too soon says nothing, nor does one while the screen asks whose phone it is. A yes needs a proof
        of its own that is good enough for the offer.
        """
        standing = self._stage.dialogue_at(screen)
        if standing is None or standing.member_id != tap.member_id:
            return False
        now_ms = self._clock.now_ms()
        self._stage.tapped(screen, now_ms)
        if standing.step == "confirm":  # a card compares no digits: only a touch says that they are the same
            self._selfservice.asked_anew(standing.dialogue_id)
            self._show(screen)
            return True
        if not standing.can_answer(now_ms):
            self._health.count("nfc.too_soon")
            self._show(screen)
            return True
        if "yes" not in standing.choices:
            return False
        if not may_redeem(tap.proof, standing.value_cents, self._shop().bearer_limit_cents).ok:
            self._health.count("nfc.refused.proof")
            self._cover(screen, Trouble.REFUSED)
            return True
        await self._choose(screen, standing, "yes", tap.proof)
        return True

    def _make_way(self, tap: Tap, receiver: ReceiverTable) -> None:
        """What this screen shows of somebody else goes at once; whoever binds a card there is left to it."""
        screen = receiver.screen
        standing = self._stage.dialogue_at(screen) if screen is not None else None
        if screen is None or standing is None or self._binding.awaits(screen):
            return
        if standing.member_id not in (None, tap.member_id):
            self._stage.end(screen, standing.dialogue_id)
            self._show(screen)

    def _take_over(self, tap: Tap, receiver: ReceiverTable, number: int) -> None:
        """Whoever taps here stands at no other screen; and another's sale at this till is over, whoever this is."""
        for screen in self._stage.leave(tap.member_id, receiver.screen) if tap.member_id is not None else ():
            self._show(screen)
        if receiver.till is not None and self._is_latest(_till(receiver), number):
            self._latest[_till(receiver)] = number
            sale = self._tills.at(receiver.till, tap.at_ms)
            if sale is not None and sale.member_id != tap.member_id:
                self._tills.done(receiver.till)

    def _denied(self, tap: Tap) -> bool:
        """Whether the member withdrew while the disk wrote, and it could not take that."""
        return tap.member_id is not None and self._denies(tap.member_id)

    def _is_latest(self, place: str, number: int) -> bool:
        """Whether no later tap came to this screen or till."""
        return self._latest.get(place, 0) <= number

    def _open_join(self, screen: str, at_ms: int) -> None:
        standing = self._stage.dialogue_at(screen)
        if standing is None or standing.step != "code":  # whoever types a code goes on typing
            self._stage.open(screen, join(self._new_id(), at_ms))
            self._show(screen)

    def _refuse(self, screen: str | None) -> None:
        """Whatever was shown is not what it says it is; the dialogue that it pretended to belong to ends."""
        standing = self._stage.dialogue_at(screen) if screen is not None else None
        if screen is not None and standing is not None and standing.member_id and not self._binding.awaits(screen):
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
        elif choice == "take":
            self._takeaways.at_screen(screen, standing)
        elif choice in _OWN:
            return await self._chose_own(screen, standing, choice)
        elif choice in _ANSWERS and after.member_id is not None:
            kind = _ANSWERS[choice]
            try:
                await self._commit(lambda tx: self._decisions.answered(tx, kind, standing, proof, now_ms))
            except StoreError:
                self._stage.end(screen, standing.dialogue_id)
                self._show(screen)
                return "refused"
            self._visits.answered(after.member_id, kind)
        self._show(screen)
        return "ok"

    async def _chose_own(self, screen: str, standing: Dialogue, choice: str) -> Outcome:
        """One's own data: what the choice ends goes at once, what it opens comes after the commit."""
        if choice in ("not_mine", "forget_yes"):
            self._show(screen)
        try:
            return await self._selfservice.chose(screen, standing, choice)
        except StoreError:
            self._health.count("flow.not_committed")
            return "refused"
        finally:
            self._show(screen)


def _screen(receiver: ReceiverTable) -> str:
    return f"screen/{receiver.screen}"


def _till(receiver: ReceiverTable) -> str:
    return f"till/{receiver.till}"
