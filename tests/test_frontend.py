"""drivers.frontend: the real nfcpy against an emulated PN532 and against cards that answer as they like."""

import errno
import gc
import socket
import termios
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import nfc as nfcpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import cards, chip, frontend, tags
from drivers.faults import FaultError, LostError
from drivers.frontend import Card, Frontend
from drivers.talk import CardGoneError
from gateway.emulator.cards import ENDLESS, Spec, classic, phone, type2, type4
from gateway.emulator.chip import Pn532Rig
from gateway.emulator.udp import UdpCard

CARD = tags.encode_uri("https://shop.test/c/1")
SELECT = bytes.fromhex("00a4040007d276000085010100")
LONG_MS = 60_000


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@pytest.fixture
def rig() -> Iterator[Pn532Rig]:
    with Pn532Rig() as rig:
        yield rig


@contextmanager
def opened(path: str, port: str | None = None) -> Iterator[Frontend]:
    clf = Frontend(threading.Event(), now_ms)
    clf.start(path, port)
    try:
        yield clf
    finally:
        clf.shut(politely=True)


def found(clf: Frontend) -> Card:
    """The card that is there, begun. Looks again, because a loaded machine is slow."""
    for _ in range(100):
        with suppress(CardGoneError, FaultError):
            card = clf.find()
            if card is not None:
                clf.allow(LONG_MS)
                card.begin()
                return card
    raise AssertionError("no card")


@pytest.mark.parametrize("ats", ["0578807002", "01", "037880", "0328a0", "04187002", "0278"])
def test_apdus_go_to_cards_with_any_answer_to_select(rig: Pn532Rig, ats: str) -> None:
    rig.present(type4(CARD, ats=bytes.fromhex(ats)))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        assert card.is_iso_dep
        assert card.uid == bytes.fromhex("04112233445566")
        assert card.exchange(SELECT) == b"\x90\x00"
        assert card.answers()
        rig.remove()
        assert not card.answers()
        with pytest.raises(CardGoneError):
            card.exchange(SELECT)


def test_long_answers_are_chained(rig: Pn532Rig) -> None:
    message = tags.encode_text("x" * 600)
    rig.present(type4(message, cc=bytes.fromhex("000f2000ff00340406e10408000000")))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        for apdu in (SELECT, bytes.fromhex("00a4000c02e104")):
            assert card.exchange(apdu)[-2:] == b"\x90\x00"
        assert card.exchange(bytes.fromhex("00b00000ff"))[:255] == (len(message).to_bytes(2, "big") + message)[:255]


def test_waiting_time_extensions_are_granted_but_not_for_ever(rig: Pn532Rig) -> None:
    with opened(rig.path, rig.path) as clf:
        rig.present(type4(CARD, wtx=3))
        assert found(clf).exchange(SELECT) == b"\x90\x00"
        rig.present(type4(CARD, wtx=ENDLESS))
        card = found(clf)
        with pytest.raises(CardGoneError):
            card.exchange(SELECT)
        assert clf.spent


def test_type_2_is_read_and_stays_there(rig: Pn532Rig) -> None:
    rig.present(type2(CARD))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        assert (card.is_iso_dep, card.ndef()) == (False, CARD)
        assert card.answers()
        rig.remove()
        assert not card.answers()


@pytest.mark.parametrize("drop_after", [1, 2, 3, 5, None])
@pytest.mark.parametrize("card", [type2(CARD), type2(CARD, announce=65_535), type4(CARD)], ids=["t2", "half", "t4"])
def test_nothing_of_a_card_is_left_when_it_is_gone(rig: Pn532Rig, card: Spec, drop_after: int | None) -> None:
    with opened(rig.path, rig.path) as clf:
        rig.present(card)
        shown = found(clf)
        traces = [weakref.ref(one) for one in (shown._target, shown._tag)]
        rig.remove() if drop_after is None else rig.drop_after(drop_after)
        gc.collect()
        gc.disable()  # in a quiet shop it comes hours later
        try:
            with suppress(CardGoneError):
                shown.ndef()
                while shown.answers():
                    pass
            del shown
            assert clf.find() is None
            assert [trace() for trace in traces] == [None, None]
            assert gc.collect() == 0
        finally:
            gc.enable()


