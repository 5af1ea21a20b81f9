"""The shop's nouns as frozen values, in the words of ARCHITECTURE.md. Rules live in the modules beside this one.

Times are integer milliseconds since 1970-01-01 UTC, signal strengths dBm; a `Text` maps a language to a sentence.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Literal, NamedTuple

from gateway.core.act import Act as Act
from gateway.core.act import AgeGate as AgeGate
from gateway.core.act import ClockQuality as ClockQuality
from gateway.core.act import ConsentRecord as ConsentRecord
from gateway.core.act import ConsentState as ConsentState
from gateway.core.act import Purpose as Purpose
from gateway.core.inpublic import SAFE
from gateway.core.learning import Choice
from gateway.core.offer import Cap as Cap
from gateway.core.offer import Channel as Channel
from gateway.core.offer import Offer as Offer
from gateway.core.offer import Pause as Pause
from gateway.core.offer import Restraint as Restraint
from gateway.core.offer import Text as Text

REASONS = 5_000  # that are kept: a thousand offers, each with a handful of codes; 1 MB


class CredentialKind(StrEnum):
    EID = "eid"  # Eddystone-EID: 8 bytes that change every 2^K seconds
    APP = "app"  # our own token (docs/phone-app.md): 8 bytes that change every 900 s
    UID = "uid"  # static: Eddystone-UID, namespace 10 + instance 6
    IBEACON = "ibeacon"  # static: UUID 16 + major 2 + minor 2, big endian
    ALTBEACON = "altbeacon"  # static: 20-byte beacon id
    RPA = "rpa"  # a colleague's phone: resolvable private address, 3 random bytes + 3-byte hash
    NDEF = "ndef"  # static: the UTF-8 text of the tag's first URI or Text record
    SIGNED = "signed"  # static: the id that headquarters signed into an NDEF text
    SUN = "sun"  # static: the 7-byte UID that an NTAG 424 DNA shows encrypted, with a MAC and a counter
    HCE = "hce"  # static: the public key with which a phone's app signs (docs/phone-app.md), SubjectPublicKeyInfo-free
    PASS = "pass"  # static: the value in a wallet pass (Google Smart Tap, Apple VAS), UTF-8
    CHIP = "chip"  # static: the fixed UID of a card that can do nothing else; off unless switched on

    @property
    def keyed(self) -> bool:
        """What is on air follows from a secret key of 16 bytes; the other kinds show the same value for ever."""
        return self in (CredentialKind.EID, CredentialKind.APP, CredentialKind.RPA)

    @property
    def trackable(self) -> bool:
        """Anybody near can recognise the device again, so the member agrees to a wording of its own."""
        return self in (CredentialKind.UID, CredentialKind.IBEACON, CredentialKind.ALTBEACON)

    @property
    def purpose(self) -> Purpose:
        """The consent that lets this kind of credential be resolved at all."""
        return Purpose.RECOGNISE_NFC if self.tapped else Purpose.RECOGNISE_BLE

    @property
    def tapped(self) -> bool:
        """It is shown to a reader, never heard on the air."""
        return self in _TAPPED


_TAPPED = frozenset(
    {
        CredentialKind.NDEF,
        CredentialKind.SIGNED,
        CredentialKind.SUN,
        CredentialKind.HCE,
        CredentialKind.PASS,
        CredentialKind.CHIP,
    }
)


class Proof(StrEnum):
    """How strongly a tap shows that the true card or phone is there; the decision side limits what a weak one opens."""

    PROVEN = "proven"  # fresh: a key that never leaves the card or phone answered this very tap
    SIGNED = "signed"  # issued by headquarters, but a copy would show the same
    BEARER = "bearer"  # a number: whoever has read it once can show it


class Trouble(StrEnum):
    """Why a tap came to nothing, as far as it helps the person to know."""

    AGAIN = "again"  # left too early, two cards at once, half-written: try again
    UNLOCK = "unlock"  # the phone wants its owner: unlock it, or choose the pass
    REFUSED = "refused"  # what it shows is not accepted: forged, replayed, out of date


class Token(NamedTuple):
    """What a radio frame or tag carried, before anybody knows whose it is. A tuple, because one is made per frame."""

    kind: CredentialKind
    value: bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """A member's way to be recognised.

    Keyed kinds: `secret` is the 16-byte key (identity key, app key, identity resolving key). EID: `exponent` is K
    (0-15), `clock_zero_s` the Unix second at which the beacon's own clock stood at 0. Static kinds: `secret` is the
    keyed hash of the identifier (identity.static_digest); the identifier itself is never kept.
    """

    credential_id: str
    member_id: str
    kind: CredentialKind
    secret: bytes
    exponent: int = 10
    clock_zero_s: int = 0
    offset_s: int = 0  # how far the device's clock was found to be ahead of that


@dataclass(frozen=True, slots=True)
class Sighting:
    """A member's credential heard by a receiver; `credential` tells a member's devices apart, in this process alone."""

    member_id: str
    receiver: str
    rssi_dbm: int
    at_ms: int
    credential: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Guard:
    """What makes one proof count once, also over a restart: `count` must be above the last one kept for `key`.

    `key`: 16-byte keyed hash. `until_ms`: from then on it may be forgotten; None = never.
    """

    key: bytes
    count: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Tap:
    """A card or phone shown to a reader; `member_id` None is a stranger's gesture and carries nothing of theirs.
    `token`: only where somebody with a one-time code waits to have exactly this card or phone bound."""

    member_id: str | None
    reader: str
    at_ms: int
    proof: Proof = Proof.BEARER
    guard: Guard | None = None
    trouble: Trouble | None = None
    token: Token | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TalkingPoint:
    """`category`: of what it is about, "" = none that matters; a sensitive one is never told (core.sensitive)."""

    text: Text
    because: Text
    category: str = ""


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that a member usually takes, with its category as in TalkingPoint."""

    text: str
    category: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A person who opted in, by pseudonym, with the fields HQ sent for this store.

    All but `member_id` and `staff` are profile fields: they are read through gateway.core.gate alone.
    """

    member_id: str
    call_name: str = ""
    language: str = "de"
    interests: tuple[str, ...] = ()
    usual: tuple[str | Habit, ...] = ()
    talking_points: tuple[TalkingPoint, ...] = ()
    staff: bool = False  # a colleague: may carry a phone that is known by its address, and is never a customer
    age: AgeGate = AgeGate.UNKNOWN


@dataclass(frozen=True, slots=True)
class Notice:
    """HQ's privacy notice, in HQ's own words (`text`, as core.notice reads it). Without a whole one nobody is
    recognised."""

    version: str
    controller: str
    contact: str
    notice_id: str = ""
    text: Text = field(default_factory=dict)
    jurisdiction: str = "EU"

    def sha256(self, language: str) -> str:
        """SHA-256 of the UTF-8 text in `language` as 64 hex digits; "" where there is none in it."""
        text = self.text.get(language, "")
        return hashlib.sha256(text.encode()).hexdigest() if text else ""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days the shop keeps what it wrote about members; gateway.retention says what each of them is for."""

    decisions: int = 90  # by pseudonym; then counts without a person
    audit: int = 365
    counts: int = 730
    redemptions: int = 400


