"""Content bundles: what headquarters has screens show between offers, and which of it is for which screen. No files.

A manifest is a list of items. Pictures and videos are named by the SHA-256 of their bytes; a template is words alone.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from gateway.core.localtime import local

Kind = Literal["image", "video", "template"]
Fit = Literal["cover", "contain"]
Words = Mapping[str, str]  # by language, of LANGUAGES

LANGUAGES = ("de", "en")
# Illustrations that every screen has (display/static/art).
ART = frozenset({"coffee", "wine", "cheese", "chocolate", "bread", "tea", "flowers", "bag"})

MAX_ITEMS = 200  # half an hour of ten seconds each, before anything comes again
MAX_FILE_BYTES = 64 * 1024 * 1024  # a minute of full-HD video at 8 Mbit/s
MAX_BYTES = 1024 * 1024 * 1024  # of all files; a box has 16 GB and more
MIN_SECONDS, MAX_SECONDS = 5, 30  # less cannot be read, more looks stuck
DAY_MINUTES = 24 * 60

# Characters. A screen at three metres shows two lines of 40 as a title.
MAX_TITLE, MAX_TEXT, MAX_BADGE, MAX_ALT = 90, 240, 30, 200
LENGTHS = {"title": MAX_TITLE, "text": MAX_TEXT, "badge": MAX_BADGE, "alt": MAX_ALT}

# What a browser would take for an element, a comment or a character reference (HTML standard, 13.2.5).
_MARKUP = re.compile(r"<[A-Za-z/!?]|&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")

# Letters and a symbol that are blank: fillers of Hangul, the empty pattern of Braille.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file by its content: SHA-256 in hex, size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """One slide of the loop. `file`: None for a template, whose `title`, `text`, `badge` and `art` are all of it.

    It is shown from `from_ms` until `until_ms` (UTC), on `days` (0 = Monday, none = every day), and within the shop's
    own minutes of the day, both None = always. Where: `zones` and `screens`, none = everywhere.
    """

    item_id: str
    kind: Kind
    file: FileRef | None = None
    title: Words = field(default_factory=dict)
    text: Words = field(default_factory=dict)
    badge: Words = field(default_factory=dict)
    alt: Words = field(default_factory=dict)
    art: str = ""
    seconds: int = 10
    fit: Fit = "cover"
    from_ms: int | None = None
    until_ms: int | None = None
    days: tuple[int, ...] = ()
    from_minute: int | None = None
    until_minute: int | None = None
    zones: tuple[str, ...] = ()
    screens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentPut:
    """Part `part`, from 1, of the `parts` of a manifest that replaces the former once all of them and all files are
    here."""

    content_id: str
    part: int
    parts: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class ContentRefused:
    """A content.put or brand.put of a delta that is passed over: what was shown stays, and headquarters is told."""

    what: Literal["content", "brand"]
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole bundle."""

    content_id: str
    items: tuple[Item, ...] = ()


def has_markup(text: str) -> bool:
    """Whether a browser would read more than text in it."""
    return _MARKUP.search(text) is not None


def can_be_read(text: str) -> bool:
    """Whether something of it is seen: a letter, digit, sign or symbol (Unicode's general categories)."""
    return any(unicodedata.category(one)[0] in "LNPS" and one not in _UNSEEN for one in text)


def faults(item: Item) -> tuple[str, ...]:
    """What is wrong with an item whose fields have the right types, each as "place: what was expected"."""
    found = [
        f"{name}.{language}: markup; expected plain text"
        for name in LENGTHS
        for language, sentence in getattr(item, name).items()
        if has_markup(sentence)
    ]
    found += [
        f"{name}.{language}: nothing to read; leave it out, or write something"
        for name in LENGTHS
        for language, sentence in getattr(item, name).items()
        if not can_be_read(sentence)
    ]
    if item.kind == "template":
        if item.file is not None:
            found.append("file: a template has none")
        if not any(item.title.values()):
            found.append("title: missing; a template needs one")
        if item.art not in ART:
            found.append(f"art: expected one of {', '.join(sorted(ART))}")
    else:
        if item.file is None:
            found.append(f"file: missing; {'an image' if item.kind == 'image' else 'a video'} needs one")
        if not any(item.alt.values()):
            found.append("alt: missing; expected what it shows, for those who cannot see it")
        found += [f"{name}: only a template has one" for name in ("text", "badge", "art") if getattr(item, name)]
    return (*found, *_untimely(item))


def _untimely(item: Item) -> list[str]:
    found = []
    if item.from_ms is not None and item.until_ms is not None and item.from_ms >= item.until_ms:
        found.append("until: expected a time after from")
    if (item.from_minute is None) != (item.until_minute is None):
        found.append("hours: expected a beginning and an end")
    elif item.from_minute is not None and item.from_minute == item.until_minute:
        found.append("hours: expected an end that is not the beginning")
    if len(set(item.days)) < len(item.days):
        found.append("days: a day stands there twice")
    return found


def whole_faults(items: Sequence[Item]) -> tuple[str, ...]:
    """What is wrong with items that are each right, taken together."""
    found = []
    ids = [item.item_id for item in items]
    found += [f"items: the id {one} is there twice" for one in dict.fromkeys(ids) if ids.count(one) > 1]
    if len(items) > MAX_ITEMS:
        found.append(f"items: expected at most {MAX_ITEMS}, found {len(items)}")
    sizes: dict[str, int] = {}
    for ref in files_of(items):
        if sizes.setdefault(ref.sha256, ref.bytes) != ref.bytes:
            found.append("items: one file has two sizes")
    if sum(sizes.values()) > MAX_BYTES:
        found.append(f"items: expected at most {MAX_BYTES // 1024**2} MiB of files in all")
    return tuple(found)


def files_of(items: Iterable[Item]) -> tuple[FileRef, ...]:
    """The files that these items show, each once, in their order."""
    return tuple(dict.fromkeys(item.file for item in items if item.file is not None))


def manifest_id(text: str) -> str:
    """The name of a manifest: 32 hex digits of the hash of its JSON text."""
    return sha256(text.encode()).hexdigest()[:32]


def for_screen(items: Iterable[Item], screen: str, zone: str) -> tuple[Item, ...]:
    """What may ever be shown there, in order. When it is shown, the page itself knows by the server's time."""
    return tuple(
        item
        for item in items
        if (not item.zones or zone in item.zones) and (not item.screens or screen in item.screens)
    )


def runs(item: Item, now_ms: int, time_zone: str) -> bool:
    """Whether an item is due at that instant, in a shop of that time zone. Hours may go over midnight; the day is then
    the one on which they began."""
    if (item.from_ms is not None and now_ms < item.from_ms) or (item.until_ms is not None and now_ms >= item.until_ms):
        return False
    now = local(now_ms, time_zone)
    minute, day = now.hour * 60 + now.minute, now.weekday()
    if item.from_minute is not None and item.until_minute is not None:
        if item.from_minute < item.until_minute:
            if not item.from_minute <= minute < item.until_minute:
                return False
        elif minute < item.until_minute:
            day = (day - 1) % 7
        elif minute < item.from_minute:
            return False
    return not item.days or day in item.days


def utc_offset_ms(now_ms: int, time_zone: str) -> int:
    """How far the shop's clock is ahead of UTC at that instant."""
    offset = local(now_ms, time_zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * 1_000
