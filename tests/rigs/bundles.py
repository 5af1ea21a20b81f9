"""Items and files of bundles for tests, and a small headquarters that answers for files."""

import hashlib
from typing import Any

from gateway.core.content import FileRef, Item
from gateway.core.fetching import PIECE_BYTES, Piece, Want

FILE = FileRef("a" * 64, 1_234)


def picture(item_id: str = "p", **other: Any) -> Item:
    """An image that is right but for what `other` says."""
    return Item(**{"item_id": item_id, "kind": "image", "file": FILE, "alt": {"de": "Ein Bild"}} | other)


def template(item_id: str = "t", **other: Any) -> Item:
    """A template that is right but for what `other` says."""
    return Item(**{"item_id": item_id, "kind": "template", "title": {"de": "Titel"}, "art": "bread"} | other)


def ref_of(data: bytes) -> FileRef:
    """How a manifest names these bytes."""
    return FileRef(hashlib.sha256(data).hexdigest(), len(data))


def answer(files: dict[str, bytes], want: Want) -> Piece:
    """What headquarters answers that has these files."""
    data = files.get(want.sha256)
    if data is None:
        return Piece(want.sha256, want.start, None)
    return Piece(want.sha256, want.start, len(data), data[want.start : want.start + PIECE_BYTES])
