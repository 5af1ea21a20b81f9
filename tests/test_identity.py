"""gateway.core.identity: who resolves, until when, and what is left after a drop."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core import apptoken, eid, identity
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
    if credential.kind is CredentialKind.APP:
        return Token(CredentialKind.APP, apptoken.token(credential.secret, clock_s // apptoken.WINDOW_S))
    return Token(CredentialKind.EID, eid.eid(credential.secret, clock_s, credential.exponent))


def resolver_with(*credentials: Credential, valid_until_ms: int | None = None) -> Resolver:
    resolver = Resolver(SITE_KEY)
    for member_id in {credential.member_id: None for credential in credentials}:
        theirs = [(one, 0, valid_until_ms) for one in credentials if one.member_id == member_id]
        resolver.set_member(member_id, theirs, NOW_MS)
    return resolver


def advance(resolver: Resolver, now_ms: int) -> int:
    """Call `advance` until nothing is due; the number of calls."""
    calls = 0
    while calls == 0 or (resolver.next_deadline() or now_ms + 1) <= now_ms:
        resolver.advance(now_ms)
        calls += 1
    return calls


@pytest.mark.parametrize("kind", [CredentialKind.EID, CredentialKind.APP])
def test_a_device_resolves_in_its_window_and_both_neighbours(kind: CredentialKind) -> None:
    device = replace(fob(1), kind=kind, clock_zero_s=ZERO_S if kind is CredentialKind.EID else 0)
    length_ms = WINDOW_MS if kind is CredentialKind.EID else apptoken.WINDOW_S * 1000
    for step, found in ((-2, None), (-1, "m1"), (0, "m1"), (1, "m1"), (2, None)):
        resolver = resolver_with(device, fob(2))
        assert resolver.resolve(shown(device, NOW_MS + step * length_ms), NOW_MS) == found


def test_windows_roll_over_at_the_deadline() -> None:
    resolver = resolver_with(fob(1))
    deadline_ms = resolver.next_deadline()
    assert deadline_ms is not None
    assert NOW_MS < deadline_ms <= NOW_MS + WINDOW_MS
    assert shown(fob(1), deadline_ms - 1) != shown(fob(1), deadline_ms)
    old, far = shown(fob(1), NOW_MS - WINDOW_MS), shown(fob(1), NOW_MS + 2 * WINDOW_MS)
    assert (is_open(resolver, old), is_open(resolver, far)) == (True, False)
    resolver.advance(deadline_ms - 1)
    assert (is_open(resolver, old), is_open(resolver, far)) == (True, False)
    resolver.advance(deadline_ms)
    assert (is_open(resolver, old), is_open(resolver, far)) == (False, True)
    assert resolver.next_deadline() == deadline_ms + WINDOW_MS


def is_open(resolver: Resolver, token: Token) -> bool:
    """Whether the token would resolve; a real hearing would also teach the resolver the beacon's clock."""
    return token.value in resolver.live_tokens(token.value[:2])[0]


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
    assert all(is_open(resolver, shown(one, now_ms)) for one in crowd)  # everybody is known meanwhile
    assert 1 + advance(resolver, now_ms) == 4
    assert all(is_open(resolver, shown(one, now_ms + WINDOW_MS)) for one in crowd)


def test_a_crowd_that_a_step_of_the_clock_left_behind_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "OPENED_AT_ONCE", 10)
    crowd = [fob(number) for number in range(1, 36)]
    resolver = resolver_with(*crowd)
    late_ms = NOW_MS + 5 * WINDOW_MS
    resolver.clock_stepped(5 * WINDOW_MS, late_ms)
    assert advance(resolver, late_ms) >= 4
    assert all(is_open(resolver, shown(one, late_ms)) for one in crowd)


