"""What leaves for a locked tablet: these fields and no others."""

from display import lockwire
from gateway.core.redemption import State
from gateway.health import Part
from gateway.staffing import LockView, Person, ShiftLine

ADA = Person("ada", "AI", "Ada Invented", "staff", "wait", 30_000, False)


def test_the_lock_has_counts_and_colleagues() -> None:
    sent = lockwire.lock(LockView("locked", (ADA,), "ada"), 3, [], 2.0)
    assert sent == {
        "state": "locked",
        "waiting": 3,
        "colleagues": [lockwire.person(ADA, 2.0)],
        "badge": "ada",
        "slides": [],
    }
    assert lockwire.person(None, 1.0) is None
    person = lockwire.person(ADA, 2.0)
    assert person is not None and person["wait_ms"] == 15_000, "real time in a shop that runs twice as fast"
    assert set(person) == {"staff_id", "initials", "name", "role", "gate", "wait_ms", "badge"}


def test_headquarters_is_away_since_its_part_says_so() -> None:
    assert lockwire.hq(()) == {"away": False, "since_ms": None}
    assert lockwire.hq((Part("hq", "ok", "", "", 5),)) == {"away": False, "since_ms": None}
    assert lockwire.hq((Part("disk", "down", "", "", 4), Part("hq", "degraded", "", "", 5))) == {
        "away": True,
        "since_ms": 5,
    }


def test_a_line_of_the_shift_says_nothing_of_whose_it_was() -> None:
    line = ShiftLine("r-1", {"de": "Kuchen", "en": "Cake"}, 320, 0, State.COMMITTED, "till-1", 7, "AI", False)
    assert lockwire.line(line) == {
        "redemption_id": "r-1",
        "title": {"de": "Kuchen", "en": "Cake"},
        "cents": 320,
        "reversed_cents": 0,
        "state": "committed",
        "till": "till-1",
        "at_ms": 7,
        "who": "AI",
        "synced": False,
    }
