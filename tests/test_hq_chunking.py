"""Whatever the ops are, the chunks hold them all in their order, fit their bounds, and count everybody once."""

import itertools
import random

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.snapshot import CHUNK_BYTES, CHUNK_RAW_BYTES
from sync.hq import chunking
from sync.hq.chunking import Chunk, Chunker, Line, chunk_of
from sync.hq.versions import MAX_OP_BYTES


def cut(lines: list[Line]) -> list[Chunk]:
    chunker = Chunker()
    found = [chunk for line in lines for chunk in chunker.add(line)]
    return [*found, *chunker.rest()]


def ops(chunk: Chunk) -> list[str]:
    return zstandard.decompress(chunk.data).decode().splitlines()


def lines_of(sizes: list[tuple[int, int]], seed: int) -> list[Line]:
    """Of each member so many ops of so many bytes that hardly pack."""
    rng, found = random.Random(seed), list[Line]()
    for number, (count, size) in enumerate(sizes):
        for _ in range(count):
            text = rng.randbytes(size // 2).hex()
            found.append(Line(f"m-{number:05}", len(found) + 1, f'"{text}"'))
    return found


def check(lines: list[Line]) -> list[Chunk]:
    chunks = cut(lines)
    assert [op for chunk in chunks for op in ops(chunk)] == [line.op for line in lines]
    assert sum(chunk.ops for chunk in chunks) == len(lines)
    assert sum(chunk.members for chunk in chunks) == len({line.member_id for line in lines})
    assert all(len(chunk.data) <= CHUNK_BYTES - chunking.SPARE_BYTES for chunk in chunks if chunk.ops > 1)
    at = 0
    for chunk in chunks:
        part = lines[at : at + chunk.ops]
        assert (chunk.first, chunk.last) == (part[0][:2], part[-1][:2])
        assert sum(len(line.op) + 1 for line in part) <= CHUNK_RAW_BYTES
        at += chunk.ops
    return chunks


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([10, 300, 2_000, 30_000])), max_size=30), st.integers())
def test_every_op_is_in_one_chunk(sizes: list[tuple[int, int]], seed: int) -> None:
    check(lines_of(sizes, seed))


def test_chunks_are_well_filled_and_end_between_members() -> None:
    chunks = check(lines_of([(5, 300)] * 1_500, 1))
    assert all(chunk.first[0] != former.last[0] for former, chunk in itertools.pairwise(chunks))
    assert sum(len(chunk.data) for chunk in chunks) / len(chunks) > 0.8 * CHUNK_BYTES


def test_what_packs_well_is_bounded_unpacked() -> None:
    lines = [Line(f"m-{number:05}", number, f'"{"x" * 1_000}"') for number in range(1, 3_000)]
    assert len(check(lines)) == 4  # the first as if they packed like members


def test_a_member_of_more_than_a_chunk_stands_in_several_and_counts_once() -> None:
    chunks = check(lines_of([(1, 300), (12, 30_000), (1, 300)], 2))
    assert len([chunk for chunk in chunks if chunk.first[0] == "m-00001"]) > 1


def test_the_largest_op_is_a_chunk_of_its_own() -> None:
    rng = random.Random(3)
    text = "".join(chr(rng.choice([n for n in range(32, 127) if n not in (34, 92)])) for _ in range(MAX_OP_BYTES - 2))
    (chunk,) = check([Line("m-1", 1, f'"{text}"')])
    assert len(chunk.data) <= CHUNK_BYTES


def test_nobody_is_an_empty_chunk() -> None:
    empty = chunk_of([])
    assert (empty.first, empty.last, empty.members, empty.ops, ops(empty)) == (("", 0), ("", 0), 0, 0, [])
