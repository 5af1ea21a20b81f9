"""gateway.core.identity: who resolves, until when, and what is left after a drop."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core import eid, identity
from gateway.core.identity import Resolver, static_digest
from gateway.core.model import Credential, CredentialKind, Token

SITE_KEY = bytes(range(32))
NOW_MS = 1_800_000_000_000
WINDOW_MS = 1_024_000
ZERO_S = 1_700_000_000
BEACON = bytes(range(20))


def fob(number: int, member: str = "", exponent: int = 10, zero_s: int = ZERO_S) -> Credential:
    key = number.to_bytes(eid.KEY_BYTES, "big")
    return Credential(f"c{number}", member or f"m{number}", CredentialKind.EID, key, exponent, zero_s)


def static(name: str, member: str, value: bytes, kind: CredentialKind = CredentialKind.IBEACON) -> Credential:
    return Credential(name, member, kind, static_digest(SITE_KEY, kind, value))


def shown(credential: Credential, at_ms: int) -> Token:
    """What the beacon broadcasts at `at_ms`."""
    clock_s = (at_ms // 1000 - credential.clock_zero_s) & 0xFFFFFFFF
    return Token(CredentialKind.EID, eid.eid(credential.secret, clock_s, credential.exponent))


def resolver_with(*credentials: Credential, valid_until_ms: int | None = None) -> Resolver:
    resolver = Resolver(SITE_KEY)
    for credential in credentials:
        resolver.put(credential, valid_until_ms, NOW_MS)
    return resolver


def advance(resolver: Resolver, now_ms: int) -> int:
    """Call `advance` until nothing is due; the number of calls."""
    calls = 0
    while calls == 0 or (resolver.next_deadline() or now_ms + 1) <= now_ms:
        resolver.advance(now_ms)
        calls += 1
    return calls


def test_a_fob_resolves_in_its_window_and_both_neighbours() -> None:
    resolver = resolver_with(fob(1), fob(2))
    for step in (-1, 0, 1):
        assert resolver.resolve(shown(fob(1), NOW_MS + step * WINDOW_MS), NOW_MS) == "m1"
    for step in (-2, 2):
        assert resolver.resolve(shown(fob(1), NOW_MS + step * WINDOW_MS), NOW_MS) is None


def test_windows_roll_over_at_the_deadline() -> None:
    resolver = resolver_with(fob(1))
    deadline_ms = resolver.next_deadline()
    assert deadline_ms is not None
    assert NOW_MS < deadline_ms <= NOW_MS + WINDOW_MS
    assert shown(fob(1), deadline_ms - 1) != shown(fob(1), deadline_ms)
    old, far = shown(fob(1), NOW_MS - WINDOW_MS), shown(fob(1), NOW_MS + 2 * WINDOW_MS)
    resolver.advance(deadline_ms - 1)
    assert (resolver.resolve(old, deadline_ms), resolver.resolve(far, deadline_ms)) == ("m1", None)
    resolver.advance(deadline_ms)
    assert (resolver.resolve(old, deadline_ms), resolver.resolve(far, deadline_ms)) == (None, "m1")
    assert resolver.next_deadline() == deadline_ms + WINDOW_MS


@pytest.mark.parametrize("step_ms", [-400 * WINDOW_MS, -3 * WINDOW_MS, 3 * WINDOW_MS, 400 * WINDOW_MS])
def test_a_clock_step_either_way_is_followed(step_ms: int) -> None:
    resolver = resolver_with(fob(1))
    resolver.advance(NOW_MS + step_ms)
    assert resolver.resolve(shown(fob(1), NOW_MS + step_ms), NOW_MS + step_ms) == "m1"
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS + step_ms) is None
    deadline_ms = resolver.next_deadline()
    assert deadline_ms is not None
    assert 0 < deadline_ms - (NOW_MS + step_ms) <= WINDOW_MS


def test_a_crowd_that_changes_together_is_taken_in_parts_and_nobody_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "OPENED_AT_ONCE", 10)
    crowd = [fob(number) for number in range(1, 36)]
    resolver = resolver_with(*crowd)
    now_ms = resolver.next_deadline()
    assert now_ms is not None
    resolver.advance(now_ms)
    assert resolver.next_deadline() == now_ms  # not done yet, and
    assert all(resolver.resolve(shown(one, now_ms), now_ms) for one in crowd)  # everybody is known meanwhile
    assert 1 + advance(resolver, now_ms) == 4
    assert all(resolver.resolve(shown(one, now_ms + WINDOW_MS), now_ms) for one in crowd)


def test_a_crowd_that_is_a_window_late_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "OPENED_AT_ONCE", 10)
    crowd = [fob(number) for number in range(1, 36)]
    resolver = resolver_with(*crowd)
    late_ms = NOW_MS + 5 * WINDOW_MS
    resolver.advance(late_ms)
    assert all(resolver.resolve(shown(one, late_ms), late_ms) for one in crowd)


def test_what_opens_at_once_keeps_up_with_a_hundred_thousand_members() -> None:
    calls_a_second = 4
    assert 100_000 / (identity.OPENED_AT_ONCE * calls_a_second) < WINDOW_MS / 1000 / 2


def test_putting_again_re_keys_at_once() -> None:
    resolver = resolver_with(fob(1))
    renewed = Credential("c1", "m1", CredentialKind.EID, bytes(range(16)), 10, ZERO_S)
    resolver.put(renewed, None, NOW_MS)
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS) is None
    assert resolver.resolve(shown(renewed, NOW_MS), NOW_MS) == "m1"
    assert len(resolver) == 1


def test_dropping_is_at_once_and_for_one_credential_only() -> None:
    resolver = resolver_with(fob(1), fob(2, "m1"))
    resolver.drop("c1")
    resolver.drop("never heard of")
    for step in (-1, 0, 1):
        assert resolver.resolve(shown(fob(1), NOW_MS + step * WINDOW_MS), NOW_MS) is None
    assert resolver.resolve(shown(fob(2), NOW_MS), NOW_MS) == "m1"
    advance(resolver, NOW_MS + WINDOW_MS)
    assert resolver.resolve(shown(fob(1), NOW_MS + WINDOW_MS), NOW_MS + WINDOW_MS) is None


def test_dropping_a_member_takes_every_kind_of_credential_and_nobody_elses() -> None:
    resolver = resolver_with(fob(1), static("b1", "m1", BEACON), fob(2), static("b2", "m2", b"other" * 4))
    resolver.drop_member("m1")
    resolver.drop_member("nobody")
    assert len(resolver) == 2
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS) is None
    assert resolver.resolve(Token(CredentialKind.IBEACON, BEACON), NOW_MS) is None
    assert resolver.resolve(shown(fob(2), NOW_MS), NOW_MS) == "m2"
    assert resolver.resolve(Token(CredentialKind.IBEACON, b"other" * 4), NOW_MS) == "m2"


def test_clear_forgets_everybody() -> None:
    resolver = resolver_with(fob(1), static("b1", "m1", BEACON))
    resolver.clear()
    assert len(resolver) == 0
    assert resolver.next_deadline() is None
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS) is None


@pytest.mark.parametrize("credential", [fob(1), static("b1", "m1", BEACON)])
def test_a_credential_ends_with_its_consent(credential: Credential) -> None:
    end_ms = NOW_MS + 5_000
    resolver = resolver_with(credential, valid_until_ms=end_ms)
    is_fob = credential.kind is CredentialKind.EID
    token = shown(credential, NOW_MS) if is_fob else Token(CredentialKind.IBEACON, BEACON)
    assert resolver.resolve(token, end_ms - 1) == "m1"
    assert resolver.resolve(token, end_ms) is None
    resolver.put(credential, None, end_ms)
    assert resolver.resolve(token, end_ms) == "m1"


def test_static_identifiers_are_kept_as_keyed_hashes_of_their_kind() -> None:
    digest = static_digest(SITE_KEY, CredentialKind.IBEACON, BEACON)
    assert len(digest) == identity.DIGEST_BYTES
    assert digest != static_digest(bytes(32), CredentialKind.IBEACON, BEACON)
    assert digest != static_digest(SITE_KEY, CredentialKind.NDEF, BEACON)
    resolver = resolver_with(static("b1", "m1", BEACON))
    assert resolver.resolve(Token(CredentialKind.IBEACON, BEACON), NOW_MS) == "m1"
    assert resolver.resolve(Token(CredentialKind.NDEF, BEACON), NOW_MS) is None
    assert resolver.resolve(Token(CredentialKind.IBEACON, digest), NOW_MS) is None  # the hash itself opens nothing
    assert resolver.next_deadline() is None


def test_a_beacon_handed_on_stays_with_the_new_member_when_the_old_one_goes() -> None:
    old, new = fob(1, "m-old"), Credential("c-new", "m-new", CredentialKind.EID, fob(1).secret, 10, ZERO_S)
    resolver = resolver_with(old, new)
    resolver.drop_member("m-old")
    for at_ms in (NOW_MS, NOW_MS + WINDOW_MS):
        advance(resolver, at_ms)
        for step in (-1, 0, 1):
            assert resolver.resolve(shown(new, at_ms + step * WINDOW_MS), at_ms) == "m-new"


def test_a_static_beacon_handed_on_stays_with_the_new_member_when_the_old_one_goes() -> None:
    resolver = resolver_with(static("b-old", "m-old", BEACON), static("b-new", "m-new", BEACON))
    resolver.drop("b-old")
    assert resolver.resolve(Token(CredentialKind.IBEACON, BEACON), NOW_MS) == "m-new"


@pytest.mark.parametrize("zero_s", [0, NOW_MS // 1000 + 5_000, NOW_MS // 1000 - 2**32 + 10])
def test_any_beacon_clock_resolves_also_before_its_zero_and_around_its_wrap(zero_s: int) -> None:
    credential = fob(1, zero_s=zero_s)
    resolver = resolver_with(credential)
    for at_ms in range(NOW_MS, NOW_MS + 4 * WINDOW_MS, WINDOW_MS // 2):
        advance(resolver, at_ms)
        assert resolver.resolve(shown(credential, at_ms), at_ms) == "m1"


def test_putting_for_ever_does_not_grow_the_resolver() -> None:
    resolver = Resolver(SITE_KEY)
    for round_ in range(50):
        for number in (1, 2, 3):
            resolver.put(fob(number), None, NOW_MS + round_ * WINDOW_MS)
    sizes = [len(value) for value in vars(resolver).values() if isinstance(value, (dict, list))]
    assert max(sizes) <= 3 * len(identity.NEIGHBOURS)


@settings(deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(0, eid.MAX_EXPONENT), st.integers(0, NOW_MS // 1000), st.data())
def test_any_beacon_resolves_whenever_its_windows_are_kept(
    number: int, exponent: int, zero_s: int, data: st.DataObject
) -> None:
    credential = fob(number, "m", exponent, zero_s)
    resolver = resolver_with(credential)
    at_ms = NOW_MS + data.draw(st.integers(-10 * WINDOW_MS, 10 * WINDOW_MS))
    advance(resolver, at_ms)
    drift_ms = data.draw(st.integers(-1, 1)) * (1000 << exponent)
    assert resolver.resolve(shown(credential, at_ms + drift_ms), at_ms) == "m"


class AnyOrder(RuleBasedStateMachine):
    """Puts, drops and time in any order: a token gives its owner if and only if that credential is in."""

    def __init__(self) -> None:
        super().__init__()
        self.resolver = Resolver(SITE_KEY)
        self.now_ms = NOW_MS
        self.inside: dict[str, tuple[Credential, int | None]] = {}

    @rule(number=st.integers(0, 5), owner=st.sampled_from("abc"), lasts_ms=st.none() | st.integers(0, WINDOW_MS))
    def put(self, number: int, owner: str, lasts_ms: int | None) -> None:
        is_fob = number % 2
        credential = fob(number, owner, exponent=8 + number) if is_fob else static(f"c{number}", owner, bytes([number]))
        until_ms = None if lasts_ms is None else self.now_ms + lasts_ms
        self.inside[credential.credential_id] = credential, until_ms
        self.resolver.put(credential, until_ms, self.now_ms)

    @rule(number=st.integers(0, 5))
    def drop(self, number: int) -> None:
        self.inside.pop(f"c{number}", None)
        self.resolver.drop(f"c{number}")

    @rule(owner=st.sampled_from("abc"))
    def drop_member(self, owner: str) -> None:
        self.inside = {key: value for key, value in self.inside.items() if value[0].member_id != owner}
        self.resolver.drop_member(owner)

    @rule(step_ms=st.integers(-WINDOW_MS, 3 * WINDOW_MS))
    def pass_time(self, step_ms: int) -> None:
        self.now_ms += step_ms
        advance(self.resolver, self.now_ms)

    @invariant()
    def owners_and_nobody_else_resolve(self) -> None:
        assert len(self.resolver) == len(self.inside)
        for number in range(6):
            known, until_ms = self.inside.get(f"c{number}", (None, None))
            open_now = known is not None and (until_ms is None or self.now_ms < until_ms)
            expected = known.member_id if known is not None and open_now else None
            if number % 2:
                token = shown(fob(number, exponent=8 + number), self.now_ms)
            else:
                token = Token(CredentialKind.IBEACON, bytes([number]))
            assert self.resolver.resolve(token, self.now_ms) == expected


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
