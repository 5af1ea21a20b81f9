"""An operator's folder of pictures, videos and words, and a retailer's brand file, as ops and files. Every mistake is
named by file, item and key, and then nothing is published.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from gateway.core import brand as brands
from gateway.core import content, media, torn
from gateway.core.content import ContentPut, FileRef, Item
from gateway.errors import ConfigError, PeerError
from sync import content as wire
from sync import messages
from sync.fields import validate
from sync.hq import tomlfiles
from sync.hq.file import Row

MANIFEST = "content.toml"
PART_BYTES = 56 * 1024  # of items in one operation, whose 64 KiB have room for the rest
MAX_FAULTS = 50
MAX_NAME = 255  # of a file, in characters

_W = TypeVar("_W", bound=BaseModel)
_V = TypeVar("_V")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ITEM_KEYS = (
    *("id", "kind", "file", "title", "text", "badge", "alt", "art", "seconds", "fit"),
    *("from", "until", "days", "hours", "zones", "screens"),
)
BRAND_KEYS = ("name", "light", "dark", "logo", "font")
FONT_KEYS = ("role", "weight", "file")

# What core.media says of a file, in words.
_WHY = {
    "type": "its bytes are none of {types}",
    "size": "its header tells no size",
    "too_large": f"expected at most {media.MAX_SIDE_PX} pixels a side and {media.MAX_PIXELS // 10**6} million in all",
    "torn": "ends before all of it is there; export or copy it anew",
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """Ops to be recorded once the files are in headquarters' folder. `doubts`: what is perhaps not meant, in words."""

    ops: tuple[Row, ...]
    files: tuple[tuple[FileRef, Path], ...]
    doubts: tuple[str, ...] = ()


class _Faults:
    """All that is wrong, in the order in which it is found."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[str] = []

    def add(self, place: str, what: str) -> None:
        self._found.append(f"{self._path}: {place}{': ' if place else ''}{what}")

    def end(self) -> None:
        """Raises ConfigError if anything is."""
        if self._found:
            more = len(self._found) - MAX_FAULTS
            rest = [f"{self._path}: and {more} more"] if more > 0 else []
            raise ConfigError("\n".join([*self._found[:MAX_FAULTS], *rest]))


class _Files:
    """The files that are named in a folder, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.refs: dict[FileRef, Path] = {}

    def read(self, name: object, use: str, most_bytes: int) -> FileRef | str:
        """The file, or what is wrong with it."""
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            return "expected the name of a file of this folder"
        if Path(name).is_absolute() or ".." in Path(name).parts:
            return "expected the name of a file of this folder"
        path = self._folder / name
        if not path.is_file():  # a pipe would be waited for
            return f"{name}: cannot be read"
        try:
            size = path.stat().st_size
            if size > most_bytes:
                return f"{name}: expected at most {most_bytes // 1024} KiB; found {size // 1024}"
            data = path.read_bytes()
        except OSError:
            return f"{name}: cannot be read"
        why = media.fault(data[: media.HEAD_BYTES], use)
        if why is None and torn.is_torn(lambda at, length: data[at : at + length], len(data)):
            why = "torn"
        if why is not None:
            types = ", ".join(media.ALLOWED.get(use, ("image", "video")))
            return f"{name}: {_WHY[why].format(types=types)}"
        ref = FileRef(hashlib.sha256(data).hexdigest(), len(data))
        self.refs.setdefault(ref, path)
        return ref