@pytest.mark.parametrize("card", [type2(None), classic()], ids=["blank", "classic"])
def test_a_card_without_ndef_has_none(rig: Pn532Rig, card: Spec) -> None:
    rig.present(card)
    with opened(rig.path, rig.path) as clf:
        one = found(clf)
        assert one.ndef() is None
        assert not one.is_half_written()


def test_a_half_written_tag_is_told_from_a_blank_one(rig: Pn532Rig) -> None:
    rig.present(type2(CARD, announce=65_535))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        assert card.ndef() is None
        assert card.is_half_written()


def test_a_card_that_leaves_while_it_is_read_is_gone_and_not_blank(rig: Pn532Rig) -> None:
    with opened(rig.path, rig.path) as clf:
        rig.present(type2(CARD), drop_after=1)
        card = found(clf)
        with pytest.raises(CardGoneError):
            card.ndef()
        assert (clf.heard, clf.spent) == (1, False)


def test_a_let_go_card_answers_only_after_a_new_look(rig: Pn532Rig) -> None:
    rig.present(type4(CARD))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        card.exchange(SELECT)
        card.deselect()
        assert rig.transcript()[-1] == ("<-", b"\xc2")
        with pytest.raises(CardGoneError):
            card.exchange(SELECT)
        assert found(clf).exchange(SELECT) == b"\x90\x00"


def test_each_look_lets_a_phone_begin_anew(rig: Pn532Rig) -> None:
    rig.present(phone([]))
    with opened(rig.path, rig.path) as clf:
        uids = {found(clf).uid for _ in range(5)}
    assert len(uids) == 5
    assert all(cards.is_random(uid) for uid in uids)


def test_a_chip_watches_by_itself_until_somebody_comes(rig: Pn532Rig) -> None:
    with opened(rig.path, rig.path) as clf:
        assert clf.can_watch
        assert clf.watch(50) is False
        assert clf.find() is None
        coming = threading.Timer(0.2, rig.present, (type2(CARD),))
        coming.start()
        before_ms = now_ms()
        assert clf.watch(LONG_MS) is True
        assert now_ms() - before_ms < LONG_MS
        coming.join()
        assert found(clf).ndef() == CARD
        assert clf.watch(LONG_MS) is True  # it rests there
        rig.remove()
        before = sum(rig.host_commands().values())
        assert clf.watch(1_000) is False
        assert clf.find() is None
        assert sum(rig.host_commands().values()) == before + 7


def test_told_to_stop_it_watches_no_more(rig: Pn532Rig) -> None:
    stop = threading.Event()
    clf = Frontend(stop, now_ms)
    clf.start(rig.path, rig.path)
    stop.set()
    assert clf.watch(LONG_MS) is False
    clf.shut(politely=True)


def test_a_chip_that_does_not_wait_is_told_from_one_that_does(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip, "LOOK_ON", chip.LOOK_ONCE)
    with opened(rig.path, rig.path) as clf:
        assert clf.watch(LONG_MS) is None


@pytest.mark.parametrize("how", ["stuck", "asleep", "deaf"])
def test_a_chip_that_hangs_while_it_watches_is_a_fault(rig: Pn532Rig, how: str) -> None:
    with opened(rig.path, rig.path) as clf:
        coming = threading.Timer(0.1, rig.wedge, (how,))
        coming.start()
        with suppress(FaultError):
            assert clf.watch(300) is False  # one that was only stuck hears the host break off
        coming.join()
        clf.abort()
        with suppress(FaultError):
            assert clf.find() is None
            assert how != "deaf"


def test_an_exchange_costs_the_chip_one_command_and_an_empty_look_three(rig: Pn532Rig) -> None:
    with opened(rig.path, rig.path) as clf:
        clf.find()
        before = sum(rig.host_commands().values())
        clf.find()
        assert sum(rig.host_commands().values()) == before + 3
        rig.present(type4(CARD))
        card = found(clf)
        card.exchange(SELECT)
        before = sum(rig.host_commands().values())
        for _ in range(10):
            card.exchange(SELECT)
        assert sum(rig.host_commands().values()) == before + 10


