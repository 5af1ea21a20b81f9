"""A recording of a crowd: hundreds of strangers of every kind, and a few members among them. All of it is invented."""

import json
import random
from pathlib import Path
from typing import Any

from drivers import frames, tags

STRANGERS = 300
RECORDS = 6_000
STEP_MS = 5


def write(path: Path, ops: list[dict[str, Any]], seed: int = 1) -> None:
    """Write the recording; members of `ops` with a static beacon stand at the coffee bar and tap there."""
    rng = random.Random(seed)
    strangers = [_stranger(rng) for _ in range(STRANGERS)]
    beacons = [bytes.fromhex(value) for value in _values(ops, "ibeacon")]
    cards = [bytes.fromhex(value).decode() for value in _values(ops, "ndef")]
    lines = []
    for number in range(RECORDS):
        head = {"t_ms": number * STEP_MS, "receiver": "coffee-ble", "kind": "adv"}
        if number % 50 == 0:
            head |= {"address": _address(rng), "rssi": -55, "adv": frames.encode_ibeacon(beacons[0], -59).hex()}
        elif number % 500 == 499:
            uid = rng.randbytes(7).hex()
            card = tags.encode_uri(
                cards[0] if number % 1000 == 999 else f"https://other.example/{rng.randbytes(9).hex()}"
            )
            head |= {"kind": "tap", "receiver": "coffee-nfc", "uid": uid, "ndef": card.hex()}
        else:
            address, payload = rng.choice(strangers)
            head |= {"address": address, "rssi": rng.randint(-95, -40), "adv": payload.hex()}
        lines.append(json.dumps(head))
    path.write_text("\n".join(lines) + "\n")


def _values(ops: list[dict[str, Any]], kind: str) -> list[str]:
    return [op["body"]["value"] for op in ops if op["op"] == "credential.put" and op["body"]["kind"] == kind]


def _stranger(rng: random.Random) -> tuple[str, bytes]:
    """An address and a payload: earbuds with a name, phones, trackers, foreign beacons, and malformed frames."""
    name = f"Buds of {rng.choice(['Xaver', 'Yvonne', 'Zenzi'])} {rng.randint(1000, 9999)}".encode()
    payloads = (
        frames.encode_eid(rng.randbytes(8), -20),
        frames.encode_ibeacon(rng.randbytes(20), -59),
        b"\x02\x01\x1a\x0a\xff\x4c\x00\x10\x05" + rng.randbytes(5),
        b"\x02\x01\x06\x19\x16\xaa\xfe\x40" + rng.randbytes(21),
        b"\x02\x01\x06" + bytes([len(name) + 1, 0x09]) + name,
        b"\x0d\x16\xaa\xfe\x30" + rng.randbytes(7),
        b"\x1a\xff\x4c\x00\x02\x15" + rng.randbytes(12),
        rng.randbytes(31),
    )
    return _address(rng), rng.choice(payloads)


def _address(rng: random.Random) -> str:
    return rng.randbytes(6).hex(":").upper()
