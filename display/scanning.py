"""Routes of the page on which customers scan for themselves; they decide nothing. The till's is in display.tills."""

import gzip
import json
from dataclasses import asdict
from typing import Annotated, Literal, Protocol

from fastapi import Cookie, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from display import wire
from display.pages import Pages, qr_svg
from display.path import Path
from display.selfservice import COOKIE as ME_COOKIE
from display.selfservice import set_cookie
from gateway.basketacts import Typed, View
from gateway.core.basket import MAX_COUNT
from gateway.core.gs1 import MAX_CHARACTERS
from gateway.core.ports import Clock
from gateway.core.prices import Article

FRESH = {"Cache-Control": "no-store"}
COOKIE = "sg_scan"
# Scans of one request. A short code is 100 bytes with its id, so a full request fits the guard's 4 KiB; a page sends
# long codes in smaller requests.
MAX_SCANS = 30

_Cookie = Annotated[str | None, Cookie(alias=COOKIE)]
_Me = Annotated[str | None, Cookie(alias=ME_COOKIE)]


class Members(Protocol):
    """Who has checked in with this phone (gateway.selfservice)."""

    def who(self, cookie: str | None) -> str | None: ...


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Begin(_Form):
    language: Literal["de", "en"] = "de"


class OneScan(_Form):
    """`id`: made by the phone for this scan alone. `count` below zero takes back."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    code: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    count: Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)] = 1


class Scans(_Form):
    scans: Annotated[list[OneScan], Field(max_length=MAX_SCANS)]


def add_scanning(app: FastAPI, path: Path, me: Members | None, clock: Clock, pages: Pages) -> None:
    """`me` None: nobody is known, and every basket is nobody's."""

    @app.get("/scan", include_in_schema=False)
    async def scan_page() -> Response:
        return HTMLResponse(pages.shell("scan.html"), headers=FRESH)

    @app.post("/api/v1/scan/begin", tags=["scan"])
    async def begin(asked: Begin, request: Request, sg_me: _Me = None) -> Response:
        """A new basket: ok, off (there is no self-scanning here) or busy. Of whoever has checked in with this phone."""
        view, cookie = await path.baskets.start(None if me is None else me.who(sg_me), asked.language, _source(request))
        answer = _answer(_state(view, clock))
        if view.result == "ok":
            set_cookie(answer, request, COOKIE, cookie, None)
        return answer

    @app.get("/api/v1/scan", tags=["scan"])
    async def see(cookie: _Cookie = None) -> Response:
        """The basket of this phone, or gone."""
        return _answer(_state(await path.baskets.see(cookie), clock))

    @app.post("/api/v1/scan/lines", tags=["scan"])
    async def lines(sent: Scans, request: Request, cookie: _Cookie = None) -> Response:
        """Add scans, each once by its id, whatever was sent before: the basket, and which were refused and why."""
        typed = [Typed(one.id, one.code, one.count) for one in sent.scans]
        return _answer(_state(await path.baskets.scan(cookie, typed, _source(request)), clock))

    @app.post("/api/v1/scan/code", tags=["scan"])
    async def code(_: _Form, cookie: _Cookie = None) -> Response:
        """A one-time code for the till: ok, empty or gone."""
        return _answer(_state(await path.baskets.code(cookie), clock))

    @app.get("/scan/code.svg", include_in_schema=False)
    async def code_picture(cookie: _Cookie = None) -> Response:
        view = await path.baskets.see(cookie)
        if view.basket is None or not view.basket.code:
            raise HTTPException(404, "There is no such code.")
        return Response(qr_svg(view.basket.code), media_type="image/svg+xml", headers=FRESH)

    @app.post("/api/v1/scan/end", tags=["scan"])
    async def end(_: _Form, cookie: _Cookie = None) -> Response:
        """The person is done without buying; the basket goes."""
        await path.baskets.end(cookie)
        answer = _answer({"result": "ok"})
        answer.delete_cookie(COOKIE)
        return answer

    @app.get("/api/v1/scan/prices", tags=["scan"])
    async def prices() -> Response:
        """The whole price list, compressed: `version`, and `articles` as [gtin, cents, unit, title]."""
        body = await path.baskets.price_list(pack)
        headers = {**FRESH, "Content-Encoding": "gzip"}
        return Response(body, media_type="application/json", headers=headers)


def pack(version: int, articles: list[Article], /) -> bytes:
    """The list as phones load it: 50,000 articles are some 1 MB."""
    rows = [[one.gtin, one.cents, one.unit, dict(one.title)] for one in articles]
    plain = json.dumps({"version": version, "articles": rows}, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(plain.encode(), 6, mtime=0)


def _state(view: View, clock: Clock) -> wire.Json:
    """What the page shows: the basket as it is priced here, and nothing that names anybody."""
    if view.basket is None or view.priced is None:
        return {"result": view.result}
    ends_in_ms = wire.real_ms(view.left_ms, clock.speed) if view.left_ms else None
    return {
        "result": view.result,
        "basket_id": view.basket.basket_id,
        "known": view.basket.member_id is not None,
        "scan_ids": [scan.scan_id for scan in view.basket.scans],
        "lines": [asdict(line) for line in view.priced.lines],
        "unknown": list(view.priced.unknown),
        "sum_cents": view.priced.sum_cents,
        "items": view.priced.count,
        "benefits": [asdict(benefit) for benefit in view.benefits],
        "refused": dict(view.refused or {}),
        "code": view.basket.code or None,
        "letters": view.letters or None,
        "ends_in_ms": ends_in_ms,
        "list_version": view.list_version,
        "embedded": [asdict(one) for one in view.embedded],
    }


def _source(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _answer(body: wire.Json) -> JSONResponse:
    return JSONResponse(body, headers=FRESH)
