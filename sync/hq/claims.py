"""Headquarters that was restored from a backup goes on above what its shops have seen. No shop is believed far.

Whatever a headquarters records that lacks numbers would be old to a gateway, and a withdrawal would never arrive. But
a stolen gateway may claim any number, so what claims have led a line by is kept, and bounded for good.
"""

from collections.abc import Sequence

from gateway.health import Health
from sync.hq.file import Row
from sync.hq.restored import Restored
from sync.hq.versions import Versions
from sync.messages import Seen
from sync.topics import Topics

# How far claims may lead each line in the life of a database, all together: versions that restored backups may lack (a
# night that reckons a million members anew makes a million), erasures, and connections (one a second for thirty
# years). With headquarters' own numbers these stay below 2^53, and one step below what gateways take
# (gateway.apply.MAX_STEP, gateway.forgetting.MAX_STEP).
MAX_LED = {"version": 500_000_000, "erasure": 100_000, "boot": 1_000_000_000}
# What one gateway is believed by itself: some nights, more erasures than a chain orders between two backups, and ten
# days of connections. What is further waits for another gateway that says so, or for an operator.
ALONE = {"version": 1_000_000, "erasure": 10_000, "boot": 1_000_000}
SEVERAL = 2
# One step of what an operator follows is still one that gateways take.
MAX_FOLLOWED = 900_000_000

_NEWEST = {
    "version": "SELECT coalesce(max(version), 0) FROM change",
    "erasure": "SELECT last FROM counter WHERE name = 'erasure'",
    "boot": "SELECT boot FROM hq",
}
_KEPT = {
    "version": "SELECT count(*) FROM change",
    "erasure": "SELECT count(*) FROM erasure",
    "boot": "SELECT 1",
}


