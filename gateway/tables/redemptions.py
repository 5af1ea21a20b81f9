"""What was redeemed at tills: redemptions, the ledger of their steps, lent budgets, and what tills were answered."""

import json
from dataclasses import asdict, replace

from gateway.core.changes import Booked, CouponsPut, CouponUsed, LeasePut
from gateway.core.coupon import PublicKey
from gateway.core.redemption import CouponClass, Lease, Redemption, Standing, State, Step, Times
from gateway.core.spans import DAY_MS
from gateway.tables.rows import Rows, as_json

# A budget has one lease at a time, and a renewal or two that overlap. 200 bytes each: 2 MB.
MAX_LEASES = 10_000
# Twenty tills with a sale a minute and three requests each make 43,000 on a day of twelve hours; four days are kept.
# 250 bytes each: 65 MB. One till gone mad fills them in half an hour at 150 a second, and is then refused.
MAX_REQUESTS = 260_000

# Coupons of the whole chain that were used and are not over yet; 60 bytes each: 30 MB.
MAX_USED = 500_000
_DOUBT = "tills_doubt"

_COLUMNS = (
    "redemption_id, offer_id, till, cents, until_ms, member_id, coupon, coupon_class, lease_id, state, reversed_cents, "
    "receipt, step"
)
_LEASE = "lease_id, budget_id, unit, amount, until_ms, held, spent, closed, doubted"
_OPEN = "NOT closed AND NOT doubted"
_COUNTS = "state IN ('reserved', 'committed') AND asked_ms > ? AND coupon_class = ?"


