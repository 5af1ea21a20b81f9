"""What cannot be read, or is not what it says it is: a short word on the screen, a counted reason, nothing stored."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers import tags
from gateway.emulator import cards, hce, ndef, smarttap, sun, vas
from gateway.emulator.cards import ENDLESS, Spec
from gateway.emulator.chip import Pn532Rig
from tests.rigs.desk import (
    APPLE_KEY,
    COLLECTOR,
    FILE,
    HCE_KEY,
    META,
    PASS_TYPE,
    READERS,
    SCREENS,
    TENANT,
    WALLET_KEY,
    Kinds,
    apple,
    counter,
    google,
    issued,
    uid,
    uri,
)
from tests.rigs.shop import START_MS
from tests.rigs.wallets import key as p256

SETTLE_S = 0.4
FOREIGN = p256("of another merchant")
CC_64K = bytes.fromhex("000f2000ff00340406e104ffff0000")
FOREIGN_URI = tags.encode_uri("https://elsewhere.example/menu?table=7")
READER = hce.compressed(HCE_KEY)
NOW_S = START_MS // 1000


def wallet(collector: bytes, private: object = WALLET_KEY, **options: object) -> Spec:
    held = smarttap.merchant(collector, 1, private.public_key(), [google(0)])
    return cards.phone([smarttap.applet([held], **options)])


def iphone(pass_type: str, private: object = APPLE_KEY, unix_s: int = NOW_S, **options: object) -> Spec:
    held = vas.nfc_pass(pass_type, private.public_key(), apple(0))
    return cards.phone([vas.applet([held], unix_s, **options)], listens="ecp")


def tag(meta: bytes = META, file: bytes = FILE, number: str | None = None) -> Spec:
    return cards.phone(
        [sun.spec(uid("sun", 0), meta, file, counter=5, seed="phone")], uid=number or uid("sun", 0), think_ms=0
    )


def app(**options: object) -> Spec:
    return cards.phone([hce.spec("phone 0", [READER], **({"tenant": TENANT} | options))])


OTHER_KEY = b"k" * 16
STRANGER = "nfc.strangers"
# what is shown -> the step on the screen, the counter that rises
BAD: dict[str, tuple[Spec, str, str]] = {
    "half-formatted Type 2": (cards.type2(tags.encode_uri(uri("t2", 0)), announce=65_535), "again", "half_written"),
    "half-formatted Type 4": (cards.type4(b"\xd1\x01", announce=3_000), "again", "ndef_read"),
    "no container": (cards.type4(b"", cc=bytes(15)), "again", "ndef_cc"),
    "broken message": (cards.type4(b"\xd1\x01\xff"), "again", "ndef_malformed"),
    "endless waiting": (cards.type4(FOREIGN_URI, wtx=ENDLESS), "again", "endless"),
    "endless reading": (cards.type4(b"", announce=2_000, endless=True), "again", "ndef_read"),
    "64 kB": (cards.type4(b"x" * 65_000, cc=CC_64K), "refused", "ndef_size"),
    "64 kB on a phone": (cards.phone([ndef.applet(b"x" * 65_000, CC_64K)]), "refused", "ndef_size"),
    "foreign URI, Type 2": (cards.type2(FOREIGN_URI), "join", STRANGER),
    "foreign URI, Type 4": (cards.type4(FOREIGN_URI), "join", STRANGER),
    "blank": (cards.type2(None), "join", STRANGER),
    "number without card": (cards.classic(), "join", STRANGER),
    "phone without anything": (cards.phone([]), "join", STRANGER),
    "another shop's app": (app(tenant="elsewhere"), "join", STRANGER),
    "locked app": (app(locked=True), "unlock", "hce.locked"),
    "app that lies": (app(lie="nonce"), "refused", "hce.signature"),
    "app for another reader": (app(lie="reader"), "refused", "hce.seal"),
    "another merchant's pass (Google)": (wallet(bytes.fromhex("00099999")), "refused", "smarttap.other_merchant"),
    "another key's pass (Google)": (wallet(COLLECTOR, FOREIGN), "refused", "smarttap.other_merchant"),
    "busy wallet": (wallet(COLLECTOR, statuses={"negotiate": ["9406"] * 9}), "again", "smarttap.busy"),
    "pass to be chosen": (wallet(COLLECTOR, statuses={"get": ["9302"] * 9}), "unlock", "smarttap.choose"),
    "another merchant's pass (Apple)": (iphone("pass.elsewhere"), "join", STRANGER),
    "another key's pass (Apple)": (iphone(PASS_TYPE, FOREIGN), "refused", "vas.other_key"),
    "locked iPhone": (iphone(PASS_TYPE, locked=99), "unlock", "vas.locked"),
    "yesterday's pass (Apple)": (iphone(PASS_TYPE, unix_s=NOW_S - 86_400), "refused", "out_of_time"),
    "tag with another key": (tag(OTHER_KEY, OTHER_KEY), "refused", "sun.picc"),
    "tag signed by another key": (tag(file=OTHER_KEY), "refused", "sun.mac"),
    "tag's text on another card": (tag(number="04a1a2a3a4a5a6"), "refused", "sun.uid"),
    "signed text on another card": (
        cards.type2(tags.encode_uri(issued(0)), uid="04a1a2a3a4a5a6", chip="ntag215"),
        "refused",
        "signed.chip",
    ),
    "forged signed text": (
        cards.type2(tags.encode_uri(issued(0).replace("M-000000", "M-000001")), uid=uid("signed", 0), chip="ntag215"),
        "refused",
        "signed.chip",
    ),
}


def stored(folder: Path) -> dict[str, tuple[int, str]]:
    """Each table's rows and a hash over all that they hold."""
    db = sqlite3.connect(f"file:{folder / 'gateway.db'}?mode=ro", uri=True)
    try:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(map(repr, db.execute(f"SELECT * FROM {name}"))) for name in names}
    finally:
        db.close()
    return {name: (len(many), hashlib.sha256("\n".join(many).encode()).hexdigest()) for name, many in rows.items()}


async def judged(folder: Path, present: Callable[[Pn532Rig], object], step: str, reason: str) -> None:
    """What is held before the reader comes to this, and leaves nothing; the next card is read."""
    screen = SCREENS[READERS[0]]
    with Pn532Rig() as rig:
        async with counter(folder, rig) as shop:
            before = stored(folder)
            present(rig)
            await shop.until(lambda: len(shop.taps) > 0, reason)
            await asyncio.sleep(SETTLE_S)
            await shop.shop.settle()
            assert shop.shop.step(screen) == step
            assert shop.members() == []
            assert shop.counts.get(reason if reason == STRANGER else f"nfc.refused.{reason}", 0) >= 1
            assert stored(folder) == before
            rig.remove()
            await asyncio.sleep(SETTLE_S)
            since = len(shop.taps)
            rig.present(Kinds().shown["t2"](1))
            await shop.until(lambda: bool(shop.members(since)), "the next card")
            await shop.shop.settle()
            assert shop.shop.step(screen) == "offer"
            assert stored(folder) != before  # the comparison would have seen it


@pytest.mark.parametrize("name", BAD)
async def test_what_is_bad_gets_a_word_and_a_count_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    card, step, reason = BAD[name]
    await judged(tmp_path, lambda rig: rig.present(card), step, reason)


async def test_two_cards_that_spoil_each_other(tmp_path: Path) -> None:
    shown = Kinds().shown["t2"]
    await judged(tmp_path, lambda rig: rig.present_both(shown(0), shown(1), garble=1.0), "again", "unread")