class Claims(Versions, Restored):
    """The table `claim`: what gateways claim of each line that is not followed; at most one row of each and line."""

    def overtake(self, where: Topics, version: int, now_ms: int = 0) -> bool:
        """Number everything anew above `version` if this ledger is behind it and the claim counts; True if it was.
        Numbered anew, all of it is sent to everybody once more."""
        with self._write():
            above = self._heard("version", where, version, now_ms)
            if above is not None:
                self._lead("version", above)
            return above is not None

    def overtake_erasures(self, where: Topics, seq: int, now_ms: int = 0) -> bool:
        """The same for erasures."""
        with self._write():
            above = self._heard("erasure", where, seq, now_ms)
            if above is not None:
                self._lead("erasure", above)
            return above is not None

    def boot_for(self, where: Topics, boot: int, seen: Seen | None, now_ms: int = 0) -> int:
        """The boot number for heads of the connection with number `boot`, where a gateway has `seen` this one: a new
        one above both if it knows more than this ledger, which then was restored from a backup."""
        if seen is None:
            return boot
        version, erase_seq = self.newest()
        more = seen.version > version or seen.erase_seq > erase_seq
        if seen.boot < boot or (seen.boot == boot and not more):
            return boot
        with self._write():
            newest = self._one(_NEWEST["boot"])
            if seen.boot > newest:
                above = self._heard("boot", where, seen.boot, now_ms)
                if above is None:
                    return boot
                self._lead("boot", above)
            else:
                self._db.execute("UPDATE hq SET boot = boot + 1")
            return self._one(_NEWEST["boot"])

    def claims(self) -> dict[str, list[Row]]:
        """What is not followed, by "tenant/store/id": `line` ("version", "erasure", "boot"), `number`, `at_ms`."""
        found: dict[str, list[Row]] = {}
        for row in self._read("SELECT * FROM claim ORDER BY tenant, store, gateway, line"):
            name = f"{row['tenant']}/{row['store']}/{row['gateway']}"
            found.setdefault(name, []).append({key: row[key] for key in ("line", "number", "at_ms")})
        return found

    def claimants(self) -> list[str]:
        """Which gateways claim what is not followed, inside a transaction or without."""
        with self._write():
            rows = self._db.execute("SELECT DISTINCT tenant, store, gateway FROM claim ORDER BY 1, 2, 3").fetchall()
        return ["/".join(row) for row in rows]

    def settle_claims(self, gateway: str, *, follow: bool) -> list[Row] | None:
        """An operator follows what a gateway ("tenant/store/id") claims, or strikes it; returns the claims that are too
        far to be followed by anybody, None = it claims nothing."""
        place = tuple(gateway.split("/"))
        with self._write():
            rows = self._db.execute(f"SELECT line, number FROM claim WHERE {_AT}", place).fetchall()
            beyond = [
                {"line": line, "number": number}
                for line, number in rows
                if follow and number - self._one(_NEWEST[line]) > MAX_FOLLOWED
            ]
            for line, number in rows:
                if follow and {"line": line, "number": number} not in beyond and number > self._one(_NEWEST[line]):
                    self._lead(line, number, believed=True)
            if not beyond:
                self._db.execute(f"DELETE FROM claim WHERE {_AT}", place)
            return beyond if rows else None

    def _heard(self, line: str, where: Topics, number: int, now_ms: int) -> int | None:
        """The number above which a line is to go on, now that a gateway claims to be at this one; None = it stays."""
        place = (where.tenant, where.store, where.gateway)
        newest = self._one(_NEWEST[line])
        if number <= newest:
            self._db.execute(f"DELETE FROM claim WHERE line = ? AND {_AT}", (line, *place))
            return None
        self._db.execute(
            """INSERT INTO claim VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (line, tenant, store, gateway)
               DO UPDATE SET number = excluded.number, at_ms = excluded.at_ms""",
            (line, *place, number, now_ms),
        )
        if number - newest > ALONE[line]:
            agreed = self._db.execute(
                "SELECT number FROM claim WHERE line = ? AND number > ? ORDER BY number DESC LIMIT ?",
                (line, newest, SEVERAL),
            ).fetchall()
            if len(agreed) < SEVERAL:
                return None
            number = agreed[-1][0]
        led = self._one("SELECT last FROM counter WHERE name = ?", (f"led_{line}",))
        return number if led + self._adds(line, number) <= MAX_LED[line] else None

    def _adds(self, line: str, above: int) -> int:
        """By how much the newest number rises if all are given anew above this one."""
        return above + self._one(_KEPT[line]) - self._one(_NEWEST[line])

    def _lead(self, line: str, above: int, *, believed: bool = False) -> None:
        """Number a line anew from the next number after `above` on, without gaps; nothing is there yet. What an
        operator `believed` is not counted."""
        self._mark_restored()
        adds = 0 if believed else self._adds(line, above)
        self._db.execute("UPDATE counter SET last = last + ? WHERE name = ?", (adds, f"led_{line}"))
        if line == "version":
            anew = f"(SELECT version, row_number() OVER (ORDER BY version) + {above:d} AS number FROM change) AS anew"
            for table, column in (("rollout_gateway", "version"), ("rollout", "last_version"), ("change", "version")):
                self._db.execute(
                    f"UPDATE {table} SET {column} = anew.number FROM {anew} WHERE {table}.{column} = anew.version"
                )
            self._db.execute("DELETE FROM snapshot")  # they are of versions that are no more
        elif line == "erasure":
            anew = f"(SELECT seq, row_number() OVER (ORDER BY seq) + {above:d} AS number FROM erasure) AS anew"
            self._db.execute(f"UPDATE erasure SET seq = anew.number FROM {anew} WHERE erasure.seq = anew.seq")
            newest = above + self._one(_KEPT[line])
            self._db.execute("UPDATE counter SET last = ? WHERE name = 'erasure'", (newest,))
            self._db.execute("DELETE FROM erase_receipt")  # their numbers mean nothing any more
        else:
            self._db.execute("UPDATE hq SET boot = ?", (above + 1,))
        reached = self._one(_NEWEST[line])
        self._db.execute("DELETE FROM claim WHERE line = ? AND number <= ?", (line, reached))


def tell(health: Health, where: Topics, ahead: Sequence[str], now_ms: int) -> None:
    """Raise the alarm, or end it, after a request of one gateway. `ahead`: who claims what is not followed."""
    if where.name in ahead:
        health.count("hq.claims_refused")
    if ahead:
        names = ", ".join(ahead[:3]) + (f" and {len(ahead) - 3} more" if len(ahead) > 3 else "")
        action = "Restored from a backup: store-gateway hq ahead. If not, renew that gateway's account."
        health.set("claims", "degraded", now_ms, f"{names}: more is claimed than is believed", action)
    else:
        health.set("claims", "ok", now_ms)


_AT = "tenant = ? AND store = ? AND gateway = ?"
