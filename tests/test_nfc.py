"""drivers.nfc: what `nfc:` paths mean, and a source that tells health, stops, and never blocks the event loop."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drivers import chip, nfc, reader, tags
from drivers.faults import LostError
from drivers.nfc import NfcSource
from gateway.config import SourceTable
from gateway.emulator.cards import Spec, type2, type4
from gateway.emulator.chip import Pn532Rig
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health
from tests.rigs.reading import LIMIT_S, Bench, RecordingEars, StandingClock, listening

CARD = tags.encode_uri("https://shop.test/c/1")


def no_reader_threads() -> bool:
    """Waits, because a thread reports its end a moment before it has ended."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("nfc-")]
    for thread in threads:
        thread.join(LIMIT_S)
    return not any(thread.is_alive() for thread in threads)


async def test_an_open_reader_is_healthy_and_names_the_receiver() -> None:
    with Pn532Rig() as rig:
        async with listening(rig) as bench:
            assert bench.part is not None
            assert (bench.part.name, bench.part.state, bench.part.action) == ("receiver:till", "ok", "")
            rig.present(type2(CARD))
            await bench.taps(1)
            assert bench.ears.presentations[0][1] == "till"


@pytest.mark.parametrize("path", ["/dev/no-such-reader", "usb:1234:5678"])
async def test_no_reader_is_down_with_a_next_step_and_searched_for(path: str) -> None:
    bench = Bench(f"nfc:{path}")
    await bench.is_("down")
    assert bench.part is not None
    assert path in bench.part.detail
    assert bench.part.action
    await asyncio.sleep(0)
    assert not bench.task.done()
    await bench.stop()


async def test_a_line_without_a_chip_is_down() -> None:
    master, slave = os.openpty()
    try:
        bench = Bench(f"nfc:{os.ttyname(slave)}")
        await bench.is_("down")
        assert bench.part is not None
        assert "does not answer" in bench.part.detail
        await bench.stop()
    finally:
        os.close(master)
        os.close(slave)


async def test_a_reader_in_use_is_down_until_it_is_free() -> None:
    with Pn532Rig() as rig:
        async with listening(rig):
            second = Bench(f"nfc:{rig.path}")
            await second.is_("down")
            assert second.part is not None
            assert "Another program" in second.part.detail
        await second.is_("ok")
        await second.stop()


async def test_a_reader_that_may_not_be_opened_is_down(tmp_path: Path) -> None:
    node = tmp_path / "reader"
    node.mkdir()  # no one may open a folder as a port, root neither
    bench = Bench(f"nfc:{node}")
    await bench.is_("down")
    await bench.stop()


@pytest.mark.parametrize("card", [None, type2(CARD), type4(CARD)], ids=["idle", "type 2 rests", "type 4 rests"])
async def test_stop_leaves_no_thread(card: Spec | None) -> None:
    with Pn532Rig() as rig:
        async with listening(rig) as bench:
            if card is not None:
                rig.present(card)
                await bench.taps(1)
            bench.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await bench.task
    assert no_reader_threads()


async def test_the_same_reader_can_be_opened_again() -> None:
    with Pn532Rig() as rig:
        for _ in range(2):
            async with listening(rig):
                pass
        assert rig.baud == chip.BAUD


async def test_a_bug_in_the_thread_ends_the_source_and_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: object) -> None:
        raise ZeroDivisionError("04a1b2c3")

    monkeypatch.setattr(reader.Reader, "run", broken)
    bench = Bench("nfc:/dev/no-such-reader")
    with pytest.raises(ZeroDivisionError):
        await bench.task
    assert no_reader_threads()
    assert capsys.readouterr().err == ""


async def test_nfcpy_tells_our_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET)
    with Pn532Rig() as rig:
        async with listening(rig) as bench:
            rig.present(type4(CARD))
            await bench.taps(1)
            rig.unplug()
            await bench.is_("down")
    assert [record.name for record in caplog.records if record.name.startswith("nfc")] == []


@pytest.mark.parametrize(
    "path",
    [
        "nfc:",
        "nfc:tty",
        "nfc:bluetooth:1",
        "nfc:udp:host:port",
        "nfc:tty:AMA0:pn532?x=1",
        "nfc:tty:USB:pn532",  # a search, which nfcpy would do at 921,600 baud
    ],
)
def test_paths_that_name_no_reader_are_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        NfcSource(SourceTable(path=path, receiver="till"), RecordingEars(), StandingClock(), Health())


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("/dev/pts/5", "/dev/pts/5"),
        ("tty:AMA0:pn532", "/dev/ttyAMA0"),
        ("tty:USB12:pn532", "/dev/ttyUSB12"),
        ("tty:serial0:pn532", "/dev/serial0"),
        ("tty:USB0:arygon", None),
        ("usb:072f:2200", None),
        ("udp:localhost:54321", None),
    ],
)
def test_serial_ports_that_we_open_ourselves(target: str, port: str | None) -> None:
    assert nfc.serial_port(target) == port
    NfcSource(SourceTable(path=f"nfc:{target}", receiver="till"), RecordingEars(), StandingClock(), Health())


def test_readers_are_device_nodes() -> None:
    assert all(Path(path).exists() for path in nfc.readers())


def test_a_path_is_checked_without_loading_nfcpy() -> None:
    script = "import sys; import drivers.nfc; sys.exit('nfc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=False).returncode == 0


def test_bounds_keep_their_order() -> None:
    assert reader.READ_MS < nfc.STOP_MS
    assert chip.USB_SERIAL_MS + 6 * chip.CHIP_MS + 3 * chip.RATE_MS < nfc.STOP_MS


async def test_a_thread_that_is_stuck_below_python_is_left_behind_and_another_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free, begun = threading.Event(), []

    class Stuck:
        still_ms = 0

        def __init__(self, *_: object) -> None:
            begun.append(self)

        def run(self) -> None:
            free.wait()

    monkeypatch.setattr(reader, "Reader", Stuck)
    monkeypatch.setattr(nfc, "LOOK_S", 0.01)
    monkeypatch.setattr(nfc, "STOP_MS", 10)
    bench = Bench("nfc:/dev/reader")
    try:
        await bench.until(lambda: len(begun) == 1)
        assert not bench.task.done()
        begun[0].still_ms = nfc.HUNG_MS + 1
        with pytest.raises(UnavailableError):
            await bench.task
        assert bench.health.counts == {nfc.HUNG: 1}
    finally:
        free.set()
    assert no_reader_threads()


def test_a_reader_that_looks_moves() -> None:
    stop = threading.Event()
    link = reader.Link(print, print, print)
    one = reader.Reader("/dev/none", "/dev/none", None, link, stop)  # type: ignore[arg-type]  # it asks no terminal
    one._moved_ms -= 1_000
    assert one.still_ms >= 1_000
    with pytest.raises(LostError):
        one._pause(1)
    assert one.still_ms < 1_000


def test_a_reader_that_is_unplugged_for_hours_is_not_taken_for_a_driver_that_hangs() -> None:
    stills: list[int] = []

    class HalfMinutes(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            one._moved_ms -= 30_000
            stills.append(one.still_ms)
            if len(stills) == 10:
                self.set()
            return self.is_set()

    link = reader.Link(print, print, print)
    one = reader.Reader("/dev/none", "/dev/none", None, link, HalfMinutes())  # type: ignore[arg-type]  # no terminal
    assert not one._wait_to_open(LostError("unplugged", "", absent=True), 100)
    assert max(stills) < nfc.HUNG_MS
