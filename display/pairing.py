"""Routes of pairing: a device shows a code and waits; whoever may types it in and says what the device becomes."""

from typing import Annotated, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from display import cookies, wire
from display.access import Access, Unpaired, remember
from display.pages import Pages, qr_svg
from display.path import Path
from display.tablets import Tablets
from gateway.core.devices import CODE_CHARS, LETTERS, MAX_LANGUAGES, MAX_NAME_CHARS, Device, Grant, Kind, plain
from gateway.core.ports import Clock
from gateway.devices import Devices, Found, Listed, Shown
from gateway.errors import StoreError

FRESH = {"Cache-Control": "no-store"}
PAGES: dict[Kind, str] = {"screen": "/screen", "tablet": "/tablet", "till": "/till"}

_Kind = Literal["screen", "tablet", "till"]
_Code = Annotated[str, Field(min_length=1, max_length=16)]
_Place = Annotated[str, Field(max_length=64)]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Asking(_Form):
    """A page that is not let in. `wish`: the screen or till that its address names; `orientation`: how it lies."""

    kind: _Kind
    wish: _Place = ""
    orientation: Literal["landscape", "portrait"] | None = None


class Typed(_Form):
    """A code that a device shows."""

    code: _Code


class Granting(_Form):
    """What a device becomes. `place`: the screen's or till's id, "" for a tablet."""

    kind: _Kind
    role: Literal["display", "staff", "manager", "till", "installer"]
    place: _Place = ""
    name: Annotated[str, Field(max_length=MAX_NAME_CHARS)] = ""
    languages: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]{2}$")]], Field(max_length=MAX_LANGUAGES)] = []
    orientation: Literal["landscape", "portrait"] = "landscape"

    def grant(self) -> Grant:
        name = " ".join(self.name.split())
        return Grant(self.kind, self.role, self.place, name, tuple(self.languages), self.orientation)


class Approving(Granting):
    """What the device that shows this code becomes."""

    code: _Code


def add_may(app: FastAPI) -> None:
    """What an open page asks when its stream broke."""

    @app.get("/api/v1/pairing/may", tags=["pairing"])
    async def may(page: Annotated[str, Query(max_length=200)], request: Request) -> Response:
        """Whether this browser may open this page of ours: a page whose stream broke asks."""
        access: Access = app.state.access
        return JSONResponse({"may": access.may(request, page)}, headers=FRESH)


def add_pairing(
    app: FastAPI,
    path: Path,
    devices: Devices,
    clock: Clock,
    pages: Pages,
    shop_url: str | None,
    tablets: Tablets,
) -> None:
    """`shop_url`: where tablets find this gateway, None = under the name by which the page was asked for."""
    _add_waiting(app, path, devices, clock, pages, shop_url)
    _add_approving(app, path, devices, clock, pages, tablets)


def _add_waiting(app: FastAPI, path: Path, devices: Devices, clock: Clock, pages: Pages, shop_url: str | None) -> None:
    async def unpaired(request: Request, error: Exception) -> Response:
        assert isinstance(error, Unpaired)
        wish = request.query_params.get("id", "")[:64] if error.kind != "tablet" else ""
        mine = [device for device in request.state.who.devices if device.grant.kind == error.kind]
        values = {"kind": error.kind, "wish": wish, "gateway": devices.name, "denied": page_of(mine[0]) if mine else ""}
        return HTMLResponse(pages.shell("pairing.html", values), headers=FRESH)

    app.add_exception_handler(Unpaired, unpaired)

    def base(request: Request) -> str:
        return (shop_url or str(request.base_url)).rstrip("/")

    def told(shown: Shown, request: Request) -> wire.Json:
        body: wire.Json = {"state": shown.state, "was_revoked": shown.was_revoked}
        body |= {"shop": wire.text(path.shop.store_name)}
        if shown.device is not None:
            body |= {"page": page_of(shown.device), "languages": list(shown.device.grant.languages)}
        if shown.state in ("pending", "refused"):
            body |= {"ttl_ms": wire.real_ms(shown.left_ms, clock.speed)}
        if shown.state == "pending":
            where = base(request)
            body |= {"code": shown.code, "address": f"{where}/pair"}
            body |= {"picture": None if _is_box(where) else f"/pair.svg?{urlencode({'c': shown.code})}"}
        return body

    @app.post("/api/v1/pairing", tags=["pairing"])
    async def ask(asking: Asking, request: Request) -> Response:
        """Have this browser show a code: pending with it, or active. 429 where its address asks too often."""
        device_id, key = cookies.parts(request.cookies.get(cookies.COOKIES[asking.kind]))
        source = request.client.host if request.client is not None else ""
        shown = devices.ask(device_id, key, asking.kind, asking.wish, source, asking.orientation)
        if shown is None:
            raise HTTPException(429, "Too many devices ask from there. Try again in ten minutes.")
        answer = JSONResponse(told(shown, request), headers=FRESH)
        if shown.key:
            remember(answer, request, asking.kind, f"{shown.device_id}.{shown.key}")
        return answer

    @app.get("/api/v1/pairing", tags=["pairing"])
    async def look(kind: _Kind, request: Request) -> Response:
        """What has become of this browser's code: new (it has none), pending, refused, active or revoked."""
        cookie = request.cookies.get(cookies.COOKIES[kind])
        shown = devices.look(*cookies.parts(cookie), kind)
        answer = JSONResponse(told(shown, request), headers=FRESH)
        if shown.device is not None and shown.device.via == "code":
            remember(answer, request, kind, cookie or "")
        return answer

    @app.get("/pair.svg", include_in_schema=False)
    async def picture(request: Request, c: str = "") -> Response:
        code = plain(c[:16])
        if len(code) != CODE_CHARS or not set(code) <= set(LETTERS):
            raise HTTPException(404, "There is no such code.")
        svg = qr_svg(f"{base(request)}/pair?{urlencode({'c': code})}")
        return Response(svg, media_type="image/svg+xml", headers=FRESH)


