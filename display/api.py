"""HTTP: pages, event streams down, small POSTs up. FastAPI is known here and in the modules that add routes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import Cookie, Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from display import content, cookies, guard, wire
from display.access import Access, Unpaired, renewed
from display.duty import Duty, add_duty
from display.guard import FRESH
from display.hub import Hub, Stream
from display.installable import add_installable
from display.installing import SignIn, add_installing
from display.pages import Pages, code_path, join_target, qr_svg
from display.pairing import add_may, add_pairing
from display.path import Answer, Beside, Code, Path, Reader, Readers, Result, Which, Why
from display.plays import add_plays
from display.refusals import add_refusals
from display.scanning import add_scanning
from display.securecookies import SecureCookies
from display.selfservice import add_handovers, add_self_service, set_cookie
from display.staffing import add_staffing
from display.status import add_status
from display.streams import EventStream
from display.tablets import LOCKED, Tablets
from display.takeaway import add_cards, add_takeaways
from display.tills import add_tills
from display.trust import Secure, add_trust
from gateway.core.ports import Clock
from gateway.core.trial import Report
from gateway.devices import Devices
from gateway.handovers import Handovers
from gateway.health import Health
from gateway.heartbeats import Heartbeats
from gateway.installing import Installing
from gateway.plays import Plays
from gateway.selfservice import SelfService
from gateway.staffing import Staffing
from gateway.takeaway import Takeaways

IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
STREAM: dict[int | str, dict[str, object]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}
}


def create_app(
    path: Path,
    hub: Hub,
    health: Health,
    clock: Clock,
    tablet_key: str,
    version: str,
    *,
    public_url: str | None = None,
    names: guard.Names | None = None,
    me: SelfService | None = None,
    handovers: Handovers | None = None,
    takeaways: Takeaways | None = None,
    devices: Devices | None = None,
    shop_url: str | None = None,
    shown: content.Shown = content.NOTHING,
    showing: tuple[Plays, Heartbeats] | None = None,
    installing: Installing | None = None,
    secure: Secure | None = None,
    installable: bool = False,
    staffing: Staffing | None = None,
    settings: Callable[[], Report] = Report,
    metrics_token: str = "",
    duty: Duty | None = None,
    other_url: str = "",
) -> FastAPI:
    """The ASGI application. `tablet_key` empty = no tablet gets in; `public_url` None = no QR codes for phones;
    `names` None = nothing is told apart by the name under which it is asked; `devices` None = none is paired, and every
    screen is let in; `shop_url`: where tablets find this gateway, None = where the page was found; `duty`: which of two
    boxes serves, None = there is one; `other_url`: where the other one is found."""
    pages = Pages(look=lambda: shown.look)
    names = names or guard.Names(host_of(public_url))
    access = Access(devices, health, tablet_key, proxied=names.proxied)

    app = _blank(hub, access, version)
    hub.screens = path.screens
    add_duty(app, duty, other_url, health)
    app.add_middleware(SecureCookies)
    app.add_middleware(guard.Guard, health=health, names=names)
    add_trust(app, pages, names, secure)
    add_installable(app, path, pages, secure, version, worker=installable)
    add_refusals(app, health)
    _add_pages(app, path, pages, public_url)
    sign_in = _add_staff_pages(app, path, pages, tablet_key, health, handovers)
    tablets = Tablets(access.tablet, handovers, staffing)
    add_may(app)
    if devices is not None:
        add_pairing(app, path, devices, clock, pages, shop_url, tablets)
    add_status(app, path, hub, health, clock, version, settings, metrics_token)
    _add_screens(app, path, hub, clock, pages, public_url, shown)
    content.add_content(app, shown)
    _add_tablet(app, path, hub, clock, pages, tablets)
    if me is not None:
        add_self_service(app, path, me, clock, pages, public_url, takeaways)
    if handovers is not None:
        add_handovers(app, handovers, tablets)
    if staffing is not None:
        hub.staff, staffing.changed = staffing, hub.relock
        add_staffing(app, staffing, path, hub, clock, tablets)
    add_tills(app, path, health, clock, tablet_key, tablets)
    _add_till_pages(app, path, hub, clock, pages, tablets)
    add_scanning(app, path, me, clock, pages)
    if showing is not None:
        add_plays(app, path, *showing)
    if takeaways is not None:
        add_takeaways(app, path, takeaways, pages)
        add_cards(app, takeaways, tablets.ours)
    if installing is not None:
        add_installing(app, installing, hub, path, pages, clock, tablets, sign_in)
    return app


def _blank(hub: Hub, access: Access, version: str) -> FastAPI:
    """An application without routes; it beats while it runs, and asks `access` before each route."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        beats = asyncio.create_task(hub.run())
        yield
        beats.cancel()
        hub.close()

    app = FastAPI(
        title="Store gateway",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # FastAPI's own route would not ask `access`
        lifespan=lifespan,
        redirect_slashes=False,
        dependencies=[Depends(access.check)],
    )
    app.state.hub, app.state.access = hub, access
    return app


