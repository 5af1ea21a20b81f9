"""HQ's orders as ops: what operators write in files and what they do for one member. No MQTT, no HTTP, no SQL."""

import codecs
import dataclasses
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from gateway.core import consent, eid
from gateway.core.basket import ScanRules
from gateway.core.changes import (
    MAX_OFFERS,
    BindingDrop,
    BindingPut,
    ConsentAdd,
    CouponsPut,
    CredentialPut,
    OfferPut,
    SegmentsPut,
    StockPut,
)
from gateway.core.keyring import KeyUse
from gateway.core.learning import Learning
from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Member, Offer, Purpose, ShopConfig
from gateway.core.onetime import CODE_DIGITS
from gateway.core.points import PointsPolicy
from gateway.errors import ConfigError, PeerError
from sync import credentials, messages, offers, topics
from sync.hq import keyfiles, proofreading
from sync.hq.file import Row
from sync.hq.ledger import Ledger

MAX_CATALOGUE_BYTES = 16 * 1024 * 1024  # of a file: 5,000 offers of 3 kB
SAID = 8  # faults of one line; a catalogue has a line for each
PART_BYTES = 56 * 1024  # of offers in one operation, whose 64 KiB have room for the rest

MEMBER_OPS = ("member.put", "member.erase", "credential.put", "credential.drop", "consent.add", "purchases.put")
OFFER_OPS = (
    "offer.put",
    "offer.drop",
    "learning.put",
    "coupons.put",
    "points.put",
    "scan.put",
    "segments.put",
    "stock.put",
)
ALL_OPS = (*MEMBER_OPS, *OFFER_OPS, "config.put")  # keys and one-time codes have verbs of their own


def read_ops(path: Path, allowed: Collection[str] = ALL_OPS) -> list[Row]:
    """The ops of a JSON-lines file; empty lines are skipped. ConfigError names file, line and what was expected, of
    every line that is wrong."""
    ops: list[Row] = []
    faults: list[str] = []
    for number, line in enumerate(lines(path), start=1):
        try:
            if line.strip():
                ops.append(read_op(f"{path}:{number}", line, allowed))
        except ConfigError as error:
            faults.append(str(error))
            if len(faults) == proofreading.MAX_FAULTS:
                faults.append(f"{path}: {proofreading.MORE}")
                break
    if faults:
        raise ConfigError("\n".join(faults))
    return ops


def read_catalogue(path: Path, standing: int = 0) -> list[Row]:
    """The ops of a whole catalogue, from a file that holds one JSON object {"offers": [..]}.

    ConfigError names the place of all that is wrong. `standing`: offers that a file without any may not take away.
    """
    text = b"".join(lines(path))
    if len(text) > MAX_CATALOGUE_BYTES:
        raise ConfigError(f"{path}: expected at most {MAX_CATALOGUE_BYTES} bytes; found {len(text)}")
    try:
        found = messages.load_object(text, MAX_CATALOGUE_BYTES)
        if found.keys() != {"offers"} or not isinstance(found["offers"], list):
            raise ConfigError(f'{path}: expected one JSON object {{"offers": [..]}} and nothing else')
        if len(found["offers"]) > MAX_OFFERS:
            counted = len(found["offers"])
            raise ConfigError(f"{path}: offers: expected at most {MAX_OFFERS} of them; found {counted}")
        if standing and not found["offers"]:
            raise ConfigError(f"{path}: offers: expected one, or --empty; found none, and all {standing} would go")
    except PeerError as error:
        raise ConfigError(f"{path}: expected a catalogue of offers; {_found(error)}") from None
    faults = proofreading.faults_of(found["offers"])
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return _parts(path, offers.parse_all(found["offers"]))


def _parts(path: Path, listed: Sequence[Offer]) -> list[Row]:
    """A catalogue's name follows from its content, so that the same once more is no news."""
    bodies = [messages.op_of(OfferPut(offer))["body"] for offer in listed]
    sizes = [len(json.dumps(body, ensure_ascii=False).encode()) for body in bodies]
    parts: list[list[Row]] = [[]]
    room = PART_BYTES
    for number, (body, size) in enumerate(zip(bodies, sizes, strict=True)):
        if size > PART_BYTES:
            raise ConfigError(f"{path}: offers.{number}: expected at most {PART_BYTES} bytes; found {size}")
        if size > room:
            parts.append([])
            room = PART_BYTES
        parts[-1].append(body)
        room -= size + 1
    if len(parts) > offers.MAX_PARTS:
        raise ConfigError(f"{path}: offers: expected no more than {offers.MAX_PARTS} parts of {PART_BYTES} bytes")
    name = sha256(json.dumps(bodies, sort_keys=True).encode()).hexdigest()[:32]
    head = {"catalogue_id": name, "parts": len(parts)}
    return [
        {"op": "catalogue.put", "body": head | {"part": number, "offers": part}}
        for number, part in enumerate(parts, start=1)
    ]


