"""Screens, tablets and tills that were approved, also revoked ones. Of a device's key there is a hash only."""

from gateway.core.devices import Device, Grant
from gateway.tables.rows import Rows


class DeviceRows(Rows):
    """The table `device`."""

    def devices(self) -> list[Device]:
        """All of them, by when they were paired."""
        rows = self._all(
            """SELECT device_id, key_hash, kind, role, place, name, languages, orientation, via, paired_ms, paired_by,
                      revoked_ms, revoked_by FROM device ORDER BY paired_ms, device_id"""
        )
        return [
            Device(
                device_id,
                bytes(key_hash),
                Grant(kind, role, place, name, tuple(languages.split()), orientation),
                via,
                paired_ms,
                paired_by,
                revoked_ms,
                revoked_by,
            )
            for (
                device_id,
                key_hash,
                kind,
                role,
                place,
                name,
                languages,
                orientation,
                via,
                paired_ms,
                paired_by,
                revoked_ms,
                revoked_by,
            ) in rows
        ]

    def put_device(self, device: Device) -> None:
        """Keep it in the place of what it was."""
        grant = device.grant
        self._put(
            "device",
            device_id=device.device_id,
            key_hash=device.key_hash,
            kind=grant.kind,
            role=grant.role,
            place=grant.place,
            name=grant.name,
            languages=" ".join(grant.languages),
            orientation=grant.orientation,
            via=device.via,
            paired_ms=device.paired_ms,
            paired_by=device.paired_by,
            revoked_ms=device.revoked_ms,
            revoked_by=device.revoked_by,
        )

    def drop_device(self, device_id: str) -> None:
        self._db.execute("DELETE FROM device WHERE device_id = ?", [device_id])
