"""What can be held in front of the emulated reader: specs that cross a pipe as JSON, and the cards they describe.

A phone is ISO-DEP around applets; each applet is a module of this package, found by name when it is needed.
"""

import importlib
from typing import Any, Protocol

from gateway.emulator import ndef as ndef_applet
from gateway.emulator.iso_dep import ENDLESS, Applet, IsoDep, Manners
from gateway.emulator.type2 import CHIPS, Classic, Type2, memory

__all__ = ["ENDLESS", "Card", "Spec", "classic", "make", "phone", "type2", "type4"]

Spec = dict[str, Any]

TYPE4_ATS = bytes.fromhex("0578807002")  # FSCI 8, FWI 7: 38.7 ms
PHONE_ATS = bytes.fromhex("0578808002")  # FWI 8: 77.3 ms
THINK_MS = 5
SIGNING_THINK_MS = 30  # an ECDSA signature in a phone's key store, and the way to the app and back
SIGNING = ("hce",)


def type2(
    ndef: bytes | None,
    uid: str = "04a1b2c3d4e5f6",
    chip: str = "ntag213",
    cc: bytes | None = None,
    announce: int | None = None,
    lock_tlv: bool = False,
) -> Spec:
    """An NTAG ("ntag213", "ntag215", "ntag216") with an NDEF message; None = without capability container.

    `announce`: the length that its TLV states, and no terminator: half formatted. `cc`: a capability container of
    its own. `lock_tlv`: a lock control TLV stands before the message.
    """
    return {
        "kind": "type2",
        "ndef": None if ndef is None else ndef.hex(),
        "uid": uid,
        "chip": chip,
        "cc": None if cc is None else cc.hex(),
        "announce": announce,
        "lock_tlv": lock_tlv,
    }


def classic(uid: str = "5a6b7c8d") -> Spec:
    """A MIFARE Classic, which answers nothing useful without its keys."""
    return {"kind": "classic", "uid": uid}


def type4(
    ndef: bytes | None,
    uid: str | None = "04112233445566",
    ats: bytes = TYPE4_ATS,
    cc: bytes = ndef_applet.CC,
    endless: bool = False,
    announce: int | None = None,
    wtx: int = 0,
) -> Spec:
    """A card with the NDEF application only; None = without it. `cc`, `endless`, `announce`: see `ndef.applet`."""
    applets = [] if ndef is None else [ndef_applet.applet(ndef, cc, announce, endless)]
    return phone(applets, uid, ats=ats, think_ms=0, wtx=wtx)


def phone(
    applets: list[Spec],
    uid: str | None = None,
    *,
    ats: bytes = PHONE_ATS,
    listens: str = "always",
    react_ms: float = 80,
    think_ms: float | None = None,
    wtx: int = 0,
    extended: bool = False,
    sel_res: int = 0x20,
) -> Spec:
    """A phone, or with `uid` a card, with applets such as `{"applet": "hce", ...}` (or "kind").

    `uid` None = a new random one at each field. `listens`: "ecp" = silent until Apple's polling frame was heard, and
    then for `react_ms` (real ones: 70 to 100 ms, kormax/apple-enhanced-contactless-polling). `think_ms`: for each
    APDU; None = 5, or 30 in an applet that signs; but for SELECT an applet's own `think_ms` goes first. `wtx`:
    so many S(WTX) before each answer, or ENDLESS; without it one comes when thinking takes longer than the ATS allows.
    """
    if listens not in ("always", "ecp"):
        raise ValueError('a phone listens "always" or to "ecp"')
    return {
        "kind": "iso_dep",
        "applets": applets,
        "uid": uid,
        "ats": ats.hex(),
        "listens": listens,
        "react_ms": react_ms,
        "think_ms": think_ms,
        "wtx": wtx,
        "extended": extended,
        "sel_res": sel_res,
    }


class Card(Protocol):
    """What is in front of the antenna. Frames come and go without CRC; a card knows no clock."""

    @property
    def sens_res(self) -> bytes:
        """As the PN532 reports it, high byte first."""

    @property
    def sel_res(self) -> int: ...

    @property
    def crc(self) -> bool:
        """The chip checks the CRC itself (ISO-DEP), or the host does (Type 2)."""

    @property
    def uid(self) -> bytes: ...

    @property
    def delay_ms(self) -> float:
        """How long the last answer takes."""

    def hear(self, frame: bytes, now_ms: int) -> None:
        """A frame to nobody, with its CRC, while the field is on."""

    def polled(self, now_ms: int) -> bool:
        """Whether it answers REQA now."""

    def select(self) -> None:
        """Anticollision is over."""

    def power_off(self) -> None:
        """The field went off."""

    def answer(self, frame: bytes) -> bytes | None:
        """The reply to a frame, or None for silence."""


def make(spec: Spec) -> Card:
    """The card that a spec describes. Raises KeyError, ValueError, ModuleNotFoundError for an applet not there."""
    uid = None if spec["uid"] is None else bytes.fromhex(spec["uid"])
    if spec["kind"] == "iso_dep":
        return IsoDep(uid, [_applet(applet) for applet in spec["applets"]], _manners(spec))
    if uid is None:
        raise ValueError("only phones change their UID")
    if spec["kind"] == "classic":
        return Classic(uid)
    message = None if spec["ndef"] is None else bytes.fromhex(spec["ndef"])
    cc = None if spec["cc"] is None else bytes.fromhex(spec["cc"])
    chip = CHIPS[spec["chip"]]
    pages = memory(chip, uid, message, cc=cc, announce=spec["announce"], lock_tlv=spec["lock_tlv"])
    return Type2(uid, chip, pages)


def _name(spec: Spec) -> str:
    """The applet's module, from its spec's "applet" or "kind"."""
    return str(spec["applet"] if "applet" in spec else spec["kind"])


def _applet(spec: Spec) -> Applet:
    name = _name(spec)
    if not name.isidentifier():
        raise ValueError("an applet is named by its module")
    made: Applet = importlib.import_module(f"gateway.emulator.{name}").make(spec)
    return made


def _manners(spec: Spec) -> Manners:
    chosen = spec["think_ms"]
    by_applet = tuple(
        applet.get("think_ms", SIGNING_THINK_MS if chosen is None and _name(applet) in SIGNING else None)
        for applet in spec["applets"]
    )
    return Manners(
        ats=bytes.fromhex(spec["ats"]),
        sel_res=spec["sel_res"],
        listens_ecp=spec["listens"] == "ecp",
        react_ms=spec["react_ms"],
        think_ms=THINK_MS if chosen is None else chosen,
        applet_think_ms=by_applet,
        wtx=spec["wtx"],
        extended=spec["extended"],
    )
