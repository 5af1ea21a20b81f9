"""gateway.emulator.pn532: each host command, without a line and without waiting."""

import math

import pytest

from gateway.emulator import cards
from gateway.emulator.field import Field
from gateway.emulator.pn532 import FOR_EVER, AbortedError, Chip, crc_a, timeout_s

NDEF = b"\xd0\x00\x00"
TYPE2, TYPE4 = cards.type2(NDEF), cards.type4(NDEF)
ECP = bytes.fromhex("6a01000002e4d2")


class Host:
    """Asks a chip, and adds up the time that passes. More than a minute is an abort."""

    def __init__(self, *specs: cards.Spec) -> None:
        self.field = Field()
        self.field.put([cards.make(spec) for spec in specs])
        self.chip = Chip(self.field)
        self.passed_s = 0.0
        self.ask("32 05 ff 01 01")

    def ask(self, command: str) -> str | None:
        octets = bytes.fromhex(command)
        reply = self.chip.run(octets[0], octets[1:], self.wait)
        return None if reply is None else reply.hex()

    def wait(self, seconds: float) -> None:
        self.passed_s += seconds
        if self.passed_s > 60:
            raise AbortedError


def test_crc_is_that_of_the_standard() -> None:
    assert crc_a(b"\x00\x00") == b"\xa0\x1e"  # ISO 14443-3, annex B
    assert crc_a(ECP[:5]) == ECP[5:]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        pytest.param("02", "32010607", id="GetFirmwareVersion"),
        pytest.param("00 00 0102ff", "000102ff", id="Diagnose, line"),
        pytest.param("00 01", "00", id="Diagnose, ROM"),
        pytest.param("04", "00000000", id="GetGeneralStatus"),
        pytest.param("12 00", "", id="SetParameters"),
        pytest.param("14 01 00 00", "", id="SAMConfiguration"),
        pytest.param("10 07", "", id="SetSerialBaudrate"),
        pytest.param("10 09", None, id="a rate that it does not know"),
        pytest.param("32 01 01", "", id="field on"),
        pytest.param("32 02 00 0b 0a", "", id="timings"),
        pytest.param("32 02 00 0b 11", None, id="a time-out that there is not"),
        pytest.param("32 04 00", "", id="retries of frames"),
        pytest.param("32 05 01 00 01", "", id="retries"),
        pytest.param("32 0a 59f43f114d85616f266287", "", id="analogue A"),
        pytest.param("32 0b 69ff3f114185616f", "", id="analogue F"),
        pytest.param("32 0c ff0485", "", id="analogue B"),
        pytest.param("32 0d 85158a8508b28501da", "", id="analogue 14443-4"),
        pytest.param("32 0d 85", None, id="a configuration too short"),
        pytest.param("32 03 00", None, id="a configuration that there is not"),
        pytest.param("06 6302 6303", "0000", id="ReadRegister"),
        pytest.param("08 6302 80", "", id="WriteRegister"),
        pytest.param("08 6302", None, id="WriteRegister too short"),
        pytest.param("16 f0", "00", id="PowerDown"),
        pytest.param("52 00", "00", id="InRelease"),
        pytest.param("40 01 00", "27", id="InDataExchange"),
        pytest.param("46 00", "01", id="InJumpForPSL"),
        pytest.param("56 00", "01", id="InJumpForDEP"),
        pytest.param("4a 01", None, id="InListPassiveTarget too short"),
        pytest.param("4a 01 03 00", "00", id="Type B"),
        pytest.param("42 3000", "01", id="InCommunicateThru to nobody"),
        pytest.param("60", None, id="unknown"),
    ],
)
def test_commands(command: str, reply: str | None) -> None:
    assert Host().ask(command) == reply


def test_registers_are_kept() -> None:
    host = Host()
    host.ask("08 6302 80 633d 07")
    assert host.ask("06 633d 6302 6305") == "078000"


def test_an_empty_look_leaves_the_request_in_the_buffer() -> None:
    host = Host()
    assert host.ask("4a 01 00") == "00"
    assert host.ask("06 6339") == "26"


def test_cards_that_cannot_be_told_apart_leave_something_else() -> None:
    host = Host()
    host.field.put([cards.make(TYPE2), cards.make(TYPE4)], garble=1.0)
    assert host.ask("4a 01 00") == "00"
    assert host.ask("06 6339") == "00"


@pytest.mark.parametrize(
    ("spec", "reply"),
    [
        (TYPE2, "010100440007" + TYPE2["uid"]),
        (TYPE4, "010103442007" + TYPE4["uid"]),
        (cards.classic(), "0101000408045a6b7c8d"),
    ],
)
def test_a_card_is_listed(spec: cards.Spec, reply: str) -> None:
    host = Host(spec)
    assert host.ask("4a 01 00") == reply
    assert host.ask("04") == "0001010100000000"
    assert host.ask("06 6302 6303") == "8080"


def test_a_card_is_asked_for_by_its_uid() -> None:
    host = Host(TYPE2)
    assert host.ask("4a 01 00 88" + TYPE2["uid"]) == "010100440007" + TYPE2["uid"]
    assert host.ask("4a 01 00 8804000000000000") == "00"


def test_looking_without_end_is_ended_by_the_host() -> None:
    host = Host()
    host.ask(f"32 05 ff 01 {FOR_EVER:02x}")
    with pytest.raises(AbortedError):
        host.ask("4a 01 00")


