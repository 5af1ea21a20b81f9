"""gateway.tables.floor: one plan, changed only from the revision that somebody saw, there again after a restart."""

from pathlib import Path

from gateway.core.floor import Floor
from gateway.store import Store


def opened(folder: Path) -> Store:
    return Store(folder / "gateway.db", "e" * 32, bytes(32))


async def test_a_plan_is_kept_over_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store.floor is None
    plan = Floor(receivers={"till-ble": (1.5, 2)})
    assert await store.run(lambda tx: tx.put_floor(plan, 0))
    store.close()
    again = opened(tmp_path)
    assert again.floor == plan
    assert await again.run(lambda tx: tx.floor_revision) == 1
    again.close()


async def test_of_two_devices_the_slower_one_is_told(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert await store.run(lambda tx: tx.put_floor(Floor(30, 10), 0))
    assert not await store.run(lambda tx: tx.put_floor(Floor(10, 10), 0))
    assert await store.run(lambda tx: tx.floor()) == Floor(30, 10)
    store.close()
