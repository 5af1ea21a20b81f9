"""Offers that people take along: a one-time code at a screen or on a tablet, then a signed coupon on their phone.

Lives on the event loop. Nothing is kept about the phone; what was handed out stands in the contacts and in an event.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.advice import Advice
from gateway.choices import Lent
from gateway.core import coupon, phone
from gateway.core.guesses import Guesses
from gateway.core.keyring import CouponKey, Keyring
from gateway.core.model import Contact, Event, Offer, Proof
from gateway.core.phone import Policy
from gateway.core.redemption import Refused, State, Times
from gateway.core.stage import Dialogue, Stage
from gateway.core.tokens import (
    LINK_SCREEN_MS,
    MAX_LINKS,
    MAX_WRONG,
    MAX_WRONG_SOURCE,
    WRONG_WINDOW_MS,
    Link,
    Links,
    token_digest,
)
from gateway.records import Tx
from gateway.situations import said
from gateway.store import Store

LINK_MS = LINK_SCREEN_MS  # also on a tablet: the customer stands there, phone in hand
USED_MS = 600_000  # so long a second phone is told that another was first; later it hears that the code is out of date
MAX_USED = 10 * MAX_LINKS  # 100 bytes each
LOOK_MS = 60_000  # at what headquarters allows, for health
PART = "phone_offers"
PLACEMENT = "phone"
NO_ADDRESS = "offers go to no phone: there is no public_url in the configuration"
NO_KEY = "offers go to no phone: headquarters lists no key of this shop in coupons.put"
ADDRESS_HELP = "Set http.public_url to an address that customers' phones reach."
KEY_HELP = "Make one (hq make-key coupon), push it to this gateway and list its public half for this shop."


@dataclass(frozen=True, slots=True)
class Given:
    """The coupon for whoever opened a link first, and in which language they read."""

    text: str = field(repr=False)
    language: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a phone shows. `state`: how far the coupon was used in this shop, None = not yet. `offer` None: the
    catalogue has none of that name now."""

    text: str = field(repr=False)
    ends_ms: int
    is_over: bool
    bound: bool
    offer: Offer | None
    state: State | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A one-time address for a phone; "gone": no such card is open, "refused": this offer goes to no phone."""

    result: Literal["ok", "gone", "refused"]
    url: str = field(default="", repr=False)


def policy_of(tx: Tx) -> Policy:
    """What counts here now."""
    rules, shop = tx.coupon_rules(), tx.shop()
    return Policy(
        {one.name: one for one in rules.classes},
        {one.key_id: one for one in rules.keys},
        (tx.meta("store_id") or "").rpartition("/")[0],
        shop.retention.redemptions,
        shop.bearer_limit_cents,
    )


def hand_out(tx: Tx, link: Link, key: CouponKey | None, secret: bytes, times: Times) -> str | Refused:
    """The coupon for whoever opened the link, told and counted in the same transaction."""
    member_id = link.member_id
    if member_id is None or key is None or not tx.has_member(member_id):
        return Refused("phone.nobody")
    offer = tx.offer(link.offer_id)
    said = phone.terms(offer, policy_of(tx), key, link.proof, times)
    if isinstance(said, Refused):
        return said
    name = f"{key.key_id}/{phone.nonce_of(secret, member_id, link.offer_id).hex()}"
    if tx.coupon_state(name) is not None:
        return Refused("coupon.used")
    tx.note_contact(member_id, name, Contact(times.now_ms, link.offer_id, True, PLACEMENT))
    body = {"member_id": member_id, "offer_id": link.offer_id, "coupon": name, "until_ms": said.ends_s * 1000}
    tx.tell(Event("coupon.issued", times.now_ms, body | {"place": link.place}))
    return phone.sign(key, secret, member_id, link.offer_id, said)


class Takeaways:
    """All codes for offers that stand at screens and on tablets; a holder of the path (core.ports.Holder)."""

    def __init__(
        self,
        lent: Lent,
        store: Store,
        stage: Stage,
        advice: Advice,
        ring: Callable[[], Keyring],
        times: Callable[[], Times],
    ) -> None:
        self._store = store
        self._stage = stage
        self._advice = advice
        self._ring = ring
        self._times = times
        self._clock = lent.clock
        self._health = lent.health
        self._commit = lent.commit
        self._begin = lent.begin
        self._show = lent.show
        self._secret = lent.site_key
        self._public_url = lent.public_url
        self._links = Links(lent.random)
        self._used: dict[bytes, int] = {}  # digest of a spent token -> until when that is remembered
        self._guesses = Guesses(window_ms=WRONG_WINDOW_MS, at_one=MAX_WRONG_SOURCE, in_all=MAX_WRONG)
        self._look_ms = 0

    @property
    def _key(self) -> CouponKey | None:
        keys = self._ring().of(CouponKey, self._clock.now_ms())
        return keys[0] if keys else None

    # --- where the code is shown -----------------------------------------------------------------------------

    def may(self, tx: Tx, dialogue: Dialogue | None) -> bool:
        """Whether the offer of a dialogue may be taken along (in the writer thread)."""
        if dialogue is None or dialogue.offer_id is None:
            return False
        return self.may_take(tx, dialogue.offer_id, dialogue.proof, LINK_MS + dialogue.idle_ms)

    def may_take(self, tx: Tx, offer_id: str, proof: Proof, left_ms: int = LINK_MS) -> bool:
        """Whether an offer may go to the phone of whoever gave this proof (in the writer thread)."""
        if not self._public_url:
            return False
        said = phone.terms(tx.offer(offer_id), policy_of(tx), self._key, proof, self._times(), left_ms)
        return not isinstance(said, Refused)

    def at_screen(self, screen: str, standing: Dialogue) -> None:
        """The person chose to take the offer along: show the code; the stage has taken its step already."""
        if standing.member_id is None or standing.offer_id is None:
            return
        who, where, proof = standing.member_id, standing.dialogue_id, standing.proof
        link = Link("offer", "screen", screen, who, where, "", standing.language, standing.offer_id, proof)
        self._stage.put_link(screen, standing.dialogue_id, self._issue(link))

    async def on_card(self, tablet: str, handshake_id: str, offer_id: str) -> Scan:
        """A code for an offer of the card that is open on this tablet."""
        asked = self._advice.asked(handshake_id, tablet)
        if asked is None:
            return Scan("gone")
        member_id, proof = asked

        def may(tx: Tx) -> bool:  # a card shows some offers, and only those count
            return tx.was_met(member_id, handshake_id, offer_id) and self.may_take(tx, offer_id, proof)

        if not await self._store.run(may):
            return Scan("refused")
        if self._advice.asked(handshake_id, tablet) is None:
            return Scan("gone")
        return Scan("ok", self._issue(Link("offer", "phone", tablet, member_id, offer_id=offer_id, proof=proof)))

    def _issue(self, link: Link) -> str:
        return f"{self._public_url}/h/{self._links.issue(link, self._clock.now_ms(), LINK_MS)}"

    # --- on the phone ----------------------------------------------------------------------------------------

    async def open(self, token: str) -> Given | Literal["used", "late"] | None:
        """Spend a link: the coupon for whoever is first, "used" for whoever is not, "late" if there is none any more;
        None: no link of ours."""
        now_ms = self._clock.now_ms()
        digest = token_digest(token)
        if now_ms < self._used.get(digest, 0):
            self._health.count("phone.used")
            return "used"
        link = self._links.spend(token, now_ms)
        if link is None:
            return None
        self._remember(digest, now_ms)
        key, secret, times = self._key, self._secret, self._times()
        made = await self._commit(lambda tx: hand_out(tx, link, key, secret, times))
        if self._stage.taken(link.place, link.dialogue_id, self._clock.now_ms()):
            self._show(link.place)
        if isinstance(made, Refused):
            self._health.count("phone.refused")
            return "late"
        self._health.count("phone.handed_out")
        return Given(made, link.language)

    async def look(self, text: str, source: str) -> Taken | Literal["wrong", "wait"]:
        """What a coupon says, for its own page. `source`: where the request came from; with wrong ones it waits."""
        latest_ms = self._times().latest_ms

        def read(tx: Tx) -> Taken | None:
            policy = policy_of(tx)
            # A coupon that is over has a page too, so it is read as of before its end.
            shown = coupon.verify(text, policy.keys, policy.store, min(latest_ms, coupon.ends_ms(text) - 1))
            if isinstance(shown, Refused):
                return None
            state = tx.coupon_state(shown.name)
            ends_ms = shown.ends_s * 1000
            offer = tx.offer(shown.offer_id)
            told = None if offer is None else said(tx, offer)
            return Taken(text, ends_ms, latest_ms >= ends_ms, bool(shown.holder), told, state)

        found = await self._store.run(read)
        if found is None and not self._guesses.take(source, self._clock.now_ms()):
            self._health.count("phone.wait")
            return "wait"
        return found or "wrong"

    def _remember(self, digest: bytes, now_ms: int) -> None:
        if len(self._used) >= MAX_USED:
            del self._used[next(iter(self._used))]
        self._used[digest] = now_ms + USED_MS

    # --- while members are here ------------------------------------------------------------------------------

    @property
    def members(self) -> set[str]:
        """Who could still take something along."""
        return self._links.members

    def forget(self, member_id: str) -> int:
        """A member's codes open nothing any more; how many there were."""
        count = self._links.count_of(member_id, self._clock.now_ms())
        self._links.forget(member_id)
        return count

    def memory_of(self, member_id: str) -> dict[str, object]:
        """For the member's own export."""
        return {"offers_to_take": self._links.count_of(member_id, self._clock.now_ms()) or None}

    def expire(self, now_ms: int) -> None:
        """Let go of what is over, and look whether phones can be served."""
        self._used = {digest: until_ms for digest, until_ms in self._used.items() if now_ms < until_ms}
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_MS
            self._begin(self._report())

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._links.shift(delta_ms)
        self._guesses.shift(delta_ms)
        self._used = {digest: until_ms + delta_ms for digest, until_ms in self._used.items()}
        self._look_ms = 0

    async def _report(self) -> None:
        key, latest_ms = self._key, self._times().latest_ms

        def look(tx: Tx) -> tuple[bool, bool]:
            policy = policy_of(tx)
            return any(one.phone_days for one in policy.classes.values()), phone.signs(key, policy, latest_ms)

        wanted, signs = await self._store.run(look)
        now_ms = self._clock.now_ms()
        if wanted and not self._public_url:
            self._health.set(PART, "degraded", now_ms, NO_ADDRESS, ADDRESS_HELP)
        elif wanted and not signs:
            self._health.set(PART, "degraded", now_ms, NO_KEY, KEY_HELP)
        elif wanted or PART in {part.name for part in self._health.parts}:
            self._health.set(PART, "ok", now_ms)
