"""drivers.ears: what resolves is delivered, what does not is counted and gone."""

import random
from collections import Counter

import pytest

from drivers import frames, tags
from drivers.flood import MAX_SAME_PER_S
from gateway.core.keyring import Held, Keyring, SunKey
from gateway.core.model import Credential, CredentialKind, Guard, Proof, Sighting, Tap, Token, Trouble
from gateway.emulator import sun as emulated
from gateway.health import Health
from tests.rigs.listener import (
    ANCHOR,
    EID_NOW,
    IBEACON_NOW,
    IDENTITY_KEY,
    MEMBER,
    NOW_MS,
    Listener,
    everything_in,
    holds,
)

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
    assert listener.ears.heard_fields("till", -61, {FEAA: b"\x30\xee" + EID_NOW}, {})
    assert listener.ears.heard_fields("till", -62, {}, {0x004C: b"\x02\x15" + IBEACON_NOW + b"\xc5"})
    assert listener.ears.heard_fields("till", -63, {}, {0x004C: b"\x02\x15" + ANCHOR + b"\xc5"})
    assert [sighting.rssi_dbm for sighting in listener.sink.sightings] == [-61, -62]


def test_strangers_are_counted_by_kind_and_leave_nothing() -> None:
    listener = Listener()
    listener.ears.heard("till", -50, frames.encode_eid(STRANGE_EID, -18))
    assert not listener.ears.heard_fields("till", -50, {}, {0x004C: b"\x02\x15" + STRANGE_BEACON + b"\xc5"})
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
    assert holds(reachable, IDENTITY_KEY)  # the search finds what is there
    for trace in (STRANGE_EID, STRANGE_BEACON, STRANGE_URL, "stranger.example"):
        assert not holds(reachable, trace)


def minutes_seen(listener: Listener) -> list[dict[str, int]]:
    """What somebody sees who asks each second while one stranger passes, then four more."""
    seen = []
    for second in range(180):
        if second in (70, 71, 72, 73, 74):
            listener.ears.heard("till", -50, frames.encode_eid(STRANGE_EID, -18))
            listener.ears.touched("till", tags.encode_uri(STRANGE_URL))
        seen.append(listener.health.told(NOW_MS - NOW_MS % 60_000 + second * 1_000))
    return seen


def shows_one_person(seen: list[dict[str, int]]) -> bool:
    """Whether any counter moved by fewer than five, or within a minute."""
    moved = [
        (at, name) for at in range(1, len(seen)) for name in seen[at] if seen[at][name] != seen[at - 1].get(name, 0)
    ]
    return any(at % 60 or seen[at][name] - seen[at - 1].get(name, 0) < 5 for at, name in moved)


def test_point_2_of_strangers_only_a_counter_by_the_minute_leaves() -> None:
    seen = minutes_seen(Listener())
    assert seen[119] == {}
    assert seen[120] == {"ble.strangers": 5, "nfc.strangers": 5}
    assert not shows_one_person(seen)


def test_point_2_is_seen_to_be_broken_by_counters_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Health, "told", lambda health, now_ms: health.counts)
    assert shows_one_person(minutes_seen(Listener()))


def test_a_members_card_is_a_tap_with_the_member() -> None:
    listener = Listener(CARD.encode())
    listener.ears.touched("till-nfc", tags.encode_uri(CARD))
    assert listener.sink.taps == [Tap(MEMBER, "till-nfc", NOW_MS)]
    assert listener.health.counts == {"nfc.taps": 1}


@pytest.mark.parametrize("ndef", [None, b"", tags.encode_uri(STRANGE_URL)])
def test_a_strangers_card_is_a_tap_that_carries_nothing(ndef: bytes | None) -> None:
    listener = Listener()
    listener.ears.touched("till-nfc", ndef)
    assert listener.sink.taps == [Tap(None, "till-nfc", NOW_MS)]
    assert listener.health.counts == {"nfc.strangers": 1}


@pytest.mark.parametrize(
    ("ndef", "reason", "trouble"),
    [
        (b"\xff\xff", "ndef_malformed", Trouble.AGAIN),
        (tags.encode_uri(STRANGE_URL)[:-1], "ndef_malformed", Trouble.AGAIN),
        (tags.encode_uri(STRANGE_URL) * 400, "ndef_size", Trouble.REFUSED),
    ],
    ids=["rubbish", "cut off", "too large"],
)
def test_a_card_that_cannot_be_read_is_counted_with_its_reason(ndef: bytes, reason: str, trouble: Trouble) -> None:
    listener = Listener()
    listener.ears.touched("till-nfc", ndef)
    assert listener.sink.taps == [Tap(None, "till-nfc", NOW_MS, trouble=trouble)]
    assert listener.health.counts == {f"nfc.refused.{reason}": 1}
    assert not holds(everything_in(listener), "stranger.example")


