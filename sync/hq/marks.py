"""How far HQ holds each stream of each outbox: a number without a gap below it, and ranges beyond it."""

from typing import NamedTuple

from gateway.core.streams import Stream
from sync.event_messages import Range
from sync.hq.versions import Versions

# Ranges kept beyond a watermark, of one stream of one outbox; what follows each other without a gap is one. A gateway
# begins a new one with each connection while its backlog is on the way, so honest ones stay far below; the rest is
# stored as well, only its place in the chain is forgotten until the gateway sends it again.
MAX_AHEAD = 100

Place = tuple[str, str, str, str]  # tenant, store, gateway, epoch
_AT = "tenant = ? AND store = ? AND gateway = ? AND epoch = ? AND stream = ?"


class Held(NamedTuple):
    """`watermark`: nothing of the stream is missing up to this number; `ahead`: what is held beyond it, rising."""

    watermark: int
    ahead: tuple[Range, ...]


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

    def _held(self, place: Place, stream: Stream) -> Held:
        row = self._db.execute(f"SELECT watermark FROM stream WHERE {_AT}", (*place, stream)).fetchone()
        beyond = f"SELECT first, last FROM ahead WHERE {_AT} ORDER BY first"
        ahead = tuple((first, last) for first, last in self._db.execute(beyond, (*place, stream)).fetchall())
        return Held(row[0] if row else 0, ahead)

    def _advance(self, place: Place, stream: Stream, first: int, last: int) -> tuple[int, Held]:
        """Note that first..last is held; the watermark before it, and what is held now."""
        before = self._held(place, stream)
        now = joined(before, first, last)
        if now.watermark != before.watermark:
            self._db.execute(
                """INSERT INTO stream VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, store, gateway, epoch, stream)
                   DO UPDATE SET watermark = excluded.watermark""",
                (*place, stream, now.watermark),
            )
        for gone in set(before.ahead) - set(now.ahead):
            self._db.execute(f"DELETE FROM ahead WHERE {_AT} AND first = ?", (*place, stream, gone[0]))
        for one in sorted(set(now.ahead) - set(before.ahead)):
            self._db.execute("INSERT INTO ahead VALUES (?, ?, ?, ?, ?, ?, ?)", (*place, stream, *one))
        return before.watermark, now
