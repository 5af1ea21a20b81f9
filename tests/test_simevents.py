import inspect
import json
from collections import Counter
from random import Random

import pytest

from gateway import shopyear, simevents
from gateway.core.changes import OutboxRow
from sync import event_messages

# What half an hour of the demo told headquarters (493 events); tills and screens were silent in it.
DEMO = {
    "decision.made": 0.44,
    "visit.moved": 0.30,
    "visit.entered": 0.09,
    "visit.left": 0.08,
    "sale.identified": 0.04,
    "visit.dwelled": 0.02,
    "handshake.asked": 0.01,
    "audit.viewed": 0.01,
}
ADDED = {"sale.recorded", "redemption.reserved", "redemption.committed", "offer.accepted", "offer.declined"}


def test_a_day_has_as_many_events_as_asked_by_rising_time() -> None:
    days = [list(simevents.day(Random(seed), 2.0, 600)) for seed in range(10)]
    for one in days:
        times = [happening.at_s for happening in one]
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] < 600
    assert sum(map(len, days)) == pytest.approx(10 * 2.0 * 600, rel=0.05)


def test_the_same_seed_tells_the_same_day() -> None:
    assert list(simevents.day(Random(3), 1.0, 60)) == list(simevents.day(Random(3), 1.0, 60))
    assert list(simevents.day(Random(3), 1.0, 60)) != list(simevents.day(Random(4), 1.0, 60))


def test_a_visit_has_the_events_that_the_rate_is_reckoned_with_and_is_over_in_time() -> None:
    rng = Random(5)
    visits = [simevents.visit(rng) for _ in range(1_000)]
    assert sum(map(len, visits)) / len(visits) == pytest.approx(simevents.VISIT_EVENTS, rel=0.04)
    assert max(visit[-1].at_s for visit in visits) < simevents.LONGEST_VISIT_S
    for visit in visits[:200]:
        kinds = [one.type for one in visit if one.type.startswith("visit.")]
        assert kinds[0] == "visit.entered"
        assert kinds[-1] == "visit.left"
        assert set(kinds[1:-1]) <= {"visit.moved", "visit.dwelled"}


def test_the_mix_is_that_of_the_demo() -> None:
    rng = Random(6)
    counts = Counter(one.type for _ in range(700) for one in simevents.visit(rng))
    for kind in ADDED:
        assert counts.pop(kind) > 0
    total = counts.total()
    assert counts.keys() == DEMO.keys() | {"handshake.closed"}
    for kind, share in DEMO.items():
        assert counts[kind] / total == pytest.approx(share, abs=0.06), kind


def test_the_hours_are_those_of_the_simulated_year() -> None:
    told = [one for seed in range(4) for one in simevents.day(Random(seed), 2.0, 12 * 100)]
    hours = Counter(int(one.at_s) // 100 for one in told if one.type == "visit.entered")
    after_work = (hours[9] + hours[10]) / 2
    assert 1.6 < after_work / (sum(hours[hour] for hour in range(9)) / 9) < 2.4
    assert "17, 17, 18, 18" in inspect.getsource(shopyear)


def test_every_body_fits_the_contract() -> None:
    told = list(simevents.day(Random(7), 5.0, 120))
    rows = [OutboxRow(n, int(one.at_s * 1000), one.type, json.dumps(one.body)) for n, one in enumerate(told, 1)]
    for at in range(0, len(rows), 20):
        some = rows[at : at + 20]
        payload = event_messages.events("ab" * 16, some[0].seq, some[-1].seq, some)
        assert len(event_messages.parse_events(payload).rows) == len(some)
