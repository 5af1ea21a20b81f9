"""The table of devices: what is put is read, the newest in the place of what was, and gone when it is dropped."""

from dataclasses import replace

from gateway.core.devices import Device, Grant
from gateway.records import Tx

SCREEN = Device(
    "a" * 32, b"\x01" * 32, Grant("screen", "display", "coffee", "Bar", ("de", "en"), "portrait"), "code", 5, "operator"
)
TABLET = Device("b" * 32, b"\x02" * 32, Grant("tablet", "manager"), "link", 3, "link", 9, "operator")


def test_devices_are_read_as_they_were_put_by_when_they_were_paired(tx: Tx) -> None:
    tx.put_device(SCREEN)
    tx.put_device(TABLET)
    assert tx.devices() == [TABLET, SCREEN]


def test_a_device_stands_once_and_can_be_dropped(tx: Tx) -> None:
    tx.put_device(SCREEN)
    tx.put_device(replace(SCREEN, revoked_ms=7, revoked_by="operator"))
    (found,) = tx.devices()
    assert not found.is_active and found.revoked_ms == 7
    tx.drop_device(SCREEN.device_id)
    assert tx.devices() == []
