"""The page of an export: all of it, in the member's language, and nothing of it is markup."""

import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.core.basket import Basket, Scan
from gateway.core.gs1 import Item
from gateway.core.model import (
    AgeGate,
    ClockQuality,
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    CredentialKind,
    Decision,
    Event,
    Guard,
    Habit,
    Member,
    Notice,
    Offer,
    Purpose,
    Reason,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.points import PointsStep
from gateway.core.redemption import Redemption, State, Step, Times
from gateway.core.usual import Bought, Product, Purchases
from gateway.export import COVERED, export, schema
from gateway.pagewords import ANSWERS
from gateway.readable import readable
from gateway.records import Tx
from gateway.tables.rows import FLOOR

NOW_MS = 1_800_000_000_000

DATA: dict[str, Any] = {
    "format": "store-gateway export 1",
    "made_at_ms": 1_800_000_000_000,
    "member_id": "m-1",
    "shop": {"de": "Feinkost Muster", "en": "Muster Fine Foods"},
    "controller": "Muster <GmbH>",
    "contact": "privacy@muster.example",
    "notice_version": "7",
    "profile": {"call_name": "<script>alert(1)</script>", "interests": ["tee & mehr"], "staff": False, "age": None},
    "consents": [{"purpose": "staff_advice", "state": "withdrawn", "given_at_ms": 0, "made_up_field": "x"}],
    "decisions": [{"reasons": [{"code": "chosen", "words": {"de": "Es passte.", "en": "It fitted."}}]}],
    "views": [],
    "about": {"profile": {"purpose": {"de": "Ansprache", "en": "greeting"}, "source": {}, "kept": {}}},
    "of_2030": [{"at_ms": 10**18}],
    "elsewhere": {"de": "Sonst bei der Zentrale.", "en": "Headquarters has more."},
}


class Reader(HTMLParser):
    """Counts elements and collects the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The shop stands in Berlin."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def full(tx: Tx) -> dict[str, Any]:
    """The export of a member about whom every table has something, with every value of every enumeration."""
    zones = {"z1": {"de": "Kaffeeregal", "en": "Coffee shelf"}}
    tx.put_shop(
        ShopConfig({"de": "Muster", "en": "Muster"}, zones, Notice("7", "Muster GmbH", "privacy@muster.example"))
    )
    tx.put_offer(Offer("o1", {"de": "Espresso", "en": "Espresso"}, {}))
    tx.put_meta(FLOOR, "5")
    words = {"de": "Die Ernte ist da", "en": "The harvest is here"}
    usual = ("Espresso", Habit("Pulver", "medicine"))
    tx.put_member(
        Member("m1", "Ada", "de", ("coffee",), usual, (TalkingPoint(words, words, "x"),), True, AgeGate.GUARDIAN)
    )
    for kind in CredentialKind:
        tx.put_credential(Credential(f"C{kind.name}", "m1", kind, bytes(16), 10, 5, 3))
    ages, clocks = [*AgeGate] * 2, [*ClockQuality] * 3
    channels = ("tablet", "web", "screen", "app", "paper", "hq", "operator", "unknown")
    methods = ("toggle", "touch", "signature", "operator", "import", "unknown", "toggle", "toggle")
    for n, purpose in enumerate(Purpose):
        for state in ConsentState:
            record = ConsentRecord(
                f"E{n}{state.name}", "m1", purpose, state, NOW_MS - 1000, NOW_MS + 1000, n + 1, "7", channels[n], "R1",
                "E0", "customers", "ab" * 32, "de", "EU", methods[n], "T1", "acme/munich/gw", "S1", ages[n], clocks[n],
            )  # fmt: skip
            tx.add_consent(record)
    for reason in ("future", "unknown_purpose", "unknown_state", "fields", "differs", "notice"):
        tx.park(f"U{reason.upper()}", "m1", reason, json.dumps({"member_id": "m1", "given_at_ms": 5}), True, NOW_MS)
    reasons = (Reason("o1", "chosen"), Reason("o2", "ranked_lower"), Reason("o3", "not_public_safe"))
    tx.record(Decision("D1", NOW_MS, "tap", "m1", "z1", "Bar", "o1", reasons))
    tx.record(Decision("D2", NOW_MS, "zone", "m1", "z1", "Bar", None, (Reason("*", "consent.not_given"),)))
    for n, what in enumerate(("shown", "accepted", "dismissed", "redeemed")):
        tx.note_contact("m1", f"D{n}", Contact(NOW_MS, "o1", True, "Bar", what))
    bought = tuple(Bought(NOW_MS, here, ("P1", "P2")) for here in (True, False))
    tx.store_purchases("m1", Purchases((Product("P1", "Brot", "bread", 5), Product("P2", "Milch")), bought), NOW_MS)
    for n, state in enumerate(State):
        cents = 50 if state is State.REVERSED else 0
        one = Redemption(f"R{n}", "o1", "Till1", 250, NOW_MS, "m1", state=state, reversed_cents=cents, receipt="4711")
        tx.save_redemption(Step(one, state, 250), Times(NOW_MS, NOW_MS, NOW_MS))
    tx.add_points(PointsStep("r-1.2", "m1", 15, "r-1"), 1, NOW_MS)
    for actor in ("tablets", "tablet:T1", "screen:Bar", "web:Bar", "operator", "member"):
        detail = {"handshake_id": "H1", "arrival_id": "A1", "zone": "z1", "via": "tap"}
        tx.audit(NOW_MS, "m1", actor, "advice.asked", detail, [Purpose.STAFF_ADVICE])
    tx.audit(NOW_MS, "m1", "operator", "consent.chosen", "marketing_push,recognise_ble")
    tx.emit(Event("visit.entered", NOW_MS, {"member_id": "m1", "zone": "z1", "visit_id": "V1"}))
    tx.emit(Event("consent.recorded", NOW_MS, {"member_id": "m1", "purpose": "greet_on_entry", "state": "withdrawn"}))
    tx.admit("m1", Guard(b"a" * 16, 17))
    tx.admit("m1", Guard(b"b" * 16, 18, NOW_MS))
    scanned = Basket("K1", "m1", (Scan("S9", Item("04006381333931"), 2),), ("o1",))
    tx.open_basket(scanned, b"k" * 16, NOW_MS + 60_000)
    tx.put_binding("B1", "m1", b"c" * 16, NOW_MS + 60_000)
    memory = {"zone": "z1", "visit_id": "V1", "screens": ["Bar"], "request": "asked", "announced": True}
    return export(tx, "m1", NOW_MS, memory | {"announced_at_ms": NOW_MS, "till": "Till1"})


def keys_and_values() -> set[str]:
    """Every name and every word of an enumeration that an export can hold."""
    found: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            found.update(part.get("properties", ()))
            for value in part.values():
                walk(value)

    walk(schema())
    found.update(ConsentRecord.__dataclass_fields__, Member.__dataclass_fields__)
    for values in (Purpose, ConsentState, AgeGate, ClockQuality, CredentialKind, State, ANSWERS):
        found.update(values)
    found.update(("toggle", "touch", "import", "operator", "advice.asked", "consent.chosen", "visit.entered"))
    return found | {
        "audit.viewed",
        "consent.recorded",
        "unknown_purpose",
        "not_public_safe",
        "tablets",
        "z1",
        "medicine",
    }


@pytest.mark.parametrize("language", ["de", "en"])
def test_of_a_full_export_no_key_and_no_value_is_left_untranslated(full: dict[str, Any], language: str) -> None:
    assert all(full[section] for section in COVERED.values()), "this test fills every section"
    text = " ".join(Reader(readable(full, language)).words)
    names = {name for name in keys_and_values() if re.search(r"[_.\d]", name) or language == "de"}
    names -= {"app", "pass"}  # an app is an app in German, and a part of "App" in no other sense
    assert {"hq_seq", "notice_sha256", "16plus", "marketing_push", "audit.viewed"} <= names
    left = {word.strip(".,:;()") for word in re.split(r"\s+", text)} & names
    assert left == set()
    plain = {"given", "doubtful", "withdrawn", "unknown", "ndef", "eid"}
    assert not plain & set(re.findall(r"[a-z]+", text)) - ({"given", "withdrawn"} if language == "en" else set())
    assert "keine Angabe" not in text
    assert "not given" not in text


def test_an_act_that_came_back_from_headquarters_is_shown_once(tx: Tx) -> None:
    tx.put_member(Member("m1"))
    made = {"event_id": "E1", "purpose": "staff_advice", "state": "given", "given_at_ms": NOW_MS, "channel": "tablet"}
    page = Reader(readable({"consents": [made | {"hq_seq": 0}, made | {"hq_seq": 9}]}, "de"))
    assert [word for word in page.words if word.startswith("Beratung")] == [
        "Beratung: erlaubt, 15.01.2027, 09:00:00 MEZ, auf einem Tablet im Laden"
    ]


def test_a_consent_a_view_and_a_decision_are_one_line_each(full: dict[str, Any]) -> None:
    words = Reader(readable(full, "de")).words
    assert (
        "Erkennen per Bluetooth: erlaubt, 15.01.2027, 08:59:59 MEZ, auf einem Tablet im Laden, Hinweis 7, "
        "gilt bis 15.01.2027, 09:00:01 MEZ"
    ) in words
    assert (
        "15.01.2027, 09:00:00 MEZ: Einwilligungen gewählt, Betreiber der Box (Nachrichten, Erkennen per Bluetooth)"
        in words
    )
    chosen = next(word for word in words if "„Espresso“" in word)
    assert chosen.startswith("15.01.2027, 09:00:00 MEZ, Kaffeeregal, beim Anhalten der Karte: „Espresso“. Es passte")
    assert "Andere Angebote: Ein anderes Angebot stand davor (1), " in chosen


def test_answers_purchases_and_redemptions_are_one_line_each(full: dict[str, Any]) -> None:
    at = "15.01.2027, 09:00:00 MEZ"
    words = Reader(readable(full, "de")).words
    assert f"{at}, Bar: „Espresso“, angenommen" in words
    assert f"{at}, in diesem Laden: Brot, Milch" in words
    assert f"{at}, in einem anderen Laden: Brot, Milch" in words
    assert f"{at}, Kasse Till1: „Espresso“, eingelöst, 250 Cent, Bon 4711" in words
    assert f"{at}, Kasse Till1: „Espresso“, zurückgenommen, 250 Cent, davon zurückgenommen 50 Cent, Bon 4711" in words


def test_times_are_the_shops_with_its_zone() -> None:
    summer_ms = 1_783_000_000_000
    assert "02.07.2026, 15:46:40 MESZ" in Reader(readable({"made_at_ms": summer_ms}, "de")).words
    assert "2026-07-02, 15:46:40 CEST" in Reader(readable({"made_at_ms": summer_ms}, "en")).words


def test_whatever_stands_in_a_profile_is_text() -> None:
    page = Reader(readable(DATA, "de"))
    assert page.open == []
    assert set(page.tags) <= {"article", "section", "h1", "h2", "dl", "dt", "dd", "ul", "li", "p"}
    assert "<script>alert(1)</script>" in page.words
    assert "Muster <GmbH>" in page.words


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", ["Rufname", "Beratung: zurückgenommen", "Es passte.", "Feinkost Muster", "Wozu: Ansprache."]),
        ("en", ["The name you gave us", "Advice: withdrawn", "It fitted.", "Muster Fine Foods", "What for: greeting."]),
        ("fr", ["The name you gave us", "Headquarters has more."]),
    ],
)
def test_it_speaks_the_members_language(language: str, said: list[str]) -> None:
    text = "\n".join(Reader(readable(DATA, language)).words)
    for one in said:
        assert one in text, one


def test_nothing_is_left_out_because_nobody_has_a_word_for_it() -> None:
    words = Reader(readable(DATA, "en")).words
    assert {"made_up_field", "x", "of_2030", f"at_ms {10**18} ms"} <= set(words)
    assert "Nothing is stored under: Who has seen or used this data." in words
    assert "2027-01-15, 09:00:00 CET" in words
    assert "Advice: withdrawn, 1970-01-01, 01:00:00 CET" in words
