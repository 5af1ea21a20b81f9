"""gateway.emulator.hce: the phone does what docs/phone-app.md says, and the page's vectors are what both ends make."""

import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drivers import hce as terminal
from drivers.talk import Found, Talk
from gateway.core.keyring import HceKey, Held, Keyring, reader_id
from gateway.core.model import CredentialKind, Proof, Token
from gateway.emulator import hce

PAGE = (Path(__file__).parents[1] / "docs" / "phone-app.md").read_text(encoding="utf-8")
VECTORS = dict(re.findall(r"^\| ([^|]+) \| `([0-9a-f]+)` \|$", PAGE, re.MULTILINE))
READER = hce.p256_key("store-gateway test reader")
EPHEMERAL = hce.p256_key("store-gateway test ephemeral")
NAMES = {hce.P256: "P-256", hce.ED25519: "Ed25519"}
SHOWN = {
    hce.P256: VECTORS["phone's P-256 key, of `store-gateway test phone`"],
    hce.ED25519: "ed" + VECTORS["phone's Ed25519 key, of `store-gateway test phone`"],
}


def vector(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


def fixed(algorithm: str = hce.P256, **more: object) -> hce.App:
    """The phone of the vectors, through JSON as it crosses to the chip's process."""
    spec = hce.spec(
        "store-gateway test phone",
        [hce.compressed(READER)],
        algorithm,
        ephemeral="store-gateway test ephemeral",
        **more,
    )
    return hce.make(json.loads(json.dumps(spec)))


SELECT, CHALLENGE = vector("SELECT"), vector("CHALLENGE")
REFUSALS = re.findall(r"^\| ([^|]+) \| (?:as above|`([0-9a-f]+)`) \| `(6[0-9a-f]{3})` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("what", "command", "answer"), REFUSALS, ids=[what for what, _, _ in REFUSALS])
def test_the_phone_refuses_as_the_specifications_vectors(what: str, command: str, answer: str) -> None:
    phone = fixed(locked="locked" in what)
    phone.select()
    if what != "CHALLENGE before SELECT":
        assert phone.answer(SELECT) == vector("its answer")
    assert phone.answer(bytes.fromhex(command) or CHALLENGE).hex() == answer


def test_every_refusal_of_the_specification_has_a_vector() -> None:
    listed = set(re.findall(r"^\| [^|]+ \| `(6[0-9a-f] [0-9a-f]{2})` \|$", PAGE, re.MULTILINE))
    assert {status.replace(" ", "") for status in listed} < {answer for _, _, answer in REFUSALS}
    assert len(listed) == 5


@pytest.mark.parametrize("algorithm", [hce.P256, hce.ED25519])
def test_the_phone_answers_byte_by_byte_as_the_specifications_vectors(algorithm: str) -> None:
    phone = fixed(algorithm)
    phone.select()
    assert phone.answer(SELECT) == vector("its answer")
    assert phone.answer(CHALLENGE) == vector(f"{NAMES[algorithm]}: answer")
    assert phone.value == bytes.fromhex(SHOWN[algorithm])[algorithm == hce.ED25519 :]


@pytest.mark.parametrize("algorithm", [hce.P256, hce.ED25519])
def test_the_terminal_says_and_accepts_the_specifications_vectors(algorithm: str) -> None:
    said = []
    answers = [vector("its answer"), vector(f"{NAMES[algorithm]}: answer")]

    def exchange(apdu: bytes) -> bytes:
        said.append(apdu)
        return answers[len(said) - 1]

    key = HceKey(reader_id(READER.public_key()), READER)
    talk = Talk(
        Keyring([Held("k", 0, None, key)]), "muster/musterstadt", 1_800_000_000_000, lambda size: bytes(range(size))
    )
    found = Found(Token(CredentialKind.HCE, fixed(algorithm).value), Proof.PROVEN)
    assert terminal.converse(exchange, talk) == found
    assert said == [SELECT, CHALLENGE]


def test_the_steps_between_are_the_specifications() -> None:
    challenge = CHALLENGE[5:-1]
    reader, point = hce.compressed(READER), hce.compressed(EPHEMERAL)
    assert vector("reader's public key, of the text `store-gateway test reader`") == reader
    assert vector("reader id") == hashlib.sha256(reader).digest()[:4] == challenge[1:5]
    assert vector("ephemeral, of `store-gateway test ephemeral`") == point
    assert READER.exchange(ec.ECDH(), EPHEMERAL.public_key()) == vector("Z")
    extracted = hmac.digest(challenge[5:21], vector("Z"), "sha256")
    secret = hmac.digest(extracted, b"store-gateway hce seal v1" + reader + point + b"\x01", "sha256")[:16]
    assert secret == vector("K")
    for algorithm, name in NAMES.items():
        plain = AESGCM(secret).decrypt(bytes(12), vector(f"{name}: answer")[34:-2], challenge)
        assert plain.hex() == SHOWN[algorithm] + VECTORS[f"{name}: signature"]
        message = b"store-gateway hce sign v1" + challenge + reader + point + plain[:33]
        assert hashlib.sha256(message).digest() == vector(f"{name}: SHA-256 of what is signed")


def test_the_specification_names_what_the_code_does() -> None:
    for text in ("aid", "seal", "sign"):
        assert f'"store-gateway hce {text} v1"' in PAGE
    assert SELECT[5:-1].hex().upper() in PAGE  # in the Android example
    source = Path(terminal.__file__).read_text(encoding="utf-8")
    reasons = set(re.findall(r'"(hce\.[a-z_]+)"', source))
    assert len(reasons) > 8
    for reason in reasons:
        assert f"`{reason}`" in PAGE, reason
    assert f"{terminal.ANSWER_BYTES} bytes" in PAGE
    assert f"{terminal.ANSWER_BYTES + 2} bytes" in PAGE


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        (CHALLENGE[:-1], "6700"),
        (CHALLENGE[:5], "6700"),
        (CHALLENGE + b"\x00", "6700"),
        (b"\x80\x10\x00\x00\x1c" + CHALLENGE[5:33] + b"\x00", "6700"),
        (CHALLENGE[:5] + b"\x02" + CHALLENGE[6:], "6a80"),
        (CHALLENGE.replace(b"\x12muster/", b"\x11muster/"), "6a80"),
        (CHALLENGE.replace(b"muster/", b"mister/"), "6a80"),
        (CHALLENGE.replace(b"muster/", b"musterx"), "6a80"),
        (CHALLENGE.replace(vector("reader id"), b"abcd"), "6a88"),
        (b"\x80\x11\x00\x00\x00", "6d00"),
        (b"\x00\xb0\x00\x00\x10", "6d00"),
        (b"", "6d00"),
    ],
)
def test_the_phone_says_no_as_specified(apdu: bytes, status: str) -> None:
    phone = fixed()
    phone.answer(SELECT)
    assert phone.answer(apdu).hex() == status


