"""drivers.vas against the emulated phone: the published bytes, whole transcripts, every refusal, and attackers."""

import dataclasses
import hashlib
import random
from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from drivers import iso7816, vas, wallet
from drivers.ears import WINDOW_MS
from drivers.talk import CardGoneError, Found, Outcome, Refused
from gateway.core.identity import static_digest
from gateway.core.keyring import VasKey
from gateway.core.model import Credential, CredentialKind, Proof, Token, Trouble
from gateway.core.vault import Vault
from gateway.emulator import vas as emulated
from gateway.errors import PeerError
from gateway.migrations import migrate
from gateway.records import Tx
from tests.rigs.instant import SITE_KEY
from tests.rigs.listener import MEMBER, Listener
from tests.rigs.wallets import NOW_MS, Tamper, Wire, key, talk, vector

ATTACKS = 10_000
TYPE = "pass.example.loyalty"
MERCHANT = key("gateway test merchant key")
OURS = VasKey(TYPE, MERCHANT)
MESSAGE = b"M-000042"
SELECT_OSE, GET = "00a40400", "80ca0101"


def card(
    pass_type_id: str = TYPE, private: ec.EllipticCurvePrivateKey = MERCHANT, message: bytes = MESSAGE
) -> emulated.Spec:
    return emulated.nfc_pass(pass_type_id, private.public_key(), message)


def phone(*passes: emulated.Spec, **options: object) -> emulated.VasPhone:
    spec = emulated.applet(list(passes or (card(),)), NOW_MS // 1000, **{"seed": "p", **options})
    return emulated.make(spec)


def tap(applet: emulated.VasPhone, *keys: VasKey, tamper: Tamper | None = None) -> tuple[Outcome, Wire]:
    wire = Wire(applet, tamper)
    return wallet.converse(wire, talk(*(keys or (OURS,)))), wire


def cryptogram(reply: bytes) -> bytes:
    return iso7816.find(reply[:-2], 0x70, 0x9F27) or b""


def answer(sealed: bytes) -> bytes:
    """The reply to GET DATA around a cryptogram."""
    return iso7816.tlv(0x70, iso7816.tlv(0x9F2A, b"") + iso7816.tlv(0x9F27, sealed)) + b"\x90\x00"


# --- the published bytes ------------------------------------------------------------------------------------


def test_select_is_the_published_one() -> None:
    assert wallet.SELECT.hex() == vector("apple_vas", "SELECT OSE.VAS.01")["apdu"]


@pytest.mark.parametrize("name", ["SELECT response example 1", "SELECT response example 2"])
def test_both_published_answers_are_a_wallet_that_we_ask(name: str) -> None:
    published = vector("apple_vas", name)
    ose = bytes.fromhex(published["data"])
    for tag, value in published.get("decoded", []):
        assert iso7816.find(ose, 0x6F, int(tag, 16)) == bytes.fromhex(value)
    said = [ose + b"\x90\x00", bytes.fromhex("6a83")]
    assert wallet.converse(lambda apdu: said.pop(0), talk(OURS)) is None
    assert not said


def test_get_data_is_rebuilt_byte_for_byte() -> None:
    published = vector("apple_vas", "GET DATA command")
    pass_type = vector("apple_vas", "merchant id hash")
    data = vas.request(pass_type["pass_type_id"], url=b"https://apple.com")
    assert data.hex() == published["data"]
    assert len(data) == published["lc"]
    assert vas.GET_DATA.hex() == published["cla_ins_p1_p2"]
    assert pass_type["sha256"] in data.hex()
    for tag, value in published["decoded"]:
        assert iso7816.find(data, int(tag, 16)) == bytes.fromhex(value)


@pytest.mark.parametrize("name", ["GET DATA response + plaintext", "GET DATA response README", "cryptogram example"])
def test_the_published_cryptograms_have_their_parts_and_no_key_of_ours(name: str) -> None:
    """No private key is published: structure only."""
    published = vector("apple_vas", name)
    data = bytes.fromhex(published.get("data", ""))
    sealed = iso7816.find(data, 0x70, 0x9F27) if data else bytes.fromhex(published["cryptogram"])
    assert sealed is not None
    if "key_id" in published:
        assert sealed[:4].hex() == published["key_id"]
        assert sealed[4:36].hex() == published["device_pub_x"]
        assert sealed[36:].hex() == published["ciphertext_and_tag"]
        assert len(sealed) == 4 + 32 + 4 + len(published["payload"]) + 16
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + sealed[4:36])  # a point of the curve
    with pytest.raises(PeerError, match="other_key"):
        vas.decrypt(sealed, [OURS])


