"""What health says of the line: from the broker's own words to what a person can do."""

import random
from dataclasses import dataclass

import pytest

from gateway.core.command import MAX_LIFE_MS
from gateway.errors import CutError, RivalError, UnavailableError
from gateway.health import Health, Part
from sync import backoff, tlsfiles
from sync.brokerwords import TAKEN_OVER, TWO_BOXES, Said, error_of
from sync.link import Address, Transport
from sync.standing import CUTS, PART, RIVAL_MS, Standing
from sync.verifying import TROUBLES


@dataclass
class Bench:
    """A line that nobody connects; its health at a time that the test says."""

    ms: int = 1_000_000
    speed: float = 1.0

    def __post_init__(self) -> None:
        self.health = Health()
        self.transport = Transport(Address("127.0.0.1", 1), "test", random.Random(1))
        self.standing = Standing(self.transport, self, self.health)

    def now_ms(self) -> int:
        return self.ms

    async def sleep(self, ms: float) -> None:
        raise AssertionError("nothing waits here")

    def stands(self, trouble: tuple[str, str] | None = None, is_silent: bool = False) -> Part:
        self.standing.stands(self.ms, trouble, is_silent)
        return self.part

    @property
    def part(self) -> Part:
        return next(one for one in self.health.parts if one.name == PART)


def test_a_line_that_stands_is_ok_and_what_is_wrong_with_it_is_told_the_worst_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    assert (bench.stands().state, bench.part.detail) == ("ok", "connected to headquarters")
    monkeypatch.setattr(Transport, "on_spare", True)
    assert "not heard at the broker of its settings" in bench.stands().detail
    monkeypatch.setattr(Transport, "certificate_ends_ms", bench.ms + tlsfiles.WARN_MS)
    assert "the certificate" in bench.stands().detail
    assert "does not confirm" in bench.stands(is_silent=True).detail
    bench.standing.lost(bench.ms, RivalError("thrown out"))
    assert "another box" in bench.stands(is_silent=True).detail
    part = bench.stands(trouble=TROUBLES["unsigned"], is_silent=True)
    assert (part.detail, part.action) == TROUBLES["unsigned"]
    assert part.state == "degraded"


def test_a_loss_tells_the_errors_own_step_and_else_the_cable() -> None:
    bench = Bench()
    bench.standing.lost(bench.ms, UnavailableError("the wire is dead"))
    assert bench.part.detail.endswith("the shop keeps working (the wire is dead)")
    assert "network cable" in bench.part.action
    bench.standing.lost(bench.ms, UnavailableError("no such account", "Look there."))
    assert bench.part.action == "Look there."
    assert bench.health.counts["hq.losses"] == 2
    assert "hq.taken_over" not in bench.health.counts


def test_another_box_under_our_name_is_told_between_its_turns_too() -> None:
    bench = Bench()
    bench.standing.lost(bench.ms, error_of(TAKEN_OVER, Said("another box has come", TWO_BOXES)))
    assert bench.part.action == TWO_BOXES
    bench.ms += RIVAL_MS - 1
    assert (bench.stands().state, bench.part.action) == ("degraded", TWO_BOXES)
    bench.ms += 1
    assert bench.stands().state == "ok"
    assert bench.health.counts["hq.taken_over"] == 1


def test_a_broker_that_throws_boxes_out_without_a_word_is_understood_after_three_times() -> None:
    bench = Bench()
    for _ in range(CUTS - 1):
        bench.standing.lost(bench.ms, CutError("it is lost"))
        assert bench.stands().state == "ok"
        bench.ms += RIVAL_MS // CUTS
    bench.standing.lost(bench.ms, CutError("it is lost"))
    assert "without a word: another box may have the same name" in bench.part.detail
    assert "hq fleet" in bench.part.action
    bench.ms += RIVAL_MS - 1
    assert "another box may have the same name" in bench.stands().detail
    bench.ms += 1
    assert bench.stands().state == "ok"


def test_a_broker_that_is_away_in_between_or_cut_rarely_is_no_other_box() -> None:
    bench = Bench()
    for _ in range(2 * CUTS):
        bench.standing.lost(bench.ms, CutError("it is lost"))
        bench.standing.lost(bench.ms, UnavailableError("nobody listens"))
        assert bench.stands().state == "ok"
    for _ in range(2 * CUTS):
        bench.standing.lost(bench.ms, CutError("it is lost"))
        bench.ms += RIVAL_MS // (CUTS - 1)
        assert bench.stands().state == "ok"


def test_the_quarter_of_an_hour_is_longer_than_the_other_box_can_stay_away() -> None:
    assert 2 * backoff.MAX_CEILING_MS < RIVAL_MS < MAX_LIFE_MS
