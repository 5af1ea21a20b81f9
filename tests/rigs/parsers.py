"""Everything of ours that reads what somebody else wrote, in one table: with honest inputs, and what it may raise.

Messages of the wire have a rig of their own (tests.rigs.hostile), requests to the pages too (tests.rigs.fuzzed).
"""

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers import frames, iso7816, mgmtwire, nested, replay, smarttap, sun, tags, typed, vas
from drivers.people import population
from gateway import calibrate, config, mapfile, merging
from gateway.core import base64url, basketcode, coupon, eligible, gs1, keyring, provision, release, tagid
from gateway.core.keyring import KeyUse, SunKey
from gateway.core.proof import Proof
from gateway.emulator import vas as passes
from gateway.errors import ConfigError, PeerError
from sync import packing, snapshot_messages
from sync.hq import orders, tabular
from sync.messages import compact
from tests.rigs import provisioned
from tests.rigs.terminalkeys import material

ROOT = Path(__file__).parents[2]
MOST_BYTES = (
    4_096  # of an input: more than a card, a code or an advertisement holds; files are bounded by their readers
)
KEY = bytes(range(32))
NOW_MS = 1_800_000_000_000

Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Parser:
    """`read` refuses by one of `refusals`, or by a value of its own; anything else that it raises is a crash."""

    name: str  # "package.module:function"
    read: Read
    honest: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = (PeerError,)


@cache
def parsers() -> tuple[Parser, ...]:
    """The table, in the order of who writes what is read: radio, cards, phones, people, files."""
    return (*_on_air(), *_on_cards(), *_typed(), *_files())


def damaged(rng: random.Random, one: Parser) -> bytes:
    """An honest input in which a few bytes are other, gone, more, or another input's; now and then only noise."""
    data = bytearray(rng.choice(one.honest))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        at, end = rng.randint(0, len(data)), rng.randint(0, len(data))
        match rng.randrange(7):
            case 0 | 1:
                if data:
                    data[at - 1] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, data[at - 1] ^ 1 << rng.randrange(8)))
            case 2:
                del data[min(at, end) : max(at, end)]
            case 3:
                data[at:at] = rng.randbytes(rng.randint(1, 40))
            case 4:
                data[at:at] = bytes(data[min(at, end) : max(at, end)]) * rng.choice((1, 1, 20))
            case 5:
                data[at:] = rng.choice(one.honest)[end:]
            case _:
                data = bytearray(rng.randbytes(rng.choice((0, 1, 3, 31, 300)))) if rng.random() < 0.2 else data
    return bytes(data[:MOST_BYTES])


def became(result: object) -> str:
    """What a parser that refuses by a value made of an input, in a word."""
    reason = result if isinstance(result, str) else getattr(result, "reason", None)
    return "nothing" if result is None else str(reason) if isinstance(reason, str) and reason else "read"


def _text(read: Callable[[str], object]) -> Read:
    """Of a text, as whoever hands it on has decoded it."""
    return lambda data: read(data.decode("utf-8", "replace"))


def _bytes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _on_air() -> tuple[Parser, ...]:
    lines = (ROOT / "tests" / "recordings" / "shop_minute.jsonl").read_bytes().splitlines()[:400]
    heard = tuple(bytes.fromhex(json.loads(line)["adv"]) for line in lines if b'"adv"' in line)
    ours = (
        frames.encode_eid(KEY[:8], -20),
        frames.encode_uid(KEY[:16], -20),
        frames.encode_ibeacon(KEY[:20], -59),
        frames.encode_altbeacon(KEY[:20], -59),
        frames.encode_app(KEY[: frames.TOKEN_BYTES]),
        frames.encode_app_uuid(KEY[: frames.TOKEN_BYTES]),
    )
    found = [mgmtwire._FOUND.pack(KEY[:6], 1, -60, 0, len(ad)) + ad for ad in ours]
    told = [(mgmtwire._DEVICE_FOUND, body) for body in found]
    told += [(mgmtwire._MONITOR_DEVICE_FOUND, bytes(2) + body) for body in found]
    told += [(code, mgmtwire._ANSWER.pack(5, 0) + bytes(4)) for code in (1, 2)]
    told += [(code.value, bytes(2 if code is mgmtwire.Event.MONITOR_REMOVED else 4)) for code in mgmtwire.Event]
    kernel = tuple(mgmtwire._HEADER.pack(code, 0, len(body)) + body for code, body in told)
    return (
        Parser("drivers.frames:decode", frames.decode, (*ours, *heard)),
        Parser("drivers.mgmtwire:decode", lambda data: mgmtwire.decode(data, 0), kernel),
        Parser("drivers.replay:from_line", replay.from_line, tuple(lines[:50])),
    )


