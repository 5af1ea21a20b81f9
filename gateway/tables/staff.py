"""Colleagues as headquarters sent them, their wrong PINs, and what they redeemed at tablets in these days."""

import json
from dataclasses import asdict, dataclass

from gateway.core.changes import StaffPut
from gateway.core.identity import static_digest
from gateway.core.model import CredentialKind
from gateway.core.shift import Tries
from gateway.core.staff import Badge, Colleague, PinHash
from gateway.core.streams import Stream
from gateway.tables.outbox import Outbox
from gateway.tables.rows import STAFF_BODY, as_json

_KNOWN = "staff"  # "1": there is a lock, also while the colleagues themselves are wiped


@dataclass(frozen=True, slots=True)
class ShiftAct:
    """A redemption that a tablet asked for at `at_ms`; `synced` once headquarters has confirmed its newest step."""

    redemption_id: str
    staff_id: str
    at_ms: int
    synced: bool


class StaffRows(Outbox):
    """The tables `staff` and `staff_act`."""

    def put_staff(self, put: StaffPut, site_key: bytes) -> None:
        """These, in place of those before. Of a badge its keyed hash is kept. Wrong tries stay with the same PIN."""
        before = {one.staff_id: (one, tries) for one, tries in self.staff()}
        self._db.execute("DELETE FROM staff")
        for one in put.colleagues:
            badge = one.badge
            digest = None if badge is None else static_digest(site_key, badge.kind, badge.value)
            kept, tries = before.get(one.staff_id, (None, Tries()))
            if kept is None or kept.pin != one.pin:
                tries = Tries()
            values = {"wrong": tries.wrong, "until_ms": tries.until_ms}
            sealed = self._seal(STAFF_BODY, _dump(one, digest), one.staff_id)
            self._put("staff", staff_id=one.staff_id, body=sealed, **values)
        self.put_meta(_KNOWN, "1" if put.colleagues else "0")

    def staff(self) -> list[tuple[Colleague, Tries]]:
        """All of them that can be read, by id, with the wrong PINs of each."""
        found = []
        for staff_id, body, wrong, until_ms in self._all(
            "SELECT staff_id, body, wrong, until_ms FROM staff ORDER BY 1"
        ):
            clear = self._open(STAFF_BODY, body, staff_id)
            if clear is not None:
                found.append((_load(clear), Tries(wrong, until_ms)))
        return found

    @property
    def has_lock(self) -> bool:
        """Whether headquarters gave this shop colleagues, and so tablets a lock."""
        return self.meta(_KNOWN) == "1"

    def keep_tries(self, staff_id: str, tries: Tries) -> None:
        self._db.execute(
            "UPDATE staff SET wrong = ?, until_ms = ? WHERE staff_id = ?", [tries.wrong, tries.until_ms, staff_id]
        )

    def wipe_staff(self) -> int:
        """Delete all of them, as profiles are after days without headquarters; the lock stays. How many."""
        return int(self._db.execute("DELETE FROM staff").rowcount)

    # --- the shift log -----------------------------------------------------------------------------------------

    def note_act(self, redemption_id: str, tablet: str, staff_id: str, at_ms: int) -> None:
        """A tablet asked for the step of this redemption that was told last; `staff_id` "" where nobody was unlocked
        at it. Whose the first one was stays."""
        seq = self.newest(Stream.VITAL)  # in which redemptions are told
        self._db.execute(
            """INSERT INTO staff_act (redemption_id, tablet, staff_id, at_ms, seq, kept_from_ms)
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (redemption_id) DO UPDATE SET seq = excluded.seq""",
            [redemption_id, tablet, staff_id, at_ms, seq, self.kept_from(at_ms)],
        )

    def acts(self, tablet: str, staff_id: str, since_ms: int, limit: int) -> list[ShiftAct]:
        """What was redeemed at this tablet or by this colleague since then, newest first."""
        rows = self._all(
            """SELECT redemption_id, staff_id, at_ms, seq FROM staff_act WHERE at_ms > ?
               AND (tablet = ? OR (staff_id <> '' AND staff_id = ?)) ORDER BY at_ms DESC, redemption_id LIMIT ?""",
            *(since_ms, tablet, staff_id, limit),
        )
        acked = self.acked(Stream.VITAL)
        return [ShiftAct(str(one), str(who), int(at_ms), seq <= acked) for one, who, at_ms, seq in rows]


def _dump(one: Colleague, badge: bytes | None) -> bytes:
    plain = asdict(one) | {"pin": asdict(one.pin) | {"salt": one.pin.salt.hex(), "digest": one.pin.digest.hex()}}
    plain["badge"] = None if one.badge is None or badge is None else [one.badge.kind.value, badge.hex()]
    return as_json(plain).encode()


def _load(clear: bytes) -> Colleague:
    plain = json.loads(clear)
    pin = PinHash(**plain["pin"] | {name: bytes.fromhex(plain["pin"][name]) for name in ("salt", "digest")})
    badge = plain["badge"] and Badge(CredentialKind(plain["badge"][0]), bytes.fromhex(plain["badge"][1]))
    return Colleague(**plain | {"pin": pin, "badge": badge})
