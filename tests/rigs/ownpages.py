"""The routes of self-service for tests of pages: one session that answers by the rules, without a shop behind it."""

from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from display.notices import Html
from display.pages import Pages, qr_svg
from gateway.core.model import Notice, Purpose
from tests.rigs.shopfront import SHOP, WallClock

CODE = "40718253"
RECEIPT = "r-0001"
PIN_TRIES = 5
FORGOTTEN_MS = 1_767_603_600_000  # by the shop's clock, years from the browser's


@dataclass
class OwnPages:
    """What the gateway knows; tests set it up and look at it afterwards. `posts`: path and body of each request."""

    who: str = "member"
    call_name: str = "Mia"
    age: str = "16plus"
    confirm: str | None = None
    handover: bool = False
    ttl_ms: int = 900_000
    notice: Notice | None = SHOP.notice
    open: bool = True
    pin: str = ""
    tries: int = 0
    code: str | None = None
    receipt_id: str | None = None
    answer: str = ""  # what the next form is answered, "" = by the rules
    states: dict[str, tuple[str, int]] = field(default_factory=dict)
    posts: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def locked(self) -> bool:
        return bool(self.pin)

    def me(self) -> dict[str, Any]:
        asked = self.confirm is not None
        notice = self.notice
        told = (
            None
            if notice is None or asked
            else {
                "version": notice.version,
                "notice_id": notice.notice_id,
                "controller": notice.controller,
                "contact": notice.contact,
                "texts": dict(notice.text),
                "sha256": {language: notice.sha256(language) for language in notice.text},
            }
        )
        purposes = [
            {"purpose": one.value, "state": state, "at_ms": at_ms, "until_ms": None}
            for one in Purpose
            for state, at_ms in [self.states.get(one.value, ("none", 0))]
        ]
        return {
            "who": self.who,
            "call_name": "" if asked else self.call_name,
            "language": "de",
            "age": self.age,
            "purposes": [] if asked else purposes,
            "notice": told,
            "ttl_ms": self.ttl_ms,
            "confirm": self.confirm,
            "handover": self.handover,
            "code": self.code,
            "receipt_id": self.receipt_id,
        }

    def _wrong(self, form: dict[str, Any]) -> str:
        gives = any(form["choices"].values())
        if self.answer:
            wrong, self.answer = self.answer, ""
            return wrong
        if self.who == "member" and not gives:
            return ""
        notice = self.notice
        fits = notice is not None and (
            form["notice_version"] == notice.version
            and form["notice_sha256"] in [notice.sha256(language) for language in notice.text]
        )
        if gives and not fits:
            return "notice_changed"
        known = form["age"] or (self.age if self.who == "member" else None)
        return "age" if known not in ("16plus", "guardian") else ""

    def _choose(self, choices: dict[str, bool], refused: str) -> int:
        now_ms = WallClock().now_ms()
        for purpose, given in choices.items():
            self.states[purpose] = ("given" if given else refused, now_ms)
        self.receipt_id = RECEIPT
        return now_ms

    def post(self, what: str, form: dict[str, Any]) -> dict[str, Any]:
        self.posts.append((what, form))
        if what in ("forget", "end"):
            self.open = False
            return {"result": "ok", "at_ms": FORGOTTEN_MS}
        wrong = self._wrong(form)
        if wrong:
            return {"result": wrong}
        done = {"result": "ok", "receipt_id": RECEIPT}
        if what == "choices":
            return done | {"at_ms": self._choose(form["choices"], "withdrawn")}
        done |= {"at_ms": self._choose(form["choices"], "refused")}
        self.who, self.call_name, self.age = "member", form["call_name"], form["age"]
        self.code = CODE if form["choices"]["recognise_nfc"] else None
        return done | {"code": self.code}

    def unlock(self, pin: str) -> str:
        self.tries += pin != self.pin
        if self.tries >= PIN_TRIES:
            return "locked"
        if pin != self.pin:
            return "wrong"
        self.pin = ""
        return "ok"

    def receipt(self) -> dict[str, Any]:
        assert self.notice is not None
        return {
            "receipt_id": RECEIPT,
            "pii_principal_id": "m-0001",
            "pii_controllers": [{"name": self.notice.controller, "contact": self.notice.contact}],
            "privacy_notice": {
                "id": self.notice.notice_id,
                "version": self.notice.version,
                "sha256": self.notice.sha256("de"),
                "language": "de",
            },
            "event_time": "2026-11-22T13:03:22Z",
            "purposes": [
                {"purpose": purpose, "event_state": state, "validity_until": None}
                for purpose, (state, _) in self.states.items()
            ],
        }


