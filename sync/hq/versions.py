"""The line of versions: what HQ ordered, one op a number, and what may be forgotten of it. No MQTT, no HTTP."""

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from gateway.core.brand import BrandPut
from gateway.core.changes import (
    BalancePut,
    BindingDrop,
    BindingPut,
    Booked,
    CataloguePart,
    Change,
    ConfigPut,
    ConsentAdd,
    ConsentPark,
    ConsentRestore,
    CouponsPut,
    CouponUsed,
    CredentialDrop,
    CredentialPut,
    KeyDrop,
    KeyPut,
    LearningPut,
    LeasePut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
    PointsPut,
    PricesPut,
    PurchasesPut,
    ScanPut,
    SegmentsPut,
    StaffPut,
    StockPut,
)
from gateway.core.content import ContentPut
from gateway.core.model import ConsentRecord, Notice
from gateway.core.spans import DAY_MS
from gateway.core.trial import SettingsPut
from gateway.errors import PeerError
from sync import messages
from sync.hq.erasures import Erasures
from sync.hq.file import Row, dump

# One op must fit a delta beside its envelope (messages.MAX_PAYLOAD_BYTES), with room to spare. A member with
# 20 talking points in two languages has about 8 KB.
MAX_OP_BYTES = 64 * 1024

# How far a shop's clock may be off when it says that a code was still valid.
CLOCK_SLACK_MS = 300_000
# An event tells its own time, so a stolen gateway could date it back to any code that it ever saw. A shop is without
# its line for hours, at most for a holiday; what happened longer ago than this is taken to have happened then.
OFFLINE_MS = 7 * DAY_MS
OPS_AT_ONCE = 500  # read for a delta: 100 kB
CODE_MINUTES_MAX = 24 * 60  # how long a code may count; no event of it is older than that before its end

# What a snapshot brings in place of deltas: ops about members that are for all gateways and do not end by themselves.
# Written so that a database looks for the version first, and not through all members.
OF_MEMBERS = "coalesce(member_id, '') <> '' AND gateway IS NULL AND until_ms IS NULL"

# The newest version, whether a member was erased, and what stands under a key: in one question, because each is a way
# to the server and back, and a file may have a million members.
_STANDS = """SELECT (SELECT coalesce(max(version), 0) FROM change), (SELECT count(*) FROM change WHERE key = ?),
             change.member_id, change.op, change.until_ms
             FROM (SELECT 1 AS one) AS always LEFT JOIN change ON change.key = ?"""

# Of what was put for all, the same once more is news where single ones were put since: offers after a whole catalogue,
# and configurations of single gateways.
_SINGLES = {"catalogue": "offer:", "config": "config:"}
_OVER = {"settings:all": "settings:", "config": "config:"}


