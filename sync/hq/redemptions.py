"""Headquarters' ledger of what was redeemed in all shops, and the budgets that it lends them.

The ledger names no member: who stood at the till is in the event alone, and goes with an erasure. A gateway is not
believed more than it must be: it can spend its own leases only and follow its own shop's redemptions, and what it says
twice counts once.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.changes import Booked, CouponUsed, LeasePut
from gateway.core.model import Keep
from gateway.core.spans import DAY_MS
from gateway.errors import PeerError
from sync.fields import EXACT, INT64_MAX, MAX_MS, Id, Ms, validate
from sync.forms import MAX_LENT
from sync.hq.file import Row
from sync.hq.passes import ISSUED, Passes
from sync.spent import COUPON_NAME, MAX_BOOKED

STEPS = ("redemption.reserved", "redemption.committed", "redemption.released", "redemption.reversed")
CLOSED = "lease.closed"
RESTORED = "tills.restored"
TOLD = (*STEPS, CLOSED, RESTORED, ISSUED)
DOUBLES_SHOWN = 1_000
# Coupons of the whole chain that are told as used and not over yet; as many as a gateway keeps. A row of 150 bytes
# each: 75 MB. One gateway gone mad fills it; coupons then count once in each shop, as without the line.
MAX_TOLD = 500_000
# As long as any shop keeps its own (sync.forms.MAX_KEEP_DAYS), so that a double use shows as long as there can be one.
KEEP_DAYS = 3_650

_Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
# A sum of so many cents each stays within 64 bits for 9 million rows.
_Cents = Annotated[int, Field(ge=0, le=MAX_LENT)]
_Text = Annotated[str, StringConstraints(max_length=120)]


class _Step(BaseModel):
    model_config = EXACT
    redemption_id: Id
    step: _Count
    kind: Literal["reserved", "committed", "released", "expired", "reversed"]
    offer_id: Id
    till: _Text
    cents: _Cents
    receipt: _Text
    coupon: _Text
    lease_id: Annotated[str, StringConstraints(max_length=64)]


class _Closed(BaseModel):
    model_config = EXACT
    lease_id: Id
    spent: _Cents


class _Restored(BaseModel):
    model_config = EXACT
    epoch: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Redemptions(Passes):
    """The tables `redemption_entry`, `coupon_double`, `budget` and `lease`."""

    def _redeemed(self, kind: str, body: Row, at_ms: Ms, where: tuple[str, str, str]) -> str | None:
        """Follow an event of a till inside its transaction. Returns why not, or what is odd about it, as a word for a
        counter, or None. `body` without the member."""
        try:
            if kind == CLOSED:
                return self._close_lease(validate(_Closed, body), where)
            if kind == RESTORED:
                self._book(validate(_Restored, body).epoch, where)
                return None
            if kind == ISSUED:
                return self._issued(body, at_ms, where)
            step = validate(_Step, body)
        except PeerError as error:
            return error.reason
        first = self._db.execute(
            "SELECT tenant, store, gateway FROM redemption_entry WHERE redemption_id = ? LIMIT 1", (step.redemption_id,)
        ).fetchone()
        if first is not None and tuple(first)[:2] != where[:2]:  # the shop's other box may follow what one began
            return "foreign"
        double = step.kind == "committed" and step.coupon and self._was_used(step)
        values = (step.redemption_id, step.step, *where, step.kind, step.offer_id, step.till, step.cents, at_ms)
        news = self._db.execute(
            "INSERT INTO redemption_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*values, step.receipt, step.coupon, step.lease_id),
        ).rowcount
        if not news:
            return None
        if step.coupon:
            self._follow_coupon(step, where, at_ms)
        if double:
            self._db.execute(
                "INSERT INTO coupon_double VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (step.coupon, step.redemption_id, *where, step.offer_id, step.cents, at_ms),
            )
            return "double"
        return self._look_at_lease(step.lease_id, where) if step.kind == "committed" and step.lease_id else None

    def _follow_coupon(self, step: _Step, where: tuple[str, str, str], at_ms: int) -> None:
        """All shops hear that a coupon counts no more, and its pass is to say how far it is."""
        if re.fullmatch(COUPON_NAME, step.coupon) is None:
            return  # no coupon of ours is called so, and no shop could read it
        if step.kind == "committed":
            self._pass_due(step.coupon, "used", step.offer_id, where, at_ms)
            # No shop takes a coupon that ends later than its ledger remembers, so by then it is over.
            days = int(self._config().get("retention", {}).get("redemptions", Keep().redemptions))
            told = self._one("SELECT count(*) FROM change WHERE key >= 'used:' AND key < 'used;'")
            if told < MAX_TOLD:
                self._record(CouponUsed(step.coupon, min(at_ms + days * DAY_MS, MAX_MS)))
        elif step.kind == "reversed" and not self._net(step.redemption_id):
            self._pass_due(step.coupon, "reversed", step.offer_id, where, at_ms)

    def _net(self, redemption_id: str) -> int:
        return self._one(f"SELECT {_NET} FROM redemption_entry WHERE redemption_id = ?", (redemption_id,))

    def _was_used(self, step: _Step) -> bool:
        sql = "SELECT count(*) FROM redemption_entry WHERE coupon = ? AND kind = 'committed' AND redemption_id <> ?"
        return bool(self._one(sql, (step.coupon, step.redemption_id)))

    def _look_at_lease(self, lease_id: str, where: tuple[str, str, str]) -> str | None:
        row = self._db.execute("SELECT tenant, store, gateway, amount FROM lease WHERE lease_id = ?", (lease_id,))
        lease = row.fetchone()
        if lease is None or tuple(lease[:2]) != where[:2]:
            return "foreign"
        return "overspent" if self._spent(lease_id) > lease[3] else None

    def _spent(self, lease_id: str) -> int:
        """What the ledger says was spent of a lease."""
        unit = self._db.execute(
            "SELECT unit FROM lease JOIN budget USING (budget_id) WHERE lease_id = ?", (lease_id,)
        ).fetchone()
        if unit is None:
            return 0
        if unit[0] == "cents":
            return self._one(f"SELECT {_NET} FROM redemption_entry WHERE lease_id = ?", (lease_id,))
        return self._one(
            f"""SELECT count(*) FROM (SELECT redemption_id FROM redemption_entry WHERE lease_id = ?
                GROUP BY redemption_id HAVING {_NET} > 0) AS spent""",
            (lease_id,),
        )

    def _close_lease(self, closed: _Closed, where: tuple[str, str, str]) -> str | None:
        """What is left of it may be lent anew. It is believed no less than the ledger says."""
        spent = max(closed.spent, self._spent(closed.lease_id))
        done = self._db.execute(
            "UPDATE lease SET closed = 1, spent = ? WHERE lease_id = ? AND tenant = ? AND store = ? AND gateway = ?",
            (spent, closed.lease_id, *where),
        ).rowcount
        return None if done else "foreign"

    def _book(self, epoch: str, where: tuple[str, str, str]) -> None:
        """A gateway's database was restored: tell it what is booked here of its open leases."""
        open_leases = self._db.execute(
            """SELECT lease_id FROM lease WHERE tenant = ? AND store = ? AND gateway = ? AND closed = 0
               ORDER BY until_ms DESC LIMIT ?""",
            (*where, MAX_BOOKED),
        ).fetchall()
        booked = tuple((lease_id, min(max(0, self._spent(lease_id)), MAX_LENT)) for (lease_id,) in open_leases)
        self._record(Booked("/".join(where), epoch, booked))

    def doubles(self) -> list[Row]:
        """The newest coupons that were redeemed more than once, each with every shop: `coupon`, `uses`."""
        rows = self._read(
            """SELECT entry.* FROM redemption_entry AS entry JOIN (SELECT coupon, max(at_ms) AS newest
               FROM coupon_double GROUP BY coupon ORDER BY newest DESC LIMIT ?) AS double USING (coupon)
               WHERE entry.kind = 'committed' ORDER BY double.newest DESC, coupon, entry.at_ms, entry.redemption_id""",
            (DOUBLES_SHOWN,),
        )
        names = ("tenant", "store", "gateway", "redemption_id", "offer_id", "cents", "at_ms")
        found: dict[str, list[Row]] = {}
        for row in rows:
            found.setdefault(str(row["coupon"]), []).append({name: row[name] for name in names})
        return [{"coupon": coupon, "uses": uses} for coupon, uses in found.items()]

    def forget_redemptions(self, before_ms: int, limit: int) -> int:
        """Delete up to `limit` redemptions whose last step is older, out of no lease that is open; how many."""
        with self._write():
            ids = self._db.execute(
                """SELECT redemption_id FROM redemption_entry WHERE at_ms < ? AND redemption_id NOT IN
                   (SELECT redemption_id FROM redemption_entry WHERE at_ms >= ?) AND lease_id NOT IN
                   (SELECT lease_id FROM lease WHERE closed = 0) GROUP BY redemption_id LIMIT ?""",
                (before_ms, before_ms, limit),
            ).fetchall()
            for table in ("redemption_entry", "coupon_double"):
                self._db.executemany(f"DELETE FROM {table} WHERE redemption_id = ?", ids)
            return len(ids)

    # --- budgets ---------------------------------------------------------------------------------------------

    def put_budget(self, budget_id: str, unit: Literal["units", "cents"], total: int) -> bool:
        """Make a budget, or change its total. False = another unit than before, or less than is lent and spent."""
        with self._write():
            before = self._db.execute("SELECT unit FROM budget WHERE budget_id = ?", (budget_id,)).fetchone()
            if (before is not None and before[0] != unit) or total < self._taken(budget_id):
                return False
            self._db.execute(
                "INSERT INTO budget VALUES (?, ?, ?) ON CONFLICT (budget_id) DO UPDATE SET total = excluded.total",
                (budget_id, unit, total),
            )
            return True

    def lend(self, lease_id: str, budget_id: str, where: tuple[str, str, str], amount: int, until_ms: int) -> bool:
        """Lend a gateway so much of a budget and tell it. False = there is no such budget, or not so much left."""
        with self._write():
            budget = self._db.execute("SELECT unit, total FROM budget WHERE budget_id = ?", (budget_id,)).fetchone()
            if budget is None or amount < 1 or self._taken(budget_id) + amount > budget[1]:
                return False
            self._db.execute(
                "INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)", (lease_id, budget_id, *where, amount, until_ms)
            )
            self._record(LeasePut("/".join(where), lease_id, budget_id, budget[0], amount, until_ms))
            return True

    def write_off(self, lease_id: str) -> bool:
        """A gateway is lost and will not close its lease: all of it counts as spent. False = no such open lease."""
        with self._write():
            sql = "UPDATE lease SET closed = 1, spent = amount WHERE lease_id = ? AND closed = 0"
            return bool(self._db.execute(sql, (lease_id,)).rowcount)

    def _taken(self, budget_id: str) -> int:
        """What is lent, whole, and what was spent of what is closed."""
        spent = f"CASE WHEN spent > {MAX_LENT} THEN {MAX_LENT} ELSE spent END"  # earlier releases took any number
        taken = f"CAST(coalesce(sum(CASE closed WHEN 1 THEN {spent} ELSE amount END), 0) AS BIGINT)"
        return self._one(f"SELECT {taken} FROM lease WHERE budget_id = ?", (budget_id,))

    def budgets(self) -> list[Row]:
        """Every budget with `left` to lend and what is `booked` by now, and its leases, each with `booked`: what the
        ledger holds of it. `spent` is what its gateway said when it closed it, and 0 until then."""
        with self._write():
            rows = self._db.execute("SELECT budget_id, unit, total FROM budget ORDER BY budget_id").fetchall()
            left = {row[0]: row[2] - self._taken(row[0]) for row in rows}
            ids = self._db.execute("SELECT lease_id FROM lease").fetchall()
            booked = {lease_id: self._spent(lease_id) for (lease_id,) in ids}
        found = self._read("SELECT * FROM lease ORDER BY budget_id, until_ms")
        of_budget: dict[str, list[Row]] = {}
        for lease in found:
            lease["booked"] = booked.get(lease["lease_id"], 0)  # one that was lent since then holds nothing yet
            of_budget.setdefault(lease["budget_id"], []).append(lease)
        return [
            {
                "budget_id": budget_id,
                "unit": unit,
                "total": total,
                "left": left[budget_id],
                "booked": sum(max(lease["booked"], lease["spent"]) for lease in of_budget.get(budget_id, ())),
                "leases": of_budget.get(budget_id, []),
            }
            for budget_id, unit, total in rows
        ]

    def redemption_entries(self, redemption_id: str | None = None) -> list[Row]:
        """The ledger, of one redemption or whole, by redemption and step."""
        return self._read(
            "SELECT * FROM redemption_entry WHERE coalesce(?, redemption_id) = redemption_id ORDER BY 1, 2",
            (redemption_id,),
        )


_CENTS = f"CASE WHEN cents > {MAX_LENT} THEN {MAX_LENT} ELSE cents END"  # earlier releases took any number
_SIGNED = f"CASE kind WHEN 'committed' THEN {_CENTS} WHEN 'reversed' THEN -({_CENTS}) ELSE 0 END"
_NET = f"CAST(coalesce(sum({_SIGNED}), 0) AS BIGINT)"