def test_the_phone_hears_nothing_before_its_application_is_selected() -> None:
    phone = fixed()
    for unselect in (phone.select, lambda: phone.answer(bytes.fromhex("00a4040007d276000085010100"))):
        assert phone.answer(SELECT[:-1])[-2:] == b"\x90\x00"  # also without Le
        unselect()
        assert phone.answer(CHALLENGE).hex() == "6a82"
    assert phone.answer(SELECT[:-2] + b"\xff\x00").hex() == "6a82"  # another tenant's app
    assert phone.answer(SELECT[:14]).hex() == "6a82"  # a part of the name


def test_a_locked_phone_names_its_readers_and_signs_nothing() -> None:
    phone = fixed(locked=True)
    assert phone.answer(SELECT) == vector("its answer")
    assert phone.answer(CHALLENGE).hex() == "6985"


def test_without_a_fixed_ephemeral_no_two_answers_are_the_same() -> None:
    phone = hce.make(hce.spec("a", [hce.compressed(READER)]))
    phone.answer(SELECT)
    assert len({phone.answer(CHALLENGE) for _ in range(5)}) == 5


def test_a_spec_that_means_nothing_is_a_mistake() -> None:
    for more in ({"algorithm": "rsa"}, {"lie": "a bit"}):
        with pytest.raises(ValueError, match="no such"):
            hce.spec("a", [], **more)
