"""What is said on which topic: a table of leaves, messages, operations and their forms, for the published contract. No
payload is read or written by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from gateway.core.changes import EraseReceipt, Erasure, OutboxRow
from gateway.core.command import Answer
from gateway.core.fetching import PIECE_BYTES, Piece, Want
from gateway.core.model import CredentialKind, Token
from gateway.core.snapshot import Held, ManifestPart
from gateway.core.streams import Stream
from sync import (
    command_messages,
    content,
    credentials,
    ear_messages,
    erase_messages,
    event_messages,
    forms,
    messages,
    offers,
    pieces,
    points,
    prices,
    purchases,
    report_messages,
    segments,
    settings,
    signing,
    snapshot_messages,
    spent,
    staff,
    stock,
    topics,
)
from sync.report_messages import Report, Trouble

_EPOCH = "5e" * 16
_KEY = b"\x2a" * 32
_HASH = "9f" * 32
_BOOT = "00112233445566aa"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One kind of message; `examples` are payloads as our own code writes them."""

    kind: str
    form: type[BaseModel]
    summary: str
    examples: tuple[bytes, ...]
    tail: str = ""  # what follows the JSON object and a line feed, "" = nothing


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic below a gateway's; `way` and `leaf` are its last levels. The gateway sends or receives there."""

    way: Literal["up", "down", "ear-up", "ear-down", "ear-state"]
    leaf: str
    gateway: Literal["send", "receive"]
    qos: tuple[int, ...]
    retained: bool
    summary: str
    spoken: tuple[Spoken, ...]


def _row(seq: int, kind: str, body: str) -> OutboxRow:
    return OutboxRow(seq, 1_795_000_000_000 + seq, kind, body)


_ENTERED = _row(7, "visit.entered", '{"visit_id":"v-1","member_id":"m-1","zone":"coffee"}')
_TOKEN = Token(CredentialKind.EID, bytes.fromhex("a1b2c3d4e5f60718"))
_BUCKET = ear_messages.Bucket("rotating", bytes.fromhex("a1b2"))
_TOLD = ear_messages.Epoch(_BOOT, 12)

