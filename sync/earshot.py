"""What the gateway knows of one scanner: whether it lives, is alone, loses or floods, and how late its words are. Pure.

`now_ms` is monotonic here: only durations count. The scanner's clock is never compared with ours but by its pace.
"""

from collections import deque
from collections.abc import Iterator

from gateway.health import Health, State
from sync.ear_messages import Beat, EarState, Frame, Heard

# A heartbeat comes every 5 s (ear.BEAT_S).
SILENT_MS = 15_000
# Presence must not be moved by what was heard so long ago.
MAX_LATE_MS = 5_000
# 300 people in reach with 1 Hz beacons; beyond it a scanner that was not meant well would crowd out the shop's others.
FRAMES_PER_S = 500
FRAME_BURST = 1_000
# Questions: a shop shows a few new rotating tokens a second; a scanner that starts in a crowd a thousand at once. Who
# wants all 65,536 buckets needs longer than the 1,024 s for which their contents are worth something.
QUESTIONS_PER_S = 60
QUESTION_BURST = 1_024
# A process that ended has no more to say this long after the next one's birth.
LAST_WORDS_MS = 3_000
MAX_OLD_BOOTS = 8
# Trouble that was seen is shown so long.
SHOWN_MS = 30_000
# The quickest message of the last one to two spans sets the scale: crystals drift apart by 24 ms meanwhile (100 ppm).
SPAN_MS = 120_000
# A scanner sends at most 50 messages a second (ear.PUBLISH_EVERY_S), so these are 200 s of them without one that
# arrived: a number so far ahead is a mistake or a forgery, and would mute all honest ones below it.
MAX_JUMP = 10_000
# One message makes the others look late by this at most (well under MAX_LATE_MS), whatever it says of its own time.
MAX_EARLY_MS = 2_000
# The broker ends a connection that stands still for 1.5 times the keep-alive (link); nothing is under way for longer.
MAX_WAY_MS = 120_000
# All messages late for so long, and the quickest one, which the others are measured by, was none.
DOUBT_MS = 30_000

_LOOK = "Look at its power and network; on it: systemctl status store-gateway-scanner"
_OWN_ID = "Give each scanner an id of its own under [scanner]."


