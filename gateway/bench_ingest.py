"""Measures the way from raw bytes to "dropped" or "sighted" for 0 to a million members, beside other decoders.

Each figure comes from a process of its own, so that its memory is its own: `python -m gateway.bench_ingest WHAT CORPUS`
prints one JSON object. The corpus is a recording; without one, made-up strangers in the framing of the shop's air.
"""

import importlib
import importlib.util
import json
import logging
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drivers import frames, replay
from drivers.ears import Ears
from gateway.core import eid
from gateway.core.identity import Resolver
from gateway.core.model import Credential, CredentialKind, Sighting, Tap
from gateway.errors import UnavailableError
from gateway.health import Health
from gateway.results import Result

MEMBERS = (0, 10_000, 100_000, 1_000_000)
MADE_UP = 12_000
FOUND = 1_000  # members whose beacons are heard
NOW_MS = 1_800_000_000_000
# Long enough for a stable mean: a second of the fastest, three seconds of the slowest.
OURS_ROUNDS, PEER_MAX_S = 5, 3.0
PEERS = {"bleparser": "bleparser", "theengs": "TheengsDecoder"}  # in the tables -> module, and extra "peers"
# What the peers raise on the broken frames of the corpus.
_PEER_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class _Nowhere:
    """A sink, and a clock that moves on by a millisecond whenever somebody looks."""

    speed = 1.0

    def __init__(self) -> None:
        self.at_ms = NOW_MS
        self.sightings = 0

    def now_ms(self) -> int:
        self.at_ms += 1
        return self.at_ms

    async def sleep(self, ms: float) -> None:
        """Nobody sleeps here."""

    def sighted(self, sighting: Sighting) -> None:
        self.sightings += 1

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """The shop has no beacons of its own."""

    def tapped(self, tap: Tap) -> None:
        """Nobody taps."""

    def awaits(self, reader: str) -> bool:
        """Nobody waits with a one-time code."""
        return False


def ingest(corpus: Path | None = None) -> list[Result]:
    """Time and memory with 0, 10,000, 100,000 and a million members; peers on the same bytes in the same run."""
    with tempfile.TemporaryDirectory() as folder:
        if corpus is None:
            corpus = Path(folder) / "made_up.jsonl"
            corpus.write_text("".join(map(replay.to_line, made_up())))
        ours = {members: _child(str(members), corpus) for members in MEMBERS}
        peers = {name: _child(name, corpus) for name, module in PEERS.items() if _is_installed(module)}
    us = {name: figures["us"] for name, figures in peers.items()}
    per_s = {name: 1e6 / value for name, value in us.items()}
    worst, most = ours[MEMBERS[-1]], ours[10_000]
    results = [
        Result("stranger_us", worst["stranger_us"], "us", "at most 5", us),
        Result("sighting_us", worst["sighting_us"], "us", "at most 15"),
        Result("adverts_per_s", 1e6 / most["stranger_us"], "1/s", "at least 200,000", per_s),
        Result("rss_100k_mb", ours[100_000]["rss_mb"], "MB", "at most 90"),
        Result("rss_1m_mb", worst["rss_mb"], "MB", "at most 200"),
        Result("build_1m_s", worst["build_s"], "s", "-"),
    ]
    for members, figures in ours.items():
        rss = {name: one["rss_mb"] for name, one in peers.items()}
        results.append(Result(f"stranger_us.{members}", figures["stranger_us"], "us", "at most 5"))
        if members:
            results.append(Result(f"sighting_us.{members}", figures["sighting_us"], "us", "at most 15"))
        results.append(Result(f"rss_mb.{members}", figures["rss_mb"], "MB", "-", rss))
    return results


def made_up(seed: int = 1) -> Iterator[replay.Adv]:
    """Strangers only: phones, tags and other people's beacons in the shares of a busy place."""
    rng = random.Random(seed)
    for number in range(MADE_UP):
        address = rng.randbytes(6).hex(":").upper()
        yield replay.Adv(number, "ble-1", rng.randrange(-100, -40), _stranger(rng), address)


def _stranger(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.50:
        return bytes.fromhex("02011a0aff4c001005") + rng.randbytes(5)  # an iPhone nearby
    if kind < 0.62:
        return frames.encode_eid(rng.randbytes(8), -20)
    if kind < 0.68:
        return bytes.fromhex("02011a14ff4c0001") + rng.randbytes(16)  # an app in an iPhone's background
    if kind < 0.74:
        return frames.encode_ibeacon(rng.randbytes(20), -59)
    if kind < 0.78:
        return bytes.fromhex("1816aafe40") + rng.randbytes(21)  # Find Hub
    name = bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=8))
    return bytes.fromhex("020106") + bytes([9, 0x09]) + name + bytes([11, 0xFF]) + rng.randbytes(10)


