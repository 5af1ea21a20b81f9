"""Routes that screens' pages post to by themselves: what they showed, and that they still draw."""

from typing import Literal

from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from display.path import Path
from gateway.core.play import MAX_PLAYS, MAX_VISIBLE_MS, Play
from gateway.heartbeats import Heartbeats, Pulse
from gateway.plays import Plays

FRESH = {"Cache-Control": "no-store"}
INT = 2**53 - 1  # what JavaScript counts exactly
ULID = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
AGAIN_S = "60"


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Shown(_Form):
    """One proof of play (gateway.core.play.Play)."""

    play_id: str = Field(pattern=ULID)
    content: str = Field(min_length=1, max_length=128)
    title: str = Field(default="", max_length=120)
    decision_id: str | None = Field(default=None, min_length=1, max_length=64)
    slot: Literal["main"]
    started_ms: int = Field(ge=0, le=INT)
    visible_ms: int = Field(ge=0, le=MAX_VISIBLE_MS)
    completed: bool


class Batch(_Form):
    """What a screen showed since it was last heard."""

    plays: list[Shown] = Field(min_length=1, max_length=MAX_PLAYS)


class Heartbeat(_Form):
    """Each 15 s, and when the page goes (gateway.heartbeats.Pulse)."""

    page: str = Field(pattern=r"^[0-9a-f]{16}$")
    frames: int = Field(ge=0, le=INT)
    away: bool = False
    build: str = Field(pattern=r"^[0-9a-f]{0,64}$")
    seq: int = Field(ge=0, le=INT)
    heap: int | None = Field(default=None, ge=0, le=INT)
    skipped: int = Field(default=0, ge=0, le=INT)
    waiting: int = Field(default=0, ge=0, le=INT)


def add_plays(app: FastAPI, path: Path, plays: Plays, heartbeats: Heartbeats) -> None:
    """Proofs of play and heartbeats of the screens in `path`."""

    def known(screen: str) -> None:
        if screen not in path.screens:
            raise HTTPException(404, "There is no screen of this name.")

    @app.post("/api/v1/screens/{screen}/plays", tags=["screens"])
    async def screen_plays(screen: str, batch: Batch) -> JSONResponse:
        """What the screen showed, once by `play_id`: ok after it is stored; 429 for more than any screen can show."""
        known(screen)
        result = await plays.record(screen, [Play(**one.model_dump()) for one in batch.plays])
        if result == "wait":
            return JSONResponse(
                {"error": "That is more than a screen can show."}, 429, headers={**FRESH, "Retry-After": AGAIN_S}
            )
        return JSONResponse({"result": result}, headers=FRESH)

    @app.post("/api/v1/screens/{screen}/heartbeat", tags=["screens"])
    async def screen_heartbeat(screen: str, told: Heartbeat) -> JSONResponse:
        """The screen's page is there, and has drawn so many frames."""
        known(screen)
        heartbeats.hear(screen, Pulse(**told.model_dump()))
        return JSONResponse({"result": "ok"}, headers=FRESH)

    @app.get("/api/v1/screens/{screen}/heartbeat", tags=["screens"])
    async def screen_vitals(screen: str) -> JSONResponse:
        """Whether the screen draws: `never`, `draws`, `frozen`, `silent` or `away`; for whoever watches its browser."""
        known(screen)
        found = heartbeats.vitals(screen)
        pulse = found.pulse
        body = {
            "showing": found.showing,
            "age_ms": found.age_ms,
            "frames": None if pulse is None else pulse.frames,
            "build": None if pulse is None else pulse.build,
            "heap": None if pulse is None else pulse.heap,
            "skipped": None if pulse is None else pulse.skipped,
            "waiting": None if pulse is None else pulse.waiting,
        }
        return JSONResponse(body, headers=FRESH)
