"""The gate: each purpose opens exactly its fields, none opens none, and there is no other way to a field."""

import ast
import hashlib
import json
import re
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from gateway.core.eligible import parse
from gateway.core.gate import (
    AGE,
    CALL_NAME,
    FIELDS,
    INTERESTS,
    LANGUAGE,
    OFFER_PURPOSES,
    PUBLIC_PURPOSES,
    TALKING_POINTS,
    USUAL,
    No,
    Profile,
    may_follow,
    overreach,
    references,
)
from gateway.core.model import AgeGate, ConsentRecord, ConsentState, Habit, Member, Offer, Purpose, TalkingPoint
from gateway.core.sensitive import categories
from tests.rigs import reach

ROOT = Path(__file__).parents[1]
NOW_MS = 1_000_000
TEXT = {"de": "Hallo", "en": "Hello"}
POINT = TalkingPoint(TEXT, TEXT)
AT_WINE = parse({"at_least": ["visit.minutes.wine", 5]})
MEMBER = Member("m1", "Mia", "en", ("tea",), ("Espresso", Habit("Toast")), (POINT,), age=AgeGate.OVER_16)
VALUES = {
    "call_name": "Mia",
    "language": "en",
    "age": AgeGate.OVER_16,
    "interests": ("tea",),
    "usual": ("Espresso", "Toast"),
    "talking_points": (POINT,),
    "points": True,  # the balance itself is kept beside the profile
}


def given(*purposes: Purpose, **more: object) -> dict[Purpose, ConsentRecord]:
    record = ConsentRecord("e", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 1, hq_seq=1)
    return {purpose: replace(record, purpose=purpose, **more) for purpose in purposes}


def profile(*purposes: Purpose, member: Member = MEMBER, added: tuple[str, ...] = ()) -> Profile:
    return Profile(member, given(*purposes), categories(added))


def opened(one: Profile) -> set[tuple[str, Purpose]]:
    """Every field with every purpose that gets its value; what gets something else fails."""
    found = set()
    for name, field in FIELDS.items():
        for purpose in Purpose:
            value = one.read(field, purpose, NOW_MS)
            if not isinstance(value, No):
                assert value == VALUES[name]
                found.add((name, purpose))
    return found


def test_without_any_consent_no_field_opens() -> None:
    assert opened(profile()) == set()


@pytest.mark.parametrize("purpose", Purpose)
def test_a_purpose_alone_opens_exactly_its_fields(purpose: Purpose) -> None:
    expected = {
        Purpose.PERSONALISE_OFFERS: {"interests"},
        Purpose.PUBLIC_PERSONAL_GREETING: {"call_name", "points"},
        Purpose.STAFF_ADVICE: {"call_name", "points"},
        Purpose.GREET_ON_ENTRY: {"call_name"},
        Purpose.PURCHASE_HISTORY: {"usual"},
    }
    assert opened(profile(purpose)) == {(name, purpose) for name in expected.get(purpose, set()) | {"language", "age"}}


def test_some_fields_need_a_second_consent() -> None:
    staff, history, offers = Purpose.STAFF_ADVICE, Purpose.PURCHASE_HISTORY, Purpose.PERSONALISE_OFFERS
    assert profile(staff, history).read(USUAL, staff, NOW_MS) == ("Espresso", "Toast")
    assert profile(staff).read(USUAL, staff, NOW_MS) == No("consent.not_given")
    assert profile(history).read(USUAL, staff, NOW_MS) == No("consent.not_given")
    assert profile(staff, offers).read(TALKING_POINTS, staff, NOW_MS) == (POINT,)
    assert profile(staff, offers).read(TALKING_POINTS, offers, NOW_MS) == No("gate.purpose")


def test_all_consents_open_what_the_table_says_and_no_more() -> None:
    assert opened(profile(*Purpose)) == {(name, purpose) for name, one in FIELDS.items() for purpose in one.purposes}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"state": ConsentState.WITHDRAWN}, "consent.withdrawn"),
        ({"state": ConsentState.REFUSED}, "consent.refused"),
        ({"valid_until_ms": NOW_MS}, "consent.expired"),
        ({"given_at_ms": NOW_MS + 1}, "consent.from_the_future"),
    ],
)
def test_a_no_says_why(more: dict[str, object], reason: str) -> None:
    one = Profile(MEMBER, given(*Purpose, **more))
    assert opened(one) == set()
    assert one.read(CALL_NAME, Purpose.STAFF_ADVICE, NOW_MS) == No(reason)
    assert one.read_or("nobody", CALL_NAME, Purpose.STAFF_ADVICE, NOW_MS) == "nobody"


