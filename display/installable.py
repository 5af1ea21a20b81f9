"""Routes that make the staff pages an app: manifests, service worker, the page without a connection, the version."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from display.pages import Pages
from display.path import Path
from display.trust import Secure, secure_url

FRESH = {"Cache-Control": "no-store"}
# The little that an installed app shows before a page is there: paper and ink of base.css.
BACKGROUND, THEME = "#faf7f2", "#1f5d4c"
ICON_SIZES = (192, 512)
_NAMED = re.compile(r'url\("([\w./-]+)"\)')
_ASSET = re.compile(r'(?:href|src)="\{\{base\}\}/([\w./-]+)"')


@dataclass(frozen=True, slots=True)
class Kind:
    """A page that may be an app of its own. Names in German and English, the short one for below an icon."""

    start: str
    names: tuple[str, str]
    short: tuple[str, str]


KINDS = {
    "tablet": Kind("/tablet", ("Beratung", "Advice"), ("Beratung", "Advice")),
    "till": Kind("/till", ("Kasse", "Till"), ("Kasse", "Till")),
}
Language = Literal["de", "en"]


def add_installable(
    app: FastAPI, path: Path, pages: Pages, secure: Secure | None, version: str, *, worker: bool
) -> None:
    """`worker`: whether pages may keep a service worker; False takes every one back that a device still has."""

    @app.get("/manifest.webmanifest", include_in_schema=False)
    async def manifest(
        page: str = "tablet", till: Annotated[str, Query(alias="id")] = "", language: Language = "de"
    ) -> Response:
        kind = KINDS.get(page)
        if kind is None or (till and (page != "till" or till not in path.tills)):
            raise HTTPException(404, "There is no such app.")
        body = manifest_of(kind, path, pages, till, language)
        return JSONResponse(body, media_type="application/manifest+json", headers=FRESH)

    @app.get("/sw.js", include_in_schema=False)
    async def service_worker() -> Response:
        headers = {"Cache-Control": "no-cache"}  # asked for at each visit, and compared byte by byte
        return Response(worker_of(pages, worker), media_type="text/javascript; charset=utf-8", headers=headers)

    @app.get("/offline", include_in_schema=False)
    async def offline() -> Response:
        return HTMLResponse(pages.shell("offline.html"), headers=FRESH)

    @app.get("/version.json", include_in_schema=False)
    async def version_file(request: Request) -> JSONResponse:
        """Which pages this gateway serves, whether they may keep a worker, and where they are over TLS."""
        where = secure_url(request, secure) or None
        return JSONResponse(
            {"version": version, "build": pages.build, "worker": worker, "secure": where}, headers=FRESH
        )


def manifest_of(kind: Kind, path: Path, pages: Pages, till: str, language: Language) -> dict[str, object]:
    """A web app manifest (W3C). Its `id` is the page, so that tablet and till are two apps on one device."""
    at = 0 if language == "de" else 1
    store = path.shop.store_name.get(language) or path.shop.store_name.get("de") or ""
    start = f"{kind.start}?id={till}" if till else kind.start
    icons = [
        {"src": f"{pages.base}/icons/{name}-{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": why}
        for name, why in (("icon", "any"), ("maskable", "maskable"))
        for size in ICON_SIZES
    ]
    return {
        "id": start,
        "name": " · ".join(one for one in (kind.names[at], till, store) if one),
        "short_name": kind.short[at],
        "lang": language,
        "start_url": start,
        "scope": kind.start,
        "display": "standalone",
        "background_color": BACKGROUND,
        "theme_color": THEME,
        "icons": icons,
    }


def worker_of(pages: Pages, wanted: bool) -> str:
    """The service worker of this build, or one that takes itself back."""
    found = pages.asset(pages.build, "sw.js" if wanted else "sw_gone.js")
    assert found is not None
    kept = [f"{pages.base}/{name}" for name in sorted(_needed(pages, _ASSET.findall(pages.source("offline.html"))))]
    head = f'const BUILD = "{pages.build}";\nconst SHELL = "/offline";\nconst KEPT = {kept!r};\n'.replace("'", '"')
    return head + found.body.decode()


def _needed(pages: Pages, names: Iterable[str]) -> set[str]:
    """The files of `names` with the sheets and fonts that their sheets name."""
    found = set(names)
    for sheet in [name for name in found if name.endswith(".css")]:
        asset = pages.asset(pages.build, sheet)
        assert asset is not None
        found |= _needed(pages, _NAMED.findall(asset.body.decode()))
    return found
