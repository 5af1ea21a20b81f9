"""Keys open at the start and after each change, rotate without a pause, and never rest in clear."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.changes import Delta, KeyDrop, MemberPut
from gateway.core.keyring import Keyring, KeyUse, SunKey, TagKey
from gateway.core.model import Member
from gateway.errors import StoreError
from gateway.health import Part
from gateway.keychain import KEEP_ENDED_MS, MAX_KEYS, PART, Keychain, open_all
from gateway.records import Tx
from tests.rigs.leaks import search
from tests.rigs.shop import START_MS, Shop
from tests.rigs.terminalkeys import GATEWAY, PRIVATE, sealed, secret


class KeyedShop(Shop):
    """A shop whose flow has a keychain; `ring` is what its readers see."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rings: list[Keyring] = []
        self.keychain = Keychain(self.store, PRIVATE, GATEWAY, self.clock, self.health, self.rings.append)
        self.flow._keychain = self.keychain
        self.flow.orders = replace(self.flow.orders, keychain=self.keychain)

    async def open(self) -> None:
        await self.flow.start()
        self.version = await self.store.hq_version()

    @property
    def part(self) -> Part:
        return next(part for part in self.health.parts if part.name == PART)

    def sun(self, at_ms: int) -> list[str]:
        """The SUN keys that a tap at `at_ms` would try."""
        return [key.meta.hex() for key in self.rings[-1].of(SunKey, at_ms)]


@pytest.fixture
async def shop(tmp_path: Path):
    made = KeyedShop(tmp_path)
    await made.open()
    yield made
    made.store.close()


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def meta(key_id: str) -> str:
    return secret(key_id)[:32]


async def test_a_shop_without_keys_says_so_and_is_well(shop: KeyedShop) -> None:
    assert (shop.part.state, shop.sun(START_MS)) == ("ok", [])
    assert "none" in shop.part.detail


async def test_a_key_serves_as_soon_as_it_is_applied(shop: KeyedShop) -> None:
    assert await shop.push(sealed("sun-1"), sealed("tag-1", KeyUse.TAG)) == "applied"
    assert shop.sun(START_MS) == [meta("sun-1")]
    assert len(shop.rings[-1].of(TagKey, START_MS)) == 1
    assert shop.keychain.ring is shop.rings[-1], "what signs coupons sees the same"
    assert (shop.part.state, shop.part.detail) == ("ok", "sun 1, tag 1")


async def test_other_changes_leave_the_ring_alone(shop: KeyedShop) -> None:
    await shop.push(sealed("sun-1"))
    before = len(shop.rings)
    await shop.push(MemberPut(Member("mia")), sealed("sun-2", gateway="acme/munich-1/gw-2"))
    assert len(shop.rings) == before


async def test_a_key_for_another_gateway_replaces_none_of_ours(shop: KeyedShop) -> None:
    await shop.push(sealed("sun-1"))
    await shop.push(sealed("sun-1", gateway="acme/berlin/gw-1"), KeyDrop("acme/berlin/gw-1", "sun-1"))
    assert shop.sun(START_MS) == [meta("sun-1")]


async def test_a_rotation_has_no_pause(shop: KeyedShop) -> None:
    await shop.push(sealed("old", until_ms=START_MS + 2_000))
    await shop.push(sealed("new", from_ms=START_MS + 1_000))
    told = [START_MS, START_MS + 999, START_MS + 1_000, START_MS + 1_999, START_MS + 2_000]
    expected = [[meta("old")], [meta("old")], [meta("new"), meta("old")], [meta("new"), meta("old")], [meta("new")]]
    assert [shop.sun(ms) for ms in told] == expected


async def test_a_rotation_goes_on_over_a_restart(tmp_path: Path) -> None:
    first = KeyedShop(tmp_path)
    await first.open()
    await first.push(sealed("old", until_ms=START_MS + 2_000), sealed("new", from_ms=START_MS + 1_000))
    first.store.close()
    again = KeyedShop(tmp_path)
    await again.open()
    assert again.sun(START_MS) == [meta("old")]
    assert again.sun(START_MS + 1_500) == [meta("new"), meta("old")]
    await again.push(KeyDrop(GATEWAY, "old"))
    assert again.sun(START_MS) == []
    assert again.sun(START_MS + 1_500) == [meta("new")]
    again.store.close()