def test_sensitive_things_are_left_out_of_whatever_is_read() -> None:
    wine = replace(POINT, category="alcohol.wine")
    member = replace(
        MEMBER,
        interests=("Pharmacy", "tea", "fishing"),
        usual=(Habit("Chianti", "alcohol.wine"), Habit("Bait", "fishing"), "Toast"),
        talking_points=(wine, POINT, replace(POINT, category="fishing")),
    )
    one = profile(*Purpose, member=member, added=("fishing",))
    assert one.read(INTERESTS, Purpose.PERSONALISE_OFFERS, NOW_MS) == ("tea",)
    assert one.read(USUAL, Purpose.STAFF_ADVICE, NOW_MS) == ("Toast",)
    assert one.read(TALKING_POINTS, Purpose.STAFF_ADVICE, NOW_MS) == (POINT,)
    built_in = profile(*Purpose, member=member)
    assert built_in.read(USUAL, Purpose.STAFF_ADVICE, NOW_MS) == ("Bait", "Toast")


def test_a_child_whom_nobody_allowed_has_no_profile() -> None:
    one = profile(*Purpose, member=replace(MEMBER, age=AgeGate.UNDER_16))
    assert one.read(LANGUAGE, Purpose.RECOGNISE_NFC, NOW_MS) == "en"
    assert one.read(AGE, Purpose.PERSONALISE_OFFERS, NOW_MS) == AgeGate.UNDER_16
    for field in (CALL_NAME, USUAL, TALKING_POINTS):
        assert one.read(field, Purpose.STAFF_ADVICE, NOW_MS) == No("age.under16")
    assert one.read(INTERESTS, Purpose.PERSONALISE_OFFERS, NOW_MS) == No("age.under16")
    allowed = profile(*Purpose, member=replace(MEMBER, age=AgeGate.GUARDIAN))
    assert allowed.read(CALL_NAME, Purpose.STAFF_ADVICE, NOW_MS) == "Mia"


def test_a_name_is_found_as_a_word() -> None:
    one = profile()
    assert one.is_named_in(TEXT, {"de": "Hallo, MIA!"})
    assert not one.is_named_in(TEXT, {"en": "A miasma over Miami"})
    assert not profile(member=replace(MEMBER, call_name=" ")).is_named_in({"de": "  "})
    assert profile(member=replace(MEMBER, call_name="J. (r)")).is_named_in({"de": "Für j. (R) allein"})


@pytest.mark.parametrize(
    ("name", "said", "named"),
    [
        ("Zoe\u0308", "Nur für Zo\u00eb: Kaffee", True),  # the accent as a character of its own, and within the letter
        ("Zo\u00eb", "Nur für ZOE\u0308: Kaffee", True),
        ("\u01f0ia", "Für J\u030cIA", True),  # without its capital it has no composed form
        ("Mia Muster", "Nur für Mia: Kaffee", True),
        ("Mia Muster", "Nur für Familie Muster", True),
        ("Mia-Sophie", "Sophie, hier ist Kaffee", True),
        ("Mia", "Hallo Mia-Sophie", True),
        ("Mia Muster", "Nach Musterart", False),
        ("Frau Dr. von Muster", "Der Duft von Kaffee, für Frau und Mann", False),
        ("Frau Dr. von Muster", "Kaffee für MUSTER", True),
        ("Du", "Du und Kaffee", True),  # all of a name counts, whatever it is
        ("\U0001f98a", "Nur für \U0001f98a: Kaffee", True),
        ("\U0001f98a", "Nur für Mia: Kaffee", False),
    ],
)
def test_a_word_of_a_name_is_enough_however_it_is_written(name: str, said: str, named: bool) -> None:
    one = profile(member=replace(MEMBER, call_name=name))
    assert one.is_named_in(TEXT, {"de": said}) is named


def test_a_profile_shows_nothing_of_the_member_in_a_log() -> None:
    assert "Mia" not in repr(profile(*Purpose))