@dataclass(frozen=True, slots=True)
class ShopConfig:
    """What HQ decides for the shop; the hardware stays in the local file."""

    store_name: Text = field(default_factory=dict)
    zones: Mapping[str, Text] = field(default_factory=dict)
    notice: Notice | None = None
    without_notice: bool = False  # headquarters means it: nobody is to be recognised, and no trial takes that back
    contacts_per_day: int = 6  # one budget per person over all channels
    contact_gap_ms: int = 120_000  # pause between two unasked contacts
    zone_offer_ms: int = 30_000  # a zone offer stays at most this long
    dialogue_ms: int = 20_000  # idle time after which a dialogue wipes itself
    ask_ms: int = 120_000  # how long a request for advice waits for a colleague
    card_ms: int = 300_000  # how long an accepted card stays open
    sale_ms: int = 120_000  # how long a tap at the till counts for the sale
    bearer_limit_cents: int = 500  # an id that anybody could copy redeems nothing worth more
    join_url: str = ""  # where somebody who is no member yet can become one; "" = the privacy notice
    bind_prefixes: tuple[str, ...] = ()  # a plain NDEF text may be bound only below one of these addresses
    consent_days: int = 0  # how long a consent that is given in the shop counts; 0 = without end
    child_programme: bool = False  # there is something for children, so a member of unknown age may be one
    sensitive: tuple[str, ...] = ()  # categories beside the built-in ones of core.sensitive, which always count
    public_safe: tuple[str, ...] = SAFE  # only these may stand on a public screen because of somebody's presence
    retention: Keep = field(default_factory=Keep)
    stale_days: int = 7  # so long profiles and credentials serve without headquarters; then they are wiped
    restraint: Restraint = field(default_factory=Restraint)
    trial_ms: int = 300_000  # so long a configuration or catalogue may take to show that it is right (core.trial)


