"""drivers.hce: transcripts against the phone that was built from the specification, and every way to be refused."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import example, given
from hypothesis import strategies as st

from drivers import hce
from drivers.talk import CardGoneError, Exchange, Found, Refused, Talk
from gateway.core.keyring import HceKey, Held, Keyring, reader_id
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.emulator import hce as phone
from tests.rigs.seeds import many

NOW_MS = 1_800_000_000_123
OK = b"\x90\x00"
# y = 1: the neutral point. R = the same point and s = 0 is a signature that fits every message.
NEUTRAL = b"\x01" + bytes(31)
FITS_ALL = NEUTRAL + bytes(32)


def reader_key(text: str) -> HceKey:
    private = phone.p256_key(text)
    return HceKey(reader_id(private.public_key()), private)


READER, OLDER, FOREIGN = reader_key("reader"), reader_key("older reader"), reader_key("foreign reader")
POINTS = {key.key_id: phone.compressed(key.private) for key in (READER, OLDER, FOREIGN)}


FALSE = many(1_000, 10_000)


def ring(*keys: HceKey) -> Keyring:
    """The first is the newest."""
    return Keyring(Held(f"k{age}", 1000 - age, None, key) for age, key in enumerate(keys))


def talk(*keys: HceKey, seed: int = 1) -> Talk:
    return Talk(ring(*keys), "muster/musterstadt", NOW_MS, random.Random(seed).randbytes)


def app(readers: tuple[HceKey, ...] = (READER,), algorithm: str = phone.P256, **more: object) -> phone.App:
    points = [POINTS[key.key_id] for key in readers]
    return phone.make(phone.spec("a phone", points, algorithm, **more))


class Wire:
    """Writes down what is said, and may change what the phone says to the challenge."""

    def __init__(self, app: phone.App, change: Callable[[bytes], bytes] = bytes) -> None:
        self.said: list[tuple[bytes, bytes]] = []
        self._app = app
        self._change = change

    def __call__(self, apdu: bytes) -> bytes:
        response = self._app.answer(apdu)
        if apdu[0] == 0x80:
            response = self._change(response)
        self.said.append((apdu, response))
        return response


def tap(app: phone.App, talk: Talk, change: Callable[[bytes], bytes] = bytes) -> Found | Refused | None:
    app.select()
    return hce.converse(Wire(app, change), talk)


def script(*responses: bytes) -> Exchange:
    waiting = list(responses)
    return lambda apdu: waiting.pop(0)


@pytest.mark.parametrize("algorithm", [phone.P256, phone.ED25519])
def test_a_true_phone_is_proven_and_the_bytes_are_exactly_these(algorithm: str) -> None:
    one = app(algorithm=algorithm)
    wire = Wire(one)
    assert hce.converse(wire, talk(READER)) == Found(Token(CredentialKind.HCE, one.value), Proof.PROVEN)
    (select, hello), (challenge, answer) = wire.said
    aid = bytes.fromhex("f04741544557415901") + hashlib.sha256(b"store-gateway hce aid v1muster").digest()[:7]
    assert select == bytes.fromhex("00a4040010") + aid + b"\x00"
    assert hello == b"SG\x01" + READER.key_id + OK
    nonce = random.Random(1).randbytes(16)
    data = b"\x01" + READER.key_id + nonce + (1_800_000_000).to_bytes(4, "big") + b"\x12muster/musterstadt"
    assert challenge == bytes.fromhex("801000002c") + data + b"\x00"
    assert len(answer) == hce.ANSWER_BYTES + 2 == 149
    assert one.value not in answer
    assert (len(one.value), one.value[:1] in (b"\x02", b"\x03")) == (
        (33, True) if algorithm == phone.P256 else (32, False)
    )


def test_the_longest_place_still_fits_a_short_command() -> None:
    place = "t" * 24 + "/" + "s" * 24
    said = Wire(phone.make(phone.spec("a phone", [POINTS[READER.key_id]], tenant="t" * 24)))
    assert isinstance(hce.converse(said, replace(talk(READER), place=place)), Found)
    assert max(len(part) for pair in said.said for part in pair) <= 250


def test_a_clock_beyond_the_four_bytes_stops_nothing() -> None:
    wire = Wire(app())
    assert isinstance(hce.converse(wire, replace(talk(READER), now_ms=(2**32 + 7) * 1000)), Found)
    assert wire.said[1][0][26:30] == (7).to_bytes(4, "big")


def test_nothing_of_ours_is_none_and_the_next_resolver_is_asked() -> None:
    assert hce.converse(script(), talk()) is None  # no key here: not even a SELECT is sent
    for hello in (b"\x6a\x82", b"\x69\x85", OK, b"", b"\x90", b"\x6f\x10\x84\x0eanything" + OK, b"SG\x01abcd\x6a\x82"):
        assert hce.converse(script(hello), talk(READER)) is None


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (b"", "hce.version"),
        (b"\x02" + READER.key_id, "hce.version"),
        (b"\x01", "hce.select"),
        (b"\x01" + READER.key_id[:3], "hce.select"),
        (b"\x01" + READER.key_id * 5, "hce.select"),
        (b"\x01" + FOREIGN.key_id, "hce.no_common_key"),
        (b"\x01" + b"\x00" + READER.key_id + bytes(3), "hce.no_common_key"),  # not on a boundary
    ],
)
def test_a_phone_of_ours_that_can_not_be_asked_is_refused(offer: bytes, reason: str) -> None:
    assert hce.converse(script(b"SG" + offer + OK), talk(READER)) == Refused(reason)


def test_the_newest_common_key_is_taken_and_keys_change_without_a_pause() -> None:
    for known, ours, taken in (
        ((READER, OLDER), (READER, OLDER), READER),
        ((OLDER, READER), (READER, OLDER), READER),
        ((OLDER,), (READER, OLDER), OLDER),
        ((FOREIGN, READER), (READER,), READER),
    ):
        wire = Wire(app(known))
        assert isinstance(hce.converse(wire, talk(*ours)), Found)
        assert wire.said[1][0][6:10] == taken.key_id
    ended = Keyring([Held("a", 0, NOW_MS, READER), Held("b", NOW_MS + 1, None, READER)])
    assert hce.converse(script(), replace(talk(), keyring=ended)) is None


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (b"\x69\x85", Refused("hce.locked", Trouble.UNLOCK)),
        (b"\x6a\x88", Refused("hce.status", Trouble.AGAIN)),
        (b"\x6f\x00", Refused("hce.status", Trouble.AGAIN)),
        (b"", Refused("hce.status", Trouble.AGAIN)),
        (bytes(147) + b"\x69\x85", Refused("hce.status", Trouble.AGAIN)),
        (OK, Refused("hce.length")),
        (b"\x01" + bytes(145) + OK, Refused("hce.length")),
        (b"\x01" + bytes(147) + OK, Refused("hce.length")),
    ],
)
def test_a_phone_that_does_not_sign_is_told_why(response: bytes, outcome: Refused) -> None:
    assert hce.converse(script(b"SG\x01" + READER.key_id + OK, response), talk(READER)) == outcome


def test_a_locked_phone_asks_for_its_owner() -> None:
    assert tap(app(locked=True), talk(READER)) == Refused("hce.locked", Trouble.UNLOCK)


@pytest.mark.parametrize("algorithm", [phone.P256, phone.ED25519])
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("place", "hce.signature"),
        ("nonce", "hce.signature"),
        ("wrapped", "hce.signature"),
        ("key", "hce.signature"),
        ("reader", "hce.seal"),
    ],
)
def test_a_phone_that_lies_is_refused(lie: str, reason: str, algorithm: str) -> None:
    assert tap(app(algorithm=algorithm, lie=lie), talk(READER)) == Refused(reason)


def test_what_was_recorded_is_never_accepted_again() -> None:
    one = app(lie="replay")
    assert isinstance(tap(one, talk(READER, seed=1)), Found)
    for seed in range(2, 20):
        assert tap(one, talk(READER, seed=seed)) == Refused("hce.seal")


def test_an_answer_for_one_shop_is_worth_nothing_in_another() -> None:
    one = app(ephemeral="fixed")
    wire = Wire(one)
    hce.converse(wire, talk(READER))
    recorded = wire.said[1][1]
    elsewhere = replace(talk(READER), place="muster/anderstadt")
    assert tap(app(), elsewhere, lambda _: recorded) == Refused("hce.seal")
    assert isinstance(tap(app(), talk(READER), lambda _: recorded), Found)  # the same challenge: the control


def sealed(challenge: bytes, plain: bytes, ephemeral: str = "forger") -> bytes:
    """What anybody can do who knows the reader's public key: seal something."""
    key = phone.p256_key(ephemeral)
    point = phone.compressed(key)
    shared = key.exchange(ec.ECDH(), READER.private.public_key())
    info = b"store-gateway hce seal v1" + POINTS[READER.key_id] + point
    secret = HKDF(SHA256(), 16, salt=challenge[5:21], info=info).derive(shared)
    return b"\x01" + point + AESGCM(secret).encrypt(bytes(12), plain, challenge) + OK