@pytest.mark.parametrize("name", ["synthetic full vector, method 1", "synthetic full vector, method 2"])
def test_the_synthetic_vectors_open(name: str) -> None:
    published = vector("apple_vas", name)
    sealed = bytes.fromhex(published["cryptogram"])
    device = key("gateway test device eph")
    shared = MERCHANT.exchange(ec.ECDH(), device.public_key())
    assert shared.hex() == published["ecdh_z"]
    hashed = hashlib.sha256(TYPE.encode()).digest()
    words = vector("apple_vas", "KDF parameters")
    assert "ApplePay encrypted VAS data" in words["method2_shared_info"]
    info = b"ApplePay encrypted VAS data"
    info = b"\x0did-aes256-GCM" + info + hashed if name.endswith("1") else info
    assert vas.derived(shared, info).hex() == published["aes_key"]
    assert vas.decrypt(sealed, [VasKey(published["pass_type_id"], MERCHANT)]) == (
        published["timestamp"].to_bytes(4, "big") + published["payload"].encode()
    )
    found = vas.opened(answer(sealed)[:-2], [OURS])
    assert found == Found(
        Token(CredentialKind.PASS, b"M-000042"),
        Proof.BEARER,
        once=hashlib.sha256(sealed).digest(),
        made_ms=(published["timestamp"] + vas.APPLE_EPOCH_S) * 1000,
    )
    variant = int(name[-1])
    unix_s = published["timestamp"] + vas.APPLE_EPOCH_S
    assert emulated.seal(card(), device, unix_s, variant) == sealed  # the emulated phone makes the same


# --- transcripts --------------------------------------------------------------------------------------------

TRANSCRIPT = """
> 00a404000a4f53452e5641532e303100
< 6f1d50084170706c655061799f210201009f2404195df3d39f23040000001e9000
> 80ca0101379f220201009f2520437121f3d891f46c943dd9b7bc2ad909ca04ae7a8b1ae8226f1089f27d0b310e9f2604008000029f2b05
  010000000000
< 70469f2a009f27403acd9100d690b6c32c985274e1bb5d17b0379a92a86e0ec7e3c9470b482b88948a0634587bec2c51dc8874a70146ef
  e3a3b4743f0ec628331e42a6b4a566ce1a9000
"""


def said(wire: Wire) -> list[str]:
    return [line for apdu, reply in wire.said for line in (f"> {apdu.hex()}", f"< {reply.hex()}")]


def written(transcript: str) -> list[str]:
    """The lines of a transcript above, where long ones go on in the next, indented."""
    return transcript.replace("\n  ", "").split("\n")[1:-1]


def test_a_tap_byte_for_byte() -> None:
    outcome, wire = tap(phone())
    assert said(wire) == written(TRANSCRIPT)
    assert isinstance(outcome, Found)
    assert outcome.token == Token(CredentialKind.PASS, MESSAGE)
    assert outcome.proof is Proof.BEARER
    assert outcome.made_ms == NOW_MS
    assert outcome.once == hashlib.sha256(cryptogram(wire.said[1][1])).digest()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=16), st.sampled_from([1, 2]))
def test_any_message_round_trips_in_both_variants(message: str, variant: int) -> None:
    outcome, _ = tap(phone(card(message=message.encode()), variant=variant))
    assert isinstance(outcome, Found)
    assert outcome.token.value == message.encode()


def test_a_long_message_takes_a_two_byte_length() -> None:
    outcome, wire = tap(phone(card(message=b"x" * 64)))
    assert isinstance(outcome, Found)
    assert wire.said[1][1][:2] == b"\x70\x7e"
    outcome, wire = tap(phone(card(message=b"x" * 150)))
    assert isinstance(outcome, Found)
    assert wire.said[1][1][:2] == b"\x70\x81"


