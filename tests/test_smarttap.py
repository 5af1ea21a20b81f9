"""drivers.smarttap against the emulated phone: the published bytes, whole transcripts, every refusal, and attackers."""

import random
import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import iso7816, nested, smarttap, tapcrypto, wallet
from drivers.talk import CardGoneError, Found, Outcome, Refused, Talk
from drivers.tapcrypto import Ephemeral
from gateway.core.keyring import SmartTapKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.emulator import smarttap as emulated
from gateway.emulator.smarttap import Spec
from gateway.errors import PeerError
from tests.rigs.wallets import Tamper, Wire, key, talk, vector

ATTACKS = 10_000
COLLECTOR = bytes.fromhex("0133ee80")  # 20180608, the number of Google's public demo terminal
OTHER = bytes.fromhex("00000007")
PRIVATE = key("gateway test collector key")
OURS = SmartTapKey(COLLECTOR, 1, PRIVATE)
PASS = Found(Token(CredentialKind.PASS, b"2018"), Proof.BEARER)

NEGOTIATE, GET, MORE = "90530000", "90500000", "90c00000"
SELECT_OSE, SELECT = "00a40400", "00a40400"


def merchant(
    collector: bytes = COLLECTOR, version: int = 1, values: tuple[bytes, ...] = (b"2018",), form: int = 0
) -> Spec:
    return emulated.merchant(collector, version, PRIVATE.public_key(), list(values), form)


def phone(*merchants: Spec, **options: object) -> emulated.SmartTapPhone:
    return emulated.make(emulated.applet(list(merchants or (merchant(),)), **{"seed": "p", **options}))


def tap(applet: emulated.SmartTapPhone, *keys: SmartTapKey, tamper: Tamper | None = None) -> tuple[Outcome, Wire]:
    wire = Wire(applet, tamper)
    return wallet.converse(wire, talk(*(keys or (OURS,)))), wire


# --- the published bytes ------------------------------------------------------------------------------------


def test_negotiate_is_rebuilt_byte_for_byte() -> None:
    published = vector("google_smart_tap", "NEGOTIATE request")
    fields = {name: bytes.fromhex(value) for name, value in published["fields"].items() if isinstance(value, str)}
    own = Ephemeral(fields["terminal_nonce"], PRIVATE, fields["terminal_eph_pub"])
    data = smarttap.negotiation(
        own, fields["session_id"], fields["collector_id"], published["fields"]["key_version"], fields["signature_der"]
    )
    assert data.hex() == published["data"]
    assert smarttap.NEGOTIATE.hex() == published["cla_ins"]


def test_get_data_is_rebuilt_byte_for_byte() -> None:
    published = vector("google_smart_tap", "GET DATA request")
    session = bytes.fromhex("6b159a80fc8283fd")
    data = smarttap.request(session, bytes.fromhex("01020304"), b"\x00", bytes.fromhex("4100000004"))
    assert data.hex() == published["data"]
    assert smarttap.GET_DATA.hex() == published["cla_ins"]


def test_both_published_answers_to_select_offer_the_same_nonce() -> None:
    first, second = (vector("google_smart_tap", name) for name in ("SELECT OSE", "SELECT Smart Tap 2"))
    assert wallet.SELECT.hex() == first["apdu"]
    assert iso7816.select(smarttap.AID).hex() == second["apdu"]
    ose = bytes.fromhex(first["data"])
    for tag, value in first["decoded"]:
        assert iso7816.find(ose, 0x6F, int(tag, 16)) == bytes.fromhex(value)
    assert smarttap.mobile_nonce(bytes.fromhex(second["data"])).hex() == first["mobile_nonce"]
    key_agreed = tapcrypto.session_keys(
        tapcrypto.ephemeral(talk().random), iso7816.find(ose, 0x6F, 0xC3) or b"", b"", b""
    )
    assert len(key_agreed.aes) == 16


