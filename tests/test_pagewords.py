"""Every word that an export can hold has words in both languages."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

from gateway import pagewords as words
from gateway.core.model import AgeGate, ClockQuality, ConsentState, Contact, CredentialKind, Purpose
from gateway.core.redemption import State

ROOT = Path(__file__).parents[1]


def test_every_value_of_the_model_has_its_words() -> None:
    assert set(words.PURPOSES) == set(Purpose)
    assert set(words.STATES) == set(ConsentState)
    assert set(words.AGES) == set(AgeGate)
    assert set(words.CLOCKS) == set(ClockQuality)
    assert set(words.KINDS) == set(CredentialKind)
    assert set(words.REDEMPTIONS) == set(State)
    assert set(words.ANSWERS) == set(get_args(get_type_hints(Contact)["what"]))
    told = set(State) - {State.EXPIRED}  # told as released
    assert {f"redemption.{state}" for state in told} <= set(words.REPORTS)


def test_every_view_and_every_report_that_is_made_has_its_words() -> None:
    sources = [path.read_text() for path in (ROOT / "gateway").glob("**/*.py")]
    views = {view for source in sources for view in re.findall(r'tx\.audit\([^)]*?"([a-z]+\.[a-z]+)"', source)}
    views |= {view for source in sources for view in re.findall(r'"((?:link|session|data)\.[a-z]+)"', source)}
    assert {"member.announced", "advice.asked", "card.opened", "link.made"} <= views <= set(words.ACTIONS)
    reports = {kind for source in sources for kind in re.findall(r'Event\(\s*"([a-z]+\.[a-z]+)"', source)}
    of_nobody = {"offer.refused", "segments.refused", "catalogue.applied", "catalogue.refused"}
    of_nobody |= {"staff.unlocked", "staff.locked", "staff.refused", "staff.freed"}
    reports -= of_nobody | {"profiles.wiped", "lease.closed", "offer.withheld", "basket.shown", "tills.restored"}
    reports -= {"device.paired", "device.revoked", "outbox.gap"}
    reports -= {"settings.tried", "config.kept", "config.undone", "catalogue.undone"}
    reports -= {"database.mended", "snapshot.switched", "snapshot.refused", "update.done", "update.failed"}
    assert {"visit.announced", "consent.recorded", "audit.viewed"} <= reports <= set(words.REPORTS)
    kinds = re.search(r"^Kind = Literal\[(.+)\]", (ROOT / "gateway/core/presence.py").read_text(), re.MULTILINE)
    assert kinds is not None
    assert {f"visit.{kind}" for kind in re.findall(r'"([a-z]+)"', kinds[1])} <= set(words.REPORTS)


def test_a_word_of_a_later_release_is_told_as_it_is() -> None:
    assert words.word(words.STATES, "given", 0) == "erlaubt"
    assert words.word(words.STATES, "given", 1) == "allowed"
    assert words.word(words.STATES, "of_2030", 1) == "of_2030"


def test_the_receipt_and_this_page_have_the_same_words() -> None:
    said = (ROOT / "display/static/words.js").read_text()
    for part, at in zip(said.split("\n  en: {"), (0, 1), strict=True):
        for state in ("given", "refused", "withdrawn", "expired"):
            assert f'act_{state}: "{words.STATES[state][at]}"' in part
