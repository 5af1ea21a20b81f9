"""Manifests and brands as they are wanted and shown."""

from gateway.core.brand import Brand, BrandPut, Font, look_of
from gateway.core.content import ContentPut, Manifest
from gateway.records import Tx
from tests.rigs.bundles import FILE, picture, template

FULL = picture(
    "full",
    title={"de": "Ä", "en": "A"},
    fit="contain",
    seconds=30,
    from_ms=5,
    until_ms=9,
    days=(0, 6),
    from_minute=60,
    until_minute=120,
    zones=("wine",),
    screens=("bar",),
)


def test_a_bundle_of_one_part(tx: Tx) -> None:
    assert tx.manifest("wanted") is None
    tx.put_content(ContentPut("1" * 32, 1, 1, (FULL, template())))
    assert tx.manifest("wanted") == Manifest("1" * 32, (FULL, template()))
    assert tx.manifest("shown") is None


def test_a_bundle_is_wanted_once_all_of_its_parts_are_here(tx: Tx) -> None:
    tx.put_content(ContentPut("1" * 32, 1, 1, (template("old"),)))
    for part in (1, 2):
        tx.put_content(ContentPut("2" * 32, part, 3, (template(str(part)),)))
        assert tx.manifest("wanted") == Manifest("1" * 32, (template("old"),))
    tx.put_content(ContentPut("2" * 32, 3, 3, (template("3"),)))
    assert tx.manifest("wanted") == Manifest("2" * 32, (template("1"), template("2"), template("3")))
    tx.put_content(ContentPut("3" * 32, 1, 2, (template("x"),)))
    tx.put_content(ContentPut("3" * 32, 2, 2, ()))
    assert tx.manifest("wanted") == Manifest("3" * 32, (template("x"),))


def test_what_is_shown_is_what_was_wanted_then(tx: Tx) -> None:
    tx.put_content(ContentPut("1" * 32, 1, 1, (FULL,)))
    assert not tx.show_wanted("content", "2" * 32)
    assert tx.show_wanted("content", "1" * 32)
    tx.put_content(ContentPut("2" * 32, 1, 1, ()))
    assert tx.manifest("shown") == Manifest("1" * 32, (FULL,))
    assert not tx.show_wanted("brand", "")


def test_a_brand(tx: Tx) -> None:
    brand = Brand("Laden", {"accent": "#7a1f5c"}, {}, FILE, (Font("text", "400", FILE),))
    tx.put_content(BrandPut(brand))
    assert tx.brand("wanted") == brand
    assert tx.brand("shown") is None
    assert tx.show_wanted("brand", look_of(brand))
    assert tx.brand("shown") == brand
    tx.put_content(BrandPut(Brand()))
    assert tx.show_wanted("brand", "")
    assert tx.brand("shown") == Brand()


def test_a_refusal_is_news_once(tx: Tx) -> None:
    assert tx.note_refused("content", "1" * 32, "hash")
    assert not tx.note_refused("content", "1" * 32, "hash")
    assert tx.note_refused("content", "1" * 32, "missing")
    assert tx.note_refused("content", "2" * 32, "missing")
    assert tx.note_refused("brand", "2" * 32, "missing")