def _add_approving(app: FastAPI, path: Path, devices: Devices, clock: Clock, pages: Pages, tablets: Tablets) -> None:
    async def approver(tablet: Annotated[str, Depends(tablets.managers)]) -> str:
        return f"tablet:{tablet}"

    By = Annotated[str, Depends(approver)]  # noqa: N806 - a type, made here because it needs the request

    def said(found: Found) -> Response:
        body: wire.Json = {"result": found.result, "wait_ms": wire.real_ms(found.wait_ms, clock.speed)}
        if found.kind is not None:
            body |= {"kind": found.kind, "wish": found.wish, "ttl_ms": wire.real_ms(found.left_ms, clock.speed)}
            body |= {"orientation": found.orientation}
        return JSONResponse(body, headers=FRESH)

    @app.get("/pair", include_in_schema=False)
    async def pair_page() -> Response:
        return HTMLResponse(pages.shell("pair.html"), headers=FRESH)

    @app.get("/api/v1/devices", tags=["devices"])
    async def listed(by: By) -> Response:
        """Devices that are or were ours, what they may be given, and how many show a code."""
        now_ms = clock.now_ms()
        body = {
            "devices": [_listed(one, path, now_ms, clock.speed) for one in devices.listed()],
            "mine": by.removeprefix("tablet:"),
            "waiting": devices.waiting,
            "screens": [{"id": screen, "zone": zone} for screen, zone in path.screens.items()],
            "tills": sorted(path.tills),
            "shop": wire.shop(path.shop, clock.speed),
            "build": pages.version,
            "watched": tablets.has_lock,
        }
        return JSONResponse(body, headers=FRESH)

    @app.post("/api/v1/devices/find", tags=["devices"])
    async def find(typed: Typed, by: By) -> Response:
        """What shows this code: ok with its kind, wrong, or wait (too many wrong ones)."""
        return said(devices.find(typed.code, by))

    @app.post("/api/v1/devices/approve", tags=["devices"])
    async def approve(approving: Approving, by: By) -> Response:
        """Make the device ours: ok, wrong, wait, refused (it cannot become that) or full."""
        return said(await devices.approve(approving.code, approving.grant(), by))

    @app.post("/api/v1/devices/refuse", tags=["devices"])
    async def refuse(typed: Typed, by: By) -> Response:
        """Its page says so: ok, wrong or wait."""
        return said(devices.refuse(typed.code, by))

    @app.post("/api/v1/devices/{device_id}/change", tags=["devices"])
    async def change(device_id: str, granting: Granting, by: By) -> Response:
        """Another name, place or role: ok, gone or refused."""
        result = await devices.change(device_id[:64], granting.grant(), by)
        return JSONResponse({"result": result}, headers=FRESH)

    @app.post("/api/v1/devices/{device_id}/revoke", tags=["devices"])
    async def revoke(device_id: str, by: By) -> Response:
        """It is let in no more, from now on: ok or gone."""
        try:
            result: str = await devices.revoke(device_id[:64], by)
        except StoreError:
            result = "ok"  # it is out; the disk's trouble is told by health
        return JSONResponse({"result": result}, headers=FRESH)


def _listed(one: Listed, path: Path, now_ms: int, speed: float) -> wire.Json:
    device = one.device
    grant = device.grant
    return {
        "id": device.device_id,
        "state": "active" if device.is_active else "revoked",
        "kind": grant.kind,
        "role": grant.role,
        "place": grant.place,
        "zone": path.screens.get(grant.place, "") if grant.kind == "screen" else "",
        "name": grant.name,
        "languages": list(grant.languages),
        "orientation": grant.orientation,
        "via": device.via,
        "paired_ms": device.paired_ms,
        "revoked_ms": device.revoked_ms,
        "seen_ago_ms": None if one.seen_ms is None else wire.real_ms(now_ms - one.seen_ms, speed),
        "streams": one.streams,
    }


def page_of(device: Device) -> str:
    """Where a device goes once it is ours."""
    grant = device.grant
    if grant.role == "installer":
        return "/install"
    return PAGES[grant.kind] + (f"?{urlencode({'id': grant.place})}" if grant.place else "")


def _is_box(url: str) -> bool:
    """Whether an address leads back to whoever asks for it."""
    return (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1")