def _page(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(body, status, headers=FRESH)


def _add_pages(app: FastAPI, path: Path, pages: Pages, public_url: str | None) -> None:
    @app.get("/", include_in_schema=False)
    async def status_page() -> Response:
        ears = {
            name: {"kind": ear.kind, "zone": ear.zone, "alone": ear.alone} for name, ear in app.state.hub.ears.items()
        }
        return _page(pages.shell("status.html", {"ears": json.dumps(ears)}))

    @app.get("/screen", include_in_schema=False)
    async def screen_page(request: Request, id: str = "") -> Response:
        own = request.state.device
        if own is not None and own.grant.place != id:
            return RedirectResponse(f"/screen?{urlencode({'id': own.grant.place})}", 303, headers=FRESH)
        if not id and app.state.access.devices is not None:
            raise Unpaired("screen")
        if id not in path.screens:
            return _page(pages.shell("no_screen.html"), 404 if id else 200)
        languages = " ".join(own.grant.languages) if own is not None else ""
        return renewed(_page(pages.shell("screen.html", {"languages": languages})), request)

    @app.get("/notice", include_in_schema=False)
    async def notice_page(language: str = "") -> Response:
        zones = {ear.zone for ear in app.state.hub.ears.values()}
        return _page(pages.notice(path.shop, zones, language))

    @app.get("/notice.svg", include_in_schema=False)
    async def notice_code() -> Response:
        if public_url is None:
            raise HTTPException(404, "There is no public address to point at.")
        return Response(qr_svg(notice_url(public_url)), media_type="image/svg+xml", headers=FRESH)

    @app.get("/join.svg", include_in_schema=False)
    async def join_code() -> Response:
        target = join_target(path.shop, notice_url(public_url) if public_url is not None else None)
        if target is None:
            raise HTTPException(404, "There is no public address to point at.")
        return Response(qr_svg(target), media_type="image/svg+xml", headers=FRESH)

    @app.get("/static/{build}/{name:path}", include_in_schema=False)
    async def static(build: str, name: str) -> Response:
        asset = pages.asset(build, name)
        if asset is None:
            raise HTTPException(404, "There is no such file.")
        return Response(asset.body, media_type=asset.media_type, headers=IMMUTABLE)


def _add_staff_pages(
    app: FastAPI, path: Path, pages: Pages, tablet_key: str, health: Health, handovers: Handovers | None
) -> SignIn:
    """Pages that a device is let in to by the manager's link; returns who lets it in."""

    @app.get("/tablet", include_in_schema=False)
    async def tablet_page(
        request: Request, key: str = "", cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None
    ) -> Response:
        refused = await sign_in(request, "/tablet", key, cookie)
        return refused if refused is not None else renewed(_page(pages.shell("tablet.html")), request)

    @app.get("/till", include_in_schema=False)
    async def till_page(
        request: Request,
        id: str = "",
        key: str = "",
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
    ) -> Response:
        own = request.state.device
        if own is not None and own.grant.role == "till" and own.grant.place != id:
            return RedirectResponse(f"/till?{urlencode({'id': own.grant.place})}", 303, headers=FRESH)
        one = id or (next(iter(path.tills)) if len(path.tills) == 1 else "")
        refused = await sign_in(request, f"/till?{urlencode({'id': one})}" if one else "/till", key, cookie)
        if refused is not None:
            return refused
        if one not in path.tills:
            return _page(pages.tills(path.tills, bool(one)), 404 if one else 200)
        return renewed(_page(pages.shell("till.html", {"till": one})), request)

    async def sign_in(request: Request, page: str, key: str, cookie: str | None) -> Response | None:
        """Let a tablet in that shows the manager's key; None for one that is in already."""
        access: Access = app.state.access
        if key and cookies.key_fits(key, tablet_key):
            answer = RedirectResponse(page, 303, headers=FRESH)
            tablet = await access.by_link(cookie)
            set_cookie(
                answer, request, cookies.COOKIE, cookies.cookie_for(tablet, tablet_key), cookies.COOKIE_MAX_AGE_S
            )
            if handovers is not None:
                handovers.release(tablet)
            answer.delete_cookie(LOCKED)
            return answer
        if key:
            health.count("tablet.key_refused")
        if request.state.let_in or (access.devices is None and access.tablet(cookie) is not None):
            return None
        if access.devices is not None:
            raise Unpaired("till" if page.startswith("/till") else "tablet")
        return _page(pages.shell("locked.html", {"again": page}), 401)

    return sign_in


def host_of(url: str | None) -> str:
    """The name in an address, as browsers send it; "" for none."""
    return urlsplit(url or "").hostname or ""


def notice_url(public_url: str) -> str:
    return public_url.rstrip("/") + "/notice"


def _watch(stream: Stream | None, extra: Callable[[], wire.Json]) -> Response:
    if stream is None:
        return JSONResponse({"error": "All places are taken. Try again soon."}, 503, headers=FRESH)
    return EventStream(stream, extra)


def _add_screens(
    app: FastAPI, path: Path, hub: Hub, clock: Clock, pages: Pages, public_url: str | None, shown: content.Shown
) -> None:
    def known(screen: str) -> None:
        if screen not in path.screens:
            raise HTTPException(404, "There is no screen of this name.")

    def extra() -> wire.Json:
        target = join_target(path.shop, notice_url(public_url) if public_url is not None else None)
        join: wire.Json | None = None
        if target is not None:
            join = {"url": target, "code": code_path(target), "notice": target != path.shop.join_url}
        return {"shop": wire.shop(path.shop, clock.speed, clock.now_ms()), "join": join, "build": pages.version}

    @app.get("/api/v1/screens/{screen}/stream", tags=["screens"], response_class=Response, responses=STREAM)
    async def screen_stream(screen: str) -> Response:
        """Server-sent events: one snapshot, then an update whenever the content changes, and a beat every 10 s."""
        known(screen)
        own = partial(content.of_screen, shown, screen, path.screens[screen])
        return _watch(hub.watch_screen(screen), lambda: extra() | own())

    @app.post("/api/v1/screens/{screen}/answer", tags=["screens"])
    async def screen_answer(screen: str, answer: Answer) -> Result:
        """A tap on the dialogue: ok, gone (it is over) or refused (not offered)."""
        known(screen)
        return _result(await path.on_screen(screen, answer.dialogue_id, answer.choice))

    @app.post("/api/v1/screens/{screen}/code", tags=["screens"])
    async def screen_code(screen: str, typed: Code) -> Result:
        """A one-time code: ok (now show the card), wrong, gone (the page is over) or wait (too many wrong ones)."""
        known(screen)
        return _result(await path.on_code(screen, typed.dialogue_id, typed.code))


def _result(value: str) -> Result:
    return Result.model_validate({"result": value})


def _add_till_pages(app: FastAPI, path: Path, hub: Hub, clock: Clock, pages: Pages, tablets: Tablets) -> None:
    def extra() -> wire.Json:
        watched = {"watched": True} if tablets.has_lock else {}
        return {"shop": wire.shop(path.shop, clock.speed), "build": pages.version, **watched}

    @app.get("/api/v1/tills/{till}/stream", tags=["tills"], response_class=Response, responses=STREAM)
    async def till_stream(till: str, who: Annotated[str, Depends(tablets.watching_till)]) -> Response:
        """Server-sent events that say when a till's page is to ask anew, and nothing else."""
        if till not in path.tills:
            raise HTTPException(404, "There is no till of this name.")
        return _watch(hub.watch_till(till), extra)


def _add_tablet(app: FastAPI, path: Path, hub: Hub, clock: Clock, pages: Pages, tablets: Tablets) -> None:
    Tablet = Annotated[str, Depends(tablets.ours)]  # noqa: N806 - a type, made here because it needs the key

    def extra() -> wire.Json:
        tills = {"tills": sorted(path.tills)} if tablets.redeems else {}
        shop = {"shop": wire.shop(path.shop, clock.speed), "profiles": wire.stale(path.stale)}
        return {**shop, "build": pages.version, **tills}

    async def tap(act: Callable[[str, str], Awaitable[str]], handshake_id: str, tablet: str) -> Result:
        return _result(await act(handshake_id[:64], tablet))

    @app.get("/api/v1/tablet/stream", tags=["tablet"], response_class=Response, responses=STREAM)
    async def tablet_stream(tablet: Annotated[str, Depends(tablets.known)]) -> Response:
        """Server-sent events: a snapshot (queue, this tablet's card), updates of either, card_closed, beats; of a
        tablet in a customer's hands only that it is locked."""
        return _watch(hub.watch_tablet(tablet), extra)

    @app.post("/api/v1/tablet/handshakes/{handshake_id}/accept", tags=["tablet"])
    async def accept(handshake_id: str, tablet: Tablet) -> Result:
        """Take a request for advice: open (it is yours), taken, gone or refused."""
        return await tap(path.on_accept, handshake_id, tablet)

    @app.post("/api/v1/tablet/handshakes/{handshake_id}/close", tags=["tablet"])
    async def close(handshake_id: str, tablet: Tablet) -> Result:
        """Close the card: ok or gone."""
        return await tap(path.on_close, handshake_id, tablet)

    @app.post("/api/v1/tablet/handshakes/{handshake_id}/why", tags=["tablet"])
    async def why(handshake_id: str, which: Which, tablet: Tablet) -> Why:
        """Why an offer stands on the open card, in sentences; it is noted that somebody asked."""
        found = await path.advice.why(handshake_id[:64], which.offer_id, tablet)
        if found is None:
            return Why(result="gone", why={})
        return Why(result="ok", why={language: list(lines) for language, lines in found.items()})

    @app.post("/api/v1/tablet/usual/{entry_id}", tags=["tablet"])
    async def usual(entry_id: str, tablet: Tablet) -> Result:
        """The usual was offered to whose card is open, or to whom the door announced: ok, gone or refused."""
        return await tap(path.advice.offer_usual, entry_id, tablet)

    @app.get("/api/v1/tablet/readers", tags=["tablet"])
    async def readers(tablet: Tablet) -> Readers:
        """Readers that this tablet may stand beside."""
        found = path.readers_for(tablet)
        return Readers(readers=[Reader(receiver=name, zone=zone, mine=mine) for name, zone, mine in found])

    @app.post("/api/v1/tablet/reader", tags=["tablet"])
    async def reader(beside: Beside, tablet: Tablet) -> Result:
        """This tablet stands beside that reader, or none (null): ok, or refused if nobody asks for advice there."""
        return _result(path.on_reader(tablet, beside.receiver))
