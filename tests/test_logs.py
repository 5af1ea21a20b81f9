"""The log tells type and place of an exception and nothing that it quotes."""

import logging

from gateway.logs import Discreet, place


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
