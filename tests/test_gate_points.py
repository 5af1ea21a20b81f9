"""Points 6, 10, 12, 13 and 22 of the privacy checklist, on a whole shop; each is shown to fail when its rule is broken.

Point 9 is tests/test_public.py. Of point 13 the gate's own rule is in tests/test_gate.py.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core import gate, offers
from gateway.core.changes import Change, ConfigPut, MemberPut, OfferDrop, OfferPut
from gateway.core.consent import Verdict
from gateway.core.gate import Profile
from gateway.core.model import AgeGate, Habit, Member, Offer, Purpose, ShopConfig, TalkingPoint
from gateway.decisions import Decisions
from tests.rigs.points import Break, Point, each_break, each_point, fails
from tests.rigs.shop import TEXT, basics, member, open_shop


async def effects(folder: Path, *changes: Change, name: str = "mia") -> set[str]:
    """What one member's way through a shop brings: by the door, past the shelf, a tap, a request for advice."""
    shop = await open_shop(folder, *changes)
    found = set()
    await shop.tap(name, "door-nfc")
    found |= {f"{entry.state} {entry.label}" for entry in shop.walls.entries}
    await shop.tick(130_000)
    await shop.stand(name, "coffee-ble")
    found |= {f"{entry.state} {entry.label}" for entry in shop.walls.entries}
    found |= {"visit" for kind in await shop.types() if kind == "visit.entered"}
    content = shop.walls.screens["bar"]
    found |= {f"passing {slide.slide_id}" for slide in content.slides if content.level == "L2"}
    await shop.tick(130_000)
    await shop.tap(name, "coffee-nfc")
    view = shop.walls.screens["bar"].dialogue
    if view is not None and view.step != "join":
        found |= {"known", f"said {view.slide.slide_id}" if view.slide else "nothing to say"}
        found |= {"called by name"} if view.call_name else set()
    await shop.tap(name, "advice-nfc")
    for entry in shop.walls.entries:
        found |= {f"{entry.state} {entry.label}"}
        await shop.flow.on_accept(entry.handshake_id, "t")
    for card in shop.walls.cards.values():
        found |= {f"card: {part}" for part in ("usual", "talking_points") if getattr(card, part)}
        found |= {f"card: {line.offer_id}" for line in card.offers}
    await shop.settle()
    shop.store.close()
    return found


ALL = {
    "arrived Mia", "visit", "passing espresso", "known", "said espresso", "called by name", "asked Mia",
    "card: usual", "card: talking_points", "card: espresso",
}  # fmt: skip
PERSONAL = {"passing espresso", "said espresso", "card: talking_points", "card: espresso"}
LOST = {
    Purpose.RECOGNISE_BLE: {"passing espresso"},
    Purpose.RECOGNISE_NFC: ALL - {"visit", "arrived Mia", "passing espresso"},
    Purpose.PERSONALISE_OFFERS: PERSONAL,
    Purpose.PUBLIC_PERSONAL_GREETING: {"called by name"},
    Purpose.STAFF_ADVICE: {"asked Mia", "card: usual", "card: talking_points", "card: espresso"},
    Purpose.GREET_ON_ENTRY: {"arrived Mia"},
    Purpose.PURCHASE_HISTORY: {"card: usual"},
    Purpose.MARKETING_PUSH: set[str](),
}


def general(found: Iterable[str]) -> set[str]:
    """Without what everybody gets: the general offer, where it is said or listed."""
    return {one for one in found if not one.endswith(" loop")}


async def point_6_each_purpose_is_refused_alone_and_refusing_all_keeps_general_offers(folder: Path) -> None:
    (folder / "all").mkdir()
    assert general(await effects(folder / "all", *member("mia", *Purpose))) == ALL
    for refused in Purpose:
        (folder / refused).mkdir()
        found = await effects(folder / refused, *member("mia", *(one for one in Purpose if one is not refused)))
        assert general(found) == ALL - LOST[refused], refused
    for name, purposes in (("nfc", (Purpose.RECOGNISE_NFC,)), ("none", ())):
        (folder / name).mkdir()
        found = await effects(folder / name, *member("mia", *purposes))
        assert found == ({"visit", "known", "said loop"} if purposes else set())
    shop = await open_shop(folder)
    assert [slide.slide_id for slide in shop.walls.screens["bar"].slides] == ["loop"]
    shop.store.close()


