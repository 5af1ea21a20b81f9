import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import content as rules
from gateway.core.brand import Brand, BrandPut, Font
from gateway.core.content import ART, ContentPut, ContentRefused, FileRef, Item
from gateway.errors import PeerError
from sync import content, leftout, messages
from tests.rigs.bundles import FILE, picture, template

HASH = "c" * 64
BODY: dict[str, Any] = messages.op_of(ContentPut("0" * 32, 1, 1, (picture(), template(), template("u"))))["body"]
BRAND: dict[str, Any] = messages.op_of(
    BrandPut(Brand("Laden", {"accent": "#7a1f5c"}, {}, FILE, (Font("text", "400 700", FILE),)))
)["body"]


def changed(body: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """`body` with another value at "items.0.title"; None takes the key away."""
    made: Any = copy.deepcopy(body)
    *way, last = place.split(".")
    inside = made
    for step in way:
        inside = inside[int(step) if step.isdecimal() else step]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return dict(made)


@pytest.mark.parametrize(
    ("place", "value", "reason", "where"),
    [
        ("items.1.title.de", "Kaffee <b>neu</b>", "content", "items.1.title.de: markup; expected plain text"),
        ("items.2.text", {"en": "a &amp; b"}, "content", "items.2.text.en: markup; expected plain text"),
        ("items.1.art", "rocket", "content", "items.1.art: expected one of bag, bread"),
        ("items.0.file", None, "content", "items.0.file: missing"),
        ("items.0.alt", {}, "content", "items.0.alt: missing"),
        ("items.0.item_id", "t", "content", "items: the id t is there twice"),
        ("items.1.title.de", "x" * 91, "fields", "items.1.title.de"),
        ("items.1.title.de", "a\u202eb", "fields", "items.1.title.de"),
        ("items.1.title.de", "a\x00b", "fields", "items.1.title.de"),
        ("items.1.title", {"fr": "Bonjour"}, "fields", "items.1.title.fr.[key]"),
        ("items.0.kind", "html", "fields", "items.0.kind"),
        ("items.0.seconds", 4, "range", "items.0.seconds"),
        ("items.0.seconds", 31, "range", "items.0.seconds"),
        ("items.0.seconds", 9.5, "fields", "items.0.seconds"),
        ("items.0.fit", "stretch", "fields", "items.0.fit"),
        ("items.0.days", [7], "range", "items.0.days.0"),
        ("items.0.days", [0, 0], "content", "items.0.days: a day stands there twice"),
        ("items.0.from_minute", 1_441, "range", "items.0.from_minute"),
        ("items.0.zones", [""], "fields", "items.0.zones.0"),
        ("items.0.file.sha256", "C" * 64, "fields", "items.0.file.sha256"),
        ("items.0.file.bytes", 0, "range", "items.0.file.bytes"),
        ("items.0.file.bytes", rules.MAX_FILE_BYTES + 1, "range", "items.0.file.bytes"),
        ("items.0.onclick", "x", "fields", "items.0.onclick"),
        ("content_id", "x", "fields", "content_id"),
        ("part", 2, "range", "part"),
        ("parts", 201, "range", "parts"),
        ("items", None, "fields", "items"),
    ],
)
def test_refusals_of_a_bundle(place: str, value: object, reason: str, where: str) -> None:
    with pytest.raises(PeerError) as raised:
        content.parse_content(changed(BODY, place, value))
    assert raised.value.reason == reason
    assert raised.value.field.startswith(where)


@pytest.mark.parametrize(
    ("place", "value", "reason", "where"),
    [
        ("light.accent", "#ffcc00", "brand", "light: accent on surface has a contrast of 1.4"),
        ("light.accent", "red", "fields", "light.accent"),
        ("light.accent", "#7A1F5C", "fields", "light.accent"),
        ("light.glow", "#000000", "brand", "light.glow: no such colour"),
        ("name", "<b>Laden", "brand", "name: markup"),
        ("name", "x" * 61, "fields", "name"),
        ("fonts.0.weight", "bold", "fields", "fonts.0.weight"),
        ("fonts.0.weight", "400;}", "fields", "fonts.0.weight"),
        ("fonts.0.role", "body", "fields", "fonts.0.role"),
        ("logo.bytes", 2_000_000, "brand", "logo: expected at most"),
        ("css", "x", "fields", "css"),
    ],
)
def test_refusals_of_a_brand(place: str, value: object, reason: str, where: str) -> None:
    with pytest.raises(PeerError) as raised:
        content.parse_brand(changed(BRAND, place, value))
    assert raised.value.reason == reason
    assert raised.value.field.startswith(where)


def test_everything_that_is_wrong_is_said() -> None:
    body = changed(changed(BODY, "items.1.art", "rocket"), "items.2.title.de", "<i>")
    with pytest.raises(PeerError) as raised:
        content.parse_content(body)
    assert len(raised.value.said) == 2


words = st.dictionaries(st.sampled_from(["de", "en"]), st.text("abc äß😀", max_size=20).filter(str.strip), max_size=2)
templates = st.builds(
    Item,
    item_id=st.uuids().map(str),
    kind=st.just("template"),
    title=st.just({"de": "Titel"}),
    text=words,
    badge=words,
    art=st.sampled_from(sorted(ART)),
    seconds=st.integers(5, 30),
    days=st.sets(st.integers(0, 6)).map(tuple),
    zones=st.lists(st.sampled_from(["wine", "coffee"]), max_size=2).map(tuple),
)
pictures = st.builds(
    Item,
    item_id=st.uuids().map(str),
    kind=st.sampled_from(["image", "video"]),
    file=st.builds(FileRef, st.just(HASH), st.just(99)),
    title=words,
    alt=st.just({"en": "What it shows"}),
    fit=st.sampled_from(["cover", "contain"]),
    from_ms=st.one_of(st.none(), st.integers(0, 10**12)),
    until_ms=st.one_of(st.none(), st.integers(10**12 + 1, 10**13)),
    screens=st.just(("bar",)),
)


@given(st.lists(st.one_of(templates, pictures), max_size=5, unique_by=lambda item: item.item_id))
def test_a_bundle_comes_back_as_it_was(items: list[Item]) -> None:
    put = ContentPut("0" * 32, 1, 1, tuple(items))
    assert messages.parse_op(messages.op_of(put)) == put


def test_a_brand_comes_back_as_it_was() -> None:
    for brand in (
        Brand(),
        Brand("Laden", {"accent": "#7a1f5c"}, {"ink": "#ffffff"}, FILE, (Font("text", "700", FILE),)),
    ):
        assert messages.parse_op(messages.op_of(BrandPut(brand))) == BrandPut(brand)


@pytest.mark.parametrize(
    ("op", "refused"),
    [
        (
            {"op": "content.put", "body": changed(BODY, "items.1.title.de", "<b>")},
            ContentRefused("content", "content", "items.1.title.de"),
        ),
        ({"op": "content.put", "body": changed(BODY, "items.0.hers", 1)}, ContentRefused("content", "fields", "")),
        (
            {"op": "content.put", "body": changed(BODY, "items.0.item_id", "t")},
            ContentRefused("content", "content", "items"),
        ),
        ({"op": "content.put", "body": 5}, ContentRefused("content", "fields", "")),
        (
            {"op": "brand.put", "body": changed(BRAND, "light.accent", "#ffffff")},
            ContentRefused("brand", "brand", "light"),
        ),
        ({"op": "brand.put", "body": changed(BRAND, "light.hers", "#ffffff")}, ContentRefused("brand", "brand", "")),
    ],
)
def test_a_wrong_one_holds_nothing_up_and_tells_no_word_of_the_peers(op: Any, refused: ContentRefused) -> None:
    after = {"op": "offer.drop", "body": {"offer_id": "o"}}
    changes, left_out = leftout.parse([op, after])
    assert left_out == (refused,)
    assert len(changes) == 1
