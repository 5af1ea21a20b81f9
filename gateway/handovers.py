"""Tablets that go into a customer's hands, and the links that a colleague holds out. Lives on the event loop."""

from dataclasses import dataclass, field
from typing import Literal

from gateway.advice import Advice
from gateway.choices import Choices, Lent
from gateway.core.handover import Locks
from gateway.core.ports import Surfaces
from gateway.core.stage import Stage
from gateway.core.tokens import LINK_TABLET_MS, Link, Links, Sessions, new_token
from gateway.recognition import Recognition
from gateway.selfservice import SelfService


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a link that a tablet asked for; `path` of it, `url` for another device ("" = there is none)."""

    result: Literal["ok", "gone", "refused"]
    path: str = field(default="", repr=False)
    url: str = field(default="", repr=False)


class Handovers:
    """Which tablets are locked, and what they give out."""

    def __init__(
        self, lent: Lent, advice: Advice, choices: Choices, surfaces: Surfaces, links: Links, sessions: Sessions
    ) -> None:
        self._advice = advice
        self._choices = choices
        self._surfaces = surfaces
        self._links = links
        self._sessions = sessions
        self._clock = lent.clock
        self._health = lent.health
        self._begin = lent.begin
        self._shop = lent.shop
        self._public_url = lent.public_url
        self._locks = Locks(lent.random)
        self.run = new_token(lent.random)  # names this run of the gateway, by which a locked tablet tells a restart

    async def hand_over(self, tablet: str, handshake_id: str | None, pin: str) -> Handed:
        """Lock the tablet and give its customer a session: the member whose card is open, or None = somebody new."""
        member_id = None
        if handshake_id is not None:
            member_id = await self._open_card(handshake_id, tablet)
            if member_id is None:
                return Handed("gone")
        elif self._shop().notice is None:
            return Handed("refused")  # nobody can agree to what cannot be read
        if not self._locks.lock(tablet, pin):
            return Handed("refused")
        self._surfaces.lock(tablet, True)
        link = Link(
            "mine" if member_id else "enrol", "tablet", tablet, member_id, staff_id=self._advice.colleague(tablet)
        )
        path = f"/h/{self._links.issue(link, self._clock.now_ms(), LINK_TABLET_MS)}"
        self._begin(self._advice.leave(tablet))
        return Handed("ok", path)

    async def link_for(self, tablet: str, handshake_id: str) -> Handed:
        """A link for the phone of the member whose card is open on this tablet."""
        if not self._public_url:
            return Handed("refused")
        member_id = await self._open_card(handshake_id, tablet)
        if member_id is None:
            return Handed("gone")
        token = self._links.issue(Link("mine", "phone", tablet, member_id), self._clock.now_ms(), LINK_TABLET_MS)
        return Handed("ok", f"/h/{token}", f"{self._public_url}/h/{token}")

    def is_locked(self, tablet: str, run: str | None) -> bool:
        """Whether a customer holds this tablet. `run`: the one in which it says that it was locked.

        Of an earlier run nobody remembers the number, so only the manager opens it.
        """
        if run is not None and run != self.run:
            if not self._locks.is_locked(tablet):
                self._locks.lock_for_good(tablet)
                self._surfaces.lock(tablet, True)
            return True
        return self._locks.is_locked(tablet)

    def unlock(self, tablet: str, pin: str) -> Literal["ok", "wrong", "locked"]:
        """A colleague takes the tablet back; the customer's session on it ends."""
        result = self._locks.unlock(tablet, pin)
        if result == "ok":
            self._take_back(tablet)
        else:
            self._health.count(f"self.unlock_{result}")
        return result

    def release(self, tablet: str) -> None:
        """The manager's link was opened on the tablet."""
        self._locks.release(tablet)
        self._take_back(tablet)

    async def _open_card(self, handshake_id: str, tablet: str) -> str | None:
        """Whose card is open on this tablet, once it is on record that they get a link; None = it is not, any more."""
        member_id = self._advice.member_at(handshake_id, tablet)
        if member_id is None or not await self._choices.noted(member_id, f"tablet:{tablet}", "link.made"):
            return None
        return self._advice.member_at(handshake_id, tablet)

    def _take_back(self, tablet: str) -> None:
        self._links.drop_place(tablet)
        self._sessions.end_at(tablet)
        self._surfaces.lock(tablet, False)


def self_service(
    lent: Lent, stage: Stage, recognition: Recognition, advice: Advice, surfaces: Surfaces
) -> tuple[Choices, SelfService, Handovers]:
    """The parts of self-service, which share links and sessions."""
    links, sessions, choices = Links(lent.random), Sessions(lent.random), Choices(lent, recognition)
    me = SelfService(lent, stage, choices, links, sessions)
    return choices, me, Handovers(lent, advice, choices, surfaces, links, sessions)
