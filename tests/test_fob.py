"""gateway.core.fob: one token for ten minutes, its levels, and nothing left of it."""

from gateway.core.fob import FOB_MS, GONE_MS, MAX_GATHERED, MAX_RECENT, RECENT_MS, Fob, Heard, Heeded
from gateway.core.identity import Resolver, static_digest
from gateway.core.model import CredentialKind, Token
from gateway.core.radiomap import MAX_RECEIVERS

NOW_MS = 1_000_000
TOKEN = Token(CredentialKind.IBEACON, bytes(range(20)))
SITE_KEY = bytes(range(32))


def begun() -> Fob:
    fob = Fob()
    fob.begin(TOKEN, None, NOW_MS)
    return fob


def test_what_is_heard_shows_by_receiver_the_loudest_first() -> None:
    fob = begun()
    for number, rssi_dbm in enumerate((-60, -70, -62)):
        fob.hear("wine", rssi_dbm, NOW_MS + number * 1000)
    fob.hear("till", -50, NOW_MS + 2000)
    assert fob.levels(("till", "wine", "door"), NOW_MS + 4000) == (
        Heard("till", -50, -50.0, 0.2, 2000),
        Heard("wine", -62, -62.0, 0.8, 2000),
        Heard("door", None, None, 0.0, None),
    )


def test_an_old_level_is_of_the_past() -> None:
    fob = begun()
    fob.hear("till", -50, NOW_MS)
    (late,) = fob.levels((), NOW_MS + GONE_MS + 1)
    assert (late.latest_dbm, late.median_dbm) == (None, -50.0)
    (later,) = fob.levels((), NOW_MS + RECENT_MS + 1)
    assert (later.median_dbm, later.per_s, later.silent_ms) == (None, 0.0, RECENT_MS + 1)


def test_after_ten_minutes_nothing_is_left() -> None:
    fob = begun()
    fob.hear("till", -50, NOW_MS)
    assert fob.left_ms(NOW_MS + FOB_MS - 1) == 1
    fob.hear("till", -50, NOW_MS + FOB_MS)
    assert (fob.token, fob.levels((), NOW_MS + FOB_MS)) == (None, ())
    again = begun()
    assert (again.left_ms(NOW_MS + FOB_MS), again.token) == (0, None)


def test_a_walk_prolongs_it() -> None:
    fob = begun()
    fob.prolong(NOW_MS + FOB_MS - 1)
    assert fob.left_ms(NOW_MS + FOB_MS) == FOB_MS - 1


def test_memory_has_a_bound() -> None:
    fob = begun()
    fob.gather(NOW_MS)
    for number in range(MAX_GATHERED + 100):
        fob.hear("till", -50, NOW_MS)
        fob.hear(f"r{number}", -50, NOW_MS)
    assert len(fob.gathered) == MAX_GATHERED
    assert len(fob.levels((), NOW_MS)) == MAX_RECEIVERS
    assert len(fob._recent["till"]) == MAX_RECENT


def test_only_what_comes_after_gathering_began_counts() -> None:
    fob = begun()
    fob.hear("till", -50, NOW_MS)
    fob.gather(NOW_MS + 10)
    fob.hear("till", -51, NOW_MS + 9)
    fob.hear("till", -52, NOW_MS + 10)
    assert fob.gathered == (("till", -52, NOW_MS + 10),)
    fob.stop_gathering()
    assert fob.gathered == ()


def test_a_step_of_the_clock_takes_all_of_it_along() -> None:
    fob = begun()
    fob.gather(NOW_MS)
    fob.hear("till", -50, NOW_MS)
    fob.shift(3_600_000)
    assert fob.left_ms(NOW_MS + 3_600_000) == FOB_MS
    assert fob.levels((), NOW_MS + 3_600_000)[0].latest_dbm == -50
    fob.hear("till", -51, NOW_MS + 3_600_000)
    assert len(fob.gathered) == 2


def test_remote_ears_are_told_of_the_fob_while_it_is_heeded() -> None:
    fob = Fob()
    live = Heeded(Resolver(SITE_KEY), fob, SITE_KEY)
    digest = static_digest(SITE_KEY, TOKEN.kind, TOKEN.value)
    epoch = live.epoch
    assert live.live_digests(digest[:2])[0] == []
    fob.begin(TOKEN, None, NOW_MS)
    assert live.epoch > epoch
    assert live.live_digests(digest[:2])[0] == [digest]
    assert live.live_digests(bytes([digest[0] ^ 1, 0]))[0] == []
    assert live.live_tokens(digest[:2])[0] == []
    epoch = live.epoch
    fob.end()
    assert live.epoch > epoch
    assert live.live_digests(digest[:2])[0] == []
    fob.begin(TOKEN, "door", NOW_MS)  # scanners know their anchors themselves
    assert live.live_digests(digest[:2])[0] == []
