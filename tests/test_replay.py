import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import make_recording
from drivers import replay
from drivers.ears import Ears
from drivers.people import population
from drivers.replay import Adv, Pace, ReplaySource, Touch
from gateway.config import SourceTable
from gateway.errors import ConfigError, PeerError, UnavailableError
from gateway.health import Health
from tests.rigs.instant import InstantClock, NotingEars, NotingSink, resolver

SHOP_MINUTE = Path(__file__).parent / "recordings" / "shop_minute.jsonl"
START_MS = 1_800_000_000_000

ADV = {"t_ms": 0, "receiver": "till", "kind": "adv", "address": "AA:BB:CC:DD:EE:FF", "rssi": -61, "adv": "020106"}
TAP = {"t_ms": 9, "receiver": "till-nfc", "kind": "tap", "uid": "04aa", "ndef": "d101"}

receivers = st.text('a0-ß\n"\\\u2028', min_size=1, max_size=replay.MAX_RECEIVER_CHARS)
times = st.integers(0, 10**12)
advs = st.builds(Adv, times, receivers, st.integers(-127, 20), st.binary(max_size=60), st.text(max_size=17))
touches = st.builds(Touch, times, receivers, st.none() | st.binary(max_size=200), st.text(max_size=14))


def write(path: Path, *lines: object) -> Path:
    path.write_bytes(b"".join(item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in lines))
    return path


async def play(path: Path, start_ms: int = START_MS) -> tuple[NotingEars, InstantClock, Health]:
    clock, health = InstantClock(start_ms), Health()
    ears = NotingEars(clock)
    await ReplaySource(SourceTable(path=f"replay:{path}"), ears, clock, health).run()
    return ears, clock, health


@given(advs | touches)
def test_a_line_says_what_was_recorded(record: replay.Record) -> None:
    line = replay.to_line(record)
    assert line.count("\n") == 1
    assert replay.from_line(line.encode()) == record


