"""Routes of the customer's own page and of tablets that go into a customer's hands; they decide nothing."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from display import cookies, wire
from display.pages import Pages, qr_svg
from display.path import Path
from display.takeaway import first
from gateway.acts import Look
from gateway.core.model import AgeGate, Notice, Purpose
from gateway.core.ports import Clock
from gateway.core.tokens import is_token
from gateway.handovers import Handovers
from gateway.readable import readable
from gateway.selfservice import Answer, Form, Me, SelfService
from gateway.staffing import Staffing
from gateway.takeaway import Takeaways

FRESH = {"Cache-Control": "no-store"}
COOKIE = "sg_me"
LOCKED = "sg_locked"  # says that a tablet is in a customer's hands, also to a gateway that was restarted meanwhile
LOCKED_MAX_AGE_S = cookies.COOKIE_MAX_AGE_S
DATA_SLOT = "@@data@@"  # goes through the shell as text, and is then replaced by what is escaped already
SHUT = "This tablet is locked. Open it with your PIN."
OVER = "This page is over. Tap your card once more, or ask a colleague."

_Short = Annotated[str, Field(max_length=120)]
_Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
_Sha256 = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{64})?$")]
_Age = Literal["16plus", "guardian", "under16"]
_Choices = dict[Annotated[Purpose, Field(strict=False)], bool]
_Session = Annotated[str | None, Cookie(alias=COOKIE)]
_Pin = Annotated[str, Field(pattern=r"^[0-9]{4,8}$")]


def _age(word: str | None) -> AgeGate | None:
    return None if word is None else AgeGate(word)


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Chosen(_Form):
    """What somebody gives or withdraws; a withdrawal needs neither age nor notice."""

    choices: Annotated[_Choices, Field(min_length=1)]
    language: _Language = "de"
    notice_version: _Short = ""
    notice_sha256: _Sha256 = ""
    age: _Age | None = None

    def form(self) -> Form:
        return Form(self.choices, self.language, _age(self.age), self.notice_version, self.notice_sha256)


class Joining(_Form):
    """What somebody says who becomes a member; no purpose need be given."""

    call_name: Annotated[str, Field(max_length=40)]
    language: _Language
    age: _Age
    choices: _Choices
    notice_version: _Short
    notice_sha256: _Sha256

    @field_validator("call_name")
    @classmethod
    def readable(cls, value: str) -> str:
        """One line of letters: no control or direction marks, which would garble a screen."""
        if not value.isprintable():
            raise ValueError
        return value.strip()

    def form(self) -> Form:
        return Form(self.choices, self.language, _age(self.age), self.notice_version, self.notice_sha256)


class Handing(_Form):
    """What a colleague hands the tablet over for, and the number that gets it back."""

    kind: Literal["enrol", "mine"]
    handshake_id: Annotated[str, Field(max_length=64)] | None = None
    pin: _Pin


class Unlocking(_Form):
    pin: _Pin


class Linking(_Form):
    handshake_id: Annotated[str, Field(min_length=1, max_length=64)]


class Tablets:
    """Which tablet asks. `handovers` None: none is ever handed over; `staffing` None: none has a lock."""

    def __init__(self, key: str, handovers: Handovers | None, staffing: Staffing | None = None) -> None:
        self._key = key
        self._handovers = handovers
        self._staffing = staffing

    async def known(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A signed-in tablet, in whosever hands. Raises 401."""
        tablet = cookies.tablet_of(cookie, self._key)
        if tablet is None:
            raise HTTPException(401, "This tablet is not signed in. Open it with your manager's link.")
        if self._handovers is not None:
            self._handovers.is_locked(tablet, locked)  # a tablet that was locked before a restart gets nothing either
        return tablet

    async def ours(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A tablet at which a colleague works. Raises 401, and 423 while it is locked or a customer holds it."""
        tablet = await self.held(cookie, locked)
        if self._staffing is not None and self._staffing.is_locked(tablet):
            raise HTTPException(423, SHUT)
        return tablet

    async def held(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A tablet in no customer's hands, locked or not. Raises 401 and 423."""
        tablet = await self.known(cookie, locked)
        if self._handovers is not None and self._handovers.is_locked(tablet, locked):
            raise HTTPException(423, "This tablet is in a customer's hands. Unlock it with your number.")
        return tablet

    def colleague(self, cookie: str | None) -> tuple[str, str]:
        """The tablet of a cookie and who works at it, by id; each "" for none."""
        tablet = cookies.tablet_of(cookie, self._key) or ""
        return tablet, self._staffing.colleague(tablet) if self._staffing is not None and tablet else ""

    @property
    def redeems(self) -> bool:
        """Whether offers of a card can be held at a till."""
        return self._staffing is not None

    @property
    def has_lock(self) -> bool:
        """Whether headquarters sent colleagues."""
        return self._staffing is not None and self._staffing.mode != "open"

    def handed(self, tablet: str) -> None:
        """It goes into a customer's hands: nobody works at it any more."""
        if self._staffing is not None:
            self._staffing.lock(tablet, "handed")


def add_self_service(
    app: FastAPI,
    path: Path,
    me: SelfService,
    clock: Clock,
    pages: Pages,
    public_url: str | None,
    takeaways: Takeaways | None = None,
) -> None:
    """The customer's own page, on whichever device; `takeaways`: whose links begin with the same "/h/"."""
    _add_links(app, me, pages, public_url, takeaways)
    _add_page(app, path, me, clock, pages)
    _add_acts(app, me, clock)
    _add_receipts(app, me, pages)


def add_handovers(app: FastAPI, handovers: Handovers, tablets: Tablets) -> None:
    """What a tablet asks for when it is to go into a customer's hands."""

    @app.post("/api/v1/tablet/handover", tags=["tablet"])
    async def handover(asked: Handing, request: Request, tablet: Annotated[str, Depends(tablets.ours)]) -> Response:
        """Lock the tablet for its customer: ok with the page's address, gone (no such card is open here) or refused."""
        if (asked.kind == "mine") is not (asked.handshake_id is not None):
            raise HTTPException(422, "The request has a wrong form.")
        handed = await handovers.hand_over(tablet, asked.handshake_id, asked.pin)
        answer = _answer({"result": handed.result, "url": handed.path or None})
        if handed.result == "ok":
            tablets.handed(tablet)
            set_cookie(answer, request, LOCKED, handovers.run, LOCKED_MAX_AGE_S)
        return answer

    @app.post("/api/v1/tablet/unlock", tags=["tablet"])
    async def unlock(typed: Unlocking, tablet: Annotated[str, Depends(tablets.known)]) -> Response:
        """Take the tablet back: ok, wrong, or locked (only the manager's link opens it now)."""
        result = handovers.unlock(tablet, typed.pin)
        answer = _answer({"result": result})
        if result == "ok":
            answer.delete_cookie(LOCKED)
            answer.delete_cookie(COOKIE)
        return answer

    @app.post("/api/v1/tablet/link", tags=["tablet"])
    async def link(asked: Linking, tablet: Annotated[str, Depends(tablets.ours)]) -> Response:
        """A one-time link for the customer's own phone: ok with address and picture, gone or refused."""
        handed = await handovers.link_for(tablet, asked.handshake_id)
        picture = wire.code_of(handed.url) if handed.url else None
        return _answer({"result": handed.result, "url": handed.url or None, "svg": picture})


def _add_links(
    app: FastAPI, me: SelfService, pages: Pages, public_url: str | None, takeaways: Takeaways | None
) -> None:
    @app.get("/h/{token}.svg", include_in_schema=False)
    async def link_code(token: str) -> Response:
        """The QR code of a link; looking at it does not use it."""
        if public_url is None or not is_token(token):
            raise HTTPException(404, "There is no such code.")
        return _picture(f"{public_url.rstrip('/')}/h/{token}")

    @app.get("/h/{token}", include_in_schema=False)
    async def link(token: str, request: Request, sec_purpose: Annotated[str, Header()] = "") -> Response:
        if "prefetch" in sec_purpose:  # a browser that only looks ahead must not use up what is there once
            return Response(status_code=204, headers=FRESH)
        taken = await first(takeaways, token, pages)
        if taken is not None:
            return taken
        source = request.client.host if request.client is not None else ""
        opened = await me.open(token, source)
        if opened in ("late", "wait"):
            return _page(pages.shell("me_gone.html"), 410 if opened == "late" else 429)
        assert not isinstance(opened, str)
        answer = RedirectResponse(opened.page, 303, headers=FRESH)
        set_cookie(answer, request, COOKIE, opened.cookie, None)
        return answer


def _add_page(app: FastAPI, path: Path, me: SelfService, clock: Clock, pages: Pages) -> None:
    @app.get("/me", include_in_schema=False)
    async def me_page() -> Response:
        return _page(pages.shell("me.html"))

    @app.get("/me/data", include_in_schema=False)
    async def data_page(cookie: _Session = None) -> Response:
        found = await me.data(cookie)
        if found is None:
            return _page(pages.shell("me_gone.html"), 401)
        language = await me.language(cookie)
        title, back = ("Ihre Daten", "Zurück") if language == "de" else ("Your data", "Back")
        values = {"language": language, "title": title, "back": back, "body": DATA_SLOT}
        return _page(pages.shell("me_data.html", values).replace(DATA_SLOT, readable(found, language), 1))

    @app.get("/api/v1/me", tags=["me"])
    async def state(cookie: _Session = None) -> Response:
        """What the person's own page shows; before the screen has confirmed the phone, nothing of them."""
        found = await me.state(cookie)
        if found is None:
            raise HTTPException(401, OVER)
        ttl_ms = wire.real_ms(found.ttl_ms, clock.speed)
        return _answer(_me(found, path.shop.notice, ttl_ms))

    @app.get("/api/v1/me/data", tags=["me"])
    async def data(cookie: _Session = None) -> Response:
        """Everything that is stored about the person, as a file."""
        found = await me.data(cookie)
        if found is None:
            raise HTTPException(401, OVER)
        return _answer(found, {"Content-Disposition": 'attachment; filename="my-data.json"'})


def _add_acts(app: FastAPI, me: SelfService, clock: Clock) -> None:
    @app.post("/api/v1/me/choices", tags=["me"])
    async def choices(chosen: Chosen, cookie: _Session = None) -> Response:
        """Give or withdraw the purposes that are named: ok, notice_changed, age, gone or refused."""
        return _said(await me.choose(cookie, chosen.form()), code=False)

    @app.post("/api/v1/me/enrol", tags=["me"])
    async def enrol(joining: Joining, cookie: _Session = None) -> Response:
        """Become a member, with whatever purposes: ok with a receipt and a code for the first card, or as above."""
        return _said(await me.enrol(cookie, joining.call_name, joining.form()), code=True)

    @app.post("/api/v1/me/forget", tags=["me"])
    async def forget(_: _Form, cookie: _Session = None) -> Response:
        """Forget the person everywhere; the session ends."""
        result = await me.forget(cookie)
        if result is None:
            raise HTTPException(401, OVER)
        answer = _answer({"result": result, "at_ms": clock.now_ms()})
        answer.delete_cookie(COOKIE)
        return answer

    @app.post("/api/v1/me/end", tags=["me"])
    async def end(_: _Form, cookie: _Session = None) -> Response:
        """The person is done; the session ends."""
        me.end(cookie)
        answer = _answer({"result": "ok"})
        answer.delete_cookie(COOKIE)
        return answer


def _add_receipts(app: FastAPI, me: SelfService, pages: Pages) -> None:
    @app.get("/api/v1/me/receipts/{receipt_id}", tags=["me"])
    async def receipt(receipt_id: str, cookie: _Session = None) -> Response:
        """One receipt of the person's own."""
        found = await me.receipt(cookie, receipt_id[:64])
        if found is None:
            raise HTTPException(404, "There is no such receipt, or this page is over.")
        return _answer(found)

    @app.get("/me/receipt/{receipt_id}.svg", include_in_schema=False)
    async def receipt_code(receipt_id: str, cookie: _Session = None) -> Response:
        url = await me.receipt_link(cookie, receipt_id[:64])
        if url is None:
            raise HTTPException(404, "There is no such code.")
        return _picture(url)

    @app.get("/me/receipt/{receipt_id}", include_in_schema=False)
    async def receipt_page(receipt_id: str, cookie: _Session = None) -> Response:
        if await me.receipt(cookie, receipt_id[:64]) is None:
            return _page(pages.shell("me_gone.html"), 410)
        return _page(pages.shell("me_receipt.html"))


def _me(found: Me, notice: Notice | None, ttl_ms: int) -> wire.Json:
    look: Look | None = found.look
    return {
        "who": found.who,
        "call_name": look.call_name if look is not None else "",
        "language": look.language if look is not None else "de",
        "age": look.age.value if look is not None else "unknown",
        "purposes": [
            {"purpose": one.purpose.value, "state": one.state, "at_ms": one.at_ms, "until_ms": one.until_ms}
            for one in (look.purposes if look is not None else ())
        ],
        "notice": _notice(notice) if notice is not None and not found.confirm else None,
        "ttl_ms": ttl_ms,
        "confirm": found.confirm or None,
        "handover": found.handover,
        "scan": look is not None and look.may_scan and not found.handover,
        "code": found.code or None,
        "receipt_id": found.receipt_id or None,
    }


def _notice(notice: Notice) -> wire.Json:
    return {
        "version": notice.version,
        "notice_id": notice.notice_id,
        "controller": notice.controller,
        "contact": notice.contact,
        "texts": wire.text(notice.text),
        "sha256": {language: notice.sha256(language) for language in notice.text},
    }


def _said(answer: Answer | None, *, code: bool) -> Response:
    if answer is None:
        raise HTTPException(401, OVER)
    body: wire.Json = {"result": answer.result}
    if answer.result == "ok":
        body |= {"receipt_id": answer.receipt_id or None, "at_ms": answer.at_ms}
        body |= {"code": answer.code or None} if code else {}
    return _answer(body)


def _answer(body: object, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(body, headers={**FRESH, **(headers or {})})


def _page(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(body, status, headers=FRESH)


def _picture(url: str) -> Response:
    return Response(qr_svg(url), media_type="image/svg+xml", headers=FRESH)


def set_cookie(answer: Response, request: Request, name: str, value: str, max_age_s: int | None) -> None:
    """A cookie that no script reads and no other site sends; `max_age_s` None = until the browser closes."""
    answer.set_cookie(
        name, value, max_age=max_age_s, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
