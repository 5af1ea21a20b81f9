"""gateway.core.waiting: everybody is taken once, in the order of the seconds."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.waiting import Waiting


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5))), st.integers(0, 6))
def test_who_is_due_is_taken_once_and_the_others_wait(entries: list[tuple[int, int]], now_s: int) -> None:
    waiting = Waiting()
    for row, second in entries:
        waiting.add(row, second)
    taken = []
    while (entry := waiting.take(now_s)) is not None:
        taken.append(entry)
    assert [second for _, second in taken] == sorted(second for _, second in entries if second <= now_s)
    assert sorted(taken) == sorted(entry for entry in entries if entry[1] <= now_s)
    left = [second for _, second in entries if second > now_s]
    assert len(waiting) == len(left)
    assert waiting.first_s == (min(left) if left else None)


def test_what_is_replaced_is_gone() -> None:
    waiting = Waiting()
    waiting.add(1, 5)
    waiting.replace([(2, 7)])
    assert (len(waiting), waiting.take(7), waiting.take(7)) == (1, (2, 7), None)
