"""Routes by which a device learns to trust this shop's certificate: the guide, the files, and whether it worked."""

from typing import Protocol
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from display.guard import HEADERS, Names
from display.pages import Pages, qr_svg
from gateway.core import appleprofile

FRESH = {"Cache-Control": "no-store"}
_ABOUT = (
    "Pages of this shop's gateway become secure on this device. It vouches for the gateway's own names and for private "
    "addresses only. · Die Seiten des Gateways in diesem Laden werden auf diesem Gerät sicher. Es bürgt nur für die "
    "Namen des Gateways und für private Adressen."
)


class Secure(Protocol):
    """The gateway's TLS (gateway.https)."""

    port: int

    @property
    def authority(self) -> bytes | None:
        """The certificate to trust, in DER; None: there is none, or the retailer has one of its own."""

    @property
    def title(self) -> str:
        """How devices list it."""

    @property
    def fingerprint(self) -> str:
        """SHA-256, 64 hex digits, "" for none."""

    @property
    def best_name(self) -> str: ...

    def stands_for(self, name: str) -> bool:
        """Whether the certificate is for this name or address."""

    def has_come(self, address: str) -> bool:
        """Whether a device at this address reached the secure port just now."""

    @property
    def is_served(self) -> bool:
        """Whether a device that comes to the port now gets a handshake."""


def add_trust(app: FastAPI, pages: Pages, names: Names, secure: Secure | None) -> None:
    """The page and what it asks; without TLS it says so."""
    _add_check(app, names, secure)

    @app.get("/trust", include_in_schema=False)
    async def trust_page(request: Request) -> Response:
        values = _values(request, secure)
        headers = {**FRESH, "Content-Security-Policy": _policy(values["secure"])}
        return HTMLResponse(pages.shell("trust.html", values), headers=headers)

    @app.get("/trust.svg", include_in_schema=False)
    async def code(request: Request) -> Response:
        """A QR code of this page's address, by the name under which it was asked."""
        return Response(qr_svg(f"{_origin(request)}/trust"), media_type="image/svg+xml", headers=FRESH)

    @app.get("/trust/authority.crt", include_in_schema=False)
    async def certificate() -> Response:
        headers = {**FRESH, "Content-Disposition": 'attachment; filename="store-gateway.crt"'}
        return Response(_authority(secure), media_type="application/x-x509-ca-cert", headers=headers)

    @app.get("/trust/authority.mobileconfig", include_in_schema=False)
    async def profile() -> Response:
        found = _authority(secure)
        body = appleprofile.profile(found, secure.title if secure is not None else "", _ABOUT)
        # Not as an attachment: iPads then save it as a file in place of handing it to their settings.
        return Response(body, media_type="application/x-apple-aspen-config", headers=FRESH)


def _add_check(app: FastAPI, names: Names, secure: Secure | None) -> None:
    @app.get("/api/v1/ping", tags=["status"])
    async def ping(request: Request) -> JSONResponse:
        """That the gateway is there, and whether this was asked over TLS. The plain page may ask the secure one."""
        body = {"gateway": secure.fingerprint if secure is not None else "", "secure": _is_secure(request)}
        origin = request.headers.get("origin", "")
        headers = dict(FRESH)
        if names.are_ours(_host_of(origin)):
            headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return JSONResponse(body, headers=headers)

    @app.get("/api/v1/trust", tags=["status"])
    async def trust(request: Request) -> JSONResponse:
        """For a device whose secure connection fails: whether the port serves, and whether this device reached it."""
        address = request.client.host if request.client is not None else ""
        ready = secure is not None and secure.is_served
        reached = secure is not None and secure.has_come(address)
        return JSONResponse({"ready": ready, "reached": reached}, headers=FRESH)


def secure_url(request: Request, secure: Secure | None) -> str:
    """Where the same pages are over TLS, under the name that was asked if the certificate is for it; "" without."""
    if secure is None:
        return ""
    asked = request.url.hostname or ""
    name = asked if secure.stands_for(asked) else secure.best_name
    return f"https://{f'[{name}]' if ':' in name else name}:{secure.port}"


def _values(request: Request, secure: Secure | None) -> dict[str, str]:
    found = secure.authority if secure is not None else None
    offered = secure is not None and secure.is_served
    digits = secure.fingerprint if secure is not None else ""
    if secure is None:
        state = "own" if _is_secure(request) else "none"  # a proxy may stand before us
    else:
        state = "waits" if not offered else "own" if found is None else "ready"
    return {
        "secure": secure_url(request, secure),
        "plain": _origin(request),
        "state": state,
        "title": secure.title if secure is not None else "",
        "fingerprint": " ".join(digits[at : at + 4] for at in range(0, len(digits), 4)),
    }


def _policy(url: str) -> str:
    """The policy of every page, and the live check may ask the secure port."""
    return HEADERS["content-security-policy"] + (f"; connect-src 'self' {url}" if url else "")


def _authority(secure: Secure | None) -> bytes:
    found = secure.authority if secure is not None else None
    if found is None:
        raise HTTPException(404, "This gateway has no authority of its own.")
    return found


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
