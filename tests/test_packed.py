"""gateway.core.packed: the index is a multimap, the arena keeps texts apart, and neither keeps what was dropped."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.packed import MAX_VALUE, Arena, PackedIndex

# Few distinct bytes, so that keys share buckets and records look alike across their borders.
keys = st.lists(st.integers(0, 1), min_size=8, max_size=8).map(bytes)
values = st.sampled_from([0, 1, 256, 65_536, MAX_VALUE])


class Multimap(RuleBasedStateMachine):
    """The index against a plain list of pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.index = PackedIndex()
        self.pairs: list[tuple[bytes, int]] = []

    @rule(key=keys, value=values)
    def add(self, key: bytes, value: int) -> None:
        self.index.add(key, value)
        self.pairs.append((key, value))

    @rule(key=keys, value=values)
    def remove(self, key: bytes, value: int) -> None:
        self.index.remove(key, value)
        if (key, value) in self.pairs:
            self.pairs.remove((key, value))

    @invariant()
    def holds_the_same(self) -> None:
        assert len(self.index) == len(self.pairs)
        for key in {key for key, _ in self.pairs} | {bytes(8)}:
            assert sorted(self.index.all(key)) == sorted(value for one, value in self.pairs if one == key)
            assert sorted(self.index.under(key[:2])) == sorted(pair for pair in self.pairs if pair[0][:2] == key[:2])


TestMultimap = Multimap.TestCase
TestMultimap.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


def test_a_removed_record_leaves_no_bytes_behind() -> None:
    index = PackedIndex()
    index.add(b"AAsecret", 1)
    bucket = index._buckets[ord("A") << 8 | ord("A")]
    assert bucket is not None
    view = memoryview(bucket)  # what is allocated stays where it is while this looks
    view.release()
    index.remove(b"AAsecret", 1)
    assert b"secret" not in bytes(bucket)
    assert len(index) == 0


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=20), st.data())
def test_texts_come_back_and_their_places_are_used_again(texts: list[str], data: st.DataObject) -> None:
    arena = Arena()
    held = {arena.add(text): text for text in texts}
    for at in data.draw(st.lists(st.sampled_from(sorted(held)), unique=True)) if held else ():
        gone = held.pop(at)
        arena.drop(at)
        size = len(arena._block)
        held[arena.add(gone)] = gone
        assert len(arena._block) == size
    assert {at: arena.get(at) for at in held} == held


def test_a_dropped_text_is_overwritten() -> None:
    arena = Arena()
    at = arena.add("m-erased")
    arena.drop(at)
    assert b"erased" not in arena._block