def test_the_published_answer_to_negotiate_holds_session_and_key() -> None:
    published = vector("google_smart_tap", "NEGOTIATE response")
    inside = nested.parse(nested.one(nested.parse(bytes.fromhex(published["data"])), b"nrs").payload)
    assert nested.one(inside, b"ses").payload.hex() == "6b159a80fc8283fd0101"
    assert nested.one(inside, b"dpk").payload.hex() == published["device_eph_pub"]


def test_a_collector_number_is_four_bytes() -> None:
    published = vector("google_smart_tap", "Google's public demo terminal")
    assert published["collector_id_decimal"].to_bytes(4, "big").hex() == published["collector_id_hex"]
    assert COLLECTOR.hex() == published["collector_id_hex"]


# --- transcripts --------------------------------------------------------------------------------------------

NEW_PHONE = """
> 00a404000a4f53452e5641532e303100
< 6f8184500a416e64726f6964506179c0020001c108cc00000000008080c220cb75f2d4efa4def913dba3ad6cd37ad49ab415075bc0a6c7
  9856a255c508e94bc32103584169bc258ccf5a28c83a53a644b81017cf85271fd92c445d288df7fb86d44ea523bf0c20611e4f09a00000
  0476d0000111870101730edf6d020000df4d020001df6201039000
> 90530000bdd403b76e6772000194030a73657345861571df4d60a9000154039f637072cba65410371f3cd78913d76daf81fddf3a44e401
  76cdba51fbfde29752775d01010249c098f2da283f2872c198fe46475a601b5d0393720274f3707fcc9fce46d012000000019403487369
  67043045022100f6cb2d6f79b0cd2bcc116f93136911b54d6217adddfbb3e77e7f8312c2c0ad2d02205013e0f5cdea4d44edbd33a5982d
  c70c008e15e1149b514583bf1e78cdfada62540305636c64040133ee8000
< d403376e727394030a73657345861571df4d60a9010154032164706b03584169bc258ccf5a28c83a53a644b81017cf85271fd92c445d28
  8df7fb86d44e9000
> 9050000036d40330737271000194030a73657345861571df4d60a9010114030b6d6572d40305636c64040133ee80540307736c72d40301
  7374720300
< d4036173727394030a73657345861571df4d60a9020154034b726562017c35e50061ebb5f25646b183a685dbd88a0b91c7683368da9ccb
  ff5901a73ae326b15abfae53fbf918ffe867df3e87f208b5c65ff6ad42926f9c9b893472e5904e9795f8dff7c92559f79000
"""
OLD_PHONE = """
> 00a404000a4f53452e5641532e303100
< 6f25500a416e64726f6964506179c0020001a513bf0c10610e4f09a000000476d00001118701019000
> 00a4040009a000000476d000011100
< 00000001dc0321036d646e6d646e047c35e50061ebb5f25646b18381a6240399e04c2ee5133ebae9108b2c5f74ef969000
> 90530000bcd403b66e6772000194030a73657345861571df4d60a9000154039e637072cba65410371f3cd78913d76daf81fddf3a44e401
  76cdba51fbfde29752775d01010249c098f2da283f2872c198fe46475a601b5d0393720274f3707fcc9fce46d012000000019403477369
  6704304402204e54697fe6cdd9a663667198f98a298cca69d87d78a9bb9f9c03625bcb5e7c1e0220382ba8ab9fb2a50c71d54413646014
  c892b8a30be40a6ba789631914c43c3ecf540305636c64040133ee8000
< d403376e727394030a73657345861571df4d60a9010154032164706b030fe80cdd650456ec1cf083aba722d47ea6aa08520a9eb04146f6
  2edf9641380e9000
> 9050000036d40330737271000194030a73657345861571df4d60a9010114030b6d6572d40305636c64040133ee80540307736c72d40301
  7374720300
< d4036173727394030a73657345861571df4d60a9020154034b726562016a10096a4f4be44c9f3ef890c002e421ead14947a14a02a2f83d
  0f46f4a235c0aa6020df926fb4e41276ec010857b571b0c636507ee8c2a8a9ccff0a105e29b1aaa046a2357a6c64e3a89000
"""


