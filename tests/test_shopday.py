import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest

from drivers import frames, tags
from drivers.frames import Other
from drivers.people import people, population
from drivers.replay import Adv, Record, Touch
from drivers.shopday import (
    ADDRESS_LIFE_MS,
    ADV_DELAY_MS,
    CLOCK_DRIFT_MS,
    INTERVAL_MS,
    SPEED_M_PER_S,
    ShopDay,
    Visit,
    any_visit,
    member_device,
    opening_of_first,
    opening_of_second,
    private_address,
    stranger_device,
)
from drivers.shopfloor import DOOR, READERS, ZONES, Point
from gateway.core.model import CredentialKind, Token
from tests.rigs.instant import resolver

NOW_MS = 1_795_255_200_000
HOUR_MS = 3_600_000


def records(day: ShopDay, until_ms: int, opened_ms: int = NOW_MS) -> Iterator[Record]:
    while (due_ms := day.next_ms) is not None and due_ms < until_ms:
        yield from day.step(opened_ms + due_ms)


def where(visit: Visit, t_ms: int) -> Point:
    return next(leg for leg in visit.legs if leg.start_ms <= t_ms <= leg.end_ms).where(t_ms)


def zone_at(visit: Visit, t_ms: int) -> str | None:
    point = where(visit, t_ms)
    return next((zone for zone, area in ZONES.items() if area.clamp(point) == point), None)


def test_the_opening_keeps_its_timetable() -> None:
    first, second = opening_of_first(Random(1)), opening_of_second(Random(2))
    assert [zone_at(first, t_s * 1000) for t_s in (3, 8, 15, 30, 45, 75, 95)] == [
        "entrance", "entrance", "coffee", "coffee", "wine", "wine", "till",
    ]  # fmt: skip
    assert first.taps == [(20_000, "coffee-nfc"), (45_000, "advice-nfc"), (90_000, "till-nfc")]
    assert [zone_at(second, t_s * 1000) for t_s in (12, 19, 32, 39, 52, 70)] == [
        "entrance", "entrance", "wine", "wine", "coffee", "coffee",
    ]  # fmt: skip
    assert second.taps == [(52_000, "coffee-nfc"), (165_000, "till-nfc")]


@pytest.mark.parametrize("seed", range(40))
def test_a_visit_is_an_unbroken_way_from_door_to_door_at_walking_speed(seed: int) -> None:
    visit = any_visit(Random(seed), 5_000, dict.fromkeys(READERS, 0.5))
    assert visit.legs[0].start_ms == 5_000
    assert visit.legs[0].origin == visit.legs[-1].goal == DOOR
    assert visit.legs[-1].end_ms == visit.end_ms
    for before, after in pairwise(visit.legs):
        assert before.end_ms == after.start_ms
        assert before.goal == after.origin
    for leg in visit.legs:
        metres = leg.origin.to(leg.goal)
        assert metres / (leg.end_ms - leg.start_ms) * 1000 <= SPEED_M_PER_S[1] * 1.01
        assert leg.facing_rad == pytest.approx(leg.origin.towards(leg.goal)) or metres == 0
    for t_ms, reader in visit.taps:
        assert where(visit, t_ms).to(READERS[reader]) < 2.5
    assert {zone_at(visit, t_ms) for t_ms in range(5_000, visit.end_ms, 1_000)} & set(ZONES)


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    first, second, other = (list(records(ShopDay(seed, 6, 6), 300_000)) for seed in (4, 4, 5))
    assert first == second
    assert first != other
    assert [record.t_ms for record in first] == sorted(record.t_ms for record in first)


def test_members_stay_the_same_when_strangers_change() -> None:
    def of_members(strangers: int) -> list[Record]:
        ours = resolver(population(4, 3), NOW_MS)
        found = []
        for record in records(ShopDay(4, 3, strangers), 240_000):
            token = frames.decode(record.ad) if isinstance(record, Adv) else None
            if isinstance(token, Token) and ours.resolve(token, NOW_MS + record.t_ms):
                found.append(record)
        return found

    assert of_members(0) == of_members(9) != []


def test_every_member_is_recognised_all_day_and_no_stranger_ever() -> None:
    ours = resolver(population(9, 12), NOW_MS)
    seen, tapped = set(), set()
    for record in records(ShopDay(9, 12, 0), HOUR_MS):
        now_ms = NOW_MS + record.t_ms
        deadline_ms = ours.next_deadline()
        if deadline_ms is not None and deadline_ms <= now_ms:
            ours.advance(now_ms)
        if isinstance(record, Adv):
            token = frames.decode(record.ad)
            assert isinstance(token, Token)
            seen.add(ours.resolve(token, now_ms))
        else:
            token = tags.decode(record.ndef or b"")
            assert token is not None
            tapped.add(ours.resolve(token, now_ms))
    assert seen == {f"m-{number:03d}" for number in range(1, 13)}
    assert {"m-001", "m-002"} <= tapped <= seen
    for record in records(ShopDay(9, 0, 20), HOUR_MS):
        raw = record.ad if isinstance(record, Adv) else record.ndef
        token = (frames if isinstance(record, Adv) else tags).decode(raw) if raw else None
        assert not isinstance(token, Token) or ours.resolve(token, NOW_MS + record.t_ms) is None


