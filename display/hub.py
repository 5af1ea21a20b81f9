"""What every screen and tablet shows now, and the open streams that tell them. Knows neither HTTP nor JSON text.

The hub holds the only copy of the state; a stream's mailbox holds the *names* of what changed, so it cannot
grow, and something withdrawn is in no mailbox.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, Protocol

from display import faults, lockwire, publicform, wire
from gateway.core.model import QueueEntry, ScreenContent, StaffCard
from gateway.core.ports import Clock
from gateway.health import Health, Part
from gateway.staffing import LockView, Person

# Real seconds between two beats; pages call a stream stale after 25 s, so two beats may be lost.
BEAT_S = 10
STALE_S = 25

# Real seconds between two looks at health. Staff read of a trouble at the second look that finds it, so that a reader
# that comes back by itself (1 s) alarms nobody; twice this and a page's paint must stay below 10 s.
LOOK_S = 2

# How long a screen shows its name; real seconds, as whoever stands before it reads it and looks on.
NAME_MS = 10_000

# A store has 2-30 screens and a few tablets. 200 streams at 47 kB each (measured: uvicorn, one stream) are 9.4 MB
# in the worst case. Screens are the most, so they may fill at most 160 places and never lock staff out.
MAX_STREAMS = 200
MAX_SCREEN_STREAMS = 160
# Of one screen, tablet or till, so that one device takes nobody's place. It has one, and while it connects again
# another for 30 s (gateway.serving.UNACKNOWLEDGED_MS); up to eight displays may show one screen. 8 x 47 kB are 0.4 MB.
MAX_STREAMS_EACH = 8

# Cards open at the same time; each needs a colleague's tap on an authorised tablet. 64 cards of 4 kB are 256 kB.
MAX_CARDS = 64
MAX_GOODS = 12  # offers for everybody on a tablet whose PINs have expired; more is for the screens


@dataclass(frozen=True, slots=True)
class Message:
    """One event for a page: `name` is snapshot, update, card_closed or beat; `seq` rises with each message."""

    seq: int
    name: str
    body: wire.Json


@dataclass(frozen=True, slots=True)
class _Shown:
    content: ScreenContent
    ends_at_ms: int


class Staff(Protocol):
    """Of gateway.staffing, what tablets are told."""

    def lock_of(self, tablet: str) -> LockView | None:
        """What a locked tablet shows, None for one that is unlocked."""

    def person(self, tablet: str) -> Person | None:
        """Who works at it."""


class Stream:
    """One open connection: an async iterator of messages that ends when the hub or the page closes it."""

    def __init__(self, owner: str, render: "Callable[[str, str], Message]", leave: "Callable[[Stream], None]") -> None:
        self.owner = owner
        self._render = render
        self._leave = leave
        # At most one entry for each of: snapshot, update, name, queue, card, card_closed, held, troubles, beat.
        self._due: dict[str, str] = {"snapshot": ""}
        self._wake = asyncio.Event()
        self._ended = False

    def mark(self, what: str, note: str = "") -> None:
        """Say that `what` changed; the value is read when it is sent. Never blocks."""
        self._due[what] = note
        self._wake.set()

    def unmark(self, what: str) -> None:
        self._due.pop(what, None)

    def close(self) -> None:
        """End the iteration at once and give the place back; twice is harmless."""
        self._ended = True
        self._wake.set()
        self._leave(self)

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Message:
        while not self._due and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        if self._ended:
            raise StopAsyncIteration
        what = next(iter(self._due))
        return self._render(what, self._due.pop(what))


_Streams = dict[Stream, None]  # a set that keeps its order, the oldest first


class Hub:
    """The Surfaces of the path: latest value wins, no call blocks, a slow page holds up nobody.

    `ears`: what stands behind each receiver id, so that a trouble can be told with its kind and place.
    """

    def __init__(self, clock: Clock, health: Health, ears: Mapping[str, faults.Ear] | None = None) -> None:
        self.ears: Mapping[str, faults.Ear] = ears or {}
        self.screens: Mapping[str, str] = {}  # the zone of each, so that a trouble with one can be told with its place
        self._clock = clock
        self._health = health
        self._seq = 0
        self._closed = False
        self._shown: dict[str, _Shown] = {}  # one per configured screen
        self._named: dict[str, wire.Json] = {}  # likewise: what each was last asked to say of itself
        self._queue: tuple[QueueEntry, ...] = ()
        self._guests: dict[str, int] = {}  # "Guest 2" stays Guest 2 on every tablet while in the queue
        self._cards: dict[str, StaffCard] = {}  # at most MAX_CARDS
        self._locked: set[str] = set()  # tablets in customers' hands; at most core.handover.MAX_LOCKS
        self.staff: Staff | None = None  # None: no tablet has a lock
        self._hq_away = False
        self._found: frozenset[str] = frozenset()  # parts that the last look found in trouble
        self._troubles: tuple[Part, ...] = ()  # what tablets are told; at most one per receiver
        self._screens: _Streams = {}
        self._tablets: _Streams = {}
        self._tills: _Streams = {}

    # --- the path's side (gateway.core.ports.Surfaces) ------------------------------------------------------

    def show(self, screen: str, content: ScreenContent) -> None:
        ttl_ms = content.dialogue.ttl_ms if content.dialogue is not None else 0
        self._shown[screen] = _Shown(content, self._clock.now_ms() + ttl_ms)
        for stream in self._screens:
            if stream.owner == screen:
                if content.dialogue is not None:
                    stream.unmark("name")
                stream.mark("update")

    @property
    def rests(self) -> bool:
        """Whether no dialogue, request or card is shown."""
        return not (self._queue or self._cards or any(one.content.dialogue for one in self._shown.values()))

    def queue(self, entries: tuple[QueueEntry, ...]) -> None:
        self._queue = entries
        self._guests = _numbered([entry.handshake_id for entry in entries if not entry.label], self._guests)
        for stream in self._tablets:
            stream.mark("queue")

    def open_card(self, tablet: str, card: StaffCard) -> None:
        """A tablet holds one card; a second one takes the first one's place."""
        self._cards.pop(tablet, None)
        if len(self._cards) >= MAX_CARDS:
            self._health.count("display.cards_evicted")
            oldest = next(iter(self._cards))
            self.close_card(oldest, self._cards[oldest].handshake_id, "evicted")
        self._cards[tablet] = card
        for stream in self._of_tablet(tablet):
            stream.unmark("card_closed")
            stream.mark("card")

    def close_card(self, tablet: str, handshake_id: str, reason: str) -> None:
        """Forget the card and tell its tablet to wipe it; a card that is not open there changes nothing."""
        card = self._cards.get(tablet)
        if card is None or card.handshake_id != handshake_id:
            return
        del self._cards[tablet]
        for stream in self._of_tablet(tablet):
            stream.unmark("card")
            stream.mark("card_closed", reason)

    def till(self, till: str) -> None:
        for stream in self._tills:
            if stream.owner == till:
                stream.mark("update")
        for stream in self._tablets:
            if stream.owner in self._cards:  # perhaps of an offer that stands on it
                stream.mark("held")

    def sees(self, tablet: str) -> bool:
        return tablet not in self._locked and self._lock_of(tablet) is None and bool(self._of_tablet(tablet))

    def relock(self, tablet: str | None) -> None:
        """The lock of this tablet has changed, or of all: what they are told begins anew."""
        for stream in self._tablets if tablet is None else self._of_tablet(tablet):
            stream.mark("snapshot")
        for stream in self._tills:  # pages of tills are opened on tablets too; they ask and are told that it is locked
            stream.mark("update")

    def lock(self, tablet: str, locked: bool) -> None:
        (self._locked.add if locked else self._locked.discard)(tablet)
        for stream in self._of_tablet(tablet):
            stream.mark("snapshot")

    def shift(self, delta_ms: int) -> None:
        """The clock was corrected; every deadline moves with it."""
        self._shown = {key: replace(one, ends_at_ms=one.ends_at_ms + delta_ms) for key, one in self._shown.items()}
        self._queue = tuple(replace(entry, asked_at_ms=entry.asked_at_ms + delta_ms) for entry in self._queue)
        self._cards = {
            tablet: replace(card, asked_at_ms=card.asked_at_ms + delta_ms, closes_at_ms=card.closes_at_ms + delta_ms)
            for tablet, card in self._cards.items()
        }

    # --- the pages' side ------------------------------------------------------------------------------------

    def watch_screen(self, screen: str) -> Stream | None:
        """A stream of one screen's content, or None when no place is left or the hub is closed."""
        return self._watch(
            self._screens, screen, lambda what, _: self._screen_message(screen, what), MAX_SCREEN_STREAMS
        )

    def watch_tablet(self, tablet: str) -> Stream | None:
        """A stream of the queue and of this tablet's card, or None when no place is left or the hub is closed."""
        return self._watch(self._tablets, tablet, lambda what, note: self._tablet_message(tablet, what, note))

    def watch_till(self, till: str) -> Stream | None:
        """A stream that says when a till's page is to ask anew, or None when no place is left or the hub is closed."""
        return self._watch(self._tills, till, lambda what, _: self._message(what, {}))

    def _watch(
        self, streams: _Streams, owner: str, render: Callable[[str, str], Message], most: int = MAX_STREAMS
    ) -> Stream | None:
        """Of an owner with too many, the oldest ends: a page that still stands there connects again."""
        own = [stream for stream in streams if stream.owner == owner]
        if len(own) >= MAX_STREAMS_EACH:
            self._health.count("display.streams_displaced")
            own[0].close()
        if self._full() or len(streams) >= most:
            self._health.count("display.streams_refused")
            return None
        stream = Stream(owner, render, lambda one: streams.pop(one, None))
        streams[stream] = None
        return stream

    def lock_shown(self, tablet: str) -> wire.Json | None:
        """What a locked tablet shows; None for one that is unlocked, or in a customer's hands."""
        lock = None if tablet in self._locked else self._lock_of(tablet)
        waiting = sum(entry.state == "asked" for entry in self._queue)
        if lock is None:
            return None
        slides = self._for_everybody() if lock.state == "expired" else []
        return lockwire.lock(lock, waiting, slides, self._clock.speed)

    @property
    def tablets_connected(self) -> int:
        """Tablets with at least one open stream."""
        return len({stream.owner for stream in self._tablets})

    def screens_connected(self, screen: str) -> int:
        """Open streams of one screen."""
        return sum(stream.owner == screen for stream in self._screens)

    def name_screen(
        self, screen: str, zone: str, place: Mapping[str, str], ms: int = NAME_MS
    ) -> Literal["ok", "away", "busy"]:
        """Let a screen show what it is called and where it stands (`place`: the zone's name by language), for whoever
        installs it; never over somebody's dialogue."""
        shown = self._shown.get(screen)
        if shown is not None and shown.content.dialogue is not None and shown.ends_at_ms > self._clock.now_ms():
            return "busy"
        streams = [stream for stream in self._screens if stream.owner == screen]
        self._named[screen] = {"screen": screen, "zone": zone, "place": dict(place), "ms": ms}
        for stream in streams:
            stream.mark("name")
        return "ok" if streams else "away"

    def beat(self) -> None:
        """Tell every page that the gateway is alive."""
        for stream in self._screens | self._tablets | self._tills:
            stream.mark("beat")

    def look(self) -> None:
        """Tell the tablets which readers and radios need somebody, if that has changed."""
        found = faults.troubles(self._health.parts, self.ears)
        lasting = tuple(part for part in found if part.name in self._found)
        self._found = frozenset(part.name for part in found)
        away = lockwire.hq(self._health.parts)["away"]
        if lasting != self._troubles or away != self._hq_away:
            self._troubles, self._hq_away = lasting, bool(away)
            for stream in self._tablets:
                stream.mark("troubles")

    async def run(self) -> None:
        """Beat and look at health for ever, in real time; cancel to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(BEAT_S, self.beat))
            group.create_task(_every(LOOK_S, self.look))

    def close(self) -> None:
        """End every stream at once and refuse new ones."""
        self._closed = True
        self.turn_out()

    def turn_out(self) -> None:
        """End every stream at once; its page may come back."""
        for stream in self._screens | self._tablets | self._tills:
            stream.close()

    def renew(self, *, look: bool) -> None:
        """Screens are told again what they show, because what runs between offers is another; or, with `look`, all
        pages, which load themselves anew under another one."""
        for stream in self._screens:
            stream.mark("snapshot" if look else "update")
        for stream in self._tablets | self._tills if look else ():
            stream.mark("snapshot")

    # --- messages -------------------------------------------------------------------------------------------

    def _full(self) -> bool:
        return self._closed or len(self._screens) + len(self._tablets) + len(self._tills) >= MAX_STREAMS

    def _for_everybody(self) -> list[wire.Json]:
        """What screens show that nobody's presence or gesture caused."""
        loops = (one.content for one in self._shown.values() if one.content.level in ("L0", "L1"))
        slides = {slide.slide_id: slide for content in loops if content.dialogue is None for slide in content.slides}
        return [wire.slide(slide) for slide in list(slides.values())[:MAX_GOODS]]

    def _lock_of(self, tablet: str) -> LockView | None:
        return None if self.staff is None else self.staff.lock_of(tablet)

    def _of_tablet(self, tablet: str) -> list[Stream]:
        return [stream for stream in self._tablets if stream.owner == tablet]

    def _message(self, name: str, body: wire.Json) -> Message:
        self._seq += 1
        return Message(self._seq, name, {"now_ms": self._clock.now_ms(), **body})

    def _screen_message(self, screen: str, what: str) -> Message:
        if what == "beat":
            return self._message("beat", {})
        if what == "name":
            return self._message("name", self._named[screen])
        shown = self._shown.get(screen)
        content = shown.content if shown is not None else ScreenContent("L0")
        left_ms = shown.ends_at_ms - self._clock.now_ms() if shown is not None else 0
        if what == "snapshot":
            content = wire.anew(content)
        body = wire.screen(content, left_ms, self._clock.speed)
        if not publicform.fits(body):  # whatever made it: nothing leaves that has no place on a public screen
            self._health.count("display.kept_back")
            body = wire.neutral(content)
        return self._message(what, body)

    def _tablet_message(self, tablet: str, what: str, note: str) -> Message:
        if what == "beat":
            return self._message("beat", {})
        if what == "card_closed":  # wipes, also what stood there before the lock
            return self._message("card_closed", {"reason": note})
        if tablet in self._locked:
            return self._message("snapshot", {"queue": [], "card": None, "troubles": [], "locked": True})
        now_ms, speed = self._clock.now_ms(), self._clock.speed
        lock = self.lock_shown(tablet)
        if lock is not None:
            troubles = [wire.trouble(part, faults.ear_of(part, self.ears), now_ms, speed) for part in self._troubles]
            shown: wire.Json = {"queue": [], "card": None, "troubles": troubles, "locked": False, "lock": lock}
            return self._message("snapshot", shown | {"hq": lockwire.hq(self._health.parts)})
        body: wire.Json = {"locked": False} if what == "snapshot" else {}
        if what == "snapshot":
            person = self.staff.person(tablet) if self.staff is not None else None
            body |= {"lock": None, "staff": lockwire.person(person, speed)}
        if what in ("snapshot", "troubles"):
            body["hq"] = lockwire.hq(self._health.parts)
        if what in ("snapshot", "queue"):
            body["queue"] = [
                wire.queue_entry(entry, self._guests.get(entry.handshake_id, 0), tablet, now_ms, speed)
                for entry in self._queue
            ]
        if what in ("snapshot", "card"):
            card = self._cards.get(tablet)
            alive = card is not None and card.closes_at_ms > now_ms
            body["card"] = wire.card(card, now_ms, speed) if card is not None and alive else None
        if what == "held":
            body["held"] = True  # what of, the page asks
        if what in ("snapshot", "troubles"):
            body["troubles"] = [
                wire.trouble(part, faults.ear_of(part, self.ears, self.screens), now_ms, speed)
                for part in self._troubles
            ]
        return self._message("snapshot" if what == "snapshot" else "update", body)


async def _every(pause_s: float, act: Callable[[], None]) -> NoReturn:
    while True:
        await asyncio.sleep(pause_s)
        act()


def _numbered(ids: list[str], before: dict[str, int]) -> dict[str, int]:
    """Numbers from 1 for `ids`: known ones keep theirs, new ones get the smallest free one."""
    kept = {one: before[one] for one in ids if one in before}
    free = (number for number in range(1, len(ids) + 1) if number not in kept.values())
    return {one: kept[one] if one in kept else next(free) for one in ids}
