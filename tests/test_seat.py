"""gateway.core.seat: never do two boxes serve at one time, whatever happens to messages, lines, clocks and boxes."""

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import seat
from gateway.core.seat import CLAIM_MS, CONTEST_MS, LEASE_MS, PREFER_MS, RENEW_MS, WAIT_MS, Said, Seat

DRIFT = 0.1  # of one clock, a thousand times what a crystal has
TICK_MS = 100


@dataclass
class Box:
    """A box beside its clock and its line. `up`: on their way to the broker, also from connections that are gone."""

    name: str
    rate: float
    preferred: bool
    seat: Seat = field(init=False)
    boots: int = 0
    on: bool = True
    joined: bool = False
    up: deque[Said] = field(default_factory=deque)
    down: deque[Said] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.boot(0)

    def boot(self, term: int) -> None:
        self.boots += 1
        self.on, self.joined = True, False
        self.seat = Seat(self.name, f"{self.name}{self.boots}", preferred=self.preferred, term=term)
        self.down.clear()

    def now(self, at_ms: int) -> int:
        return int(at_ms * self.rate) + 1_000_000 * len(self.name)


class Shop:
    """Two boxes and a broker with one order of all messages, as MQTT has it for a topic."""

    def __init__(self, rates: tuple[float, float] = (1.0, 1.0)) -> None:
        self.at_ms = 0
        self.boxes = (Box("a", rates[0], preferred=True), Box("bb", rates[1], preferred=False))

    def serving(self) -> list[str]:
        return [box.name for box in self.boxes if box.on and box.seat.serves(box.now(self.at_ms))]

    def tick(self, ms: int = TICK_MS) -> None:
        self.at_ms += ms
        for box in self.boxes:
            said = box.seat.due(box.now(self.at_ms)) if box.on else None
            if said is not None:
                box.up.append(said)

    def take(self, box: Box) -> None:
        """The broker takes the next message of a box and hands it to all who are connected."""
        if box.up:
            said = box.up.popleft()
            for one in self.boxes:
                if one.joined:
                    one.down.append(said)

    def bring(self, box: Box, *, twice: bool = False) -> None:
        if box.down and box.on:
            said = box.down.popleft()
            for _ in range(1 + twice):
                box.seat.heard(said, box.now(self.at_ms))

    def join(self, box: Box) -> None:
        if box.on and not box.joined:
            box.joined = True
            box.down.clear()
            box.seat.joined(box.now(self.at_ms))

    def part(self, box: Box, *, lost: bool) -> None:
        """`lost`: what was on its way up is gone too; else it may arrive much later."""
        box.joined = False
        box.down.clear()
        if lost:
            box.up.clear()
        box.seat.parted()

    def settle(self) -> None:
        """Everything that is on its way arrives."""
        for box in self.boxes:
            while box.up:
                self.take(box)
        for box in self.boxes:
            while box.down and box.on:
                self.bring(box)

    def well(self, ms: int) -> list[tuple[int, list[str]]]:
        """Let time pass with a quick line; who served when, each change once."""
        seen: list[tuple[int, list[str]]] = []
        for _ in range(ms // TICK_MS):
            self.tick()
            self.settle()
            now = self.serving()
            assert len(now) <= 1
            if not seen or seen[-1][1] != now:
                seen.append((self.at_ms, now))
        return seen


def opened(rates: tuple[float, float] = (1.0, 1.0)) -> Shop:
    shop = Shop(rates)
    for box in shop.boxes:
        shop.join(box)
    return shop


def stormy(seed: int, steps: int, *, gaps: bool = False) -> bool:
    """A life in which everything may happen at any time; whether two ever served at once. `gaps`: the broker also loses
    single messages on connections that stand, which MQTT forbids."""
    draw = random.Random(seed)
    shop = Shop((1 + draw.uniform(-DRIFT, DRIFT) / 2, 1 + draw.uniform(-DRIFT, DRIFT) / 2))
    calm = draw.choice((0.5, 0.8, 0.95, 0.99))
    served = 0
    for _ in range(steps):
        shop.tick(draw.choice((10, 100, 100, 500, 1_000)))
        for box in shop.boxes:
            if draw.random() < calm:
                shop.join(box)
                for _ in range(draw.randrange(4)):
                    shop.take(box)
                for _ in range(draw.randrange(6)):
                    if gaps and box.down and draw.random() < 0.5:
                        box.down.popleft()
                    shop.bring(box, twice=draw.random() < 0.1)
            chance = draw.random()
            if chance < (1 - calm) / 4:
                shop.part(box, lost=draw.random() < 0.5)
            elif chance < (1 - calm) / 3:
                box.on = not box.on  # power cut or frozen; a frozen one goes on with the lease that it had
            elif chance < (1 - calm) / 2.5:
                box.boot(box.seat.term if draw.random() < 0.8 else 0)  # a disk that was put back knows no term
        if len(shop.serving()) > 1:
            return True
        served += len(shop.serving())
    return False


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_two_never_serve_at_one_time(seed: int) -> None:
    assert not stormy(seed, 400)


def test_the_storm_is_strong_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """It breaks what does not keep the rules: a broker that loses single messages, and a wait shorter than a lease."""
    assert any(stormy(seed, 400, gaps=True) for seed in range(1_000))
    monkeypatch.setattr(seat, "WAIT_MS", LEASE_MS - 3_000)
    assert any(stormy(seed, 400) for seed in range(1_000))


def test_the_figures_keep_what_they_promise() -> None:
    assert LEASE_MS * (1 + DRIFT) < WAIT_MS * (1 - DRIFT / 2)
    assert 3 * RENEW_MS < LEASE_MS
    assert CLAIM_MS < LEASE_MS
    assert CLAIM_MS < seat.SILENT_MS < WAIT_MS
    assert CONTEST_MS * (1 + DRIFT) < WAIT_MS
    assert WAIT_MS + PREFER_MS + RENEW_MS + CLAIM_MS / 2 < 15_000


def test_at_a_fresh_start_the_preferred_one_serves() -> None:
    shop = opened()
    seen = shop.well(30_000)
    assert [who for _, who in seen] == [[], ["a"]]
    assert seen[-1][0] <= WAIT_MS + 2 * RENEW_MS


@pytest.mark.parametrize("rates", [(1.0, 1.0), (1.05, 0.95), (0.95, 1.05)])
def test_one_that_dies_is_followed_within_15_s_and_comes_back_as_the_standby(rates: tuple[float, float]) -> None:
    shop = opened(rates)
    shop.well(30_000)
    one, other = shop.boxes
    one.on = False
    shop.part(one, lost=True)
    died_ms = shop.at_ms
    (_, before), (taken_ms, after) = shop.well(15_000)
    assert (before, after) == ([], ["bb"])
    assert taken_ms - died_ms < 15_000
    one.boot(one.seat.term)
    shop.join(one)
    assert [who for _, who in shop.well(60_000)] == [["bb"]]
    assert one.seat.term == other.seat.term == 2


def test_one_that_is_cut_off_stops_by_its_own_clock_before_the_other_begins() -> None:
    shop = opened()
    shop.well(30_000)
    one = shop.boxes[0]
    shop.part(one, lost=False)
    seen = shop.well(15_000)
    assert [who for _, who in seen] == [["a"], [], ["bb"]]
    assert seen[2][0] - seen[1][0] >= 1_000
    shop.join(one)
    assert [who for _, who in shop.well(30_000)] == [["bb"]]


def test_one_that_leaves_is_followed_at_once() -> None:
    shop = opened()
    shop.well(30_000)
    one = shop.boxes[0]
    said = one.seat.leaves(one.now(shop.at_ms))
    assert said is not None
    assert said.kind == "free"
    assert shop.serving() == []
    one.on = False
    one.up.append(said)
    seen = shop.well(5_000)
    assert seen[-1][1] == ["bb"]
    assert seen[-1][0] - 30_000 <= RENEW_MS
    assert shop.boxes[1].seat.leaves(10**9) is None  # its lease is over by then


def test_a_broken_line_that_is_made_anew_in_time_changes_nothing() -> None:
    shop = opened()
    shop.well(30_000)
    for box in shop.boxes:
        shop.part(box, lost=True)
    shop.well(3_000)
    for box in shop.boxes:
        shop.join(box)
    assert [who for _, who in shop.well(30_000)] == [["a"]]


def test_one_that_stood_still_believes_the_line_first() -> None:
    """Its own loop hung while renewals waited at its door: it may not take them for silence."""
    shop = opened()
    shop.well(30_000)
    other = shop.boxes[1]
    other.on = False
    for _ in range(200):
        shop.tick()
        while shop.boxes[0].up:
            shop.take(shop.boxes[0])
        while shop.boxes[0].down:
            shop.bring(shop.boxes[0])
    other.on = True
    assert [who for _, who in shop.well(30_000)] == [["a"]]


def test_what_it_remembers_is_bounded() -> None:
    box = Seat("a", "boot", preferred=True)
    box.joined(0)
    for at_ms in range(0, 400_000, RENEW_MS):
        box.due(at_ms)
    assert len(box._sent) <= seat.MAX_SENT
    assert box.alone
    box.heard(Said("hello", "b", "other", 1, 9), 0)
    assert (box.alone, box.term) == (False, 9)


def test_another_boot_of_its_own_is_nobody() -> None:
    """The words of a process that was killed may still arrive."""
    box = Seat("a", "new", preferred=True)
    box.joined(0)
    assert box.due(0) is not None
    box.heard(Said("claim", "a", "old", 1, 3), 10)
    assert not box.serves(10)
    assert box._proved_ms is None


def test_a_claim_that_was_given_up_is_not_waited_for() -> None:
    box = Seat("a", "boot", preferred=True)
    box.joined(0)
    hello = box.due(0)
    assert hello is not None
    at_ms = WAIT_MS
    again = box.due(at_ms - RENEW_MS)
    assert again is not None
    box.heard(again, at_ms - RENEW_MS)
    claim = box.due(at_ms)
    assert claim is not None
    assert claim.kind == "claim"
    assert box.stands(claim)
    box.heard(Said("claim", "bb", "other", 1, 1), at_ms)
    assert not box.stands(claim)
    assert claim.n not in box._sent


def test_a_line_that_brings_nothing_back_is_noticed() -> None:
    box = Seat("a", "boot", preferred=True)
    assert not box.is_silent(0)
    box.joined(0)
    assert box.due(0) is not None
    assert not box.is_silent(seat.SILENT_MS)
    assert box.is_silent(seat.SILENT_MS + 1)
    box.heard(Said("hello", "a", "boot", 1, 0), seat.SILENT_MS + 1)
    assert not box.is_silent(seat.SILENT_MS + 1)
