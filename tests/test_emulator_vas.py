"""gateway.emulator.vas: the phone refuses what a real one refuses, and its spec crosses a pipe."""

import json

import pytest

from drivers import iso7816, vas
from gateway.emulator import vas as emulated
from tests.rigs.wallets import NOW_MS, key

TYPE = "pass.example.loyalty"
SELECT = iso7816.select(b"OSE.VAS.01")


def phone(**options: object) -> emulated.VasPhone:
    passes = [emulated.nfc_pass(TYPE, key("merchant").public_key(), b"M-1")]
    return emulated.make(json.loads(json.dumps(emulated.applet(passes, NOW_MS // 1000, **options))))


def get(data: bytes, head: str = "80ca0101") -> bytes:
    return iso7816.command(bytes.fromhex(head), data)


def test_a_pass_is_shown_after_select_only() -> None:
    applet = phone()
    assert applet.answer(get(vas.request(TYPE))) == emulated.NOT_MINE
    assert applet.answer(SELECT)[-2:] == emulated.OK
    assert applet.answer(get(vas.request(TYPE)))[-2:] == emulated.OK
    applet.select()
    assert applet.answer(get(vas.request(TYPE))) == emulated.NOT_MINE


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        (get(vas.request("pass.example.other")), emulated.NO_PASS),
        (get(vas.request(TYPE), "80ca0102"), emulated.WRONG_PARAMETERS),
        (get(vas.request(TYPE))[:-1], emulated.WRONG_LENGTH),
        (get(vas.request(TYPE)[5:]), emulated.WRONG_DATA),
        (get(vas.request(TYPE)[:-1]), emulated.WRONG_DATA),
        (get(vas.request(TYPE).replace(bytes.fromhex("0100000000"), bytes(5))), emulated.WRONG_DATA),
        (bytes.fromhex("90530000aa"), emulated.NOT_MINE),
    ],
)
def test_what_a_phone_turns_away(apdu: bytes, status: bytes) -> None:
    applet = phone()
    applet.answer(SELECT)
    assert applet.answer(apdu) == status


def test_each_field_gives_a_new_key_unless_it_is_kept() -> None:
    for keep in (False, True):
        applet = phone(keep=keep)
        shown = []
        for _ in range(2):
            applet.select()
            applet.answer(SELECT)
            shown.append(applet.answer(get(vas.request(TYPE))))
        assert (shown[0] == shown[1]) is keep