STATE = Spoken(
    "state",
    messages.FORMS["state"],
    "A gateway's birth, and its will: `boot` tells which connection it belongs to. `key`: its X25519 public key.",
    (messages.state(True, 3, _EPOCH, 41, _KEY), messages.state(False, 3, _EPOCH, 41, _KEY)),
)
REQ = Spoken(
    "req",
    messages.FORMS["req"],
    "What this gateway has; headquarters answers with a head and with what is missing. `snapshots`: it can take one; "
    "`members`: its members are only those of this version; `snapshot`: the manifest that it holds whole; `seen`: the "
    "newest head that it believed.",
    (
        messages.req(41, _EPOCH, {Stream.VITAL: 6, Stream.BUSINESS: 9}, 3, seen=messages.Seen(5, 42, 4)),
        messages.req(42, _EPOCH, snapshots=True, members=0, snapshot=Held("5a" * 16, 1)),
    ),
)
EVENTS = Spoken(
    "events",
    event_messages.FORMS["events"],
    "A batch of one stream of the outbox, by rising `seq` within `first` and `last`; numbers that are absent are other "
    "streams', or will never come. It may be one zstd frame.",
    (
        event_messages.events(_EPOCH, 7, 9, [_ENTERED, _row(9, "visit.left", '{"visit_id":"v-1"}')], Stream.BUSINESS),
        event_messages.events(_EPOCH, 10, 31, [], Stream.TELEMETRY),
    ),
)
APPLIED = Spoken(
    "applied",
    messages.FORMS["applied"],
    "The gateway works with this version of headquarters' line now.",
    (messages.applied(42),),
)
ERASED = Spoken(
    "erased",
    erase_messages.FORMS["erased"],
    "All erasures up to this number are done, and what each of a message's orders cleared.",
    (erase_messages.erased(4, [EraseReceipt(4, {"member": 1, "consent": 6})]), erase_messages.erased(4, [])),
)
DONE = Spoken(
    "done",
    command_messages.FORMS["done"],
    "What became of a command, as often as it comes. `reason`: why it is not `done`; `told`: figures beside it.",
    (
        command_messages.done(Answer("4f1c", "done", told={"screens": 2})),
        command_messages.done(Answer("4f1c", "refused", "screen.away")),
    ),
)
BUNDLE = Spoken(
    "bundle",
    command_messages.FORMS["bundle"],
    "A diagnostic bundle, before its `done`.",
    (command_messages.bundle(command_messages.Sent("4f1c", b"PK")),),
    f"the `size` bytes of a ZIP file, at most {command_messages.MAX_BUNDLE_BYTES:,}",
)
CMD = Spoken(
    "cmd",
    command_messages.FORMS["cmd"],
    "Do this, once for this `id`, unless it is `until_ms` by then. `arguments` by `kind`: mqtt.md.",
    (
        command_messages.cmd("4f1c", "blink", {"screen": "coffee"}, 1_795_000_000_000, 1_795_003_600_000),
        command_messages.cmd("4f1d", "rescan", {}, 1_795_000_000_000, 1_795_003_600_000),
    ),
)
HEALTH = Spoken(
    "health",
    report_messages.FORMS["health"],
    "How the gateway does: parts in trouble, the worst first, how many parts there are, and how many events wait.",
    (
        report_messages.health(
            Report("0.1.0", 12, 9, (Trouble("receiver:coffee-nfc", "down", 1_795_000_000_000, "unplugged"),))
        ),
        report_messages.health(Report("0.1.0", 0, 9, ())),
    ),
)
WANT = Spoken(
    "want",
    pieces.FORMS["want"],
    f"The piece of a file that begins at `start`, a multiple of {PIECE_BYTES}.",
    (pieces.want(Want(_HASH, PIECE_BYTES)),),
)
HEAD = Spoken(
    "head",
    messages.FORMS["head"],
    "Headquarters' newest version, boot number, newest erasure and time.",
    (messages.head(42, 5, 4, 1_795_000_000_000), messages.head(42, 5, 4)),
)
DELTA = Spoken(
    "delta",
    messages.FORMS["delta"],
    "Changes onto exactly version `parent`, which make it `version`; all or none. It may be one zstd frame. `without`: "
    "what concerns members up to that version comes with its snapshot.",
    (
        messages.delta(41, 42, [{"op": "member.erase", "body": {"member_id": "m-1"}}], 1_795_000_000_000),
        messages.delta(0, 42, [{"op": "offer.drop", "body": {"offer_id": "o-1"}}], 1_795_000_000_000, 42),
    ),
)
ERASE = Spoken(
    "erase",
    erase_messages.FORMS["erase"],
    "The erasures after number `parent`, by rising number up to `seq`.",
    (erase_messages.erase(3, [Erasure(4, "m-1")]),),
)
ACK = Spoken(
    "ack",
    event_messages.FORMS["ack"],
    "Headquarters has committed every event of this stream up to and with `seq`, and of what lies beyond these ranges.",
    (event_messages.ack(_EPOCH, 9, Stream.BUSINESS, [(41, 60)]), event_messages.ack(_EPOCH, 31, Stream.TELEMETRY)),
)
_ROOT = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)  # of these examples alone
_SIGNED = [
    signing.certify(_ROOT, role, 1, bytes([number]) * 32, 1_795_000_000_000, 1_826_500_000_000)
    for number, role in enumerate(signing.Role, start=2)
]
KEYS = Spoken(
    "keys",
    signing.FORMS["keys"],
    "The keys with which headquarters signs, each certified by its root key.",
    (signing.keys(_SIGNED),),
)
PIECE = Spoken(
    "piece",
    pieces.FORMS["piece"],
    "A piece of a file; `size` null: headquarters does not have the file.",
    (pieces.piece(Piece(_HASH, 0, 5, b"bytes")), pieces.piece(Piece(_HASH, 0, None, b""))),
    f"up to {PIECE_BYTES:,} bytes of the file",
)
_PART = ManifestPart("5a" * 16, 1, 42, 3, 1_795_000_000_000, 1_795_604_800_000, 9, 40, 1, 1, 1, 0, (_HASH,))
SNAPSHOT = Spoken(
    "snapshot",
    snapshot_messages.FORMS["snapshot"],
    "A part of the list of a snapshot's chunks, each of which is asked for with `want`.",
    (snapshot_messages.snapshot(_PART),),
)
EAR = Spoken(
    "ear",
    ear_messages.FORMS["ear"],
    "A scanner's birth, and its will.",
    (ear_messages.ear_state(ear_messages.EarState(True, _BOOT, 1)),),
)
HEARD = Spoken(
    "heard",
    ear_messages.FORMS["heard"],
    "Frames of members and anchors: kind, value, level (dBm) and age (ms) of each.",
    (ear_messages.heard(_BOOT, 1, 5_000, [ear_messages.Frame(_TOKEN, -61, 120)]),),
)
ASK = Spoken(
    "ask",
    ear_messages.FORMS["ask"],
    "What is in these buckets? Family and prefix of each.",
    (ear_messages.ask(_BOOT, [_BUCKET]),),
)
BEAT = Spoken(
    "beat",
    ear_messages.FORMS["beat"],
    "The scanner lives: what it counted, and its radios.",
    (ear_messages.beat(ear_messages.Beat(_BOOT, 1, 900, 4, 0, (ear_messages.Radio("ok", "hci0"),))),),
)
EPOCH = Spoken(
    "epoch",
    ear_messages.FORMS["epoch"],
    "What was answered under another number is void.",
    (ear_messages.epoch(_TOLD),),
)
ANSWER = Spoken(
    "answer",
    ear_messages.FORMS["answer"],
    "What is in these buckets: family, prefix, for how long (ms), and the rests one after the other.",
    tuple(ear_messages.answers(_TOLD, [ear_messages.Contents(_BUCKET, 60_000, _TOKEN.value[2:])])),
)