class Allowance:
    """Grants `per_s` in the long run and at most `burst` at once."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s = per_s
        self._burst_milli = burst * 1000
        self._left_milli = self._burst_milli
        self._at_ms: int | None = None

    def grant(self, wanted: int, now_ms: int) -> int:
        """How many of `wanted` may pass."""
        passed_ms = 0 if self._at_ms is None else max(0, now_ms - self._at_ms)
        self._at_ms = now_ms
        self._left_milli = min(self._burst_milli, self._left_milli + passed_ms * self._per_s)
        granted = min(wanted, self._left_milli // 1000)
        self._left_milli -= granted * 1000
        return granted


class Lag:
    """How much longer than the quickest one a message was under way, from when it says that it was sent."""

    def __init__(self) -> None:
        self._begun_ms: int | None = None
        self._least_ms = self._least_before_ms = 0
        self._late_since_ms: int | None = None  # nothing came in time since then

    def of(self, sent_ms: int, now_ms: int) -> int:
        """Milliseconds, 0 or more."""
        offset_ms = now_ms - sent_ms
        if self._begun_ms is None:
            self._begin(offset_ms, now_ms)
        earliest_ms = max(offset_ms, min(self._least_ms, self._least_before_ms) - MAX_EARLY_MS)
        if self._begun_ms is not None and now_ms - self._begun_ms >= SPAN_MS:
            self._begun_ms, self._least_ms, self._least_before_ms = now_ms, earliest_ms, self._least_ms
        self._least_ms = min(self._least_ms, earliest_ms)
        lag_ms = max(0, offset_ms - min(self._least_ms, self._least_before_ms))
        if lag_ms <= MAX_LATE_MS:
            self._late_since_ms = None
            return lag_ms
        if self._late_since_ms is None:
            self._late_since_ms = now_ms
        if lag_ms > MAX_WAY_MS or now_ms - self._late_since_ms >= DOUBT_MS:
            self._begin(offset_ms, now_ms)
        return lag_ms

    def _begin(self, offset_ms: int, now_ms: int) -> None:
        self._begun_ms, self._late_since_ms = now_ms, None
        self._least_ms = self._least_before_ms = offset_ms


class Earshot:
    """One scanner during one connection of ours to the broker."""

    def __init__(self, scanner: str, health: Health, now_ms: int) -> None:
        self._scanner = scanner
        self._health = health
        self._begun_ms = now_ms
        self._frames = Allowance(FRAMES_PER_S, FRAME_BURST)
        self._questions = Allowance(QUESTIONS_PER_S, QUESTION_BURST)
        self._boot: str | None = None
        self._line = 0
        self._old: deque[str] = deque(maxlen=MAX_OLD_BOOTS)
        self._born_ms = now_ms
        self._word_ms: int | None = None
        self._gone = False
        self._twin_ms: int | None = None
        self._flood_ms: int | None = None
        self._fresh_boot()

    def _fresh_boot(self) -> None:
        self._lag = Lag()
        self._seq: int | None = None
        self._is_sure = False  # of the number above: the one after it came too
        self._beat: Beat | None = None
        self._beat_ms = 0
        self._lost = self._lost_before = 0
        self._adverts_per_s = 0
        self._is_lossy = False

    def stated(self, state: EarState, now_ms: int) -> None:
        """A birth or a will, perhaps an old one that the broker kept; it proves no life."""
        if not state.online:
            if self._boot is None:
                self._boot, self._line = state.boot, state.line
            if state.boot == self._boot and state.line >= self._line:
                self._gone = True
            return
        if state.boot != self._boot:
            if state.boot in self._old:
                self._twin_ms = now_ms
            if self._boot is not None:
                self._old.append(self._boot)
                self._word_ms = None
                self._begun_ms = now_ms
            self._boot, self._born_ms = state.boot, now_ms
            self._fresh_boot()
        self._line, self._gone = state.line, False

    def spoke(self, boot: str, now_ms: int) -> bool:
        """Whether to listen: a scanner's word counts, that of another one with the same id does not."""
        if self._boot is None:
            self._boot = boot
        if boot != self._boot and self._is_silent(now_ms):
            self._boot, self._born_ms = boot, now_ms  # the one that displaced it has gone
            self._fresh_boot()
        if boot != self._boot:
            if now_ms - self._born_ms > LAST_WORDS_MS:
                self._twin_ms = now_ms
                self._health.count("scanner.twin")
            return False
        self._word_ms, self._gone = now_ms, False
        return True

    def _is_silent(self, now_ms: int) -> bool:
        """Whether the scanner that we listen to said goodbye, or nothing for long."""
        last_ms = self._word_ms if self._word_ms is not None else self._born_ms
        return self._gone or now_ms - last_ms >= SILENT_MS

    def fresh(self, heard: Heard, now_ms: int) -> Iterator[tuple[Frame, int]]:
        """The frames worth having, each with its true age in milliseconds."""
        if not self._follows(heard.seq, 1):
            return
        lag_ms = self._lag.of(heard.sent_ms, now_ms)
        granted = self._frames.grant(len(heard.frames), now_ms)
        if granted < len(heard.frames):
            self._flood_ms = now_ms
            self._health.count("scanner.flooded", len(heard.frames) - granted)
        for frame in heard.frames[:granted]:
            age_ms = frame.age_ms + lag_ms
            if age_ms > MAX_LATE_MS:
                self._health.count("scanner.late")
            else:
                self._health.count("scanner.frames")
                yield frame, age_ms

    def may_ask(self, wanted: int, now_ms: int) -> int:
        """How many of `wanted` questions are answered."""
        granted = self._questions.grant(wanted, now_ms)
        self._health.count("scanner.questions", granted)
        if granted < wanted:
            self._health.count("scanner.questions_refused", wanted - granted)
        return granted

    def beaten(self, beat: Beat, now_ms: int) -> None:
        """A heartbeat: what it counted since the last one."""
        if not self._follows(beat.seq, 0):
            return
        before = self._beat
        if before is not None and now_ms > self._beat_ms:
            heard = max(0, beat.adverts - before.adverts)
            self._adverts_per_s = round(heard * 1000 / (now_ms - self._beat_ms))
            self._is_lossy = (self._lost - self._lost_before) * 10 > beat.seq - before.seq
            if beat.dropped > before.dropped:
                self._health.count("scanner.dropped_there", beat.dropped - before.dropped)
        self._beat, self._beat_ms, self._lost_before = beat, now_ms, self._lost

    def _follows(self, seq: int, step: int) -> bool:
        """Whether to believe a message's number. Lots count on by a `step` of 1; a heartbeat tells the last one, 0.

        Never goes back, but over a first number that nothing followed. Counts what was sent between and is lost.
        """
        last = self._seq
        if last is None or (abs(seq - last) > MAX_JUMP and not self._is_sure):
            self._seq = seq
            return True
        if seq < last + step:
            self._health.count("scanner.repeated")
            return False
        if seq - last > MAX_JUMP:
            self._health.count("scanner.refused.seq")
            return False
        lost = seq - step - last
        if lost:
            self._lost += lost
            self._health.count("scanner.lost", lost)
        self._seq, self._is_sure = seq, True
        return True

    def report(self, now_ms: int) -> tuple[State, str, str]:
        """State, detail and what a person can do, for health."""
        name = f"scanner {self._scanner}"
        if self._gone:
            return "down", f"{name} has lost its connection or was stopped", _LOOK
        if self._word_ms is None:
            if now_ms - self._begun_ms < SILENT_MS:
                return "degraded", f"waiting for {name}", ""
            return "down", f"no word from {name}", _LOOK
        if now_ms - self._word_ms >= SILENT_MS:
            return "down", f"no word from {name} for {SILENT_MS // 1000} s", _LOOK
        if self._shown(self._twin_ms, now_ms):
            return "degraded", f"two scanners share the id {self._scanner}; the one that came last is heard", _OWN_ID
        if self._beat is None:
            return "degraded", f"waiting for {name}", ""
        return self._radio_trouble(name) or self._line_trouble(name, now_ms) or ("ok", self._summary(name), "")

    def _radio_trouble(self, name: str) -> tuple[State, str, str] | None:
        radios = self._beat.radios if self._beat is not None else ()
        ill = [radio for radio in radios if radio.state != "ok"]
        if not radios:
            return "degraded", f"{name} opens its sources", ""
        if not ill:
            return None
        state: State = "down" if all(radio.state == "down" for radio in radios) else "degraded"
        return state, f"{name}: {ill[0].detail}", "On it: journalctl -u store-gateway-scanner"

    def _line_trouble(self, name: str, now_ms: int) -> tuple[State, str, str] | None:
        if self._shown(self._flood_ms, now_ms):
            return "degraded", f"{name} sends more than {FRAMES_PER_S} frames a second; the rest is dropped", ""
        if self._is_lossy:
            return "degraded", f"more than a tenth of what {name} sends is lost", "Look at its Wi-Fi."
        return None

    def _summary(self, name: str) -> str:
        return f"{name} hears {self._adverts_per_s} advertisements a second"

    @staticmethod
    def _shown(at_ms: int | None, now_ms: int) -> bool:
        return at_ms is not None and now_ms - at_ms < SHOWN_MS
