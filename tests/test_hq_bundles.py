"""An operator's folder and brand file: every mistake by file, item and key."""

from pathlib import Path

import pytest

from gateway.core.content import MAX_ITEMS, ContentPut, FileRef
from gateway.errors import ConfigError
from sync import messages
from sync.hq import bundles
from sync.hq.versions import MAX_OP_BYTES
from tests.rigs.bundles import ref_of
from tests.rigs.pictures import png, webm, woff2

PICTURE = """
[[item]]
id = "one"
kind = "image"
file = "one.png"
alt = { de = "Ein Bild" }
"""
WORDS = """
[[item]]
id = "words"
kind = "template"
title = { de = "Titel", en = "Title" }
art = "wine"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.png").write_bytes(png(3, 3))
    (tmp_path / "film.webm").write_bytes(webm(100))
    (tmp_path / "face.woff2").write_bytes(woff2())
    (tmp_path / "big.png").write_bytes(png(8_193, 1))
    (tmp_path / "cut.png").write_bytes(png(640, 360)[:70])
    (tmp_path / "short.woff2").write_bytes(b"wOF2" + bytes(16))
    (tmp_path / "notes.png").write_text("no picture")
    return tmp_path


def faults(folder: Path, text: str) -> list[str]:
    (folder / "content.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        bundles.read_content(folder)
    return [line.removeprefix(f"{folder / 'content.toml'}: ") for line in str(raised.value).splitlines()]


def test_a_whole_folder(folder: Path) -> None:
    (folder / "content.toml").write_text(
        PICTURE
        + 'title = { en = "Hello" }\nseconds = 7\nfit = "contain"\nfrom = 2026-11-01T00:00:00+01:00\n'
        + 'until = 2027-01-01T00:00:00Z\ndays = ["mon", "sun"]\nhours = "8:00-20:30"\nzones = ["wine"]\n'
        + WORDS
        + '[[item]]\nid = "film"\nkind = "video"\nfile = "film.webm"\nalt = { en = "A film" }\nscreens = ["bar"]\n',
        encoding="utf-8",
    )
    found = bundles.read_content(folder)
    (put,) = (messages.parse_op(op) for op in found.ops)
    assert isinstance(put, ContentPut)
    one, words, film = put.items
    assert (one.item_id, one.file, one.seconds, one.fit) == ("one", ref_of(png(3, 3)), 7, "contain")
    assert (one.from_ms, one.until_ms) == (1_793_487_600_000, 1_798_761_600_000)
    assert (one.days, one.from_minute, one.until_minute, one.zones) == ((0, 6), 480, 1_230, ("wine",))
    assert (words.kind, words.art, words.file) == ("template", "wine", None)
    assert (film.kind, film.screens) == ("video", ("bar",))
    assert dict(found.files) == {
        ref_of(png(3, 3)): folder / "one.png",
        ref_of(webm(100)): folder / "film.webm",
    }
    assert found.doubts == ()
    again = bundles.read_content(folder)
    assert again.ops == found.ops  # the same folder has the same name


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (WORDS.replace("Titel", "<b>Titel</b>"), "item 1 (words), title.de: markup; expected plain text"),
        (PICTURE + WORDS.replace("Title", "a&nbsp;b"), "item 2 (words), title.en: markup; expected plain text"),
        (WORDS.replace("wine", "rocket"), "item 1 (words), art: expected one of bag, bread, cheese"),
        (PICTURE.replace("one.png", "two.png"), "item 1 (one), file: two.png: cannot be read"),
        (PICTURE.replace("one.png", "../one.png"), "item 1 (one), file: expected the name of a file of this folder"),
        (PICTURE.replace("one.png", "/etc/passwd"), "item 1 (one), file: expected the name of a file of this folder"),
        (PICTURE.replace("one.png", "notes.png"), "item 1 (one), file: notes.png: its bytes are none of image/png"),
        (PICTURE.replace("one.png", "film.webm"), "item 1 (one), file: film.webm: its bytes are none of image/png"),
        (PICTURE.replace("one.png", "big.png"), "item 1 (one), file: big.png: expected at most 8192 pixels a side"),
        (PICTURE.replace("one.png", "p\\u0000.png"), "item 1 (one), file: expected the name of a file of this folder"),
        (PICTURE.replace("one.png", "p" * 256), "item 1 (one), file: expected the name of a file of this folder"),
        (PICTURE.replace("one.png", "."), "item 1 (one), file: .: cannot be read"),
        (PICTURE + "seconds = 1" + "0" * 5_000, "line 7 (seconds): expected a number of at most 64 digits"),
        (PICTURE.replace("one.png", "cut.png"), "item 1 (one), file: cut.png: ends before all of it is there"),
        (PICTURE.replace('file = "one.png"', ""), "item 1 (one), file: missing; an image needs one"),
        (PICTURE.replace("alt =", "alternative ="), "item 1 (one), alternative: no such key; expected one of id, kind"),
        (PICTURE.replace("alt =", "# alt ="), "item 1 (one), alt: missing; expected what it shows"),
        (PICTURE.replace('"image"', '"picture"'), "item 1 (one), kind: expected 'image', 'video' or 'template'"),
        (PICTURE.replace("[[item]]", "[item]"), "item: expected [[item]]"),
        ("[other]\n" + WORDS, "other: no such key; expected [[item]]"),
        (PICTURE.replace("one", "o n e", 1), "item 1 (o n e), id: expected the form"),
        (PICTURE.replace('id = "one"', ""), "item 1, id: expected the form"),
        (PICTURE + "seconds = 4\n", "item 1 (one), seconds: expected a number of at least 5"),
        (PICTURE + "seconds = 31\n", "item 1 (one), seconds: expected a number of at most 30"),
        (PICTURE + "from = 2026-11-01T00:00:00\n", "item 1 (one), from: expected an instant with its offset"),
        (PICTURE + 'until = "tomorrow"\n', "item 1 (one), until: expected an instant with its offset"),
        (PICTURE + 'hours = "8-20"\n', "item 1 (one), hours: expected hours such as"),
        (PICTURE + 'hours = "08:00-24:01"\n', "item 1 (one), hours: expected hours such as"),
        (PICTURE + 'hours = "08:00-08:00"\n', "item 1 (one), hours: expected an end that is not the beginning"),
        (PICTURE + 'days = ["monday"]\n', "item 1 (one), days: expected days of mon, tue"),
        (PICTURE + "days = []\n", "item 1 (one), days: expected at least one"),
        (PICTURE + "zones = []\n", "item 1 (one), zones: expected at least one"),
        (PICTURE + "screens = []\n", "item 1 (one), screens: expected at least one"),
        (WORDS.replace("Titel", ""), "item 1 (words), title.de: nothing to read"),
        (WORDS.replace("Title", "   "), "item 1 (words), title.en: nothing to read"),
        (WORDS.replace("Titel", "\\u200b"), "item 1 (words), title.de: nothing to read"),
        (WORDS + 'badge = { en = "\u2800" }\n', "item 1 (words), badge.en: nothing to read"),
        (PICTURE.replace("Ein Bild", " "), "item 1 (one), alt.de: nothing to read"),
        (PICTURE + 'days = ["mon", "mon"]\n', "item 1 (one), days: a day stands there twice"),
        (PICTURE + 'title = { fr = "Bonjour" }\n', "item 1 (one), title.fr"),
        (WORDS + "seconds = [1]\n", "item 1 (words), seconds: expected a whole number, found a list"),
        (PICTURE + PICTURE, "items: the id one is there twice"),
        (WORDS.replace("Titel", "x" * 91), "item 1 (words), title.de: expected at most 90 characters"),
        ("[[item]\n", "Expected"),
    ],
)
def test_mistakes(folder: Path, text: str, fault: str) -> None:
    found = faults(folder, text)
    assert any(one.startswith(fault) for one in found), found


def test_all_mistakes_are_said_at_once(folder: Path) -> None:
    text = WORDS.replace("wine", "rocket") + PICTURE.replace("one.png", "two.png") + "seconds = 99\n"
    assert len(faults(folder, text)) == 3


def test_too_many_items_and_no_end_of_mistakes(folder: Path) -> None:
    many = "".join(WORDS.replace("words", f"w{n}") for n in range(MAX_ITEMS + 1))
    assert faults(folder, many) == ["items: expected at most 200, found 201"]
    wrong = "".join(WORDS.replace("words", f"w{n}").replace("wine", "no") for n in range(60))
    assert faults(folder, wrong)[-1] == "and 10 more"


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"content\.toml: cannot be read"):
        bundles.read_content(tmp_path / "nowhere")


def test_many_words_go_in_parts_that_fit(folder: Path) -> None:
    long = WORDS.replace("Titel", "ä" * 90).replace("Title", "ß" * 90)
    long += f'text = {{ de = "{"ö" * 240}", en = "{"é" * 240}" }}\nbadge = {{ de = "{"ü" * 30}" }}\n'
    (folder / "content.toml").write_text("".join(long.replace("words", f"w{n}") for n in range(MAX_ITEMS)))
    found = bundles.read_content(folder)
    assert 1 < len(found.ops) < 20
    puts = [messages.parse_op(op) for op in found.ops]
    assert all(len(messages.compact(op)) <= MAX_OP_BYTES for op in found.ops)
    assert [put.part for put in puts if isinstance(put, ContentPut)] == list(range(1, len(puts) + 1))
    assert sum(len(put.items) for put in puts if isinstance(put, ContentPut)) == MAX_ITEMS


def test_doubts(folder: Path) -> None:
    (folder / "content.toml").write_text(PICTURE + 'until = 2020-01-01T00:00:00Z\nzones = ["wein"]\n')
    found = bundles.read_content(folder, {"wine", "coffee"}, 1_700_000_000_000)
    assert found.doubts == (
        "one: is over already",
        "one: no shop has the zone wein; headquarters knows coffee, wine",
    )


def brand_faults(folder: Path, text: str) -> list[str]:
    path = folder / "brand.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        bundles.read_brand(path)
    return [line.removeprefix(f"{path}: ") for line in str(raised.value).splitlines()]


def test_a_whole_brand(folder: Path) -> None:
    path = folder / "brand.toml"
    path.write_text(
        'name = "Laden"\nlogo = "one.png"\n[light]\naccent = "#7A1F5C"\n[dark]\naccent = "#e79fce"\n'
        '[[font]]\nfile = "face.woff2"\nweight = "400 700"\n'
        '[[font]]\nrole = "display"\nweight = 700\nfile = "face.woff2"\n'
    )
    found = bundles.read_brand(path)
    (op,) = found.ops
    assert op["body"]["light"] == {"accent": "#7a1f5c"}
    assert [(font["role"], font["weight"]) for font in op["body"]["fonts"]] == [("text", "400 700"), ("display", "700")]
    assert dict(found.files) == {ref_of(png(3, 3)): folder / "one.png", ref_of(woff2()): folder / "face.woff2"}
    assert isinstance(next(iter(dict(found.files))), FileRef)
    path.write_text("")
    assert bundles.read_brand(path).ops[0]["body"]["name"] == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[light]\naccent = "#ffcc00"\n', "light: accent on surface has a contrast of 1.41; expected 4.5"),
        ('[light]\naccent = "red"\n', "light.accent: expected the form"),
        ('[light]\nglow = "#ffffff"\n', "light.glow: no such colour; expected one of surface, raised"),
        ('name = "<b>Laden"\n', "name: markup"),
        ("name = 5\n", "name: expected a text"),
        ('logo = "film.webm"\n', "logo: film.webm: its bytes are none of image/png"),
        ('logo = "nowhere.png"\n', "logo: nowhere.png: cannot be read"),
        ('[[font]]\nfile = "one.png"\n', "font 1, file: one.png: its bytes are none of font/woff2"),
        ('[[font]]\nfile = "face.woff2"\nweight = "bold"\n', "font 1, weight: expected the form"),
        ('[[font]]\nfile = "face.woff2"\nweight = "700 400"\n', "font 1, weight: expected one weight, or a range"),
        ('[[font]]\nfile = "short.woff2"\n', "font 1, file: short.woff2: ends before all of it is there"),
        ('[[font]]\nfile = "face.woff2"\nstyle = "italic"\n', "font 1, style: no such key; expected one of role"),
        ('[[font]]\nfile = "face.woff2"\n' * 1_000, "font: expected at most 4, found 1000"),
        ("font = " + "[" * 100_000, "line 1 (font): expected at most 8 lists and tables"),
        ('font = "x"\n', "font: expected [[font]]"),
        ('colour = "x"\n', "colour: no such key; expected one of name, light, dark, logo, font"),
    ],
)
def test_mistakes_of_a_brand(folder: Path, text: str, fault: str) -> None:
    found = brand_faults(folder, text)
    assert any(one.startswith(fault) for one in found), found
