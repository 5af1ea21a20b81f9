"""display.securecookies: over TLS a cookie has a name of its own, and locks nobody out of the plain pages."""

from typing import Any

import pytest

from display.guard import Event, Receive, Scope, Send
from display.securecookies import SecureCookies


async def asked(scheme: str, cookie: str = "", answer: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """What the application hears of `cookie`, and what the browser gets of `answer`."""
    heard: list[str] = []
    told: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend(value.decode() for name, value in scope["headers"] if name == b"cookie")
        headers = [(b"set-cookie", one.encode()) for one in answer]
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"x", b"y")]})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Event:
        return {"type": "http.disconnect"}

    async def send(event: Event) -> None:
        told.extend(value.decode() for name, value in event.get("headers", ()) if name == b"set-cookie")

    scope: dict[str, Any] = {"type": "http", "scheme": scheme, "headers": [(b"cookie", cookie.encode())]}
    await SecureCookies(app)(scope, receive, send)
    return heard[0], told


async def test_the_plain_page_is_untouched() -> None:
    assert await asked("http", "a=1; __Host-a=2", ("a=3; Path=/",)) == ("a=1; __Host-a=2", ["a=3; Path=/"])


async def test_over_tls_a_cookie_is_secure_and_only_this_hosts() -> None:
    _, told = await asked("https", "", ("a=3; HttpOnly; Path=/; SameSite=strict",))
    assert told == ["__Host-a=3; HttpOnly; Path=/; SameSite=strict; Secure"]
    _, told = await asked("https", "", ("a=3; Path=/; Secure",))
    assert told == ["__Host-a=3; Path=/; Secure"]


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        ("__Host-a=2; a=1", "a=2"),
        ("a=1; __Host-a=2", "a=2"),
        ("a=1", "a=1"),  # let in by the plain page before
        ("b=5; __Host-a=x=y", "b=5; a=x=y"),
        ("", ""),
        (";;=;  ", ""),
    ],
)
async def test_over_tls_its_own_cookie_counts_first(sent: str, heard: str) -> None:
    assert (await asked("https", sent))[0] == heard


async def test_what_ends_ends_for_the_plain_page_too() -> None:
    ending = 'a=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax'
    _, told = await asked("https", "", (ending,))
    assert told == [f"__Host-{ending}; Secure", ending]


async def test_other_events_pass() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return None

    await SecureCookies(app)({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]