def read_config(path: Path) -> Row:
    """A config.put op from a file that holds one JSON object with the fields of ShopConfig."""
    return _read_body(path, "config.put")


def read_segments(path: Path) -> Row:
    """A segments.put op from a file that holds one JSON object, all running segments."""
    return _read_body(path, "segments.put")


def check_notice(ledger: Ledger, op: Row) -> None:
    """Raises ConfigError where this config.put changes the words of a notice that stands and not its version: who
    agreed to a version agreed to these words."""
    after = op["body"].get("notice") or {}
    for before in (config.get("notice") or {} for config in ledger.configs()):
        same = before.get("version") == after.get("version")
        if same and before.get("text", {}) and before["text"] != after.get("text", {}):
            raise ConfigError(
                f"nothing was recorded: the words of the notice change, but not its version; expected another one than "
                f"{after['version']!r}"
            )


def record(ledger: Ledger, ops: Sequence[Row], now_ms: int = 0) -> int:
    """Record ops that were read from a file; ConfigError where the ledger contradicts them."""
    try:
        return ledger.record_ops(ops, now_ms)
    except PeerError as error:
        raise ConfigError(f"nothing was recorded: {refusal(error)}") from None


def refusal(error: PeerError) -> str:
    """Why the ledger records no such op, in words."""
    return _REFUSED[error.reason] if error.reason in _REFUSED else _found(error)


def provision_beacon(
    beacon_public: bytes, private_key: bytes, member_id: str, credential_id: str, exponent: int, clock_zero_s: int
) -> tuple[bytes, Row]:
    """What the beacon needs (our public key, 32 bytes) and the credential.put op of its identity key.

    `private_key`: 32 random bytes for this beacon alone, to be forgotten. ConfigError names what is wrong.
    """
    try:
        key = eid.resolver_identity_key(private_key, beacon_public)
    except PeerError:
        raise ConfigError(
            "the beacon's public key is none of X25519; expected 64 hex digits from its own tool"
        ) from None
    put = CredentialPut(credential_id, member_id, CredentialKind.EID, key, exponent, clock_zero_s)
    op = messages.op_of(put)
    try:
        messages.parse_op(op)
    except PeerError as error:
        raise ConfigError(f"expected {_wanted('credential.put', op, error)}; {_found(error)}") from None
    return eid.public_key(private_key), op


def withdraw(ledger: Ledger, member_id: str, purposes: Sequence[Purpose] | None, now_ms: int) -> int:
    """Record a withdrawal per purpose, None = every purpose there is; returns the new version."""
    notice = ledger.config().get("notice") or {}
    now, receipt_id = ledger.consents(member_id), ledger.new_id()
    ops = [
        messages.op_of(
            ConsentAdd(
                ConsentRecord(
                    event_id=ledger.new_id(),
                    member_id=member_id,
                    purpose=purpose,
                    state=ConsentState.WITHDRAWN,
                    given_at_ms=now_ms,
                    notice_version=notice.get("version", ""),
                    notice_id=notice.get("notice_id", ""),
                    jurisdiction=notice.get("jurisdiction", ""),
                    channel="hq",
                    method="operator",
                    receipt_id=receipt_id,
                    supersedes=now[purpose].event_id if purpose in now else "",
                )
            )
        )
        for purpose in (Purpose if purposes is None else dict.fromkeys(purposes))
    ]
    return ledger.record_ops(ops)


def push_key(ledger: Ledger, path: Path, gateway: str) -> tuple[int, list[tuple[str, str]]]:
    """Seal a key file for one gateway ("tenant/store/id") or for "all" and record it; how many got it, and which did
    not with the reason. Nothing of the key itself is recorded. Raises ConfigError."""
    key = keyfiles.read(path)
    if key.use is KeyUse.COUPON and gateway == "all":
        raise ConfigError("all: expected one gateway; each shop signs coupons with a key of its own (docs/keys.md)")
    ops, left_out = keyfiles.seal_for(key, chosen(ledger, gateway))
    record(ledger, ops)
    return len(ops), left_out


