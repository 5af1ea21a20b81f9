"""drivers.ears: what resolves is delivered, what does not is counted and gone."""

import random
from collections import Counter

import pytest

from drivers import frames, tags
from gateway.core.model import Sighting, Tap
from tests.rigs.listener import EID_NOW, IBEACON_NOW, MEMBER, NOW_MS, Listener, everything_in, holds

FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"
STRANGE_EID = bytes.fromhex("5eed5eed00c0ffee")
STRANGE_BEACON = bytes(range(200, 220))
STRANGE_URL = "https://stranger.example/0815"
CARD = "https://shop.example/c/1"


def test_a_members_frames_become_sightings_at_the_clocks_time() -> None:
    listener = Listener()
    listener.ears.heard("till", -61, frames.encode_eid(EID_NOW, -18))
    listener.clock.at_ms += 500
    listener.ears.heard("door", -70, frames.encode_ibeacon(IBEACON_NOW, -59))
    assert listener.sink.sightings == [
        Sighting(MEMBER, "till", -61, NOW_MS),
        Sighting(MEMBER, "door", -70, NOW_MS + 500),
    ]
    assert listener.health.counts == {"ble.sightings": 2}


def test_fields_of_a_host_stack_do_the_same() -> None:
    listener = Listener()
    listener.ears.heard_fields("till", -61, {FEAA: b"\x30\xee" + EID_NOW}, {})
    listener.ears.heard_fields("till", -62, {}, {0x004C: b"\x02\x15" + IBEACON_NOW + b"\xc5"})
    assert [sighting.rssi_dbm for sighting in listener.sink.sightings] == [-61, -62]


def test_strangers_are_counted_by_kind_and_leave_nothing() -> None:
    listener = Listener()
    listener.ears.heard("till", -50, frames.encode_eid(STRANGE_EID, -18))
    listener.ears.heard_fields("till", -50, {}, {0x004C: b"\x02\x15" + STRANGE_BEACON + b"\xc5"})
    listener.ears.heard("till", -50, bytes.fromhex("0aff590001020304050607"))
    listener.ears.heard("till", -50, frames.encode_eid(STRANGE_EID, -18)[:-1])
    listener.ears.heard_fields("till", -50, {FEAA: b"\x30\xee" + STRANGE_EID + b"\x00"}, {})
    listener.ears.touched("till", tags.encode_uri(STRANGE_URL))
    assert listener.sink.sightings == []
    assert listener.health.counts == {
        "ble.malformed.ad_length": 1,
        "ble.malformed.eid_length": 1,
        "ble.not_ours": 1,
        "ble.strangers": 2,
        "nfc.strangers": 1,
    }
    reachable = everything_in(listener)
    assert holds(reachable, EID_NOW)  # the search finds what is there
    for trace in (STRANGE_EID, STRANGE_BEACON, STRANGE_URL, "stranger.example"):
        assert not holds(reachable, trace)


def test_a_members_card_is_a_tap_with_the_member() -> None:
    listener = Listener(CARD.encode())
    listener.ears.touched("till-nfc", tags.encode_uri(CARD))
    assert listener.sink.taps == [Tap(MEMBER, "till-nfc", NOW_MS)]
    assert listener.health.counts == {"nfc.taps": 1}


@pytest.mark.parametrize("ndef", [None, b"", b"\xff\xff", tags.encode_uri(STRANGE_URL)])
def test_a_strangers_card_is_a_tap_that_carries_nothing(ndef: bytes | None) -> None:
    listener = Listener()
    listener.ears.touched("till-nfc", ndef)
    assert listener.sink.taps == [Tap(None, "till-nfc", NOW_MS)]
    assert listener.health.counts["nfc.strangers"] == 1


def test_a_dropped_member_is_a_stranger_at_once() -> None:
    listener = Listener()
    listener.resolver.drop_member(MEMBER)
    listener.ears.heard("till", -61, frames.encode_eid(EID_NOW, -18))
    listener.ears.heard("till", -61, frames.encode_ibeacon(IBEACON_NOW, -59))
    assert listener.sink.sightings == []
    assert listener.health.counts == {"ble.strangers": 2}


def test_two_thousand_mutated_frames_end_as_one_count_each() -> None:
    listener, dice = Listener(), random.Random(20_261_121)
    originals = [
        frames.encode_eid(EID_NOW, -18),
        frames.encode_ibeacon(IBEACON_NOW, -59),
        frames.encode_eid(STRANGE_EID, -18) + frames.encode_ibeacon(STRANGE_BEACON, -59),
        bytes.fromhex("02011a14ff4c000100000000000000020000000000000000"),
        bytes.fromhex("0201060303aafe1116aafe20000bb81580000003e800001f40"),
    ]
    for _ in range(2000):
        ad = bytearray(dice.choice(originals))
        for _ in range(dice.randrange(4)):
            ad[dice.randrange(len(ad))] = dice.randrange(256)
        listener.ears.heard("till", -60, bytes(ad[: dice.choice([len(ad), dice.randrange(len(ad) + 1)])]))
    counts = Counter(listener.health.counts)
    assert counts.total() == 2000
    kinds = {"ad_length", "eid_length", "ibeacon_length"}
    known = {"ble.not_ours", "ble.ios_overflow", "ble.strangers", "ble.sightings"}
    known |= {f"ble.malformed.{kind}" for kind in kinds}
    assert set(counts) == known  # every way out was taken, and there is no other
    assert len(listener.sink.sightings) == counts["ble.sightings"]
    assert all(sighting.member_id == MEMBER for sighting in listener.sink.sightings)
