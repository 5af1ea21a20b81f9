"""Health counts by fixed names and remembers since when a part is in its state."""

from drivers.frames import Other
from gateway.health import LEAST, OF_STRANGERS, TOLD_EVERY_MS, Health


def test_counts_add_up_sorted() -> None:
    health = Health()
    health.count("b")
    health.count("a", 3)
    health.count("b")
    assert list(health.counts.items()) == [("a", 3), ("b", 2)]


def test_since_moves_only_with_the_state() -> None:
    health = Health()
    health.set("disk", "ok", 10)
    health.set("disk", "ok", 20, "still fine")
    assert (health.parts[0].since_ms, health.parts[0].detail) == (10, "still fine")
    health.set("disk", "down", 30, "full", "Free space.")
    assert (health.parts[0].since_ms, health.parts[0].action) == (30, "Free space.")


def test_the_worst_part_is_the_state() -> None:
    health = Health()
    assert health.state == "ok"
    health.set("a", "ok", 1)
    health.set("b", "degraded", 1)
    assert health.state == "degraded"
    health.set("c", "down", 1)
    assert health.state == "down"
    assert [part.name for part in health.parts] == ["a", "b", "c"]


def test_what_is_counted_of_strangers_is_told_by_the_minute_and_from_five_on() -> None:
    health, now_ms = Health(), 100 * TOLD_EVERY_MS
    health.count("nfc.taps")
    health.count("ble.strangers", LEAST)
    health.count("nfc.strangers", LEAST - 1)
    assert health.told(now_ms) == {"nfc.taps": 1, "ble.strangers": LEAST}
    health.count("nfc.taps")
    health.count("ble.strangers", 1_000)
    health.count("nfc.strangers")
    assert health.told(now_ms + TOLD_EVERY_MS - 1) == {"nfc.taps": 2, "ble.strangers": LEAST}
    assert health.told(now_ms + TOLD_EVERY_MS) == {
        "nfc.taps": 2,
        "ble.strangers": LEAST + 1_000,
        "nfc.strangers": LEAST,
    }
    health.count("ble.strangers", LEAST - 1)
    assert health.told(now_ms + 9 * TOLD_EVERY_MS)["ble.strangers"] == LEAST + 1_000


def test_every_kind_of_stranger_is_among_them() -> None:
    assert {f"ble.{kind.value}" for kind in Other} <= set(OF_STRANGERS)
