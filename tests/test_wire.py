"""Only allow-listed fields leave, names leave at L3 only, and what leaves is JSON."""

import json
from dataclasses import fields
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from display import wire
from display.faults import Ear
from display.pages import ROOT
from gateway.core.model import (
    DialogueView,
    OfferLine,
    QueueEntry,
    ScreenContent,
    ShopConfig,
    Slide,
    StaffCard,
    Step,
    TalkingPoint,
)
from gateway.health import Part

LANGUAGES = {"de", "en"}
TEXT = {"title", "text", "badge", "more", "because", "name"}
SCREEN_FIELDS = {
    "placement", "kind", "level", "decision_id", "slides", "dialogue", "slide_id", "title", "text", "badge", "art",
    "dialogue_id", "step", "language", "call_name", "slide", "more", "choices", "ttl_ms",
    "link", "url", "code", "digits", "points", "change", "now",
}  # fmt: skip
QUEUE_FIELDS = {
    "handshake_id",
    "label",
    "guest",
    "zone",
    "via",
    "waited_ms",
    "state",
    "mine",
    "colleagues_near",
    "usual",
    "usual_offered",
}
CARD_FIELDS = {
    "handshake_id", "call_name", "language", "zone", "via", "waited_ms", "usual", "talking_points", "offers",
    "consents", "ttl_ms", "text", "because", "offer_id", "title", "badge", "may_take", "redeems", "points",
    "usual_offered",
}  # fmt: skip

words = st.text(max_size=12)
texts = st.dictionaries(st.sampled_from(sorted(LANGUAGES)), words, max_size=2)
times = st.integers(0, 2**45)
speeds = st.sampled_from([0.5, 1.0, 60.0])
vias = st.sampled_from(["tap", "screen"])
slides = st.builds(Slide, words, texts, texts, texts, st.sampled_from([*sorted(wire.ART), "../../etc", ""]))
dialogues = st.builds(
    DialogueView,
    words,
    st.sampled_from(get_args(Step)),
    words,
    st.none() | st.just("SECRETNAME"),
    st.none() | slides,
    texts,
    st.tuples(),
    times,
)
contents = st.builds(
    ScreenContent,
    st.sampled_from(["L0", "L1", "L2", "L3"]),
    st.tuples(slides),
    st.none() | dialogues,
    st.none() | words,
)
cards = st.builds(
    StaffCard,
    words, words, words, words, vias, times,
    st.tuples(words), st.tuples(st.builds(TalkingPoint, texts, texts)),
    st.tuples(st.builds(OfferLine, words, texts, texts)), st.tuples(words), times,
)  # fmt: skip
entries = st.builds(
    QueueEntry,
    words,
    words,
    words,
    vias | st.just("door"),
    times,
    st.sampled_from(["asked", "open", "arrived"]),
    st.just("OTHERTABLET"),
    st.integers(0, 9),
    st.tuples(words),
)


def keys(value: object) -> set[str]:
    """All keys of a JSON value, at any depth, but for language codes inside a text."""
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys(inner)}
    return set()


@given(contents, st.integers(-5, 2**45), speeds)
def test_a_screen_gets_listed_fields_only(content: ScreenContent, left_ms: int, speed: float) -> None:
    body = wire.screen(content, left_ms, speed)
    assert keys(body) <= SCREEN_FIELDS | LANGUAGES
    assert json.loads(json.dumps(body)) == body


@given(contents, st.integers(-5, 2**45), speeds)
def test_a_name_leaves_at_l3_and_in_time_only(content: ScreenContent, left_ms: int, speed: float) -> None:
    sent = json.dumps(wire.screen(content, left_ms, speed))
    if content.level != "L3" or left_ms <= 0:
        assert "SECRETNAME" not in sent
    elif content.dialogue is not None and content.dialogue.call_name:
        assert "SECRETNAME" in sent


@given(contents)
def test_an_illustration_is_always_one_of_ours(content: ScreenContent) -> None:
    for slide in content.slides:
        assert wire.slide(slide)["art"] in wire.ART


@given(cards, times, speeds)
def test_a_card_has_listed_fields_only(card: StaffCard, now_ms: int, speed: float) -> None:
    body = wire.card(card, now_ms, speed)
    assert keys(body) <= CARD_FIELDS | LANGUAGES
    assert json.loads(json.dumps(body)) == body


@given(entries, times, speeds)
def test_the_queue_names_no_other_tablet(entry: QueueEntry, now_ms: int, speed: float) -> None:
    body = wire.queue_entry(entry, 1, "this-tablet", now_ms, speed)
    assert set(body) == QUEUE_FIELDS
    assert body["mine"] is False and "OTHERTABLET" not in json.dumps(body)


def test_a_new_field_of_the_card_must_be_decided_on() -> None:
    renamed = {"asked_at_ms": "waited_ms", "closes_at_ms": "ttl_ms"}
    assert {renamed.get(field.name, field.name) for field in fields(StaffCard)} <= CARD_FIELDS


@given(st.sampled_from(["ok", "degraded", "down"]), words, words, times, times, speeds)
def test_a_trouble_has_listed_fields_only(state, detail: str, action: str, since_ms: int, now_ms: int, speed) -> None:
    part = Part("receiver:till-nfc", state, detail, action, since_ms)
    body = wire.trouble(part, Ear("reader", "till"), now_ms, speed)
    assert set(body) == {"receiver", "kind", "zone", "alone", "state", "cause", "detail", "action", "for_ms"}
    assert body["receiver"] == "till-nfc" and int(str(body["for_ms"])) >= 0


def test_the_shop_tells_names_and_limits_but_not_the_notice() -> None:
    body = wire.shop(ShopConfig({"de": "Laden"}, {"a": {"de": "Regal"}}, ask_ms=120_000), 60.0)
    assert body == {
        "name": {"de": "Laden"},
        "zones": {"a": {"de": "Regal"}},
        "notice": False,
        "ask_ms": 2_000,
        "speed": 60.0,
    }


def test_every_illustration_is_there() -> None:
    assert {path.stem for path in (ROOT / "art").glob("*.svg")} == wire.ART