class Redemptions(Rows):
    """The tables `redemption`, `redemption_entry`, `lease` and `till_request`, and headquarters' rules for coupons."""

    def coupon_rules(self) -> CouponsPut:
        """Classes and keys as headquarters sent them; none before."""
        body = self.meta("coupons")
        if body is None:
            return CouponsPut()
        plain = json.loads(body)
        keys = tuple(PublicKey(**key | {"key": bytes.fromhex(key["key"])}) for key in plain["keys"])
        return CouponsPut(tuple(CouponClass(**one) for one in plain["classes"]), keys)

    def put_coupon_rules(self, rules: CouponsPut) -> None:
        plain = asdict(rules)
        keys = [key | {"key": key["key"].hex()} for key in plain["keys"]]
        self.put_meta("coupons", as_json(plain | {"keys": keys}))

    # --- redemptions -----------------------------------------------------------------------------------------

    def redemption(self, redemption_id: str) -> Redemption | None:
        row = self._one(f"SELECT {_COLUMNS} FROM redemption WHERE redemption_id = ?", redemption_id)
        return None if row is None else _redemption(row)

    def save_redemption(self, step: Step, times: Times) -> None:
        """Keep where a redemption stands, append the step to the ledger, and change its lease. One step, once."""
        one = step.redemption
        asked = self._one("SELECT asked_ms FROM redemption WHERE redemption_id = ?", one.redemption_id)
        kept = {"kept_from_ms": self.kept_from(times.now_ms)}
        # Never INSERT OR REPLACE here: a twin of a used coupon has to fail and not to take its place.
        values = asdict(one) | kept | {"asked_ms": times.surely_ms if asked is None else asked[0]}
        if asked is None:
            marks = ", ".join("?" * len(values))
            self._db.execute(f"INSERT INTO redemption ({', '.join(values)}) VALUES ({marks})", [*values.values()])
        else:
            changes = ", ".join(f"{name} = ?" for name in values)
            where = "WHERE redemption_id = ?"
            self._db.execute(f"UPDATE redemption SET {changes} {where}", [*values.values(), one.redemption_id])
        self._db.execute(
            """INSERT INTO redemption_entry (redemption_id, step, kind, cents, at_ms, receipt, coupon)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            [one.redemption_id, one.step, step.kind, step.cents, times.now_ms, one.receipt, one.coupon],
        )
        if step.lease is not None:
            self.save_lease(step.lease)

    def standing(self, wanted: Redemption, rules: CouponClass, surely_ms: int) -> Standing:
        """What the ledger says beside a redemption that is asked for, as far as its class limits it."""
        since_ms = surely_ms - DAY_MS
        sums = "count(*), coalesce(sum(cents - reversed_cents), 0)"
        count, cents = self._one(
            f"SELECT {sums} FROM redemption WHERE member_id = ? AND {_COUNTS}",
            *(wanted.member_id, since_ms, rules.name),
        )
        shop_cents = 0
        if rules.day_cents is not None:
            shop_cents = self._one(f"SELECT {sums} FROM redemption WHERE {_COUNTS}", since_ms, rules.name)[1]
        return Standing(count, cents, shop_cents, self.coupon_state(wanted.coupon))

    def committed_ms(self, redemption_id: str) -> int:
        """When this redemption was committed, by the ledger's clock at that time; 0 = it was not."""
        row = self._one(
            "SELECT at_ms FROM redemption_entry WHERE redemption_id = ? AND kind = 'committed'", redemption_id
        )
        return 0 if row is None else int(row[0])

    def taken_of(self, member_id: str, offer_id: str, since_ms: int) -> int:
        """For how many cents a member redeemed this offer since then (a time that has surely come), with what is held.
        What a coupon took is not among it: the coupon was its own proof."""
        (cents,) = self._one(
            """SELECT coalesce(sum(cents - reversed_cents), 0) FROM redemption
               WHERE member_id = ? AND asked_ms > ? AND offer_id = ? AND coupon = ''
               AND state IN ('reserved', 'committed')""",
            *(member_id, since_ms, offer_id),
        )
        return int(cents)

    def coupon_state(self, coupon: str) -> State | None:
        """How far this coupon was used, here or as headquarters says elsewhere; None = it is free."""
        if not coupon:
            return None
        row = self._one(
            """SELECT state FROM redemption WHERE coupon = ? AND coupon <> ''
               AND state IN ('reserved', 'committed', 'reversed')""",
            coupon,
        )
        if row is None or row[0] == State.RESERVED:
            return State.COMMITTED if self.is_used_elsewhere(coupon) else None if row is None else State.RESERVED
        return State(row[0])

    # --- what is spent elsewhere, or since a backup was made ---------------------------------------------------

    def is_used_elsewhere(self, coupon: str) -> bool:
        """Whether headquarters said that somebody redeemed this coupon."""
        return self._one("SELECT 1 FROM coupon_used WHERE coupon = ?", coupon) is not None

    def put_coupon_used(self, used: CouponUsed) -> bool:
        """Keep that a coupon counts no more. False = too many are kept, so it may count here once more."""
        if self._one("SELECT count(*) FROM coupon_used")[0] >= MAX_USED:
            return False
        self._put("coupon_used", **asdict(used))
        return True

    def used_past(self, surely_ms: int) -> bool:
        """Whether there are coupons among them that are surely over."""
        return self._one("SELECT 1 FROM coupon_used WHERE until_ms <= ? LIMIT 1", surely_ms) is not None

    def forget_used(self, surely_ms: int, limit: int) -> int:
        """Let go of coupons that are surely over; how many."""
        chosen = "SELECT coupon FROM coupon_used WHERE until_ms <= ? ORDER BY until_ms LIMIT ?"
        return int(self._db.execute(f"DELETE FROM coupon_used WHERE coupon IN ({chosen})", [surely_ms, limit]).rowcount)

    @property
    def in_doubt(self) -> bool:
        """Whether this database was restored and headquarters has not yet said what was spent since."""
        return self.meta(_DOUBT) is not None

    def begin_doubt(self) -> None:
        """This is a backup: what was spent after it was made is not in it."""
        self.put_meta(_DOUBT, "1")
        self._db.execute("UPDATE lease SET doubted = 1 WHERE NOT closed")

    def end_doubt(self, booked: Booked) -> bool:
        """Headquarters says what it booked. Counts for the restoration that it was asked about alone; False = another.

        What is in this database and on its way there counts as well, so the larger of both is what was spent.
        """
        if not self.in_doubt or booked.epoch != self.meta("epoch"):
            return False
        self.drop_meta(_DOUBT)
        told = dict(booked.leases)
        for row in self._all(f"SELECT {_LEASE} FROM lease WHERE doubted"):
            lease = _lease(row)
            spent = max(lease.spent, min(told.get(lease.lease_id, 0), lease.amount - lease.held))
            self.save_lease(replace(lease, spent=spent, doubted=False, closed=lease.lease_id not in told))
        return True

    def overdue(self, surely_ms: int, limit: int) -> list[Redemption]:
        """Reservations whose time has surely come, the oldest first."""
        rows = self._all(
            f"SELECT {_COLUMNS} FROM redemption WHERE state = 'reserved' AND until_ms <= ? ORDER BY until_ms LIMIT ?",
            *(surely_ms, limit),
        )
        return [_redemption(row) for row in rows]

    def open_reservations(self) -> int:
        """How many there are; by the index of those alone."""
        return int(self._one("SELECT count(*) FROM redemption WHERE state = 'reserved'")[0])

    def held(self) -> list[Redemption]:
        """All that is reserved; by the index of those alone, and there is a bound to them (gateway.checkout)."""
        rows = self._all(f"SELECT {_COLUMNS} FROM redemption WHERE state = 'reserved'")
        return [_redemption(row) for row in rows]

    def redemptions_of(self, member_id: str) -> list[tuple[Redemption, int]]:
        """A member's redemptions and when each last changed (ms), oldest first."""
        rows = self._all(
            f"""SELECT {_COLUMNS}, (SELECT max(at_ms) FROM redemption_entry AS entry
                WHERE entry.redemption_id = redemption.redemption_id)
                FROM redemption WHERE member_id = ? ORDER BY asked_ms""",
            member_id,
        )
        return [(_redemption(row[:-1]), int(row[-1])) for row in rows]

    def shift_of(self, till: str, since_ms: int, limit: int) -> list[tuple[Redemption, int]]:
        """What was asked for at a till since then, newest first, and when the ledger says that it was reserved, or
        redeemed (ms). What came to nothing is left out. `since_ms`: a time that has surely come."""
        rows = self._all(
            f"""SELECT {_COLUMNS}, (SELECT at_ms FROM redemption_entry AS entry
                WHERE entry.redemption_id = redemption.redemption_id AND kind IN ('reserved', 'committed')
                ORDER BY step DESC LIMIT 1) FROM redemption WHERE asked_ms > ? AND till = ?
                AND state IN ('reserved', 'committed', 'reversed') ORDER BY asked_ms DESC LIMIT ?""",
            *(since_ms, till, limit),
        )
        return [(_redemption(row[:-1]), int(row[-1])) for row in rows]

    def strip_redemptions(self, member_id: str) -> int:
        """What was redeemed stays, and whose it was goes; how many."""
        return int(self._db.execute("UPDATE redemption SET member_id = NULL WHERE member_id = ?", [member_id]).rowcount)

    # --- lent budgets ----------------------------------------------------------------------------------------

    def lease(self, lease_id: str) -> Lease | None:
        row = self._one(f"SELECT {_LEASE} FROM lease WHERE lease_id = ?", lease_id)
        return None if row is None else _lease(row)

    def leases(self, budget_id: str) -> list[Lease]:
        """What is lent of a budget and was not closed."""
        return [
            _lease(row)
            for row in self._all(f"SELECT {_LEASE} FROM lease WHERE budget_id = ? AND NOT closed", budget_id)
        ]

    def budgets_with_room(self, latest_ms: int) -> frozenset[str]:
        """Budgets out of which something may still be redeemed here."""
        rows = self._all(
            f"SELECT DISTINCT budget_id FROM lease WHERE {_OPEN} AND until_ms > ? AND held + spent < amount",
            latest_ms,
        )
        return frozenset(str(row[0]) for row in rows)

    def put_lease(self, put: LeasePut) -> bool:
        """Take a lease. One that is known keeps its amount and what was spent, and can only end sooner. False = too
        many."""
        known = self._db.execute(
            "UPDATE lease SET until_ms = min(until_ms, ?) WHERE lease_id = ?", [put.until_ms, put.lease_id]
        ).rowcount
        if not known and self._one("SELECT count(*) FROM lease")[0] >= MAX_LEASES:
            return False
        if not known:
            lease = Lease(put.lease_id, put.budget_id, put.unit, put.amount, put.until_ms)
            self.save_lease(replace(lease, doubted=self.in_doubt))
        return True

    def save_lease(self, lease: Lease) -> None:
        self._put("lease", **asdict(lease))

    def ended_leases(self, surely_ms: int, limit: int) -> list[Lease]:
        """Leases whose time has surely come and of which nothing is held."""
        rows = self._all(
            f"SELECT {_LEASE} FROM lease WHERE {_OPEN} AND held = 0 AND until_ms <= ? ORDER BY until_ms LIMIT ?",
            *(surely_ms, limit),
        )
        return [_lease(row) for row in rows]

    # --- what tills asked ------------------------------------------------------------------------------------

    def answered(self, till: str, key: str) -> tuple[bytes, str] | None:
        """The digest of what a till asked under this key, and the answer that it got."""
        row = self._one("SELECT digest, answer FROM till_request WHERE till = ? AND key = ?", till, key)
        return None if row is None else (bytes(row[0]), str(row[1]))

    def has_room_for_requests(self) -> bool:
        """Whether another answer can be kept; without keeping it none may be given."""
        # Each by itself goes to an end of the table; both in one question read all of it.
        ends = "SELECT (SELECT min(number) FROM till_request), (SELECT max(number) FROM till_request)"
        first, last = self._one(ends)
        return first is None or last - first + 1 < MAX_REQUESTS

    def keep_answer(self, till: str, key: str, digest: bytes, answer: str, now_ms: int) -> None:
        self._db.execute(
            "INSERT INTO till_request (till, key, digest, answer, kept_from_ms) VALUES (?, ?, ?, ?, ?)",
            [till, key, digest, answer, self.kept_from(now_ms)],
        )


def _redemption(row: tuple[object, ...]) -> Redemption:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Redemption(**values | {"state": State(str(values["state"]))})  # type: ignore[arg-type]  # as the columns are


def _lease(row: tuple[object, ...]) -> Lease:
    values = dict(zip(_LEASE.split(", "), row, strict=True))
    flags = {name: bool(values[name]) for name in ("closed", "doubted")}
    return Lease(**values | flags)  # type: ignore[arg-type]  # as the columns are
