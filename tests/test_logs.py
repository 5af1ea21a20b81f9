"""The log tells type and place of an exception and nothing that it quotes; the newest of our own lines are kept."""

import logging
from collections.abc import Iterator

import pytest

from gateway import logs
from gateway.health import Health, Part
from gateway.logs import Discreet, Recent, place


def test_an_exception_is_its_type_and_place() -> None:
    try:
        raise ValueError("Mia, aa:bb:cc:dd:ee:ff")
    except ValueError as error:
        told = place(error, error.__traceback__)
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "broken", (), (ValueError, error, error.__traceback__)
        )
    assert told.startswith("ValueError at ")
    assert "test_logs.py" in told
    written = Discreet("%(levelname)s %(message)s").format(record)
    assert written.startswith("ERROR broken")
    assert "ValueError" in written
    assert "Mia" not in written
    assert "Traceback" not in written


def test_an_exception_without_a_place() -> None:
    assert place(KeyError("Mia"), None) == "KeyError"


@pytest.mark.parametrize(
    ("detail", "action", "line"),
    [
        ("", "", "hq is down"),
        ("no connection", "", "hq is down: no connection"),
        ("no connection", "Check the network.", "hq is down: no connection. Check the network."),
        ("Did it break?", "Check the network.", "hq is down: Did it break? Check the network."),
        ("", "Check the network.", "hq is down. Check the network."),
    ],
)
def test_a_part_that_changes_is_a_line_of_whole_sentences(
    caplog: pytest.LogCaptureFixture, detail: str, action: str, line: str
) -> None:
    logs.journal(Part("hq", "down", detail, action, 0))
    assert caplog.messages == [line]


def test_a_part_that_says_something_else_of_the_same_state_is_told_to_who_looks_closer(
    caplog: pytest.LogCaptureFixture, _usual: None
) -> None:
    logs.set_level("debug")
    health = Health(logs.journal)
    health.set("hq", "down", 1, "no cable")
    health.set("hq", "down", 2, "no name")
    health.set("hq", "down", 3, "no name")
    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("WARNING", "hq is down: no cable"),
        ("DEBUG", "hq is down: no name"),
    ]
    assert [(at_ms, part.detail) for at_ms, part in health.changes] == [(1, "no cable")]


@pytest.fixture
def _usual() -> Iterator[None]:
    yield
    logs.set_level(logs.USUAL)


def test_our_own_newest_lines_are_kept_and_nobody_elses() -> None:
    kept = Recent()
    for name in ("gateway", "sync.hq.server", "nfc.clf", "gatewayish", "bleak"):
        kept.handle(logging.LogRecord(name, logging.INFO, __file__, 1, f"from {name}\nagain", (), None))
    assert [line.partition("INFO ")[2] for line in kept.lines] == [
        "gateway: from gateway again",
        "sync.hq.server: from sync.hq.server again",
    ]
    for n in range(logs.MAX_LINES + 5):
        kept.handle(logging.LogRecord("gateway", logging.INFO, __file__, 1, f"{n} " + "x" * 400, (), None))
    assert len(kept.lines) == logs.MAX_LINES and max(map(len, kept.lines)) == logs.MAX_LINE
    assert " 5 x" in kept.lines[0]


def test_an_exceptions_text_is_not_kept_either() -> None:
    kept, error = Recent(), ValueError("Mia")
    kept.handle(logging.LogRecord("gateway", logging.ERROR, __file__, 1, "broken", (), (ValueError, error, None)))
    assert "ValueError" in kept.lines[0] and "Mia" not in kept.lines[0]
