"""Who may ask what: every route stands in RULES, and what does not stand there is refused.

`Access.check` is a dependency of the whole application, so that it is asked before each route. Whoever asks is this
box's own browser, a device that was approved (gateway.devices), several of them in one browser, or nobody.
"""

import re
import secrets
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request, Response

from display import cookies
from gateway.core.devices import Device, Grant, Kind, Role
from gateway.devices import Devices
from gateway.health import Health

# What a proxy says of whom it asks for; with any of them nobody is this box's own browser.
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_BOX = ("127.0.0.1", "::1")

DISPLAY: tuple[Role, ...] = ("display",)
STAFF: tuple[Role, ...] = ("staff", "manager")
TILLS: tuple[Role, ...] = ("till", "staff", "manager")
MANAGER: tuple[Role, ...] = ("manager",)
INSTALLER: tuple[Role, ...] = ("installer", "manager")


@dataclass(frozen=True, slots=True)
class Rule:
    """`path`: of a whole path; its group "own" is the screen or till that a display or till must be. `roles` None =
    anybody. `box`: this box's own browser may as well. `key`: whoever sends what may be the manager's key is let in to
    be asked for it by the route, which then looks at nothing else. `asks`: what a page that is refused offers to
    become, None = it is refused as a value."""

    path: re.Pattern[str]
    roles: tuple[Role, ...] | None = None
    box: bool = False
    key: bool = False
    asks: Kind | None = None


def _rule(
    path: str, roles: tuple[Role, ...] | None = None, *, box: bool = False, key: bool = False, asks: Kind | None = None
) -> Rule:
    return Rule(re.compile(path), roles, box, key, asks)


_OWN = r"(?P<own>[^/]+)"

RULES = (
    # anybody: files of the pages, the notice, pairing itself, whether the service lives
    _rule(r"/static/.+"),
    _rule(r"/(notice|notice\.svg|join\.svg|healthz)|/api/v1/serving"),
    _rule(r"/api/v1/pairing(/.*)?|/pair\.svg"),
    _rule(r"/brand\.css|/brand/.+"),
    _rule(r"/trust(/.*)?|/trust\.svg|/(manifest\.webmanifest|sw\.js|offline|version\.json)|/api/v1/(ping|trust)"),
    # customers' own phones, each route with its own session
    _rule(r"/me(/.*)?|/h/.+|/o/.+|/scan(/.*)?|/api/v1/(me|scan)(/.*)?"),
    # screens: each its own
    _rule(r"/screen", DISPLAY, box=True, asks="screen"),
    _rule(rf"/api/v1/screens/{_OWN}/.+", DISPLAY, box=True),
    _rule(r"/content/.+", ("display", "staff", "manager"), box=True),
    # tablets
    _rule(r"/tablet", STAFF, key=True, asks="tablet"),
    _rule(r"/api/v1/tablet/.+", STAFF),
    _rule(r"/api/v1/staff(/.*)?", STAFF),
    # tills: a till its own, a colleague's tablet any
    _rule(r"/till", TILLS, key=True, asks="till"),
    _rule(rf"/api/v1/tills/{_OWN}/stream", TILLS),
    _rule(rf"/api/v1/tills/{_OWN}(/(?!stream$).+)?", TILLS, key=True),
    # who approves devices, and who puts them up
    _rule(r"/pair", MANAGER, asks="tablet"),
    _rule(r"/api/v1/devices(/.*)?", MANAGER),
    _rule(r"/install", INSTALLER, key=True, asks="tablet"),
    _rule(r"/install/.+|/api/v1/install(/.*)?", INSTALLER),
    # the state of the box
    _rule(r"/", STAFF, box=True, asks="tablet"),
    _rule(r"/api/v1/status", STAFF, box=True),
    _rule(r"/metrics", MANAGER, box=True, key=True),
    _rule(r"/api/v1/openapi\.json", INSTALLER, box=True),
)


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: the active devices of a browser, at most one of each kind. `box`: this box's own browser; `revoked`:
    kinds of its devices that were revoked."""

    devices: tuple[Device, ...] = ()
    box: bool = False
    revoked: frozenset[Kind] = frozenset()


class Unpaired(HTTPException):
    """A page was asked for by what is not allowed to see it; it may be paired as `kind`."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(401, "This device is not paired.")
        self.kind = kind


def rule_for(path: str) -> Rule | None:
    """The rule of a path; None = nobody has decided, so nobody may."""
    return next((rule for rule in RULES if rule.path.fullmatch(path)), None)


def let_in(rule: Rule, path: str, who: Who) -> Device | bool:
    """The device by which `who` may ask for this path, True without one, False = it may not."""
    if rule.roles is None:
        return True
    found = rule.path.fullmatch(path)
    own = found.groupdict().get("own") if found is not None else None
    for device in who.devices:
        grant = device.grant
        if grant.role in rule.roles and (own is None or grant.role not in ("display", "till") or grant.place == own):
            return device
    return rule.box and who.box and "screen" not in who.revoked