def said(wire: Wire) -> list[str]:
    return [line for apdu, reply in wire.said for line in (f"> {apdu.hex()}", f"< {reply.hex()}")]


def written(transcript: str) -> list[str]:
    """The lines of a transcript above, where long ones go on in the next, indented."""
    return transcript.replace("\n  ", "").split("\n")[1:-1]


def test_a_newer_phone_byte_for_byte() -> None:
    outcome, wire = tap(phone())
    assert outcome == PASS
    assert said(wire) == written(NEW_PHONE)


def test_an_older_phone_byte_for_byte() -> None:
    outcome, wire = tap(phone(old=True))
    assert outcome == PASS
    assert said(wire) == written(OLD_PHONE)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("chunk", [0, 1, 60])
def test_however_the_phone_sends_it(old: bool, compressed: bool, chunk: int) -> None:
    outcome, wire = tap(phone(old=old, compressed=compressed, chunk=chunk * 10 or 0))
    assert outcome == PASS
    assert wire.commands[: 2 + old] == [SELECT_OSE, *[SELECT] * old, NEGOTIATE]
    assert set(wire.commands[2 + old :]) <= {GET, MORE}


def test_parts_are_asked_for_until_there_are_none() -> None:
    outcome, wire = tap(phone(chunk=40))
    assert outcome == PASS
    assert wire.commands == [SELECT_OSE, NEGOTIATE, GET, MORE, MORE]


@pytest.mark.parametrize(
    ("form", "sent", "value"),
    [
        (0, b"M-42", b"M-42"),
        (1, b"M-42", b"M-42"),
        (2, "Ä".encode(), "Ä".encode()),
        (3, "Ä".encode("utf-16-be"), "Ä".encode()),
        (4, b"\x01\x2a", b"012a"),
        (5, b"\x12\x3f", b"123"),
        (-1, b"M-42", b"M-42"),
    ],
)
def test_the_value_is_text_in_any_format(form: int, sent: bytes, value: bytes) -> None:
    outcome, _ = tap(phone(merchant(values=(sent,), form=form)))
    assert outcome == Found(Token(CredentialKind.PASS, value), Proof.BEARER)


@given(st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=200), st.booleans())
def test_any_value_that_google_takes_round_trips(value: str, compressed: bool) -> None:
    outcome, _ = tap(phone(merchant(values=(value.encode(),)), compressed=compressed))
    assert outcome == Found(Token(CredentialKind.PASS, value.encode()), Proof.BEARER)


def test_each_session_is_new() -> None:
    one, two = (Wire(phone(seed="")) for _ in range(2))
    around = talk(OURS)
    assert wallet.converse(one, around) == wallet.converse(two, around) == PASS
    assert [apdu for apdu, _ in one.said][1:] != [apdu for apdu, _ in two.said][1:]


# --- what the plain message may hold ------------------------------------------------------------------------


def plain(*records: tuple[bytes, bytes]) -> bytes:
    return nested.encode(*records)


