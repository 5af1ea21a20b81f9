"""gateway.emulator.cards: what a spec becomes."""

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from gateway.emulator import cards, ndef
from gateway.emulator.iso_dep import IsoDep

NDEF = b"\xd0\x00\x00"
SELECT = bytes.fromhex("0200a4040007d276000085010100")


class Deaf:
    def select(self) -> None: ...

    def answer(self, apdu: bytes) -> bytes:
        return b"\x6a\x82"


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hce", "deaf"):
        module: Any = ModuleType(f"gateway.emulator.{name}")
        module.make = lambda spec: Deaf()
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize(
    "spec",
    [
        cards.type2(NDEF),
        cards.type2(None),
        cards.type2(NDEF, chip="ntag216", cc=bytes(4), announce=9),
        cards.classic(),
        cards.type4(NDEF),
        cards.type4(None),
        cards.type4(NDEF, uid=None, ats=b"\x01", endless=True),
        cards.phone([ndef.applet(NDEF)], listens="ecp"),
    ],
)
def test_specs_cross_a_pipe(spec: cards.Spec) -> None:
    assert json.loads(json.dumps(spec)) == spec
    card = cards.make(spec)
    card.select()
    assert len(card.uid) in (4, 7)


def started(spec: cards.Spec) -> cards.Card:
    card = cards.make(spec)
    card.select()
    assert card.answer(b"\xe0\x80") == bytes.fromhex(spec["ats"])
    return card


def test_applets_are_asked_in_their_order(deaf: None) -> None:
    card = started(cards.phone([{"applet": "deaf"}, ndef.applet(NDEF)]))
    assert card.answer(SELECT) == b"\x02\x90\x00"


def test_an_applet_is_looked_for_only_when_it_is_used() -> None:
    spec = cards.phone([{"applet": "nobody"}])
    with pytest.raises(ModuleNotFoundError):
        cards.make(spec)
    with pytest.raises(ValueError, match="module"):
        cards.make(cards.phone([{"applet": "os.path"}]))


@pytest.mark.parametrize(
    ("applet", "think_ms", "delay_ms"),
    [
        (ndef.applet(NDEF), None, cards.THINK_MS),
        (ndef.applet(NDEF), 1, 1),
        (ndef.applet(NDEF) | {"think_ms": 7}, 1, 7),
    ],
)
def test_how_long_a_phone_thinks(applet: cards.Spec, think_ms: float | None, delay_ms: float) -> None:
    card = started(cards.phone([applet], think_ms=think_ms))
    card.answer(SELECT)
    card.answer(b"\x03\x00\xb0\x00\x00\x02")
    assert card.delay_ms == delay_ms


def test_a_phone_that_signs_thinks_longer_in_that_applet_only(deaf: None) -> None:
    card = cards.make(cards.phone([{"kind": "hce"}, ndef.applet(NDEF)]))
    assert isinstance(card, IsoDep)
    assert card._manners.applet_think_ms == (cards.SIGNING_THINK_MS, None)


def test_a_card_does_not_think() -> None:
    card = started(cards.type4(NDEF))
    card.answer(SELECT)
    assert card.delay_ms == 0


def test_only_phones_change_their_uid() -> None:
    with pytest.raises(ValueError, match="UID"):
        cards.make(cards.type2(NDEF) | {"uid": None})
    with pytest.raises(ValueError, match="ecp"):
        cards.phone([], listens="never")