@given(st.binary(max_size=200))
def test_rubbish_is_a_peer_error(line: bytes) -> None:
    with pytest.raises(PeerError):
        replay.from_line(line)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"t_ms": -1}, "time"),
        ({"t_ms": 1.5}, "time"),
        ({"t_ms": True}, "time"),
        ({"t_ms": "0"}, "time"),
        ({"t_ms": None}, "time"),
        ({"receiver": ""}, "receiver"),
        ({"receiver": "r" * 25}, "receiver"),
        ({"receiver": 7}, "receiver"),
        ({"kind": "scan"}, "kind"),
        ({"kind": None}, "kind"),
        ({"rssi": "-61"}, "rssi"),
        ({"rssi": -61.0}, "rssi"),
        ({"rssi": 127}, "rssi"),
        ({"rssi": -128}, "rssi"),
        ({"adv": "02010"}, "hex"),
        ({"adv": "zz"}, "hex"),
        ({"adv": None}, "hex"),
        ({"adv": "00" * 1651}, "hex"),
    ],
)
def test_a_wrong_field_of_an_advertisement_is_refused_with_its_reason(change: dict[str, object], reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        replay.from_line(json.dumps(ADV | change).encode())
    assert caught.value.reason == reason


@pytest.mark.parametrize("field", ["t_ms", "receiver", "kind", "rssi", "adv"])
def test_a_missing_field_of_an_advertisement_is_refused(field: str) -> None:
    with pytest.raises(PeerError):
        replay.from_line(json.dumps({key: value for key, value in ADV.items() if key != field}).encode())


@pytest.mark.parametrize("ndef", ["d10", "xy", 5, ["d1"]])
def test_a_tap_with_a_wrong_message_is_refused(ndef: object) -> None:
    with pytest.raises(PeerError):
        replay.from_line(json.dumps(TAP | {"ndef": ndef}).encode())


@pytest.mark.parametrize("line", [b"[" * 60_000, b"1" * 5_000, b"[1]", b"\xff\xfe{", b'{"t_ms":NaN}', b"null"])
def test_hostile_json_is_a_peer_error_without_a_trace_of_the_line(line: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        replay.from_line(line)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert str(caught.value) in {"json", "time"}


async def test_records_reach_the_ears_at_their_times(tmp_path: Path) -> None:
    blank = {key: value for key, value in TAP.items() if key != "ndef"}
    path = write(
        tmp_path / "r.jsonl", ADV | {"t_ms": 1_000, "label": "extra"}, TAP | {"t_ms": 1_250}, blank | {"t_ms": 4_000}
    )
    ears, clock, health = await play(path)
    assert ears.heard_list == [(START_MS, "till", -61, bytes.fromhex("020106"))]
    assert ears.touched_list == [
        (START_MS + 250, "till-nfc", bytes.fromhex("d101")),
        (START_MS + 3_000, "till-nfc", None),
    ]
    assert clock.sleeps == [250, 2_750]
    assert health.counts == {}


async def test_broken_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.jsonl",
        ADV | {"t_ms": 100},
        b"no json\n",
        ADV | {"t_ms": 99},  # backwards
        ADV | {"t_ms": 101 + replay.MAX_GAP_MS},  # would sleep for days
        ADV | {"t_ms": 10**400},
        ADV | {"adv": "0201060"},
        b" \n",  # an empty line is not broken
        b'{"t_ms": 100, "pad": "' + b"x" * replay.MAX_LINE_BYTES * 3 + b'"}\n',
        ADV | {"t_ms": 200},
        json.dumps(ADV | {"t_ms": 300}).encode()[:-4],  # the disk was full
    )
    ears, clock, health = await play(path)
    assert [at - START_MS for at, *_ in ears.heard_list] == [0, 100]
    assert health.counts == {"replay.bad_line": 7}
    assert clock.now_ms() == START_MS + 100


async def test_the_last_line_may_lack_its_line_feed(tmp_path: Path) -> None:
    ears, _, health = await play(write(tmp_path / "r.jsonl", json.dumps(ADV).encode()))
    assert len(ears.heard_list) == 1
    assert health.counts == {}


@pytest.mark.parametrize("over", [0, 1, replay.MAX_LINE_BYTES])
async def test_the_bound_on_a_line_is_exact_and_the_next_line_survives(tmp_path: Path, over: int) -> None:
    bare = len(json.dumps(ADV | {"pad": ""})) + 1
    long = ADV | {"pad": "x" * (replay.MAX_LINE_BYTES - bare + over)}
    ears, _, health = await play(write(tmp_path / "r.jsonl", long, ADV))
    assert len(ears.heard_list) == (2 if over == 0 else 1)
    assert health.counts.get("replay.bad_line", 0) == (0 if over == 0 else 1)


async def test_a_file_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nowhere.jsonl", tmp_path, tmp_path / "pipe"):
        with pytest.raises(UnavailableError, match="the recording") as caught:
            await play(path)
        assert str(path) in str(caught.value)


async def test_the_loop_breathes_among_records_and_broken_lines_without_a_wait(tmp_path: Path) -> None:
    for line in (json.dumps(ADV).encode() + b"\n", b"broken\n"):
        _, clock, _ = await play(write(tmp_path / "r.jsonl", line * 1_000))
        assert clock.sleeps == [0] * (1_000 // replay.RECORDS_PER_BREATH)


def test_a_long_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", (json.dumps(ADV).encode() + b"\n") * 20_000)
    tracemalloc.start()
    count = sum(1 for _ in replay.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < path.stat().st_size / 4


async def test_pace_takes_a_stepped_clock_for_a_new_start() -> None:
    clock = InstantClock(START_MS)
    pace = Pace(clock)
    await pace.until(500)
    await pace.until(700)
    clock.step(86_400_000)
    await pace.until(1_000)
    clock.step(-3_600_000)
    await pace.until(1_100)
    assert clock.sleeps == [200, 300, 100]


async def test_pace_makes_up_for_small_delays() -> None:
    clock = InstantClock(START_MS)
    pace = Pace(clock)
    await pace.until(0)
    clock.step(30)  # the receiver of the first record took its time
    await pace.until(100)
    await pace.until(200)
    assert clock.sleeps == [70, 100]


@pytest.mark.parametrize(
    "path",
    ["replay:", "replay:f?loud=1", "replay:f?speed=0", "replay:f?speed=nan", "replay:f?speed=x", "replay:f?speed="],
)
def test_wrong_options_are_for_the_operator(path: str) -> None:
    clock = InstantClock(START_MS)
    with pytest.raises(ConfigError, match="replay:"):
        ReplaySource(SourceTable(path=path), NotingEars(clock), clock, Health())


def test_speed_is_an_option() -> None:
    clock = InstantClock(START_MS)
    source = ReplaySource(SourceTable(path="replay:f?speed=2.5"), NotingEars(clock), clock, Health())
    assert callable(source.run)


async def test_the_recorded_shop_minute_is_recognised() -> None:
    ops = population(make_recording.SEED, make_recording.MEMBERS)
    clock, sink, health = InstantClock(make_recording.OPENED_MS), NotingSink(), Health()
    ears = Ears(resolver(ops, clock.now_ms()), sink, clock, health)
    await ReplaySource(SourceTable(path=f"replay:{SHOP_MINUTE}"), ears, clock, health).run()
    assert (
        {"m-001", "m-002"} <= {sighting.member_id for sighting in sink.sightings} <= {f"m-{n:03d}" for n in range(1, 5)}
    )
    assert [(tap.member_id, tap.reader) for tap in sink.taps][:3] == [
        ("m-001", "coffee-nfc"),
        ("m-001", "advice-nfc"),
        ("m-002", "coffee-nfc"),
    ]
    assert health.counts["ble.strangers"] + health.counts["ble.find_hub"] > 100
    assert "replay.bad_line" not in health.counts


def test_the_recorded_shop_minute_is_small_and_orderly() -> None:
    assert SHOP_MINUTE.stat().st_size <= 400_000
    records = list(replay.read(SHOP_MINUTE))
    assert len(records) == len(SHOP_MINUTE.read_text().splitlines())
    assert 58_000 <= records[-1].t_ms - records[0].t_ms <= 62_000