def test_a_customer_record_is_understood_and_a_pass_comes_first() -> None:
    customer = (b"cus", plain((b"cid", b"\x04" + bytes(range(16)))))
    card = (b"ly", plain((b"oid", b"\x04" + bytes(8)), (b"n", b"\x00M-42")))
    assert smarttap.pass_value(plain(customer)) == bytes(range(16)).hex().encode()
    assert smarttap.pass_value(plain((b"asv", plain(customer)))) == bytes(range(16)).hex().encode()
    assert smarttap.pass_value(plain((b"asv", plain(customer)), (b"asv", plain(card)))) == b"M-42"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "no_value"),
        (plain((b"asv", plain((b"i", b"\x04")))), "no_value"),
        (plain((b"asv", plain((b"of", plain((b"n", b"\x00M-42")))))), "no_value"),
        (plain((b"asv", plain((b"ly", plain((b"i", b"\x04")))))), "no_n"),
        (plain((b"asv", plain((b"ly", plain((b"n", b"\x00")))))), "value_size"),
        (plain((b"asv", b"\x00")), "record_malformed"),
    ],
)
def test_a_message_without_a_value(message: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        smarttap.pass_value(message)
    if message:
        assert tap(phone(plain=message))[0] == Refused(f"smarttap.{reason}")


def test_we_ask_for_loyalty_passes_and_nothing_else() -> None:
    """A customer record would be a lasting identifier of each Android phone that is held here."""
    _, wire = tap(phone())
    asked = nested.parse(nested.one(nested.parse(wire.said[2][0][5:-1]), b"srq").payload[2:])
    services = nested.parse(nested.one(asked, b"slr").payload)
    assert [(record.name, record.payload) for record in services] == [(b"str", b"\x03")]


# --- status words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "status", "outcome"),
    [
        ("get", "9001", None),
        ("get", "9102", None),
        ("get", "9302", Refused("smarttap.choose", Trouble.UNLOCK)),
        ("get", "9300", Refused("smarttap.unlock", Trouble.UNLOCK)),
        ("get", "6984", Refused("smarttap.unlock", Trouble.UNLOCK)),
        ("get", "6287", Refused("smarttap.unlock", Trouble.UNLOCK)),
        ("get", "6985", Refused("smarttap.unlock", Trouble.UNLOCK)),
        ("get", "9406", Refused("smarttap.busy", Trouble.AGAIN)),
        ("get", "9401", Refused("smarttap.request")),
        ("get", "9500", Refused("smarttap.other_merchant")),
        ("get", "6f00", Refused("smarttap.status", Trouble.AGAIN)),
        ("get", "9000", Refused("smarttap.no_srs")),
        ("negotiate", "9500", Refused("smarttap.other_merchant")),
        ("negotiate", "9302", Refused("smarttap.choose", Trouble.UNLOCK)),
        ("negotiate", "6d00", Refused("smarttap.status", Trouble.AGAIN)),
        ("negotiate", "9001", Refused("smarttap.status", Trouble.AGAIN)),
        ("negotiate", "9002", Refused("smarttap.no_nrs")),
        ("select", "6a82", None),
        ("select", "6985", Refused("smarttap.unlock", Trouble.UNLOCK)),
        ("ose", "6a82", None),
        ("ose", "6985", None),
    ],
)
def test_what_a_status_word_means(step: str, status: str, outcome: Outcome) -> None:
    assert tap(phone(old=step == "select", statuses={step: [status]}))[0] == outcome


def test_a_passing_fault_is_tried_again_and_then_left() -> None:
    twice = ["9200"] * smarttap.RETRIES
    outcome, wire = tap(phone(chunk=100, statuses={"negotiate": twice, "get": twice, "more": twice}))
    assert outcome == PASS
    assert Counter(wire.commands) == {SELECT_OSE: 1, NEGOTIATE: 3, GET: 3, MORE: 3}
    outcome, _ = tap(phone(statuses={"get": [*twice, "9200"]}))
    assert outcome == Refused("smarttap.transient", Trouble.AGAIN)


@pytest.mark.parametrize(("code", "reason"), [(5, "other_merchant"), (2, "session_status"), (0, "session_status")])
def test_what_the_session_record_says(code: int, reason: str) -> None:
    def tamper(apdu: bytes, reply: bytes) -> bytes:
        return reply.replace(b"\x02\x01T\x03", bytes([2, code]) + b"T\x03") if apdu[:4].hex() == GET else reply

    assert tap(phone(), tamper=tamper)[0] == Refused(f"smarttap.{reason}")


