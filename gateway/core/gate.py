"""The gate: which purpose may read which field of a profile. The only way to a field; a "no" has a reason. Pure.

A new field of `Member` gets its line in FIELDS and in docs/gate.md, or nobody can read it.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Generic, TypeVar
from unicodedata import normalize

from gateway.core.consent import Consents, Verdict, may
from gateway.core.eligible import MEMBER, VISIT, fields
from gateway.core.model import AgeGate, Habit, Member, Offer, Purpose, TalkingPoint, Text
from gateway.core.sensitive import aims_at_children, categories, harmless, is_sensitive

T = TypeVar("T")

HEARD = 4_000  # sentences of the catalogue, some 100 bytes each: four texts in two languages of 500 offers

_WORD = re.compile(r"\w+")
# Beside another word of a name these tell nobody's, and they stand in many sentences: whoever is called "Frau von
# Muster" would else see hardly any offer.
_TITLES = frozenset({"frau", "herr", "herrn", "dr", "prof", "mr", "mrs", "ms", "miss", "sir"})
_BETWEEN_NAMES = frozenset({"von", "vom", "zu", "zum", "zur", "der", "den", "dem", "da", "du", "und", "and", "of"})

# What can be a reason to choose an offer for somebody. Being recognised or greeted by name is none, and nothing here
# pushes anything to a phone.
OFFER_PURPOSES = frozenset({Purpose.PERSONALISE_OFFERS, Purpose.PURCHASE_HISTORY, Purpose.GREET_ON_ENTRY})

# What may change a public screen without a gesture (L2). What somebody bought may not: it would tell the room.
PUBLIC_PURPOSES = OFFER_PURPOSES - {Purpose.PURCHASE_HISTORY}

# What may make use of what somebody does in a visit: minutes in zones, taps, answers, segments.
VISIT_PURPOSES = frozenset({Purpose.PERSONALISE_OFFERS})


@dataclass(frozen=True, slots=True)
class No:
    """A field that may not be read now; `reason` is a stable code: "consent.*", "gate.purpose" or "age.under16"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """A field of a profile. `purposes`: who may read it -> everything that must be given for that, itself included.

    `of_children`: also where the member is under 16 and nobody agreed for them.
    """

    name: str
    purposes: Mapping[Purpose, tuple[Purpose, ...]]
    _taken_from: Callable[[Member, frozenset[str]], T]
    of_children: bool = False


def _alone(*purposes: Purpose) -> dict[Purpose, tuple[Purpose, ...]]:
    return {purpose: (purpose,) for purpose in purposes}


def _with(needed: Purpose, *purposes: Purpose) -> dict[Purpose, tuple[Purpose, ...]]:
    return {purpose: (purpose, needed) for purpose in purposes}


def _usual(member: Member, sensitive: frozenset[str]) -> tuple[str, ...]:
    habits = (one if isinstance(one, Habit) else Habit(one) for one in member.usual)
    return tuple(habit.text for habit in habits if not is_sensitive(habit.category, sensitive))


def _points(member: Member, sensitive: frozenset[str]) -> tuple[TalkingPoint, ...]:
    return tuple(point for point in member.talking_points if not is_sensitive(point.category, sensitive))


CALL_NAME: Field[str] = Field(
    "call_name",
    _alone(Purpose.PUBLIC_PERSONAL_GREETING, Purpose.STAFF_ADVICE, Purpose.GREET_ON_ENTRY),
    lambda member, sensitive: member.call_name,
)
LANGUAGE: Field[str] = Field("language", _alone(*Purpose), lambda member, sensitive: member.language, of_children=True)
AGE: Field[AgeGate] = Field("age", _alone(*Purpose), lambda member, sensitive: member.age, of_children=True)
INTERESTS: Field[tuple[str, ...]] = Field(
    "interests",
    _alone(Purpose.PERSONALISE_OFFERS),
    lambda member, sensitive: harmless(member.interests, sensitive),
)
USUAL: Field[tuple[str, ...]] = Field(
    "usual",
    _alone(Purpose.PURCHASE_HISTORY) | _with(Purpose.PURCHASE_HISTORY, Purpose.STAFF_ADVICE, Purpose.GREET_ON_ENTRY),
    _usual,
)
TALKING_POINTS: Field[tuple[TalkingPoint, ...]] = Field(
    "talking_points", _with(Purpose.PERSONALISE_OFFERS, Purpose.STAFF_ADVICE), _points
)

# Kept beside the profile (tables.points), so the field says only that it may be read.
POINTS: Field[bool] = Field(
    "points", _alone(Purpose.PUBLIC_PERSONAL_GREETING, Purpose.STAFF_ADVICE), lambda member, sensitive: True
)

FIELDS: dict[str, Field[Any]] = {
    field.name: field for field in (CALL_NAME, LANGUAGE, AGE, INTERESTS, USUAL, TALKING_POINTS, POINTS)
}