def drop_key(ledger: Ledger, key_id: str, gateway: str) -> int:
    """Take a key away from one gateway or from "all" that have it; from how many."""
    rows = [row for row in ledger.terminal_keys() if row["key_id"] == key_id and gateway in ("all", row["gateway"])]
    record(ledger, [{"op": "key.drop", "body": {"gateway": row["gateway"], "key_id": key_id}} for row in rows])
    return len(rows)


def trust_gateway(ledger: Ledger, gateway: str, key: str) -> list[str]:
    """Seal for this public key from now on; the ids of the keys that it was given and can't open with a new one.

    Raises ConfigError for a key that the gateway has not shown.
    """
    (row,) = chosen(ledger, gateway)
    if not ledger.trust_key(topics.place(gateway), key):
        raise ConfigError(f"{gateway}: has not shown this public key; expected the one that the box itself shows")
    if key == row["key"]:
        return []
    return [held["key_id"] for held in ledger.terminal_keys() if held["gateway"] == gateway]


def bind(ledger: Ledger, member_id: str, minutes: int, now_ms: int, random_below: Callable[[int], int]) -> str:
    """Make and record a one-time code for a member, whose earlier ones end; returns its digits."""
    if not ledger.has_member(member_id):
        raise ConfigError(f"member {member_id}: not known to this HQ; expected the pseudonym of a member")
    ledger.forget_codes(now_ms)
    live = ledger.open_bindings()
    taken = {row["code"] for row in live}
    code = f"{random_below(10**CODE_DIGITS):0{CODE_DIGITS}}"
    while code in taken:
        code = f"{random_below(10**CODE_DIGITS):0{CODE_DIGITS}}"
    earlier = [row["binding_id"] for row in live if row["member_id"] == member_id]
    put = BindingPut(ledger.new_id(), member_id, code, now_ms + minutes * 60_000)
    drops = [messages.op_of(BindingDrop(binding_id)) for binding_id in earlier]
    record(ledger, [*drops, messages.op_of(put)])
    return code


def lend(ledger: Ledger, budget_id: str, gateway: str, amount: int, until_ms: int) -> str:
    """Lend one gateway so much of a budget; the lease's id. Raises ConfigError."""
    (row,) = chosen(ledger, gateway) if gateway != "all" else [{}]
    if not row:
        raise ConfigError("all: expected one gateway; each has a lease of its own")
    lease_id = ledger.new_id()
    if not ledger.lend(lease_id, budget_id, (row["tenant"], row["store"], row["gateway"]), amount, until_ms):
        found = budget(ledger, budget_id)
        raise ConfigError(
            f"budget {budget_id}: less than {amount} is left; expected at most {found['left']} {found['unit']}"
        )
    return lease_id


def budget(ledger: Ledger, budget_id: str) -> Row:
    """One budget with `unit`, `total` and what is `left`. Raises ConfigError."""
    for row in ledger.budgets():
        if row["budget_id"] == budget_id:
            return row
    raise ConfigError(f"budget {budget_id}: no such budget; expected one that hq budgets lists, or hq set-budget first")


def set_stock(ledger: Ledger, gateway: str, units: Mapping[str, int | None], at_ms: int) -> int:
    """Say how much of these articles a gateway's shop has, None = not known; the version. Raises ConfigError."""
    chosen(ledger, gateway)
    return record(ledger, [messages.op_of(StockPut(gateway, units, at_ms))])


def may_bind(ledger: Ledger, member_id: str, now_ms: int) -> bool:
    """Whether this member agreed to be recognised by a card; without it a code binds nothing."""
    return consent.may(Purpose.RECOGNISE_NFC, ledger.consents(member_id), now_ms).ok


def chosen(ledger: Ledger, gateway: str) -> list[Row]:
    """The gateways that "all" or one name means."""
    rows = ledger.gateways()
    if gateway != "all":
        rows = [row for row in rows if f"{row['tenant']}/{row['store']}/{row['gateway']}" == gateway]
    if not rows:
        raise ConfigError(f"{gateway}: no such gateway here; expected tenant/store/id of one that hq gateways lists")
    return rows