# --- in a process of its own -----------------------------------------------------------------------------------


def _child(what: str, corpus: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.bench_ingest", what, str(corpus)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnavailableError(f"the measurement {what} failed: {done.stderr.strip().splitlines()[-1:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])  # a peer prints what it thinks
    return figures


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _ours(members: int, adverts: list[replay.Adv]) -> dict[str, float]:
    nowhere, resolver, rng = _Nowhere(), Resolver(bytes(32), bytes(16)), random.Random(members)
    ears = Ears(resolver, nowhere, nowhere, Health())
    began_s = time.perf_counter()
    heard = set(rng.sample(range(members), min(FOUND, members)))
    theirs = []
    for number in range(members):
        key = number.to_bytes(8, "big") * 2
        credential = Credential("", f"m-{number:012x}", CredentialKind.EID, key)
        resolver.set_member(credential.member_id, [(credential, 0, None)], NOW_MS)
        if number in heard:
            theirs.append(frames.encode_eid(eid.eid(key, NOW_MS // 1000, 10), -20))
    build_s = time.perf_counter() - began_s
    strangers = [advert.ad for advert in adverts]
    figures = {"build_s": build_s, "stranger_us": _each_us(ears, strangers * OURS_ROUNDS)}
    if theirs:
        nowhere.sightings = 0
        figures["sighting_us"] = _each_us(ears, theirs * 20)
        assert nowhere.sightings == len(theirs) * 20
    return figures


def _each_us(ears: Ears, adverts: list[bytes]) -> float:
    began_s = time.perf_counter()
    for ad in adverts:
        ears.heard("bench", -60, ad)
    return (time.perf_counter() - began_s) / len(adverts) * 1e6


def _peer(name: str, adverts: list[replay.Adv]) -> dict[str, float]:
    logging.disable(logging.CRITICAL)  # a peer logs every address whose key it lacks
    work, inputs = (_bleparser if name == "bleparser" else _theengs)(adverts)
    count = errors = 0
    began_s = time.perf_counter()
    for one in inputs:
        try:
            work(one)
        except (*_PEER_ERRORS, struct.error):
            errors += 1
        count += 1
        if time.perf_counter() - began_s > PEER_MAX_S:
            break
    return {"us": (time.perf_counter() - began_s) / count * 1e6, "errors": errors, "count": count}


def _bleparser(adverts: list[replay.Adv]) -> tuple[Callable[[Any], Any], list[Any]]:
    """LE advertising reports, as the parser takes them from an HCI socket."""
    parser = importlib.import_module("bleparser").BleParser()
    return parser.parse_raw_data, [_report(advert) for advert in adverts if len(advert.ad) <= 31]


def _report(advert: replay.Adv) -> bytes:
    address = bytes.fromhex(advert.address.replace(":", ""))[::-1]
    body = (
        b"\x02\x01\x00\x01" + address + bytes([len(advert.ad)]) + advert.ad + advert.rssi_dbm.to_bytes(1, signed=True)
    )
    return b"\x04\x3e" + bytes([len(body)]) + body


def _theengs(adverts: list[replay.Adv]) -> tuple[Callable[[Any], Any], list[Any]]:
    """JSON in and JSON out, as its own gateway calls it; the fields are cut beforehand, as a host stack would."""
    decode = importlib.import_module("TheengsDecoder").decodeBLE
    fields = [_fields(advert) for advert in adverts]
    return lambda one: decode(json.dumps(one)), fields


def _fields(advert: replay.Adv) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": advert.address, "rssi": advert.rssi_dbm}
    at = 0
    while at + 1 < len(advert.ad) and advert.ad[at]:
        kind, data = advert.ad[at + 1], advert.ad[at + 2 : at + 1 + advert.ad[at]]
        if kind == 0xFF:
            fields["manufacturerdata"] = data.hex()
        elif kind == 0x16:
            fields["servicedatauuid"], fields["servicedata"] = data[:2][::-1].hex(), data[2:].hex()
        elif kind in (0x08, 0x09):
            fields["name"] = data.decode(errors="replace")
        at += 1 + advert.ad[at]
    return fields


def _peak_mb() -> float:
    """Peak resident memory; getrusage would count the parent's, from before this program was loaded."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) * 1024 / 1e6


def _main(what: str, corpus: Path) -> None:
    adverts = [record for record in replay.read(corpus) if isinstance(record, replay.Adv)]
    figures = _peer(what, adverts) if what in PEERS else _ours(int(what), adverts)
    figures["rss_mb"] = _peak_mb()
    sys.stdout.write("\n" + json.dumps(figures))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
