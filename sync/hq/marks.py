"""How far HQ holds each stream of each outbox: a number without a gap below it, and ranges beyond it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.core.streams import Stream
from sync.event_messages import Range
from sync.hq.versions import Versions

# Ranges kept beyond a watermark, of one stream of one outbox; what follows each other without a gap is one. A gateway
# begins a new one with each connection while its backlog is on the way, so honest ones stay far below; the rest is
# stored as well, only its place in the chain is forgotten until the gateway sends it again.
MAX_AHEAD = 100

Place = tuple[str, str, str, str]  # tenant, store, gateway, epoch
Line = tuple[str, str, str, str, Stream]
_LINE = "tenant, store, gateway, epoch, stream"
_HELD = f"""WITH wanted({_LINE}) AS (VALUES ...)
            SELECT tenant, store, gateway, epoch, stream, coalesce(watermark, 0), ahead.first, ahead.last
            FROM wanted LEFT JOIN stream USING ({_LINE}) LEFT JOIN ahead USING ({_LINE})
            ORDER BY ahead.first"""


class Held(NamedTuple):
    """`watermark`: nothing of the stream is missing up to this number; `ahead`: what is held beyond it, rising."""

    watermark: int
    ahead: tuple[Range, ...]


NOTHING = Held(0, ())


def joined(held: Held, first: int, last: int) -> Held:
    """What is held with first..last as well."""
    watermark, ahead = held.watermark, list[Range]()
    for start, end in sorted([*held.ahead, (first, last)]):
        if start <= watermark + 1:
            watermark = max(watermark, end)
        elif ahead and start <= ahead[-1][1] + 1:
            ahead[-1] = ahead[-1][0], max(ahead[-1][1], end)
        else:
            ahead.append((start, end))
    return Held(watermark, tuple(ahead) if len(ahead) <= MAX_AHEAD else held.ahead)


class Marks(Versions):
    """The tables `stream` and `ahead`."""

    def _held(self, wanted: Iterable[Line]) -> dict[Line, Held]:
        """What is held of each of these."""
        rows = self._many(_HELD, set(wanted))
        held: dict[Line, Held] = {}
        for *at, watermark, first, last in rows:
            line: Line = (at[0], at[1], at[2], at[3], Stream(at[4]))
            before = held.get(line, NOTHING).ahead
            held[line] = Held(watermark, before if first is None else (*before, (first, last)))
        return held

    def _advance(self, spans: Sequence[tuple[Place, Stream, int, int]]) -> list[tuple[int, Held]]:
        """Note of each that first..last is held; the watermark before it, and what is held now."""
        known = self._held((*place, stream) for place, stream, _, _ in spans)
        now = dict(known)
        steps = []
        for place, stream, first, last in spans:
            line = (*place, stream)
            before, now[line] = now[line], joined(now[line], first, last)
            steps.append((before.watermark, now[line]))
        moved = [(*line, held.watermark) for line, held in now.items() if held.watermark != known[line].watermark]
        gone = [(*line, one[0]) for line, held in known.items() for one in set(held.ahead) - set(now[line].ahead)]
        come = [(*line, *one) for line, held in now.items() for one in sorted(set(held.ahead) - set(known[line].ahead))]
        self._many(
            """INSERT INTO stream VALUES ... ON CONFLICT (tenant, store, gateway, epoch, stream)
               DO UPDATE SET watermark = excluded.watermark""",
            moved,
        )
        self._many(f"DELETE FROM ahead WHERE ({_LINE}, first) IN (VALUES ...)", gone)
        self._many("INSERT INTO ahead VALUES ...", come)
        return steps