def lines(path: Path) -> list[bytes]:
    """The lines of a file, without the mark that Windows' editors put before them. Raises ConfigError."""
    try:
        return path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a file of JSON lines") from error


def _read_body(path: Path, name: str) -> Row:
    """An op whose body is all of a file."""
    try:
        op = {"op": name, "body": messages.load_object(b"".join(lines(path)))}
        messages.parse_op(op)
    except PeerError as error:
        raise ConfigError(f"{path}: expected {_EXPECTED[name]}; {_found(error)}") from None
    return op


def read_op(where: str, line: bytes, allowed: Collection[str]) -> Row:
    try:
        op = messages.load_object(line.strip())
    except PeerError as error:
        raise ConfigError(f"{where}: expected one JSON object in a line; {_found(error)}") from None
    name = str(op.get("op"))
    if name not in allowed:
        raise ConfigError(f"{where}: expected an op of {', '.join(allowed)}; found {name!r:.40}")
    try:
        messages.parse_op(op)
        faults = proofreading.faults(op["body"]) if name == "offer.put" else []
    except PeerError as error:
        faults = proofreading.faults(op["body"]) if name == "offer.put" and "body" in op else []
        if not faults:
            raise ConfigError(f"{where}: expected {_wanted(name, op, error)}; {_found(error)}") from None
    if faults:
        raise ConfigError(f"{where}: offer.put: {_listed(faults)}")
    return op


def _listed(said: Sequence[str]) -> str:
    return "; ".join((*said[:SAID], f"and {len(said) - SAID} more") if len(said) > SAID else said)


def _wanted(name: str, op: Row, error: PeerError) -> str:
    """A credential's forms differ by its kind, so the one that is meant is named."""
    if name == "credential.put" and error.reason in ("fields", "range") and error.field:
        return credentials.expected(op.get("body"), error.field)
    return _EXPECTED[name]


def _found(error: PeerError) -> str:
    if error.reason in ("fields", "range") and error.said:
        return f"found {_listed(error.said)}"
    where = _listed(error.said) or error.field
    return _FOUND[error.reason] + (f" ({where})" if where else "")


def _fields(name: str, kind: type | None, *fields: str) -> str:
    listed = fields if kind is None else tuple(field.name for field in dataclasses.fields(kind))
    return f"{name} with a body of {', '.join(listed)}"


_EXPECTED = {
    "member.put": _fields("member.put", Member),
    "member.erase": _fields("member.erase", None, "member_id"),
    "credential.put": _fields("credential.put", None, "credential_id", "member_id", "kind and what the kind has"),
    "credential.drop": _fields("credential.drop", None, "credential_id"),
    "consent.add": _fields("consent.add", ConsentRecord),
    "purchases.put": _fields("purchases.put", None, "member_id", "products", "visits"),
    "offer.put": _fields("offer.put", Offer),
    "offer.drop": _fields("offer.drop", None, "offer_id"),
    "learning.put": _fields("learning.put", Learning),
    "config.put": _fields("config.put", ShopConfig),
    "coupons.put": _fields("coupons.put", CouponsPut),
    "segments.put": _fields("segments.put", SegmentsPut),
    "stock.put": _fields("stock.put", StockPut),
    "points.put": _fields("points.put", PointsPolicy),
    "scan.put": _fields("scan.put", ScanRules),
}

_REFUSED = {
    "consent_differs": "a consent event of the file is in the log with other content; expected a new event_id",
    "too_large": "an op is too large for one message; expected at most 64 KiB",
}

# Why the wire refuses something (messages.REASONS), in words for an operator.
_FOUND = {
    "too_large": f"found more than {messages.MAX_PAYLOAD_BYTES} bytes",
    "not_json": "found no JSON object",
    "nan": "found NaN or infinity",
    "nesting": "found too many levels",
    "range": "found a number out of range",
    "op": "found no op of this version",
    "fields": "found an unknown or missing field, or a value of the wrong kind",
    "repeated": "found a name twice",
    "text": "found text that is no Unicode",
    "purpose": "found an offer that reads a field which its purpose may not read",
    "eligibility": "found a rule that can't be followed",
    "cap": "found a cap that can't be counted",
    "segments": "found a segment that can't be followed",
    "template": "found a text whose braces are no placeholder of ours",
    "twice": "found an id that another offer has",
    "version": "found another version",
    "type": "found another type",
}
