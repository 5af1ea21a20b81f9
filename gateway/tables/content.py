"""What screens show between offers, and the shop's look: as headquarters wants it, and as it is shown."""

from dataclasses import asdict
from typing import Literal

from pydantic import TypeAdapter

from gateway.core.brand import Brand, BrandPut, look_of
from gateway.core.content import ContentPut, Item, Manifest
from gateway.tables.rows import Rows, as_json

Which = Literal["wanted", "shown"]

_ITEMS: TypeAdapter[tuple[Item, ...]] = TypeAdapter(tuple[Item, ...])
_BRAND: TypeAdapter[Brand] = TypeAdapter(Brand)


class ContentRows(Rows):
    """The tables `content_part` and `content`."""

    def put_content(self, put: ContentPut | BrandPut) -> None:
        """Keep what headquarters wants; with the last part a manifest is whole, and parts of others go."""
        if isinstance(put, BrandPut):
            self._put("content", what="brand.wanted", name=look_of(put.brand), body=as_json(asdict(put.brand)))
            return
        items = as_json([asdict(item) for item in put.items])
        self._put("content_part", part=put.part, content_id=put.content_id, parts=put.parts, items=items)
        self._db.execute("DELETE FROM content_part WHERE part > ?", [put.parts])
        rows = self._all("SELECT items FROM content_part WHERE content_id = ? ORDER BY part", put.content_id)
        if len(rows) == put.parts:
            whole = [item for row in rows for item in _ITEMS.validate_json(row[0])]
            self._put(
                "content",
                what="content.wanted",
                name=put.content_id,
                body=as_json([asdict(item) for item in whole]),
            )

    def manifest(self, which: Which) -> Manifest | None:
        """None = none yet."""
        row = self._one("SELECT name, body FROM content WHERE what = ?", f"content.{which}")
        return None if row is None else Manifest(str(row[0]), _ITEMS.validate_json(row[1]))

    def brand(self, which: Which) -> Brand | None:
        """None = none yet."""
        row = self._one("SELECT body FROM content WHERE what = ?", f"brand.{which}")
        return None if row is None else _BRAND.validate_json(row[0])

    def show_wanted(self, what: Literal["content", "brand"], name: str) -> bool:
        """What is wanted is shown from now on. False = meanwhile something else is wanted."""
        row = self._one("SELECT name, body FROM content WHERE what = ?", f"{what}.wanted")
        if row is None or row[0] != name:
            return False
        self._put("content", what=f"{what}.shown", name=name, body=row[1])
        return True

    def note_refused(self, what: Literal["content", "brand"], name: str, reason: str) -> bool:
        """Remember that this was refused; False = it was, for the same reason."""
        row = self._one("SELECT name, body FROM content WHERE what = ?", f"{what}.refused")
        if row is not None and (row[0], row[1]) == (name, reason):
            return False
        self._put("content", what=f"{what}.refused", name=name, body=reason)
        return True
