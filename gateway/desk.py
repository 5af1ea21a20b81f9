"""What the shop itself owes a member: to show, export, withdraw and erase what it holds. Each is noted in the audit.

An operator asks by `store-gateway member`; the running service answers through gateway.hatch, and with the service
stopped the command does the same on the file. Knows no socket and no terminal.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.core.consent import given
from gateway.core.explain import LANGUAGES, Catalogue, explain
from gateway.core.gate import CALL_NAME, LANGUAGE, TALKING_POINTS
from gateway.core.model import Act, Purpose
from gateway.core.ports import Clock
from gateway.core.template import bare
from gateway.errors import PeerError, StoreError
from gateway.export import export
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store

ACTOR = "operator"
CHANNEL = "operator"  # of the consent records that are made here

Answer = dict[str, Any]


class Ask(BaseModel):
    """One request of an operator; `purposes` empty = all of them. "why" is about a decision, "counts" about nobody, all
    others about a member."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    verb: Literal["show", "export", "withdraw", "erase", "counts", "why"]
    member_id: str = Field(default="", max_length=128)
    decision_id: str = Field(default="", max_length=128)
    purposes: list[Purpose] = Field(default=[], max_length=len(Purpose))


class Shop(Protocol):
    """The path (gateway.flow), as far as it is needed here."""

    def memory_of(self, member_id: str) -> dict[str, object]:
        """What memory alone knows of a member."""

    async def on_consent(self, member_id: str, choices: Mapping[Purpose, bool], act: Act) -> object:
        """Record what was decided, and follow it everywhere. Raises PeerError for nobody's, StoreError."""

    async def on_erase(self, member_id: str, channel: str) -> str:
        """Forget a member here at once, and have headquarters follow: "ok" or "gone". Raises StoreError."""


class Desk:
    """Lives on the event loop."""

    def __init__(self, store: Store, shop: Shop, clock: Clock, health: Health) -> None:
        self._store = store
        self._shop = shop
        self._clock = clock
        self._health = health

    async def answer(self, asked: object) -> Answer:
        """{"result": "ok", ..}, or "gone" for a pseudonym that nothing is stored about, "wrong" for no request,
        "disk" where the disk refuses: then nothing is stored and nothing shown, but a withdrawal is obeyed."""
        try:
            ask = Ask.model_validate(asked)
        except ValidationError:
            return {"result": "wrong"}
        if ask.verb == "counts":
            return {"result": "ok", "counts": self._health.counts}
        if ask.verb == "why":
            return await self._explained(ask.decision_id)
        if not ask.member_id:
            return {"result": "wrong"}
        try:
            match ask.verb:
                case "show":
                    return await self._store.run(lambda tx: self._show(tx, ask.member_id))
                case "export":
                    memory = self._shop.memory_of(ask.member_id)
                    return await self._store.run(lambda tx: self._export(tx, ask.member_id, memory))
                case "withdraw":
                    choices = dict.fromkeys(ask.purposes or Purpose, False)
                    await self._shop.on_consent(ask.member_id, choices, Act(CHANNEL, "operator"))
                case "erase":
                    await self._store.run(lambda tx: self._must_be_known(tx, ask.member_id))
                    if await self._shop.on_erase(ask.member_id, CHANNEL) != "ok":
                        return {"result": "gone"}
        except PeerError:
            return {"result": "gone"}
        except StoreError:
            return {"result": "disk"}
        return {"result": "ok", "at_ms": self._clock.now_ms()}

    async def _explained(self, decision_id: str) -> Answer:
        """The sentences of a decision by language, or "gone" for one that is not kept."""
        try:
            return await self._store.run(lambda tx: self._why(tx, decision_id))
        except StoreError:
            return {"result": "disk"}

    def _why(self, tx: Tx, decision_id: str) -> Answer:
        made = tx.made(decision_id)
        if made is None:
            return {"result": "gone"}
        row = made.row
        now_ms = self._clock.now_ms()
        tx.audit(now_ms, row["member_id"], ACTOR, "decision.explained", {"decision_id": decision_id})
        offers = tx.offers()
        titles = {offer.offer_id: bare(offer.title) for offer in offers}
        rules = {offer.offer_id: offer.eligibility for offer in offers if offer.eligibility is not None}
        catalogue: Catalogue = "unknown"
        if made.inputs is not None:
            catalogue = "same" if made.inputs.catalogue == tx.catalogue_digest() else "other"
        zone = tx.shop().restraint.time_zone
        told = {to: explain(row, row["reasons"], titles, zone, to, rules, catalogue) for to in LANGUAGES}
        return {"result": "ok", "at_ms": now_ms, "why": told}

    def _show(self, tx: Tx, member_id: str) -> Answer:
        """No more than a tablet's card may have, and what is in force."""
        self._must_be_known(tx, member_id)
        now_ms = self._clock.now_ms()
        tx.audit(now_ms, member_id, ACTOR, "member.shown", {})
        profile, consents = tx.profile(member_id), tx.consents(member_id)
        shown: Answer = {"profile": profile is not None, "consents": list(given(consents, now_ms))}
        if profile is not None:
            points = profile.read_or((), TALKING_POINTS, Purpose.STAFF_ADVICE, now_ms)
            shown |= {
                "call_name": profile.read_or("", CALL_NAME, Purpose.STAFF_ADVICE, now_ms),
                "language": profile.read_or("", LANGUAGE, Purpose.STAFF_ADVICE, now_ms),
                "usual": list(tx.usual(profile, Purpose.STAFF_ADVICE, now_ms)),
                "talking_points": [dict(point.text) for point in points],
                "staff": profile.staff,
            }
        shown["credentials"] = sorted(one.kind.value for one in tx.credentials(member_id))
        return {"result": "ok", "at_ms": now_ms, "member": shown}

    def _export(self, tx: Tx, member_id: str, memory: dict[str, object]) -> Answer:
        self._must_be_known(tx, member_id)
        now_ms = self._clock.now_ms()
        tx.audit(now_ms, member_id, ACTOR, "member.exported", {})
        return {"result": "ok", "at_ms": now_ms, "export": export(tx, member_id, now_ms, memory)}

    def _must_be_known(self, tx: Tx, member_id: str) -> None:
        """PeerError("gone") for somebody about whom nothing is stored."""
        if not tx.knows(member_id):
            raise PeerError("gone")