class Access:
    """The door of the application. `devices` None = no device is known but tablets of the manager's link."""

    def __init__(self, devices: Devices | None, health: Health, tablet_key: str, *, proxied: bool = False) -> None:
        self.devices = devices
        self._health = health
        self._tablet_key = tablet_key
        self._proxied = proxied

    async def check(self, request: Request) -> None:
        """Let the request in. `request.state` has `who` asks, the `device` by which it is let in (None for the box and
        where anybody may), and `let_in`: False for one that has yet to show the manager's key.

        Raises Unpaired for a page, 401 for whoever is nobody here and 403 for a device that this is not for.
        """
        who = self.who(request)
        request.state.who, request.state.device, request.state.let_in = who, None, False
        if self.devices is None:
            return
        path = request.scope["path"]
        rule = rule_for(path)
        if rule is None:
            self._health.count("access.no_rule")
            raise HTTPException(403, "Nobody may ask for this.")
        found = let_in(rule, path, who)
        request.state.let_in = bool(found)
        if isinstance(found, Device):
            request.state.device = found
            self.devices.seen(found.device_id)
        elif not found and not (rule.key and _shows_key(request, rule)):
            self._health.count("access.refused")
            if rule.asks is not None:
                raise Unpaired(rule.asks)
            status = 403 if who.devices else 401
            raise HTTPException(status, "This is not for this device." if who.devices else "This device is not paired.")

    def may(self, request: Request, page: str) -> bool:
        """Whether this browser is let in to `page`, as it could be in its address."""
        if self.devices is None:
            return True
        path = page.partition("?")[0]
        rule = rule_for(path)
        return rule is not None and bool(let_in(rule, path, self.who(request)))

    def who(self, request: Request) -> Who:
        """Who asks, by the cookies of a browser, a program's token, and by where it is."""
        active: list[Device] = []
        revoked: set[Kind] = set()
        for kind, name in cookies.COOKIES.items():
            device = self._device(kind, request.cookies.get(name))
            if device is not None and device.via == "token":
                continue  # it counts in its header alone, where no other site's page can have it sent
            if device is not None and device.is_active:
                active.append(device)
            elif device is not None:
                revoked.add(kind)
        program = self._program(request.headers.get("authorization", ""))
        if program is not None and program.is_active:
            active.append(program)
        return Who(tuple(active), self.is_box(request), frozenset(revoked))

    def tablet(self, cookie: str | None) -> str | None:
        """The id of the tablet that shows this cookie and is let in, else None."""
        device = self._device("tablet", cookie)
        return device.device_id if device is not None and device.is_active else None

    async def by_link(self, cookie: str | None) -> str:
        """The id of the tablet that shows the manager's key: its own, if it has one."""
        device_id, _ = cookies.parts(cookie)
        found = self._device("tablet", cookie)
        if found is None:
            device_id = secrets.token_hex(16)
        if self.devices is not None:
            await self.devices.by_link(device_id)
        return device_id

    def is_box(self, request: Request) -> bool:
        """Whether a browser on this very box asks, and no proxy for somebody else."""
        client = request.client
        forwarded = any(name in request.headers for name in FORWARDED)
        return client is not None and client.host in _BOX and not self._proxied and not forwarded

    @contextmanager
    def streaming(self, scope: MutableMapping[str, Any], end: Callable[[], None]) -> Iterator[None]:
        """While a stream is open: `end` is called once its device is revoked or becomes another one."""
        device = scope.get("state", {}).get("device")
        if self.devices is None or device is None:
            yield
            return
        over = self.devices.streaming(device.device_id, end)
        try:
            yield
        finally:
            over()

    def _program(self, authorization: str) -> Device | None:
        """The device of the token that a program shows."""
        scheme, _, token = authorization.partition(" ")
        if self.devices is None or scheme.lower() != "bearer":
            return None
        device = self.devices.whose(*cookies.parts(token.strip()))
        return device if device is not None and device.via == "token" else None

    def _device(self, kind: Kind, cookie: str | None) -> Device | None:
        device_id, key = cookies.parts(cookie)
        if not device_id:
            return None
        found = self.devices.whose(device_id, key) if self.devices is not None else None
        if found is not None:
            return found if found.grant.kind == kind else None
        if kind == "tablet" and cookies.tablet_of(cookie, self._tablet_key) is not None:
            return Device(device_id, b"", Grant("tablet", "manager"), "link", 0, "link")
        return None


def remember(answer: Response, request: Request, kind: Kind, value: str) -> None:
    """A paired device's cookie, which no script reads and no other site sends; anew with each opening of its page."""
    answer.set_cookie(
        cookies.COOKIES[kind],
        value,
        max_age=cookies.DEVICE_MAX_AGE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def renewed(answer: Response, request: Request) -> Response:
    """The page of a paired device, whose cookie begins its time anew."""
    device: Device | None = request.state.device
    if device is not None and device.via == "code":
        kind = device.grant.kind
        remember(answer, request, kind, request.cookies.get(cookies.COOKIES[kind], ""))
    return answer


def _shows_key(request: Request, rule: Rule) -> bool:
    """A page has the manager's key in its address, a point of sale in its header."""
    if rule.asks is not None:
        return bool(request.query_params.get("key"))
    return bool(request.headers.get("authorization"))
