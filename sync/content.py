"""The bodies of `content.put` and `brand.put` to changes and back, with every refusal by place. Pure."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core import brand as rules
from gateway.core import content
from gateway.core.brand import Brand, BrandPut, Font
from gateway.core.content import ContentPut, FileRef, Item
from gateway.errors import PeerError
from sync.fields import EXACT, NO_CONTROLS, Id, Ms, validate

MAX_PARTS = content.MAX_ITEMS  # of one item at least, whose words and places have 35 KB at the very most
MAX_PLACES = 16  # zones or screens of one item

_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Place = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROLS)]
_Minute = Annotated[int, Field(ge=0, le=content.DAY_MINUTES)]
_Colours = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=24)], Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]
    ],
    Field(max_length=32),
]


def _sentence(most: int) -> StringConstraints:
    return StringConstraints(max_length=most, pattern=NO_CONTROLS)


_Language = Literal["de", "en"]
_Title = dict[_Language, Annotated[str, _sentence(content.MAX_TITLE)]]
_Text = dict[_Language, Annotated[str, _sentence(content.MAX_TEXT)]]
_Badge = dict[_Language, Annotated[str, _sentence(content.MAX_BADGE)]]
_Alt = dict[_Language, Annotated[str, _sentence(content.MAX_ALT)]]


class _Body(BaseModel):
    model_config = EXACT


class FileBody(_Body):
    """core.content.FileRef."""

    sha256: _Hash
    bytes: Annotated[int, Field(ge=1, le=content.MAX_FILE_BYTES)]


class ItemBody(_Body):
    """core.content.Item."""

    item_id: Id
    kind: Literal["image", "video", "template"]
    file: FileBody | None = None
    title: _Title = {}
    text: _Text = {}
    badge: _Badge = {}
    alt: _Alt = {}
    art: Annotated[str, StringConstraints(max_length=24)] = ""
    seconds: Annotated[int, Field(ge=content.MIN_SECONDS, le=content.MAX_SECONDS)] = 10
    fit: Literal["cover", "contain"] = "cover"
    from_ms: Ms | None = None
    until_ms: Ms | None = None
    days: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(max_length=7)] = []
    from_minute: _Minute | None = None
    until_minute: _Minute | None = None
    zones: Annotated[list[_Place], Field(max_length=MAX_PLACES)] = []
    screens: Annotated[list[_Place], Field(max_length=MAX_PLACES)] = []


class ContentBody(_Body):
    """core.content.ContentPut; what is wrong with items themselves is checked by `parse_content`."""

    content_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    part: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    parts: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    items: Annotated[list[ItemBody], Field(max_length=content.MAX_ITEMS)]


class FontBody(_Body):
    """core.brand.Font."""

    role: Literal["text", "display"]
    weight: Annotated[str, StringConstraints(pattern=r"^[1-9]00(?: [1-9]00)?$")]
    file: FileBody


class BrandBody(_Body):
    """core.brand.Brand; that it can be read is checked by `parse_brand`."""

    name: Annotated[str, StringConstraints(max_length=rules.MAX_NAME, pattern=NO_CONTROLS)] = ""
    light: _Colours = {}
    dark: _Colours = {}
    logo: FileBody | None = None
    fonts: Annotated[list[FontBody], Field(max_length=rules.MAX_FONTS)] = []


def parse_content(body: object) -> ContentPut:
    """Raises PeerError: "fields", "range", or "content" with the first fault's place and everything `said`."""
    wire = validate(ContentBody, body)
    if wire.part > wire.parts:
        raise PeerError("range", "part")
    items = tuple(item(one) for one in wire.items)
    said = [f"items.{number}.{fault}" for number, one in enumerate(items) for fault in content.faults(one)]
    said += content.whole_faults(items)
    if said:
        raise PeerError("content", said[0], tuple(said))
    return ContentPut(wire.content_id, wire.part, wire.parts, items)


def item(wire: ItemBody) -> Item:
    """The value, its rules not checked."""
    lists = {"days": tuple(wire.days), "zones": tuple(wire.zones), "screens": tuple(wire.screens)}
    return Item(**dict(wire) | lists | {"file": _ref(wire.file)})


def parse_brand(body: object) -> BrandPut:
    """Raises PeerError: "fields", "range", or "brand" with the first fault's place and everything `said`."""
    put = BrandPut(brand(validate(BrandBody, body)))
    said = rules.faults(put.brand)
    if content.has_markup(put.brand.name):
        said = ("name: markup; expected plain text", *said)
    if said:
        raise PeerError("brand", said[0], said)
    return put


def brand(wire: BrandBody) -> Brand:
    """The value, its rules not checked."""
    fonts = tuple(Font(one.role, one.weight, FileRef(**dict(one.file))) for one in wire.fonts)
    return Brand(wire.name, dict(wire.light), dict(wire.dark), _ref(wire.logo), fonts)


def _ref(wire: FileBody | None) -> FileRef | None:
    return None if wire is None else FileRef(**dict(wire))
