"""Advertisement bytes <-> Token: the frames we read, and how beacons, phones and simulators write them.

Knows no member. The phone token's own specification is docs/phone-app.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from gateway.core.apptoken import TOKEN_BYTES
from gateway.core.eid import EID_BYTES
from gateway.core.model import CredentialKind, Token
from gateway.errors import PeerError

# Bluetooth Core Specification Supplement, part A: each AD structure is length, type, data.
_AD_FLAGS = 0x01
_UUIDS_16_MORE = 0x02  # incomplete list
_UUIDS_16 = 0x03  # complete list
_UUIDS_32 = 0x05
_UUIDS_128_MORE = 0x06
_UUIDS_128 = 0x07
_SERVICE_DATA_16 = 0x16
_SERVICE_DATA_32 = 0x20
_SERVICE_DATA_128 = 0x21
_MANUFACTURER_DATA = 0xFF
RSSI_RANGE_DBM = range(-127, 21)  # Bluetooth Core, Vol 4 Part E, 7.7.65.2; 127 would mean "not known"
_MAX_STRUCTURE_BYTES = 255  # type and data; the length has one byte
_FLAGS = bytes.fromhex("020106")  # LE general discoverable, no classic Bluetooth

# google/eddystone, protocol-specification.md: the first octet of 0xFEAA service data says what follows.
# URL (0x10) and TLM (0x20) are nobody's name; Find Hub shares the UUID (Find Hub Network Accessory Specification).
_EDDYSTONE_UUID = "0000feaa-0000-1000-8000-00805f9b34fb"
_EDDYSTONE = bytes.fromhex("aafe")
_UID_FRAME = 0x00
_EID_FRAME = 0x30
_FIND_HUB_FRAMES = (0x40, 0x41)
# eddystone-eid/README.md: frame, ranging data, 8-byte EID; "the length of this frame is fixed".
_EID_FRAME_BYTES = 2 + EID_BYTES
# eddystone-uid/README.md: frame, ranging data, namespace 10, instance 6, and 2 reserved that some tags leave out.
_UID_BYTES = 16
_UID_FRAME_BYTES = (2 + _UID_BYTES, 2 + _UID_BYTES + 2)

# Apple Proximity Beacon Specification: company, type 0x02, length 0x15, UUID 16, major 2, minor 2, power 1.
_APPLE = 0x004C
_APPLE_BYTES = _APPLE.to_bytes(2, "little")
_IBEACON = bytes.fromhex("0215")
_BEACON_ID_BYTES = 20
_IBEACON_FRAME_BYTES = len(_IBEACON) + _BEACON_ID_BYTES + 1
# Where iOS hides the services of an app in the background: type 0x01 without a length, then 128 bits.
_OVERFLOW_TYPE = 0x01
_OVERFLOW_BYTES = 1 + 16

# AltBeacon specification 1.0: any company, code 0xBEAC, id 20, power 1, one byte for the maker.
_ALTBEACON = bytes.fromhex("beac")
_ALTBEACON_FRAME_BYTES = len(_ALTBEACON) + _BEACON_ID_BYTES + 2
_ALTBEACON_COMPANY = 0x0118  # the specification's own examples; readers take any

# Our own token (docs/phone-app.md). Both forms share seven random bytes, so that one search finds either. The eighth
# is 0 in the UUID of our service data, and in the other form the version of the token that follows in the UUID.
_APP_PREFIX = bytes.fromhex("5468052c3c7983")
_APP_UUID = "5468052c-3c79-8300-fa4b-efec7cc67009"
_APP = bytes.fromhex(_APP_UUID.replace("-", ""))[::-1]  # little endian on the air
_APP_VERSION = 1
_APP_FRAME_BYTES = 1 + TOKEN_BYTES
# The same for a radio that filters by content: AD type, where in its data, and the bytes there.
APP_PATTERNS = (
    (_SERVICE_DATA_128, 0, _APP),
    *((kind, 16 - len(_APP_PREFIX), _APP_PREFIX[::-1]) for kind in (_UUIDS_128_MORE, _UUIDS_128)),
)
_APP_TEXT_PREFIX = f"5468052c-3c79-83{_APP_VERSION:02x}-"
_APP_TEXT = re.compile(_APP_TEXT_PREFIX + "([0-9a-f]{4})-([0-9a-f]{12})")

_BASE_UUID = "-0000-1000-8000-00805f9b34fb"  # Core, Vol 3 Part B, 2.5.1: 16- and 32-bit UUIDs are short for these
_UUID_TEXT = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# How a structure that matters looks, anywhere in the bytes. Nearly every advertisement is a stranger's and holds none
# of it; one compiled search (0.2 us on x86-64) is cheaper than a walk through the structures (1.3 us).
_mark = re.compile(
    b"\\x16\\xaa\\xfe[\\x00\\x30\\x40\\x41]|\\xff(?:\\x4c\\x00(?:\\x02\\x15|\\x01)|..\\xbe\\xac)|"
    + re.escape(_APP_PREFIX[::-1]),
    re.DOTALL,
).search


class Other(Enum):
    """What is no token, and told apart only to be counted."""

    NOT_OURS = "not_ours"
    FIND_HUB = "find_hub"  # Google's tracker network: shares Eddystone's UUID
    IOS_OVERFLOW = "ios_overflow"  # an app in the background on an iPhone: nothing in it says whose


def decode(ad: bytes) -> Token | Other:
    """The token in raw AD structures of any length, or what else it is. Of several: EID, phone token, UID, iBeacon,
    AltBeacon; of one kind the last.

    Raises PeerError for a frame of ours with a wrong length or broken off. A complete frame before a broken
    end counts, and how strangers break theirs does not matter.
    """
    if _mark(ad) is None:
        return Other.NOT_OURS
    eddystone = app = listed = apple = altbeacon = None
    at, end = 0, len(ad)
    start = end
    while at < end and ad[at]:
        start, at = at + 1, at + 1 + ad[at]
        if at > end:
            break
        kind = ad[start]
        if kind == _SERVICE_DATA_16:
            if ad.startswith(_EDDYSTONE, start + 1):
                eddystone = ad[start + 3 : at]
        elif kind == _MANUFACTURER_DATA:
            if ad.startswith(_APPLE_BYTES, start + 1):
                apple = ad[start + 3 : at]
            if ad.startswith(_ALTBEACON, start + 3):
                altbeacon = ad[start + 3 : at]
        elif kind == _SERVICE_DATA_128:
            if ad.startswith(_APP, start + 1):
                app = ad[start + 17 : at]
        elif kind in (_UUIDS_128, _UUIDS_128_MORE):
            listed = _listed(ad[start + 1 : at]) or listed
    found = _token(eddystone, app, listed, apple, altbeacon)
    if found is Other.NOT_OURS and at > end and _mark(ad, start) is not None:
        raise PeerError("ad_length")
    return found


def decode_fields(
    service_data: Mapping[str, bytes], manufacturer_data: Mapping[int, bytes], service_uuids: Sequence[str] = ()
) -> Token | Other:
    """`decode` for the fields of a host stack: lower-case 128-bit UUIDs, company ids. Raises PeerError.

    BlueZ adds every service UUID to the end of a device's list and keeps the old ones: the last token counts.
    """
    listed = altbeacon = None
    for uuid in service_uuids:
        if uuid.startswith(_APP_TEXT_PREFIX) and (match := _APP_TEXT.fullmatch(uuid)):
            listed = bytes.fromhex(match[1] + match[2])
    for data in manufacturer_data.values():
        if data.startswith(_ALTBEACON):
            altbeacon = data
    eddystone, app = service_data.get(_EDDYSTONE_UUID), service_data.get(_APP_UUID)
    return _token(eddystone, app, listed, manufacturer_data.get(_APPLE), altbeacon)


def _listed(uuids: bytes) -> bytes | None:
    """The last token in a list of 128-bit UUIDs, little endian as on the air."""
    token = None
    for at in range(0, len(uuids) - 15, 16):
        uuid = uuids[at : at + 16][::-1]
        if uuid.startswith(_APP_PREFIX) and uuid[len(_APP_PREFIX)] == _APP_VERSION:
            token = uuid[-TOKEN_BYTES:]
    return token


def _token(
    eddystone: bytes | None, app: bytes | None, listed: bytes | None, apple: bytes | None, altbeacon: bytes | None
) -> Token | Other:
    frame = eddystone[0] if eddystone else None
    if eddystone and frame == _EID_FRAME:
        if len(eddystone) != _EID_FRAME_BYTES:
            raise PeerError("eid_length")
        return Token(CredentialKind.EID, eddystone[2:])
    if app and app[0] == _APP_VERSION:
        if len(app) != _APP_FRAME_BYTES:
            raise PeerError("app_length")
        return Token(CredentialKind.APP, app[1:])
    if listed:
        return Token(CredentialKind.APP, listed)
    if eddystone and frame == _UID_FRAME:
        if len(eddystone) not in _UID_FRAME_BYTES:
            raise PeerError("uid_length")
        return Token(CredentialKind.UID, eddystone[2 : 2 + _UID_BYTES])
    if apple and apple.startswith(_IBEACON):
        if len(apple) != _IBEACON_FRAME_BYTES:
            raise PeerError("ibeacon_length")
        return Token(CredentialKind.IBEACON, apple[2:-1])
    if altbeacon:
        if len(altbeacon) != _ALTBEACON_FRAME_BYTES:
            raise PeerError("altbeacon_length")
        return Token(CredentialKind.ALTBEACON, altbeacon[2:-2])
    if frame in _FIND_HUB_FRAMES:
        return Other.FIND_HUB
    if apple and apple[0] == _OVERFLOW_TYPE and len(apple) >= _OVERFLOW_BYTES:
        return Other.IOS_OVERFLOW
    return Other.NOT_OURS


def structures(ad: bytes) -> Iterator[tuple[int, int, int]]:
    """(length, start, end) of each AD structure: its type stands at `start`, its data follow up to `end`.

    The last may be broken off: `end` is then the end of `ad` and less than start + length.
    """
    at = 0
    while at + 1 < len(ad) and ad[at]:
        start, end = at + 1, at + 1 + ad[at]
        yield ad[at], start, min(end, len(ad))
        at = end


def contents(kind: int, data: bytes) -> list[slice]:
    """The parts of a structure's data that say something of the sender; the rest says what kind of frame it is.

    Kinds are: flags, 16-bit UUIDs, companies, Eddystone's and Apple's first byte, and what marks a frame of ours.
    A longer UUID of somebody else is contents, because it may carry a token as ours does.
    """
    if kind == _AD_FLAGS:
        return [slice(1, None)]
    if kind in (_UUIDS_16_MORE, _UUIDS_16):
        return [slice(len(data) // 2 * 2, None)]
    if kind == _SERVICE_DATA_16:
        return [slice(3 if data.startswith(_EDDYSTONE) else 2, None)]
    if kind == _MANUFACTURER_DATA:
        marked = data[2:4] == _ALTBEACON or data[:4] == _APPLE_BYTES + _IBEACON
        return [slice(4 if marked else 3 if data.startswith(_APPLE_BYTES) else 2, None)]
    if kind == _SERVICE_DATA_128 and data.startswith(_APP):
        return [slice(len(_APP) + 1, None)]
    if kind in (_UUIDS_128, _UUIDS_128_MORE):
        fixed = len(_APP_PREFIX)
        ours = [at for at in range(0, len(data) - 15, 16) if data[at + 16 - fixed : at + 16] == _APP_PREFIX[::-1]]
        ends = [at + TOKEN_BYTES for at in ours]
        starts = [0, *(at + 16 for at in ours)]
        return [slice(start, end) for start, end in zip(starts, [*ends, None], strict=True)]
    return [slice(None)]


def assemble(
    service_data: Mapping[str, bytes], manufacturer_data: Mapping[int, bytes], service_uuids: Sequence[str] = ()
) -> bytes:
    """Raw AD structures with the same contents as a host stack's fields; names and flags are not among them.

    Raises PeerError("uuid") for what is no UUID, PeerError("ad_length") for what no structure can hold.
    """
    parts = []
    lists: dict[int, bytes] = {}
    for uuid in service_uuids:
        octets = _uuid_bytes(uuid)
        kind = {2: _UUIDS_16, 4: _UUIDS_32, 16: _UUIDS_128}[len(octets)]
        if len(lists.get(kind, b"")) + len(octets) >= _MAX_STRUCTURE_BYTES:
            parts.append(_structure(bytes([kind]) + lists.pop(kind)))
        lists[kind] = lists.get(kind, b"") + octets
    parts += [_structure(bytes([kind]) + uuids) for kind, uuids in lists.items()]
    for uuid, data in service_data.items():
        octets = _uuid_bytes(uuid)
        kind = {2: _SERVICE_DATA_16, 4: _SERVICE_DATA_32, 16: _SERVICE_DATA_128}[len(octets)]
        parts.append(_structure(bytes([kind]) + octets + data))
    for company, data in manufacturer_data.items():
        parts.append(_structure(bytes([_MANUFACTURER_DATA]) + company.to_bytes(2, "little") + data))
    return b"".join(parts)


def _uuid_bytes(uuid: str) -> bytes:
    """2, 4 or 16 bytes, little endian."""
    if not _UUID_TEXT.fullmatch(uuid):
        raise PeerError("uuid")
    if uuid.endswith(_BASE_UUID):
        return bytes.fromhex(uuid[4:8] if uuid.startswith("0000") else uuid[:8])[::-1]
    return bytes.fromhex(uuid.replace("-", ""))[::-1]


def encode_eid(eid: bytes, tx_power_dbm: int) -> bytes:
    """All 21 bytes of an Eddystone-EID advertisement; `eid` has 8 bytes, power at 0 m in -128..127 dBm."""
    assert len(eid) == EID_BYTES
    return _eddystone(_EID_FRAME, tx_power_dbm, eid)


def encode_uid(value16: bytes, tx_power_dbm: int) -> bytes:
    """All 31 bytes of an Eddystone-UID advertisement; `value16` is namespace, instance; power at 0 m in dBm."""
    assert len(value16) == _UID_BYTES
    return _eddystone(_UID_FRAME, tx_power_dbm, value16 + bytes(2))


def encode_ibeacon(value20: bytes, power_dbm: int) -> bytes:
    """All 30 bytes of an iBeacon; `value20` is UUID, major, minor, power at 1 m in -128..127 dBm."""
    assert len(value20) == _BEACON_ID_BYTES
    return _FLAGS + _structure(bytes([_MANUFACTURER_DATA]) + _APPLE_BYTES + _IBEACON + value20 + _signed(power_dbm))


def encode_altbeacon(value20: bytes, power_dbm: int) -> bytes:
    """All 31 bytes of an AltBeacon; `value20` is the beacon id, power at 1 m in -128..127 dBm."""
    assert len(value20) == _BEACON_ID_BYTES
    company = _ALTBEACON_COMPANY.to_bytes(2, "little")
    data = company + _ALTBEACON + value20 + _signed(power_dbm) + b"\x00"
    return _FLAGS + _structure(bytes([_MANUFACTURER_DATA]) + data)


def encode_app(token: bytes) -> bytes:
    """All 30 bytes of our token as service data, as Android phones and tags send it; `token` has 8 bytes."""
    assert len(token) == TOKEN_BYTES
    return _FLAGS + _structure(bytes([_SERVICE_DATA_128]) + _APP + bytes([_APP_VERSION]) + token)


def encode_app_uuid(token: bytes) -> bytes:
    """All 21 bytes of our token as a service UUID, as iPhones in the foreground send it; `token` has 8 bytes."""
    assert len(token) == TOKEN_BYTES
    uuid = _APP_PREFIX + bytes([_APP_VERSION]) + token
    return bytes.fromhex("02011a") + _structure(bytes([_UUIDS_128]) + uuid[::-1])


def _eddystone(frame: int, tx_power_dbm: int, rest: bytes) -> bytes:
    data = _EDDYSTONE + bytes([frame]) + _signed(tx_power_dbm) + rest
    return _FLAGS + _structure(bytes([_UUIDS_16]) + _EDDYSTONE) + _structure(bytes([_SERVICE_DATA_16]) + data)


def _signed(dbm: int) -> bytes:
    return dbm.to_bytes(1, "big", signed=True)


def _structure(kind_and_data: bytes) -> bytes:
    if len(kind_and_data) > _MAX_STRUCTURE_BYTES:
        raise PeerError("ad_length")
    return bytes([len(kind_and_data)]) + kind_and_data
