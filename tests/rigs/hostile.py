"""Hostile payloads: honest messages of every kind, what a bad hand makes of them, who signs them. All is drawn."""

import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import zstandard

from drivers.people import population
from gateway.core.changes import Erasure, OutboxRow
from gateway.core.fetching import Piece
from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Purpose, Token
from gateway.core.streams import stream_of
from sync import (
    command_messages,
    contract,
    ear_messages,
    erase_messages,
    event_messages,
    messages,
    packing,
    pieces,
    report_messages,
    signing,
    snapshot_messages,
    topics,
)
from sync.ear_messages import Bucket, Frame
from sync.signing import ROLE_OF, Role
from sync.topics import Topics
from tests.rigs.signed import NOW_MS, certificate, key, keys, signed, signer_key

PLACE = Topics("acme", "munich-1", "gw-1")
OTHERS = (Topics("acme", "munich-1", "gw-2"), Topics("acme", "berlin", "gw-1"), Topics("rival", "munich-1", "gw-1"))
EPOCH = "ab" * 16
BOOT = "0123456789abcdef"
HASH = "cd" * 32
NUMBER = 7  # of headquarters' keys; 6 were stolen, 8 are not told yet
EARS = ("ear-up", "ear-state", "ear-down")

Tree = Any
_DOC = Path(__file__).parents[2] / "docs" / "mqtt.md"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of message: where it travels, how it is read, and honest ones."""

    way: str  # "up", "down" or one of EARS
    leaf: str
    parse: Callable[[bytes], object]
    honest: tuple[bytes, ...]

    @property
    def name(self) -> str:
        return f"{self.way}/{self.leaf}" if self.leaf else self.way


@cache
def ops() -> tuple[dict[str, Any], ...]:
    """Honest operations of every kind that a file may hold, and a simulated shop's."""
    written = [json.loads(line) for line in _DOC.read_text().splitlines() if line.startswith('{"op"')]
    return (*written, *population(3, 4))


def parse_ack(payload: bytes) -> object:
    """What comes up on `ack`, as headquarters reads it."""
    match messages.kind_of(payload):
        case "erased":
            return erase_messages.parse_erased(payload)
        case "done":
            return command_messages.parse_done(payload)
    return messages.parse_applied(payload)


