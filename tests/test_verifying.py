"""What a gateway believes: the root's certificates alone, kept before they are used, and no number ever falls."""

import pytest

from gateway.errors import PeerError, StoreError
from sync import event_messages, messages, signing, topics
from sync.signing import Role
from sync.topics import Topics
from sync.verifying import TROUBLES, Moment, Verifier
from tests.rigs.signed import DAY_MS, NOW_MS, Believer, Notebook, certificate, key, keys, public, signed, signer_key

PLACE = Topics("acme", "berlin", "gw1")
OTHER = Topics("acme", "berlin", "gw2")
HEAD = messages.head(7, 3, 5, NOW_MS)
ACK = event_messages.ack("ab" * 16, 9)


async def opened(one: Believer, payload: bytes, leaf: str = topics.HEAD, place: Topics = PLACE) -> bytes | str:
    """What is inside, or the reason why nobody believes it."""
    try:
        return await one.verifier.open(place.down(leaf), leaf, payload)
    except PeerError as error:
        assert one.verifier.trouble == error.reason
        assert error.reason in TROUBLES
        return error.reason


async def taught(number: int = 1) -> Believer:
    one = Believer()
    assert await one.verifier.learn(keys(number)) == (len(Role), [])
    return one


async def test_without_a_root_key_everything_comes_through_signed_or_not() -> None:
    free = Verifier()
    assert not free.checks
    assert await free.open(PLACE.down(topics.HEAD), topics.HEAD, HEAD) == HEAD
    assert await free.open(PLACE.down(topics.HEAD), topics.HEAD, signed(OTHER, topics.ACK, HEAD, 99)) == HEAD
    with pytest.raises(PeerError, match="too_large"):
        await free.open(PLACE.down(topics.HEAD), topics.HEAD, b" " * (messages.MAX_PAYLOAD_BYTES + 1))


async def test_what_headquarters_signed_for_this_topic_is_believed() -> None:
    one = await taught()
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD)) == HEAD
    assert await opened(one, signed(PLACE, topics.ACK, ACK), topics.ACK) == ACK
    assert one.verifier.trouble is None


async def test_everything_else_is_not() -> None:
    one = await taught(5)
    good = signed(PLACE, topics.HEAD, HEAD, 5)
    assert await opened(one, HEAD) == "unsigned"
    assert await opened(one, good[:-1]) == "signature"
    assert await opened(one, good, topics.ACK) == "signature"
    assert await opened(one, signed(OTHER, topics.HEAD, HEAD, 5)) == "signature"
    assert await opened(one, signed(PLACE, topics.DELTA, HEAD, 5)) == "signature", "signed by a key without this role"
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 6)) == "signer"
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 4)) == "retired"
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 5, NOW_MS - 1)) == "expired"
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 5, NOW_MS)) == HEAD
    assert one.verifier.trouble is None, "something good has come since"


async def test_before_any_key_came_nothing_is_believed() -> None:
    assert await opened(Believer(), signed(PLACE, topics.HEAD, HEAD)) == "signer"


async def test_keys_outlive_the_process() -> None:
    one = await taught()
    again = Believer(one.notebook)
    assert await opened(again, signed(PLACE, topics.HEAD, HEAD)) == HEAD
    assert await again.verifier.learn(keys()) == (0, [])
    assert one.notebook.writes == 1


async def test_keys_are_kept_before_they_are_used() -> None:
    one = await taught(1)
    one.notebook.full = True
    with pytest.raises(StoreError):
        await one.verifier.learn(keys(2))
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 2)) == "signer"
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 1)) == HEAD
    one.notebook.full = False
    await one.verifier.learn(keys(2))
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 2)) == HEAD
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 1)) == "retired"


@pytest.mark.parametrize("role", [*Role])
async def test_no_roles_number_falls(role: Role) -> None:
    """GHSA-66x3-6cw3-v5gj: go-tuf held roll-backs off for its root role alone."""
    one = await taught(5)
    older = signing.keys([certificate(role, 4)])
    assert await one.verifier.learn(older) == (0, ["key_rollback"])
    again = Believer(one.notebook)
    assert await again.verifier.learn(older) == (0, ["key_rollback"])
    another = signing.certify(key("root"), role, 5, public(key("another")), 0, NOW_MS + DAY_MS)
    assert await again.verifier.learn(signing.keys([another])) == (0, ["key_rollback"]), "one number, one key"


async def test_what_was_refused_does_not_stand_in_the_way_of_what_comes_next() -> None:
    """CVE-2025-2888: tough kept what it had refused, and refused every good one after it."""
    one = await taught(5)
    before = one.notebook.kept
    for refused in (
        [certificate("head", 9, until_ms=NOW_MS - 1)],  # has ended
        [certificate("head", 9, from_ms=NOW_MS + 1)],  # does not count yet
        [certificate("head", 9, root=key("another root"))],
    ):
        payload = signing.keys(refused)
        try:
            news, reasons = await one.verifier.learn(payload)
            assert (news, len(reasons)) == (0, 1)
        except PeerError as error:
            assert error.reason == "key_signature"
    assert one.notebook.kept == before
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 5)) == HEAD
    assert await one.verifier.learn(signing.keys([certificate("head", 6)])) == (1, [])
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 6)) == HEAD


async def test_one_wrong_signature_and_nothing_of_the_message_is_taken() -> None:
    one = await taught(1)
    mixed = signing.keys([certificate("head", 2), certificate("erase", 2, root=key("another root"))])
    with pytest.raises(PeerError, match="key_signature"):
        await one.verifier.learn(mixed)
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 1)) == HEAD