def forged(plain: bytes) -> Found | Refused | None:
    """The outcome for a well sealed `plain`."""
    seen = Wire(app())

    def exchange(apdu: bytes) -> bytes:
        return seen(apdu) if apdu[0] == 0 else sealed(apdu[5:-1], plain)

    return hce.converse(exchange, talk(READER))


def test_keys_under_which_anybody_signs_are_refused() -> None:
    # The library takes this key and this signature for any message: the refusal has to be ours.
    ed25519.Ed25519PublicKey.from_public_bytes(NEUTRAL).verify(FITS_ALL, b"whatever is asked")
    p = 2**255 - 19
    for y in (0, 1, p - 1, p, p + 1, 2**255 - 1):
        for sign in (0, 2**255):
            assert forged(b"\xed" + (y | sign).to_bytes(32, "little") + FITS_ALL) == Refused("hce.key")


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (bytes(97), "hce.key"),
        (b"\x04" + bytes(96), "hce.key"),
        (b"\x02" + b"\xff" * 32 + bytes(64), "hce.key"),  # x above the field
        (b"\x02" + bytes(31) + b"\x01" + bytes(64), "hce.key"),  # no point has x = 1
        (POINTS[FOREIGN.key_id] + bytes(64), "hce.signature"),  # r = s = 0
        (POINTS[FOREIGN.key_id] + b"\xff" * 64, "hce.signature"),
        (b"\xed" + phone.ed25519_key("anybody").public_key().public_bytes_raw() + b"\xff" * 64, "hce.signature"),
    ],
)
def test_a_well_sealed_forgery_is_refused(plain: bytes, reason: str) -> None:
    assert forged(plain) == Refused(reason)