def test_a_version_we_do_not_speak() -> None:
    newer = {"<new>": bytes.fromhex("df6d020000"), "<min>": bytes.fromhex("df6d020002")}
    outcome, wire = tap(phone(), tamper=lambda _, reply: reply.replace(newer["<new>"], newer["<min>"]))
    assert outcome == Refused("smarttap.version")
    assert wire.commands == [SELECT_OSE]
    outcome, _ = tap(phone(old=True), tamper=lambda _, reply: reply.replace(b"\0\0\0\x01\xdc", b"\0\x02\0\x03\xdc"))
    assert outcome == Refused("smarttap.version")


def test_a_nonce_without_its_proper_length_is_refused() -> None:
    def shorter(_: bytes, reply: bytes) -> bytes:
        """The same number of bytes, but one of the nonce's becomes another field."""
        at = reply.find(b"\xc2\x20")
        return reply if at < 0 else reply[: at + 1] + b"\x1e" + reply[at + 2 : at + 32] + b"\xc9\x00" + reply[at + 34 :]

    outcome, wire = tap(phone(), tamper=shorter)
    assert outcome == Refused("smarttap.nonce")
    assert wire.commands == [SELECT_OSE]
    outcome, _ = tap(phone(old=True), tamper=lambda _, reply: reply.replace(b"mdnmdn\x04", b"mdnmdn\x02"))
    assert outcome == Refused("smarttap.nonce")


# --- several merchants and keys -----------------------------------------------------------------------------


def test_the_newest_key_comes_first_and_another_merchants_pass_is_none_of_ours() -> None:
    outcome, wire = tap(phone(merchant(OTHER, 1, ()), merchant()), OURS, SmartTapKey(OTHER, 1, PRIVATE))
    assert outcome == PASS
    assert wire.commands == [SELECT_OSE, NEGOTIATE, GET, SELECT, NEGOTIATE, GET]
    assert tap(phone(merchant(values=())))[0] is None


def test_a_key_version_that_the_phone_does_not_know_yet_is_followed_by_the_older_one() -> None:
    newer = SmartTapKey(COLLECTOR, 2, key("gateway test collector key 2"))
    outcome, wire = tap(phone(), OURS, newer)
    assert outcome == PASS
    assert wire.commands == [SELECT_OSE, NEGOTIATE, SELECT, NEGOTIATE, GET]
    assert tap(phone(), SmartTapKey(COLLECTOR, 1, newer.private))[0] == Refused("smarttap.other_merchant")


def test_a_collector_without_a_pass_is_not_asked_with_its_older_key() -> None:
    both = merchant(values=()), merchant(version=2, values=())
    outcome, wire = tap(phone(*both), OURS, SmartTapKey(COLLECTOR, 2, PRIVATE))
    assert outcome is None
    assert wire.commands == [SELECT_OSE, NEGOTIATE, GET]


def test_only_so_many_are_tried_in_one_tap() -> None:
    keys = [SmartTapKey(bytes([0, 0, 1, at]), 1, PRIVATE) for at in range(10)]
    known = [merchant(one.collector, 1, ()) for one in keys]
    outcome, wire = tap(phone(*known), *keys)
    assert outcome is None
    assert wire.commands.count(NEGOTIATE) == smarttap.ATTEMPTS_MAX


def test_more_than_one_pass_is_the_owners_choice() -> None:
    assert tap(phone(merchant(values=(b"1", b"2"))))[0] == Refused("smarttap.choose", Trouble.UNLOCK)


# --- attackers ----------------------------------------------------------------------------------------------


def test_a_phone_that_leaves_ends_the_conversation_at_any_step() -> None:
    for step in range(5):
        wire = Wire(phone(old=True, chunk=70), gone_after=step)
        with pytest.raises(CardGoneError):
            wallet.converse(wire, talk(OURS))
        assert len(wire.said) == step
    assert wallet.converse(Wire(phone(old=True, chunk=70), gone_after=5), talk(OURS)) == PASS


