import random

from sync.backoff import BUSY_CEILING_MS, BUSY_LEAST_MS, FIRST_CEILING_MS, MAX_CEILING_MS, Backoff


def highest(waits: int) -> list[int]:
    """The ceilings of the first `waits` waits, by a random source that always draws the highest."""

    class Highest(random.Random):
        def randint(self, a: int, b: int) -> int:
            return b

    backoff = Backoff()
    return [backoff.next_ms(Highest()) for _ in range(waits)]


def test_ceiling_doubles_up_to_300_s() -> None:
    assert highest(12) == [
        *(500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000),
        *(300_000, 300_000),
    ]
    assert FIRST_CEILING_MS <= 1_000 < MAX_CEILING_MS == 300_000


def test_jitter_uses_the_whole_range() -> None:
    rng = random.Random(7)
    firsts = [Backoff().next_ms(rng) for _ in range(500)]
    assert min(firsts) < FIRST_CEILING_MS // 10
    assert max(firsts) > FIRST_CEILING_MS * 9 // 10
    assert all(0 <= wait_ms <= FIRST_CEILING_MS for wait_ms in firsts)


def test_reset_makes_the_next_loss_a_fresh_one() -> None:
    backoff, rng = Backoff(), random.Random(7)
    for _ in range(20):
        backoff.next_ms(rng)
    backoff.reset()
    assert backoff.next_ms(rng) <= FIRST_CEILING_MS


def test_a_busy_broker_is_left_alone_for_longer() -> None:
    rng = random.Random(7)
    firsts = [Backoff().next_ms(rng, busy=True) for _ in range(500)]
    assert min(firsts) >= BUSY_LEAST_MS
    assert max(firsts) > BUSY_CEILING_MS * 9 // 10
    assert FIRST_CEILING_MS < BUSY_LEAST_MS < BUSY_CEILING_MS < MAX_CEILING_MS
    backoff = Backoff()
    for _ in range(20):
        backoff.next_ms(rng)
    assert max(backoff.next_ms(rng, busy=True) for _ in range(100)) > BUSY_CEILING_MS, "what has grown stays"
