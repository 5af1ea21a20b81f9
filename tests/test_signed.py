"""drivers.signed: signed ids are accepted as issued and in no other form; 10,000 false ones have a reason each."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers import signed
from drivers.talk import Found, Refused, Talk
from gateway.core import base64url, tagid
from gateway.core.keyring import Held, Keyring, TagKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.emulator.hce import ed25519_key

PAGE = (Path(__file__).parents[1] / "docs" / "tags.md").read_text(encoding="utf-8")
NOW_MS = 1_800_000_000_000
BASE = "https://card.example/t"
UID, OTHER_UID = bytes.fromhex("04a1b2c3d4e5f6"), bytes.fromhex("04a1b2c3d4e5f7")
ISSUER, FORGER = ed25519_key("store-gateway test tag issuer"), ed25519_key("forger")
RING = Keyring([Held("one", 0, None, TagKey("a1", ISSUER.public_key()))])


def talk(uid: bytes = UID, ring: Keyring = RING) -> Talk:
    return Talk(ring, "muster/musterstadt", NOW_MS, random.Random(1).randbytes, uid)


def issue(uid: bytes | None = None, identifier: str = "M-000042", key_id: str = "a1") -> str:
    return tagid.issue(ISSUER, key_id, identifier, BASE, uid)


FREE, BOUND = issue(), issue(UID)
TRUE = Found(Token(CredentialKind.SIGNED, b"M-000042"), Proof.SIGNED)


def test_true_texts_are_the_members_on_their_own_tags() -> None:
    assert signed.judge(FREE, talk()) == TRUE
    assert signed.judge(FREE, talk(uid=b"")) == TRUE
    assert signed.judge(BOUND, talk()) == TRUE


def test_the_specifications_texts_are_accepted() -> None:
    texts = re.findall(r"^\| .*: text \| `([^`]+)` \|$", PAGE, re.MULTILINE)
    assert [signed.judge(text, talk()) for text in texts] == [TRUE, TRUE]


def test_a_copy_on_another_tag_is_refused_where_the_text_is_bound() -> None:
    assert signed.judge(BOUND, talk(OTHER_UID)) == Refused("signed.chip")
    assert signed.judge(BOUND, talk(b"\x08abc")) == Refused("signed.chip")
    assert signed.judge(BOUND, talk(b"")) == Refused("signed.no_chip")
    assert signed.judge(FREE, talk(OTHER_UID)) == TRUE  # as the specification says


def test_the_address_is_the_owners_and_not_the_shops() -> None:
    assert signed.judge(FREE.replace(BASE, "http://elsewhere.example"), talk()) == TRUE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "M-000042",
        BASE,
        BASE + "?i=M-000042",
        BASE + "?i=M-000042&k=a1",
        BASE + "?i=M-000042&s=abc",
        BASE + "?I=1&K=2&S=3",
        FREE.replace("?", "#"),
        FREE.replace("?", ";"),
        BASE + "?" + "x" * 400 + "&i=1&k=2&s=3",
    ],
)
def test_a_text_of_another_form_is_left_to_the_next(text: str) -> None:
    assert signed.judge(text, talk()) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FREE.replace("?i=M-000042&k=a1", "?k=a1&i=M-000042"), "signed.form"),
        (FREE + "&x=1", "signed.form"),
        (FREE + "&", "signed.form"),
        (FREE.replace("?", "?&"), "signed.form"),
        (FREE.replace("?", "?i=M-000001&"), "signed.form"),
        (FREE + "&i=M-000001", "signed.form"),
        (FREE + FREE[FREE.index("&s=") :], "signed.form"),
        (BOUND.replace("&u=1", "&u=0"), "signed.form"),
        (BOUND.replace("&u=1", "&u="), "signed.form"),
        (BOUND.replace("&u=1", "&u"), "signed.form"),
        (BOUND.replace("&u=1", "&u=1&u=1"), "signed.form"),
        (FREE.replace("M-000042", ""), "signed.id"),
        (FREE.replace("M-000042", "M%2D000042"), "signed.id"),
        (FREE.replace("M-000042", "x" * 65), "signed.id"),
        (FREE.replace("M-000042", "M-000042\n"), "signed.id"),
        (FREE.replace("k=a1", "k="), "signed.key_id"),
        (FREE.replace("k=a1", "k=" + "a" * 17), "signed.key_id"),
        (FREE + "=", "signed.encoding"),
        (FREE + "#top", "signed.encoding"),
        (FREE + "?i=1", "signed.encoding"),
        (FREE[:-1], "signed.encoding"),
        (FREE[:-1] + "R", "signed.encoding"),  # the same bytes in a second spelling
        (FREE[: FREE.index("&s=")] + "&s=", "signed.encoding"),
        (FREE.replace("k=a1", "k=a2"), "signed.unknown_key"),
        (FREE.replace("M-000042", "M-000043"), "signed.signature"),
        (BOUND.replace("&u=1", ""), "signed.signature"),
        (FREE.replace("&s=", "&u=1&s="), "signed.chip"),
        (BOUND.replace("M-000042", "M-000043"), "signed.chip"),
    ],
)
def test_what_looks_like_ours_and_is_not_has_a_reason(text: str, reason: str) -> None:
    assert signed.judge(text, talk()) == Refused(reason, Trouble.REFUSED)
    assert f"`{reason}`" in PAGE


def test_the_second_spelling_above_is_of_the_same_bytes() -> None:
    assert FREE[-1] == "Q"


def test_the_longest_text_that_can_be_issued_is_read() -> None:
    text = tagid.issue(ISSUER, "k" * 16, "i" * 64, "b" * 200, UID)
    assert len(text) <= signed.TEXT_CHARS_MAX
    ring = Keyring([Held("one", 0, None, TagKey("k" * 16, ISSUER.public_key()))])
    assert isinstance(signed.judge(text, talk(ring=ring)), Found)


def test_keys_come_and_go_by_their_dates_and_cards_of_the_old_one_go_on() -> None:
    old, new = ed25519_key("old"), ed25519_key("new")

    def judged(until_ms: int | None, private: str) -> Found | Refused | None:
        held = [
            Held("old", 0, until_ms, TagKey("a1", old.public_key())),
            Held("new", NOW_MS, None, TagKey("a1", new.public_key())),  # the same short name, by an operator's slip
        ]
        return signed.judge(tagid.issue(ed25519_key(private), "a1", "M-000042", BASE), talk(ring=Keyring(held)))

    assert judged(None, "old") == judged(None, "new") == judged(NOW_MS, "new") == TRUE
    assert judged(NOW_MS, "old") == Refused("signed.signature")
    assert signed.judge(FREE, talk(ring=Keyring())) == Refused("signed.unknown_key")


def test_ten_thousand_false_texts_are_refused_with_a_reason_and_a_true_one_is_accepted() -> None:
    rng = random.Random(4)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%&=?#+/ "
    start = len(BASE) + 1

    def flipped(text: str) -> str:
        at = rng.randrange(text.index("&s=") + 3, len(text))
        return text[:at] + rng.choice(alphabet.replace(text[at], "")) + text[at + 1 :]

    def other_id(text: str) -> str:
        return text.replace("M-000042", f"M-{rng.randrange(43, 10**6):06}")

    def swapped(text: str) -> str:
        parts = text[start:].split("&")
        while (mixed := rng.sample(parts, len(parts))) == parts:
            pass
        return BASE + "?" + "&".join(mixed)

    def doubled(text: str) -> str:
        return text + "&" + rng.choice(text[start:].split("&"))

    def forged(text: str) -> str:
        return tagid.issue(FORGER, "a1", "M-000042", BASE, UID if "u=1" in text else None)

    def spliced(text: str) -> str:
        donor = issue(UID if "u=1" in text else None, f"M-{rng.randrange(43, 10**6):06}")
        return text[: text.index("&s=")] + donor[donor.index("&s=") :]

    def cut(text: str) -> str:
        return text[: rng.randrange(text.index("&s=") + 3, len(text))]

    def rebound(text: str) -> str:
        return text.replace("&u=1", "") if "&u=1" in text else text.replace("&s=", "&u=1&s=")

    def random_signature(text: str) -> str:
        return text[: text.index("&s=") + 3] + base64url.encode(rng.randbytes(64))

    changes = [flipped, other_id, swapped, doubled, forged, spliced, cut, rebound, random_signature]
    reasons: Counter[str] = Counter()
    for _ in range(10_000):
        change, text = rng.choice(changes), rng.choice((FREE, BOUND))
        outcome = signed.judge(change(text), talk())
        assert isinstance(outcome, Refused), change.__name__
        reasons[outcome.reason] += 1
    for _ in range(500):  # and copies
        outcome = signed.judge(BOUND, talk(rng.choice((4, 7, 10)) * bytes([rng.randrange(256)])))
        assert outcome == Refused("signed.chip")
    assert set(reasons) >= {"signed.form", "signed.encoding", "signed.signature", "signed.chip"}
    assert signed.judge(FREE, talk()) == signed.judge(BOUND, talk()) == TRUE


@given(st.text(max_size=500), st.binary(max_size=10))
@example("?i=&k=&s=", b"")
@example("?i=a&k=a1&s=" + "A" * 86, b"")
@example("?i=a&k=a1&u=1&s=" + "A" * 86, bytes(7))
def test_whatever_a_tag_holds_comes_out_as_an_outcome(text: str, uid: bytes) -> None:
    for candidate in (text, BASE + "?" + text, f"{BASE}?i={text}&k=a1&s={text}"):
        outcome = signed.judge(candidate, talk(uid))
        assert outcome is None or isinstance(outcome, Refused)


def test_every_reason_is_in_the_specification() -> None:
    source = Path(signed.__file__).read_text(encoding="utf-8")
    for reason in set(re.findall(r'"(signed\.[a-z_]+)"', source)):
        assert f"`{reason}`" in PAGE, reason
