"""Routes for offers that people take along: the code on a colleague's tablet, the coupon's page on the phone.

The page's address holds the coupon itself, so it can be opened again, and the gateway keeps nothing about the phone.
"""

import io
import re
from collections.abc import Mapping
from typing import Annotated

import segno
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from display import wire
from display.notices import Html
from display.pages import Pages, qr_svg
from display.path import Path
from gateway.core.coupon import MAX_CHARACTERS
from gateway.core.localtime import local
from gateway.core.model import Text
from gateway.core.redemption import State
from gateway.takeaway import Takeaways, Taken

FRESH = {"Cache-Control": "no-store"}
PNG_SCALE = 12  # pixels a module: 800 for a usual coupon, sharp on paper and on a watch
COUPON = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_CHARACTERS}}}")
PAGE_LANGUAGES = ("de", "en")

WORDS: Mapping[str, Mapping[str, str]] = {
    "de": {
        "title": "Ihr Angebot zum Mitnehmen",
        "other": "English",
        "until": "Gültig bis {t}",
        "over": "Abgelaufen am {t}",
        "committed": "Schon eingelöst",
        "reserved": "Liegt gerade an einer Kasse",
        "how": "So lösen Sie es ein",
        "how1": "Zeigen Sie diesen Code an der Kasse, bevor Sie bezahlen.",
        "how2": "Er gilt ein einziges Mal, in allen unseren Läden.",
        "bound": "Er gilt zusammen mit Ihrer Karte: Halten Sie sie an der Kasse bereit.",
        "bearer": "Über Sie steht nichts darin, und er gilt für jeden, der ihn zeigt.",
        "letters": "Derselbe Code in Buchstaben",
        "save": "Als Bild sichern",
        "print": "Drucken",
        "private": "Diese Seite weiß nicht, wer Sie sind, und merkt sich Ihr Telefon nicht.",
    },
    "en": {
        "title": "Your offer to take with you",
        "other": "Deutsch",
        "until": "Valid until {t}",
        "over": "Out of date since {t}",
        "committed": "Used already",
        "reserved": "At a till just now",
        "how": "How to use it",
        "how1": "Show this code at the till before you pay.",
        "how2": "It counts once, in all our shops.",
        "bound": "It counts together with your card: have it ready at the till.",
        "bearer": "It says nothing about you, and counts for whoever shows it.",
        "letters": "The same code in letters",
        "save": "Save as an image",
        "print": "Print",
        "private": "This page does not know who you are, and does not remember your phone.",
    },
}


class Taking(BaseModel):
    """The offer of the open card that its customer takes along."""

    model_config = ConfigDict(strict=True, extra="forbid")
    handshake_id: Annotated[str, Field(min_length=1, max_length=64)]
    offer_id: Annotated[str, Field(min_length=1, max_length=64)]


async def first(takeaways: Takeaways | None, token: str, pages: Pages) -> Response | None:
    """What a one-time address of an offer answers; None: it is none of an offer."""
    found = await takeaways.open(token) if takeaways is not None else None
    if found is None:
        return None
    if isinstance(found, str):
        return _page(pages.shell("offer_gone.html"), 410)
    return RedirectResponse(f"/o/{found.text}?language={_spoken(found.language)}", 303, headers=FRESH)


def add_takeaways(app: FastAPI, path: Path, takeaways: Takeaways, pages: Pages) -> None:
    """The coupon's page, as a page and as an image."""

    async def look(text: str, request: Request) -> Taken | Response:
        source = request.client.host if request.client is not None else ""
        found = await takeaways.look(text, source) if COUPON.fullmatch(text) else "wrong"
        if isinstance(found, str):
            return _page(pages.shell("offer_gone.html"), 429 if found == "wait" else 404)
        return found

    @app.get("/o/{text}.png", include_in_schema=False)
    async def image(text: str, request: Request) -> Response:
        found = await look(text, request)
        if isinstance(found, Response):
            return found
        headers = {**FRESH, "Content-Disposition": 'attachment; filename="coupon.png"'}
        return Response(_png(found.text), media_type="image/png", headers=headers)

    @app.get("/o/{text}.svg", include_in_schema=False)
    async def picture(text: str, request: Request) -> Response:
        found = await look(text, request)
        if isinstance(found, Response):
            return found
        return Response(qr_svg(found.text), media_type="image/svg+xml", headers=FRESH)

    @app.get("/o/{text}", include_in_schema=False)
    async def page(text: str, request: Request, language: str = "de") -> Response:
        found = await look(text, request)
        if isinstance(found, Response):
            return found
        values = _values(found, _spoken(language), path)
        return _page(pages.shell("offer.html", values))


def add_cards(app: FastAPI, takeaways: Takeaways, tablet_of: object) -> None:
    """What a colleague's tablet asks for while a card is open. `tablet_of`: who asks (display.selfservice.Tablets)."""
    Tablet = Annotated[str, Depends(tablet_of)]  # noqa: N806 - made here, because it needs who asks

    @app.post("/api/v1/tablet/offer-link", tags=["tablet"])
    async def offer_link(asked: Taking, tablet: Tablet) -> Response:
        """A one-time code for an offer of the card: ok with address and picture, gone, or refused."""
        scan = await takeaways.on_card(tablet, asked.handshake_id, asked.offer_id)
        svg = wire.code_of(scan.url) if scan.url else None
        return JSONResponse({"result": scan.result, "url": scan.url or None, "svg": svg}, headers=FRESH)


def _values(found: Taken, language: str, path: Path) -> dict[str, str]:
    words = WORDS[language]
    over = found.is_over
    state = found.state if found.state in (State.RESERVED, State.COMMITTED, State.REVERSED) else None
    used = words["reserved" if state is State.RESERVED else "committed"] if state is not None else ""
    until = words["over" if over else "until"].format(t=_day(found.ends_ms, language, path.shop.restraint.time_zone))
    offer = found.offer
    return {
        **words,
        "language": language,
        "other_language": next(one for one in PAGE_LANGUAGES if one != language),
        "headline": _pick(offer.title, language) if offer is not None else words["title"],
        "lede": _pick(offer.text, language) if offer is not None else "",
        "badge": _pick(offer.badge, language) if offer is not None else "",
        "store": _pick(path.shop.store_name, language),
        "until": used or until,
        "state": "over" if over or state is not None else "good",
        "coupon": found.text,
        "whose": words["bound" if found.bound else "bearer"],
        "code": Html(qr_svg(found.text).decode()),
    }


def _day(ms: int, language: str, zone: str) -> str:
    moment = local(ms, zone)
    return moment.strftime("%d.%m.%Y, %H:%M Uhr" if language == "de" else "%d/%m/%Y, %H:%M")


def _pick(text: Text, language: str) -> str:
    return text.get(language) or text.get("de") or text.get("en") or next(iter(text.values()), "")


def _spoken(language: str) -> str:
    return language if language in PAGE_LANGUAGES else "en"


def _png(text: str) -> bytes:
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="png", scale=PNG_SCALE, border=4)
    return out.getvalue()


def _page(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(body, status, headers=FRESH)