@pytest.mark.parametrize(
    "point",
    [
        b"\x00" * 33,  # infinity, padded
        b"\x04" + bytes(32),
        b"\x02" + b"\xff" * 32,
        b"\x03" + bytes(31) + b"\x01",
        b"\x05" + bytes(32),
    ],
)
def test_an_ephemeral_key_off_the_curve_is_refused(point: bytes) -> None:
    outcome = tap(app(), talk(READER), lambda answer: answer[:1] + point + answer[34:])
    assert outcome == Refused("hce.point")


def test_both_values_of_s_are_the_same_phone() -> None:
    """A phone's chip gives either, and a signature counts once anyhow: its nonce does."""
    one = app()
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    key = phone.p256_key("a phone")
    outcomes = []
    for flip in (False, True):

        def exchange(apdu: bytes, flip: bool = flip) -> bytes:
            if apdu[0] == 0:
                return one.answer(apdu)
            point, shown = phone.compressed(phone.p256_key("e")), phone.compressed(key)
            message = b"store-gateway hce sign v1" + apdu[5:-1] + POINTS[READER.key_id] + point + shown
            r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
            s = order - s if flip else s
            return sealed(apdu[5:-1], shown + r.to_bytes(32, "big") + s.to_bytes(32, "big"), "e")

        outcomes.append(hce.converse(exchange, talk(READER)))
    assert outcomes == [Found(Token(CredentialKind.HCE, one.value), Proof.PROVEN)] * 2


def test_two_answers_of_one_phone_have_nothing_in_common_for_who_lacks_the_key() -> None:
    """Only the version is the same; which bytes agree beside it is chance."""
    for algorithm in (phone.P256, phone.ED25519):
        answers = []
        for seed in range(200):
            known = (READER, OLDER)[seed % 2]
            wire = Wire(app((READER, OLDER), algorithm))
            assert isinstance(hce.converse(wire, talk(known, seed=seed)), Found)
            answers.append(wire.said[1][1])
        assert len({len(answer) for answer in answers}) == 1
        columns = [len({answer[at] for answer in answers}) for at in range(len(answers[0]))]
        assert columns[0] == 1
        assert columns[1] == 2  # 02 or 03, at random
        # 200 draws of 256 values show 139 different ones on average, with a deviation of about 5.
        assert min(columns[2:-2]) > 100
        value = app(algorithm=algorithm).value
        assert not any(value[at : at + 8] in answer for answer in answers for at in range(len(value) - 7))


def test_what_a_phone_shows_before_it_is_asked_is_the_same_for_every_member() -> None:
    hellos = set()
    for seed in ("a", "b"):
        one = phone.make(phone.spec(seed, [POINTS[READER.key_id]], phone.P256 if seed == "a" else phone.ED25519))
        wire = Wire(one)
        hce.converse(wire, talk(READER))
        hellos.add(wire.said[0][1])
    assert len(hellos) == 1