CHANNELS: Sequence[Channel] = (
    Channel("up", topics.STATE, "send", (1,), True, "Birth and will", (STATE,)),
    Channel("up", topics.REQ, "send", (1,), False, "On every connect, on a gap, and once an hour", (REQ,)),
    Channel("up", topics.EVENTS, "send", (1,), False, "What happened in the shop", (EVENTS,)),
    Channel("up", topics.ACK, "send", (1,), False, "What the gateway has done", (APPLIED, ERASED, DONE)),
    Channel("up", topics.WANT, "send", (1,), False, "Questions for pieces of files", (WANT,)),
    Channel("up", topics.BUNDLE, "send", (1,), False, "Diagnostic bundles that were asked for", (BUNDLE,)),
    Channel("up", topics.HEALTH, "send", (1,), False, "On every connect, on a change, and once an hour", (HEALTH,)),
    Channel("down", topics.HEAD, "receive", (1,), True, "Where headquarters' line ends", (HEAD,)),
    Channel("down", topics.KEYS, "receive", (1,), True, "The keys with which headquarters signs", (KEYS,)),
    Channel("down", topics.DELTA, "receive", (1,), False, "Changes", (DELTA,)),
    Channel("down", topics.ERASE, "receive", (1,), False, "Erasures, before anything else", (ERASE,)),
    Channel("down", topics.ACK, "receive", (1,), False, "What headquarters has committed", (ACK,)),
    Channel("down", topics.PIECE, "receive", (1,), False, "Pieces of files", (PIECE,)),
    Channel("down", topics.CMD, "receive", (1,), False, "Commands", (CMD,)),
    Channel("down", topics.SNAP, "receive", (1,), False, "Which chunks a snapshot of members has", (SNAPSHOT,)),
    Channel("ear-state", "{scanner}", "receive", (1,), True, "A scanner's birth and will", (EAR,)),
    Channel("ear-up", "{scanner}", "receive", (0,), False, "What a scanner hears and asks", (HEARD, ASK, BEAT)),
    Channel("ear-down", "{scanner}", "send", (1, 0), False, "The epoch (QoS 1) and answers (QoS 0)", (EPOCH, ANSWER)),
)

# The bodies of a delta's operations; a credential's by its kind.
OPS: Mapping[str, tuple[type[BaseModel], ...]] = {
    "member.put": (forms.MemberBody,),
    "member.erase": (forms.MemberRef,),
    "credential.put": tuple(dict.fromkeys(credentials.FORMS.values())),
    "credential.drop": (forms.CredentialRef,),
    "consent.add": (forms.ConsentBody,),
    "consent.restore": (forms.RestoreBody,),
    "offer.put": (forms.OfferBody,),
    "offer.drop": (forms.OfferRef,),
    "catalogue.put": (offers.PartBody,),
    "config.put": (forms.ConfigBody,),
    "settings.put": (settings.SettingsBody,),
    "purchases.put": (purchases.PurchasesBody,),
    "learning.put": (forms.LearningBody,),
    "staff.put": (staff.StaffBody,),
    "segments.put": (segments.SegmentsBody,),
    "key.put": (forms.KeyBody,),
    "key.drop": (forms.KeyRef,),
    "binding.put": (forms.BindingBody,),
    "binding.drop": (forms.BindingRef,),
    "lease.put": (forms.LeaseBody,),
    "stock.put": (stock.StockBody,),
    "points.put": (points.PointsBody,),
    "balance.put": (points.BalanceBody,),
    "prices.put": (prices.PricesBody,),
    "content.put": (content.ContentBody,),
    "brand.put": (content.BrandBody,),
    "scan.put": (prices.ScanBody,),
    "coupons.put": (forms.CouponsBody,),
    "coupons.used": (spent.UsedBody,),
    "leases.booked": (spent.BookedBody,),
}
