"""Every error as a short JSON sentence that repeats nothing of the input."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as PlainHTTPException

from display import guard
from display.path import Answer, Beside, Code, Which
from display.tills import TILL_FIELDS
from gateway.errors import GatewayError
from gateway.health import Health

FRESH = {"Cache-Control": "no-store"}
_FIELDS = (
    frozenset(Answer.model_fields)
    | frozenset(Code.model_fields)
    | frozenset(Beside.model_fields)
    | frozenset(Which.model_fields)
    | TILL_FIELDS
)


def add_refusals(app: FastAPI, health: Health) -> None:
    """Errors of the application, whoever raised them, and what is counted of them."""

    async def plain(_: Request, error: Exception) -> Response:
        assert isinstance(error, PlainHTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, headers=FRESH)

    async def wrong_input(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        health.count("http.wrong_input")
        fields = sorted({str(item["loc"][-1]) for item in error.errors() if item["type"] == "missing"} & _FIELDS)
        why = f"The field {fields[0]} is missing." if fields else "The request has a wrong form."
        return JSONResponse({"error": why}, 422, headers=FRESH)

    async def unavailable(_: Request, error: Exception) -> Response:
        health.count("http.unavailable")
        return JSONResponse({"error": "The gateway cannot do that now."}, 503, headers=FRESH)

    async def our_fault(_: Request, error: Exception) -> Response:
        health.count("http.errors")
        return JSONResponse({"error": "Something went wrong here."}, 500, headers={**FRESH, **guard.HEADERS})

    app.add_exception_handler(PlainHTTPException, plain)
    app.add_exception_handler(RequestValidationError, wrong_input)
    app.add_exception_handler(GatewayError, unavailable)
    app.add_exception_handler(Exception, our_fault)
