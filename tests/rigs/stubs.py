"""Routes that pages call and an application under test may lack: they answer from `answers`, as FakePath does."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

READERS = [{"id": "coffee-nfc", "zone": "coffee"}, {"id": "wine-nfc", "zone": "wine"}]


def add_missing(app: FastAPI, path: Any) -> None:
    """Code, readers and reader of a tablet, each only if the application has no such route."""
    known = {route.path for route in app.routes if isinstance(route, APIRoute)}
    chosen: dict[str, str | None] = {"receiver": None}
    app.state.chosen = chosen

    async def code(screen: str, request: Request) -> dict[str, str]:
        said = await request.json()
        path.calls.append(("code", screen, said["dialogue_id"], said["code"]))
        return {"result": path.answers.get("code", "ok")}

    async def readers() -> dict[str, object]:
        return {"readers": path.answers.get("readers", READERS), "mine": chosen["receiver"]}

    async def reader(request: Request) -> dict[str, str]:
        chosen["receiver"] = (await request.json())["receiver"]
        path.calls.append(("reader", chosen["receiver"] or ""))
        return {"result": path.answers.get("reader", "ok")}

    for method, url, answer in (
        ("POST", "/api/v1/screens/{screen}/code", code),
        ("GET", "/api/v1/tablet/readers", readers),
        ("POST", "/api/v1/tablet/reader", reader),
    ):
        if url not in known:
            app.add_api_route(url, answer, methods=[method])
