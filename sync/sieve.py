"""Which of the frames that a scanner hears may leave it: those of members and anchors. Pure; the line is in sync.ear.

A token of a stranger ends in `heard`. What is kept of it is the bucket that it lies in, as a question to the gateway:
two bytes of a rotating token, one byte of a keyed hash. The frame itself is not kept until the answer comes: the next
one, a second later, finds it there.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass

from gateway.core.identity import static_digest
from gateway.core.model import Token
from gateway.health import Health
from sync.ear_messages import (
    MAX_ASKED,
    MAX_FRAMES,
    PREFIX_BYTES,
    REST_BYTES,
    ROTATING,
    VALUE_BYTES,
    Answer,
    Bucket,
    Epoch,
    Frame,
)

# The gateway speaks every 5 s. After three of them it is gone or the line is: nothing is forwarded to nobody, and what
# was answered may have been withdrawn meanwhile.
GATEWAY_SILENT_MS = 15_000
# Frames on their way, 0.1 kB each: four full messages. More is there only while the line stalls.
MAX_WAITING = 4 * MAX_FRAMES
# Presence takes what is a few seconds old as now, so a frame that could not be sent for so long is history.
MAX_WAIT_MS = 2_000
# One token in one lot: a beacon of 10 Hz shows twice in 150 ms, to four radios eight times. Beyond it somebody floods.
MAX_SAME = 8
# Answers at hand: all 256 of the static kind and 3,840 rotating buckets. Mostly empty, 0.3 kB each; with a million
# members 0.6 kB, and 60 kB for a static one: 18 MB in all.
MAX_ANSWERS = 4_096
# Questions under way. More than the gateway takes at once (sync.scanners), so its bound bites first.
MAX_UNANSWERED = 2_048
# An answer takes 10-200 ms; the question or the answer was lost, or refused.
ASK_AGAIN_MS = 2_000


@dataclass(slots=True)
class _Known:
    """An answer. `rests` are packed: half a kilobyte where a set of bytes objects would take six."""

    rests: bytes
    until_ms: int
    ask_again_ms: int  # from here a hit asks anew, so that no frame is lost when the answer ends


class Sieve:
    """Lives on the event loop. `now_ms` is one clock of the scanner's own; only differences count."""

    def __init__(self, anchors: Collection[Token], site_key: bytes | None, health: Health) -> None:
        self._anchors = frozenset(anchors)
        self._site_key = site_key
        self._health = health
        self._answers: OrderedDict[Bucket, _Known] = OrderedDict()  # least recently used first
        self._questions: dict[Bucket, None] = {}  # to be sent
        self._asked: dict[Bucket, int] = {}  # sent, and when
        self._waiting: deque[tuple[Token, int, int]] = deque()  # token, dBm, when
        self._same: Counter[Token] = Counter()  # of `_waiting`
        self._epoch: Epoch | None = None
        self._open_until_ms: int | None = None

    @property
    def has_work(self) -> bool:
        """Whether there is a frame or a question to be sent."""
        return bool(self._waiting or self._questions)

    @property
    def is_full(self) -> bool:
        """Whether a message can be filled now."""
        return len(self._waiting) >= MAX_FRAMES or len(self._questions) >= MAX_ASKED

    def heard(self, token: Token, rssi_dbm: int, now_ms: int) -> None:
        """One frame of a kind that could be ours."""
        if self._open_until_ms is None or now_ms >= self._open_until_ms:
            self._forget()
            self._health.count("ear.nobody_listens")
        elif token in self._anchors or self._is_members(token, now_ms):
            self._keep(token, rssi_dbm, now_ms)

    def told_epoch(self, epoch: Epoch, now_ms: int) -> None:
        """The gateway is there. Another epoch than before: somebody may have withdrawn, all answers are void."""
        now = self._epoch
        if now is not None and now.boot == epoch.boot and epoch.number < now.number:
            return  # overtaken on the way
        if now != epoch:
            self._forget()
            self._epoch = epoch
        self._open_until_ms = now_ms + GATEWAY_SILENT_MS

    def told(self, answer: Answer, now_ms: int) -> None:
        """Answers to what was asked; one of another epoch or to no question is worth nothing."""
        if answer.epoch != self._epoch:
            self._health.count("ear.stale_answers")
            return
        for one in answer.contents:
            if self._asked.pop(one.bucket, None) is None:
                continue
            self._answers[one.bucket] = _Known(one.rests, now_ms + one.hold_ms, now_ms + one.hold_ms * 3 // 4)
            self._answers.move_to_end(one.bucket)
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)

    def lost(self) -> None:
        """The line is gone: what the gateway said may change unheard."""
        self._forget()
        self._epoch = self._open_until_ms = None

    def take_frames(self, now_ms: int) -> list[Frame]:
        """Up to MAX_FRAMES frames for the next message, oldest first; what waited too long is dropped."""
        frames: list[Frame] = []
        while self._waiting and len(frames) < MAX_FRAMES:
            token, rssi_dbm, at_ms = self._pop()
            if now_ms - at_ms > MAX_WAIT_MS:
                self._health.count("ear.late")
            else:
                frames.append(Frame(token, rssi_dbm, now_ms - at_ms))
        self._health.count("ear.passed", len(frames))
        return frames

    def take_questions(self, now_ms: int) -> list[Bucket]:
        """Up to MAX_ASKED buckets to ask for."""
        buckets = list(self._questions)[:MAX_ASKED]
        for bucket in buckets:
            del self._questions[bucket]
            self._asked.pop(bucket, None)  # back to the end: the oldest is the first to be forgotten
            self._asked[bucket] = now_ms
        while len(self._asked) > MAX_UNANSWERED:
            del self._asked[next(iter(self._asked))]
        return buckets

    def _is_members(self, token: Token, now_ms: int) -> bool:
        if token.kind in ROTATING:
            bucket = Bucket("rotating", token.value[: PREFIX_BYTES["rotating"]])
            rest = token.value[PREFIX_BYTES["rotating"] :]
        elif token.kind not in VALUE_BYTES:
            self._health.count("ear.unsupported")
            return False
        elif self._site_key is None:
            self._health.count("ear.no_site_key")
            return False
        else:
            digest = static_digest(self._site_key, token.kind, token.value)
            bucket = Bucket("static", digest[: PREFIX_BYTES["static"]])
            rest = digest[PREFIX_BYTES["static"] :]
        known = self._answers.get(bucket)
        if known is None or now_ms >= known.until_ms:
            self._ask(bucket, now_ms)
            self._health.count("ear.unanswered")
            return False
        self._answers.move_to_end(bucket)
        if not _holds(known.rests, rest, REST_BYTES[bucket.family]):
            self._health.count("ear.strangers")
            return False
        if now_ms >= known.ask_again_ms:
            self._ask(bucket, now_ms)
        return True

    def _ask(self, bucket: Bucket, now_ms: int) -> None:
        asked_ms = self._asked.get(bucket)
        if asked_ms is not None and now_ms < asked_ms + ASK_AGAIN_MS:
            return
        if len(self._questions) >= MAX_ASKED:
            self._health.count("ear.too_many_questions")  # its next frame asks again
            return
        self._questions[bucket] = None

    def _keep(self, token: Token, rssi_dbm: int, now_ms: int) -> None:
        if self._same[token] >= MAX_SAME:
            self._health.count("ear.flooded")
            return
        if len(self._waiting) >= MAX_WAITING:
            self._pop()
            self._health.count("ear.full")
        self._waiting.append((token, rssi_dbm, now_ms))
        self._same[token] += 1

    def _pop(self) -> tuple[Token, int, int]:
        oldest = self._waiting.popleft()
        self._same[oldest[0]] -= 1
        if not self._same[oldest[0]]:
            del self._same[oldest[0]]
        return oldest

    def _forget(self) -> None:
        """Also the frames on their way: one of them may be of whoever has just withdrawn."""
        self._answers.clear()
        self._questions.clear()
        self._asked.clear()
        self._waiting.clear()
        self._same.clear()


def _holds(packed: bytes, rest: bytes, size: int) -> bool:
    """Whether `rest` is one of the pieces of `size` bytes; found across a boundary it is none."""
    at = packed.find(rest)
    while at % size and at >= 0:
        at = packed.find(rest, at + 1)
    return at >= 0