def _events() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Events that headquarters does more with than keep them, with honest bodies."""
    who = next(op["body"]["member_id"] for op in ops() if op["op"] == "member.put")
    act = ConsentRecord("e-1", who, Purpose.STAFF_ADVICE, ConsentState.GIVEN, NOW_MS, notice_version="1")
    step = {"redemption_id": "r-1", "step": 1, "kind": "reserved", "offer_id": "o-1", "till": "till-1", "cents": 250}
    step |= {"receipt": "4711", "coupon": "k.n", "lease_id": "l-1", "member_id": who}
    new = {"member_id": "0f" * 16, "call_name": "Zoe", "language": "de", "age": "16plus"}
    card = {
        "binding_id": "b-1",
        "member_id": who,
        "credential_id": "c-1",
        "kind": "pass",
        "value": "37",
        "proof": "proven",
    }
    return (
        ("visit.entered", {"member_id": who, "zone": "coffee", "visit_id": "v-1"}),
        ("consent.recorded", asdict(act)),
        ("erasure.requested", {"member_id": who, "channel": "tablet"}),
        ("member.enrolled", {**new, "binding_id": "b-2", "valid_until_ms": NOW_MS + 1}),
        ("credential.bound", card),
        ("redemption.reserved", step),
        ("redemption.committed", {**step, "step": 2, "kind": "committed"}),
        ("redemption.reversed", {**step, "step": 3, "kind": "reversed"}),
        ("lease.closed", {"lease_id": "l-1", "spent": 250}),
        ("tills.restored", {"epoch": EPOCH}),
        ("coupon.issued", {"member_id": who, "offer_id": "o-1", "coupon": "k.n", "until_ms": NOW_MS, "place": "bar"}),
        ("points.changed", {"step_id": "s-1", "member_id": who, "points": 5, "source": "r-1"}),
    )


# How each topic is read; what is honest there is in the published contract, and in `_more`.
_READERS: dict[tuple[str, str], Callable[[bytes], object]] = {
    ("up", topics.STATE): messages.parse_state,
    ("up", topics.REQ): messages.parse_req,
    ("up", topics.EVENTS): event_messages.parse_events,
    ("up", topics.ACK): parse_ack,
    ("up", topics.WANT): pieces.parse_want,
    ("up", topics.BUNDLE): command_messages.parse_bundle,
    ("up", topics.HEALTH): report_messages.parse_health,
    ("down", topics.CMD): command_messages.parse_cmd,
    ("down", topics.HEAD): messages.parse_head,
    ("down", topics.DELTA): messages.parse_delta,
    ("down", topics.ACK): event_messages.parse_ack,
    ("down", topics.ERASE): erase_messages.parse_erase,
    ("down", topics.PIECE): pieces.parse_piece,
    ("down", topics.KEYS): signing.parse_keys,
    ("down", topics.SNAP): snapshot_messages.parse_snapshot,
    (topics.EAR_UP, ""): ear_messages.parse_up,
    (topics.EAR_STATE, ""): ear_messages.parse_ear_state,
    (topics.EAR_DOWN, ""): ear_messages.parse_down,
}


@cache
def kinds() -> tuple[Kind, ...]:
    """Every kind of message of every topic."""
    honest: dict[tuple[str, str], list[bytes]] = {}
    for channel in contract.CHANNELS:
        leaf = "" if channel.way in EARS else channel.leaf
        honest.setdefault((channel.way, leaf), []).extend(
            example for spoken in channel.spoken for example in spoken.examples
        )
    for place, payloads in _more().items():
        honest[place].extend(payloads)
    most = 1_000_000  # large ones may be packed, and are spoilt before that
    return tuple(
        Kind(*place, _READERS[place], tuple(packing.unpack(payload, most) for payload in payloads))
        for place, payloads in honest.items()
    )


def _more() -> dict[tuple[str, str], list[bytes]]:
    """Honest messages beside the contract's: every operation, events that headquarters acts on, several of a thing."""
    rows = [OutboxRow(n, NOW_MS + n, kind, json.dumps(body)) for n, (kind, body) in enumerate(_events(), 1)]
    token = Token(CredentialKind.IBEACON, b"i" * 20)
    frames = [Frame(token, -60, 5), Frame(Token(CredentialKind.EID, b"e" * 8), -71, 9)]
    deltas = [messages.delta(0, n + 1, [op], NOW_MS) for n, op in enumerate(ops())]
    return {
        ("up", topics.EVENTS): [
            *(event_messages.events(EPOCH, row.seq, row.seq, [row], stream_of(row.type)) for row in rows),
            event_messages.events(EPOCH, 1, len(rows), rows),
        ],
        ("down", topics.DELTA): [*deltas, messages.delta(0, 12, list(ops()[:12]), NOW_MS)],
        ("down", topics.ERASE): [erase_messages.erase(0, [Erasure(1, "m-9"), Erasure(2, "m-8")])],
        ("down", topics.PIECE): [pieces.piece(Piece(HASH, 0, 70_000, b"\0\xff" * 500))],
        ("down", topics.KEYS): [keys(NUMBER)],
        (topics.EAR_UP, ""): [
            ear_messages.heard(BOOT, 7, 1_000, frames),
            ear_messages.ask(BOOT, [Bucket("rotating", b"ab"), Bucket("static", b"a")]),
        ],
    }


# --- what a bad hand makes of a message ---------------------------------------------------------------------

# Written as they stand, because json.dumps would not: the text between the marks is put in without quotes.
_RAW = re.compile(rb'"\\u0001raw:((?:[^"\\]|\\.)*?)\\u0001"')
_DEEP = {depth: "[" * depth + "]" * depth for depth in (33, 200, 3_000, 40_000)}


