"""gateway.emulator.smarttap: the phone refuses what a real one refuses, and its spec crosses a pipe."""

import json

import pytest

from drivers import iso7816, smarttap, tapcrypto
from gateway.emulator import smarttap as emulated
from gateway.emulator.draw import draws
from gateway.emulator.smarttap import MALFORMED, NOT_MINE, UNKNOWN_COLLECTOR
from tests.rigs.wallets import key, vector

COLLECTOR = bytes.fromhex("0133ee80")
PRIVATE = key("collector")
SESSION = bytes(range(8))
SELECT = iso7816.select(b"OSE.VAS.01")


def phone(**options: object) -> emulated.SmartTapPhone:
    merchants = [emulated.merchant(COLLECTOR, 1, PRIVATE.public_key(), [b"M-1"])]
    return emulated.make(json.loads(json.dumps(emulated.applet(merchants, **options))))


def negotiation(applet: emulated.SmartTapPhone, signer: str = "collector", version: int = 1) -> bytes:
    ose = applet.answer(SELECT)[:-2]
    own = tapcrypto.ephemeral(draws("terminal"))
    blob = tapcrypto.signed_blob(own, iso7816.find(ose, 0x6F, 0xC2) or b"", COLLECTOR)
    signature = tapcrypto.sign(key(signer), blob)
    return iso7816.command(smarttap.NEGOTIATE, smarttap.negotiation(own, SESSION, COLLECTOR, version, signature))


def test_it_answers_in_the_published_form() -> None:
    published = vector("google_smart_tap", "SELECT OSE")["data"]
    shown = phone().answer(SELECT)[:-2].hex()
    at, end = published.index("c220"), published.index("a523")
    assert shown[:at] == published[:at]
    assert shown[at : at + 4] + shown[at + 68 : at + 72] == "c220c321"
    assert shown[end:] == published[end:]
    assert len(phone(old=True).answer(iso7816.select(smarttap.AID))) == len(
        bytes.fromhex(vector("google_smart_tap", "SELECT Smart Tap 2")["data"]) + b"\x90\x00"
    )


def test_a_true_terminal_gets_in() -> None:
    applet = phone()
    assert applet.answer(negotiation(applet))[-2:] == iso7816.OK.to_bytes(2, "big")


@pytest.mark.parametrize(("signer", "version"), [("somebody else", 1), ("collector", 2)])
def test_a_terminal_that_is_not_the_collectors_is_turned_away(signer: str, version: int) -> None:
    applet = phone()
    assert applet.answer(negotiation(applet, signer, version)) == UNKNOWN_COLLECTOR
    asked = iso7816.command(smarttap.GET_DATA, smarttap.request(SESSION, COLLECTOR))
    assert applet.answer(asked) == MALFORMED  # no session, no pass


def test_a_signature_is_good_for_one_session() -> None:
    applet = phone()
    asked = negotiation(applet)
    applet.select()
    assert applet.answer(asked) == UNKNOWN_COLLECTOR


@pytest.mark.parametrize(
    ("session", "collector"), [(bytes(8), COLLECTOR), (SESSION, bytes(4))], ids=["another session", "another merchant"]
)
def test_a_request_has_to_fit_its_session(session: bytes, collector: bytes) -> None:
    applet = phone()
    applet.answer(negotiation(applet))
    assert applet.answer(iso7816.command(smarttap.GET_DATA, smarttap.request(session, collector))) == MALFORMED


def test_a_request_for_other_objects_finds_no_pass() -> None:
    applet = phone()
    applet.answer(negotiation(applet))
    asked = iso7816.command(smarttap.GET_DATA, smarttap.request(SESSION, COLLECTOR, b"\x40"))
    assert applet.answer(asked)[-2:] == emulated.NO_PASS


@pytest.mark.parametrize("apdu", ["00a4040007d276000085010100", "00b0000000", "8010000001aa00"])
def test_what_is_not_a_wallets_is_left_to_others(apdu: str) -> None:
    assert phone().answer(bytes.fromhex(apdu)) == NOT_MINE


@pytest.mark.parametrize("apdu", ["905300000400010203", "9050000001ff00", "9053000000"])
def test_rubbish_is_malformed(apdu: str) -> None:
    assert phone().answer(bytes.fromhex(apdu)) == MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param((b"ngr\x00\x01", b"ngr\x00\x02"), id="version"),
        pytest.param((SESSION + b"\x00\x01", SESSION + b"\x01\x01"), id="sequence"),
        pytest.param((b"ngr", b"srq"), id="another record"),
        pytest.param((b"\x54\x03", b"\x44\x03"), id="a long record"),
        pytest.param((b"\x05cld", b"\x06cld"), id="longer than it is"),
    ],
)
def test_a_negotiation_that_is_not_right_is_malformed(change: tuple[bytes, bytes]) -> None:
    applet = phone()
    assert applet.answer(negotiation(applet).replace(*change)) == MALFORMED
