"""sync.earshot: alive or not, alone or not, late, lossy, flooding; and what a person reads about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import CredentialKind, Token
from gateway.health import Health
from sync import ear, earshot
from sync.ear_messages import MAX_FRAMES, Beat, EarState, Frame, Heard, Radio
from sync.earshot import Allowance, Earshot, Lag

BOOT, OTHER = "5e" * 8, "0f" * 8
TOKEN = Token(CredentialKind.EID, bytes(8))
FINE = (Radio("ok", "hci0 hears advertisements"),)


class Bench:
    def __init__(self) -> None:
        self.health = Health()
        self.ms = 50_000
        self.known = Earshot("wine", self.health, self.ms)

    def heard(self, seq: int, ages_ms: tuple[int, ...] = (0,), late_ms: int = 0, boot: str = BOOT) -> list[int]:
        """The true ages of the frames that count; `late_ms` is how long the message was on its way."""
        message = Heard(boot, seq, self.ms - 40_000 - late_ms, tuple(Frame(TOKEN, -61, age) for age in ages_ms))
        if not self.known.spoke(boot, self.ms):
            return []
        return [age for _, age in self.known.fresh(message, self.ms)]

    def beat(self, seq: int = 0, adverts: int = 0, radios: tuple[Radio, ...] = FINE, boot: str = BOOT) -> None:
        if self.known.spoke(boot, self.ms):
            self.known.beaten(Beat(boot, seq, adverts, 0, 0, radios), self.ms)

    def born(self, boot: str = BOOT, line: int = 1) -> None:
        self.known.stated(EarState(True, boot, line), self.ms)

    def will(self, boot: str = BOOT, line: int = 1) -> None:
        self.known.stated(EarState(False, boot, line), self.ms)

    @property
    def state(self) -> str:
        return self.known.report(self.ms)[0]

    @property
    def detail(self) -> str:
        return self.known.report(self.ms)[1]


def test_a_scanner_that_speaks_is_ok_and_says_how_much_it_hears() -> None:
    bench = Bench()
    assert bench.state == "degraded"
    bench.born()
    assert bench.state == "degraded", "a birth may be an old one that the broker kept"
    bench.beat(adverts=100)
    bench.ms += 5_000
    bench.beat(adverts=1_350)
    assert bench.known.report(bench.ms) == ("ok", "scanner wine hears 250 advertisements a second", "")


def test_one_that_never_speaks_is_down_after_fifteen_seconds() -> None:
    bench = Bench()
    bench.ms += earshot.SILENT_MS - 1
    assert bench.state == "degraded"
    bench.ms += 1
    assert bench.state == "down"
    assert "systemctl" in bench.known.report(bench.ms)[2]


def test_one_that_falls_silent_is_down_and_its_next_word_mends_it() -> None:
    bench = Bench()
    bench.beat()
    bench.ms += earshot.SILENT_MS
    assert (bench.state, bench.detail) == ("down", "no word from scanner wine for 15 s")
    bench.beat()
    assert bench.state == "ok"


def test_its_will_is_believed_at_once_but_not_that_of_an_older_connection() -> None:
    bench = Bench()
    bench.born(line=1)
    bench.beat()
    bench.born(line=2)
    bench.will(line=1)
    bench.will(boot=OTHER, line=9)
    assert bench.state == "ok"
    bench.will(line=2)
    assert bench.state == "down"
    bench.born(line=3)
    assert bench.state == "ok"


def test_a_kept_will_says_at_once_that_it_is_gone() -> None:
    bench = Bench()
    bench.will()
    assert bench.state == "down"
    bench.born(OTHER)
    bench.beat(boot=OTHER)
    assert bench.state == "ok"


def test_a_restart_is_followed_and_is_no_twin() -> None:
    bench = Bench()
    bench.born()
    assert bench.heard(7) == [0]
    bench.ms += 60_000
    bench.born(OTHER)
    assert bench.heard(8, boot=BOOT) == []  # the old one's last words, overtaken by the birth
    assert bench.heard(1, boot=OTHER) == [0]
    bench.beat(seq=1, boot=OTHER)
    assert bench.state == "ok"
    assert "scanner.lost" not in bench.health.counts
    assert "scanner.twin" not in bench.health.counts


@pytest.mark.parametrize("again", ["word", "birth"])
def test_two_scanners_with_one_id_are_shown_and_only_the_last_is_heard(again: str) -> None:
    bench = Bench()
    bench.born()
    bench.beat()
    bench.born(OTHER)
    bench.ms += earshot.LAST_WORDS_MS + 1
    bench.beat(boot=OTHER)
    if again == "word":
        assert bench.heard(3, boot=BOOT) == []
        assert bench.health.counts["scanner.twin"] == 1
    else:
        bench.born(BOOT)
        assert bench.heard(3, boot=BOOT) == [0]
    assert bench.state == "degraded"
    assert "two scanners share the id wine" in bench.detail
    bench.ms += earshot.SHOWN_MS
    bench.beat(boot=OTHER) if again == "word" else bench.beat(seq=3)
    assert bench.state == "ok"


def test_old_frames_are_counted_and_dropped() -> None:
    bench = Bench()
    assert bench.heard(1, (0, 150, earshot.MAX_LATE_MS, earshot.MAX_LATE_MS + 1)) == [0, 150, earshot.MAX_LATE_MS]
    assert bench.health.counts["scanner.late"] == 1


def test_what_was_held_up_on_the_way_is_older_than_it_says() -> None:
    bench = Bench()
    assert bench.heard(1) == [0]
    assert bench.heard(2, (100,), late_ms=3_000) == [3_100]
    assert bench.heard(3, (100,), late_ms=30_000) == []
    assert bench.health.counts["scanner.late"] == 1
    assert bench.heard(4, (100,)) == [100]


def test_lost_messages_are_counted_also_the_last_ones_before_a_heartbeat() -> None:
    bench = Bench()
    bench.heard(5)
    bench.heard(6)
    bench.heard(9)
    bench.beat(seq=11)
    assert bench.health.counts["scanner.lost"] == 4
    assert bench.heard(11) == []
    assert bench.health.counts["scanner.repeated"] == 1
    assert bench.heard(12) == [0]
    assert bench.health.counts["scanner.lost"] == 4


def test_a_lossy_line_shows_until_it_is_better() -> None:
    bench = Bench()
    bench.beat(seq=0)
    for seq in range(1, 21):
        if seq % 4:
            bench.heard(seq)
    bench.ms += 5_000
    bench.beat(seq=20)
    assert bench.state == "degraded"
    assert "lost" in bench.detail
    for seq in range(21, 41):
        bench.heard(seq)
    bench.ms += 5_000
    bench.beat(seq=40)
    assert bench.state == "ok"


def test_a_flood_is_bounded_and_shown() -> None:
    bench = Bench()
    bench.beat()
    seen = sum(len(bench.heard(seq, (0,) * MAX_FRAMES)) for seq in range(1, 101))
    assert seen == earshot.FRAME_BURST
    assert bench.health.counts["scanner.flooded"] == 100 * MAX_FRAMES - seen
    assert bench.state == "degraded"
    bench.ms += 100
    assert len(bench.heard(101, (0,) * MAX_FRAMES)) == earshot.FRAMES_PER_S // 10


def test_questions_are_bounded() -> None:
    bench = Bench()
    granted = sum(bench.known.may_ask(64, bench.ms) for _ in range(20))
    assert granted == earshot.QUESTION_BURST
    assert bench.health.counts["scanner.questions_refused"] == 20 * 64 - granted
    bench.ms += 1_000
    assert bench.known.may_ask(64, bench.ms) == earshot.QUESTIONS_PER_S


@pytest.mark.parametrize(
    ("radios", "state"),
    [
        ((), "degraded"),
        (FINE, "ok"),
        ((*FINE, Radio("down", "hci1 the Bluetooth adapter is not there")), "degraded"),
        ((Radio("down", "hci1 the Bluetooth adapter is not there"),), "down"),
        ((Radio("degraded", "hci1 restarts the scan"),), "degraded"),
    ],
)
def test_its_radios_show_in_its_state(radios: tuple[Radio, ...], state: str) -> None:
    bench = Bench()
    bench.beat(radios=radios)
    assert bench.state == state
    ill = [radio.detail for radio in radios if radio.state != "ok"]
    assert all(detail in bench.detail for detail in ill)


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 2_000)), max_size=60))
def test_an_allowance_grants_its_rate_and_its_burst_and_no_more(steps: list[tuple[int, int]]) -> None:
    allowance, now_ms, granted = Allowance(100, 500), 7_000, 0
    for wait_ms, wanted in steps:
        now_ms += wait_ms
        got = allowance.grant(wanted, now_ms)
        assert 0 <= got <= wanted
        granted += got
    assert granted * 1000 <= 500_000 + (now_ms - 7_000) * 100


@given(st.lists(st.integers(0, earshot.MAX_EARLY_MS), min_size=1, max_size=50), st.integers(0, 10**12))
def test_lag_is_what_a_message_took_beyond_the_quickest(delays_ms: list[int], start_ms: int) -> None:
    lag = Lag()
    for number, delay_ms in enumerate(delays_ms):
        sent_ms = number * 100
        found = lag.of(sent_ms, start_ms + sent_ms + delay_ms)
        assert found == delay_ms - min(delays_ms[: number + 1])


def test_lag_forgets_a_line_that_has_become_slower_for_good() -> None:
    lag = Lag()
    assert lag.of(0, 1_000) == 0
    sent_ms = 0
    while sent_ms < 3 * earshot.SPAN_MS:
        sent_ms += 5_000
        last = lag.of(sent_ms, sent_ms + 1_400)
    assert last == 0


def test_a_number_far_ahead_mutes_nobody() -> None:
    bench = Bench()
    assert bench.heard(1) == bench.heard(2) == [0]
    assert bench.heard(2**53 - 1) == []
    bench.beat(seq=2**40)
    assert bench.health.counts["scanner.refused.seq"] == 2
    assert bench.heard(3) == [0]
    assert "scanner.lost" not in bench.health.counts


def test_a_first_number_that_nothing_follows_is_forgotten() -> None:
    bench = Bench()
    bench.heard(2**53 - 1)
    assert bench.heard(20_001) == bench.heard(20_002) == [0]
    assert bench.heard(1) == []


def test_the_count_never_goes_back_at_an_old_heartbeat() -> None:
    bench = Bench()
    assert bench.heard(1) == bench.heard(2) == [0]
    bench.beat(seq=0)
    assert bench.heard(1) == bench.heard(2) == []
    assert bench.health.counts["scanner.repeated"] == 3
    assert bench.heard(3) == [0]


@given(st.lists(st.one_of(st.integers(1, 40), st.integers(0, 2**53)), max_size=60))
def test_no_number_is_believed_twice_once_the_count_is_sure(numbers: list[int]) -> None:
    bench = Bench()
    assert bench.heard(1) == bench.heard(2) == [0]
    seen = [number for number in numbers if bench.heard(number)]
    assert seen == sorted(set(seen))
    assert all(number > 2 for number in seen)


@pytest.mark.parametrize("early_ms", [10_000, 60_000, 10**9])
@pytest.mark.parametrize("first", [True, False])
def test_one_message_from_the_future_does_not_silence_the_next_ones(early_ms: int, first: bool) -> None:
    bench, heard = Bench(), 0
    for number in range(400):
        bench.ms += 150
        late_ms = -early_ms if number == (0 if first else 50) else 0
        heard += len(bench.heard(number + 1, late_ms=late_ms))
    muted_ms = (400 - heard) * 150
    assert muted_ms <= (earshot.DOUBT_MS + 300 if first else 0)


def test_one_message_from_the_past_moves_nothing() -> None:
    bench = Bench()
    assert bench.heard(1) == [0]
    assert bench.heard(2, late_ms=5 * 60_000) == []
    assert bench.heard(3) == bench.heard(4) == [0]


def test_what_comes_in_a_heap_after_a_standstill_is_late() -> None:
    lag = Lag()
    assert lag.of(0, 500) == 0
    found = [lag.of(sent_ms, 40_500) for sent_ms in range(150, 40_001, 150)]
    assert found == [40_000 - sent_ms for sent_ms in range(150, 40_001, 150)]


def test_the_numbers_fit_together() -> None:
    assert earshot.SILENT_MS >= 3_000 * ear.BEAT_S
    # Everything there is to ask takes longer than the windows of the tokens in it last (K = 10).
    assert earshot.MAX_EARLY_MS < earshot.MAX_LATE_MS
    assert earshot.MAX_JUMP * ear.PUBLISH_EVERY_S > 10 * ear.BEAT_S
    assert 65_536 / earshot.QUESTIONS_PER_S > 1_024


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_who_was_displaced_by_another_with_the_same_id_is_heard_again_when_that_one_is_gone(says_goodbye: bool) -> None:
    bench = Bench()
    bench.born()
    assert bench.heard(1) == [0]
    bench.born(OTHER)
    bench.ms += 5_000
    assert bench.heard(1, boot=OTHER) == [0]
    assert bench.heard(2) == []
    if says_goodbye:
        bench.will(OTHER)
    bench.ms += earshot.SILENT_MS
    assert bench.heard(3) == [0]
    assert bench.state in ("ok", "degraded")  # alive; two with one id are still worth a word
