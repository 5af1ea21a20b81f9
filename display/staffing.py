"""Routes of a tablet's lock and of its shift log; they decide nothing. What they are told stays in no log."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from display import lockwire, wire
from display.hub import Hub
from display.path import Path, Redeemed
from display.tablets import Tablets
from display.tills import NOT_ASKED, till_key
from gateway.checkout import Answer
from gateway.core.ports import Clock
from gateway.staffing import Proven, Staffing

FRESH = {"Cache-Control": "no-store"}

_StaffId = Annotated[str, Field(min_length=1, max_length=64)]
_Pin = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Opening(_Form):
    """A colleague's PIN."""

    staff_id: _StaffId
    pin: _Pin


class Locking(_Form):
    """Why the page locks the tablet: a button was pressed, or nobody sees the page."""

    reason: Annotated[str, Field(pattern=r"^(?:button|hidden)$")] = "button"


class Freeing(_Form):
    """A manager's PIN, for a colleague who is locked out."""

    staff_id: _StaffId
    manager: _StaffId
    pin: _Pin


class Redeeming(_Form):
    """An offer of the open card, and the till where it will be booked."""

    offer_id: Annotated[str, Field(min_length=1, max_length=64)]
    till: Annotated[str, Field(min_length=1, max_length=24)]


class Voiding(_Form):
    """A manager's PIN, for a redemption of this shift."""

    manager: _StaffId
    pin: _Pin


def add_staffing(app: FastAPI, staffing: Staffing, path: Path, hub: Hub, clock: Clock, tablets: Tablets) -> None:
    """Where headquarters sent no colleagues there is no lock, and these routes say "gone"."""
    Known = Annotated[str, Depends(tablets.known)]  # noqa: N806 - a type, made here because it needs the key
    Ours = Annotated[str, Depends(tablets.ours)]  # noqa: N806 - a type, made here as the one above

    def answer(proven: Proven) -> Response:
        wait_ms = wire.real_ms(proven.wait_ms, clock.speed)
        return _answer({"result": proven.result, "wait_ms": wait_ms, "reason": proven.reason})

    @app.get("/api/v1/tablet/lock", tags=["staff"])
    async def lock_state(tablet: Known) -> Response:
        """What the lock shows: who may open it and how many people wait; null for a tablet that is unlocked."""
        return _answer({"lock": hub.lock_shown(tablet)})

    @app.post("/api/v1/tablet/lock", tags=["staff"])
    async def lock(asked: Locking, tablet: Known) -> Response:
        """Lock this tablet: its card is wiped. ok, or gone if it was locked or has no lock."""
        done = staffing.lock(tablet, "hidden" if asked.reason == "hidden" else "button")
        return _answer({"result": "ok" if done else "gone"})

    @app.post("/api/v1/tablet/lock/open", tags=["staff"])
    async def unlock(typed: Opening, tablet: Annotated[str, Depends(tablets.held)]) -> Response:
        """Open it with a PIN: ok, wrong, wait, locked (so long, or a manager), badge (comes first), gone, busy."""
        return answer(await staffing.unlock(tablet, typed.staff_id, typed.pin))

    @app.post("/api/v1/tablet/lock/free", tags=["staff"])
    async def free(typed: Freeing, tablet: Annotated[str, Depends(tablets.held)]) -> Response:
        """A manager lets a colleague try again: as `open`, and refused for who is no manager."""
        return answer(await staffing.free(tablet, typed.staff_id, typed.manager, typed.pin))

    @app.post("/api/v1/tablet/active", tags=["staff"])
    async def active(tablet: Ours) -> Response:
        """Somebody touches this tablet, so that it does not lock itself: ok, or gone where there is no lock."""
        return _answer({"result": "ok" if staffing.active(tablet) else "gone"})

    _add_card_offers(app, staffing, path, clock, Ours)

    @app.get("/api/v1/tablet/shift", tags=["staff"])
    async def shift(tablet: Ours) -> Response:
        """What this shift redeemed here, newest first, and how many events headquarters has not confirmed."""
        lines, waiting = await staffing.log(tablet)
        managers = [lockwire.person(one, clock.speed) for one in staffing.managers]
        return _answer({"lines": [lockwire.line(one) for one in lines], "waiting": waiting, "managers": managers})

    @app.post("/api/v1/tablet/shift/{redemption_id}/void", tags=["staff"])
    async def void(
        redemption_id: str, typed: Voiding, tablet: Ours, idempotency_key: Annotated[str, Header()] = ""
    ) -> Response:
        """A manager takes back a redemption: as `open`, and refused with the till's reason."""
        asked = redemption_id[:64], typed.manager, typed.pin, till_key(idempotency_key)
        return answer(await staffing.void(tablet, *asked))


def _add_card_offers(
    app: FastAPI,
    staffing: Staffing,
    path: Path,
    clock: Clock,
    Ours: Any,  # noqa: N803 - a type
) -> None:
    @app.post("/api/v1/tablet/handshakes/{handshake_id}/redeem", tags=["staff"], response_model=Redeemed)
    async def redeem(
        handshake_id: str, asked: Redeeming, tablet: Ours, idempotency_key: Annotated[str, Header()] = ""
    ) -> Response:
        """Hold an offer of the open card at a till, where it is booked: reserved, or refused with the till's reason."""
        if asked.till not in path.tills:
            raise HTTPException(404, "There is no till of this name.")
        what = handshake_id[:64], asked.offer_id, asked.till, tablet, till_key(idempotency_key)
        outcome = await staffing.card_offers.reserve(*what)
        if outcome == "gone":
            outcome = Answer("refused", "card.gone")
        if not isinstance(outcome, Answer):
            raise HTTPException(*NOT_ASKED[outcome])
        found = Redeemed(**asdict(outcome))
        found.ttl_ms = None if found.ttl_ms is None else wire.real_ms(found.ttl_ms, clock.speed)
        return _answer(found.model_dump())

    @app.get("/api/v1/tablet/handshakes/{handshake_id}/held", tags=["staff"])
    async def held(handshake_id: str, tablet: Ours) -> Response:
        """What is held of the open card's offers at the tills, or was redeemed since its customer asked."""
        found = await staffing.card_offers.held(handshake_id[:64], tablet)
        return _answer({"held": [lockwire.held(one, clock.speed) for one in found]})


def _answer(body: dict[str, Any]) -> JSONResponse:
    return JSONResponse(body, headers=FRESH)
