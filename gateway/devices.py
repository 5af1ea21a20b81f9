"""Screens, tablets and tills: who waits, who is approved, and who asks just now. Lives on the event loop.

Everything is in memory for the hot path, and on the disk before anybody is told. Of a device's key the SHA-256 alone
is kept. Knows no cookie and no HTTP.
"""

import contextlib
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

from gateway.core.devices import (
    CODE_MS,
    MAX_DEVICES,
    Device,
    Grant,
    Guessing,
    Kind,
    Orientation,
    State,
    Waiting,
    Waits,
)
from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx

T = TypeVar("T")

_ID_BYTES = 16
_KEY_BYTES = 32

Approved = Literal["ok", "wrong", "wait", "full", "refused"]


class Run(Protocol):
    """The store's way to commit one work (gateway.store)."""

    def __call__(self, work: Callable[[Tx], T]) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What a device that asks is told. `key`: the new device's, once; "" for one that has its own."""

    state: State
    device_id: str = ""
    key: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    left_ms: int = 0
    was_revoked: bool = False
    device: Device | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What whoever approves learns of a code. `wait_ms`: before the next try; `orientation` None = not said."""

    result: Approved
    kind: Kind | None = None
    wish: str = ""
    left_ms: int = 0
    wait_ms: int = 0
    orientation: Orientation | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A program's token, told once."""

    result: Literal["ok", "full", "refused"]
    device_id: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A device as it is listed. `seen_ms` None = not since the gateway started."""

    device: Device
    seen_ms: int | None
    streams: int


class Devices:
    """`screens` and `tills` are those of the configuration; `proof(id)` is the key that the manager's link gives;
    `name`: how this gateway is called."""

    def __init__(
        self,
        run: Run,
        clock: Clock,
        health: Health,
        random: Callable[[int], bytes],
        proof: Callable[[str], str],
        screens: Collection[str],
        tills: Collection[str],
        wake: Callable[[], None],
        name: str = "",
    ) -> None:
        self.name = name
        self._run = run
        self._clock = clock
        self._health = health
        self._random = random
        self._proof = proof
        self._screens = screens
        self._tills = tills
        self._wake = wake
        self.let_go: Callable[[str], None] = lambda _: None  # called with the id of a device that was revoked
        self._devices: dict[str, Device] = {}
        self._seen: dict[str, int] = {}
        self._streams: dict[str, list[Callable[[], None]]] = {}
        # A simulated shop runs faster; whoever walks to the tablet does not.
        self._waiting = Waiting(random, round(CODE_MS * clock.speed))
        self._guessing = Guessing(clock.speed)

    async def start(self) -> None:
        """Read who was approved. What an earlier manager's link let in is let go: that link is no more."""

        def read(tx: Tx) -> list[Device]:
            kept: list[Device] = []
            for device in tx.devices():
                if device.via == "link" and device.key_hash != _hash(self._proof(device.device_id)):
                    tx.drop_device(device.device_id)
                else:
                    kept.append(device)
            return kept

        self._devices = {device.device_id: device for device in await self._run(read)}

    # --- who asks -------------------------------------------------------------------------------------------

    def whose(self, device_id: str, key: str) -> Device | None:
        """The device that has this key, active or revoked; None = nobody's."""
        device = self._devices.get(device_id)
        if device is None:
            return None
        return device if hmac.compare_digest(_hash(key), device.key_hash) else None

    def seen(self, device_id: str) -> None:
        """It asked just now."""
        self._seen[device_id] = self._clock.now_ms()

    def streaming(self, device_id: str, end: Callable[[], None]) -> Callable[[], None]:
        """A stream of this device is open, and `end` ends it; the answer is called when it is over."""
        ends = self._streams.setdefault(device_id, [])
        ends.append(end)

        def over() -> None:
            ends.remove(end)
            if not ends and self._streams.get(device_id) is ends:
                del self._streams[device_id]

        return over

    # --- the device's side ----------------------------------------------------------------------------------

    def ask(
        self, device_id: str, key: str, kind: Kind, wish: str, source: str, orientation: Orientation | None = None
    ) -> Shown | None:
        """Have this device show a code; one that nobody knows becomes a new one. None = its address asks too often."""
        now_ms = self._clock.now_ms()
        device, new_key = self._own(device_id, key, kind), ""
        if device is None and not self._is_waiting(device_id, key, kind):
            device_id, new_key = self._random(_ID_BYTES).hex(), self._random(_KEY_BYTES).hex()
            key = new_key
        if device is not None and device.is_active:
            return Shown("active", device_id, device=device)
        waits = self._waiting.ask(device_id, _hash(key), kind, wish, source, now_ms, orientation)
        if waits is None:
            self._health.count("devices.asked_too_often")
            return None
        return replace(self._shown(waits, device), key=new_key)

    def look(self, device_id: str, key: str, kind: Kind) -> Shown:
        """What has become of it. Costs nothing and may be asked often."""
        device = self._own(device_id, key, kind)
        if device is not None and device.is_active:
            return Shown("active", device_id, device=device)
        waits = self._waiting.of(device_id, self._clock.now_ms())
        if waits is not None and waits.kind == kind and hmac.compare_digest(_hash(key), waits.key_hash):
            self._waiting.looks(waits, self._clock.now_ms())
            return self._shown(waits, device)
        return Shown("revoked" if device is not None else "new", was_revoked=device is not None)

    def _own(self, device_id: str, key: str, kind: Kind) -> Device | None:
        device = self.whose(device_id, key)
        return device if device is not None and device.grant.kind == kind and device.via != "token" else None

    def _is_waiting(self, device_id: str, key: str, kind: Kind) -> bool:
        """A device of another kind is another device, or its approval would take the place of the first."""
        if device_id in self._devices:
            return False
        waits = self._waiting.of(device_id, self._clock.now_ms())
        return waits is not None and waits.kind == kind and hmac.compare_digest(_hash(key), waits.key_hash)

    def _shown(self, waits: Waits, device: Device | None) -> Shown:
        left_ms = waits.ends_ms - self._clock.now_ms()
        state: State = "refused" if waits.refused else "pending"
        code = "" if waits.refused else waits.code
        return Shown(state, waits.device_id, code=code, left_ms=left_ms, was_revoked=device is not None)

    # --- the approver's side --------------------------------------------------------------------------------

    def find(self, code: str, by: str) -> Found:
        """What shows this code: ok, wrong, or wait. A wrong one costs `by` a wait."""
        waits = self._guessed(code, by)
        if isinstance(waits, Found):
            return waits
        left_ms = waits.ends_ms - self._clock.now_ms()
        return Found("ok", waits.kind, waits.wish, left_ms, orientation=waits.orientation)

    async def approve(self, code: str, grant: Grant, by: str) -> Found:
        """Make a device ours; ok, wrong, wait, refused (this cannot be granted) or full. Of two who approve, one does.

        Raises StoreError; then the code still counts.
        """
        waits = self._guessed(code, by)
        if isinstance(waits, Found):
            return waits
        if grant.kind != waits.kind or grant.wrong(self._screens, self._tills):
            return Found("refused")
        device = Device(waits.device_id, waits.key_hash, grant, "code", self._clock.now_ms(), by)
        gone = self._room_for(device.device_id)
        if gone is None:
            self._health.count("devices.full")
            return Found("full")
        self._waiting.take(waits)
        try:
            await self._keep(device, by, "device.paired", gone)
        finally:
            self._waiting.give_back(waits)
        self._waiting.drop(waits)
        self._health.count("devices.paired")
        return Found("ok", grant.kind)

    def refuse(self, code: str, by: str) -> Found:
        """Its page says that it was refused, and asks no more by itself."""
        waits = self._guessed(code, by)
        if isinstance(waits, Found):
            return waits
        self._waiting.refuse(waits)
        self._health.count("devices.refused")
        return Found("ok", waits.kind)

    async def issue(self, grant: Grant, by: str) -> Issued:
        """Let a program be a screen or a till by a token that it shows with each request. Tablets are for people, who
        say by a PIN who they are. Raises StoreError; then the token counts for nothing."""
        if grant.kind == "tablet" or grant.wrong(self._screens, self._tills):
            return Issued("refused")
        device_id, key = self._random(_ID_BYTES).hex(), self._random(_KEY_BYTES).hex()
        gone = self._room_for(device_id)
        if gone is None:
            self._health.count("devices.full")
            return Issued("full")
        await self._keep(
            Device(device_id, _hash(key), grant, "token", self._clock.now_ms(), by), by, "device.paired", gone
        )
        self._health.count("devices.paired")
        return Issued("ok", device_id, key)

    async def by_link(self, device_id: str) -> None:
        """The manager's link was opened on this tablet: it is a manager's, whatever it was.

        Where no place is left, or the disk refuses, it is let in and stands in no list.
        """
        had = self._devices.get(device_id)
        if had is not None and had.is_active and had.via == "link":
            return
        gone = self._room_for(device_id)
        if gone is None:
            self._health.count("devices.full")
            return
        grant = replace(had.grant, role="manager") if had is not None else Grant("tablet", "manager")
        device = Device(device_id, _hash(self._proof(device_id)), grant, "link", self._clock.now_ms(), "link")
        if had is not None:
            self._devices[device_id] = device
        with contextlib.suppress(StoreError):
            await self._keep(device, "link", "device.paired", gone)

    async def change(self, device_id: str, grant: Grant, by: str) -> Literal["ok", "gone", "refused"]:
        """Give an active device another name, place or role; another name alone ends no stream. Raises StoreError."""
        device = self._devices.get(device_id)
        if device is None or not device.is_active:
            return "gone"
        if grant.kind != device.grant.kind or grant.wrong(self._screens, self._tills):
            return "refused"
        await self._keep(replace(device, grant=grant), by, "device.changed", "")
        if grant != replace(device.grant, name=grant.name):
            self._end_streams(device_id)
        return "ok"

    async def revoke(self, device_id: str, by: str) -> Literal["ok", "gone"]:
        """End its streams at once and let it ask for nothing any more. Raises StoreError; then its streams ended, and
        it is let in again only if the gateway starts anew."""
        device = self._devices.get(device_id)
        if device is None or not device.is_active:
            return "gone"
        revoked = replace(device, revoked_ms=self._clock.now_ms(), revoked_by=by)
        self._devices[device_id] = revoked  # before the commit: nobody who was let go may stay for a slow disk
        self._end_streams(device_id)
        self.let_go(device_id)
        self._health.count("devices.revoked")
        await self._keep(revoked, by, "device.revoked", "")
        return "ok"

    def listed(self) -> list[Listed]:
        """All devices, active ones first, each group by when it was paired."""
        found = [
            Listed(device, self._seen.get(device.device_id), len(self._streams.get(device.device_id, ())))
            for device in self._devices.values()
        ]
        return sorted(found, key=lambda one: (not one.device.is_active, one.device.paired_ms))

    @property
    def waiting(self) -> int:
        """How many show a code."""
        return self._waiting.count(self._clock.now_ms())

    @property
    def places(self) -> tuple[Collection[str], Collection[str]]:
        """Screens and tills that a device may be given."""
        return self._screens, self._tills

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._waiting.shift(delta_ms)
        self._guessing.shift(delta_ms)
        self._seen = {device_id: at_ms + delta_ms for device_id, at_ms in self._seen.items()}

    def _guessed(self, code: str, by: str) -> Waits | Found:
        now_ms = self._clock.now_ms()
        wait_ms = self._guessing.wait_ms(by, now_ms)
        if wait_ms:
            self._health.count("devices.guess_wait")
            return Found("wait", wait_ms=wait_ms)
        waits = self._waiting.by_code(code, now_ms)
        if waits is None:
            self._health.count("devices.wrong_code")
            self._guessing.wrong(by, now_ms)
            return Found("wrong", wait_ms=self._guessing.wait_ms(by, now_ms))
        self._guessing.right(by)
        return waits

    def _room_for(self, device_id: str) -> str | None:
        """Who goes for it, "" for nobody; None = no place is left. What the manager's link let in and somebody revoked
        is never forgotten: its key could be made again."""
        if device_id in self._devices or len(self._devices) < MAX_DEVICES:
            return ""
        old = [one for one in self._devices.values() if not one.is_active and one.via != "link"]
        return min(old, key=lambda one: one.revoked_ms or 0).device_id if old else None

    async def _keep(self, device: Device, by: str, what: str, gone: str) -> None:
        grant, now_ms, before = device.grant, self._clock.now_ms(), self._devices.get(device.device_id)
        told = {"device_id": device.device_id, "kind": grant.kind, "role": grant.role, "place": grant.place}

        def write(tx: Tx) -> None:
            if gone:
                tx.drop_device(gone)
            tx.put_device(device)
            tx.note(now_ms, "", by, what, "", told)
            if what == "device.revoked":
                tx.emit(Event("device.revoked", now_ms, told))
            else:
                tx.emit(Event("device.paired", now_ms, told))

        await self._run(write)
        if gone:
            self._devices.pop(gone, None)
        now = self._devices.get(device.device_id)
        if now is before or now is None or now.is_active:  # else it was revoked meanwhile, and stays so
            self._devices[device.device_id] = device
        self._wake()

    def _end_streams(self, device_id: str) -> None:
        for end in list(self._streams.get(device_id, ())):
            end()


def _hash(key: str) -> bytes:
    """SHA-256: a key of 256 random bits needs no slow hash."""
    return hashlib.sha256(key.encode(errors="replace")).digest()