def test_strangers_send_what_phones_and_tags_of_others_send() -> None:
    found = [frames.decode(stranger_device(kind, -60, Random(kind)).frame(NOW_MS)[1]) for kind in range(4)]
    kinds = [token.kind if isinstance(token, Token) else token for token in found]
    assert kinds == [Other.NOT_OURS, Other.FIND_HUB, CredentialKind.IBEACON, CredentialKind.EID]
    for kind in range(4):
        ad = stranger_device(kind, -60, Random(kind)).frame(NOW_MS)[1]
        assert len(ad) <= 31  # a legacy advertisement
        at = 0
        while at < len(ad):  # structures end exactly where the advertisement ends
            at += 1 + ad[at]
        assert at == len(ad)


def test_ids_and_addresses_change_together_and_an_old_address_does_not_return() -> None:
    person = people(1, 1)[0]
    device = member_device(person, -59, Random(1))
    shown = [device.frame(NOW_MS + minute * 60_000) for minute in range(180)]
    by_address = defaultdict(set)
    for address, ad in shown:
        by_address[address].add(ad)
    assert all(len(ads) == 1 for ads in by_address.values())
    assert 10 <= len(by_address) == len({ad for _, ad in shown}) <= 12  # 3 h / 1,024 s
    assert sum(before != after for before, after in pairwise(address for address, _ in shown)) == len(by_address) - 1


def test_a_static_beacon_changes_its_address_only() -> None:
    person = next(person for person in people(1, 9) if person.beacon is CredentialKind.IBEACON)
    device = member_device(person, -59, Random(1))
    shown = [device.frame(NOW_MS + step * ADDRESS_LIFE_MS) for step in range(5)]
    assert len({address for address, _ in shown}) == 5
    assert len({ad for _, ad in shown}) == 1


def test_random_addresses_have_the_resolvable_shape() -> None:
    for seed in range(200):
        octets = private_address(Random(seed)).split(":")
        assert len(octets) == 6
        assert int(octets[0], 16) >> 6 == 0b01


def test_a_drifting_fob_stays_inside_the_window_that_gateways_keep_open() -> None:
    assert CLOCK_DRIFT_MS < 1000 << 10


def test_frames_come_at_their_interval_with_jitter() -> None:
    times = [
        record.t_ms
        for record in records(ShopDay(1, 1, 0), 80_000)
        if isinstance(record, Adv) and record.receiver == "coffee-ble"
    ]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= INTERVAL_MS[0]
    assert len({gap for gap in gaps if gap <= 400 + ADV_DELAY_MS}) > 5
    assert max(gaps) < 10_000


def test_people_come_back_and_the_shop_is_neither_empty_nor_packed() -> None:
    visits, inside = 0, []
    day = ShopDay(3, 12, 0)
    last_ms: dict[str, int] = {}
    ours = resolver(population(3, 12), NOW_MS)
    for record in records(day, HOUR_MS):
        if not isinstance(record, Adv):
            continue
        now_ms = NOW_MS + record.t_ms
        if (ours.next_deadline() or 0) <= now_ms:
            ours.advance(now_ms)
        token = frames.decode(record.ad)
        member = ours.resolve(token, now_ms) if isinstance(token, Token) else None
        assert member is not None
        visits += record.t_ms - last_ms.get(member, -HOUR_MS) > 60_000
        last_ms[member] = record.t_ms
        inside.append(sum(record.t_ms - at_ms < 10_000 for at_ms in last_ms.values()))
    assert visits > 2 * 12
    assert 2 <= math.fsum(inside) / len(inside) <= 7


def test_strangers_tap_with_foreign_cards_and_blank_tags() -> None:
    taps = [record for record in records(ShopDay(2, 0, 40), HOUR_MS) if isinstance(record, Touch)]
    assert any(tap.ndef is None for tap in taps)
    assert any(tap.ndef is not None for tap in taps)
    assert {tap.receiver for tap in taps} == set(READERS)
    assert len({tap.uid for tap in taps}) == len(taps)


def test_a_shop_without_people_has_no_next_moment() -> None:
    assert ShopDay(1, 0, 0).next_ms is None