def test_the_person_themself_gets_all_of_it() -> None:
    assert set(profile().for_the_person()) == {field.name for field in fields(Member)}
    assert profile().for_the_person()["call_name"] == "Mia"
    hidden = profile(member=replace(MEMBER, usual=(Habit("Chianti", "alcohol"),), age=AgeGate.UNDER_16))
    assert (hidden.own(CALL_NAME), hidden.own(USUAL)) == ("Mia", ("Chianti",))


def test_every_profile_field_stands_behind_the_gate() -> None:
    assert set(FIELDS) == {field.name for field in fields(Member)} - {"member_id", "staff"} | {"points"}


# --- rules of offers ------------------------------------------------------------------------------------------


def offer(**more: object) -> Offer:
    return replace(Offer("o1", TEXT, TEXT), **more)


@pytest.mark.parametrize(
    ("one", "reads", "too_far"),
    [
        (offer(), set(), None),
        (offer(interests=("tea",)), {"interests"}, None),
        (offer(interests=("tea",), audience="everyone", purpose=Purpose.GREET_ON_ENTRY), set(), None),
        (offer(interests=("tea",), purpose=Purpose.GREET_ON_ENTRY), {"interests"}, "interests"),
        (offer(interests=("tea",), purpose=Purpose.PURCHASE_HISTORY), {"interests"}, "interests"),
        (offer(category="children.toys", purpose=Purpose.GREET_ON_ENTRY), {"age"}, None),
        (offer(category="children", interests=("toys",)), {"age", "interests"}, None),
        (offer(eligibility=AT_WINE), set(), None),
        (offer(eligibility=AT_WINE, purpose=Purpose.PURCHASE_HISTORY), set(), "visit"),
        (offer(eligibility=AT_WINE, purpose=Purpose.GREET_ON_ENTRY), set(), "visit"),
        (offer(purpose=Purpose.RECOGNISE_BLE), set(), "purpose"),
        (offer(purpose=Purpose.PUBLIC_PERSONAL_GREETING), set(), "purpose"),
    ],
)
def test_a_rule_may_read_what_its_purpose_may(one: Offer, reads: set[str], too_far: str | None) -> None:
    assert references(one) == reads
    assert overreach(one) == too_far


def test_what_somebody_bought_causes_nothing_on_a_public_screen() -> None:
    assert PUBLIC_PURPOSES < OFFER_PURPOSES
    assert not any(USUAL.purposes.get(purpose) == (purpose,) for purpose in PUBLIC_PURPOSES)


# --- the table and the source ---------------------------------------------------------------------------------


def test_the_page_shows_the_table_of_the_code() -> None:
    text = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
    head, rows = re.search(r"^(\| field .*)\n\|[-| ]+\n((?:\| `.*\n)+)", text, re.MULTILINE).groups()
    purposes = re.findall(r"`(\w+)`", head)
    assert sorted(purposes) == sorted(Purpose)
    shown = {}
    for row in rows.splitlines():
        name, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        assert len(cells) == len(purposes)
        shown[name.strip("`")] = {
            purpose: {purpose, *re.findall(r"`(\w+)`", cell)}
            for purpose, cell in zip(purposes, cells, strict=True)
            if cell.startswith("yes")
        }
        assert all(cell == "no" or cell.startswith("yes") for cell in cells)
    assert shown == {
        name: {purpose.value: {one.value for one in needed} for purpose, needed in field.purposes.items()}
        for name, field in FIELDS.items()
    }


THE_GATE = ROOT / "gateway/core/gate.py"
WRITES = ("gateway/tables/members.py", "asdict(member)")  # into the member's own row
STORES_THEM = {
    WRITES,
    ("gateway/records.py", "member.age"),  # of a child whom nobody allowed no profile is kept
    ("gateway/records.py", "member.language"),
    ("gateway/apply.py", "member.age"),
    ("gateway/switching.py", "member.age"),  # of a snapshot's member, as of one who came in a change
}
INVENTED = {"gateway/bench_gate.py"}  # measures with members who do not exist
OWN_ACCESS = {
    "gateway/acts.py",
    "gateway/export.py",
}  # what a person is shown of theirs


