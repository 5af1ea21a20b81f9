"""A proof that was recorded opens nothing again, not even after kill -9: the real service, the emulated chip."""

import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.emulator import cards, hce, vas
from gateway.emulator.cards import Spec
from gateway.emulator.chip import Pn532Rig
from tests.rigs.desk import (
    APPLE_KEY,
    HCE_KEY,
    PASS_TYPE,
    TENANT,
    Kinds,
    Service,
    apple,
    service,
    uid,
)
from tests.rigs.system import wait_for

pytestmark = pytest.mark.timeout(300)

KILLS = 4  # at a random moment of a tap
READ, CONTAINER_BYTES = bytes.fromhex("00b00000"), 15  # READ BINARY from the beginning; the first one is another file's
HOLD_S = 1.2  # the same phone counts as a new one after a second


@pytest.fixture
def rig() -> Iterator[Pn532Rig]:
    with Pn532Rig() as rig:
        yield rig


def taken(shop: Service) -> int:
    """Taps that opened something, as committed."""
    db = sqlite3.connect(f"file:{shop.data / 'gateway.db'}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM decision WHERE trigger = 'tap'").fetchone()[0])
    finally:
        db.close()


def counted(shop: Service, name: str, n: int = 1) -> None:
    wait_for(lambda: shop.counts().get(name, 0) >= n, f"{n} of {name}; {shop.counts()}")


def away(rig: Pn532Rig) -> None:
    rig.remove()
    time.sleep(HOLD_S)


def recorded_tag(rig: Pn532Rig) -> Spec | None:
    """A tag with the URL that the last one showed, and its number; None while nobody has read it."""
    files = [reply for command, reply in rig.apdus() if command[:4] == READ and command[4] > CONTAINER_BYTES]
    if not files:
        return None
    return cards.type4(files[0][2 : 2 + int.from_bytes(files[0][:2], "big")], uid=uid("sun", 0))


def test_a_tag_s_url_counts_once_even_after_kill_9(tmp_path: Path, rig: Pn532Rig) -> None:
    kinds = Kinds()
    with service(tmp_path, rig) as shop:
        rig.present(kinds.sun(0, 41))
        wait_for(lambda: taken(shop) == 1, "the tap")
        copy = recorded_tag(rig)
        assert copy is not None
        shop.restart(lambda: rig.present(copy))
        counted(shop, "nfc.refused.replayed")
        away(rig)
        rig.present(kinds.sun(0, 40))  # an older one that nobody has shown yet
        counted(shop, "nfc.refused.replayed", 2)
        assert taken(shop) == 1
        away(rig)
        rig.present(kinds.sun(0, 42))
        wait_for(lambda: taken(shop) == 2, "the true next tap")


def test_killed_at_any_moment_of_a_tap_its_url_counts_at_most_once(tmp_path: Path, rig: Pn532Rig) -> None:
    rng = random.Random(424)
    kinds = Kinds()
    shown = 0
    with service(tmp_path, rig) as shop:
        for number in range(KILLS):
            before = taken(shop)
            rig.present(kinds.sun(0, 100 * number))
            wait_for(lambda: recorded_tag(rig) is not None, "the tag to be read")
            time.sleep(rng.uniform(0, 0.02))  # it is committed some 5 ms after it was read
            copy = recorded_tag(rig)
            assert copy is not None
            shop.restart(lambda copy=copy: rig.present(copy))
            wait_for(
                lambda b=before: taken(shop) > b or shop.counts().get("nfc.refused.replayed"), "the copy to be judged"
            )
            away(rig)
            refused = shop.counts().get("nfc.refused.replayed", 0)
            rig.present(copy)
            counted(shop, "nfc.refused.replayed", refused + 1)
            assert taken(shop) <= before + 1
            shown += taken(shop) - before
            away(rig)
    assert 0 < shown <= KILLS


def test_a_phone_s_recorded_answer_opens_nothing_after_kill_9(tmp_path: Path, rig: Pn532Rig) -> None:
    reader = hce.compressed(HCE_KEY)
    repeats, answers = (cards.phone([hce.spec("phone 0", [reader], tenant=TENANT, lie=lie)]) for lie in ("replay", ""))
    with service(tmp_path, rig) as shop:
        rig.present(repeats)
        wait_for(lambda: taken(shop) == 1, "the tap")
        shop.restart()  # the phone rests: it is asked anew, and says what it said before
        counted(shop, "nfc.refused.hce.seal")
        assert taken(shop) == 1
        away(rig)
        rig.present(answers)
        wait_for(lambda: taken(shop) == 2, "the true answer")


def test_a_pass_s_cryptogram_counts_once_even_after_kill_9(tmp_path: Path, rig: Pn532Rig) -> None:
    shown = vas.nfc_pass(PASS_TYPE, APPLE_KEY.public_key(), apple(0))
    now_s = int(time.time())
    same = vas.applet([shown], now_s, keep=True, seed="recorded")
    with service(tmp_path, rig, apple_vas=True) as shop:
        rig.present(cards.phone([same], listens="ecp"))
        wait_for(lambda: taken(shop) == 1, "the tap")
        shop.restart()
        counted(shop, "nfc.refused.replayed")
        assert taken(shop) == 1
        away(rig)
        rig.present(cards.phone([vas.applet([shown], now_s)], listens="ecp"))
        wait_for(lambda: taken(shop) == 2, "the true one")