def test_either_half_of_the_devices_key_opens() -> None:
    """Only X travels; the phone's own Y may be either."""
    seen = set()
    for number in range(8):
        device = key(f"device {number}")
        seen.add(device.public_key().public_numbers().y & 1)
        assert vas.decrypt(emulated.seal(card(), device, NOW_MS // 1000, 1), [OURS]).endswith(MESSAGE)
    assert seen == {0, 1}


# --- several passes and keys --------------------------------------------------------------------------------


def test_the_newest_pass_type_comes_first_and_the_next_follows() -> None:
    other = VasKey("pass.example.other", key("other merchant"))
    outcome, wire = tap(phone(), OURS, other)
    assert isinstance(outcome, Found)
    assert wire.commands == [SELECT_OSE, GET, GET]
    modes = [iso7816.find(apdu[5:-1], 0x9F26) for apdu, _ in wire.said[1:]]
    assert modes == [bytes.fromhex("00800082"), bytes.fromhex("00800002")]  # more follow; the last one
    assert iso7816.find(wire.said[1][0][5:-1], 0x9F25) == hashlib.sha256(b"pass.example.other").digest()
    assert tap(phone(), other)[0] is None


def test_the_key_id_picks_the_key_of_a_pass_type() -> None:
    newer = VasKey(TYPE, key("newer merchant key"))
    outcome, wire = tap(phone(), OURS, newer)
    assert isinstance(outcome, Found)
    assert wire.commands == [SELECT_OSE, GET]
    assert tap(phone(), newer)[0] == Refused("vas.other_key")


def test_only_so_many_pass_types_are_asked_for() -> None:
    outcome, wire = tap(phone(), *[VasKey(f"pass.example.{at}", MERCHANT) for at in range(10)])
    assert outcome is None
    assert wire.commands.count(GET) == vas.PASS_TYPES_MAX


# --- status words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("6287", Refused("vas.locked", Trouble.UNLOCK)),
        ("6984", Refused("vas.user_action", Trouble.UNLOCK)),
        ("6a83", None),
        ("6a82", None),
        ("6700", Refused("vas.request")),
        ("6a80", Refused("vas.request")),
        ("6b00", Refused("vas.request")),
        ("6f00", Refused("vas.status", Trouble.AGAIN)),
        ("9000", Refused("vas.no_cryptogram")),
    ],
)
def test_what_a_status_word_means(status: str, outcome: Outcome) -> None:
    assert tap(phone(status=status))[0] == outcome


def test_every_published_status_word_is_known() -> None:
    values = vector("apple_vas", "status words")["values"]
    told = {status: tap(phone(status=status))[0] for status in values}
    assert Refused("vas.status", Trouble.AGAIN) not in told.values()


def test_a_locked_phone_is_asked_to_be_unlocked_and_then_read() -> None:
    applet = phone(locked=1)
    assert tap(applet)[0] == Refused("vas.locked", Trouble.UNLOCK)
    applet.select()
    assert isinstance(tap(applet)[0], Found)