def _on_cards() -> tuple[Parser, ...]:
    loyalty = nested.encode((b"ly", nested.encode((b"n", b"\x01\x04" + b"4711"), (b"oid", b"\x04abcd"))))
    whole = nested.encode((b"asv", loyalty), (b"cus", nested.encode((b"cid", b"\x0112"))))
    nonce = b"\x00\x00\x00\x01" + nested.encode((b"mdn", b"\x04" + KEY))
    private = ec.derive_private_key(int.from_bytes(KEY, "big"), ec.SECP256R1())
    vas_key = keyring.VasKey("pass.example.loyalty", private)
    shown = passes.nfc_pass(vas_key.pass_type_id, private.public_key(), b"4711")
    answer = iso7816.tlv(0x70, iso7816.tlv(0x9F27, passes.seal(shown, private, NOW_MS // 1000, 0)))
    messages = (tags.encode_uri("https://card.example/a"), tags.encode_text("4711"), tags.encode_uri("tel:1"))
    mirrored = "https://card.example/?picc_data=" + "AB" * 16 + "&enc=" + "CD" * 16 + "&cmac=" + "12" * 8
    plain = "https://card.example/?uid=04DE5F1EACC040&ctr=00003D&cmac=94EED9EE65337086"
    own = SunKey(KEY[:16], KEY[16:])
    return (
        Parser("drivers.tags:decode", tags.decode, messages),
        Parser("drivers.nested:parse", nested.parse, (whole, loyalty, nonce[4:])),
        Parser("drivers.smarttap:pass_value", smarttap.pass_value, (whole, loyalty)),
        Parser("drivers.smarttap:mobile_nonce", smarttap.mobile_nonce, (nonce,)),
        Parser("drivers.iso7816:tlvs", iso7816.tlvs, (answer,)),
        Parser("drivers.vas:opened", lambda data: vas.opened(data, [vas_key]), (answer,)),
        Parser("drivers.sun:read", _text(lambda text: sun.read(text, own)), tuple(map(str.encode, (mirrored, plain)))),
    )


def _typed() -> tuple[Parser, ...]:
    private = Ed25519PrivateKey.from_private_bytes(KEY)
    public = private.public_key()
    known = {"k1": coupon.PublicKey("k1", public.public_bytes_raw())}
    tokens = tuple(base64url.encode(KEY * n).encode() for n in (1, 2, 4))
    coupons = [coupon.issue(private, "k1", "o-1", NOW_MS // 1000 + 9, KEY[:8], who, "a/b") for who in ("", "m-1")]
    baskets = [basketcode.issue(private, basketcode.Code("b-1", "ab" * basketcode.DIGEST_BYTES, 250, 2, 2_000_000_000))]
    codes = (b"9520000000011", b"96385074", b"(01)09520000000011(10)A1(3103)001250", b"]C10109520000000011\x1d10AB")
    codes += (b"https://id.example/01/09520000000011/10/A1?3103=000500", b"2812345001502")
    uses = list(KeyUse)
    materials = tuple(bytes([n]) + material(use, "fuzz") for n, use in enumerate(uses))
    lines = (b"4711\r\n0815\n", b"https://x.example/1\r\n", "ß\n".encode())
    return (
        Parser("drivers.typed:Lines", lambda data: typed.Lines().feed(data, 0), lines),
        Parser("drivers.typed:judge", lambda data: typed.judge(data, Proof.BEARER), lines),
        Parser("gateway.core.gs1:parse", _text(gs1.parse), codes),
        Parser("gateway.core.tagid:decode", _text(tagid.decode), tokens),
        Parser("gateway.core.base64url:decode", _text(base64url.decode), tokens),
        Parser(
            "gateway.core.coupon:verify", _text(lambda text: coupon.verify(text, known, "a/b", NOW_MS)), _bytes(coupons)
        ),
        Parser(
            "gateway.core.basketcode:verify", _text(lambda t: basketcode.verify(t, public, NOW_MS)), _bytes(baskets)
        ),
        Parser(
            "gateway.core.keyring:parse",
            lambda data: keyring.parse(uses[sum(data[:1]) % len(uses)], data[1:]),
            materials,
        ),
        Parser("gateway.calibrate:parse_point", _text(calibrate.parse_point), (b"1.5 2 wine", b"3,25 -4")),
    )


def _files() -> tuple[Parser, ...]:
    ops = population(1, 3)
    lines = tuple(json.dumps(op).encode() for op in ops)
    members = [compact(op) for op in ops if op["op"] in ("member.put", "credential.put", "consent.add")]
    csv = (
        b"member_id,call_name,language,interests\r\nm-1,Mia,de,coffee;wine\r\nm-2,\"O''Neil, P.\",en,\r\n",
        "member_id;credential_id;kind;value\nm-1;c-1;ndef;68747470\nm-2;c-2;pass;37\n".encode("utf-16"),
        b"event_id\tmember_id\tpurpose\tstate\tgiven_at\ne-1\tm-1\trecognise_nfc\tgiven\t2026-11-23T10:00:00Z\n",
    )
    walked = {"id": "a", "x_m": 1.0, "y_m": 2.0, "zone": "wine"}
    point = {"x_m": 1.0, "y_m": 2.0, "zone": "wine", "levels_dbm": {"a": -60}}
    survey = json.dumps({"store_gateway_radio_map": 1, "receivers": [walked], "points": [point]}).encode()
    rule = {"all": [{"is": ["zone", "coffee"]}, {"not": {"below": ["hour", 9]}}, {"in": ["hour", [9, 10]]}]}
    steered = json.dumps({"mqtt": {"host": "b.example", "port": 8883}, "nfc": {"poll_ms": 50}, "screen": []}).encode()
    private = Ed25519PrivateKey.from_private_bytes(KEY)
    package = release.Package("store-gateway_1.0_arm64.deb", 1_000, "ab" * 32)
    signed = release.signed(release.Release("1.0", "0.1", {"arm64": package}, NOW_MS), private)
    trusted = private.public_key().public_bytes_raw()
    named = b'[gateway]\ntenant = "muster"\nstore = "ulm"\nid = "gw1"\n'
    example = (ROOT / "systemd" / "gateway.toml.example").read_bytes().replace(b"[gateway]\n", named)[:MOST_BYTES]
    ear = (ROOT / "systemd" / "scanner.toml.example").read_bytes()
    chunk = snapshot_messages.chunk(members)
    known = orders.ALL_OPS
    return (
        Parser("sync.snapshot_messages:parse_chunk", _chunk, (chunk, *map(str.encode, members))),
        Parser("sync.hq.orders:read_op", lambda data: orders.read_op("1", data, known), lines, (ConfigError,)),
        Parser("sync.hq.tabular:lines", _in_file(_rows, ".csv"), csv, (ConfigError,)),
        Parser("gateway.config:load", _in_file(config.load), (example, _LEAST), (ConfigError,)),
        Parser("gateway.config:load_scanner", _in_file(config.load_scanner), (ear,), (ConfigError,)),
        Parser("gateway.mapfile:load_survey", _in_file(mapfile.load_survey), (survey,), (ConfigError,)),
        Parser("gateway.merging:read", _text(merging.read), (steered,)),
        Parser("gateway.core.eligible:parse", _tree(eligible.parse), (json.dumps(rule).encode(),)),
        Parser("gateway.core.release:read", lambda data: release.read(data, [trusted]), (signed,)),
        Parser("gateway.core.provision:read", lambda data: provision.read(data, ""), _provisioning()),
    )


def _provisioning() -> tuple[bytes, ...]:
    """Files of headquarters."""
    laid = provisioned.file(layout={"screen": [{"id": "bar", "zone": "coffee"}]})
    return provisioned.file(), laid, provisioned.file(name="Ulm")


def _chunk(data: bytes) -> object:
    """Of packed bytes, or of what they hold."""
    return snapshot_messages.parse_chunk(data if data.startswith(packing.MAGIC) else packing.frame(data))


def _rows(path: Path) -> object:
    found = [line.op for line in tabular.lines(path, "Europe/Berlin")]
    for op in found:
        if isinstance(op, ConfigError):
            raise op
    return found


_LEAST = (
    b'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "/x"\n[[source]]\npath = "ble:hci0"\nreceiver = "a"\n'
)
_LEAST += b'[[receiver]]\nid = "a"\nzone = "z"\n'


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """In memory, gone with this process."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="parsers-", dir=memory if memory.is_dir() else None)


def _in_file(read: Callable[[Path], object], suffix: str = "") -> Read:
    def from_file(data: bytes) -> object:
        path = Path(_folder().name) / f"input{suffix}"
        path.write_bytes(data)
        return read(path)

    return from_file


def _tree(read: Callable[[object], object]) -> Read:
    def from_json(data: bytes) -> object:
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            raise PeerError("not_json") from None  # as whoever hands it the tree does
        return read(tree)

    return from_json


# Functions whose names say that they read, and why they are not in the table.
ELSEWHERE: dict[str, Sequence[str]] = {
    "with keys and a whole conversation: test_sun.py, test_tags.py, test_vas.py, and `make forgeries`": (
        "drivers.sun:judge",
        "drivers.signed:judge",
        "drivers.tags:judge",
        "drivers.vas:decrypt",
    ),
    "written by this box alone, sealed or beside its key": (
        "gateway.core.recorded:load",
        "gateway.keycopy:read",
        "gateway.ledgerfile:read",
    ),
    "files and folders that an operator names, each of whose lines or bodies is read by one of the table": (
        "drivers.replay:read",
        "gateway.calibrate:from_csv",
        "gateway.mapfile:load_radio_map",
        "gateway.releasefiles:read_manifest",
        "gateway.scanner:load",
        "gateway.service:load",
        "sync.hq.bundles:read_brand",
        "sync.hq.bundles:read_content",
        "sync.hq.keyfiles:load",
        "sync.hq.keyfiles:read",
        "sync.hq.keyfiles:read_issuing",
        "sync.hq.keyfiles:read_sun",
        "sync.hq.orders:read_catalogue",
        "sync.hq.orders:read_config",
        "sync.hq.orders:read_ops",
        "sync.hq.orders:read_segments",
        "sync.hq.pricefiles:read",
        "sync.hq.signer:read",
        "sync.hq.steering:read_config",
        "sync.hq.steering:read_document",
        "sync.hq.tomlfiles:read",
    ),
    "data sets for evaluations on a developer's machine": (
        "gateway.openbandit:read",
        "gateway.zonedata:load",
        "gateway.zonedata:load_fingerprints",
        "gateway.zonedata:load_receivers",
    ),
    "opens our own database": ("gateway.dbfile:read_opened",),
}