class Profile:
    """A member behind the gate: the pseudonym, whether it is a colleague, the consents, and `read` for all else.

    `sensitive`: the categories that count in this shop; what has one of them is left out of whatever is read.
    """

    __slots__ = ("_sensitive", "_telling", "_unguarded", "consents", "member_id", "staff")

    def __init__(self, member: Member, consents: Consents, sensitive: frozenset[str] = categories()) -> None:
        self.member_id = member.member_id
        self.staff = member.staff
        self.consents = consents
        self._unguarded = member
        self._sensitive = sensitive
        self._telling: frozenset[str] | None = None  # the words of the name, once something was compared with it

    def may(self, purpose: Purpose, now_ms: int) -> Verdict:
        """Whether the member's data may be used for `purpose` at `now_ms`."""
        return may(purpose, self.consents, now_ms)

    def read(self, field: Field[T], purpose: Purpose, now_ms: int) -> T | No:
        """The field for this purpose at `now_ms`, without anything sensitive; or why not."""
        needed = field.purposes.get(purpose)
        if needed is None:
            return No("gate.purpose")
        for one in needed:
            verdict = may(one, self.consents, now_ms)
            if not verdict.ok:
                return No(verdict.reason)
        if self._unguarded.age is AgeGate.UNDER_16 and not field.of_children:
            return No("age.under16")
        return field._taken_from(self._unguarded, self._sensitive)

    def read_or(self, otherwise: T, field: Field[T], purpose: Purpose, now_ms: int) -> T:
        """The same, with `otherwise` in place of a no."""
        found = self.read(field, purpose, now_ms)
        return otherwise if isinstance(found, No) else found

    def may_be_named_among(self, words: frozenset[str]) -> bool:
        """Whether `is_named_in` may be true of texts whose words (`words_of`) are all among these."""
        telling = self._words_of_name()
        return not telling.isdisjoint(words) or any(_WORD.fullmatch(word) is None for word in telling)

    def _words_of_name(self) -> frozenset[str]:
        if self._telling is None:
            self._telling = frozenset(_telling(self._unguarded.call_name.strip()))
        return self._telling

    def is_named_in(self, *texts: Text) -> bool:
        """Whether one of these texts says a word of the call name: a safeguard, and it gives nothing away."""
        words = self._words_of_name()
        for text in texts if words else ():
            for sentence in text.values():
                heard = _heard(sentence)
                for word in words:
                    if word in heard and _says(heard, word):  # the former is quick and almost always the answer
                        return True
        return False

    def own(self, field: Field[T]) -> T:
        """The field for the person themself, also what is sensitive: access to one's own data needs no purpose."""
        return field._taken_from(self._unguarded, frozenset())

    def digest(self) -> str:
        """16 hex digits that are equal for equal profiles and consents in force. Of what is personal, so it is kept
        sealed only."""
        granted = sorted((one.purpose, one.event_id, one.state, one.hq_seq) for one in self.consents.values())
        return sha256(_DIGESTED.encode([self._unguarded, granted]).encode()).hexdigest()[:16]

    def for_the_person(self) -> dict[str, Any]:
        """All of it as JSON has it, for the person themself alone, as `own`."""
        return asdict(self._unguarded)


def _fields_of(value: Any) -> dict[str, Any]:
    """What JSON shall have of a dataclass, one level of it, or of another mapping than a dict."""
    if not is_dataclass(value):
        return {**value}
    return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}


# Kept, and without a copy of everything first, because each decision writes down a profile's digest.
_DIGESTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_fields_of)


def may_follow(profile: Profile, now_ms: int) -> bool:
    """Whether what this member does in a visit may be remembered while it lasts, and be a reason to choose an offer.

    Never of colleagues, and never of a child for whom nobody agreed.
    """
    age = profile.read(AGE, Purpose.PERSONALISE_OFFERS, now_ms)
    if profile.staff or age is AgeGate.UNDER_16:
        return False
    return all(profile.may(purpose, now_ms).ok for purpose in VISIT_PURPOSES)


def words_of(texts: Iterable[Text]) -> frozenset[str]:
    """All words of these texts, plain."""
    return frozenset(word for text in texts for sentence in text.values() for word in _WORD.findall(_heard(sentence)))


def _telling(name: str) -> set[str]:
    """The words of a name that tell whose it is; all of it if it has none, and nothing of an empty one."""
    if not name:
        return set()
    plain = _plain(name)
    words = set(_WORD.findall(plain))
    return words - _TITLES - _BETWEEN_NAMES or words or {plain}


def _plain(text: str) -> str:
    """Without capitals, accents composed (Unicode, section 3.13); the former can take a letter apart again."""
    return normalize("NFC", normalize("NFC", text).casefold())


@lru_cache(maxsize=HEARD)
def _heard(sentence: str) -> str:
    """The same of a sentence of the catalogue, which is asked about again and again; never of a name."""
    return _plain(sentence)


def _says(sentence: str, name: str) -> bool:
    """Whether `name` is a word of `sentence`, both plain. No pattern is made of it: `re` keeps those."""
    at = sentence.find(name)
    while at >= 0:
        before, after = sentence[:at][-1:], sentence[at + len(name) :][:1]
        if not (_is_of_a_word(before) or _is_of_a_word(after)):
            return True
        at = sentence.find(name, at + 1)
    return False


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def references(offer: Offer) -> frozenset[str]:
    """The names of the profile fields that the offer's rule reads to say whom it fits."""
    named = set()
    if offer.audience == "members":
        asked = fields(offer.eligibility)
        named |= {name.removeprefix(MEMBER) for name in asked if name.startswith(MEMBER)}
        if offer.interests:
            named.add(INTERESTS.name)
        if aims_at_children(offer.category):
            named.add(AGE.name)
    return frozenset(named)


def overreach(offer: Offer) -> str | None:
    """The first thing about the offer that reaches too far: "purpose" itself, or a field that its purpose may not read
    ("visit" for any field of the visit).

    Such an offer is refused wherever it is loaded.
    """
    if offer.purpose not in OFFER_PURPOSES:
        return "purpose"
    if offer.purpose not in VISIT_PURPOSES and any(name.startswith(VISIT) for name in fields(offer.eligibility)):
        return "visit"
    return next((name for name in sorted(references(offer)) if offer.purpose not in FIELDS[name].purposes), None)
