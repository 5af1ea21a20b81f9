"""Cookies at the secure port have names of their own, as plain ASGI.

A browser has one jar for a host, whatever the port, and an insecure page may not replace a Secure cookie (RFC 6265bis,
section 5.7). So a tablet that signed in over TLS would be locked out of the plain pages as long as its cookie lives.
Over TLS every cookie therefore travels as "__Host-<name>" (section 4.1.3.2), which no insecure page can plant either;
one that came by the plain page counts where there is no such.
"""

from http.cookies import CookieError, SimpleCookie

from display.guard import App, Event, Receive, Scope, Send

PREFIX = "__Host-"


class SecureCookies:
    """Wrap an ASGI app that knows nothing of this."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope.get("scheme") != "https":
            await self._app(scope, receive, send)
            return

        async def renamed(event: Event) -> None:
            if event["type"] == "http.response.start":
                headers: list[tuple[bytes, bytes]] = []
                for name, value in event.get("headers", ()):
                    headers += [(name, one) for one in _told(value)] if name == b"set-cookie" else [(name, value)]
                event = {**event, "headers": headers}
            await send(event)

        headers = [(name, _heard(value) if name == b"cookie" else value) for name, value in scope["headers"]]
        await self._app({**scope, "headers": headers}, receive, renamed)


def _heard(value: bytes) -> bytes:
    """A Cookie header as the application knows it."""
    pairs: dict[str, str] = {}
    secure: dict[str, str] = {}
    for part in value.decode("latin-1").split(";"):
        name, _, text = part.strip().partition("=")
        if name.startswith(PREFIX):
            secure[name.removeprefix(PREFIX)] = text
        elif name:
            pairs[name] = text
    return "; ".join(f"{name}={text}" for name, text in {**pairs, **secure}.items()).encode("latin-1")


def _told(value: bytes) -> list[bytes]:
    """A Set-Cookie header as the browser gets it; one that ends a cookie ends the plain page's, too."""
    text = value.decode("latin-1")
    name, _, rest = text.partition("=")
    ours = f"{PREFIX}{name}={rest}"
    if "secure" not in {part.strip().lower() for part in rest.split(";")[1:]}:
        ours += "; Secure"
    told = [ours.encode("latin-1")]
    if _ends(text):
        told.append(value)
    return told


def _ends(text: str) -> bool:
    try:
        return any(morsel["max-age"] == "0" for morsel in SimpleCookie(text).values())
    except CookieError:
        return False
