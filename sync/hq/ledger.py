"""HQ's memory: what it ordered, what shops reported, which gateways exist. All SQL of `sync` is here and below."""

import json
from collections.abc import Iterator, Mapping, Sequence

from gateway.core.changes import MemberErase
from gateway.core.fetching import Piece, Want
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import messages
from sync.hq import blobs, fleet
from sync.hq.claims import Claims
from sync.hq.commands import Commands
from sync.hq.file import Row
from sync.hq.fleet import Fleet
from sync.hq.intake import Intake
from sync.hq.marks import Held
from sync.hq.rollouts import Rollouts
from sync.hq.snapshots import Snapshots
from sync.hq.sqlite import troubles
from sync.topics import Topics


class Ledger(Intake, Rollouts, Snapshots, Commands, Fleet, Claims):
    """HQ's whole file: the line of versions, and beside it what shops report."""

    def members(self, limit: int, search: str = "") -> list[Row]:
        """Members by id, `search` found anywhere in pseudonym or call name: fields of core.model.Member, and in
        `trackable` [kind, version of the wording agreed to] of each credential that anybody can follow."""
        wanted = "".join(f"!{one}" if one in "!%_" else one for one in search.casefold())
        rows = self._read(
            """SELECT member_id, op FROM change WHERE key >= 'member:' AND key < 'member;'
               AND (lower(member_id) LIKE ? ESCAPE '!' OR shown LIKE ? ESCAPE '!') ORDER BY key LIMIT ?""",
            (f"%{wanted}%", f"%{wanted}%", limit),
        )
        trackable: dict[str, list[list[str]]] = {row["member_id"]: [] for row in rows}
        held = self._read(
            f"""SELECT member_id, op FROM change WHERE key >= 'credential:' AND key < 'credential;'
                AND member_id IN ({", ".join("?" * len(trackable)) or "NULL"}) ORDER BY key""",
            list(trackable),
        )
        for row in held:
            body = json.loads(row["op"])["body"]
            if body.get("trackable_wording"):
                trackable[row["member_id"]].append([body["kind"], body["trackable_wording"]])
        return [json.loads(row["op"])["body"] | {"trackable": trackable[row["member_id"]]} for row in rows]

    def piece(self, want: Want) -> Piece:
        """The piece of a file, or the chunk of a snapshot, that a gateway asks for."""
        if chunk := self.chunk(want):
            return chunk
        with troubles():
            return blobs.piece(self.folder, want)

    def wanted_files(self) -> set[str]:
        """The files that the bundle and the brand name which stand."""
        rows = self._read("SELECT op FROM change WHERE key BETWEEN 'content:' AND 'content:~' OR key = 'brand'")
        return {sha256 for row in rows for sha256 in _hashes(json.loads(row["op"]))}

    def has_member(self, member_id: str) -> bool:
        return bool(self._read("SELECT 1 FROM change WHERE key = ?", (f"member:{member_id}",)))

    def known_members(self, member_ids: Sequence[str]) -> set[str]:
        """Which of these, a thousand at most, there are."""
        keys = [f"member:{member_id}" for member_id in member_ids]
        rows = self._read(f"SELECT key FROM change WHERE key IN ({', '.join('?' * len(keys)) or 'NULL'})", keys)
        return {row["key"].removeprefix("member:") for row in rows}

    def offers(self) -> list[Row]:
        """Every offer that stands, by id; fields of core.model.Offer."""
        rows = self._read(
            """SELECT op FROM change WHERE key BETWEEN 'catalogue:' AND 'catalogue:~'
               OR key BETWEEN 'offer:' AND 'offer:~' ORDER BY version"""
        )
        standing: dict[str, Row] = {}
        for op in (json.loads(row["op"]) for row in rows):
            if op["op"] == "offer.drop":
                standing.pop(op["body"]["offer_id"], None)
            else:
                listed = op["body"]["offers"] if op["op"] == "catalogue.put" else [op["body"]]
                standing |= {offer["offer_id"]: offer for offer in listed}
        return [offer for _, offer in sorted(standing.items())]

    def config(self) -> Row:
        """The body of the last config.put for all gateways, {} = none yet."""
        rows = self._read("SELECT op FROM change WHERE key = 'config'")
        return dict(json.loads(rows[0]["op"])["body"]) if rows else {}

    def configs(self) -> list[Row]:
        """The bodies of all config.put that stand, each once: for all gateways, and for single ones."""
        rows = self._read("SELECT DISTINCT op FROM change WHERE key = 'config' OR key BETWEEN 'config:' AND 'config:~'")
        return [dict(json.loads(row["op"])["body"]) for row in rows]

    def staff_op(self) -> Row | None:
        """The last staff.put, None = none yet."""
        rows = self._read("SELECT op FROM change WHERE key = 'staff'")
        return dict(json.loads(rows[0]["op"])) if rows else None

    def coupon_classes(self) -> set[str]:
        """The names of the classes of the last coupons.put."""
        rows = self._read("SELECT op FROM change WHERE key = 'coupons'")
        return {str(one["name"]) for row in rows for one in json.loads(row["op"])["body"]["classes"]}

    # --- what shops report ----------------------------------------------------------------------------------

    def approve_erasure(self, member_id: str, now_ms: int) -> bool:
        """An operator follows a request that waits; False if there is none."""
        with self._write():
            if not self._one("SELECT count(*) FROM erase_pending WHERE member_id = ?", (member_id,)):
                return False
            self._record(MemberErase(member_id), now_ms)
        self._truncate_log()
        return True

    def resume(self, where: Topics, epoch: str, acked: Mapping[Stream, int]) -> dict[Stream, Held]:
        """What is held of each stream, its watermark at least as in `acked`: what a gateway was told to delete can't be
        missing any more.

        It moves only after this ledger was lost or restored from a backup that is older than the confirmation.
        """
        place = (where.tenant, where.store, where.gateway, epoch)
        with self._write():
            marks = self._advance([(place, stream, 0, acked[stream]) for stream in Stream])
            return {stream: held for stream, (_, held) in zip(Stream, marks, strict=True)}

    def saw_state(self, where: Topics, state: messages.State, now_ms: int) -> bool:
        """Note a birth or a will; False = ignored, because it is the late will of an older connection.

        A gateway's public key is taken as it first comes. Another one waits until an operator trusts it.
        """
        with self._write():
            self._saw(where, now_ms)
            boot = self._one(f"SELECT boot FROM gateway WHERE {_GATEWAY}", _place(where))
            if not state.online and state.boot < boot:
                return False
            self._db.execute(
                f"""UPDATE gateway SET online = ?, boot = ?, epoch = ?,
                    applied_version = CASE ? WHEN 1 THEN ? ELSE applied_version END,
                    key = CASE key WHEN '' THEN ? ELSE key END,
                    pending_key = CASE WHEN key IN ('', ?) THEN pending_key ELSE ? END WHERE {_GATEWAY}""",
                (
                    *(int(state.online), state.boot, state.epoch, int(state.online), state.version),
                    *(state.key.hex(), state.key.hex(), state.key.hex(), *_place(where)),
                ),
            )
            return True

    def trust_key(self, where: Topics, key: str) -> bool:
        """Seal for `key` (64 hex digits) from now on; False if it is neither the key in use nor the one that waits."""
        with self._write():
            return bool(
                self._db.execute(
                    f"""UPDATE gateway SET key = ?, pending_key = ''
                        WHERE {_GATEWAY} AND ? IN (key, pending_key) AND ? <> ''""",
                    (key, *_place(where), key, key),
                ).rowcount
            )

    def saw_version(self, where: Topics, version: int, now_ms: int, epoch: str | None = None) -> None:
        """Note the version that a live gateway holds."""
        with self._write():
            self._saw(where, now_ms)
            self._db.execute(
                f"""UPDATE gateway SET online = 1, applied_version = ?, epoch = coalesce(?, epoch)
                    WHERE {_GATEWAY}""",
                (version, epoch, *_place(where)),
            )

    def _saw(self, where: Topics, now_ms: int) -> None:
        if not self._saw_all([(where, now_ms)]):
            raise PeerError("too_many_gateways")

    def gateways(self) -> list[Row]:
        """Every gateway with its columns, `behind` (versions that it lacks), `erase_behind` (erasures), `gap` (events
        wait for an earlier batch that never came), `settings` (SettingsReports.settings_told), `claims`
        (Claims.claims) and `kept_back` (restored.Watch)."""
        rows = self._read(
            """SELECT gateway.*, EXISTS (SELECT 1 FROM ahead WHERE ahead.tenant = gateway.tenant AND ahead.store =
               gateway.store AND ahead.gateway = gateway.gateway AND ahead.epoch = gateway.epoch) AS gap,
               (SELECT coalesce(max(version), 0) FROM change) - applied_version AS behind,
               (SELECT count(*) FROM erasure WHERE seq > gateway.erase_seq) AS erase_behind
               FROM gateway ORDER BY tenant, store, gateway"""
        )
        marks, told, claims = ("online", "gap"), self.settings_told(), self.claims()
        restored = self.is_restored()
        return [
            {**row, **{mark: bool(row[mark]) for mark in marks}, "behind": max(0, row["behind"])}
            | {"settings": told.get((row["tenant"], row["store"], row["gateway"]))}
            | {"claims": claims.get(f"{row['tenant']}/{row['store']}/{row['gateway']}", [])}
            | {"kept_back": restored and not row["applied_version"]}
            for row in rows
        ]

    def news(self) -> tuple[int, int]:
        """The numbers of the newest op and of the newest event."""
        (row,) = self._read(
            """SELECT (SELECT coalesce(max(version), 0) FROM change) AS version,
               (SELECT coalesce(max(id), 0) FROM event) AS event"""
        )
        return int(row["version"]), int(row["event"])

    def fleet(self, now_ms: int) -> list[Row]:
        """How every gateway does, who needs somebody most first (sync.hq.fleet)."""
        return fleet.view(self.gateways(), self.reports(), now_ms)

    def newest_ms(self) -> int | None:
        """When the newest event came in; None without any."""
        rows = self._read("SELECT received_at_ms FROM event ORDER BY id DESC LIMIT 1")
        return int(rows[0]["received_at_ms"]) if rows else None

    def forget_events(self, before_ms: int, limit: int) -> int:
        """Delete up to `limit` events that came in before `before_ms`; how many. No gateway has to be told.

        The newest one keeps its place, because the next gets its number from it; what it says goes.
        """
        with self._write():
            self._db.execute(
                """UPDATE event SET member_id = NULL, body = '{}'
                   WHERE id = (SELECT max(id) FROM event) AND received_at_ms < ?""",
                (before_ms,),
            )
            return int(
                self._db.execute(
                    """DELETE FROM event WHERE id IN (SELECT id FROM event WHERE received_at_ms < ?
                       AND id < (SELECT max(id) FROM event) ORDER BY id LIMIT ?)""",
                    (before_ms, limit),
                ).rowcount
            )

    def cut_log(self) -> None:
        """What was deleted leaves the write-ahead log too."""
        self._truncate_log()

    def held(self, tenant: str) -> dict[str, tuple[int, int, int]]:
        """Of each outbox of a tenant, by its epoch: how many events, the lowest and the highest number."""
        rows = self._read(
            """SELECT epoch, count(*) AS events, min(seq) AS first, max(seq) AS last FROM event
               WHERE tenant = ? GROUP BY epoch""",
            (tenant,),
        )
        return {row["epoch"]: (row["events"], row["first"], row["last"]) for row in rows}

    def events(self, after: int | None, limit: int) -> list[Row]:
        """Events by `id` above `after`, oldest first, in the order they came in; None = the newest `limit`."""
        if after is None:
            after = self._read("SELECT coalesce(max(id), 0) AS id FROM event")[0]["id"] - limit
        rows = self._read("SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [{**row, "body": json.loads(row["body"])} for row in rows]


_GATEWAY = "tenant = ? AND store = ? AND gateway = ?"


def _place(where: Topics) -> tuple[str, str, str]:
    return where.tenant, where.store, where.gateway


def _hashes(value: object) -> Iterator[str]:
    """Every `sha256` that an op names, wherever it stands."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "sha256" and isinstance(part, str):
                yield part
            yield from _hashes(part)
    elif isinstance(value, list):
        for part in value:
            yield from _hashes(part)
