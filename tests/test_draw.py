"""gateway.emulator.draw: the same bytes for the same seed, others for another, random ones without."""

from gateway.emulator.draw import draws


def test_a_seed_gives_the_same_bytes_in_each_run_and_never_the_same_twice() -> None:
    one, two = draws("phone"), draws("phone")
    first = one(32)
    assert first == two(32)
    assert len(first) == 32
    assert one(32) not in (first, draws("other")(32))


def test_without_a_seed_the_bytes_are_random() -> None:
    assert draws("")(16) != draws("")(16)
