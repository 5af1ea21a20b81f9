"""Advertisement bytes <-> Token: the frames we read, and how the simulator writes them. Knows no member."""

from collections.abc import Mapping

from gateway.core.model import CredentialKind, Token
from gateway.errors import PeerError

# Bluetooth Core Specification Supplement, part A: each AD structure is length, type, data.
_UUIDS_16 = 0x03  # complete list
_SERVICE_DATA_16 = 0x16
_MANUFACTURER_DATA = 0xFF
_FLAGS = bytes.fromhex("020106")  # LE general discoverable, no classic Bluetooth

# google/eddystone, protocol-specification.md: the first octet of 0xFEAA service data says what follows.
# 0x00 UID, 0x10 URL, 0x20 TLM and Find Hub's 0x40/0x41 live under the same UUID and are not ours.
_EDDYSTONE_UUID = "0000feaa-0000-1000-8000-00805f9b34fb"
_EDDYSTONE = bytes.fromhex("aafe")
_EID_FRAME = 0x30
# eddystone-eid/README.md: frame, ranging data, 8-byte EID; "the length of this frame is fixed".
_EID_BYTES = 8
_EID_FRAME_BYTES = 2 + _EID_BYTES

# Apple Proximity Beacon Specification: company, type 0x02, length 0x15, UUID 16, major 2, minor 2, power 1.
_APPLE = 0x004C
_APPLE_BYTES = _APPLE.to_bytes(2, "little")
_IBEACON = bytes.fromhex("0215")
_IBEACON_VALUE_BYTES = 20
_IBEACON_FRAME_BYTES = len(_IBEACON) + _IBEACON_VALUE_BYTES + 1

# How a structure of ours begins after its length. Nearly every advertisement is a stranger's and holds
# neither mark, and two substring searches (0.4 us) are cheaper than a walk (1.5 us).
_EID_MARK = bytes([_SERVICE_DATA_16]) + _EDDYSTONE + bytes([_EID_FRAME])
_IBEACON_MARK = bytes([_MANUFACTURER_DATA]) + _APPLE_BYTES + _IBEACON


def decode(ad: bytes) -> Token | None:
    """The token in raw AD structures of any length (an EID goes before an iBeacon), or None if there is none.

    Raises PeerError for a frame of ours with a wrong length or broken off. A complete frame before a broken
    end counts, and how strangers break theirs does not matter.
    """
    if _EID_MARK not in ad and _IBEACON_MARK not in ad:
        return None
    eddystone = apple = None
    at = 0
    while at < len(ad) and ad[at]:
        start, at = at + 1, at + 1 + ad[at]
        structure = ad[start:at]
        if at > len(ad):
            break
        if structure.startswith(_EID_MARK):
            eddystone = structure[3:]
        elif structure.startswith(_IBEACON_MARK):
            apple = structure[3:]
    token = _token(eddystone, apple)
    if token is None and at > len(ad):
        raise PeerError("ad_length")
    return token


def decode_fields(service_data: Mapping[str, bytes], manufacturer_data: Mapping[int, bytes]) -> Token | None:
    """`decode` for the fields of a host stack: lower-case 128-bit UUIDs, company ids. Raises PeerError."""
    return _token(service_data.get(_EDDYSTONE_UUID), manufacturer_data.get(_APPLE))


def encode_eid(eid: bytes, tx_power_dbm: int) -> bytes:
    """All 21 bytes of an Eddystone-EID advertisement; `eid` has 8 bytes, power at 0 m in -128..127 dBm."""
    assert len(eid) == _EID_BYTES
    frame = tx_power_dbm.to_bytes(1, "big", signed=True) + eid
    return _FLAGS + _structure(bytes([_UUIDS_16]) + _EDDYSTONE) + _structure(_EID_MARK + frame)


def encode_ibeacon(value20: bytes, power_dbm: int) -> bytes:
    """All 30 bytes of an iBeacon; `value20` is UUID, major, minor, power at 1 m in -128..127 dBm."""
    assert len(value20) == _IBEACON_VALUE_BYTES
    return _FLAGS + _structure(_IBEACON_MARK + value20 + power_dbm.to_bytes(1, "big", signed=True))


def _token(eddystone: bytes | None, apple: bytes | None) -> Token | None:
    if eddystone and eddystone[0] == _EID_FRAME:
        if len(eddystone) != _EID_FRAME_BYTES:
            raise PeerError("eid_length")
        return Token(CredentialKind.EID, eddystone[2:])
    if apple and apple[:2] == _IBEACON:
        if len(apple) != _IBEACON_FRAME_BYTES:
            raise PeerError("ibeacon_length")
        return Token(CredentialKind.IBEACON, apple[2:-1])
    return None


def _structure(kind_and_data: bytes) -> bytes:
    return bytes([len(kind_and_data)]) + kind_and_data
