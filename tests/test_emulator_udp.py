"""gateway.emulator.udp: cards under nfcpy's own UDP driver."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import nfc
import nfc.clf
import nfc.tag
import pytest

from gateway.emulator import cards
from gateway.emulator.udp import UdpCard, reply

logging.captureWarnings(False)  # nfcpy's import turns it on
logging.getLogger("nfc").setLevel(logging.CRITICAL)

MESSAGE = bytes.fromhex("d1010e550473686f702e746573742f632f31")


@contextmanager
def opened(card: UdpCard) -> Iterator[nfc.ContactlessFrontend]:
    clf = nfc.ContactlessFrontend(card.path)
    try:
        yield clf
    finally:
        clf.device.socket.close()
        clf.device.socket = None
        clf.close()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (cards.type2(MESSAGE), MESSAGE),
        (cards.type4(MESSAGE), MESSAGE),
        (cards.type4(MESSAGE, uid=None), MESSAGE),
        (cards.classic(), None),
    ],
    ids=["type 2", "type 4", "phone", "classic"],
)
def test_nfcpy_reads(spec: cards.Spec, message: bytes | None) -> None:
    with UdpCard(spec) as card, opened(card) as clf:
        target = clf.sense(nfc.clf.RemoteTarget("106A"))
        tag = nfc.tag.activate(clf, target)
        assert (None if tag.ndef is None else tag.ndef.octets) == message
        assert spec["uid"] in (None, bytes(target.sdd_res).hex())


def test_a_card_can_be_taken_away_and_another_shown() -> None:
    with UdpCard(cards.classic()) as card, opened(card) as clf:
        card.present(None)
        assert clf.sense(nfc.clf.RemoteTarget("106A")) is None
        card.present(cards.type2(MESSAGE))
        assert nfc.tag.activate(clf, clf.sense(nfc.clf.RemoteTarget("106A"))).ndef.octets == MESSAGE
    card.close()


def test_the_field_going_off_lets_a_card_begin_anew() -> None:
    with UdpCard(cards.type4(MESSAGE)) as card, opened(card) as clf:
        for _ in range(3):
            assert clf.sense(nfc.clf.RemoteTarget("106A")) is not None


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ("26", "4400"),  # SENS_RES in transmit order
        ("9320", "8804a1b29f"),
        ("93708804a1b29f", "04"),
        ("93708804a1b200", None),
        ("9520", "c3d4e5f604"),
        ("9570c3d4e5f604", "00"),
        ("9720", None),
        ("60", None),  # not selected yet
        ("", None),
    ],
)
def test_anticollision_byte_by_byte(frame: str, answer: str | None) -> None:
    card = cards.make(cards.type2(MESSAGE))
    said = reply(card, bytes.fromhex(frame))
    assert (None if said is None else said.hex()) == answer


def test_a_phone_that_waits_for_polling_frames_never_hears_one() -> None:
    assert reply(cards.make(cards.phone([], listens="ecp")), b"\x26") is None