def test_the_wake_up_frame_is_sent_only_when_asked_for_and_nobody_is_there(rig: Pn532Rig) -> None:
    with opened(rig.path, rig.path) as clf:
        clf.find()
        assert rig.ecp == []
        clf.find(cards.WAKE_VAS)
        assert [frame for _, frame in rig.ecp] == [cards.WAKE_VAS]
        rig.present(type4(CARD))
        found(clf)
        while clf.find(cards.WAKE_VAS) is None:
            pass
        sent = len(rig.ecp)
        assert clf.find(cards.WAKE_VAS) is not None
        assert len(rig.ecp) == sent
        assert found(clf).exchange(SELECT) == b"\x90\x00"  # after raw frames the chip counts CRCs again


def test_two_cards_at_once_are_one_of_them_or_nobody(rig: Pn532Rig) -> None:
    one, other = tags.encode_uri("https://shop.test/1"), tags.encode_uri("https://shop.test/2")
    pairs = {bytes.fromhex("04a1b2c3d4e5f6"): one, bytes.fromhex("04ffeeddccbbaa"): other}
    rig.present_both(type2(one), type2(other, uid="04ffeeddccbbaa"), garble=0.5)
    seen, spoilt = set(), 0
    with opened(rig.path, rig.path) as clf:
        for _ in range(60):
            try:
                card = clf.find()
                if card is not None:
                    clf.allow(LONG_MS)
                    card.begin()
                    assert card.ndef() == pairs[card.uid]
                    seen.add(card.uid)
            except CardGoneError:
                spoilt += 1
    assert seen == set(pairs)
    assert spoilt > 0


def test_unplugged_is_a_fault_and_closing_never_raises(rig: Pn532Rig) -> None:
    rig.present(type4(CARD))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        rig.unplug()
        for use in (lambda: card.exchange(SELECT), card.answers, card.deselect, clf.find):
            with pytest.raises(FaultError):
                use()
        clf.abort()
        clf.shut(politely=True)
        with pytest.raises(FaultError):
            clf.find()


@pytest.mark.parametrize("rate", chip.LEFT_BEHIND_BAUDS)
def test_a_chip_left_at_another_rate_is_rescued_and_stays_at_ours(rate: int) -> None:
    with Pn532Rig(baud=rate) as rig:
        with opened(rig.path, rig.path) as clf:
            rig.present(type2(CARD))
            assert found(clf).ndef() == CARD
        assert rig.baud == chip.BAUD


def test_a_chip_that_hangs_is_a_fault_and_not_a_card_that_left(rig: Pn532Rig) -> None:
    rig.present(type4(CARD))
    with opened(rig.path, rig.path) as clf:
        card = found(clf)
        rig.wedge("stuck")
        with pytest.raises(FaultError):
            card.exchange(SELECT)
        clf.abort()
        assert found(clf).exchange(SELECT) == b"\x90\x00"


def test_slow_firmware_is_waited_for(rig: Pn532Rig) -> None:
    rig.slow(150)  # nfcpy alone gives up after 100 ms
    rig.present(type4(CARD))
    with opened(rig.path, rig.path) as clf:
        assert found(clf).exchange(SELECT) == b"\x90\x00"


@pytest.mark.parametrize("iso_dep", [False, True])
def test_cards_over_udp(iso_dep: bool) -> None:
    with UdpCard(None) as simulated, opened(simulated.path) as clf:
        began_ms = now_ms()
        assert clf.find() is None
        assert now_ms() - began_ms < 1_000  # nfcpy alone waits that long
        simulated.present(type4(CARD) if iso_dep else type2(CARD))
        card = found(clf)
        assert card.is_iso_dep is iso_dep
        if iso_dep:
            assert card.exchange(SELECT) == b"\x90\x00"
        else:
            assert card.ndef() == CARD
        assert card.answers()
        simulated.present(None)
        assert not card.answers()
        assert clf.find() is None


def test_a_udp_reader_that_nobody_simulates_is_an_empty_one() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with opened(f"udp:127.0.0.1:{silent.getsockname()[1]}") as clf:
            assert clf.find() is None