@pytest.mark.parametrize(
    ("message", "reason"), [(b"", "value_size"), (b"\xc3", "value_text"), (b"x" * 257, "value_size")]
)
def test_a_message_that_is_none(message: bytes, reason: str) -> None:
    sealed = emulated.seal(card(message=message), key("device"), NOW_MS // 1000, 1)
    with pytest.raises(PeerError, match=reason) as caught:
        vas.opened(answer(sealed)[:-2], [OURS])
    assert caught.value.__cause__ is None


def test_another_major_version_is_refused() -> None:
    version = bytes.fromhex("9f21020100"), bytes.fromhex("9f21020200")
    outcome, wire = tap(phone(), tamper=lambda _, reply: reply.replace(*version))
    assert outcome == Refused("vas.version")
    assert wire.commands == [SELECT_OSE]


@pytest.mark.parametrize(
    ("sealed", "reason"),
    [
        (bytes(55), "cryptogram_size"),
        (vas.key_id(OURS) + b"\xff" * 32 + bytes(30), "point"),
        (vas.key_id(OURS) + bytes(31) + b"\x05" + bytes(30), "cryptogram"),
    ],
)
def test_what_cannot_be_opened(sealed: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=f"^{reason}$"):
        vas.decrypt(sealed, [OURS])


# --- attackers ----------------------------------------------------------------------------------------------


def test_a_phone_that_leaves_ends_the_conversation_at_any_step() -> None:
    for step in range(2):
        wire = Wire(phone(), gone_after=step)
        with pytest.raises(CardGoneError):
            wallet.converse(wire, talk(OURS))
        assert len(wire.said) == step


def attacked(rng: random.Random, kind: str, true: bytes, earlier: bytes) -> bytes:
    """A cryptogram that is not the phone's."""
    changed = bytearray(true)
    match kind:
        case "forged":
            for _ in range(rng.choice([1, 1, 1, 2, 9])):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            return bytes(changed) if bytes(changed) != true else b""
        case "truncated":
            return true[: rng.randrange(len(true))]
        case "longer":
            return true + rng.randbytes(rng.randrange(1, 9))
        case "reordered":
            at = rng.randrange(1, len(true))
            return true[at:] + true[:at]
        case "grafted":  # one phone's key, another's words
            at = rng.randrange(5, len(true))
            mixed = true[:at] + earlier[at:]
            return mixed if mixed not in (true, earlier) else b""  # they may share a byte
    return true[:4] + rng.randbytes(len(true) - 4)  # made up: our key's name is no secret


def test_ten_thousand_attacks_and_none_is_taken() -> None:
    rng = random.Random(4)
    kinds = ["forged", "truncated", "longer", "reordered", "grafted", "made up"]
    sealed = [emulated.seal(card(), key(f"device {at}"), NOW_MS // 1000, 1 + at % 2) for at in range(20)]
    select = phone().answer(wallet.SELECT)
    reasons: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    for _ in range(ATTACKS):
        kind = rng.choice(kinds)
        true, earlier = rng.sample(sealed, 2)
        replies = [select, answer(attacked(rng, kind, true, earlier))]
        outcome = wallet.converse(lambda apdu, replies=replies: replies.pop(0), talk(OURS))
        assert isinstance(outcome, Refused), kind
        reasons[kind][outcome.reason] += 1
    assert sum(count.total() for count in reasons.values()) == ATTACKS
    assert set().union(*reasons.values()) == {
        f"vas.{reason}" for reason in ("cryptogram_size", "other_key", "point", "cryptogram")
    }
    for one in sealed:
        replies = [select, answer(one)]
        assert isinstance(wallet.converse(lambda apdu, replies=replies: replies.pop(0), talk(OURS)), Found)


def test_a_replay_is_the_same_proof_and_counts_once() -> None:
    """No nonce of ours enters the cryptogram, so it can be shown again: the store has to know it."""
    listener = Listener()
    digest = static_digest(SITE_KEY, CredentialKind.PASS, MESSAGE)
    known = [(Credential("c-pass", MEMBER, CredentialKind.PASS, digest), 0, None)]
    listener.resolver.set_member(MEMBER, known, listener.clock.now_ms())
    now_ms = listener.clock.now_ms()
    applet = emulated.make(emulated.applet([card()], now_ms // 1000, seed="p"))
    replayed = Wire(applet)
    true = wallet.converse(replayed, talk(OURS))
    replies = [reply for _, reply in replayed.said]
    again = wallet.converse(lambda apdu: replies.pop(0), talk(OURS, seed="another terminal"))
    applet.select()
    second = wallet.converse(Wire(applet), talk(OURS))
    db = Database(memory=True)
    migrate(db)
    tx = Tx(db, Vault(bytes(32)))
    admitted = []
    for outcome in (true, again, second):
        listener.ears.presented("till-nfc", outcome)
        shown = listener.sink.taps[-1]
        assert shown.member_id == MEMBER
        assert shown.guard is not None
        admitted.append(tx.admit(MEMBER, shown.guard))
    db.close()
    assert admitted == [True, False, True]


def test_an_old_or_future_one_is_out_of_time() -> None:
    listener = Listener()
    now_s = listener.clock.now_ms() // 1000
    for offset_s in (-WINDOW_MS // 1000 - 1, WINDOW_MS // 1000 + 1):
        applet = emulated.make(emulated.applet([card()], now_s + offset_s))
        listener.ears.presented("till-nfc", wallet.converse(Wire(applet), talk(OURS)))
        assert listener.sink.taps[-1].trouble is Trouble.REFUSED
    assert listener.health.counts == {"nfc.refused.out_of_time": 2}


@given(st.binary(max_size=300))
def test_whatever_is_answered_nothing_but_an_outcome_comes_out(reply: bytes) -> None:
    replies = [phone().answer(wallet.SELECT), reply]
    outcome = wallet.converse(lambda apdu: replies.pop(0), talk(OURS))
    assert outcome is None or isinstance(outcome, Refused)


def test_nothing_is_asked_of_an_iphone_unless_it_is_switched_on() -> None:
    wire = Wire(phone())
    assert wallet.converse(wire, dataclasses.replace(talk(OURS), apple_vas=False)) is None
    assert wire.said == []
