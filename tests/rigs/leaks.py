"""Searches bytes for traces of people: addresses and payloads, as text and binary, in either byte order."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Shorter contents are no identifiers: four equal bytes turn up in any file by accident.
MIN_CONTENT_BYTES = 6


@dataclass(frozen=True)
class Trace:
    """One way in which something of a stranger could be written down."""

    what: str
    needle: bytes


def strangers(recording: Path, known: Iterable[bytes] = ()) -> list[bytes]:
    """Addresses, UIDs and payload contents in a recording, apart from the `known` members' own tokens."""
    found: set[bytes] = set()
    ours = list(known)
    for line in recording.read_text().splitlines():
        record = json.loads(line)
        for key in ("address", "uid"):
            if record.get(key):
                found.add(bytes.fromhex(record[key].replace(":", "")))
        for key in ("adv", "ndef"):
            payload = bytes.fromhex(record.get(key) or "")
            if any(token in payload for token in ours):
                continue
            found.add(payload)
            found.update(contents(payload))
    return sorted(item for item in found if len(item) >= MIN_CONTENT_BYTES and len(set(item)) > 2)


def contents(ad: bytes) -> Iterator[bytes]:
    """The values of the AD structures that name somebody or something; frame headers are everybody's."""
    at = 0
    while at + 1 < len(ad) and ad[at] and at + 1 + ad[at] <= len(ad):
        kind, value = ad[at + 1], ad[at + 2 : at + 1 + ad[at]]
        if kind in (0x08, 0x09, 0x16, 0x21, 0xFF):
            yield value[4:] if kind in (0x16, 0xFF) else value
        at += 1 + ad[at]


def forms(item: bytes) -> Iterator[Trace]:
    """Binary, hex with and without separators, either case, base64 and JSON text; forwards and backwards."""
    for order, data in (("", item), (" reversed", item[::-1])):
        yield Trace("binary" + order, data)
        hexed = data.hex()
        for text in (hexed, hexed.upper(), *(s.join(re.findall("..", hexed)) for s in ":- ")):
            yield Trace("hex" + order, text.encode())
            yield Trace("hex" + order, text.upper().encode())
        yield Trace("base64" + order, base64.b64encode(data).rstrip(b"=")[:-1])
        yield Trace("repr" + order, repr(data)[2:-1].encode())
        yield Trace("json" + order, json.dumps(list(data)).encode()[1:-1])


def search(haystacks: dict[str, bytes], items: Iterable[bytes]) -> list[str]:
    """Where any form of any item stands, as "file: form"; empty = nowhere."""
    traces: dict[bytes, str] = {}
    for item in items:
        for trace in forms(item):
            if len(trace.needle) >= MIN_CONTENT_BYTES:
                traces[trace.needle] = trace.what
    # One scan per haystack: index every needle by its first six bytes.
    heads: dict[bytes, list[bytes]] = {}
    for needle in traces:
        heads.setdefault(needle[:MIN_CONTENT_BYTES], []).append(needle)
    hits = []
    for name, hay in haystacks.items():
        for at in range(len(hay) - MIN_CONTENT_BYTES + 1):
            for needle in heads.get(hay[at : at + MIN_CONTENT_BYTES], ()):
                if hay.startswith(needle, at):
                    hits.append(f"{name}: {traces[needle]} at {at}")
    return hits