def read_content(folder: Path, zones: Collection[str] = (), now_ms: int = 0) -> Bundle:
    """The bundle of a folder with a content.toml. `zones`: those that headquarters knows, none = it knows none. Raises
    ConfigError with everything that is wrong."""
    path = folder / MANIFEST
    found = tomlfiles.read(path, "docs/content.md")
    faults, files = _Faults(path), _Files(folder)
    for key in found.keys() - {"item"}:
        faults.add(key, "no such key; expected [[item]]")
    listed = found.get("item", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        faults.add("item", "expected [[item]]")
        listed = []
    if len(listed) > content.MAX_ITEMS:
        faults.add("items", f"expected at most {content.MAX_ITEMS}, found {len(listed)}")
        faults.end()
    items = [_item(number, one, files, faults) for number, one in enumerate(listed, start=1)]
    for what in content.whole_faults([one for one in items if one is not None]):
        faults.add("", what)
    faults.end()
    whole = [one for one in items if one is not None]
    return Bundle(_parts(whole), tuple(files.refs.items()), tuple(_doubts(whole, zones, now_ms)))


def read_brand(path: Path) -> Bundle:
    """The brand of a TOML file, with the logo and fonts beside it. Raises ConfigError likewise."""
    found = tomlfiles.read(path, "docs/brand.md")
    faults, files = _Faults(path), _Files(path.parent)
    _unknown(found, BRAND_KEYS, "", faults)
    body: Row = {name: found[name] for name in ("name", "light", "dark") if name in found}
    for theme in ("light", "dark"):
        if isinstance(body.get(theme), dict):
            body[theme] = {role: str(value).lower() for role, value in body[theme].items()}
    if "logo" in found:
        body["logo"] = _ref(files.read(found["logo"], "logo", brands.MAX_LOGO_BYTES), "logo", faults)
    fonts = found.get("font", [])
    if not isinstance(fonts, list) or not all(isinstance(one, dict) for one in fonts):
        faults.add("font", "expected [[font]]")
        fonts = []
    if len(fonts) > brands.MAX_FONTS:
        faults.add("font", f"expected at most {brands.MAX_FONTS}, found {len(fonts)}")
        faults.end()
    body["fonts"] = []
    for number, font in enumerate(fonts, start=1):
        place = f"font {number}"
        _unknown(font, FONT_KEYS, f"{place}, ", faults)
        ref = _ref(files.read(font.get("file"), "font", brands.MAX_FONT_BYTES), f"{place}, file", faults)
        weight = font.get("weight", 400)
        body["fonts"].append({"role": font.get("role", "text"), "weight": str(weight), "file": ref or _ANY})
    brand = _checked(wire.BrandBody, wire.brand, body, "", faults)
    if brand is not None:
        if content.has_markup(brand.name):
            faults.add("name", "markup; expected plain text")
        for what in brands.faults(brand):
            found_at, _, rest = what.partition(": ")
            faults.add(_told(found_at), rest)
    faults.end()
    assert brand is not None
    return Bundle((messages.op_of(brands.BrandPut(brand)),), tuple(files.refs.items()))


_ANY: Row = {"sha256": "0" * 64, "bytes": 1}  # in place of a file that is wrong, so that this is said once


def _item(number: int, found: Mapping[str, Any], files: _Files, faults: _Faults) -> Item | None:
    """One [[item]]; None, and its faults are noted, where its fields have wrong forms."""
    name = found.get("id")
    place = f"item {number}" + (f" ({name[:64]})" if isinstance(name, str) and name else "")
    _unknown(found, ITEM_KEYS, f"{place}, ", faults)
    names = ("kind", "title", "text", "badge", "alt", "art", "seconds", "fit", "zones", "screens")
    body: Row = {key: found[key] for key in names if key in found}
    body["item_id"] = name if name is not None else ""
    kind = found.get("kind")
    if "file" in found:
        use = kind if kind in ("image", "video") else ""
        body["file"] = _ref(files.read(found["file"], use, content.MAX_FILE_BYTES), f"{place}, file", faults)
    for key in ("from", "until"):
        if key in found:
            body[f"{key}_ms"] = _instant(found[key], f"{place}, {key}", faults)
    if "hours" in found:
        body["from_minute"], body["until_minute"] = _hours(found["hours"], f"{place}, hours", faults)
    if "days" in found:
        body["days"] = _days(found["days"], f"{place}, days", faults)
    for key in ("days", "zones", "screens"):
        if found.get(key) == []:
            faults.add(f"{place}, {key}", "expected at least one; without the key it is all of them")
    item = _checked(wire.ItemBody, wire.item, body, f"{place}, ", faults)
    for what in content.faults(item) if item is not None else ():
        missing_file = what.startswith("file: missing") and "file" in found  # then the file itself is what is wrong
        if not missing_file:
            faults.add(f"{place}, {what.partition(':')[0]}", what.partition(": ")[2])
    return item


def _checked(model: type[_W], make: Callable[[_W], _V], body: Row, place: str, faults: _Faults) -> _V | None:
    try:
        return make(validate(model, body))
    except PeerError as error:
        for what in error.said:
            found, _, rest = what.partition(": ")
            faults.add(place + _told(found), rest)
    return None


def _told(place: str) -> str:
    """A place on the wire as the operator's own key."""
    match place.split("."):
        case ["item_id"]:
            return "id"
        case ["fonts", number, key] if number.isdecimal():
            return f"font {int(number) + 1}, {key}"
    return place


def _unknown(found: Mapping[str, Any], known: Sequence[str], place: str, faults: _Faults) -> None:
    for key in found:
        if key not in known:
            faults.add(f"{place}{key[:64]}", f"no such key; expected one of {', '.join(known)}")


def _ref(found: FileRef | str, place: str, faults: _Faults) -> Row | None:
    if isinstance(found, str):
        faults.add(place, found)
        return None
    return {"sha256": found.sha256, "bytes": found.bytes}


def _instant(value: object, place: str, faults: _Faults) -> int | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return round(value.timestamp() * 1_000)
    faults.add(place, "expected an instant with its offset, such as 2027-03-01T08:00:00+01:00")
    return None


def _hours(value: object, place: str, faults: _Faults) -> tuple[int | None, int | None]:
    ends = [_minute(end) for end in value.split("-")] if isinstance(value, str) else []
    if len(ends) == 2 and None not in ends:
        return ends[0], ends[1]
    faults.add(place, 'expected hours such as "08:00-20:00"')
    return None, None


def _minute(text: str) -> int | None:
    hour, colon, minute = text.strip().partition(":")
    if not colon or not (hour.isdecimal() and minute.isdecimal()) or len(hour) > 2 or len(minute) != 2:
        return None
    total = int(hour) * 60 + int(minute)
    return total if int(minute) < 60 and total <= content.DAY_MINUTES else None


def _days(value: object, place: str, faults: _Faults) -> list[int]:
    if isinstance(value, list) and all(one in DAYS for one in value):
        return [DAYS.index(one) for one in value]
    faults.add(place, f"expected days of {', '.join(DAYS)}")
    return []


def _parts(items: Sequence[Item]) -> tuple[Row, ...]:
    """A bundle's name follows from its content, so that the same once more is no news."""
    bodies = [messages.op_of(ContentPut("", 1, 1, (one,)))["body"]["items"][0] for one in items]
    parts: list[list[Row]] = [[]]
    room = PART_BYTES
    for body in bodies:
        size = len(json.dumps(body)) + 2
        if size > room:
            parts.append([])
            room = PART_BYTES
        parts[-1].append(body)
        room -= size
    name = content.manifest_id(json.dumps(bodies, sort_keys=True))
    head = {"content_id": name, "parts": len(parts)}
    return tuple(
        {"op": "content.put", "body": head | {"part": number, "items": part}}
        for number, part in enumerate(parts, start=1)
    )


def _doubts(items: Sequence[Item], zones: Collection[str], now_ms: int) -> list[str]:
    doubts = [f"{one.item_id}: is over already" for one in items if one.until_ms is not None and one.until_ms <= now_ms]
    known = f"; headquarters knows {', '.join(sorted(zones))}" if zones else ""
    doubts += [
        f"{one.item_id}: no shop has the zone {zone}{known}"
        for one in items
        for zone in one.zones
        if zones and zone not in zones
    ]
    return doubts
