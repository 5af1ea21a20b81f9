"""The bounds of a snapshot hold together: chunk, message, manifest and file service."""

from gateway.core import snapshot
from gateway.core.content import MAX_FILE_BYTES
from gateway.core.fetching import PIECE_BYTES
from gateway.core.snapshot import Held, ManifestPart
from sync import contract, messages
from sync.hq.versions import MAX_OP_BYTES


def test_a_chunk_is_one_piece_and_holds_the_largest_op() -> None:
    assert snapshot.CHUNK_BYTES <= PIECE_BYTES <= MAX_FILE_BYTES
    assert MAX_OP_BYTES < snapshot.CHUNK_RAW_BYTES


def test_a_manifest_has_room_for_all_its_chunks() -> None:
    assert snapshot.MAX_PARTS * snapshot.PART_CHUNKS == snapshot.MAX_CHUNKS
    assert snapshot.PART_CHUNKS * 67 < messages.MAX_PAYLOAD_BYTES * 3 / 4


def test_what_is_left_out_is_all_that_concerns_members_but_what_is_withdrawn_or_soon_over() -> None:
    about = {name for name, forms in contract.OPS.items() if all("member_id" in form.model_fields for form in forms)}
    assert about - snapshot.MEMBER_OPS == {"member.erase", "binding.put"}
    assert about > snapshot.MEMBER_OPS


def test_a_part_says_what_its_holder_holds() -> None:
    part = ManifestPart("ab" * 16, 3, 42, 0, 1, 2, 9, 40, 1, 1, 1, 0, ("cd" * 32,))
    assert part.held == Held("ab" * 16, 3)
