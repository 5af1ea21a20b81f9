"""What a line and a clock do to events that wait: half-open connections, lost packets, years back and forth.

Nothing is lost, the shop is told in words, and it is well again afterwards. Lost packets need root and iptables.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.clock import ShopClock
from sync import connection, uplink
from tests.rigs.broker import Broker
from tests.rigs.busy import Busy
from tests.rigs.figures import Tell
from tests.rigs.line import Hq, Shop
from tests.rigs.network import network
from tests.rigs.waiting import until
from tests.rigs.wire import wire
from tests.test_uplink import headquarters, running

pytestmark = pytest.mark.broker

YEAR_MS = 365 * 86_400_000
LOSS = 0.3
LOSSY_S = float(os.environ.get("LOSSY_S", "8"))


def each_once(hq: Hq, last: int) -> bool:
    """Whether headquarters has every number from 1 on; again is no fault, it tells by the number."""
    return sorted(seq for _, seq in hq.held) == list(range(1, last + 1))


async def test_a_half_open_line_is_noticed_told_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 1.0)
    with Broker() as broker, wire(broker.port) as line:
        shop = Shop(line.port)
        async with headquarters(Hq(broker.port)) as hq, running(shop):
            shop.happen(20)
            await until(lambda: not shop.rows and shop.part is not None and shop.part.state == "ok")
            line.set("stall")  # nothing passes and nobody is told
            shop.happen(30)
            await until(lambda: shop.part is not None and shop.part.state == "degraded")
            assert shop.part is not None
            assert "no connection to headquarters, the shop keeps working" in shop.part.detail
            assert "does not answer" in shop.part.detail
            assert "Events wait on disk" in shop.part.action
            assert len(shop.rows) == 30
            line.set("pass")
            await until(lambda: not shop.rows and shop.part is not None and shop.part.state == "ok")
            assert each_once(hq, 50)


class Steps:
    """The system's clock, which somebody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off_ms = 0
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + self.off_ms * 1_000_000)


class Dated(Shop):
    """A shop with the product's clock."""

    def __init__(self, port: int) -> None:
        self.clock = ShopClock()
        super().__init__(port)

    def now_ms(self) -> int:
        return self.clock.now_ms()


@pytest.mark.parametrize("years", [-1, 1])
async def test_a_clock_that_jumps_a_year_while_events_wait_changes_nothing(
    years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    with Broker() as broker:
        shop, hq = Dated(broker.port), Hq(broker.port)
        hq.mute = True
        async with headquarters(hq), running(shop):
            shop.happen(60)
            await until(lambda: len(hq.held) == 60)  # published and not confirmed
            before_ms = shop.now_ms()
            steps.off_ms = years * YEAR_MS
            assert abs(shop.clock.follow_step() - years * YEAR_MS) < uplink.SILENT_MS
            assert abs(shop.now_ms() - before_ms - years * YEAR_MS) < uplink.SILENT_MS
            shop.happen(20)
            if years < 0:
                await until(lambda: len(hq.held) == 80)
            else:  # headquarters seems to have been silent for a year: that is said, and one batch goes again to try
                await until(lambda: shop.part is not None and shop.part.state == "degraded")
                assert shop.part is not None
                assert "does not confirm" in shop.part.detail
            hq.mute = False
            await hq.confirm()
            steps.off_ms = 0  # and somebody corrects it
            shop.clock.follow_step()
            shop.happen(20)
            await until(lambda: not shop.rows and shop.part is not None and shop.part.state == "ok")
            assert each_once(hq, 100)
            assert shop.uplink.is_there
            assert Counter(shop.health.counts)["hq.losses"] == 0


def test_a_line_that_loses_every_third_packet_loses_no_event(tmp_path: Path, tell: Tell) -> None:
    busy = Busy(tmp_path, 100)
    with network() as net, wire(busy.broker.port, net.listening()) as relay:
        busy.reach(relay.host, relay.port, str(net.at_the_screen(sys.executable, tmp_path)))
        with busy:
            net.lose(LOSS)
            before = busy.held().unique
            time.sleep(LOSSY_S)
            meanwhile, waiting = busy.held().unique - before, busy.outbox()[1]
            net.lose(0.0)
            highest = busy.drain()
            held = busy.held()
    tell(
        f"{LOSS:.0%} of packets lost in each direction for {LOSSY_S:.0f} s: {meanwhile} events came through, {waiting} "
        f"waited; committed {highest}, unique at headquarters {held.unique}, doubled {held.rows - held.unique}"
    )
    assert meanwhile > 0
    assert (held.rows, held.unique, held.last, held.wrong) == (highest, highest, highest, 0)
