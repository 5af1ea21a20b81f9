"""People and their own data: one-time links, the sessions that they open, joining, choosing, being forgotten.

Lives on the event loop; what it stores is in gateway.acts, and how that takes effect in gateway.choices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway import acts
from gateway.acts import Look, Newcomer
from gateway.choices import Choices, Lent
from gateway.core.guesses import Guesses
from gateway.core.model import Act, AgeGate, Purpose
from gateway.core.onetime import code_digest
from gateway.core.stage import Dialogue, Stage
from gateway.core.tokens import (
    LINK_SCREEN_MS,
    LINK_TABLET_MS,
    MAX_WRONG,
    MAX_WRONG_SOURCE,
    WRONG_WINDOW_MS,
    Link,
    Links,
    Session,
    Sessions,
)
from gateway.errors import StoreError

# Each is a row that stays. Eight toggles there and back twice; a withdrawal is taken beyond it.
MAX_ACTS = 32

Outcome = Literal["ok", "gone", "refused"]
Said = Literal["ok", "notice_changed", "age", "gone", "refused"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A session's cookie, and the page that it is for."""

    cookie: str = field(repr=False)
    page: str


@dataclass(frozen=True, slots=True)
class Me:
    """What a session's page shows. `look` None: somebody who joins, or a phone that the screen has not confirmed."""

    who: Literal["member", "new"]
    look: Look | None
    confirm: str
    handover: bool
    code: str = field(repr=False)
    receipt_id: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody chose, and the notice that stood before them."""

    choices: Mapping[Purpose, bool]
    language: str
    age: AgeGate | None
    notice_version: str
    notice_sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a form; `at_ms` is when it was done."""

    result: Said
    at_ms: int = 0
    receipt_id: str = ""
    code: str = field(default="", repr=False)