async def test_a_role_of_a_newer_release_is_passed_over() -> None:
    one = Believer()
    listed = [certificate("head"), certificate("gardening")]
    assert await one.verifier.learn(signing.keys(listed)) == (1, [])
    assert one.notebook.kept == signing.keys(listed[:1])


async def test_a_role_is_rotated_alone() -> None:
    one = await taught(1)
    assert await one.verifier.learn(signing.keys([certificate("change", 2)])) == (1, [])
    assert await opened(one, signed(PLACE, topics.DELTA, b"{}", 2), topics.DELTA) == b"{}"
    assert await opened(one, signed(PLACE, topics.HEAD, HEAD, 1)) == HEAD


def head(boot: int, version: int, erase_seq: int = 0) -> messages.Head:
    return messages.Head(version, boot, erase_seq, NOW_MS)


async def followed(one: Believer, *told: messages.Head) -> list[str]:
    """What becomes of heads that headquarters signed."""
    found = []
    for each in told:
        try:
            await one.verifier.follow(each)
            found.append("followed")
        except PeerError as error:
            assert one.verifier.trouble == error.reason
            assert error.reason in TROUBLES
            found.append(error.reason)
    return found


async def test_heads_go_forward_only() -> None:
    one = await taught()
    assert await one.verifier.seen() is None
    assert await followed(one, head(3, 7, 5), head(3, 7, 5), head(3, 8, 5), head(3, 8, 6)) == ["followed"] * 4
    older = head(3, 7, 6), head(3, 8, 5), head(3, 9, 5), head(2, 9, 9), head(0, 0)
    assert await followed(one, *older) == ["head_rollback"] * 5
    assert await one.verifier.seen() == (3, 8, 6)
    assert await followed(one, head(4, 2, 1)) == ["followed"], "it was put back, and has heard what was seen here"
    assert await followed(one, head(3, 9, 9)) == ["head_rollback"]


async def test_how_far_heads_came_outlives_the_process_and_is_kept_before_it_is_used() -> None:
    one = await taught()
    await one.verifier.follow(head(3, 7))
    one.notebook.full = True
    with pytest.raises(StoreError):
        await one.verifier.follow(head(4, 8))
    assert await one.verifier.seen() == (3, 7, 0)
    await one.verifier.follow(head(3, 7))  # nothing new: nothing is written
    one.notebook.full = False
    await one.verifier.follow(head(4, 8))
    again = Believer(one.notebook)
    assert await again.verifier.seen() == (4, 8, 0)
    assert await followed(again, head(3, 9), head(4, 7)) == ["head_rollback"] * 2


async def test_another_key_for_heads_lets_their_numbers_begin_anew() -> None:
    one = await taught(1)
    await one.verifier.follow(head(2**60, 2**60))
    await one.verifier.learn(signing.keys([certificate("change", 2)]))
    assert await followed(one, head(3, 7)) == ["head_rollback"], "of another role"
    await one.verifier.learn(signing.keys([certificate("head", 2)]))
    assert await followed(one, head(3, 7), head(2, 7)) == ["followed", "head_rollback"]


async def test_without_a_root_key_no_number_of_a_head_is_kept() -> None:
    free = Verifier()
    for each in (head(9, 9, 9), head(1, 1, 1)):
        await free.follow(each)
    assert await free.seen() is None, "anybody could have told them"


async def test_times_are_judged_by_what_has_surely_come() -> None:
    one = Believer()
    soon = certificate("head", 1, until_ms=NOW_MS + DAY_MS)
    await one.verifier.learn(signing.keys([soon]))
    message = signed(PLACE, topics.HEAD, HEAD, 1, NOW_MS + 1_000)
    one.moment = Moment(NOW_MS, NOW_MS + 400 * DAY_MS)  # the clock jumped, and nobody believes it yet
    assert await opened(one, message) == HEAD
    one.moment = Moment(NOW_MS + 2_000, None)
    assert await opened(one, message) == "expired"
    one.moment = Moment(NOW_MS + DAY_MS + 1, None)
    assert await opened(one, message) == "key_expired"


async def test_a_box_without_a_clock_takes_keys_that_begin_later_than_it_thinks() -> None:
    one = Believer()
    one.moment = Moment(0, None)
    assert await one.verifier.learn(keys()) == (len(Role), [])
    late = Believer()
    late.moment = Moment(0, NOW_MS - 2 * DAY_MS)
    assert await late.verifier.learn(keys()) == (0, ["key_early"] * len(Role))


async def test_under_a_new_root_key_the_former_ones_certificates_and_numbers_count_for_nothing() -> None:
    one = await taught(9)
    anew = Believer(one.notebook, public(key("a new root")))
    assert await opened(anew, signed(PLACE, topics.HEAD, HEAD, 9)) == "signer"
    with pytest.raises(PeerError, match="key_signature"):
        await anew.verifier.learn(keys(10))
    listed = [certificate(role, 1, root=key("a new root")) for role in Role]
    assert await anew.verifier.learn(signing.keys(listed)) == (len(Role), [])
    assert await opened(anew, signed(PLACE, topics.HEAD, HEAD, 1)) == HEAD


async def test_what_somebody_wrote_into_the_file_is_believed_only_if_the_root_certified_it() -> None:
    notebook = Notebook()
    for forged in (b"rubbish", signing.keys([certificate("head", 1, root=key("another root"))])):
        notebook.kept = forged
        assert await opened(Believer(notebook), signed(PLACE, topics.HEAD, HEAD)) == "signer"


def test_the_keys_of_the_rig_are_what_they_say() -> None:
    assert public(signer_key("head", 1)) == certificate("head").key
