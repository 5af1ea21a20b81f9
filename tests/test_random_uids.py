"""A number that names no single card never becomes anybody: not at a reader, not by a code, not by headquarters.

Random numbers of phones above all, but also those that many cards share; `drivers.resolve` says which.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import resolve
from drivers.ears import Ears
from drivers.talk import Found, Talk, Terminal
from gateway.config import NfcTable
from gateway.core.keyring import Keyring
from gateway.core.model import CredentialKind, Purpose
from gateway.errors import PeerError
from sync import ops
from tests.rigs.shop import Shop, member, open_shop
from tests.test_binding import code_page, invite

RANDOM = st.binary(min_size=3, max_size=3).map(lambda rest: b"\x08" + rest)
# The low half of the first byte is 8 or F (ISO 14443-3, section 6.5.4), a blank card's number, one byte all over.
SHARED = st.one_of(
    RANDOM,
    st.tuples(st.integers(0, 15), st.sampled_from([0x8, 0xF]), st.binary(min_size=3, max_size=3)).map(
        lambda parts: bytes([parts[0] << 4 | parts[1]]) + parts[2]
    ),
    st.just(bytes.fromhex("01020304")),
    st.tuples(st.integers(0, 255), st.sampled_from([4, 7, 10])).map(lambda parts: bytes([parts[0]]) * parts[1]),
)
OWN = bytes.fromhex("5a6b7c8d")
PURPOSES = tuple(Purpose)


def silent(apdu: bytes) -> bytes:
    """A card or phone that knows no application."""
    return b"\x6a\x82"


def talk(uid: bytes) -> Talk:
    return Talk(Keyring(), "t/s", 1_800_000_000_000, bytes, uid, chip_numbers=True)


@given(SHARED, st.binary(max_size=2))
def test_no_way_of_reading_takes_it_for_a_card(uid: bytes, nothing: bytes) -> None:
    ndef = b"\xd0\x00\x00" if nothing else b""  # an empty record, or none
    for outcome in (resolve.iso_dep(silent, talk(uid)), resolve.message(ndef, talk(uid)), resolve.chip(talk(uid))):
        assert outcome is None


def test_a_number_of_its_own_is_taken() -> None:
    for outcome in (resolve.iso_dep(silent, talk(OWN)), resolve.message(b"", talk(OWN))):
        assert isinstance(outcome, Found) and outcome.token.kind is CredentialKind.CHIP


def some() -> Iterator[bytes]:
    """300 numbers: random ones, and every first byte that is shared."""
    rng = random.Random(1)
    for number in range(300):
        first = 0x08 if number % 2 else (number % 16) << 4 | rng.choice((0x8, 0xF))
        yield bytes([first]) + rng.randbytes(3)


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *PURPOSES))
    await invite(one)
    yield one
    await one.settle()
    one.store.close()


async def show(shop: Shop, ears: Ears, uid: bytes) -> None:
    """A card or phone with this number and nothing else at the bar's reader."""
    ears.presented("coffee-nfc", resolve.iso_dep(silent, ears.terminal.talk(uid)))
    await shop.settle()


async def test_none_is_bound_while_a_code_waits_and_nothing_of_one_is_kept(shop: Shop) -> None:
    terminal = Terminal("t/s", shop.clock, bytes, NfcTable(chip_numbers=True))
    ears = Ears(shop.resolver, shop.flow, shop.clock, shop.health, terminal=terminal)
    assert await shop.flow.on_code("bar", await code_page(shop), "12345678") == "ok"
    assert shop.flow.awaits("coffee-nfc")
    for uid in some():
        await show(shop, ears, uid)
        assert shop.step() == "refused"
    assert shop.flow.awaits("coffee-nfc")
    assert await shop.bodies("credential.bound") == []
    assert shop.health.counts["nfc.strangers"] == 300
    assert {one.kind for one in await shop.store.run(lambda tx: tx.credentials("mia"))} == {
        CredentialKind.IBEACON,
        CredentialKind.NDEF,
    }
    await show(shop, ears, OWN)  # the same door is open for a card's own number
    [body] = await shop.bodies("credential.bound")
    assert body["kind"] == "chip" and "value" not in body
    assert shop.step() == "bound"


@given(RANDOM)
def test_headquarters_cannot_make_one_somebodys(uid: bytes) -> None:
    body = {"credential_id": "c-1", "member_id": "m-1", "kind": "chip", "value": uid.hex()}
    with pytest.raises(PeerError):
        ops.parse({"op": "credential.put", "body": body})
    assert ops.parse({"op": "credential.put", "body": body | {"value": OWN.hex()}})