def test_a_chip_that_looks_for_ever_finds_who_comes_later() -> None:
    host = Host()
    host.ask(f"32 05 01 00 {FOR_EVER:02x}")
    wait = host.wait

    def come(seconds: float) -> None:
        wait(seconds)
        if host.passed_s > 10:
            host.field.put([cards.make(TYPE2)])

    host.wait = come  # type: ignore[method-assign]  # somebody comes while it looks
    assert str(host.ask("4a 01 00")).startswith("0101")
    assert 10 < host.passed_s < 11


def test_frames_go_through_and_back() -> None:
    host = Host(TYPE4)
    host.ask("4a 01 00")
    assert host.ask("42 e080") == "00" + TYPE4["ats"]
    assert host.ask("42 0200a4040007d276000085010100") == "00029000"


def test_type_2_needs_the_crc_check_off() -> None:
    host = Host(TYPE2)
    host.ask("4a 01 00")
    page = bytes.fromhex("0303d00000fe00000000000000000000")
    assert host.ask("42 3004") == "00" + page.hex()
    assert host.ask("42 a204d0000000") == "02"  # ACK has no CRC
    host.ask("08 6303 00")
    assert host.ask("42 a2040303d000") == "000a"
    assert host.ask("42 3004") == "00" + (page + crc_a(page)).hex()
    host.field.make_noise(1)
    assert host.ask("42 3004") != "00" + (page + crc_a(page)).hex()
    assert host.ask("42 ff") == "0000"
    assert host.ask("42 3004") == "01"


def test_noise_is_a_crc_error() -> None:
    host = Host(TYPE4)
    host.ask("4a 01 00")
    host.field.make_noise(1)
    assert host.ask("42 e080") == "02"


def test_the_host_may_send_its_own_crc() -> None:
    host = Host(TYPE4)
    host.ask("4a 01 00")
    host.ask("08 6302 00")
    assert host.ask("42 e080") == "01"  # without
    assert host.ask("42 e080" + crc_a(b"\xe0\x80").hex()) == "00" + TYPE4["ats"]


def test_polling_frames_need_a_field_and_a_right_crc() -> None:
    host = Host(cards.phone([], listens="ecp", react_ms=0))
    assert host.ask(f"42 {ECP.hex()}") == "01"
    assert host.field.ecp() == []  # no field
    host.ask("4a 01 00")
    host.ask("42 6a010000020000")
    assert host.field.ecp() == []
    assert host.ask(f"42 {ECP.hex()}") == "01"
    host.ask("08 6302 80")
    assert host.ask(f"42 {ECP[:5].hex()}") == "01"  # the chip adds it
    assert [frame for _, frame in host.field.ecp()] == [ECP, ECP]
    reply = host.ask("4a 01 00")
    assert reply is not None
    assert reply.startswith("01010004200408")


@pytest.mark.parametrize("off", ["32 01 00", "16 f0", "52 00"])
def test_a_card_is_let_go(off: str) -> None:
    host = Host(TYPE4)
    host.ask("4a 01 00")
    host.ask(off)
    assert host.ask("42 e080") == "01"
    host.ask("32 01 00")
    assert host.ask("4a 01 00") == "010103442007" + TYPE4["uid"]


def test_a_halted_card_needs_the_field_to_go_off() -> None:
    host = Host(TYPE4)
    host.ask("4a 01 00")
    host.ask("42 e080")
    host.ask("52 00")
    assert host.ask("4a 01 00") == "00"


def test_power_down_sleeps() -> None:
    host = Host()
    host.ask("16 f0")
    assert host.chip.asleep


def test_time_passes_as_programmed() -> None:
    host = Host()
    host.ask("32 01 01")
    host.ask("32 02 00 0b 0a")
    host.passed_s = 0
    host.ask("42 3000")
    assert 0.0512 < host.passed_s < 0.053
    assert [timeout_s(index) for index in (1, 2, 16)] == pytest.approx([100e-6, 200e-6, 3.2768])
    assert math.isinf(timeout_s(0))


def test_a_phone_that_thinks_takes_its_time_or_loses_the_answer() -> None:
    host = Host(cards.phone([], think_ms=40, ats=bytes.fromhex("0578808002")))
    host.ask("4a 01 00")
    host.ask("42 e080")
    host.passed_s = 0
    assert host.ask("42 0280ca0000") == "00026d00"
    assert 0.040 < host.passed_s < 0.044
    host.ask("32 02 00 0b 09")  # 25.6 ms
    assert host.ask("42 0380ca0000") == "01"
    assert host.ask("42 b3") == "00036d00"  # it was computed


def test_a_phone_taken_away_while_it_thinks_is_a_time_out() -> None:
    host = Host(cards.phone([], think_ms=40))
    host.ask("4a 01 00")
    host.ask("42 e080")
    host.ask("32 02 00 0b 0b")
    passed_s = host.passed_s

    def leave(seconds: float) -> None:
        host.passed_s += seconds
        if host.passed_s - passed_s > 0.04:
            host.field.put([])

    assert host.chip.run(0x42, bytes.fromhex("0280ca0000"), leave) == b"\x01"
    assert host.passed_s - passed_s > 0.1


def test_firmware_takes_as_long_as_it_is_told() -> None:
    host = Host()
    host.chip.slow_ms = 200
    host.passed_s = 0
    host.ask("02")
    assert host.passed_s == pytest.approx(0.2)
