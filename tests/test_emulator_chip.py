"""gateway.emulator.chip: the rig under the real nfcpy and the real pyserial, as a driver would use it."""

import logging
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nfc
import nfc.clf
import nfc.clf.pn53x
import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag
import pytest

from gateway.emulator import cards, ndef
from gateway.emulator.chip import Pn532Rig

logging.captureWarnings(False)  # nfcpy's import turns it on
logging.getLogger("nfc").setLevel(logging.CRITICAL)

PATIENCE = 20  # nfcpy's own time-outs are too short for a machine under load
WAKE = bytes(10)
MESSAGE = bytes.fromhex("d1010e550473686f702e746573742f632f31")
VAS_ONLY = bytes.fromhex("6a01000002e4d2")


class Tty(nfc.clf.transport.TTY):
    def close(self) -> None:
        # nfcpy throws away what was not sent yet, after 1 ms: on a pseudo-terminal, what the chip did not read yet.
        if self.tty is not None:
            self.tty.close()

    patience = PATIENCE

    def read(self, timeout: int) -> Any:
        return super().read(timeout * self.patience)


class Reader:
    """nfcpy's own way of opening a PN532, which leaves the line at the highest rate."""

    def __init__(self, path: str) -> None:
        self.tty = Tty(path)
        self.clf = nfc.ContactlessFrontend()
        try:
            self.clf.device = nfc.clf.pn532.init(self.tty)
        except BaseException:
            self.tty.close()
            raise

    def find(self) -> Any:
        return self.clf.sense(nfc.clf.RemoteTarget("106A"))

    def read(self) -> bytes | None:
        tag = nfc.tag.activate(self.clf, self.find())
        return None if tag is None or tag.ndef is None else bytes(tag.ndef.octets)

    def close(self) -> None:
        with suppress(OSError, termios.error):
            self.clf.close()

    def crash(self) -> None:
        """The process dies: the port is closed, nobody told the chip."""
        self.tty.tty.close()


@pytest.fixture
def rig() -> Iterator[Pn532Rig]:
    with Pn532Rig() as rig:
        yield rig


@pytest.fixture
def reader(rig: Pn532Rig) -> Iterator[Reader]:
    made = Reader(rig.path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("card", "message"),
    [
        pytest.param(cards.type2(MESSAGE), MESSAGE, id="type 2"),
        pytest.param(cards.type2(bytes([0xC1, 1, 0, 0, 3, 0, 0x55]) + bytes(768), chip="ntag216"), 775, id="ntag216"),
        pytest.param(cards.type2(MESSAGE, lock_tlv=True), MESSAGE, id="lock tlv"),
        pytest.param(cards.type2(None), None, id="never formatted"),
        pytest.param(cards.type2(MESSAGE, cc=bytes.fromhex("e2101200")), None, id="broken capability container"),
        pytest.param(cards.classic(), None, id="classic"),
        pytest.param(cards.type4(MESSAGE), MESSAGE, id="type 4"),
        pytest.param(cards.type4(None), None, id="type 4 without ndef"),
        pytest.param(cards.type4(MESSAGE, wtx=2), MESSAGE, id="honest waiting"),
        pytest.param(cards.phone([ndef.applet(MESSAGE)], think_ms=60), MESSAGE, id="a slow phone"),
        pytest.param(
            cards.type4(
                bytes([0xC1, 1, 0, 0, 3, 0, 0x55]) + bytes(768), cc=bytes.fromhex("000f2000f600340406e10408000000")
            ),
            775,
            id="long answers",
        ),
    ],
)
def test_nfcpy_reads(rig: Pn532Rig, reader: Reader, card: cards.Spec, message: bytes | int | None) -> None:
    rig.present(card)
    read = reader.read()
    assert (len(read or b"") if isinstance(message, int) else read) == message


