"""Errors: one short sentence, nothing of the input, and a count; the routes' own are tested with them."""

import httpx
from fastapi import FastAPI, HTTPException

from display.refusals import add_refusals
from gateway.errors import StoreError
from gateway.health import Health


async def test_every_error_is_a_sentence_and_what_went_wrong_inside_is_not_told() -> None:
    app, health = FastAPI(), Health()
    add_refusals(app, health)

    @app.get("/{what}")
    async def fail(what: str, number: int = 0) -> None:
        raise {"own": HTTPException(404, "Nothing."), "disk": StoreError("secret"), "bug": ValueError("secret")}[what]

    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost"
    )
    told = {path: await client.get(path) for path in ("/own", "/disk", "/bug", "/own?number=secret")}
    assert [answer.status_code for answer in told.values()] == [404, 503, 500, 422]
    assert all(set(answer.json()) == {"error"} and "secret" not in answer.text for answer in told.values())
    assert (health.counts["http.unavailable"], health.counts["http.errors"], health.counts["http.wrong_input"]) == (
        1,
        1,
        1,
    )