class Versions(Erasures):
    """All that HQ ordered, in the order in which gateways get it."""

    def version(self) -> int:
        """The number of the newest op; 0 = none yet."""
        return int(self._read("SELECT coalesce(max(version), 0) AS version FROM change")[0]["version"])

    def newest(self) -> tuple[int, int]:
        """The numbers of the newest op and of the newest erasure, of one instant."""
        (row,) = self._read(
            """SELECT (SELECT coalesce(max(version), 0) FROM change) AS version,
               (SELECT coalesce(max(seq), 0) FROM erasure) AS erase_seq"""
        )
        return int(row["version"]), int(row["erase_seq"])

    def record_ops(self, ops: Sequence[object], now_ms: int = 0) -> int:
        """Check all `ops`, then commit all of them; returns the version after the last. PeerError = nothing recorded.

        What changes nothing takes no number: the same put again, a consent event that is in the log, an op about
        a member who was erased (an old import file must not bring anybody back).
        """
        changes = messages.parse_ops(list(ops))
        if any(isinstance(change, ConsentRestore) for change in changes):
            raise PeerError("op")  # it is made of what is recorded here, see Consents.resend
        with self._write():
            for number, change in enumerate(changes):
                try:
                    self._record(change, now_ms)
                except PeerError as error:
                    raise PeerError(error.reason, f"ops.{number}", error.said) from None
            version = int(self._one("SELECT coalesce(max(version), 0) FROM change"))
        if any(isinstance(change, MemberErase | BindingDrop) for change in changes):
            self._truncate_log()
        return version

    def _record(self, change: Change, now_ms: int = 0, source: str = "", seq: int = 0, only: str = "") -> bool:
        """Inside a transaction; PeerError for an op that no gateway could read. `now_ms`, `source`: when an erasure was
        ordered, and by which gateway if by one; `seq`: the number of a consent that is older than its place on the
        line, 0 = its version; `only`: the one gateway ("tenant/store/id") that gets a configuration, "" = all."""
        key, member_id = _key(change)
        key = f"{key}:{only}" if only else key
        newest, erased, *found = self._db.execute(_STANDS, (f"erase:{member_id}", key)).fetchone()
        version, before = newest + 1, None if found[1] is None else found
        if isinstance(change, ConsentAdd):
            change = ConsentAdd(replace(change.record, hq_seq=seq or version))
        plain = messages.op_of(change)
        messages.parse_op(plain)  # what no gateway can read would hold up all that follows it on the line
        op = dump(plain)
        if len(op) > MAX_OP_BYTES:
            raise PeerError("too_large")
        if isinstance(change, MemberErase):
            self._order_erasure(change.member_id, now_ms, source)
            self._forget(change.member_id)
        elif erased:
            return False
        elif isinstance(change, ConsentAdd) and before is not None:
            if replace(record_of(before[1]), hq_seq=version) != change.record:
                raise PeerError("consent_differs")
            return False
        elif before is not None and before[1] == op and not isinstance(change, ConsentRestore):
            singles = _SINGLES.get(key.partition(":")[0])
            if singles is None or only or not self._has_any(singles):
                return False
        elif isinstance(change, ConfigPut):
            self._know_notice(change.config.notice)
        until_ms = change.until_ms if isinstance(change, CouponUsed) else None
        if isinstance(change, BindingPut):
            until_ms = change.valid_until_ms
            if not self._remember(change):
                return False
        elif isinstance(change, BindingDrop):
            if before is None:
                return False  # no shop has it, or it is out of date in all of them
            until_ms = before[2]
            self._db.execute(
                "UPDATE binding SET valid_until_ms = -valid_until_ms WHERE binding_id = ? AND credential_id = ''",
                (change.binding_id,),
            )  # what nobody has used is late from now on, and it is still known
        if isinstance(change, CredentialDrop | BindingDrop) and before is not None:
            member_id = before[0]  # so that an erasure finds what was dropped as well
        gateway = only or None
        if isinstance(change, KeyPut | KeyDrop | LeasePut | StockPut | Booked | SettingsPut):
            gateway = change.gateway or None
        if before is not None:
            self._db.execute("DELETE FROM change WHERE key = ?", (key,))
        if isinstance(change, StockPut) and change.whole:  # what was said of single articles before is part of it
            self._db.execute("DELETE FROM change WHERE key BETWEEN ? AND ?", (key, f"{key}~"))
        if isinstance(change, CataloguePart) and change.part == change.parts:  # no offer before it stands any more
            self._db.execute("DELETE FROM change WHERE key BETWEEN 'offer:' AND 'offer:~'")
            self._db.execute("DELETE FROM change WHERE key BETWEEN ? AND 'catalogue:~'", (key,))
        if key in _OVER:  # what single gateways were given before is over
            self._db.execute("DELETE FROM change WHERE key BETWEEN ? AND ?", (_OVER[key], f"{_OVER[key]}~"))
        if isinstance(change, ContentPut) and change.part == change.parts:  # likewise
            self._db.execute("DELETE FROM change WHERE key BETWEEN ? AND 'content:~'", (key,))
        self._db.execute(
            "INSERT INTO change (version, key, member_id, op, gateway, until_ms, shown) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (version, key, member_id, op, gateway, until_ms, shown_by(change)),
        )
        return True

    def configure(self, gateway: str, op: object) -> int:
        """Commit a config.put for one gateway ("tenant/store/id"), which counts for it until all get another; the
        version then. Raises PeerError."""
        change = messages.parse_op(op)
        with self._write():
            self._record(change, only=gateway)
            return int(self._one("SELECT coalesce(max(version), 0) FROM change"))

    def _config(self) -> Row:
        """The body of the last config.put, {} = none yet. Inside a transaction."""
        row = self._db.execute("SELECT op FROM change WHERE key = 'config'").fetchone()
        return dict(json.loads(row[0])["body"]) if row else {}

    def _has_any(self, singles: str) -> bool:
        """Whether anything of this kind was recorded since what is for all of them."""
        return bool(self._one("SELECT count(*) FROM change WHERE key BETWEEN ? AND ?", (singles, f"{singles}~")))

    def _know_notice(self, notice: Notice | None) -> None:
        """Grants may name this version from now on; "" is the language of the version as a whole."""
        if notice is not None:
            texts = {"": "", **{language: notice.sha256(language) for language in notice.text}}
            rows = [(notice.version, language, sha256) for language, sha256 in texts.items()]
            self._db.executemany(
                """INSERT INTO notice VALUES (?, ?, ?)
                   ON CONFLICT (version, language) DO UPDATE SET sha256 = excluded.sha256""",
                rows,
            )

    def _forget(self, member_id: str) -> None:
        for table in ("change", "binding", "points_entry", "points_balance", "points_stream"):
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", (member_id,))
        self._empty_chunks(member_id)
        # That something happened at that hour stays; who it was and what was said goes.
        self._db.execute("UPDATE event SET member_id = NULL, body = '{}' WHERE member_id = ?", (member_id,))

    def _is_erased(self, member_id: str | None) -> bool:
        return bool(self._one("SELECT count(*) FROM change WHERE key = ?", (f"erase:{member_id}",)))

    def changes_after(
        self, version: int, limit_bytes: int, gateway: str = "", without: int | None = None
    ) -> tuple[list[Row], int]:
        """The ops that follow `version`, at least one and else at most `limit_bytes` of JSON, and the version that
        they lead to; what is sealed for another gateway than "tenant/store/id" is left out. `version` again = nothing
        follows. `without`: no further than this version, and without what its snapshot brings."""
        ops: list[Row] = []
        size = 0
        newest = self.version() if without is None else without  # first: what is recorded from now on comes next time
        but = "" if without is None else f"AND NOT ({OF_MEMBERS})"
        while True:
            rows = self._read(
                f"""SELECT version, op FROM change WHERE version > ? AND version <= ? AND coalesce(gateway, ?) = ? {but}
                    ORDER BY version LIMIT ?""",
                (version, newest, gateway, gateway, OPS_AT_ONCE),
            )
            for row in rows:
                size += len(row["op"]) + 1
                if ops and size > limit_bytes:
                    return ops, version
                ops.append(json.loads(row["op"]))
                version = row["version"]
            if len(rows) < OPS_AT_ONCE:
                return ops, max(version, newest)

    # --- terminal keys --------------------------------------------------------------------------------------

    def terminal_keys(self) -> list[Row]:
        """The keys that stand, by gateway: `gateway`, `key_id`, `use`, `from_ms`, `until_ms`."""
        rows = self._read("SELECT op FROM change WHERE key >= 'key:' AND key < 'key;' ORDER BY key")
        names = ("gateway", "key_id", "use", "from_ms", "until_ms")
        ops = (json.loads(row["op"]) for row in rows)
        return [{name: op["body"][name] for name in names} for op in ops if op["op"] == "key.put"]

    def price_parts(self) -> dict[int, Row]:
        """The price list as it was sent: the bodies of its ops, by part."""
        rows = self._read("SELECT op FROM change WHERE key >= 'prices:' AND key < 'prices;'")
        return {int(body["part"]): body for row in rows for body in [json.loads(row["op"])["body"]]}

    def _remember(self, put: BindingPut) -> bool:
        """The id outlives its code, because a shop may report late. False = this id was given before."""
        known = self._one("SELECT count(*) FROM binding WHERE binding_id = ?", (put.binding_id,))
        if not known:
            row = (put.binding_id, put.member_id, put.valid_until_ms)
            self._db.execute("INSERT INTO binding (binding_id, member_id, valid_until_ms) VALUES (?, ?, ?)", row)
        return not known


