"""Health counts by fixed names and remembers since when a part is in its state."""

from gateway.health import Health


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
