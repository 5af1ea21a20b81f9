"""Routes of the installer's page: floor plan, test fob, walk, names on screens. They decide nothing and know nobody."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal

from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, params
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from display import cookies, wire
from display.hub import Hub
from display.pages import Pages
from display.path import Path
from display.tablets import Tablets
from gateway.core import coverage
from gateway.core.floor import MAX_SIDE_M, MAX_THINGS, MAX_WALLS, MAX_ZONES, Area, Floor, Wall, plain
from gateway.core.ports import Clock
from gateway.installing import MAX_SPOTS, Installing

FRESH = {"Cache-Control": "no-store"}
LIVE_MS = 1_000  # how often the page asks while a fob is heeded

SignIn = Callable[[Request, str, str, str | None], Awaitable[Response | None]]

_Name = Annotated[str, Field(min_length=1, max_length=24)]
_Metres = Annotated[float, Field(ge=0, le=MAX_SIDE_M)]
_At = Annotated[list[_Metres], Field(min_length=2, max_length=2)]
_Things = Annotated[dict[_Name, _At], Field(max_length=MAX_THINGS)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class AreaForm(_Form):
    """A rectangle from its upper left corner, or a circle around `x_m`, `y_m`."""

    x_m: _Metres
    y_m: _Metres
    width_m: _Metres = 0
    depth_m: _Metres = 0
    radius_m: _Metres = 0


class WallForm(_Form):
    x1_m: _Metres
    y1_m: _Metres
    x2_m: _Metres
    y2_m: _Metres


class FloorForm(_Form):
    """A whole plan. `revision`: of the plan that it was made from, 0 = there was none."""

    revision: int = Field(ge=0, strict=True)
    width_m: _Metres
    depth_m: _Metres
    receivers: _Things = {}
    screens: _Things = {}
    anchors: _Things = {}
    zones: Annotated[dict[_Name, AreaForm], Field(max_length=MAX_ZONES)] = {}
    walls: Annotated[list[WallForm], Field(max_length=MAX_WALLS)] = []

    @property
    def floor(self) -> Floor:
        receivers, screens, anchors = (
            {name: (place[0], place[1]) for name, place in found.items()}
            for found in (self.receivers, self.screens, self.anchors)
        )
        zones = {name: Area(**area.model_dump()) for name, area in self.zones.items()}
        walls = tuple(Wall(**wall.model_dump()) for wall in self.walls)
        return Floor(self.width_m, self.depth_m, receivers, screens, anchors, zones, walls)


class FobForm(_Form):
    """An anchor by its id, or a beacon as in [[anchor]]; both null = heed none any more."""

    anchor: _Name | None = None
    beacon: Annotated[str, Field(max_length=60)] | None = None


class WalkForm(_Form):
    """`stand`: measure a spot in `zone` at `x_m`, `y_m`; `leave`: it does not count; `drop`: forget spot `number`, from
    0; `clear`: begin anew."""

    act: Literal["stand", "leave", "drop", "clear"]
    zone: _Name | None = None
    x_m: _Metres | None = None
    y_m: _Metres | None = None
    number: int | None = Field(None, ge=0, lt=MAX_SPOTS, strict=True)


class Told(BaseModel):
    """What became of it; the status of a "no" is 200."""

    result: str


def add_installing(
    app: FastAPI,
    service: Installing,
    hub: Hub,
    path: Path,
    pages: Pages,
    clock: Clock,
    tablets: Tablets,
    sign_in: SignIn,
) -> None:
    """`sign_in`: who may open the page."""
    installer = [Depends(tablets.installers)]
    _add_page(app, pages, sign_in)
    _add_plan(app, service, hub, path, clock, installer, tablets.watches)
    _add_fob(app, service, clock, installer)
    _add_walk(app, service, clock, installer)

    @app.post("/api/v1/install/screens/{screen}/name", tags=["install"], dependencies=installer)
    async def name(screen: str) -> Told:
        """Let a screen show what it is called for 10 s: ok, away (no page is open there) or busy (a dialogue is)."""
        if screen not in path.screens:
            raise HTTPException(404, "There is no screen of this name.")
        zone = path.screens[screen]
        return Told(result=hub.name_screen(screen, zone, path.shop.zones.get(zone, {})))


def _add_page(app: FastAPI, pages: Pages, sign_in: SignIn) -> None:
    @app.get("/install", include_in_schema=False)
    async def page(
        request: Request, key: str = "", cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None
    ) -> Response:
        refused = await sign_in(request, "/install", key, cookie)
        return refused if refused is not None else HTMLResponse(pages.shell("install.html"), headers=FRESH)


def _add_plan(
    app: FastAPI,
    service: Installing,
    hub: Hub,
    path: Path,
    clock: Clock,
    installer: Sequence[params.Depends],
    watches: Callable[[Request], bool],
) -> None:
    @app.get("/api/v1/install", tags=["install"], dependencies=installer)
    async def known(request: Request) -> JSONResponse:
        """What there is to place, the floor plan, and by what zones are told. `floor` null: nothing is drawn yet."""
        floor, revision = await service.floor()
        config, laid = service.config, service.laid
        body: wire.Json = {
            "shop": wire.shop(path.shop, clock.speed),
            "revision": revision,
            "floor": None if floor is None else plain(floor),
            "receivers": [
                {"id": one.id, "zone": one.zone, "kind": _kind(hub, one.id), "radio": one.id in service.radios}
                for one in config.receiver
            ],
            "screens": [{"id": one.id, "zone": one.zone} for one in config.screen],
            "anchors": [{"id": one.id} for one in config.anchor],
            "zones": list(service.zones),
            "in_use": laid.source,
            "unplaced": list(laid.unplaced),
            "unfit": laid.unfit,
            "own_map": config.presence.radio_map is None,
            "map_line": map_line(service),
            "limits": {"walls": MAX_WALLS, "spots": MAX_SPOTS, "spot_ms": wire.real_ms(coverage.SPOT_MS, clock.speed)},
            "live_ms": LIVE_MS,
            "watched": watches(request),
        }
        return JSONResponse(body, headers=FRESH)

    @app.post("/api/v1/install/floor", tags=["install"], dependencies=installer)
    async def put_floor(form: FloorForm) -> Told:
        """Keep a plan: ok, stale (another device changed it meanwhile), or what is wrong with it: size, outside, zone,
        many, unknown (an id that the configuration lacks)."""
        return Told(result=await service.put_floor(form.floor, form.revision))


def _add_fob(app: FastAPI, service: Installing, clock: Clock, installer: Sequence[params.Depends]) -> None:
    @app.get("/api/v1/install/fob", tags=["install"], dependencies=installer)
    async def fob() -> JSONResponse:
        """What each receiver hears of the test fob, the loudest first; nobody else is ever in here."""
        testing = service.testing()
        body: wire.Json = {
            "left_ms": wire.real_ms(testing.left_ms, clock.speed),
            "anchor": testing.anchor,
            "levels": [
                {
                    "receiver": one.receiver,
                    "latest_dbm": one.latest_dbm,
                    "median_dbm": one.median_dbm,
                    "per_s": one.per_s,
                    "silent_ms": None if one.silent_ms is None else wire.real_ms(one.silent_ms, clock.speed),
                }
                for one in testing.levels
            ],
        }
        return JSONResponse(body, headers=FRESH)

    @app.post("/api/v1/install/fob", tags=["install"], dependencies=installer)
    async def begin(form: FobForm) -> Told:
        """Heed a test fob for ten minutes: ok, wrong (neither an anchor nor a beacon's id) or member (it belongs to a
        customer, whom nobody follows)."""
        if form.anchor is None and form.beacon is None:
            service.end_fob()
            return Told(result="ok")
        return Told(result=await service.begin_fob(form.anchor, form.beacon or ""))


def _add_walk(app: FastAPI, service: Installing, clock: Clock, installer: Sequence[params.Depends]) -> None:
    @app.get("/api/v1/install/walk", tags=["install"], dependencies=installer)
    async def walk() -> JSONResponse:
        """The spots of the walk, the one that is being measured, and how well its zones are told apart."""
        return JSONResponse(_walk(service, clock.speed), headers=FRESH)

    @app.post("/api/v1/install/walk", tags=["install"], dependencies=installer)
    async def act(form: WalkForm) -> Told:
        """Go on with the walk: ok, gone (no such spot), or why not: no_fob, busy, many, unknown (no such zone)."""
        match form.act:
            case "stand":
                if form.zone is None or form.x_m is None or form.y_m is None:
                    raise HTTPException(422, "The request has a wrong form.")
                return Told(result=service.stand(form.zone, (form.x_m, form.y_m)))
            case "leave":
                service.leave()
            case "drop":
                return Told(result="ok" if form.number is not None and service.drop(form.number) else "gone")
            case "clear":
                service.clear()
        return Told(result="ok")

    @app.post("/api/v1/install/map", tags=["install"], dependencies=installer)
    async def save() -> Told:
        """Write the walk as the radio map: ok, empty (no spot yet) or failed (the disk refuses)."""
        return Told(result=await service.save())


def map_line(service: Installing) -> str:
    """The line of the configuration under which the page's own map is used."""
    return f'radio_map = "{service.map_path}"'


def _walk(service: Installing, speed: float) -> wire.Json:
    walk = service.walk()
    standing = walk.standing
    return {
        "standing": None
        if standing is None
        else {
            "zone": standing.zone,
            "x_m": standing.place[0],
            "y_m": standing.place[1],
            "left_ms": wire.real_ms(standing.left_ms, speed),
            "samples": standing.samples,
        },
        "ended": walk.ended,
        "spots": [
            {
                "zone": spot.zone,
                "x_m": spot.place[0],
                "y_m": spot.place[1],
                "levels_dbm": dict(spot.levels),
                "samples": dict(spot.samples),
            }
            for spot in walk.spots
        ],
        "qualities": [
            {
                "zone": one.zone,
                "spots": one.spots,
                "receivers": one.receivers,
                "told_percent": one.told_percent,
                "like": one.like,
                "grade": one.grade,
                "advice": one.advice,
            }
            for one in walk.qualities
        ],
        "unfit": list(walk.unfit),
    }


def _kind(hub: Hub, receiver: str) -> str:
    ear = hub.ears.get(receiver)
    return "ear" if ear is None else ear.kind