def test_a_second_step_in_the_middle_of_the_first_is_owed_by_those_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "OPENED_AT_ONCE", 5)
    crowd, wrong_ms = [fob(number) for number in range(1, 31)], NOW_MS - 300_000
    resolver = Resolver(SITE_KEY)
    resolver.trusted = False
    for one in crowd:
        resolver.set_member(one.member_id, [(one, 0, None)], wrong_ms)
        assert (
            resolver.resolve(shown(one, NOW_MS), wrong_ms) == one.member_id
        )  # they are right, the gateway's time is not
    resolver.clock_stepped(200_000, NOW_MS - 100_000)
    resolver.advance(NOW_MS - 100_000)
    resolver.clock_stepped(100_000, NOW_MS)
    advance(resolver, NOW_MS)
    for minute in range(0, 120, 7):
        at_ms = NOW_MS + minute * 60_000
        advance(resolver, at_ms)
        assert [resolver.resolve(shown(one, at_ms), at_ms) for one in crowd] == [one.member_id for one in crowd]


def test_what_opens_at_once_keeps_up_with_a_million_members() -> None:
    calls_a_second = 50
    assert 1_000_000 / (identity.OPENED_AT_ONCE * calls_a_second) < WINDOW_MS / 1000 * 0.6


def test_setting_again_re_keys_at_once() -> None:
    resolver = resolver_with(fob(1))
    renewed = Credential("c1", "m1", CredentialKind.EID, bytes(range(16)), 10, ZERO_S)
    resolver.set_member("m1", [(renewed, 0, None)], NOW_MS)
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS) is None
    assert resolver.resolve(shown(renewed, NOW_MS), NOW_MS) == "m1"
    assert len(resolver) == 1


def test_one_credential_taken_from_a_member_ends_at_once_and_the_other_stays() -> None:
    resolver = resolver_with(fob(1), fob(2, "m1"))
    resolver.set_member("m1", [(fob(2, "m1"), 0, None)], NOW_MS)
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
    resolver.set_member("m1", [(credential, 0, None)], end_ms)
    assert resolver.resolve(token, end_ms) == "m1"


def test_a_credential_begins_with_its_consent() -> None:
    resolver = Resolver(SITE_KEY)
    resolver.set_member("m1", [(fob(1), NOW_MS + 5_000, None)], NOW_MS)
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS + 4_999) is None
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS + 5_000) == "m1"
    resolver.set_member("m1", [(fob(1), NOW_MS + 6_001, None)], NOW_MS + 6_001)
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS + 6_001) == "m1"  # what is given now holds now


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


@pytest.mark.parametrize("credential", [fob(1, "m-old"), static("b", "m-old", BEACON)])
def test_a_beacon_of_two_members_opens_nothing_until_one_of_them_gives_it_up(credential: Credential) -> None:
    resolver = resolver_with(credential, replace(credential, member_id="m-new"))
    for at_ms in (NOW_MS, NOW_MS + WINDOW_MS):
        advance(resolver, at_ms)
        token = shown(credential, at_ms) if credential.kind.keyed else Token(CredentialKind.IBEACON, BEACON)
        assert resolver.resolve(token, at_ms) is None
    assert resolver.counts["ble.two_owners"] == 2
    resolver.drop_member("m-old")
    assert resolver.resolve(token, at_ms) == "m-new"


