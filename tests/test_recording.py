"""gateway.recording: a simulated shop is recorded, nobody of it can be found in the file, and it plays again."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import frames, record, replay
from drivers.people import people, population
from gateway import recording
from gateway.apply import apply
from gateway.config import AnchorTable, Config, GatewayTable, ReceiverTable, SourceTable
from gateway.core.changes import Change, ConsentAdd, Delta
from gateway.core.model import CredentialKind
from gateway.emulator.chip import Pn532Rig
from gateway.errors import ConfigError
from gateway.keys import site_key
from gateway.rehearse import replay as rehearse
from gateway.store import Store
from sync import ops
from tests.rigs import tapping, traces
from tests.rigs.leaks import search

SHOP = Path(__file__).parent / "recordings" / "shop_minute.jsonl"


def config(tmp_path: Path, source: str, *beacons: str, ear: str | None = None) -> Config:
    anchors = tuple(AnchorTable(id=f"a-{number}", beacon=beacon) for number, beacon in enumerate(beacons))
    gateway = GatewayTable(tenant="t", store="s", id="g", data_dir=tmp_path / "data")
    receivers = (ReceiverTable(id=ear, zone="z"),) if ear else ()
    return Config(gateway=gateway, source=(SourceTable(path=source, receiver=ear),), receiver=receivers, anchor=anchors)


def short(tmp_path: Path, lines: int = 200) -> str:
    """A recording that takes no time: every line at the same moment."""
    path = tmp_path / "in.jsonl"
    texts = SHOP.read_text().splitlines()[:lines]
    path.write_text("".join(text.replace(text.split(",")[0], '{"t_ms": 0') + "\n" for text in texts))
    return f"replay:{path}"


def test_a_shop_is_recorded_and_no_payload_or_address_of_it_is_left(tmp_path: Path) -> None:
    source = short(tmp_path)
    out = tmp_path / "out.jsonl"
    summary = asyncio.run(recording.record(config(tmp_path, source), out, None, keep_members=False))
    before, after = list(replay.read(tmp_path / "in.jsonl")), list(replay.read(out))
    assert summary.counts.total() == len(after) == len(before) == 200
    assert not summary.full
    advs = [(old, new) for old, new in zip(before, after, strict=True) if isinstance(old, replay.Adv)]
    assert len(advs) > 150
    text = out.read_text().lower()
    for old, new in advs:
        assert isinstance(new, replay.Adv)
        assert [length for length, _, _ in frames.structures(new.ad)] == [n for n, _, _ in frames.structures(old.ad)]
        assert new.rssi_dbm == old.rssi_dbm
        assert old.ad.hex() not in text
        assert not old.address or old.address.lower() not in text
    health, _ = rehearse(out, None)
    assert sum(count for name, count in health.counts.items() if name.startswith("ble.")) == len(advs)
    assert "replay.bad_line" not in health.counts


def test_members_and_anchors_are_kept_where_the_operator_says_so(tmp_path: Path) -> None:
    who = next(person for person in people(1, 4) if person.beacon is CredentialKind.IBEACON)
    theirs, stranger = frames.encode_ibeacon(who.beacon_bytes, -59), frames.encode_ibeacon(bytes(range(20)), -59)
    anchor = frames.encode_uid(bytes(range(16)), -20)
    lines = [replay.to_line(replay.Adv(0, "door", -60, ad)) for ad in (theirs, stranger, anchor)]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    base = config(tmp_path, f"replay:{tmp_path / 'in.jsonl'}", f"uid:{bytes(range(16)).hex()}")
    with pytest.raises(ConfigError, match=r"gateway\.db: no such file"):
        asyncio.run(recording.record(base, tmp_path / "none.jsonl", None, keep_members=True))
    assert not (tmp_path / "none.jsonl").exists()
    asyncio.run(fill(base))

    def recorded(name: str, *, keep: bool) -> list[bytes]:
        asyncio.run(recording.record(base, tmp_path / name, None, keep_members=keep))
        return [item.ad for item in replay.read(tmp_path / name) if isinstance(item, replay.Adv)]

    kept, replaced = recorded("kept.jsonl", keep=True), recorded("replaced.jsonl", keep=False)
    assert (kept[0], kept[2]) == (theirs, anchor)
    assert stranger not in kept
    assert theirs not in replaced
    assert replaced[2] == anchor
    assert kept[1] != replaced[1]  # every recording has a key of its own


def numbered(change: Change, number: int) -> Change:
    """As headquarters sends it: a grant without its number counts only where the clock was right."""
    return ConsentAdd(replace(change.record, hq_seq=number)) if isinstance(change, ConsentAdd) else change


async def fill(base: Config) -> None:
    changes = tuple(numbered(ops.parse(op), number) for number, op in enumerate(population(1, 4), 1))
    data_dir = base.gateway.data_dir
    store = Store(data_dir / "gateway.db", "e" * 32, site_key(data_dir))
    await store.run(lambda tx: apply(tx, Delta(0, 1, changes), store.identifier_key, 1_900_000_000_000))
    store.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: int) -> None:
    async def run() -> recording.Summary:
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), number)
        return await recording.record(config(tmp_path, "sim:1?members=2"), tmp_path / "out.jsonl", 60, False)

    summary = asyncio.run(run())
    assert summary.counts.total() == len(list(replay.read(tmp_path / "out.jsonl")))


def test_it_ends_after_its_seconds_and_when_the_file_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = asyncio.run(recording.record(config(tmp_path, "sim:1"), tmp_path / "timed.jsonl", 0.2, False))
    assert not summary.full
    monkeypatch.setattr(record, "MAX_FILE_BYTES", 2_000)
    monkeypatch.setattr(recording, "FLUSH_S", 0.02)
    source = short(tmp_path)
    summary = asyncio.run(recording.record(config(tmp_path, source), tmp_path / "full.jsonl", None, False))
    assert summary.full
    assert (tmp_path / "full.jsonl").stat().st_size <= 2_000


def test_what_the_operator_must_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names no"):
        nothing = config(tmp_path, "sim:1").model_copy(update={"source": ()})
        asyncio.run(recording.record(nothing, tmp_path / "o", None, False))
    out = tmp_path / "o"
    out.write_text("precious")
    with pytest.raises(ConfigError, match="there already"):
        asyncio.run(recording.record(config(tmp_path, "sim:1"), out, 1, False))
    assert out.read_text() == "precious"


def whole_talk(rig: Pn532Rig) -> list[tuple[bytes, bytes]]:
    """What was said to the card, when it was found and nothing more is said for half a second."""
    said: list[tuple[bytes, bytes]] = []
    quiet = 0
    for _ in range(16):  # some talk on for ever, and some say nothing
        time.sleep(0.25)
        before, said = said, rig.apdus()
        quiet = quiet + 1 if rig.transcript() and len(said) == len(before) else 0
        if quiet == 2:
            break
    return said


async def test_a_readers_cards_are_recorded_without_anybody_in_them(tmp_path: Path) -> None:
    numbers, out = range(1, tapping.KINDS + 1), tmp_path / "out.jsonl"
    texts = [tapping.text(number).encode() for number in numbers]
    items = [bytes.fromhex(tapping.uid(number)) for number in numbers] + texts

    def crowd(rig: Pn532Rig) -> None:
        time.sleep(1)  # it opens the reader
        for number in numbers:
            held = tapping.stranger(number)
            rig.present(held.spec, held.drop_after)
            items.extend(tapping.said(whole_talk(rig)))
            items.extend(held.items)
            rig.remove()
            time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    with Pn532Rig() as rig:
        shop = config(tmp_path, f"nfc:{rig.path}", ear="till-nfc")
        summary, _ = await asyncio.gather(recording.record(shop, out, 120, False), asyncio.to_thread(crowd, rig))
    written = out.read_bytes()
    touches = list(replay.read(out))
    assert summary.counts == {"card": len(touches)}
    assert len(touches) > 10
    masked = [one.ndef for one in touches if isinstance(one, replay.Touch) and one.ndef]
    assert len(masked) > 3
    assert all(b"other.example" not in ndef for ndef in masked)
    assert len(items) > 60
    hay = {"recording": written, "messages": b"\n".join(masked)}
    assert search(hay, items) == []
    assert traces.found(written) == traces.found(b"\n".join(masked)) == set()
    assert written.count(b'"uid": ""') == written.count(b'"uid"') == len(touches)
    assert search({"planted": written + texts[0].hex().encode()}, items) != []