def shown_by(change: Change) -> str | None:
    """What is searched for: a member's call name in small letters, or a credential's kind and what it shows."""
    match change:
        case MemberPut(member):
            return member.call_name.casefold()
        case CredentialPut():
            body = messages.op_of(change)["body"]
            return f"{body['kind']}:{body['value']}" if "value" in body else None
        case _:
            return None


def _key(change: Change) -> tuple[str, str | None]:
    """What a later op of the same key replaces, and whose data it is. Erasures keep their own key: a later put must
    not hide the erasure from a gateway that still holds the old data."""
    match change:
        case MemberPut(member):
            return f"member:{member.member_id}", member.member_id
        case MemberErase(member_id):
            return f"erase:{member_id}", None
        case CredentialPut():
            return f"credential:{change.credential_id}", change.member_id
        case CredentialDrop(credential_id):
            return f"credential:{credential_id}", None
        case ConsentAdd(record):
            return f"consent:{record.event_id}", record.member_id
        case ConsentPark():
            raise PeerError("op")  # HQ itself records only what it can read
        case ConsentRestore(member_id):
            return f"consents:{member_id}", member_id
        case PurchasesPut(member_id):
            return f"purchases:{member_id}", member_id
        case OfferPut(offer):
            return f"offer:{offer.offer_id}", None
        case CataloguePart():
            return f"catalogue:{change.part:04}", None
        case OfferDrop(offer_id):
            return f"offer:{offer_id}", None
        case ConfigPut():
            return "config", None
        case LearningPut():
            return "learning", None
        case KeyPut() | KeyDrop():
            return f"key:{change.gateway}/{change.key_id}", None
        case BindingPut():
            return f"binding:{change.binding_id}", change.member_id
        case BindingDrop(binding_id):
            return f"binding:{binding_id}", None
        case LeasePut():
            return f"lease:{change.lease_id}", None
        case CouponsPut():
            return "coupons", None
        case SegmentsPut():
            return "segments", None
        case StaffPut():
            return "staff", None
        case StockPut():
            of = "" if change.whole else sha256("/".join(sorted(change.units)).encode()).hexdigest()
            return f"stock:{change.gateway}:{of}", None
        case PointsPut():
            return "points", None
        case BalancePut(member_id):
            return f"balance:{member_id}", member_id
        case PricesPut():
            return f"prices:{change.part}", None
        case ScanPut():
            return "scan", None
        case CouponUsed(coupon):
            return f"used:{coupon}", None
        case Booked():
            return f"booked:{change.gateway}", None
        case ContentPut():
            return f"content:{change.part:04}", None
        case BrandPut():
            return "brand", None
        case SettingsPut():
            return f"settings:{change.gateway or 'all'}", None


def record_of(op: str) -> ConsentRecord:
    """The record in a consent.add op."""
    change = messages.parse_op(json.loads(op))
    assert isinstance(change, ConsentAdd)
    return change.record