def test_a_transcript_is_kept_byte_by_byte(rig: Pn532Rig, reader: Reader) -> None:
    rig.present(cards.type4(MESSAGE))
    assert reader.read() == MESSAGE
    assert [way + data.hex() for way, data in rig.transcript()] == [
        "->e080",
        "<-0578807002",
        "->0200a4040007d276000085010100",
        "<-029000",
        "->0300a4000c02e103",
        "<-039000",
        "->0200b0000002",
        "<-02000f9000",
        "->0300b000020d",
        "<-0320003b00340406e104080000009000",
        "->0200a4000c02e104",
        "<-029000",
        "->0300b0000002",
        "<-0300129000",
        "->0200b0000212",
        "<-02" + MESSAGE.hex() + "9000",
    ]
    assert rig.apdus()[-1] == (bytes.fromhex("00b0000212"), MESSAGE + b"\x90\x00")
    before = rig.host_commands()
    reader.find()
    assert rig.host_commands()[0x4A] == before[0x4A] + 1


def test_a_phone_comes_with_another_uid_each_time(rig: Pn532Rig, reader: Reader) -> None:
    rig.present(cards.phone([]))
    seen = {bytes(reader.find().sdd_res) for _ in range(5)}
    assert {(len(uid), uid[0]) for uid in seen} == {(4, 8)}
    assert len(seen) > 1


def test_a_phone_is_woken_by_a_polling_frame(rig: Pn532Rig, reader: Reader) -> None:
    rig.present(cards.phone([ndef.applet(MESSAGE)], listens="ecp", react_ms=30))
    assert reader.find() is None
    chipset = reader.clf.device.chipset
    for _ in range(200):
        chipset.rf_configuration(0x02, b"\x0a\x0b\x06")
        chipset.write_register(("CIU_BitFraming", 0), ("CIU_TxMode", 0), ("CIU_RxMode", 0))
        with pytest.raises(nfc.clf.pn53x.Chipset.Error) as raised:
            chipset.in_communicate_thru(VAS_ONLY, 1.0)
        assert raised.value.errno == 1
        target = reader.clf.device.sense_tta(nfc.clf.RemoteTarget("106A"))
        if target is not None:
            break
    assert target is not None
    found_ns = time.monotonic_ns()
    first_ns = rig.ecp[0][0]
    assert {frame for _, frame in rig.ecp} == {VAS_ONLY}
    assert found_ns - first_ns >= 29_000_000  # its time to react, in whole milliseconds
    reader.clf.target = target
    assert nfc.tag.activate(reader.clf, target).ndef.octets == MESSAGE


def test_two_cards_at_once_give_one_of_them(rig: Pn532Rig, reader: Reader) -> None:
    rig.present_both(cards.type2(MESSAGE), cards.type4(MESSAGE))
    seen = {bytes(reader.find().sdd_res).hex() for _ in range(12)}
    assert seen == {"04a1b2c3d4e5f6", "04112233445566"}
    rig.present_both(cards.type2(MESSAGE), cards.type4(MESSAGE), garble=1.0)
    assert reader.find() is None


def test_a_waiting_time_without_end_and_a_message_without_end_do_end(rig: Pn532Rig, reader: Reader) -> None:
    rig.present(cards.type4(MESSAGE, wtx=cards.ENDLESS), drop_after=100)
    with suppress(nfc.clf.Error):  # nfcpy itself would go on for ever
        assert reader.read() is None
    assert len(rig.transcript()) == 200
    rig.present(cards.type4(MESSAGE, endless=True), drop_after=100)
    with suppress(nfc.clf.Error):
        assert reader.read() is None
    assert len(rig.transcript()) == 200


@pytest.mark.parametrize("card", [cards.type2(MESSAGE), cards.type4(MESSAGE)], ids=["type 2", "type 4"])
@pytest.mark.parametrize("torn", [False, True])
def test_a_card_may_leave_at_every_point(rig: Pn532Rig, reader: Reader, card: cards.Spec, torn: bool) -> None:
    rig.present(card)
    assert reader.read() == MESSAGE
    needed = len([way for way, _ in rig.transcript() if way == "->"])
    for n in range(needed):
        rig.present(card)
        rig.drop_after(n, torn)
        with suppress(nfc.clf.Error, nfc.tag.TagCommandError):
            assert reader.read() is None
        assert reader.find() is None
        assert len([way for way, _ in rig.transcript() if way == "->"]) == n + torn
    assert needed > 3