@pytest.mark.parametrize("zero_s", [0, NOW_MS // 1000 + 5_000, NOW_MS // 1000 - 2**32 + 10])
def test_any_beacon_clock_resolves_also_before_its_zero_and_around_its_wrap(zero_s: int) -> None:
    credential = fob(1, zero_s=zero_s)
    resolver = resolver_with(credential)
    for at_ms in range(NOW_MS, NOW_MS + 4 * WINDOW_MS, WINDOW_MS // 2):
        advance(resolver, at_ms)
        assert resolver.resolve(shown(credential, at_ms), at_ms) == "m1"


def test_setting_for_ever_does_not_grow_the_resolver() -> None:
    resolver = Resolver(SITE_KEY)
    for round_ in range(50):
        now_ms = NOW_MS + round_ * WINDOW_MS
        advance(resolver, now_ms)
        for number in (1, 2, 3):
            resolver.set_member(f"m{number}", [(fob(number + 3 * round_, f"m{number}"), 0, None)], now_ms)
    assert (len(resolver), resolver.roster.rows, resolver.open_tokens) == (3, 4, 9)


def test_a_key_leaves_no_copy_in_the_resolvers_memory() -> None:
    resolver = resolver_with(fob(0x5EC2E7))
    assert held(resolver, fob(0x5EC2E7).secret)
    assert held(resolver, b"m6210279")
    resolver.drop_member(f"m{0x5EC2E7}")
    assert not held(resolver, fob(0x5EC2E7).secret)
    assert not held(resolver, b"m6210279")


def held(resolver: Resolver, value: bytes) -> bool:
    return value in bytes(resolver.roster._secrets) or value in bytes(resolver.roster._names._block)


def test_a_reading_of_the_store_forgets_who_is_not_in_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "CHECKED_AT_ONCE", 2)
    resolver = resolver_with(*(fob(number) for number in range(1, 6)))
    resolver.begin_reading()
    for number in (2, 4):
        resolver.set_member(f"m{number}", [(fob(number), 0, None)], NOW_MS)
    assert resolver.resolve(shown(fob(1), NOW_MS), NOW_MS) == "m1"  # everybody is known meanwhile
    resolver.set_member("m7", [(fob(7), 0, None)], NOW_MS)  # HQ sends somebody in the middle of it
    at, calls = resolver.end_reading(), 1
    while at is not None:
        at, calls = resolver.end_reading(at), calls + 1
    assert calls == 3
    found = [resolver.resolve(shown(fob(number), NOW_MS), NOW_MS) for number in range(1, 8)]
    assert found == [None, "m2", None, "m4", None, None, "m7"]


# --- clocks that are off --------------------------------------------------------------------------------------


def live(resolver: Resolver, device: Credential, off_ms: int, at_ms: int) -> str | None:
    """The device, whose clock is `off_ms` ahead, is heard at `at_ms`."""
    advance(resolver, at_ms)
    return resolver.resolve(shown(device, at_ms + off_ms), at_ms)


@pytest.mark.parametrize("ppm", [150, -150])
def test_a_drifting_clock_is_followed_for_years_if_it_is_heard(ppm: int) -> None:
    resolver, day_ms = resolver_with(fob(1)), 86_400_000
    for day in range(800):
        for minute in (0, 7, 13):
            at_ms = NOW_MS + day * day_ms + minute * 60_000
            off_ms = (at_ms - NOW_MS) * ppm // 1_000_000
            assert live(resolver, fob(1), off_ms, at_ms) == "m1", f"day {day}"
    assert abs(resolver.learned[-1].offset_s - off_ms / 1000) < WINDOW_MS / 2000  # and no window is near its end


def test_what_was_learned_survives_a_restart() -> None:
    resolver, at_ms = resolver_with(fob(1)), NOW_MS
    for _ in range(100):
        at_ms += 5_000_000
        live(resolver, fob(1), 900_000, at_ms)
    learned = resolver.learned[-1]
    assert (learned.member_id, learned.secret) == ("m1", fob(1).secret)
    again = Resolver(SITE_KEY)
    again.set_member("m1", [(replace(fob(1), offset_s=learned.offset_s), 0, None)], at_ms)
    assert again.resolve(shown(fob(1), at_ms + 900_000 + WINDOW_MS // 2), at_ms) == "m1"


def test_a_frame_that_is_played_again_in_later_windows_drags_no_clock() -> None:
    resolver, at_ms = resolver_with(fob(1)), NOW_MS
    live(resolver, fob(1), 0, at_ms)
    old = shown(fob(1), at_ms)
    found = []
    for _ in range(40):
        at_ms += 100_000
        advance(resolver, at_ms)
        found.append(resolver.resolve(old, at_ms))
    assert found[-1] is None
    assert live(resolver, fob(1), 0, at_ms) == "m1"
    assert resolver.resolve(shown(fob(1), at_ms - WINDOW_MS), at_ms) is None  # live by the clock, but played again
    assert resolver.counts["ble.replayed"] == 1


@pytest.mark.parametrize("off_s", [80_000, 3 * 3600, -3 * 3600, -80_000])
def test_a_beacon_with_a_lost_clock_is_found_within_a_day_either_way(off_s: int) -> None:
    resolver = resolver_with(fob(1), fob(2))
    found, at_ms = meet(resolver, fob(1), off_s * 1000, NOW_MS)
    assert found == "m1"
    assert resolver.counts["ble.found_again"] == 1
    assert not resolver.learned  # it may have been recorded, until it shows a later window
    at_ms += WINDOW_MS
    assert live(resolver, fob(1), off_s * 1000, at_ms) == "m1"
    assert abs(resolver.learned[-1].offset_s - off_s) <= 1024
    at_ms += 3 * WINDOW_MS
    assert live(resolver, fob(1), off_s * 1000, at_ms) == "m1"


def test_a_beacon_that_was_just_here_is_not_taken_for_lost() -> None:
    resolver = resolver_with(fob(1))
    assert live(resolver, fob(1), 0, NOW_MS) == "m1"
    assert meet(resolver, fob(1), -3 * 3_600_000, NOW_MS + 1_000)[0] is None
    assert meet(resolver, fob(1), -3 * 3_600_000, NOW_MS + 3 * 3_600_000)[0] == "m1"


def test_an_old_recording_works_once_and_for_two_windows_and_locks_nobody_out() -> None:
    resolver, at_ms = resolver_with(fob(1)), NOW_MS
    recorded = shown(fob(1), NOW_MS - 20 * 3_600_000)
    resolved_ms = []
    while at_ms < NOW_MS + 3 * 86_400_000:
        at_ms += 5_000
        resolver.advance(at_ms)
        if resolver.resolve(recorded, at_ms) is not None:
            resolved_ms.append(at_ms)
        else:
            resolver.missed(recorded, at_ms)
    assert 0 < resolved_ms[-1] - resolved_ms[0] <= 2 * WINDOW_MS
    assert not resolver.learned
    assert live(resolver, fob(1), 0, at_ms) == "m1"


def meet(resolver: Resolver, device: Credential, off_ms: int, at_ms: int) -> tuple[str | None, int]:
    """The device stays for a minute and is heard every two seconds."""
    found = None
    for _ in range(30):
        at_ms += 2_000
        resolver.advance(at_ms)
        token = shown(device, at_ms + off_ms)
        found = resolver.resolve(token, at_ms)
        if found is None:
            resolver.missed(token, at_ms)
    return found, at_ms


def test_a_step_of_a_clock_that_was_not_trusted_takes_back_what_it_taught() -> None:
    resolver, wrong_ms = resolver_with(fob(1), fob(2)), NOW_MS + 7_200_000
    resolver.trusted = False
    found, at_ms = meet(resolver, fob(1), -7_200_000, wrong_ms)  # the beacon is right, the gateway's time is not
    assert found == "m1"
    assert not resolver.learned
    at_ms -= 7_200_000
    resolver.clock_stepped(-7_200_000, at_ms)
    resolver.trusted = True
    advance(resolver, at_ms)
    for number in (1, 2):
        assert resolver.resolve(shown(fob(number), at_ms), at_ms) == f"m{number}"


@pytest.mark.parametrize("kind", [CredentialKind.EID, CredentialKind.APP])
@pytest.mark.parametrize("exponent", [0, 1, 10, 15])
@pytest.mark.parametrize("zero_s", [-(2**33), 0, NOW_MS // 1000 + 1, 2**33])
def test_no_clock_is_too_odd(kind: CredentialKind, exponent: int, zero_s: int) -> None:
    device = replace(fob(1), kind=kind, exponent=exponent, clock_zero_s=zero_s, offset_s=-(2**40))
    resolver = Resolver(SITE_KEY)
    resolver.set_member("m1", [(device, -5, 2**53)], NOW_MS)
    for at_ms in (NOW_MS - 3_000, 0, -(2**42), NOW_MS, 2**45, NOW_MS):
        resolver.clock_stepped(1_000, at_ms)
        resolver.advance(at_ms)
        resolver.resolve(shown(device, at_ms), at_ms)
    resolver.set_member("m1", [(device, 0, -5)], NOW_MS)
    advance(resolver, NOW_MS)
    assert len(resolver) == 0  # its consent is over: nothing of it stays


def test_a_lapsed_consent_is_live_for_nobody_and_leaves_memory() -> None:
    resolver = resolver_with(fob(1), static("b1", "m1", BEACON), valid_until_ms=NOW_MS + 10_000)
    token, digest = shown(fob(1), NOW_MS).value, static_digest(SITE_KEY, CredentialKind.IBEACON, BEACON)
    assert resolver.live_tokens(token[:2])[0] == [token]
    epoch = resolver.epoch
    resolver.advance(NOW_MS + 10_000)
    assert (resolver.live_tokens(token[:2])[0], resolver.live_digests(digest[:2])[0]) == ([], [])
    assert (len(resolver), resolver.epoch) == (0, epoch + 2)


# --- remote ears, colleagues -----------------------------------------------------------------------------------


def test_a_remote_ear_learns_what_begins_with_two_bytes_and_when_to_ask_again() -> None:
    resolver = resolver_with(fob(1), static("b1", "m1", BEACON))
    token, digest = shown(fob(1), NOW_MS).value, static_digest(SITE_KEY, CredentialKind.IBEACON, BEACON)
    assert resolver.live_tokens(token[:2]) == ([token], identity.ANSWER_MS)
    assert resolver.live_tokens(bytes([token[0], token[1] ^ 1])) == ([], identity.ANSWER_MS)
    assert resolver.live_digests(digest[:2]) == ([digest], identity.ANSWER_MS)
    epoch = resolver.epoch
    resolver.drop_member("m1")
    assert resolver.epoch > epoch
    assert resolver.live_tokens(token[:2])[0] == resolver.live_digests(digest[:2])[0] == []


def test_a_colleagues_phone_is_known_by_its_address() -> None:
    irk = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")
    phone = Credential("c1", "m1", CredentialKind.RPA, irk)
    resolver = resolver_with(phone)
    assert resolver.knows_phones
    address = bytes.fromhex("708194") + bytes.fromhex("0dfbaa")
    assert resolver.resolve_address(address, NOW_MS) == "m1"
    assert resolver.resolve_address(bytes.fromhex("708195") + bytes.fromhex("0dfbaa"), NOW_MS) is None
    resolver.drop_member("m1")
    assert resolver.resolve_address(address, NOW_MS) is None
    assert not resolver.knows_phones


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
        self.inside: dict[str, dict[int, int | None]] = {}  # owner -> number -> until

    @rule(owner=st.sampled_from("abc"), numbers=st.sets(st.integers(0, 5)), lasts_s=st.none() | st.integers(0, 1024))
    def set_member(self, owner: str, numbers: set[int], lasts_s: int | None) -> None:
        until_ms = None if lasts_s is None else self.now_ms // 1000 * 1000 + lasts_s * 1000
        self.inside[owner] = dict.fromkeys(numbers, until_ms)
        self.resolver.set_member(owner, [(made(number, owner), 0, until_ms) for number in numbers], self.now_ms)

    @rule(owner=st.sampled_from("abc"))
    def drop_member(self, owner: str) -> None:
        self.inside.pop(owner, None)
        self.resolver.drop_member(owner)

    @rule(step_ms=st.integers(0, 3 * WINDOW_MS))
    def pass_time(self, step_ms: int) -> None:
        self.now_ms += step_ms
        advance(self.resolver, self.now_ms)

    @rule()
    def read_the_store_again(self) -> None:
        self.resolver.begin_reading()
        for owner, numbers in self.inside.items():
            theirs = [(made(number, owner), 0, until_ms) for number, until_ms in numbers.items()]
            self.resolver.set_member(owner, theirs, self.now_ms)
        assert self.resolver.end_reading() is None

    @invariant()
    def owners_and_nobody_else_resolve(self) -> None:
        assert len(self.resolver) <= sum(len(numbers) for numbers in self.inside.values())  # some have lapsed
        for number in range(6):
            holders = [
                owner
                for owner, numbers in self.inside.items()
                if number in numbers and ((until_ms := numbers[number]) is None or self.now_ms < until_ms)
            ]
            fits = made(number, "any")
            token = shown(fits, self.now_ms) if number % 2 else Token(CredentialKind.IBEACON, bytes([number]))
            expected = holders[0] if len(holders) == 1 else None
            assert self.resolver.resolve(token, self.now_ms) == expected


def made(number: int, owner: str) -> Credential:
    return fob(number, owner, exponent=8 + number) if number % 2 else static(f"c{number}", owner, bytes([number]))


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
