"""How gateways took a roll-out, and what follows: every outcome, every reason to wait, to go on and to stop."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sync.hq.fleet import AWAY_MS
from sync.hq.rolling import SLACK_MS, Gateway, Plan, Seen, Standing, Step, judged, most, next_step, result_of

WINDOW_MS, TOLD_MS = 60_000, 1_000
PLAN = Plan("settings", ("store-1", "5%", "all"), 10_000, "0", 90, 50_000, WINDOW_MS)
ONE = Gateway("acme/store-1/gw-1", 1, TOLD_MS)
HERE = Seen("ours", True, TOLD_MS + 5)
LATE_MS = TOLD_MS + WINDOW_MS + SLACK_MS


def took(seen: Seen, one: Gateway = ONE, now_ms: int = TOLD_MS + 10, since_ms: int = 0, ring: int = 1) -> Gateway:
    return judged(one, seen, ring, now_ms, since_ms, WINDOW_MS)


def outcome(*args: Any, **own: Any) -> tuple[str, tuple[str, ...]]:
    found = took(*args, **own)
    return found.outcome, found.why


def test_a_gateway_is_away_until_it_has_it_and_tries_it_then() -> None:
    assert took(Seen("ours", False, 5)).outcome == "away"
    assert took(Seen("ours", True, TOLD_MS)).outcome == "away"  # that was before it was told
    assert took(Seen("ours", False, 5, gets=True)).outcome == "told"
    found = took(HERE)
    assert (found.outcome, found.reached_ms) == ("told", TOLD_MS + 10)
    assert took(HERE, found, now_ms=TOLD_MS + 20).reached_ms == TOLD_MS + 10


def test_it_is_kept_or_taken_back_with_reasons() -> None:
    assert outcome(replace(HERE, result="kept")) == ("confirmed", ())
    undone = replace(HERE, result="undone", why=("hq_silent", "hq"))
    assert outcome(undone) == ("undone", ("hq_silent", "hq"))
    assert took(undone).failed
    assert not replace(took(undone), accepted=True).failed


def test_whoever_has_it_and_says_nothing_is_silent_as_long_as_somebody_listens() -> None:
    reached = replace(ONE, reached_ms=TOLD_MS)
    assert outcome(HERE, reached, now_ms=LATE_MS - 1) == ("told", ())
    assert outcome(HERE, reached, now_ms=LATE_MS) == ("silent", ("no_answer",))
    assert outcome(HERE, reached, now_ms=LATE_MS, since_ms=TOLD_MS + 1) == ("told", ())
    assert outcome(replace(HERE, online=False), reached, now_ms=LATE_MS) == ("silent", ("no_answer",))
    assert outcome(Seen("ours", False, 5), now_ms=10 * LATE_MS) == ("away", ())  # it never had it
    silent = took(HERE, reached, now_ms=LATE_MS)
    assert outcome(replace(HERE, result="kept"), silent, now_ms=LATE_MS + 1) == ("confirmed", ())


def test_who_kept_it_and_goes_away_or_falls_sick_is_watched_while_the_ring_is() -> None:
    kept = replace(HERE, result="kept")
    confirmed = took(kept)
    gone, long_ms = replace(kept, online=False), HERE.last_seen_ms + AWAY_MS
    assert outcome(gone, confirmed, now_ms=long_ms - 1) == ("confirmed", ())
    assert outcome(gone, confirmed, now_ms=long_ms) == ("silent", ("away",))
    assert outcome(gone, confirmed, now_ms=long_ms, since_ms=long_ms - 1) == ("confirmed", ())
    sick = replace(kept, down=("screen:bar", "receiver:door"))
    assert outcome(sick, replace(confirmed, before=("screen:bar",))) == ("sick", ("receiver:door",))
    assert outcome(kept, took(sick, confirmed)) == ("confirmed", ())
    for later in (gone, sick):
        assert outcome(later, confirmed, now_ms=long_ms, ring=2) == ("confirmed", ())
    for failed in (took(sick, confirmed), took(gone, confirmed, now_ms=long_ms)):
        assert took(kept, failed, ring=2) == failed
    came_late = replace(ONE, outcome="silent", why=("no_answer",), reached_ms=TOLD_MS)
    assert outcome(kept, came_late, ring=2) == ("confirmed", ())


@pytest.mark.parametrize("stands", ["other", "gone"])
def test_whoever_was_sent_something_else_counts_no_more(stands: Any) -> None:
    other = took(replace(HERE, stands=stands, result="undone"))
    assert (other.outcome, other.failed, other.counts) == ("other", False, False)
    assert took(replace(HERE, result="undone"), other).outcome == "other"


# --- what follows ---------------------------------------------------------------------------------------------------

AT = Standing(1, 1_000, None)


def ring(*outcomes: Any, number: int = 1) -> list[Gateway]:
    return [Gateway(f"acme/store-{at:02}/gw-1", number, TOLD_MS, one) for at, one in enumerate(outcomes)]


def step(told: list[Gateway], at: Standing = AT, now_ms: int = 2_000, **own: Any) -> Step | None:
    return next_step(replace(PLAN, **own), at, told, overtaken=False, now_ms=now_ms)


def test_a_ring_is_through_once_enough_of_it_confirmed_and_followed_after_its_soak() -> None:
    assert step(ring("confirmed", "told")) is None
    assert step(ring(*["confirmed"] * 9, "told")) == Step("through")
    assert step(ring(*["confirmed"] * 9, "away")) == Step("through")
    assert step(ring(*["confirmed"] * 8, "told", "away")) is None
    through = Standing(1, 1_000, 5_000)
    assert step(ring("confirmed"), through, 14_999) is None
    assert step(ring("confirmed"), through, 15_000) == Step("next")
    assert step(ring("confirmed", number=3), Standing(3, 1_000, 5_000), 15_000) == Step("done")


def test_those_who_are_away_hold_it_up_for_a_while_only() -> None:
    half = ring("confirmed", "away")
    assert step(half, now_ms=AT.ring_ms + PLAN.wait_ms - 1) is None
    assert step(half, now_ms=AT.ring_ms + PLAN.wait_ms) == Step("through")
    trying = ring("confirmed", "told", "away")
    assert step(trying, now_ms=AT.ring_ms + PLAN.wait_ms) is None  # that one is there
    nobody = ring("away", "away")
    assert step(nobody, now_ms=AT.ring_ms + PLAN.wait_ms - 1) is None
    assert step(nobody, now_ms=AT.ring_ms + PLAN.wait_ms) == Step("stop", "nobody")


def test_an_empty_ring_is_passed_by() -> None:
    assert step([]) == Step("next")
    assert step(ring("other")) == Step("next")
    assert step(ring("confirmed"), Standing(3, 0, None)) == Step("done")


@pytest.mark.parametrize("outcome", ["undone", "silent", "sick"])
def test_one_who_fails_stops_it_and_is_named(outcome: Any) -> None:
    told = ring("confirmed", outcome, "confirmed")
    told[1] = replace(told[1], why=("receiver", "receiver:door"))
    expected = Step("stop", "failures", "acme/store-01/gw-1", (outcome, "receiver", "receiver:door"))
    assert step(told) == expected
    assert step(told, Standing(1, 1_000, 5_000)) == expected  # within the soak
    assert step([*told, *ring("told", number=2)], Standing(2, 1_000, None)) == expected  # one of an earlier ring, late
    assert step(told, most_failures="1") == Step("through")


def test_failures_may_be_a_share_of_those_who_were_told() -> None:
    assert [most("2%", told) for told in (1, 49, 50, 100)] == [0, 0, 1, 2]
    assert step(ring("undone", *["confirmed"] * 48), most_failures="2%") is not None
    assert step(ring("undone", *["confirmed"] * 49), most_failures="2%") == Step("through")
    assert step(ring("undone"), most_failures="1") == Step("stop", "nobody")


def test_what_an_operator_accepted_holds_nothing_up() -> None:
    told = [replace(one, accepted=True) for one in ring("undone")]
    assert step(told) == Step("next")
    assert step([*told, *ring("told")]) is None


def test_others_that_were_sent_to_all_end_it() -> None:
    assert next_step(PLAN, AT, ring("confirmed"), overtaken=True, now_ms=2_000) == Step("stop", "overtaken")


# --- what gateways tell ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "result"),
    [("trial", ""), ("kept", "kept"), ("unchanged", "kept"), ("undone", "undone"), ("refused", "undone")],
)
def test_a_report_of_settings_is_of_those_that_it_names(state: str, result: str) -> None:
    told = json.dumps({"given": "s-1", "state": state, "reasons": ["receiver"], "parts": ["receiver:door"]})
    why = ("receiver", "receiver:door") if result == "undone" else ()
    assert result_of("settings", "s-1", 7, told) == (result, why)
    assert result_of("settings", "s-2", 7, told) == ("", ())
    assert result_of("settings", "s-1", 7, None) == ("", ())


def test_a_report_of_a_configuration_is_of_its_version_or_a_later_one() -> None:
    kept = json.dumps({"version": 7})
    undone = json.dumps({"version": 7, "catalogue_id": "", "reasons": ["zones"], "parts": ["zone:bar"]})
    assert result_of("config", "", 7, kept) == ("kept", ())
    assert result_of("config", "", 8, kept) == ("", ())
    assert result_of("config", "", 6, undone) == ("undone", ("zones", "zone:bar"))
