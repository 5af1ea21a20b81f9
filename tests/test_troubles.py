"""drivers.troubles: every trouble has words and something to do."""

import pytest

from drivers.troubles import TROUBLES, BluezError, name_of


@pytest.mark.parametrize("name", [*TROUBLES, "never heard of"])
def test_each_trouble_says_what_it_is_and_what_to_do(name: str) -> None:
    error = BluezError(name)
    assert str(error)
    assert error.action
    assert error.name == name


def test_errors_of_the_bus_are_named() -> None:
    assert name_of("org.bluez.Error.Busy") == name_of("org.bluez.Error.InProgress") == "busy"
    assert name_of("org.freedesktop.DBus.Error.ServiceUnknown") == "no_bluez"
    assert name_of("com.example.Whatever") == name_of(None) == "other"
