"""Routes of what screens show between offers and of the shop's look, and how a screen is told of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response

from display import wire
from gateway.core import brand as brands
from gateway.core.brand import Brand
from gateway.core.content import Item

# A hash names its bytes for ever.
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "same-origin"}
FRESH = {"Cache-Control": "no-store"}


class Shown(Protocol):
    """What is shown now; `gateway.contents` implements it."""

    @property
    def brand(self) -> Brand: ...

    @property
    def look(self) -> str:
        """The hash of the brand, "" for the product's own look."""

    def items(self, screen: str, zone: str) -> tuple[Item, ...]:
        """What may ever be shown on a screen."""

    async def file(self, sha256: str) -> tuple[Path, str] | None:
        """Where a whole file is, and its media type; None for one that is not here."""


class Nothing:
    """No bundle, and the product's own look."""

    brand = Brand()
    look = ""

    def items(self, screen: str, zone: str) -> tuple[Item, ...]:
        return ()

    async def file(self, sha256: str) -> tuple[Path, str] | None:
        return None


NOTHING = Nothing()


def add_content(app: FastAPI, shown: Shown) -> None:
    """Serve files by their hash, and the brand's style sheet, logo and fonts."""

    @app.api_route("/content/{sha256}", methods=["GET", "HEAD"], include_in_schema=False)
    async def content_file(sha256: str) -> Response:
        return await whole(sha256)

    @app.get("/brand.css", include_in_schema=False)
    async def brand_css(v: str = "") -> Response:
        known = v == shown.look and v != ""
        body = brands.css(shown.brand, shown.look)
        return Response(body, media_type="text/css; charset=utf-8", headers=IMMUTABLE if known else FRESH)

    @app.get("/brand/logo", include_in_schema=False)
    async def brand_logo(request: Request) -> Response:
        logo = shown.brand.logo
        if logo is None:
            raise HTTPException(404, "There is no logo.")
        return await whole(logo.sha256, known(request))

    @app.get("/brand/font/{number}", include_in_schema=False)
    async def brand_font(number: int, request: Request) -> Response:
        fonts = shown.brand.fonts
        if not 0 <= number < len(fonts):
            raise HTTPException(404, "There is no such font.")
        return await whole(fonts[number].file.sha256, known(request))

    def known(request: Request) -> Mapping[str, str]:
        """Whether the address names this very brand, so that another one has another address."""
        return IMMUTABLE if shown.look and request.query_params.get("v") == shown.look else FRESH

    async def whole(sha256: str, headers: Mapping[str, str] = IMMUTABLE) -> Response:
        found = await shown.file(sha256)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        path, kind = found
        return FileResponse(path, media_type=kind, headers=headers, stat_result=path.stat())


def media(item: Item) -> wire.Json:
    """One item as a screen gets it; whether it is due is the page's to judge, by the server's time."""
    ref = item.file
    return {
        "id": item.item_id,
        "kind": item.kind,
        "src": "" if ref is None else f"/content/{ref.sha256}",
        "sha256": "" if ref is None else ref.sha256,
        "title": wire.text(item.title),
        "text": wire.text(item.text),
        "badge": wire.text(item.badge),
        "art": item.art,
        "alt": wire.text(item.alt),
        "seconds": item.seconds,
        "fit": item.fit,
        "from_ms": item.from_ms,
        "until_ms": item.until_ms,
        "days": list(item.days),
        "from_minute": item.from_minute,
        "until_minute": item.until_minute,
        "zones": [],
    }


def of_screen(shown: Shown, screen: str, zone: str) -> wire.Json:
    """What a screen's stream says beside its offers."""
    logo = f"/brand/logo?v={shown.look}" if shown.brand.logo is not None else None
    return {
        "media": [media(item) for item in shown.items(screen, zone)],
        "brand": {"name": shown.brand.name, "logo": logo},
    }