class Contact(NamedTuple):
    """One offer this member was shown or answered, for caps and pauses. `asked` = their own gesture caused it;
    `placement`: the screen, tablet or till; `what`: only "shown" uses up the budget of contacts."""

    at_ms: int
    offer_id: str
    asked: bool
    placement: str = ""
    what: Literal["shown", "accepted", "dismissed", "redeemed"] = "shown"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one candidate (an offer id, or "*" for all of them) went on or not, as a stable code."""

    candidate: str
    code: str


@lru_cache(maxsize=REASONS)
def reason(candidate: str, code: str) -> Reason:
    """Of an offer; the same ones come again with each decision and at each place."""
    return Reason(candidate, code)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided and why; `offer_id` None is a "no" with its reasons."""

    decision_id: str
    at_ms: int
    trigger: Literal["zone", "tap"]
    member_id: str
    zone: str
    screen: str
    offer_id: str | None
    reasons: tuple[Reason, ...]
    proof: Proof | None = None  # of the tap that asked; None without one
    choice: Choice | None = None  # how the winner was chosen among equals, where that is learned


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in the past tense: "visit.entered", "decision.made", ..."""

    type: str
    at_ms: int
    body: Mapping[str, object]


# --- what surfaces show -------------------------------------------------------------------------------------

# A member's: offer -> more -> accepted | declined | advice; `nothing` greets without an offer, `welcome` at the door;
# my_data (a code to scan) -> confirm (is this your phone?) -> mine, or my_data -> forget_me (really?).
# take (a code to scan, for the offer) -> taken. `credited` says what a redemption brought in points.
# A stranger's: join -> code (type the one-time code) -> hold (now show the card) -> bound; or one of Trouble.
Step = Literal[
    "offer", "more", "accepted", "declined", "advice", "nothing", "welcome",
    "my_data", "confirm", "mine", "forget_me", "take", "taken", "credited",
    "join", "code", "hold", "bound", "again", "unlock", "refused",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slide:
    """One full-screen message without anything personal in it."""

    slide_id: str
    title: Text
    text: Text
    badge: Text = field(default_factory=dict)
    art: str = "bag"


@dataclass(frozen=True, slots=True)
class DialogueView:
    """The personal dialogue on a public screen after a tap there (L3 only with `call_name`)."""

    dialogue_id: str
    step: Step
    language: str
    call_name: str | None
    slide: Slide | None
    more: Text
    choices: tuple[str, ...]  # of display.path.Choice
    ttl_ms: int
    link: str = field(default="", repr=False)  # the address in the code to scan, "" = none
    digits: str = ""  # "42": what the phone shows that was used to scan it
    points: tuple[int, int] | None = None  # what a redemption just brought or took, and what the member has now


@dataclass(frozen=True, slots=True)
class ScreenContent:
    """All that one screen shows now. Latest wins; sending it twice changes nothing.

    Levels: L0 anonymous loop, L1 by zone, L2 by an opted-in person's presence (nothing personal in it),
    L3 after that person's gesture at this screen.
    """

    level: Literal["L0", "L1", "L2", "L3"]
    slides: tuple[Slide, ...] = ()
    dialogue: DialogueView | None = None
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A request for advice as every tablet sees it: no identifier, no profile.

    State "arrived" is no request: a member who wants to be greeted came in. It opens no card, and it alone has `usual`
    and whether a colleague offered it.
    """

    handshake_id: str
    label: str  # call name where the member allowed it, else "" (the page writes "Guest")
    zone: str
    via: Literal["tap", "screen", "door"]
    asked_at_ms: int
    state: Literal["asked", "open", "arrived"]
    tablet: str | None  # who accepted
    colleagues_near: int = 0  # whose phones were heard in that zone
    usual: tuple[str, ...] = ()
    usual_offered: bool = False


@dataclass(frozen=True, slots=True)
class OfferLine:
    """`why`: sentences by language, why it stands on the card; they leave when a colleague asks for them."""

    offer_id: str
    title: Text
    badge: Text
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    may_take: bool = False  # on the customer's phone
    redeems: bool = False  # at a till: it has a value, a budget or a class


@dataclass(frozen=True, slots=True)
class StaffCard:
    """The only member data that may reach a tablet (allow-list; nothing else is ever serialised)."""

    handshake_id: str
    call_name: str
    language: str
    zone: str
    via: Literal["tap", "screen"]
    asked_at_ms: int
    usual: tuple[str, ...]
    talking_points: tuple[TalkingPoint, ...]
    offers: tuple[OfferLine, ...]
    consents: tuple[str, ...]  # purposes in force
    closes_at_ms: int
    points: int | None = None
    usual_offered: bool = False