async def test_readers_keep_a_ring_that_stays_whole(shop: KeyedShop) -> None:
    await shop.push(sealed("sun-1"))
    held = shop.rings[-1]
    await shop.push(KeyDrop(GATEWAY, "sun-1"))
    assert len(held.of(SunKey, START_MS)) == 1
    assert shop.sun(START_MS) == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (sealed("bad", private=b"x" * 32), "sealed"),
        (replace(sealed("bad"), from_ms=7), "sealed"),
        (replace(sealed("good-name"), key_id="bad"), "sealed"),
        (replace(sealed("bad"), use=KeyUse.TAG), "sealed"),
        (replace(sealed("bad"), sealed=b"short"), "sealed"),
        (replace(sealed("bad", gateway="acme/munich-1/gw-2"), gateway=GATEWAY), "sealed"),
        (sealed("bad", content=b"{}"), "key_material"),
    ],
)
async def test_a_key_that_cannot_be_used_stops_no_other(shop: KeyedShop, broken, reason: str) -> None:
    await shop.push(sealed("sun-1"), broken)
    assert shop.sun(START_MS) == [meta("sun-1")]
    assert shop.health.counts == {f"keys.{reason}": 1}
    assert (shop.part.state, shop.part.detail) == ("degraded", "1 of 2 keys cannot be used: bad")
    assert "push these keys again" in shop.part.action
    await shop.push(sealed("bad"))
    assert shop.part.state == "ok"


def test_of_too_many_keys_those_that_serve_last_are_left_aside() -> None:
    serving = tuple(sealed(f"k-{n}", from_ms=1_000 - n) for n in range(MAX_KEYS + 2))
    opened = open_all(serving, PRIVATE, GATEWAY, START_MS)
    assert len(opened.held) == MAX_KEYS
    assert opened.refused == (("k-64", "too_many"), ("k-65", "too_many"))
    coming = tuple(sealed(f"f-{n}", from_ms=START_MS + 1 + n) for n in range(MAX_KEYS))
    opened = open_all((*coming, serving[0]), PRIVATE, GATEWAY, START_MS)
    assert opened.held[0].key_id == "k-0"
    assert opened.refused == ((f"f-{MAX_KEYS - 1}", "too_many"),)


def test_keys_that_ended_push_out_none_and_nobody_misses_them() -> None:
    ended = tuple(sealed(f"e-{n}", from_ms=2_000 + n, until_ms=3_000 + n) for n in range(MAX_KEYS))
    current, coming = sealed("current", from_ms=1_000), sealed("coming", from_ms=START_MS + 1)
    opened = open_all((*ended, coming, current), PRIVATE, GATEWAY, START_MS)
    assert [one.key_id for one in opened.held[:2]] == ["current", "coming"]
    assert opened.refused == ()


async def test_a_key_that_ended_is_forgotten_a_day_later(shop: KeyedShop) -> None:
    await shop.push(sealed("old", until_ms=START_MS + 1_000), sealed("new"))
    for passed_ms, left in ((KEEP_ENDED_MS + 999, ["new", "old"]), (KEEP_ENDED_MS + 1_000, ["new"])):
        shop.clock.ms = START_MS + passed_ms
        await shop.keychain.load()
        kept = await shop.store.run(Tx.terminal_keys)
        assert [row.key_id for row in kept] == left


async def test_a_disk_that_refuses_leaves_the_keys_that_readers_have(
    shop: KeyedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.push(sealed("sun-1"))

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused")

    monkeypatch.setattr(shop.store, "run", refuse)
    with pytest.raises(StoreError):
        await shop.keychain.load()
    assert shop.sun(START_MS) == [meta("sun-1")]


async def test_on_the_disk_a_key_is_sealed(tmp_path: Path) -> None:
    shop = KeyedShop(tmp_path)
    await shop.open()
    uses = {use: f"{use}-1" for use in KeyUse if use is not KeyUse.TAG}
    await shop.push(*(sealed(key_id, use) for use, key_id in uses.items()))
    kept = await shop.store.run(Tx.terminal_keys)
    files = stored(tmp_path)
    shop.store.close()
    files |= {f"{name} at the end": content for name, content in stored(tmp_path).items()}
    assert any(kept[0].sealed in content for content in files.values()), "the search looks where the keys are"
    assert any(name.endswith("-wal") for name in files)
    halves = [bytes.fromhex(secret(key_id)[half]) for key_id in uses.values() for half in (slice(0, 32), slice(32, 64))]
    assert search(files, [*halves, PRIVATE]) == []


async def test_a_delta_of_both_kinds_is_followed_whole(shop: KeyedShop) -> None:
    outcome = await shop.flow.on_hq_change(Delta(0, 3, (MemberPut(Member("mia")), sealed("sun-1"))))
    assert (outcome, shop.sun(START_MS)) == ("applied", [meta("sun-1")])
    assert await shop.store.hq_version() == 3
