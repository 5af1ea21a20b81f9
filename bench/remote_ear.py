"""What a remote scanner costs: added latency, bytes on the wire, CPU. Prints a table: python -m bench.remote_ear.

A real broker; the scanner as it is shipped and the gateway's end on a resolver with `--members` members, one process.
The scanner hears `--adverts` advertisements a second: 20 members once a second each, the rest strangers mixed as in a
busy place (half of them with frames that are none of our kinds, one in six with a foreign Eddystone-EID or iBeacon).
Bytes are counted in a proxy between the scanner and the broker: MQTT without TCP and IP.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from gateway.core.model import CredentialKind, Token
from gateway.scanner import Scanner
from tests.rigs.broker import Broker
from tests.rigs.earshot import Shop, advert, hearing, scanner_config, scanning, until, write_site_key

PRESENT = 20
STRANGERS = 300
STEP_S = 0.01


class Proxy:
    """Counts the bytes that pass, up (from the scanner) and down."""

    def __init__(self, port: int) -> None:
        self.up = self.down = 0
        self._port = port

    async def start(self) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pump(reader, far_writer, up=True), self._pump(far_reader, writer, up=False))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while data := await reader.read(65_536):
            self.up, self.down = self.up + up * len(data), self.down + (not up) * len(data)
            writer.write(data)
            await writer.drain()
        writer.close()


def strangers(dice: random.Random) -> list[bytes]:
    """Advertisements of people who never opted in."""
    foreign = [Token(CredentialKind.EID, dice.randbytes(8)) for _ in range(STRANGERS // 8)]
    foreign += [Token(CredentialKind.IBEACON, dice.randbytes(20)) for _ in range(STRANGERS // 20)]
    others = [b"\x02\x01\x1a\x0a\xff\x4c\x00\x10\x05" + dice.randbytes(5) for _ in range(STRANGERS - len(foreign))]
    return [advert(token) for token in foreign] + others


async def measure(members: int, per_s: int, seconds: int) -> None:
    """Print the figures of one run."""
    dice = random.Random(20_261_122)
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "empty.jsonl"
        recording.touch()
        shop, proxy = Shop(broker.port, members), Proxy(broker.port)
        config = scanner_config(await proxy.start(), write_site_key(Path(folder)), recording)
        async with hearing(shop), scanning(config) as scanner:
            await until(shop.is_up)
            sent: dict[Token, float] = {}
            delays_ms: list[float] = []

            def arrived(token: Token) -> None:
                delays_ms.append((time.perf_counter() - sent[token]) * 1000)

            shop.arrived = arrived
            await play(shop, scanner, sent, dice, per_s, 3)  # the first questions
            await asyncio.sleep(0.5)
            delays_ms.clear()
            began_s, cpu_s, up, down = time.perf_counter(), time.process_time(), proxy.up, proxy.down
            heard, passed = await play(shop, scanner, sent, dice, per_s, seconds)
            took_s = time.perf_counter() - began_s
            await asyncio.sleep(0.5)
            delays_ms.sort()
            print(f"{broker.kind}, {members:,} members, {heard / took_s:,.0f} adverts/s for {took_s:.1f} s")
            print(f"  members' frames {passed}, arrived {len(delays_ms)}")
            print(
                f"  added latency ms: median {statistics.median(delays_ms):.0f}, "
                f"p95 {delays_ms[int(len(delays_ms) * 0.95)]:.0f}, max {delays_ms[-1]:.0f}"
            )
            print(f"  bytes/s: {(proxy.up - up) / took_s:,.0f} up, {(proxy.down - down) / took_s:,.0f} down")
            print(f"  CPU of both ends and of this program: {(time.process_time() - cpu_s) / took_s:.1%} of a core")
            print(f"  {scanner.health.counts}")


async def play(
    shop: Shop, scanner: Scanner, sent: dict[Token, float], dice: random.Random, per_s: int, seconds: int
) -> tuple[int, int]:
    """Let the scanner hear; how much in all, and how much of it was members'."""
    crowd, heard, passed = strangers(dice), 0, 0
    steps = round(seconds / STEP_S)
    began_s = time.perf_counter()
    for step in range(steps):
        is_members = step % round(1 / STEP_S / PRESENT) == 0
        if is_members:
            token = shop.eid(step // round(1 / STEP_S / PRESENT) % PRESENT)
            sent[token] = time.perf_counter()
            scanner.ears.heard("r", -61, advert(token))
            heard, passed = heard + 1, passed + 1
        for ad in dice.choices(crowd, k=round(per_s * STEP_S) - is_members):
            scanner.ears.heard("r", dice.randint(-95, -40), ad)
            heard += 1
        await asyncio.sleep(max(0.0, began_s + (step + 1) * STEP_S - time.perf_counter()))
    return heard, passed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--adverts", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=30)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.members, arguments.adverts, arguments.seconds))