def test_endless_parts_have_an_end() -> None:
    for size, reason in ((0, "data_endless"), (1, "data_endless"), (300, "data_size"), (4000, "data_size")):
        outcome, wire = tap(
            phone(),
            tamper=lambda apdu, reply, size=size: bytes(size) + b"\x91\x00" if apdu[1] in (0x50, 0xC0) else reply,
        )
        assert outcome == Refused(f"smarttap.{reason}")
        assert wire.commands.count(MORE) < smarttap.PARTS_MAX
        assert sum(len(reply) for _, reply in wire.said) < 2 * smarttap.DATA_BYTES_MAX + 1000


def test_a_phone_that_stalls_wherever_it_may_gets_so_many_exchanges() -> None:
    keys = [SmartTapKey(bytes([0, 0, 1, at]), 1, PRIVATE) for at in range(10)]
    known = [merchant(one.collector, 1, ()) for one in keys]
    counted: Counter[str] = Counter()

    def tamper(apdu: bytes, reply: bytes) -> bytes:
        step = apdu[:4].hex()
        counted[step] += 1
        if step != SELECT and counted[step] % (1 + smarttap.RETRIES):
            return b"\x92\x00"
        if step == MORE and counted[MORE] // (1 + smarttap.RETRIES) % (smarttap.PARTS_MAX - 1) == 0:
            return b"\x90\x01"
        return b"\x91\x00" if step in (GET, MORE) else reply

    outcome, wire = tap(phone(*known), *keys, tamper=tamper)
    assert outcome is None
    assert len(wire.said) == smarttap.ATTEMPTS_MAX * (1 + (1 + smarttap.RETRIES) * (1 + smarttap.PARTS_MAX))


def test_a_zip_bomb_and_a_tower_of_records_are_refused() -> None:
    assert len(zlib.compress(bytes(3_000_000))) < 3500
    outcome, _ = tap(phone(plain=bytes(3_000_000), compressed=True, chunk=250))
    assert isinstance(outcome, Refused)
    assert outcome.reason in ("smarttap.bundle_size", "smarttap.bundle_zlib")
    tower = b"\x00M-42"
    for _ in range(300):
        tower = plain((b"asv", tower))
    assert tap(phone(plain=tower, chunk=250))[0] == Refused("smarttap.no_value")


def test_an_unsealed_pass_is_not_taken() -> None:
    """Without a session a wallet may send plainly; then anybody could have, without even a key."""

    def tamper(apdu: bytes, reply: bytes) -> bytes:
        if apdu[:4].hex() != GET:
            return reply
        session = nested.parse(nested.parse(reply[:-2])[0].payload)[0].payload
        bundle = b"\x00" + emulated.loyalty(b"2018" * 9)
        return plain((b"srs", plain((b"ses", session), (b"reb", bundle)))) + b"\x90\x00"

    outcome, _ = tap(phone(), tamper=tamper)
    assert outcome == Refused("smarttap.bundle_flag")


