"""Two boxes under one identity: a card that was copied, or a backup that was put back while the box went on."""

from collections.abc import Sequence

from gateway.core.changes import OutboxRow
from sync import messages
from sync.hq.marks import Place
from sync.hq.versions import Versions
from sync.outbox import UNSENDABLE
from sync.topics import Topics

_GATEWAY = "tenant = ? AND store = ? AND gateway = ?"
# The order of the join is given (CROSS JOIN): from the few that are asked for into the index of the many.
_HELD = """WITH wanted(tenant, store, gateway, epoch, seq) AS (VALUES ...)
           SELECT event.tenant, event.store, event.gateway, event.epoch, event.seq, at_ms, type
           FROM wanted CROSS JOIN event WHERE event.tenant = wanted.tenant AND event.store = wanted.store
           AND event.gateway = wanted.gateway AND event.epoch = wanted.epoch AND event.seq = wanted.seq"""


class Clones(Versions):
    """The column `clone_ms` of the table `gateway`: when two boxes were last noticed, 0 = never."""

    def shows_two(self, where: Topics, birth: messages.State, now_ms: int) -> bool:
        """Whether this birth can't be that of the one box which was seen last, and note it: its boot number went back,
        or an outbox goes on that another one had replaced. To be asked before `saw_state`, of births that are new."""
        at = (where.tenant, where.store, where.gateway)
        with self._write():
            row = self._db.execute(f"SELECT boot, epoch FROM gateway WHERE {_GATEWAY}", at).fetchone()
            if row is None:
                return False
            boot, epoch = row
            if birth.epoch == epoch:
                is_other = bool(birth.boot < boot)
            else:
                known = f"SELECT count(*) FROM stream WHERE {_GATEWAY} AND epoch = ?"
                is_other = self._one(known, (*at, birth.epoch)) > 0
            if is_other:
                self._note_clone(at, now_ms)
            return is_other

    def _told_others(self, again: Sequence[tuple[Place, OutboxRow, int]]) -> set[Place]:
        """The outboxes that told another event under a number than the one which is held, inside a transaction; noted.
        `again`: what came, and when."""
        wanted = {(*place, row.seq) for place, row, _ in again}
        held = {tuple(one[:5]): (one[5], one[6]) for one in self._many(_HELD, wanted)}
        found = set[Place]()
        for place, row, now_ms in again:
            known, came = held.get((*place, row.seq)), (row.at_ms, row.type)
            if known is not None and known != came and UNSENDABLE not in (known[1], row.type):
                found.add(place)
                self._note_clone(place[:3], now_ms)
        return found

    def _note_clone(self, at: tuple[str, str, str], now_ms: int) -> None:
        self._db.execute(f"UPDATE gateway SET clone_ms = ? WHERE {_GATEWAY}", (now_ms, *at))