def _raw(text: str) -> str:
    return f"\x01raw:{text}\x01"


_HOSTILE: tuple[Tree, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**40),
    *(0.0, 1.0, -0.5, 1e300, 5e-324),
    *("", " ", "\0", "\n", "\ud800", "\u202e", "ß" * 700, "x" * 64, "x" * 5_000, "#", "+/+", "../../etc/passwd"),
    *("' OR 1=1 --", "<script>", "${jndi:ldap://x}", "%s%n", "nan", "0x10", "\ufeff", "a\u0301"),
    *([], {}, [[]], [{}], {"": ""}, {"op": "member.erase"}, [None] * 300, {str(n): n for n in range(300)}),
    *("m-1", "coffee", "o-1", "ab" * 16, "cd" * 32, "2026-12-01", "https://x.example/", "member_id"),
    _raw("NaN"),
    _raw("-Infinity"),
    _raw("1e999"),
    _raw("9" * 5_000),
    _raw("-0"),
    _raw("01"),
    _raw("0.1e-400"),
    _raw('{"a":1,"a":2}'),
)


def _bombs() -> tuple[bytes, ...]:
    """zstd frames of half a gigabyte, that say so or not, in one another, wide, followed by more, of deep JSON."""
    found = []
    for says, fill in ((True, b"\0"), (False, b"\0"), (False, b"["), (False, b'{"v":1,')):
        size = 500_000_000 // len(fill) * len(fill)
        packer = zstandard.ZstdCompressor(level=1, write_content_size=says).compressobj(size=size if says else -1)
        block = fill * (1_000_000 // len(fill))
        parts = [packer.compress(block) for _ in range(size // len(block))]
        if says:
            parts.append(packer.compress(fill * ((size - size // len(block) * len(block)) // len(fill))))
        found.append(b"".join(parts) + packer.flush())
    wide = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    small = zstandard.compress(b'{"v":1,"type":"head","version":1,"boot":1,"erase_seq":0}')
    again = zstandard.compress(found[0])
    much = zstandard.ZstdCompressor(compression_params=wide).compress(b"[" * 1_000_000)
    return (*(one for one in found if len(one) < 90_000), again, zstandard.compress(again), much, small + small)


_WHOLES: tuple[bytes, ...] = (
    *(b"", b" ", b"\0", b"null", b"[]", b"{}", b"7", b'""', b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"\xed\xa0\x80"),
    *(b"SGS1", b"SGS1" + b"\0" * 79, b"SGS1" + b"\xff" * 200, b"SGS2" + b"\0" * 100, b"{" * 90_000),
    b'{"v":1,"type":"delta","parent":0,"version":1,"ops":' + b"[" * 60_000,
    b'{"v":1,"type":"delta","parent":0,"version":1,"ops":[' + b"{}," * 20_000 + b"{}]}",
    b'{"v":1,' * 10_000,
    b" " * (messages.MAX_PAYLOAD_BYTES + 1),
    gzip.compress(b'{"v":1,"type":"head"}' + b" " * 50_000_000),
    zlib.compress(b"\0" * 50_000_000),
    b"\x28\xb5\x2f\xfd" + b"\xff" * 60,  # looks like zstd
    *_bombs(),
)


def spoil(rng: random.Random, payload: bytes) -> bytes:
    """`payload` changed in one to three ways; now and then not at all, or something else altogether."""
    ways = _BYTES if rng.random() < 0.25 else (_shaped,)  # what is still JSON gets further
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        payload = rng.choice(ways)(rng, payload)
    if rng.random() < 0.1:
        payload = zstandard.compress(payload)
        if rng.random() < 0.3:
            payload = rng.choice((_flipped, _cut, _stuffed, _repeated))(rng, payload)
    return payload[: messages.MAX_PAYLOAD_BYTES + 1]  # as the link cuts it


def nudge(rng: random.Random, payload: bytes) -> bytes:
    """`payload` with another value of the same type in one or two places: what gets furthest."""
    head, feed, rest = payload.partition(b"\n")
    tree = json.loads(head)
    for _ in range(rng.choice((1, 1, 2))):
        _near_value(rng, *rng.choice(list(_places(tree))))
    return json.dumps(tree, separators=(",", ":")).encode() + feed + rest


def _flipped(rng: random.Random, payload: bytes) -> bytes:
    data = bytearray(payload)
    for _ in range(rng.randint(1, 6) if data else 0):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _cut(rng: random.Random, payload: bytes) -> bytes:
    start = rng.choice((0, 0, rng.randint(0, len(payload))))
    return payload[start : rng.randint(start, len(payload))]


def _stuffed(rng: random.Random, payload: bytes) -> bytes:
    at = rng.randint(0, len(payload))
    return payload[:at] + rng.randbytes(rng.randint(1, 200)) + payload[at:]


def _repeated(rng: random.Random, payload: bytes) -> bytes:
    start = rng.randint(0, len(payload))
    piece = payload[start : rng.randint(start, len(payload))]
    return payload[:start] + (piece * rng.choice((2, 3, 50)))[: messages.MAX_PAYLOAD_BYTES] + payload[start:]


def _spliced(rng: random.Random, payload: bytes) -> bytes:
    other = rng.choice(rng.choice(kinds()).honest)
    return payload[: rng.randint(0, len(payload))] + other[rng.randint(0, len(other)) :]


def _whole(rng: random.Random, payload: bytes) -> bytes:
    return rng.choice((*_WHOLES, rng.choice(rng.choice(kinds()).honest), payload))


def _shaped(rng: random.Random, payload: bytes) -> bytes:
    """Still JSON, and one thing in it is other than it should be."""
    head, feed, rest = payload.partition(b"\n")
    try:
        tree = json.loads(head)
    except (ValueError, RecursionError):  # it was spoilt before
        return payload
    places = list(_places(tree)) if isinstance(tree, dict | list) else []
    if not places:
        return payload
    holder, step = rng.choice(places)
    rng.choice(_SHAPES)(rng, holder, step)
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")
    if b"\\u0001raw:" in text:
        text = _RAW.sub(lambda found: json.loads(b'"%s"' % found[1]).encode(), text)
    return text + feed + rest


def _places(tree: Tree) -> Iterator[tuple[Tree, Any]]:
    """Every place of a value: what holds it, and under which name or number."""
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        steps: Sequence[Any] = list(holder) if isinstance(holder, dict) else range(len(holder))
        for step in steps:
            yield holder, step
            if isinstance(holder[step], dict | list):
                waiting.append(holder[step])


def _other_value(rng: random.Random, holder: Tree, step: Any) -> None:
    holder[step] = rng.choice(_HOSTILE)


def _near_value(rng: random.Random, holder: Tree, step: Any) -> None:
    """Of the same type, so that it may well be honest."""
    value = holder[step]
    if isinstance(value, bool):
        holder[step] = not value
    elif isinstance(value, int):
        holder[step] = rng.choice((value + 1, value - 1, value * 1_000, -value, 0, 1, rng.randrange(2**53)))
    elif isinstance(value, str):
        letters = list(value) or ["x"]
        letters[rng.randrange(len(letters))] = rng.choice("abc019-_. ßé\u2028\U0001f600")
        holder[step] = "".join(letters)
    elif isinstance(value, list):
        holder[step] = rng.choice((value * 2, value[::-1], value[:1]))


def _dropped(rng: random.Random, holder: Tree, step: Any) -> None:
    del holder[step]


def _added(rng: random.Random, holder: Tree, step: Any) -> None:
    if isinstance(holder, dict):
        holder[rng.choice(("", "v", "x" * 300, "__class__", "constructor", "member_id", "op"))] = rng.choice(_HOSTILE)
    else:
        holder.insert(step, rng.choice(_HOSTILE))


def _renamed(rng: random.Random, holder: Tree, step: Any) -> None:
    if isinstance(holder, dict):
        holder[step.upper() if rng.random() < 0.5 else step + "_"] = holder.pop(step)


def _doubled_name(rng: random.Random, holder: Tree, step: Any) -> None:
    if isinstance(holder, dict):
        holder[step] = _raw(f"0,{json.dumps(step)}:1")


def _many(rng: random.Random, holder: Tree, step: Any) -> None:
    one = len(json.dumps(holder[step])) + 1
    holder[step] = [holder[step]] * min(rng.choice((2, 65, 1_000)), 2 + 2 * messages.MAX_PAYLOAD_BYTES // one)


def _deep(rng: random.Random, holder: Tree, step: Any) -> None:
    holder[step] = _raw(_DEEP[rng.choice(tuple(_DEEP))])


def _other_version(rng: random.Random, holder: Tree, step: Any) -> None:
    if isinstance(holder, dict):
        holder["v"] = rng.choice((0, 2, -1, "1", True, 1.0, None, [1]))


_SHAPES = (
    *(_other_value, _other_value, _other_value, _near_value, _near_value, _near_value),
    *(_dropped, _added, _renamed, _doubled_name, _many, _deep, _other_version),
)
_BYTES = (_shaped, _flipped, _flipped, _cut, _stuffed, _repeated, _spliced, _whole)


# --- who signs it -------------------------------------------------------------------------------------------


def unsigned(rng: random.Random, leaf: str, body: bytes) -> bytes:
    """Bytes that nobody may believe, whatever they say: `body` without this gateway's own signature."""
    return rng.choice(_FORGERIES)(rng, leaf, body)


def _stolen(rng: random.Random, leaf: str, body: bytes) -> bytes:
    return signed(PLACE, leaf, body, NUMBER - 1)


def _not_told(rng: random.Random, leaf: str, body: bytes) -> bytes:
    return signed(PLACE, leaf, body, NUMBER + 1)


def _elsewhere(rng: random.Random, leaf: str, body: bytes) -> bytes:
    """A replay: signed for another gateway, shop or tenant."""
    return signed(rng.choice(OTHERS), leaf, body, NUMBER)


def _other_role(rng: random.Random, leaf: str, body: bytes) -> bytes:
    """Signed by a key that has another role."""
    role = rng.choice([role for role in Role if role != ROLE_OF[leaf]])
    return signing.sign(signer_key(role, NUMBER), NUMBER, PLACE.down(leaf), body)


def _over(rng: random.Random, leaf: str, body: bytes) -> bytes:
    return signed(PLACE, leaf, body, NUMBER, NOW_MS - rng.randint(1, 10**9))


def _changed(rng: random.Random, leaf: str, body: bytes) -> bytes:
    """Signed rightly, then one bit turned round, in envelope or body."""
    data = bytearray(signed(PLACE, leaf, body, NUMBER))
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _strangers(rng: random.Random, leaf: str, body: bytes) -> bytes:
    return signing.sign(key("a stranger"), NUMBER, PLACE.down(leaf), body)


_FORGERIES = (lambda _rng, _leaf, body: body, _stolen, _not_told, _elsewhere, _other_role, _over, _changed, _strangers)


def forged_keys(rng: random.Random) -> bytes:
    """Certificates that change nothing: of another root, with a number that is known, or over."""
    role = rng.choice([*Role])
    return signing.keys(
        [
            rng.choice(
                (
                    certificate(role, NUMBER + 1, root=key("another root")),
                    certificate(role, rng.randint(1, NUMBER - 1)),
                    certificate(role, NUMBER + 1, until_ms=NOW_MS - 1),
                    certificate(role, NUMBER + 1, from_ms=NOW_MS + 1),
                )
            )
        ]
    )