@pytest.mark.parametrize("path", ["udp:no-such-host.invalid:1", "usb:1234:5678", "tty:no-such-port:arygon"])
def test_a_reader_that_is_not_there_is_lost(path: str) -> None:
    with pytest.raises(LostError, match=path), opened(path):
        pass


class Driver:
    """nfcpy's device driver with a reader or card that behaves as told."""

    def __init__(self, sel_res: int = 0, answers: list[bytes | None] | None = None, closing: type[Exception] = OSError):
        self._sel_res = sel_res
        self._answers = iter(answers or [])
        self._closing = closing

    def mute(self) -> None:
        pass

    def close(self) -> None:
        raise self._closing

    def sense_tta(self, target: Any) -> Any:
        return nfcpy.clf.RemoteTarget(
            "106A",
            sens_res=bytearray(b"\x44\x00"),
            sel_res=bytearray([self._sel_res]),
            sdd_res=bytearray(b"\x04abcdef"),
        )

    def send_cmd_recv_rsp(self, target: Any, data: bytes, timeout: float) -> bytearray:
        answer = next(self._answers, None)
        if answer is None:
            raise nfcpy.clf.TimeoutError
        return bytearray(answer)

    def get_max_send_data_size(self, target: Any) -> int:
        return 263

    def get_max_recv_data_size(self, target: Any) -> int:
        return 262


@pytest.mark.parametrize(
    "error", [OSError, termios.error, IndexError, frontend.nfc.clf.transport.libusb.USBErrorNoDevice, TypeError]
)
def test_a_driver_that_cannot_even_close_is_let_go(error: type[Exception]) -> None:
    clf = Frontend(threading.Event(), now_ms)
    clf.device = Driver(closing=error)
    clf.shut(politely=True)
    assert clf.device is None


@pytest.mark.parametrize("error", [OSError(errno.EIO, ""), termios.error(5, ""), ValueError(), IndexError()])
def test_whatever_a_look_lets_out_is_a_fault(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Driver, target: Any) -> Any:
        raise error

    monkeypatch.setattr(Driver, "sense_tta", broken)
    clf = Frontend(threading.Event(), now_ms)
    clf.device = Driver()
    with pytest.raises(FaultError):
        clf.find()


def test_a_card_may_not_send_without_end() -> None:
    clf = Frontend(threading.Event(), now_ms)
    clf.device = Driver(0x20, [bytes.fromhex("0578807002")] + [bytes([0x12 | n & 1]) + bytes(250) for n in range(500)])
    card = found(clf)
    with pytest.raises(CardGoneError):
        card.exchange(SELECT)
    assert clf.spent
    assert clf.heard * 250 < frontend.BYTES_MAX + 500


pieces = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
    st.sampled_from([bytes.fromhex("e1101200"), bytes.fromhex("0578807002"), b"\x00", b"\x0a"]),
    st.tuples(st.sampled_from([b"\x02", b"\x03", b"\x12", b"\xf2\x01", b"\xa2"]), st.binary(max_size=16)).map(
        lambda parts: parts[0] + parts[1] + b"\x90\x00"
    ),
)


@settings(deadline=None)
@given(st.sampled_from([0x00, 0x08, 0x20, 0x28, 0x40, 0x60]), st.lists(pieces, max_size=30))
def test_whatever_a_card_answers_the_conversation_ends(sel_res: int, answers: list[bytes | None]) -> None:
    clf = Frontend(threading.Event(), now_ms)
    clf.device = Driver(sel_res, answers)
    card = clf.find()
    assert card is not None
    clf.allow(LONG_MS)
    with suppress(CardGoneError):
        card.begin()
        if card.is_iso_dep:
            assert len(card.exchange(SELECT)) >= 2
        else:
            assert isinstance(card.ndef(), bytes | None)
    card.answers()
    card.deselect()


def test_told_to_stop_no_further_frame_is_exchanged() -> None:
    stop = threading.Event()
    clf = Frontend(stop, now_ms)
    clf.device = Driver(0x20, [bytes.fromhex("0578807002"), b"\x02\x90\x00"])
    card = found(clf)
    stop.set()
    with pytest.raises(CardGoneError):
        card.exchange(SELECT)
    assert (clf.heard, clf.spent) == (0, False)