def test_unplugged_and_plugged_in_again_under_the_same_name(rig: Pn532Rig) -> None:
    reader = Reader(rig.path)
    rig.present(cards.type4(MESSAGE))
    device = Path(rig.path).readlink()
    rig.unplug()
    assert not Path(rig.path).is_symlink()
    with pytest.raises((OSError, termios.error)):
        reader.find()
    reader.close()
    with pytest.raises(OSError, match="reader"):
        Reader(rig.path)
    rig.replug()
    assert rig.baud == 115_200
    assert Path(rig.path).readlink().parent == device.parent
    reader = Reader(rig.path)
    assert reader.read() == MESSAGE  # the card still lies there
    reader.close()


def test_a_chip_that_a_crash_left_at_a_high_rate_hears_nothing(rig: Pn532Rig) -> None:
    Reader(rig.path).crash()
    assert rig.baud == 921_600
    tty = nfc.clf.transport.TTY(rig.path)
    with pytest.raises(OSError, match=r"timed out|No such device"):
        nfc.clf.pn532.init(tty)
    tty.close()
    rig.unplug()
    rig.replug()
    Reader(rig.path).close()
    assert rig.baud == 115_200


def test_a_stuck_chip_is_freed_by_the_cancel_that_nfcpy_sends(rig: Pn532Rig) -> None:
    reader = Reader(rig.path)
    reader.tty.patience = 1  # a time-out is meant to come
    rig.wedge("stuck")
    with pytest.raises(OSError):
        reader.find()
    reader.tty.patience = PATIENCE
    assert reader.find() is None
    reader.close()


def test_a_chip_asleep_is_woken_by_opening_it(rig: Pn532Rig) -> None:
    Reader(rig.path).crash()
    rig.unplug()
    rig.replug()
    reader = Reader(rig.path)
    reader.close()
    rig.wedge("asleep")
    reader = Reader(rig.path)
    assert reader.find() is None
    reader.close()


@pytest.mark.parametrize(
    ("what", "more", "read"),
    [
        ("noise", {"n": 1}, MESSAGE),
        ("drop_after", {"n": 0, "torn": True}, None),
        ("slow", {"ms": 5}, MESSAGE),
    ],
)
def test_a_fault_may_wait_for_its_frame(
    rig: Pn532Rig, reader: Reader, what: str, more: dict[str, object], read: bytes | None
) -> None:
    rig.trap(2, what, **more)
    assert rig.sprung_ns is None
    at_ns = rig.present(cards.type2(MESSAGE))
    assert reader.read() == read
    assert rig.sprung_ns is not None
    assert rig.sprung_ns > at_ns


def test_the_reader_may_be_unplugged_in_the_middle_of_a_tap(rig: Pn532Rig, reader: Reader) -> None:
    rig.trap(2, "unplug")
    rig.present(cards.type2(MESSAGE))
    with suppress(OSError, termios.error):
        assert reader.read() is None
    while Path(rig.path).is_symlink():
        time.sleep(0.01)
    rig.replug()
    assert Path(rig.path).exists()


def test_slow_firmware_is_slow(rig: Pn532Rig, reader: Reader) -> None:
    rig.slow(30)
    at_ns = rig.present(cards.classic())
    assert reader.find() is not None
    assert rig.remove() - at_ns > 3 * 30_000_000  # field off, look, two registers


def test_noise_is_repaired_by_asking_again(rig: Pn532Rig, reader: Reader) -> None:
    rig.present(cards.type4(MESSAGE))
    tag = nfc.tag.activate(reader.clf, reader.find())
    rig.noise(1)
    assert tag.ndef.octets == MESSAGE


def test_wrong_orders_are_refused_and_change_nothing(rig: Pn532Rig) -> None:
    with pytest.raises(ValueError, match="nobody"):
        rig.present(cards.phone([{"applet": "nobody"}]))
    with pytest.raises(ValueError, match="rusty"):
        rig.wedge("rusty")
    rig.unplug()
    with pytest.raises(ValueError, match="plugged"):
        rig.wedge("stuck")
    rig.unplug()
    rig.replug()
    assert Path(rig.path).exists()


def test_nothing_is_left_behind() -> None:
    with Pn532Rig() as rig:
        folder = Path(rig.path).parent
        assert folder.is_dir()
    assert not folder.exists()
    rig.close()
