"""One-time links and the sessions that they open, in memory only: a restart ends them all. Pure.

A link or cookie is 128 random bits; what is kept of it is a hash, so that whoever reads this memory can't use one.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.model import Proof

TOKEN_BYTES = 16
LINK_SCREEN_MS = 90_000  # to take out a phone and scan; anybody who passes can photograph it meanwhile
LINK_TABLET_MS = 300_000  # a colleague explains, the customer scans or takes the tablet; nobody else sees it
IDLE_MS = 900_000  # a phone that is put away ends its session; longer than anybody reads eight sentences
SESSION_MS = 3_600_000  # whatever happens: a page that asks by itself must not keep a session for ever. > IDLE_MS
CONFIRM_MS = 45_000  # to compare two digits on a phone and a screen; < LINK_SCREEN_MS

# 30 screens and 30 tablets with a link each, and as many receipts. The oldest goes; 100 x 300 bytes are 30 kB.
MAX_LINKS = 100
# Customers at once, each with a phone or a tablet in hand. A shop of 30 screens has fewer; 64 x 500 bytes are 32 kB.
MAX_SESSIONS = 64
# Links cannot be guessed; whoever tries wrong ones for long is told to wait, and seen by a counter. A right link opens
# all the same: behind a proxy all phones have one address, and nobody there may shut the others out.
WRONG_WINDOW_MS = 60_000
MAX_WRONG_SOURCE = 60
MAX_WRONG = 600

_TOKEN = re.compile(r"[a-z2-7]{26}")

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Link:
    """What a one-time link opens. `place`: the screen or tablet that shows it; `dialogue_id`: of that screen.

    kind: a member's own data, an enrolment, one receipt, or an offer to take along. via: a screen's QR code (anybody
    may have photographed it), the tablet itself in the customer's hands, or a QR code that a colleague holds out.
    """

    kind: Literal["mine", "enrol", "receipt", "offer"]
    via: Literal["screen", "tablet", "phone"]
    place: str
    member_id: str | None = None
    dialogue_id: str = ""
    receipt_id: str = ""
    language: str = "de"
    offer_id: str = ""
    proof: Proof = Proof.BEARER  # of the tap that the offer answered
    staff_id: str = ""  # the colleague who made it, where tablets have a lock


@dataclass(slots=True)
class Session:
    """One person at one page. `member_id` None: nobody yet (an enrolment).

    `digits`: what the screen has to confirm, "" once it has. `ends_ms`: when it is over unless something happens;
    `last_ms`: when it is over at all. `code`: the one-time code for the first card. `acts`: how often something was
    chosen in it. `barred`: the age given ended the enrolment.
    """

    link: Link
    member_id: str | None
    digits: str
    ends_ms: int
    last_ms: int
    code: str = field(default="", repr=False)
    receipt_id: str = ""
    acts: int = 0
    barred: bool = False

    def is_over(self, now_ms: int) -> bool:
        return now_ms >= min(self.ends_ms, self.last_ms)


def is_token(text: str) -> bool:
    """Whether `text` has the form of a link's token or a session's cookie."""
    return _TOKEN.fullmatch(text) is not None


def new_token(random: Random) -> str:
    """128 random bits in letters that can be read out (base32 of RFC 4648, lower case, without padding)."""
    return base64.b32encode(random(TOKEN_BYTES)).decode().rstrip("=").lower()


def token_digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()[:TOKEN_BYTES]


class Links:
    """All links that nobody has used; at most MAX_LINKS."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._links: dict[bytes, tuple[Link, int]] = {}  # digest -> link, when it is over

    def issue(self, link: Link, now_ms: int, span_ms: int) -> str:
        """A token for `link`; one that was given out for the same link before opens nothing any more."""
        self._links = {digest: one for digest, one in self._links.items() if one[0] != link and one[1] > now_ms}
        if len(self._links) >= MAX_LINKS:
            del self._links[next(iter(self._links))]
        token = new_token(self._random)
        self._links[token_digest(token)] = link, now_ms + span_ms
        return token

    def spend(self, token: str, now_ms: int) -> Link | None:
        """What the token opens, exactly once; None if it is unknown, used or late."""
        link, ends_ms = self._links.pop(token_digest(token), (None, 0))
        return link if now_ms < ends_ms else None

    def count_of(self, member_id: str, now_ms: int) -> int:
        """How many of a member's links could still be opened."""
        return sum(link.member_id == member_id and now_ms < ends_ms for link, ends_ms in self._links.values())

    @property
    def members(self) -> set[str]:
        """Whose links there are, perhaps late ones."""
        return {link.member_id for link, _ in self._links.values() if link.member_id is not None}

    def forget(self, member_id: str) -> None:
        """A member's links open nothing any more."""
        self._links = {digest: one for digest, one in self._links.items() if one[0].member_id != member_id}

    def drop_place(self, place: str) -> None:
        """Links that this tablet gave out open nothing any more."""
        self._links = {digest: one for digest, one in self._links.items() if one[0].place != place}

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._links = {digest: (link, ends_ms + delta_ms) for digest, (link, ends_ms) in self._links.items()}

    def __len__(self) -> int:
        return len(self._links)


