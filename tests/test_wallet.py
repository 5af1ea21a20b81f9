"""drivers.wallet: who is asked what, by the label that the phone shows and the keys that we hold."""

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import wallet
from drivers.talk import CardGoneError, Found, Outcome, Refused
from gateway.core.keyring import Held, Keyring, SmartTapKey, VasKey
from gateway.core.model import Trouble
from gateway.emulator import smarttap, vas
from tests.rigs.wallets import NOW_MS, Wire, key, talk

COLLECTOR = bytes.fromhex("0133ee80")
GOOGLE = SmartTapKey(COLLECTOR, 1, key("collector"))
APPLE = VasKey("pass.example.loyalty", key("merchant"))


def android() -> smarttap.SmartTapPhone:
    return smarttap.make(smarttap.applet([smarttap.merchant(COLLECTOR, 1, GOOGLE.private.public_key(), [b"M-1"])]))


def iphone() -> vas.VasPhone:
    passes = [vas.nfc_pass(APPLE.pass_type_id, APPLE.private.public_key(), b"M-1")]
    return vas.make(vas.applet(passes, NOW_MS // 1000))


def test_each_phone_is_asked_in_its_own_words() -> None:
    around = talk(GOOGLE, APPLE)
    for applet, instruction in ((android(), 0x53), (iphone(), 0xCA)):
        wire = Wire(applet)
        outcome = wallet.converse(wire, around)
        assert isinstance(outcome, Found)
        assert outcome.token.value == b"M-1"
        assert wire.said[1][0][1] == instruction


def test_without_a_key_nothing_is_asked() -> None:
    for around in (talk(), dataclasses.replace(talk(APPLE), apple_vas=False)):
        wire = Wire(iphone())
        assert wallet.converse(wire, around) is None
        assert wire.said == []


def test_a_key_that_does_not_serve_yet_or_any_more_is_none() -> None:
    for from_ms, until_ms in ((NOW_MS + 1, None), (0, NOW_MS)):
        around = dataclasses.replace(talk(), keyring=Keyring([Held("k", from_ms, until_ms, GOOGLE)]))
        assert wallet.converse(Wire(android()), around) is None


def test_the_other_wallet_is_left_alone() -> None:
    for applet, around in (
        (android(), talk(APPLE)),
        (iphone(), talk(GOOGLE)),
        (iphone(), dataclasses.replace(talk(GOOGLE, APPLE), apple_vas=False)),
    ):
        wire = Wire(applet)
        assert wallet.converse(wire, around) is None
        assert len(wire.said) == 1


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("6a82", None),
        ("9000", None),
        ("6f0a50084f746865725061799000", None),  # "OtherPay"
        ("6f0a50094f746865725061799000", None),  # a card that says yes to everything
        ("6f0a50094170706c655061799000", Refused("wallet.tlv_malformed", Trouble.AGAIN)),
        ("6f0a50094170706c65506179" + "00" * 5000, Refused("wallet.reply_size", Trouble.AGAIN)),
        ("6f0a9000", None),
        ("90", None),
        ("", None),
    ],
)
def test_what_the_first_answer_decides(reply: str, outcome: Outcome) -> None:
    assert wallet.converse(lambda apdu: bytes.fromhex(reply), talk(GOOGLE, APPLE)) == outcome


@given(st.binary(max_size=60))
def test_any_first_answer_is_none_refused_or_followed(reply: bytes) -> None:
    replies = [reply]

    def exchange(apdu: bytes) -> bytes:
        if not replies:
            raise CardGoneError
        return replies.pop()

    try:
        outcome = wallet.converse(exchange, talk(GOOGLE, APPLE))
    except CardGoneError:
        return
    assert outcome is None or isinstance(outcome, Refused)


def test_no_truncation_of_the_first_answer_leads_on() -> None:
    whole = android().answer(wallet.SELECT)
    shown = whole.index(b"AndroidPay") + len(b"AndroidPay")
    for size in range(1, len(whole) - 2):
        outcome = wallet.converse(lambda apdu, size=size: whole[:size] + b"\x90\x00", talk(GOOGLE))
        assert outcome == (Refused("wallet.tlv_malformed", Trouble.AGAIN) if size >= shown else None)


def test_every_reason_is_in_the_documentation() -> None:
    root = Path(__file__).parents[1]
    page = (root / "docs" / "wallets.md").read_text()
    shared = {"iso7816.py", "nested.py", "tapcrypto.py"}
    for name in ("smarttap.py", "vas.py", *shared):
        code = (root / "drivers" / name).read_text()
        reasons = set(re.findall(r'PeerError\(\s*"([a-z_]+)"', code)) | set(
            re.findall(r': \(?"([a-z_]+)", Trouble', code)
        )
        reasons |= set(re.findall(r'0x9\d: "([a-z_]+)"', code))
        assert reasons
        for reason in reasons:
            assert re.search(rf"\.{reason}`", page), reason