async def point_10_two_members_get_no_offer_that_fits_only_one(folder: Path) -> None:
    shop = await open_shop(folder, *member("mia", *Purpose), *member("ben", *Purpose, interests=("tea",)))
    await shop.stand("ben", "coffee-ble")
    await shop.stand("mia", "coffee-ble")
    levels = {content.level for screen, content in shop.walls.history}
    await shop.settle()
    shop.store.close()
    assert levels == {"L0", "L1"}


def delicate() -> tuple[Change, ...]:
    wine = TalkingPoint(TEXT, TEXT, "alcohol")
    mia = Member("mia", "Mia", "de", ("coffee",), (Habit("Chianti", "alcohol.wine"),), (wine,))
    shop = ShopConfig(notice=basics()[0].config.notice, sensitive=("fishing",))
    fancy = Offer("espresso", TEXT, TEXT, interests=("coffee",), public_safe=True, category="fishing")
    return (*member("mia", *Purpose), MemberPut(mia), ConfigPut(shop), OfferPut(fancy))


async def point_12_sensitive_things_cause_nothing_on_a_screen_and_are_no_talking_point(folder: Path) -> None:
    found = await effects(folder, *delicate())
    assert general(found) == {"arrived Mia", "visit", "known", "called by name", "asked Mia"}


async def point_13_a_child_has_no_profile_and_a_product_for_children_needs_a_known_age(folder: Path) -> None:
    (folder / "child").mkdir()
    child = Member("mia", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),), age=AgeGate.UNDER_16)
    found = await effects(folder / "child", *member("mia", *Purpose), MemberPut(child))
    assert not any("Mia" in one or "usual" in one or "espresso" in one or "called" in one for one in found)
    shop = await open_shop(folder, *member("mia", *Purpose), OfferDrop("espresso"))
    await shop.push(OfferPut(Offer("toys", TEXT, TEXT, interests=("coffee",), public_safe=True, category="children")))
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "coffee-nfc")
    reasons = [dict(body["reasons"]).get("toys") for body in await shop.bodies("decision.made")]
    await shop.settle()
    shop.store.close()
    assert reasons == ["age.unknown", "age.unknown"]


async def point_22_nothing_but_offers_depends_on_offers(folder: Path) -> None:
    """Whoever is held out gets no personal offers; everything else is what the others get."""
    for name in ("offered", "held_out"):
        (folder / name).mkdir()
    offered = await effects(folder / "offered", *member("mia", *Purpose))
    held_out = await effects(folder / "held_out", *member("mia", *Purpose), OfferDrop("espresso"))
    assert offered != held_out
    assert general(offered) - {"passing espresso", "said espresso", "card: espresso"} == general(held_out)


# --- the same with the rule broken ----------------------------------------------------------------------------


def every_consent_counts_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Profile, "may", lambda self, purpose, now_ms: Verdict(True, "open"))
    monkeypatch.setattr(Profile, "read", lambda self, field, purpose, now_ms: self.own(field))


def others_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    views = offers._views
    monkeypatch.setattr(offers, "_views", lambda situation, shelf: views(replace(situation, others=()), shelf))


def nothing_is_sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gate, offers):
        monkeypatch.setattr(module, "is_sensitive", lambda category, sensitive: False)


def ages_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AgeGate, "known", property(lambda self: True))


def a_name_goes_with_an_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    greet = Decisions.greet

    def unequal(self: Decisions, *arguments: Any, **named: Any) -> Any:
        dialogue = greet(self, *arguments, **named)
        return dialogue if dialogue is None or dialogue.offer_id != "loop" else replace(dialogue, call_name=None)

    monkeypatch.setattr(Decisions, "greet", unequal)


BROKEN = [
    (point_6_each_purpose_is_refused_alone_and_refusing_all_keeps_general_offers, every_consent_counts_as_given),
    (point_10_two_members_get_no_offer_that_fits_only_one, others_are_not_asked),
    (point_12_sensitive_things_cause_nothing_on_a_screen_and_are_no_talking_point, nothing_is_sensitive),
    (point_13_a_child_has_no_profile_and_a_product_for_children_needs_a_known_age, ages_are_not_looked_at),
    (point_22_nothing_but_offers_depends_on_offers, a_name_goes_with_an_offer),
]


@each_point(BROKEN)
async def test_it_holds(point: Point, tmp_path: Path) -> None:
    await point(tmp_path)


@each_break(BROKEN)
async def test_it_fails_where_its_rule_is_broken(
    point: Point, broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fails(point, broken, tmp_path, monkeypatch)