class Sessions:
    """All open sessions; at most MAX_SESSIONS, and then whoever was still for longest goes."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._sessions: dict[bytes, Session] = {}

    def open(self, link: Link, digits: str, now_ms: int) -> tuple[str, Session]:
        """A session for `link` and its cookie. With `digits` it waits CONFIRM_MS for the screen to confirm it."""
        self.expire(now_ms)
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda digest: self._sessions[digest].ends_ms)]
        span_ms = CONFIRM_MS if digits else IDLE_MS
        session = Session(link, link.member_id, digits, now_ms + span_ms, now_ms + SESSION_MS)
        cookie = new_token(self._random)
        self._sessions[token_digest(cookie)] = session
        return cookie, session

    def get(self, cookie: str | None, now_ms: int) -> Session | None:
        """The open session of a cookie. Being asked for keeps a confirmed one open."""
        session = self._sessions.get(token_digest(cookie)) if cookie is not None and is_token(cookie) else None
        if session is None or session.is_over(now_ms):
            return None
        if not session.digits:
            session.ends_ms = now_ms + IDLE_MS
        return session

    def of_dialogue(self, dialogue_id: str) -> Session | None:
        """The session that waits for this screen's dialogue to confirm it."""
        return next(
            (one for one in self._sessions.values() if one.digits and one.link.dialogue_id == dialogue_id), None
        )

    def confirm(self, session: Session, now_ms: int) -> None:
        """The person at the screen says that this is their phone."""
        session.digits = ""
        session.ends_ms = now_ms + IDLE_MS

    def wait_on(self, session: Session, now_ms: int) -> None:
        """The screen asks anew, so the phone waits as long."""
        session.ends_ms = now_ms + CONFIRM_MS

    def end(self, session: Session) -> None:
        self._keep(lambda one: one is not session)

    def end_at(self, tablet: str) -> None:
        """End what was opened on this tablet itself."""
        self._keep(lambda one: one.link.via != "tablet" or one.link.place != tablet)

    def count_of(self, member_id: str, now_ms: int) -> int:
        """How many of a member's sessions are open or wait for the screen."""
        return sum(one.member_id == member_id and not one.is_over(now_ms) for one in self._sessions.values())

    def forget(self, member_id: str) -> None:
        """End a member's sessions, because they were erased."""
        self._keep(lambda one: one.member_id != member_id)

    def expire(self, now_ms: int) -> None:
        """Let go of what is over."""
        self._keep(lambda one: not one.is_over(now_ms))

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock, in place: whoever waits for the disk holds a session meanwhile."""
        for one in self._sessions.values():
            one.ends_ms += delta_ms
            one.last_ms += delta_ms

    def _keep(self, stays: Callable[[Session], bool]) -> None:
        self._sessions = {digest: one for digest, one in self._sessions.items() if stays(one)}

    def __len__(self) -> int:
        return len(self._sessions)