@cache
def sources() -> dict[Path, ast.Module]:
    paths = [path for package in ("gateway", "display") for path in sorted((ROOT / package).rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def names() -> reach.Sources:
    return reach.Sources(sources().values())


def test_nothing_reaches_a_profile_field_but_the_gate() -> None:
    trees, found = sources(), names()
    assert {"member", "Member"} <= found.functions
    assert "MemberPut" in found.classes
    hits = {
        (str(path.relative_to(ROOT)), text)
        for path, tree in trees.items()
        if path != THE_GATE
        for _, text in reach.found(tree, found)
    }
    assert WRITES in hits
    assert hits <= STORES_THEM
    assert reach.found(trees[THE_GATE], found), "the search finds the one place that may"


def test_all_of_a_profile_is_given_to_the_person_alone() -> None:
    asked = {
        str(path.relative_to(ROOT))
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if path != THE_GATE and isinstance(node, ast.Attribute) and node.attr in ("for_the_person", "own")
    }
    assert asked <= OWN_ACCESS | INVENTED


@pytest.mark.parametrize(
    "planted",
    [
        "def peek(tx: Tx) -> str:\n    member = tx.member('m')\n    return member.call_name if member else ''",
        "def peek(tx: Tx) -> object:\n    return tx.member('m').usual",
        "def peek(members: 'list[ Member ]') -> object:\n    return [one.interests for one in members]",
        "def peek(all: dict[str, Member]) -> object:\n    return all.get('m').talking_points",
        "def peek(tx: Tx) -> object:\n    if (one := tx.member('m')) is not None:\n        return one.age",
        "async def peek(store: Store) -> object:\n    one = await store.run(lambda tx: tx.member('m'))\n"
        "    return one.language",
        "def peek(change: Change) -> object:\n    match change:\n        case MemberPut(found):\n"
        "            return found.language",
        "def peek(put: MemberPut) -> object:\n    return put.member.call_name",
        "def peek(one: object) -> object:\n    match one:\n        case Member(call_name=it):\n            return it",
        "def peek(one: Member | None) -> object:\n    return getattr(one, 'call' + '_name')",
        "def peek(one: Member) -> object:\n    other = replace(one, staff=True)\n    return asdict(other)",
        "def peek(one: Member) -> str:\n    return f'{one}'",
        "def peek(profile: Profile) -> object:\n    return profile._unguarded.usual",
        "def peek(profile: Profile) -> object:\n    return CALL_NAME._taken_from(profile)",
    ],
)
def test_a_planted_reach_is_found(planted: str) -> None:
    found = names()
    advice = (ROOT / "gateway/advice.py").read_text(encoding="utf-8")
    assert reach.found(ast.parse(advice), found) == []
    assert reach.found(ast.parse(f"{advice}\n{planted}\n"), found) != []


def test_what_may_be_read_is_no_alarm() -> None:
    found = names()
    innocent = "def fine(one: Member, card: StaffCard) -> object:\n    return one.member_id, one.staff, card.call_name"
    assert reach.found(ast.parse(innocent), found) == []


def test_only_who_agreed_and_is_neither_colleague_nor_child_is_followed_in_a_visit() -> None:
    assert may_follow(profile(Purpose.PERSONALISE_OFFERS), NOW_MS)
    others = [purpose for purpose in Purpose if purpose is not Purpose.PERSONALISE_OFFERS]
    assert not may_follow(profile(*others), NOW_MS)
    for more in ({"staff": True}, {"age": AgeGate.UNDER_16}):
        assert not may_follow(profile(*Purpose, member=replace(MEMBER, **more)), NOW_MS)


@for_all(
    st.builds(
        Member,
        st.text("am-1", min_size=1),
        st.text(max_size=5),
        interests=st.lists(st.text("ü b", max_size=3)).map(tuple),
        usual=st.lists(st.one_of(st.text("x", max_size=2), st.builds(Habit, st.text("y"), st.text("z")))).map(tuple),
        staff=st.booleans(),
        age=st.sampled_from(AgeGate),
    ),
    st.booleans(),
)
def test_a_digest_is_of_all_that_json_says_of_a_profile(member: Member, given_something: bool) -> None:
    """As decisions of earlier releases have it, or all of them would seem to be of another profile."""
    record = ConsentRecord("e1", member.member_id, Purpose.PERSONALISE_OFFERS, ConsentState.GIVEN, 1, hq_seq=3)
    consents = {record.purpose: record} if given_something else {}
    granted = [(record.purpose, "e1", record.state, 3)] if given_something else []
    text = json.dumps([asdict(member), granted], sort_keys=True, separators=(",", ":"), default=dict)
    assert Profile(member, consents).digest() == hashlib.sha256(text.encode()).hexdigest()[:16]
