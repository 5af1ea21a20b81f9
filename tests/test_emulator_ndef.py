"""gateway.emulator.ndef: the NDEF application APDU by APDU."""

import pytest

from gateway.emulator import ndef

MESSAGE = bytes.fromhex("d1010e550473686f702e746573742f632f31")
SELECT = bytes.fromhex("00a4040007d276000085010100")


def ask(applet: ndef.Ndef, *apdus: str) -> list[str]:
    return [applet.answer(bytes.fromhex(apdu)).hex() for apdu in apdus]


def opened(**more: object) -> ndef.Ndef:
    applet = ndef.make(ndef.applet(MESSAGE, **more))
    assert applet.answer(SELECT) == b"\x90\x00"
    return applet


def test_reading_as_the_specification_says() -> None:
    assert ask(
        opened(), "00a4000c02e103", "00b000000f", "00a4000c02e104", "00b0000002", "00b0000212", "00b0000000"
    ) == [
        "9000",
        ndef.CC.hex() + "9000",
        "9000",
        "00129000",
        MESSAGE.hex() + "9000",
        "0012" + MESSAGE.hex() + "9000",  # Le 0: up to 256
    ]


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("00a4040007d276000085010000", "6a82"),  # mapping version 1
        ("00a4000c02e105", "6a82"),
        ("00a4010c02e104", "6a86"),
        ("00b0000001", "6986"),  # no file
        ("00d6000001ff", "6d00"),
        ("80ca0000", "6d00"),
    ],
)
def test_what_is_refused(apdu: str, word: str) -> None:
    assert ask(opened(), apdu) == [word]


def test_files_are_there_only_after_the_application_was_selected() -> None:
    applet = opened()
    assert ask(applet, "00a4000c02e104") == ["9000"]
    applet.select()
    assert ask(applet, "00a4000c02e104", "00b0000002") == ["6a82", "6986"]


def test_a_length_may_be_announced_that_nobody_can_read() -> None:
    applet = opened(announce=65_535)
    assert ask(applet, "00a4000c02e104", "00b0000002", "00b07fff02", "00b0800002") == [
        "9000",
        "ffff9000",
        "00009000",
        "6b00",
    ]


def test_beyond_the_end_is_nothing() -> None:
    assert ask(opened(), "00a4000c02e104", "00b0001402", "00b0001502") == ["9000", "9000", "6b00"]


def test_an_endless_card_announces_and_then_gives_nothing() -> None:
    assert ask(opened(endless=True), "00a4000c02e103", "00b0000002", "00a4000c02e104", "00b0000002", "00b0000212") == [
        "9000",
        "000f9000",
        "9000",
        "00129000",
        "9000",
    ]
