"""drivers.flood: bounds per receiver and per frame, anew in every second."""

from drivers.flood import MAX_PER_S, MAX_SAME_PER_S, FloodGate

NOW_MS = 1_800_000_000_000


def test_one_radio_may_hear_so_much_a_second_and_the_others_are_not_concerned() -> None:
    gate = FloodGate()
    admitted = [gate.admits("till", NOW_MS) for _ in range(MAX_PER_S + 5)]
    assert admitted == [True] * MAX_PER_S + [False] * 5
    assert gate.admits("door", NOW_MS)
    assert gate.admits("till", NOW_MS + 1_000)


def test_one_frame_counts_so_often_a_second_and_leaves_room_for_the_others() -> None:
    gate = FloodGate()
    for _ in range(2 * MAX_SAME_PER_S):
        assert gate.admits("till", NOW_MS)
        last = gate.times("till", b"flood")
    assert last == 2 * MAX_SAME_PER_S
    assert gate.times("till", b"another") == 1
    gate.admits("door", NOW_MS)
    assert gate.times("door", b"flood") == 1
    gate.admits("till", NOW_MS + 1_000)
    assert gate.times("till", b"flood") == 1


def test_no_frame_is_kept_and_what_is_kept_lasts_a_second() -> None:
    gate = FloodGate()
    for number in range(2 * MAX_PER_S):
        if gate.admits("till", NOW_MS):
            gate.times("till", number.to_bytes(8, "big"))
    second = gate._seconds["till"]
    assert len(second.frames) == MAX_PER_S
    assert all(type(mark) is int for mark in second.frames)
    gate.admits("till", NOW_MS + 1_000)
    assert not second.frames
