"""Two boxes under one identity: a card that was copied, or a backup that was put back while the box went on."""

from gateway.core.changes import OutboxRow
from sync import messages
from sync.hq.marks import Place
from sync.hq.versions import Versions
from sync.outbox import UNSENDABLE
from sync.topics import Topics

_GATEWAY = "tenant = ? AND store = ? AND gateway = ?"


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

    def _tells_another(self, place: Place, row: OutboxRow, now_ms: int) -> bool:
        """Whether the event that is held under this number is another one than this, inside a transaction; noted."""
        held = self._db.execute(
            f"SELECT at_ms, type FROM event WHERE {_GATEWAY} AND epoch = ? AND seq = ?", (*place, row.seq)
        ).fetchone()
        if held is None or tuple(held) == (row.at_ms, row.type) or UNSENDABLE in (held[1], row.type):
            return False
        self._note_clone(place[:3], now_ms)
        return True

    def _note_clone(self, at: tuple[str, str, str], now_ms: int) -> None:
        self._db.execute(f"UPDATE gateway SET clone_ms = ? WHERE {_GATEWAY}", (now_ms, *at))
