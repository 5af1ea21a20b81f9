"""What health says of the gateway's line to HQ: whether it stands, and what is wrong with it while it does."""

from collections import deque

from gateway.core.ports import Clock
from gateway.errors import CutError, RivalError, UnavailableError
from gateway.health import Cause, Health
from sync import tlsfiles
from sync.brokerwords import TWO_BOXES
from sync.link import Transport

PART = "hq"
# Two boxes under one name come back after each other within seconds, at worst in five minutes (sync.backoff): between
# two turns health says it still, and whoever looks sees it.
RIVAL_MS = 900_000

_SILENT = (
    "headquarters does not confirm what this shop reports, the shop keeps working",
    "Nothing to do here: events wait on disk. Tell headquarters if it lasts longer than a day.",
)
_SPARE = (
    "headquarters was not heard at the broker of its settings; this line goes by the one that this box's file names",
    "Tell headquarters: it may push other settings (docs/settings.md), or that broker is away.",
)
_RIVAL = "a moment ago another box took this line under the same name", TWO_BOXES
# Mosquitto 2.0.11, and every broker under MQTT 3.1.1, throws the former box out without a word. A broker that
# dies or a network that breaks is also not to be reached in between, three times of four.
CUTS = 3
_RIVAL_PERHAPS = (
    "the broker takes this line and ends it again and again without a word: another box may have the same name",
    "Look at headquarters' console or hq fleet whether two boxes report under this name, as after a card was copied;"
    " else the broker, or what stands between, ends connections: ask who keeps it.",
)
_CABLE = "Check the network cable and the router. Events wait on disk until the line is back."


class Standing:
    """The part `hq` of one gateway."""

    def __init__(self, transport: Transport, clock: Clock, health: Health) -> None:
        self._transport = transport
        self._clock = clock
        self._health = health
        self._rival: tuple[str, str] | None = None  # what is said of another box, None = nothing
        self._rival_ms = 0  # when that was last seen; real time, as that of `stands`
        self._cuts: deque[int] = deque(maxlen=CUTS)  # when the broker cut it since it was last not to be reached

    def stands(self, real_ms: int, trouble: tuple[str, str] | None, is_silent: bool) -> None:
        """The connection is there. `trouble`: why what headquarters sends is dropped (Inbox.trouble), None = it is
        not; `is_silent`: headquarters confirms nothing. `real_ms` runs as fast as the line, not as the shop."""
        wrong = self._wrong(real_ms, trouble, is_silent)
        if wrong is None:
            self._health.set(PART, "ok", self._clock.now_ms(), "connected to headquarters")
        else:
            self._health.set(PART, "degraded", self._clock.now_ms(), *wrong)

    def _wrong(self, real_ms: int, trouble: tuple[str, str] | None, is_silent: bool) -> tuple[str, str, Cause] | None:
        if trouble is not None:
            return *trouble, "hq_refused"
        if self._rival is not None and real_ms - self._rival_ms < RIVAL_MS:
            return f"connected to headquarters; {self._rival[0]}", self._rival[1], "hq_rival"
        if is_silent:
            return *_SILENT, "hq_silent"
        if said := tlsfiles.remark(self._transport.certificate_ends_ms, self._clock.now_ms()):
            return f"connected to headquarters; {said[0]}", said[1], "hq_certificate"
        return (*_SPARE, "hq_spare") if self._transport.on_spare else None

    def lost(self, real_ms: int, error: UnavailableError) -> None:
        """There is no connection, or it is lost."""
        self._health.count("hq.losses")
        why, step = str(error), error.step or _CABLE
        if isinstance(error, RivalError):
            self._rival, self._rival_ms = _RIVAL, real_ms
            self._health.count("hq.taken_over")
        elif self._is_cut_again(real_ms, error):
            self._rival, self._rival_ms = _RIVAL_PERHAPS, real_ms
            why, step = _RIVAL_PERHAPS
        if said := tlsfiles.remark(self._transport.certificate_ends_ms, self._clock.now_ms(), ahead_ms=0):
            why, step = f"{error}; {said[0]}", said[1]
        detail = f"no connection to headquarters, the shop keeps working ({why})"
        self._health.set(PART, "degraded", self._clock.now_ms(), detail, step)

    def _is_cut_again(self, real_ms: int, error: UnavailableError) -> bool:
        if not isinstance(error, CutError):
            self._cuts.clear()
            return False
        self._cuts.append(real_ms)
        return len(self._cuts) == CUTS and real_ms - self._cuts[0] < RIVAL_MS