class Attacker:
    """Changes one reply of a true phone: forged, replayed, truncated or out of order."""

    def __init__(self, rng: random.Random, earlier: list[tuple[bytes, bytes]]) -> None:
        self.rng = rng
        self.kind = rng.choice(["forged", "replayed", "grafted", "truncated", "reordered", "made up"])
        self.at = rng.choice([NEGOTIATE, GET])
        self.earlier = {apdu[:4].hex(): reply for apdu, reply in earlier}
        self.seen: dict[str, bytes] = {}

    def __call__(self, apdu: bytes, reply: bytes) -> bytes:
        step = apdu[:4].hex()
        self.seen[step] = reply
        if step != self.at:
            return reply
        data, status = bytearray(reply[:-2]), reply[-2:]
        match self.kind:
            case "forged":
                for _ in range(self.rng.choice([1, 1, 1, 2, 9])):
                    data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
                return (bytes(data) if bytes(data) != reply[:-2] else b"") + status
            case "replayed":
                return self.earlier[step]
            case "grafted":  # an earlier answer in this session's clothes
                inside = nested.parse(nested.parse(bytes(data))[0].payload)
                old = nested.parse(nested.parse(self.earlier[step][:-2])[0].payload)
                name = nested.parse(bytes(data))[0].name
                return plain((name, plain((b"ses", inside[0].payload), (old[1].name, old[1].payload)))) + status
            case "truncated":
                return bytes(data[: self.rng.randrange(len(data))]) + status
            case "reordered":
                return self.seen[NEGOTIATE if step == GET else SELECT_OSE]
        session = apdu[apdu.index(b"ses") + 3 :][:8]
        name, number, inner, size = (b"nrs", 1, b"dpk", 33) if step == NEGOTIATE else (b"srs", 2, b"reb", 99)
        body = self.rng.choice([b"", b"\x01", b"\x02", b"\x03", b"\x00"]) + self.rng.randbytes(size)
        parts = (b"ses", session + bytes([number, 1])), (inner, body[:size])
        return plain((name, plain(*parts))) + b"\x90\x00"


def surroundings(rng: random.Random) -> Talk:
    around = talk(OURS)
    return Talk(around.keyring, around.place, around.now_ms, rng.randbytes)


def test_ten_thousand_attacks_and_none_is_taken() -> None:
    rng = random.Random(4)
    applet = phone(seed="")
    record = Wire(applet)
    assert wallet.converse(record, surroundings(rng)) == PASS
    reasons: dict[str, Counter[str]] = {}
    for _ in range(ATTACKS):
        applet.select()
        attacker = Attacker(rng, record.said)
        outcome = wallet.converse(Wire(applet, attacker), surroundings(rng))
        assert isinstance(outcome, Refused), attacker.kind
        reasons.setdefault(attacker.kind, Counter())[outcome.reason] += 1
    assert len(reasons) == 6
    assert sum(count.total() for count in reasons.values()) == ATTACKS
    assert all(reason.startswith("smarttap.") for count in reasons.values() for reason in count)
    assert reasons["grafted"] == Counter({"smarttap.bundle_mac": reasons["grafted"].total()})
    assert set(reasons["replayed"]) == {"smarttap.session"}
    applet.select()
    assert wallet.converse(Wire(applet), surroundings(rng)) == PASS  # the true one still is


def test_parts_in_another_order_are_refused() -> None:
    true = Wire(phone(chunk=30))
    assert wallet.converse(true, talk(OURS)) == PASS
    count = len(true.said) - 2
    for swap in range(count - 1):
        order = list(range(count))
        order[swap], order[swap + 1] = order[swap + 1], order[swap]
        parts = [true.said[2 + at][1][:-2] for at in order]
        replies = [
            true.said[0][1],
            true.said[1][1],
            *[part + b"\x91\x00" for part in parts[:-1]],
            parts[-1] + b"\x90\x00",
        ]
        outcome = wallet.converse(lambda apdu, replies=replies: replies.pop(0), talk(OURS))
        assert isinstance(outcome, Refused)


def test_a_whole_conversation_replayed_to_another_session_is_refused() -> None:
    true = Wire(phone())
    assert wallet.converse(true, talk(OURS)) == PASS
    replies = [reply for _, reply in true.said]
    assert wallet.converse(lambda apdu: replies.pop(0), talk(OURS, seed="later")) == Refused("smarttap.session")


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_whatever_is_answered_nothing_but_an_outcome_comes_out(replies: list[bytes]) -> None:
    rest = [bytes.fromhex(vector("google_smart_tap", "SELECT OSE")["data"]) + b"\x90\x00", *replies]

    def exchange(apdu: bytes) -> bytes:
        if not rest:
            raise CardGoneError
        return rest.pop(0)

    try:
        outcome = wallet.converse(exchange, talk(OURS))
    except CardGoneError:
        return
    assert outcome is None or isinstance(outcome, Refused)