def mount(app: FastAPI, own: OwnPages, fragment: str = "<h1>Ihre Daten</h1><p>Mia</p>") -> None:
    """Add the routes of self-service to a window's application, in front of what it has."""
    pages, fresh = Pages(), {"Cache-Control": "no-store"}
    before = len(app.router.routes)

    def session() -> None:
        if not own.open:
            raise HTTPException(401, "This session is over.")

    @app.get("/h/{token}.svg")
    async def link_code(token: str) -> Response:
        return Response(qr_svg("http://gateway.shop/h/one-time"), media_type="image/svg+xml", headers=fresh)

    @app.get("/h/{token}")
    async def link(token: str) -> Response:
        if not own.open:
            return HTMLResponse(pages.shell("me_gone.html"), 410, headers=fresh)
        return RedirectResponse("/me", 303, headers=fresh)

    @app.get("/me")
    async def page() -> Response:
        return HTMLResponse(pages.shell("me.html"), headers=fresh)

    @app.get("/me/data")
    async def data() -> Response:
        session()
        values = {"language": "de", "title": "Ihre Daten", "back": "Zurück", "body": Html(fragment)}
        return HTMLResponse(pages.shell("me_data.html", values), headers=fresh)

    @app.get("/me/receipt/{name}")
    async def receipt_page(name: str) -> Response:
        session()
        if name.endswith(".svg"):
            return Response(qr_svg("http://gateway.shop/h/one-time"), media_type="image/svg+xml", headers=fresh)
        return HTMLResponse(pages.shell("me_receipt.html"), headers=fresh)

    @app.get("/api/v1/me")
    async def me() -> Response:
        session()
        return JSONResponse(own.me(), headers=fresh)

    @app.get("/api/v1/me/receipts/{name}")
    async def receipt(name: str) -> Response:
        session()
        return JSONResponse(own.receipt(), headers=fresh)

    @app.post("/api/v1/me/{what}")
    async def form(what: str, request: Request) -> Response:
        session()
        return JSONResponse(own.post(what, await request.json()), headers=fresh)

    @app.post("/api/v1/tablet/handover")
    async def handover(request: Request) -> Response:
        form = await request.json()
        own.posts.append(("handover", form))
        if own.answer:
            return JSONResponse({"result": own.answer, "url": None}, headers=fresh)
        own.pin, own.open, own.handover, own.who = (
            form["pin"],
            True,
            True,
            "new" if form["kind"] == "enrol" else "member",
        )
        return JSONResponse({"result": "ok", "url": "/h/one-time"}, headers=fresh)

    @app.post("/api/v1/tablet/link")
    async def phone(request: Request) -> Response:
        own.posts.append(("link", await request.json()))
        url = "http://gateway.shop:8080/h/one-time"
        return JSONResponse({"result": "ok", "url": url, "svg": "/h/one-time.svg"}, headers=fresh)

    @app.post("/api/v1/tablet/unlock")
    async def unlock(request: Request) -> Response:
        return JSONResponse({"result": own.unlock((await request.json())["pin"])}, headers=fresh)

    @app.get("/api/v1/tablet/readers")
    async def readers() -> Response:
        if own.locked:
            raise HTTPException(423, "This tablet is with a customer.")
        return JSONResponse({"readers": []}, headers=fresh)

    app.router.routes[:] = [*app.router.routes[before:], *app.router.routes[:before]]