def _flip(rng: random.Random, answer: bytes) -> bytes:
    at, bit = rng.randrange(len(answer) - 2), 1 << rng.randrange(8)
    return answer[:at] + bytes([answer[at] ^ bit]) + answer[at + 1 :]


def _swap(rng: random.Random, answer: bytes) -> bytes:
    """Two equally long, different parts change places."""
    body = answer[:-2]
    while True:
        size = rng.randrange(1, 48)
        a, b = sorted(rng.sample(range(len(body) - size), 2))
        if b - a >= size and body[a : a + size] != body[b : b + size]:
            return body[:a] + body[b : b + size] + body[a + size : b] + body[a : a + size] + body[b + size :] + OK


def test_false_answers_are_refused_with_a_reason_and_a_true_one_is_accepted() -> None:
    rng = random.Random(4)
    phones = [app(algorithm=algorithm) for algorithm in (phone.P256, phone.ED25519)]
    recorded: list[bytes] = []
    for seed, one in enumerate(phones * 5):
        wire = Wire(one)
        hce.converse(wire, talk(READER, seed=1_000_000 + seed))
        recorded.append(wire.said[1][1])
    liars = {lie: app(lie=lie) for lie in phone.LIES if lie not in ("", "replay")}
    changes: dict[str, Callable[[bytes], bytes]] = {
        "flipped": lambda answer: _flip(rng, answer),
        "truncated": lambda answer: answer[: rng.randrange(len(answer) - 2)] + OK,
        "longer": lambda answer: answer[:-2] + rng.randbytes(rng.randrange(1, 64)) + OK,
        "re-ordered": lambda answer: _swap(rng, answer),
        "replayed": lambda _: rng.choice(recorded),
        "spliced": lambda answer: (lambda at: answer[:at] + rng.choice(recorded)[at:])(rng.randrange(2, 140)),
        "random": lambda _: b"\x01" + rng.choice((b"\x02", b"\x03")) + rng.randbytes(145) + OK,
        "another phone's envelope": lambda answer: rng.choice(recorded)[:34] + answer[34:],
    }
    kinds = [*changes, *liars]
    reasons: Counter[str] = Counter()
    for number in range(FALSE):
        kind = rng.choice(kinds)
        one = liars.get(kind) or rng.choice(phones)
        outcome = tap(one, talk(READER, seed=number), changes.get(kind, bytes))
        assert isinstance(outcome, Refused), (number, kind)
        reasons[outcome.reason] += 1
    assert sum(reasons.values()) == FALSE
    assert set(reasons) >= {"hce.length", "hce.point", "hce.seal", "hce.signature", "hce.answer_version"}
    for one in phones:
        assert isinstance(tap(one, talk(READER, seed=99)), Found)


@given(st.binary(max_size=40), st.binary(max_size=200), st.sampled_from([b"", OK, b"\x69\x85", b"\x61\x10"]))
@example(b"SG\x01" + READER.key_id, b"\x01" + POINTS[FOREIGN.key_id] + bytes(113), OK)
def test_whatever_a_card_says_comes_out_as_an_outcome(hello: bytes, answer: bytes, status: bytes) -> None:
    for first in (hello + status, b"SG\x01" + hello + OK, b"SG\x01" + READER.key_id + OK):
        outcome = hce.converse(script(first, answer + status), talk(READER))
        assert outcome is None or isinstance(outcome, Refused)
        assert outcome is None or outcome.reason.startswith("hce.")


@given(st.binary(min_size=97, max_size=97))
@example(b"\xed" + bytes(96))
@example(b"\xed" + b"\xff" * 96)
@example(POINTS[FOREIGN.key_id] + bytes(32) + b"\x01" * 32)
def test_whatever_is_well_sealed_comes_out_as_a_refusal(plain: bytes) -> None:
    outcome = forged(plain)
    assert isinstance(outcome, Refused)
    assert outcome.reason in ("hce.key", "hce.signature")


@pytest.mark.parametrize("leaves_at", [0, 1])
def test_a_phone_that_leaves_is_gone_at_either_step(leaves_at: int) -> None:
    responses = [b"SG\x01" + READER.key_id + OK, b""]

    def exchange(apdu: bytes) -> bytes:
        if apdu[0] == (0x00, 0x80)[leaves_at]:
            raise CardGoneError
        return responses.pop(0)

    with pytest.raises(CardGoneError):
        hce.converse(exchange, talk(READER))


def test_no_refusal_and_no_key_prints_what_it_knows() -> None:
    secret = READER.private.private_numbers().private_value
    for text in (repr(talk(READER)), repr(READER), repr(tap(app(lie="place"), talk(READER)))):
        assert str(secret) not in text
        assert app().value.hex() not in text
