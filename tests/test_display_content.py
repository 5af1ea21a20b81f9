"""Files by their hash, and the brand's sheet, logo and fonts."""

import itertools
from pathlib import Path

import httpx
import pytest

from display import content
from display.api import create_app
from display.hub import Hub
from gateway.core import brand as brands
from gateway.core import media
from gateway.core.brand import Brand, Font
from gateway.core.content import Item, for_screen
from gateway.health import Health
from tests.rigs.bundles import picture, ref_of, template
from tests.rigs.pictures import png, webm, woff2
from tests.rigs.shopfront import FakePath, HandClock

PICTURE, FILM, FONT = png(3, 2), webm(1_000), woff2()
FILES = {ref_of(data).sha256: data for data in (PICTURE, FILM, FONT)}


class Shown:
    """What is shown, from a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.brand = Brand()
        self.all: tuple[Item, ...] = ()
        for name, data in FILES.items():
            (folder / name).write_bytes(data)

    @property
    def look(self) -> str:
        return brands.look_of(self.brand)

    def items(self, screen: str, zone: str) -> tuple[Item, ...]:
        return for_screen(self.all, screen, zone)

    async def file(self, sha256: str) -> tuple[Path, str] | None:
        if sha256 not in FILES:
            return None
        return self.folder / sha256, media.type_of(FILES[sha256]) or ""


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path)


@pytest.fixture
def client(shown: Shown) -> httpx.AsyncClient:
    clock, health = HandClock(), Health()
    app = create_app(FakePath(), Hub(clock, health), health, clock, "key", "0", shown=shown)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_a_file_is_served_for_ever_with_its_own_type(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/content/{ref_of(PICTURE).sha256}")
    assert answer.content == PICTURE
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    head = await client.head(f"/content/{ref_of(PICTURE).sha256}")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_film_is_served_in_ranges(client: httpx.AsyncClient) -> None:
    url = f"/content/{ref_of(FILM).sha256}"
    answer = await client.get(url, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, FILM[10:20])
    assert answer.headers["content-range"] == "bytes 10-19/1000"
    assert answer.headers["content-type"] == "video/webm"
    assert (await client.get(url, headers={"Range": "bytes=990-"})).content == FILM[990:]
    assert (await client.get(url, headers={"Range": "bytes=2000-"})).status_code == 416
    assert (await client.get(url)).headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("name", ["0" * 64, "x", "..%2f..%2fetc%2fpasswd", ref_of(PICTURE).sha256.upper()])
async def test_what_is_not_there(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/content/{name}")
    assert answer.status_code == 404
    assert "error" in answer.json()


async def test_without_a_brand_the_pages_are_as_they_are(client: httpx.AsyncClient) -> None:
    sheet = await client.get("/brand.css")
    assert (sheet.status_code, sheet.text, sheet.headers["cache-control"]) == (200, "", "no-store")
    assert (await client.get("/brand/logo")).status_code == 404
    assert (await client.get("/brand/font/0")).status_code == 404
    page = (await client.get("/screen?id=bar")).text
    assert 'href="/brand.css"' in page


async def test_a_brand_has_its_own_addresses(client: httpx.AsyncClient, shown: Shown) -> None:
    shown.brand = Brand("Laden", {"accent": "#7a1f5c"}, {}, ref_of(PICTURE), (Font("text", "400", ref_of(FONT)),))
    look = shown.look
    for path, kind in ((f"/brand.css?v={look}", "text/css; charset=utf-8"), ("/brand/logo?v=" + look, "image/png")):
        answer = await client.get(path)
        assert answer.headers["content-type"] == kind
        assert "immutable" in answer.headers["cache-control"]
    for path in ("/brand.css", "/brand.css?v=older", "/brand/logo", "/brand/font/0?v=older"):
        assert (await client.get(path)).headers["cache-control"] == "no-store"
    font = await client.get(f"/brand/font/0?v={look}")
    assert (font.content, font.headers["content-type"]) == (FONT, "font/woff2")
    for number in ("1", "-1"):
        assert (await client.get(f"/brand/font/{number}")).status_code == 404
    assert (await client.get("/brand/font/x")).status_code == 422
    assert "--accent:#7a1f5c" in (await client.get(f"/brand.css?v={look}")).text


async def test_every_page_links_the_brand_after_the_base(client: httpx.AsyncClient, shown: Shown) -> None:
    shown.brand = Brand("Laden", {"accent": "#7a1f5c"})
    static = Path(content.__file__).parent / "static"
    named = {path.name: path.read_text() for path in static.glob("*.html")}
    del named["offline.html"]  # shown while the gateway is away: a sheet that never comes would hold it up
    shells = [text for text in named.values() if "<head>" in text]
    assert len(shells) > 10
    for shell in shells:
        sheets = [line for line in shell.splitlines() if 'rel="stylesheet"' in line]
        assert sheets[:2] == [
            '<link rel="stylesheet" href="{{base}}/base.css">',
            '<link rel="stylesheet" href="{{brand}}">',
        ]
    for path in ("/screen?id=bar", "/screen", "/", "/notice", "/tablet", "/scan"):
        page = (await client.get(path)).text
        assert f'href="/brand.css?v={shown.look}"' in page, path


def test_an_item_as_screens_get_it() -> None:
    item = picture(
        "p", file=ref_of(PICTURE), title={"de": "T"}, zones=("wine",), days=(0,), from_minute=1, until_minute=2
    )
    assert content.media(item) == {
        "id": "p",
        "kind": "image",
        "src": f"/content/{ref_of(PICTURE).sha256}",
        "sha256": ref_of(PICTURE).sha256,
        "title": {"de": "T"},
        "text": {},
        "badge": {},
        "art": "",
        "alt": {"de": "Ein Bild"},
        "seconds": 10,
        "fit": "cover",
        "from_ms": None,
        "until_ms": None,
        "days": [0],
        "from_minute": 1,
        "until_minute": 2,
        "zones": [],
    }
    words = content.media(template(text={"en": "Hello"}))
    assert (words["src"], words["sha256"], words["art"], words["text"]) == ("", "", "bread", {"en": "Hello"})


def test_a_screen_is_told_what_is_for_it(shown: Shown) -> None:
    shown.all = (picture("wine", zones=("wine",)), template("all"))
    told = content.of_screen(shown, "bar", "coffee")
    assert [one["id"] for one in told["media"]] == ["all"]  # type: ignore[attr-defined]  # a list, as JSON has it
    assert told["brand"] == {"name": "", "logo": None}
    shown.brand = Brand("Laden", {}, {}, ref_of(PICTURE))
    assert content.of_screen(shown, "bar", "coffee")["brand"] == {
        "name": "Laden",
        "logo": f"/brand/logo?v={shown.look}",
    }


async def test_nothing_is_shown_without_a_bundle() -> None:
    nothing = content.Nothing()
    assert content.of_screen(nothing, "bar", "coffee") == {"media": [], "brand": {"name": "", "logo": None}}
    assert await nothing.file("0" * 64) is None
    assert list(itertools.chain(nothing.items("bar", "coffee"))) == []