class SelfService:
    """All sessions of the shop, and links at screens."""

    def __init__(self, lent: Lent, stage: Stage, choices: Choices, links: Links, sessions: Sessions) -> None:
        self._stage = stage
        self._choices = choices
        self._links = links
        self._sessions = sessions
        self._clock = lent.clock
        self._health = lent.health
        self._commit = lent.commit
        self._new_id = lent.new_id
        self._show = lent.show
        self._shop = lent.shop
        self._forget = lent.forget
        self._erase = lent.erase
        self._memory = lent.memory
        self._site_key = lent.site_key
        self._public_url = lent.public_url
        self._random = lent.random
        self._guesses = Guesses(window_ms=WRONG_WINDOW_MS, at_one=MAX_WRONG_SOURCE, in_all=MAX_WRONG)

    # --- at a screen -----------------------------------------------------------------------------------------

    async def chose(self, screen: str, before: Dialogue, choice: str) -> Outcome:
        """What follows a choice about one's own data; the stage has taken its step already."""
        member_id = before.member_id
        if member_id is None:
            return "refused"
        match choice:
            case "my_data":
                await self._offer_link(screen, before.dialogue_id, member_id, before.language)
            case "mine":
                return await self._confirm(screen, before.dialogue_id)
            case "not_mine":
                self._health.count("self.not_mine")
                self._end_waiting(before.dialogue_id)
            case "forget_yes":
                return await self._forget_here(screen, member_id, before.language)
        return "ok"

    def asked_anew(self, dialogue_id: str) -> None:
        """Whoever is asked whether a phone is theirs has tapped again: it waits on with the screen."""
        session = self._sessions.of_dialogue(dialogue_id)
        if session is not None:
            self._sessions.wait_on(session, self._clock.now_ms())

    async def _offer_link(self, screen: str, dialogue_id: str, member_id: str, language: str) -> None:
        """Show a code to scan, once it is committed that there is one; without a public address there is none."""
        if not self._public_url:
            return
        if await self._choices.noted(member_id, f"screen:{screen}", "link.made"):
            link = Link("mine", "screen", screen, member_id, dialogue_id, language=language)
            token = self._links.issue(link, self._clock.now_ms(), LINK_SCREEN_MS)
            self._stage.put_link(screen, dialogue_id, self._url(token))

    async def _confirm(self, screen: str, dialogue_id: str) -> Outcome:
        session = self._sessions.of_dialogue(dialogue_id)
        if session is None or session.member_id is None:
            self._stage.end(screen, dialogue_id)
            return "gone"
        noted = False
        try:
            noted = await self._choices.noted(session.member_id, f"screen:{screen}", "session.opened")
        finally:
            if not noted:  # nobody looks at anything without a record of it
                self._sessions.end(session)
                self._stage.end(screen, dialogue_id)
        if noted:
            self._sessions.confirm(session, self._clock.now_ms())
        return "ok" if noted else "gone"

    async def _forget_here(self, screen: str, member_id: str, language: str) -> Outcome:
        """Neither cards nor beacons of this member are recognised from now on."""
        self._forget(member_id)
        act = Act("screen", "touch", screen, language=language)
        await self._choices.follow(member_id, dict.fromkeys(acts.RECOGNISING, False), act)
        return "ok"

    # --- links and sessions ----------------------------------------------------------------------------------

    async def open(self, token: str, source: str) -> Opened | Literal["late", "wait"]:
        """Spend a link, exactly once. `source` is where the request came from: with wrong ones it has to wait."""
        now_ms = self._clock.now_ms()
        link = self._links.spend(token, now_ms)
        if link is None and not self._guesses.take(source, now_ms):
            self._health.count("self.wait")
            return "wait"
        if link is None or (link.member_id is not None and self._choices.held):
            self._health.count("self.link_refused")
            return "late"
        digits = ""
        if link.via == "screen":
            digits = f"{10 + int.from_bytes(self._random(8)) % 90}"
            if not self._stage.ask_whose(link.place, link.dialogue_id, digits, now_ms):
                return "late"  # whoever tapped there has gone, or withdrew
            self._show(link.place)
        elif link.member_id is not None and not await self._choices.noted(
            link.member_id, f"{link.via}:{link.place}", "session.opened"
        ):
            return "late"
        cookie, session = self._sessions.open(link, digits, self._clock.now_ms())
        session.receipt_id = link.receipt_id
        return Opened(cookie, f"/me/receipt/{link.receipt_id}" if link.kind == "receipt" else "/me")

    async def state(self, cookie: str | None) -> Me | None:
        """What the session's page shows; None without a session. Keeps a confirmed one open."""
        session = self._session(cookie)
        if session is None:
            return None
        who: Literal["member", "new"] = "member" if session.link.kind == "mine" or session.member_id else "new"
        look = None
        member_id = session.member_id
        if member_id is not None and not session.digits:
            digest = code_digest(self._site_key, session.code) if session.code else None
            now_ms = self._clock.now_ms()
            look = await self._commit(lambda tx: acts.look(tx, member_id, digest, now_ms), vital=True)
            if look is None or session is not self._session(cookie):
                self._sessions.end(session)
                return None
        return Me(
            who=who,
            look=look,
            confirm=session.digits,
            handover=session.link.via == "tablet",
            code=session.code if look is not None and look.code_open else "",
            receipt_id=session.receipt_id,
            ttl_ms=min(session.ends_ms, session.last_ms) - self._clock.now_ms(),
        )

    def end(self, cookie: str | None) -> None:
        """The person is done."""
        session = self._session(cookie, receipts=True)
        if session is not None:
            self._sessions.end(session)

    async def choose(self, cookie: str | None, form: Form) -> Answer | None:
        """Give or withdraw the purposes that the form names; None without a session that may."""
        gives = any(form.choices.values())
        session = self._confirmed(cookie, denies=not gives)
        if session is None or session.member_id is None:
            return None
        member_id = session.member_id
        session.acts += 1
        if gives and session.acts > MAX_ACTS:
            self._health.count("self.too_many_acts")
            return Answer("refused")
        if gives:
            form = replace(form, age=await self._age(member_id, form.age))
            if (no := self._may_not_give(form)) is not None:
                return Answer(no)
        receipt_id = await self._choices.follow(member_id, form.choices, self._act_of(session, form))
        if receipt_id is None:
            return Answer("gone")
        session.receipt_id = receipt_id or session.receipt_id
        return Answer("ok", self._clock.now_ms(), session.receipt_id)

    async def enrol(self, cookie: str | None, call_name: str, form: Form) -> Answer | None:
        """Make whoever holds the tablet a member; None without a session. Nothing is kept of those who may not."""
        session = self._confirmed(cookie)
        if session is None:
            return None
        if session.link.kind != "enrol" or session.member_id is not None or session.acts:
            return Answer("refused")
        if session.barred or form.age is AgeGate.UNDER_16:
            session.barred = True  # asked again, everybody would be sixteen
            return Answer("age")
        if (no := self._may_not_give(form)) is not None:
            return Answer(no)
        session.acts += 1  # the same form sent twice makes one member
        member_id, age, now_ms = self._random(16).hex(), form.age or AgeGate.UNKNOWN, self._clock.now_ms()
        try:
            code = await self._commit(lambda tx: acts.free_code(tx, self._site_key, self._random, now_ms))
            new = Newcomer(member_id, call_name, form.language, age, self._new_id(), code)
            session.receipt_id = await self._choices.join(new, form.choices, self._act_of(session, form))
        except StoreError:
            session.acts -= 1
            raise
        session.member_id, session.code = member_id, code
        self._health.count("self.enrolled")
        return Answer("ok", now_ms, session.receipt_id, code if form.choices.get(Purpose.RECOGNISE_NFC) else "")

    async def forget(self, cookie: str | None) -> Literal["ok"] | None:
        """Erase the person everywhere; every session of theirs ends. None without a session that may."""
        session = self._confirmed(cookie, denies=True)
        if session is None or session.member_id is None:
            return None
        await self._erase(session.member_id, "tablet" if session.link.via == "tablet" else "web")
        self.erased(session.member_id)
        return "ok"

    async def data(self, cookie: str | None) -> dict[str, object] | None:
        """Everything that is stored about the person; None without a session that may see it."""
        session = self._confirmed(cookie)
        if session is None or session.member_id is None:
            return None
        member_id, now_ms = session.member_id, self._clock.now_ms()
        actor, memory = f"{session.link.via}:{session.link.place}", self._memory(member_id)
        return await self._commit(lambda tx: acts.copy(tx, member_id, actor, memory, now_ms))

    async def language(self, cookie: str | None) -> str:
        """In which language the person reads."""
        found = await self.state(cookie)
        return found.look.language if found is not None and found.look is not None else "de"

    def who(self, cookie: str | None) -> str | None:
        """The member whose page this is, once it is theirs; for what else they do with this phone."""
        session = self._confirmed(cookie)
        return None if session is None or session.link.via == "tablet" else session.member_id

    async def receipt(self, cookie: str | None, receipt_id: str) -> dict[str, object] | None:
        """One receipt of the person; None without a session that may see it, or without such a receipt."""
        session = self._may_see(cookie, receipt_id)
        if session is None or session.member_id is None:
            return None
        member_id = session.member_id
        return await self._commit(lambda tx: acts.receipt(tx, member_id, receipt_id), vital=True)

    async def receipt_link(self, cookie: str | None, receipt_id: str) -> str | None:
        """The address of a one-time link to a receipt, for another device; None where there is none."""
        if not self._public_url or await self.receipt(cookie, receipt_id) is None:
            return None
        session = self._may_see(cookie, receipt_id)
        if session is None:
            return None
        link = Link("receipt", "phone", session.link.place, session.member_id, receipt_id=receipt_id)
        return self._url(self._links.issue(link, self._clock.now_ms(), LINK_TABLET_MS))

    def open_for(self, member_id: str) -> tuple[int, int]:
        """How many links and sessions of a member there are."""
        now_ms = self._clock.now_ms()
        return self._links.count_of(member_id, now_ms), self._sessions.count_of(member_id, now_ms)

    # --- what others bring -----------------------------------------------------------------------------------

    def erased(self, member_id: str) -> None:
        """A member was erased: no link or session of theirs is left."""
        self._links.forget(member_id)
        self._sessions.forget(member_id)
        self._choices.erased(member_id)

    def tick(self, now_ms: int) -> None:
        """Let go of what is over."""
        self._sessions.expire(now_ms)
        self._choices.tick(now_ms)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        for part in (self._links, self._sessions, self._guesses):
            part.shift(delta_ms)
        self._choices.shift()

    # --- inside ----------------------------------------------------------------------------------------------

    def _session(self, cookie: str | None, *, receipts: bool = False, denies: bool = False) -> Session | None:
        """The session, also one that waits; but not if the screen that it waits for shows something else.

        While an erasure may be missing here, none but of who joined in it; what only takes away (`denies`) always.
        """
        session = self._sessions.get(cookie, self._clock.now_ms())
        if session is None or (session.link.kind == "receipt" and not receipts):
            return None
        if session.link.member_id is not None and self._choices.held and not denies:
            return None
        if session.digits:
            dialogue = self._stage.dialogue_at(session.link.place)
            waits = dialogue is not None and dialogue.step == "confirm"
            if dialogue is None or not waits or dialogue.dialogue_id != session.link.dialogue_id:
                self._sessions.end(session)
                return None
        return session

    def _confirmed(self, cookie: str | None, *, denies: bool = False) -> Session | None:
        session = self._session(cookie, denies=denies)
        return None if session is None or session.digits else session

    def _may_see(self, cookie: str | None, receipt_id: str) -> Session | None:
        session = self._session(cookie, receipts=True)
        if session is None or session.digits:
            return None
        return session if session.link.kind != "receipt" or session.link.receipt_id == receipt_id else None

    def _end_waiting(self, dialogue_id: str) -> None:
        session = self._sessions.of_dialogue(dialogue_id)
        if session is not None:
            self._sessions.end(session)

    async def _age(self, member_id: str, said: AgeGate | None) -> AgeGate | None:
        """What is known of a member's age: under 16 whatever they say, else what they say now, or said before."""
        now_ms = self._clock.now_ms()
        look = await self._commit(lambda tx: acts.look(tx, member_id, None, now_ms), vital=True)
        known = look.age if look is not None else AgeGate.UNKNOWN
        return known if said is None or known is AgeGate.UNDER_16 else said

    def _may_not_give(self, form: Form) -> Said | None:
        """Why nothing is given by this form: it was shown another notice than ours is now, or says no age."""
        if self._language_shown(form) is None:
            return "notice_changed"
        return None if form.age is not None and form.age.known else "age"

    def _language_shown(self, form: Form) -> str | None:
        """In which language our notice stood before whoever sent the form; None if it was another notice."""
        notice = self._shop().notice
        if notice is None or notice.version != form.notice_version or not form.notice_sha256:
            return None
        return next((one for one in notice.text if notice.sha256(one) == form.notice_sha256), None)

    def _act_of(self, session: Session, form: Form) -> Act:
        """The act behind a form; a notice that is not ours, which only a withdrawal may name, is not kept."""
        shown = self._language_shown(form)
        channel = "tablet" if session.link.via == "tablet" else "web"
        return Act(
            *(channel, "toggle", session.link.place),
            language=shown or form.language,
            age_gate=form.age or AgeGate.UNKNOWN,
            staff_id=session.link.staff_id,
            notice_version=form.notice_version if shown else "",
            notice_sha256=form.notice_sha256 if shown else "",
        )

    def _url(self, token: str) -> str:
        return f"{self._public_url}/h/{token}"
