"""The lines to the broker."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.clock import InstantClock, ShopClock, world_ms
from gateway.config import UplinkTable
from gateway.core.redemption import Times
from gateway.errors import ConfigError, PeerError
from gateway.lines import password, verifier
from gateway.store import Store
from sync import messages, signing, topics
from sync.topics import Topics
from tests.rigs.signed import DAY_MS, NOW_MS, ROOT, certificate, keys, public, signed

PLACE = Topics("t", "s", "g")
HEX = public(ROOT).hex()
HEAD = messages.head(1, 1)


def test_the_brokers_password_stands_in_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(ConfigError, match="broker's password"):
        password(path)
    path.write_text("sesame\n")
    assert (password(path), password(None)) == ("sesame", None)


@dataclass
class WorldClock(ShopClock):
    """The world's time, believed or not."""

    trusts: bool = True

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def trusted(self) -> bool:
        return self.trusts


@pytest.fixture
def store(tmp_path: Path):
    made = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    yield made
    made.close()


async def reason(
    store: Store, times: Times, clock: ShopClock | InstantClock, until_ms: int = 0, shown: bytes | None = None
) -> str:
    """What becomes of keys and then of a message at this instant: why the first was refused, or "believed"."""
    one = verifier(UplinkTable(host="h", hq_root=HEX), store, lambda: times, clock)
    _, refused = await one.learn(shown or keys())
    if refused:
        return refused[0]
    try:
        await one.open(PLACE.down(topics.HEAD), topics.HEAD, signed(PLACE, topics.HEAD, HEAD, 1, until_ms))
    except PeerError as error:
        return error.reason
    return "believed"


def test_without_a_root_key_no_signature_is_looked_at(store: Store) -> None:
    assert not verifier(UplinkTable(host="h"), store, lambda: Times(0, 0, 0), ShopClock()).checks
    with pytest.raises(ConfigError, match=r"mqtt\.hq_root: expected a root key"):
        verifier(UplinkTable(host="h", hq_root="00"), store, lambda: Times(0, 0, 0), ShopClock())


async def test_signatures_are_judged_by_what_has_surely_come(store: Store) -> None:
    ahead, late = NOW_MS + 400 * DAY_MS, NOW_MS + DAY_MS
    jumped = Times(ahead, NOW_MS, ahead)
    assert await reason(store, jumped, WorldClock(), NOW_MS + 1) == "believed"
    assert await reason(store, Times(late, late, late), WorldClock(), NOW_MS + 1) == "expired"
    assert await reason(store, Times(ahead, ahead, ahead), WorldClock()) == "key_expired"


async def test_a_clock_that_nobody_trusts_keeps_no_key_out(store: Store) -> None:
    at_start = Times(0, 0, 0)
    assert await reason(store, at_start, WorldClock()) == "key_early"
    assert await reason(store, at_start, WorldClock(trusts=False)) == "believed"


@pytest.mark.parametrize("clock", [ShopClock(60.0), InstantClock()])
async def test_a_simulated_or_recorded_shop_judges_by_the_worlds_time(
    clock: ShopClock | InstantClock, store: Store
) -> None:
    far = Times(10**13, 10**13, 10**13)
    today_ms = world_ms()
    serving = signing.keys([certificate("head", from_ms=today_ms - DAY_MS, until_ms=today_ms + DAY_MS)])
    assert await reason(store, far, clock, shown=serving) == "believed"
    ended = signing.keys([certificate("head", 2, from_ms=0, until_ms=today_ms - DAY_MS)])
    assert await reason(store, Times(0, 0, 0), clock, shown=ended) == "key_expired"
