"""gateway.core.inpublic: a short list of goods, and no word that speaks to one person."""

import pytest

from gateway.core.inpublic import SAFE, addresses, is_public
from gateway.core.sensitive import categories, is_sensitive


def test_only_what_is_on_the_list_is_public() -> None:
    assert is_public("coffee", SAFE) and is_public("coffee.beans", SAFE) and is_public("Coffee-Beans", SAFE)
    assert not any(is_public(one, SAFE) for one in ("", " ", "wine", "coffeehouse", "beans.coffee", "pharmacy"))
    assert not is_public("coffee", ())
    assert is_public("pet-food", ("pet_food",))


def test_nothing_on_the_list_is_sensitive() -> None:
    assert not any(is_sensitive(one, categories()) for one in SAFE)


@pytest.mark.parametrize(
    "sentence",
    ["Your coffee", "As YOURS", "Dein Kaffee", "für deinen Tag", "Ihr Kaffee", "Ihre Bohnen", "mit Ihrem Brot",
     "Gern für Sie und Ihren Hund", "Was Ihnen schmeckt", "Eure Pause", "das gefällt dir"],
)  # fmt: skip
def test_words_that_speak_to_one_person_are_found(sentence: str) -> None:
    assert addresses(["Hello", sentence])


@pytest.mark.parametrize("sentence", ["", "Coffee for two", "Der Käse und ihr Hof", "direkt", "Dinkel"])
def test_other_words_are_not(sentence: str) -> None:
    assert not addresses([sentence])
