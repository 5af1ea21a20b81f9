"""The pages' files, read once at start: shells filled with text, assets under a URL that carries their hash."""

import hashlib
import io
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import segno

from display import notices
from display.notices import Html
from gateway.core.model import ShopConfig
from gateway.core.notice import missing

ROOT = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_SLOT = re.compile(r"\{\{(\w+)\}\}")
# 200 characters are a QR code of 61 modules: 6 pixels each on the smallest full-HD panel (CSS: 38 vmin).
_WEB = re.compile(r"https?://[!-~]{1,192}")


# What the page says that lists the tills: of one that nobody knows, which one it is, and of none at all.
_NO_SUCH_TILL = (
    "<h1>Eine Kasse dieses Namens gibt es hier nicht</h1>"
    '<p class="other" lang="en">There is no till of this name here</p>'
    '<p>Neben welcher steht dieses Gerät? · <span lang="en">Beside which one does this device stand?</span></p>'
)
_WHICH_TILL = (
    "<h1>Neben welcher Kasse steht dieses Gerät?</h1>"
    '<p class="other" lang="en">Beside which till does this device stand?</p>'
)
_NO_TILLS = (
    '<p class="other">Noch kein Leser hat eine Kasse in der Konfiguration (<code>till</code>). · '
    '<span lang="en">No reader of the configuration has a <code>till</code> yet.</span></p>'
)


@dataclass(frozen=True, slots=True)
class Asset:
    media_type: str
    body: bytes


class Pages:
    """All files of `root`; `build` is the hash of every byte of them. `look` says the hash of the brand that lies over
    them, "" for none."""

    def __init__(self, root: Path = ROOT, look: Callable[[], str] = lambda: "") -> None:
        files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.*"))}
        digest = hashlib.sha256()
        for name, body in files.items():
            digest.update(f"{name}\0{len(body)}\0".encode() + body)
        self.build = digest.hexdigest()[:16]
        self.base = f"/static/{self.build}"
        self._look = look
        self._assets = {
            name: Asset(TYPES[Path(name).suffix], body) for name, body in files.items() if Path(name).suffix in TYPES
        }
        self._shells = {name: body.decode() for name, body in files.items() if name.endswith(".html")}

    @property
    def version(self) -> str:
        """What changes with anything that a page consists of; a page of another version loads itself anew."""
        look = self._look()
        return f"{self.build}-{look}" if look else self.build

    @property
    def brand(self) -> str:
        """Where the brand's style sheet is; another brand has another address."""
        look = self._look()
        return f"/brand.css?v={look}" if look else "/brand.css"

    def asset(self, build: str, name: str) -> Asset | None:
        """A file of this build; None for another build or an unknown name."""
        return self._assets.get(name) if build == self.build else None

    def source(self, name: str) -> str:
        """The page `name` with its slots."""
        return self._shells[name]

    def shell(self, name: str, values: Mapping[str, str] | None = None) -> str:
        """The page `name` with its {{slots}} filled in one pass; every value but notices.Html is escaped."""
        slots = {"base": self.base, "build": self.version, "brand": self.brand, **(values or {})}

        def fill(slot: re.Match[str]) -> str:
            value = slots[slot[1]]
            return value if isinstance(value, Html) else escape(value)

        return _SLOT.sub(fill, self._shells[name])

    def tills(self, names: Collection[str], unknown: bool = False) -> str:
        """The page that asks which till this is; `unknown`: somebody asked for one that there is not."""
        listed = sorted(map(escape, names))
        links = [f'<li><a class="button" href="/till?id={name}">{name}</a></li>' for name in listed]
        slots = {
            "question": Html(_NO_SUCH_TILL if unknown and links else _WHICH_TILL),
            "links": Html("".join(links)),
            "none": Html("" if links else _NO_TILLS),
        }
        return self.shell("which_till.html", slots)

    def notice(self, shop: ShopConfig, zones: Collection[str] = (), language: str = "") -> str:
        """The privacy notice in `language`, in all of them if it is not one, or a page that says what is missing.

        `zones` are those with a receiver. Without a whole notice nobody is recognised.
        """
        lacks = missing(shop.notice)
        if shop.notice is None or lacks:
            return self.shell("no_notice.html", notices.missing_values(lacks))
        every = notices.languages(shop.notice)
        shown = [language] if language in every else every
        sheets = [
            self.shell(f"notice_{one if one in notices.OWN else 'en'}.html", values)
            for one in shown
            for values in [notices.sheet_values(shop, shop.notice, one, zones)]
        ]
        long = max(len(shop.notice.text[one]) for one in shown) > notices.LONG_CHARS or len(shown) > len(notices.OWN)
        values = {
            "count": str(len(shown)),
            "length": "long" if long else "short",
            "languages": notices.switches(every, shown),
            "sheets": Html("".join(sheets)),
        }
        return self.shell("notice.html", values)


def join_target(shop: ShopConfig, notice_url: str | None) -> str | None:
    """Where a stranger's phone is sent: headquarters' page, else the privacy notice, else None."""
    return shop.join_url if _WEB.fullmatch(shop.join_url) else notice_url


def code_path(url: str) -> str:
    """The address of the QR code of `url`; another `url` has another one, so that a page keeps no old picture."""
    return f"/join.svg?v={hashlib.sha256(url.encode()).hexdigest()[:12]}"


def qr_svg(url: str) -> bytes:
    """A QR code of `url` as an SVG file: level M, four modules of quiet zone, dark on white."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        out, kind="svg", border=4, dark="#221d18", light="#ffffff", omitsize=True, svgclass=None, lineclass=None
    )
    return out.getvalue()