def test_a_tag_that_counts_is_a_tap_with_a_guard() -> None:
    listener = Listener()
    keys = Keyring([Held("k", 0, None, SunKey(bytes(16), bytes(16)))])
    listener.ears.terminal.keyring = keys
    tag = emulated.make(emulated.spec(counter=8))
    digest = listener.resolver.digest(Token(CredentialKind.SUN, tag.uid))
    credential = Credential("c-sun", "m-tag", CredentialKind.SUN, digest)
    listener.resolver.set_member("m-tag", [(credential, 0, None)], NOW_MS)
    listener.ears.touched("till-nfc", tags.encode_uri(tag.url()))
    assert listener.sink.taps == [Tap("m-tag", "till-nfc", NOW_MS, Proof.PROVEN, Guard(digest, 9))]
    assert listener.health.counts == {"nfc.taps": 1}
    assert not holds(everything_in(listener), tag.uid)


def test_the_shops_own_beacons_are_told_apart_from_members() -> None:
    listener = Listener()
    assert listener.ears.has_anchors
    assert listener.ears.last_anchor_ms("till") is None
    listener.clock.at_ms += 700
    listener.ears.heard("till", -48, frames.encode_ibeacon(ANCHOR, -59))
    assert listener.sink.anchors == [("a-door", "till", -48, NOW_MS + 700)]
    assert listener.ears.last_anchor_ms("till") == NOW_MS + 700
    assert listener.ears.last_anchor_ms("door") is None
    assert listener.health.counts == {"ble.anchors": 1}


def test_what_a_remote_ear_decoded_counts_from_when_it_was_heard() -> None:
    listener = Listener()
    listener.ears.heard_token("cellar", -70, Token(CredentialKind.EID, EID_NOW), NOW_MS - 900)
    listener.ears.heard_token("cellar", -70, Token(CredentialKind.EID, STRANGE_EID), NOW_MS)
    assert listener.sink.sightings == [Sighting(MEMBER, "cellar", -70, NOW_MS - 900)]
    assert listener.health.counts == {"ble.sightings": 1, "ble.strangers": 1}


def test_a_colleagues_phone_is_known_whatever_it_says() -> None:
    listener = Listener()
    irk = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")
    listener.resolver.set_member("m-colleague", [(Credential("c", "m-colleague", CredentialKind.RPA, irk), 0, None)], 0)
    address = bytes.fromhex("7081940dfbaa")
    nearby = bytes.fromhex("02011a0aff4c001005011b0a0b0c")
    listener.ears.heard("till", -60, nearby, address)
    listener.ears.heard("till", -60, frames.encode_eid(STRANGE_EID, -18), address)
    listener.ears.heard("till", -60, nearby, bytes.fromhex("7081950dfbaa"))
    assert [sighting.member_id for sighting in listener.sink.sightings] == ["m-colleague"] * 2
    assert not holds(everything_in(listener), bytes.fromhex("7081950dfbaa"))


def test_a_flood_of_one_frame_costs_one_radio_a_bounded_share() -> None:
    listener = Listener()
    for _ in range(100):
        listener.ears.heard("till", -60, frames.encode_eid(EID_NOW, -18))
    listener.ears.heard("door", -60, frames.encode_eid(EID_NOW, -18))
    assert listener.health.counts == {"ble.flood": 100 - MAX_SAME_PER_S, "ble.sightings": MAX_SAME_PER_S + 1}
    listener.clock.at_ms += 1_000
    listener.ears.heard("till", -60, frames.encode_eid(EID_NOW, -18))
    assert listener.health.counts["ble.sightings"] == MAX_SAME_PER_S + 2


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
        listener.clock.at_ms += 100
        listener.ears.heard("till", -60, bytes(ad[: dice.choice([len(ad), dice.randrange(len(ad) + 1)])]))
    counts = Counter(listener.health.counts)
    assert counts.total() == 2000
    kinds = {"ad_length", "eid_length", "ibeacon_length"}
    known = {"ble.not_ours", "ble.ios_overflow", "ble.strangers", "ble.sightings"}
    known |= {f"ble.malformed.{kind}" for kind in kinds}
    assert set(counts) == known  # every way out was taken, and there is no other
    assert len(listener.sink.sightings) == counts["ble.sightings"]
    assert all(sighting.member_id == MEMBER for sighting in listener.sink.sightings)


def test_a_sighting_tells_a_members_credentials_apart() -> None:
    listener = Listener()
    for ad in (
        frames.encode_eid(EID_NOW, -18),
        frames.encode_ibeacon(IBEACON_NOW, -59),
        frames.encode_eid(EID_NOW, -18),
    ):
        listener.ears.heard("till", -61, ad)
    fob, beacon, again = [sighting.credential for sighting in listener.sink.sightings]
    assert fob == again != beacon
