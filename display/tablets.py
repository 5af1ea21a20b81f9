"""Which tablet asks, and in whose hands it is: dependencies of the routes that are for tablets."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Cookie, HTTPException, Request

from display import cookies
from gateway.handovers import Handovers
from gateway.staffing import Staffing

LOCKED = "sg_locked"  # says that a tablet is in a customer's hands, also to a gateway that was restarted meanwhile
SHUT = "This tablet is locked. Open it with your PIN."


class Tablets:
    """Which tablet asks: `tablet_of` its cookie. `handovers` None: none is ever handed over; `staffing` None: none has
    a lock. What its role may ask is settled before (display.access)."""

    def __init__(
        self,
        tablet_of: Callable[[str | None], str | None],
        handovers: Handovers | None,
        staffing: Staffing | None = None,
    ) -> None:
        self._tablet_of = tablet_of
        self._handovers = handovers
        self._staffing = staffing

    async def known(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A signed-in tablet, in whosever hands. Raises 401."""
        tablet = self._tablet_of(cookie)
        if tablet is None:
            raise HTTPException(401, "This tablet is not signed in. Open it with your manager's link.")
        if self._handovers is not None:
            self._handovers.is_locked(tablet, locked)  # a tablet that was locked before a restart gets nothing either
        return tablet

    async def ours(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A tablet at which a colleague works. Raises 401, and 423 while it is locked or a customer holds it."""
        tablet = await self.held(cookie, locked)
        if self._staffing is not None and self._staffing.is_locked(tablet):
            raise HTTPException(423, SHUT)
        return tablet

    async def managers(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A tablet at which a manager works, or that has no lock. Raises as `ours`, and 403 for another colleague."""
        return await self._of(("manager",), cookie, locked)

    async def installers(
        self,
        request: Request,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """As `managers`, for who puts up the shop's hardware as well; a device of theirs has no lock to open."""
        return _of_role(request, "installer") or await self._of(("installer", "manager"), cookie, locked)

    async def _of(self, roles: tuple[str, ...], cookie: str | None, locked: str | None) -> str:
        tablet = await self.ours(cookie, locked)
        person = self._staffing.person(tablet) if self._staffing is not None else None
        if person is not None and person.role not in roles:
            raise HTTPException(403, "This is for another colleague.")
        return tablet

    async def held(
        self,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A tablet in no customer's hands, locked or not. Raises 401 and 423."""
        tablet = await self.known(cookie, locked)
        if self._handovers is not None and self._handovers.is_locked(tablet, locked):
            raise HTTPException(423, "This tablet is in a customer's hands. Unlock it with your number.")
        return tablet

    async def at_till(
        self,
        request: Request,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A till's own device, or a tablet in a colleague's hands. Raises as `ours`."""
        return _of_role(request, "till") or await self.ours(cookie, locked)

    async def watching_till(
        self,
        request: Request,
        cookie: Annotated[str | None, Cookie(alias=cookies.COOKIE)] = None,
        locked: Annotated[str | None, Cookie(alias=LOCKED)] = None,
    ) -> str:
        """A till's own device, or a tablet in no customer's hands. Raises as `held`."""
        return _of_role(request, "till") or await self.held(cookie, locked)

    def colleague(self, cookie: str | None) -> tuple[str, str]:
        """The tablet of a cookie and who works at it, by id; each "" for none."""
        tablet = self._tablet_of(cookie) or ""
        return tablet, self._staffing.colleague(tablet) if self._staffing is not None and tablet else ""

    @property
    def redeems(self) -> bool:
        """Whether offers of a card can be held at a till."""
        return self._staffing is not None

    def watches(self, request: Request) -> bool:
        """Whether the device that asks has a lock that shuts by itself."""
        return self.has_lock and not _of_role(request, "installer")

    @property
    def has_lock(self) -> bool:
        """Whether headquarters sent colleagues."""
        return self._staffing is not None and self._staffing.mode != "open"

    def handed(self, tablet: str) -> None:
        """It goes into a customer's hands: nobody works at it any more."""
        if self._staffing is not None:
            self._staffing.lock(tablet, "handed")


def _of_role(request: Request, role: str) -> str:
    """The id of the device that asks if it was paired for this role, else ""."""
    device = request.state.device
    return str(device.device_id) if device is not None and device.grant.role == role else ""
