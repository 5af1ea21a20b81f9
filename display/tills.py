"""Routes for the point of sale, which shows the manager's key with each request, and for a till's page on a tablet:
who buys, and what is redeemed."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from display import cookies, wire
from display.path import (
    AtTill,
    BasketAtTill,
    BasketLine,
    Cancel,
    Confirm,
    Path,
    Points,
    Redeem,
    Redeemed,
    Result,
    Reverse,
    Sale,
    ShownBasket,
)
from display.tablets import LOCKED, Tablets
from gateway.checkout import Answer, Asked
from gateway.core.ports import Clock
from gateway.health import Health
from gateway.sales import Recorded, Sold, SoldLine

FRESH = {"Cache-Control": "no-store"}
KEY = re.compile(r"[A-Za-z0-9._-]{8,64}")  # a UUID has 36; shorter ones would meet by chance
NOT_ASKED = {
    "conflict": (409, "This Idempotency-Key was used for another request."),
    "busy": (429, "Too many requests are kept. Try again in an hour."),
}
TILL_FIELDS = frozenset(Redeem.model_fields) | frozenset(Confirm.model_fields) | frozenset(ShownBasket.model_fields)


def add_tills(app: FastAPI, path: Path, health: Health, clock: Clock, key: str, tablets: Tablets) -> None:
    """What tills ask. Redeeming takes a till's token, the manager's key or a tablet's cookie; who buys, as a pseudonym,
    one of the first two."""

    async def known(till: str, request: Request, authorization: Annotated[str, Header()] = "") -> str:
        device = request.state.device
        if device is not None and device.via == "token":
            return existing(till)
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not cookies.key_fits(given.strip(), key):
            health.count("till.key_refused")
            raise HTTPException(401, "This till is not signed in. Send its token.")
        return existing(till)

    def existing(till: str) -> str:
        if till not in path.tills:
            raise HTTPException(404, "There is no till of this name.")
        return till

    async def beside(
        till: str,
        request: Request,
        authorization: Annotated[str, Header()] = "",
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        if authorization or (cookie is None and request.state.device is None):
            return await known(till, request, authorization)
        await tablets.at_till(request, cookie, locked)
        return existing(till)

    Till = Annotated[str, Depends(known)]  # noqa: N806 - a type, made here because it needs the key
    Beside = Annotated[str, Depends(beside)]  # noqa: N806 - a type, made here as the one above

    @app.get("/api/v1/tills/{till}", tags=["tills"], response_model=AtTill | None)
    async def till_sale(till: Till) -> Response:
        """Who buys at this till by a tap at its reader, or null."""
        sale = path.sale_at(till)
        if sale is None:
            return JSONResponse(None, headers=FRESH)
        member_id, proof, left_ms, most_cents = sale
        ttl_ms = wire.real_ms(left_ms, clock.speed)
        found = AtTill(member_id=member_id, proof=proof, ttl_ms=ttl_ms, may_redeem_cents=most_cents)
        return JSONResponse(found.model_dump(), headers=FRESH)

    @app.post("/api/v1/tills/{till}/done", tags=["tills"])
    async def till_done(till: Beside) -> Result:
        """The sale is over: ok, or gone if nobody known stood there."""
        return Result.model_validate({"result": path.end_sale(till)})

    @app.get("/api/v1/tills/{till}/page", tags=["tills"])
    async def till_page(till: Beside) -> Response:
        """What this till's page shows: who buys, what may be redeemed, what this shift redeemed."""
        return JSONResponse(wire.till(await path.till_desk.view(till), clock.now_ms(), clock.speed), headers=FRESH)

    @app.post("/api/v1/tills/{till}/sales", tags=["tills"], response_model=Points)
    async def sale(till: Till, body: Sale, idempotency_key: Annotated[str, Header()] = "") -> Response:
        """A receipt is printed: recorded, with the points that it brought."""
        sold = Sold(body.receipt, tuple(SoldLine(one.article, one.quantity, one.cents) for one in body.lines))
        outcome = await path.till_desk.sell(till, till_key(idempotency_key), sold)
        if not isinstance(outcome, Recorded):
            raise _refused(outcome)
        return JSONResponse({"result": "recorded", "points": outcome.points}, headers=FRESH)

    _add_redemptions(app, path, clock, Beside, tablets)


def till_key(idempotency_key: str) -> str:
    if not KEY.fullmatch(idempotency_key):
        raise HTTPException(400, "Send an Idempotency-Key of 8 to 64 letters, digits, dots, dashes, underscores.")
    return idempotency_key


