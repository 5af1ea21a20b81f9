"""How far headquarters holds a stream: any order, any duplicates, bounded."""

import itertools
import random
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.streams import Stream
from sync.hq import marks
from sync.hq.ledger import Ledger
from sync.hq.marks import Held, joined

PLACE = ("acme", "munich-1", "gw-1", "ab" * 16)
spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda one: (one[0], sum(one))), max_size=30)


@given(spans)
def test_what_is_held_is_the_union_of_what_came(parts: list[tuple[int, int]]) -> None:
    held, numbers = Held(0, ()), set[int]()
    for first, last in parts:
        held = joined(held, first, last)
        numbers |= set(range(first, last + 1))
        inside = [set(range(one[0], one[1] + 1)) for one in held.ahead]
        assert set(range(1, held.watermark + 1)).union(*inside) == numbers - {0}
        ends = [(held.watermark, held.watermark), *held.ahead]
        assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ends)), "nothing adjoins"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_whatever_the_order_all_of_a_chain_ends_below_the_watermark(sizes: list[int], rng: random.Random) -> None:
    chain, first = [], 1
    for size in sizes:
        chain.append((first, first + size - 1))
        first += size
    sent = chain + [rng.choice(chain) for _ in range(3)]
    rng.shuffle(sent)
    held = Held(0, ())
    for one in sent:
        held = joined(held, *one)
    assert held == Held(first - 1, ())


def test_ranges_are_bounded_and_those_that_are_known_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MAX_AHEAD", 2)
    held = joined(joined(joined(Held(0, ()), 10, 11), 20, 21), 30, 31)
    assert held == Held(0, ((10, 11), (20, 21)))
    assert joined(held, 12, 19) == Held(0, ((10, 21),))
    assert joined(held, 1, 9) == Held(11, ((20, 21),))


@given(st.lists(st.tuples(st.sampled_from(Stream), st.integers(1, 30), st.integers(0, 5)), max_size=12))
def test_the_file_says_what_was_reckoned_of_each_stream(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[Stream, int, int]]
) -> None:
    path: Path = tmp_path_factory.mktemp("marks") / "hq.db"
    with closing(Ledger(path)) as ledger:
        expected = dict.fromkeys(Stream, Held(0, ()))
        for stream, first, more in parts:
            before = expected[stream]
            expected[stream] = joined(before, first, first + more)
            with ledger._write():
                assert ledger._advance([(PLACE, stream, first, first + more)]) == [(before.watermark, expected[stream])]
        with ledger._write():
            assert ledger._held((*PLACE, stream) for stream in Stream) == {
                (*PLACE, stream): held for stream, held in expected.items()
            }
            assert ledger._advance([(PLACE, stream, 0, 0) for stream in Stream]) == [
                (expected[stream].watermark, expected[stream]) for stream in Stream
            ]