def _refused(outcome: Literal["conflict", "busy"]) -> HTTPException:
    return HTTPException(*NOT_ASKED[outcome])


def _add_redemptions(app: FastAPI, path: Path, clock: Clock, Beside: Any, tablets: Tablets) -> None:  # noqa: N803 - a type
    """What a till asks under a key that it makes up; `Beside` gives the till to whom may."""

    async def asking(till: Beside, idempotency_key: Annotated[str, Header()] = "") -> tuple[str, str]:
        return till, till_key(idempotency_key)

    async def by(
        authorization: Annotated[str, Header()] = "",
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
    ) -> tuple[str, str]:
        """The tablet that asks, and who works at it; "" for a till itself."""
        return tablets.colleague(None if authorization else cookie)

    By = Annotated[tuple[str, str], Depends(by)]  # noqa: N806 - a type, made here because it needs the tablets

    Asking = Annotated[tuple[str, str], Depends(asking)]  # noqa: N806 - a type, made here as the one above

    _add_baskets(app, path, asking)

    async def ask(asking: tuple[str, str], by: tuple[str, str], asked: Asked) -> Response:
        outcome = await path.till_desk.ask(*asking, replace(asked, tablet=by[0], staff_id=by[1]))
        if not isinstance(outcome, Answer):
            raise _refused(outcome)
        found = Redeemed(**asdict(outcome))
        if found.ttl_ms is not None:
            found.ttl_ms = wire.real_ms(found.ttl_ms, clock.speed)
        return JSONResponse(found.model_dump(), headers=FRESH)

    @app.post("/api/v1/tills/{till}/redemptions", tags=["tills"], response_model=Redeemed)
    async def reserve(asking: Asking, by: By, body: Redeem) -> Response:
        """Hold an offer, or what a coupon is for, until the receipt is printed: reserved or refused."""
        return await ask(
            asking, by, Asked("reserve", offer_id=body.offer_id or "", coupon=body.coupon or "", cents=body.cents)
        )

    @app.post("/api/v1/tills/{till}/redemptions/{redemption_id}/confirm", tags=["tills"], response_model=Redeemed)
    async def confirm(redemption_id: str, asking: Asking, by: By, body: Confirm) -> Response:
        """The receipt is printed: committed or refused."""
        return await ask(asking, by, Asked("confirm", redemption_id[:64], cents=body.cents, receipt=body.receipt))

    @app.post("/api/v1/tills/{till}/redemptions/{redemption_id}/cancel", tags=["tills"], response_model=Redeemed)
    async def cancel(redemption_id: str, asking: Asking, by: By, body: Cancel) -> Response:
        """There is no sale: released or refused."""
        return await ask(asking, by, Asked("cancel", redemption_id[:64]))

    @app.post("/api/v1/tills/{till}/redemptions/{redemption_id}/reverse", tags=["tills"], response_model=Redeemed)
    async def reverse(redemption_id: str, asking: Asking, by: By, body: Reverse) -> Response:
        """Goods came back: reversed or refused."""
        return await ask(asking, by, Asked("reverse", redemption_id[:64], cents=body.cents))


def _add_baskets(app: FastAPI, path: Path, asking: Callable[..., Awaitable[tuple[str, str]]]) -> None:
    Asking = Annotated[tuple[str, str], Depends(asking)]  # noqa: N806 - a type, made here as those above

    @app.post("/api/v1/tills/{till}/baskets", tags=["tills"], response_model=BasketAtTill)
    async def basket(asked: Asking, body: ShownBasket) -> Response:
        """What is in the basket whose code a customer shows: ok, once, or refused. It is paid at this till."""
        outcome = await path.baskets.at_till(*asked, body.code)
        if isinstance(outcome, str):
            raise _refused(outcome)
        shown = outcome.shown
        if shown is None:
            found = BasketAtTill(result="refused", reason=outcome.reason)
        else:
            found = BasketAtTill(
                result="ok",
                reason=None,
                basket_id=outcome.basket_id,
                cents=shown.cents,
                items=shown.items,
                recheck=shown.recheck.needed,
                recheck_reason=shown.recheck.reason,
                lines=[BasketLine.model_validate(asdict(line)) for line in shown.lines],
                unknown=list(shown.unknown),
            )
        return JSONResponse(found.model_dump(), headers=FRESH)
