"""A bundle and a brand from an operator's folder to a screen: real broker, headquarters and gateway."""

import json
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import democontent
from gateway.core.fetching import PIECE_BYTES
from gateway.tables.rows import as_json
from sync.hq import publishing
from tests.rigs.pictures import png, webm
from tests.rigs.system import System, wait_for

pytestmark = pytest.mark.broker

TABLES = """
[[source]]
path = "sim:1?members=1&speed=1"
[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"
[[screen]]
id = "coffee"
zone = "coffee"
"""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, TABLES) as running:
        yield running


def snapshot(system: System) -> dict[str, Any]:
    """The first snapshot of the screen's stream."""
    with urllib.request.urlopen(f"{system.url}/api/v1/screens/coffee/stream", timeout=10) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line[6:])
                return found
    raise AssertionError("no snapshot")


def told(system: System, kind: str) -> list[dict[str, Any]]:
    return [event["body"] for event in system.events() if event["type"] == kind]


def folder(path: Path, items: list[dict[str, Any]], files: dict[str, bytes]) -> Path:
    """An operator's folder."""
    path.mkdir(exist_ok=True)
    lines = []
    for item in items:
        lines.append("[[item]]")
        for key, value in item.items():
            inline = isinstance(value, dict)
            text = "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + "}" if inline else None
            lines.append(f"{key} = {text or as_json(value)}")
    (path / "content.toml").write_text("\n".join(lines), encoding="utf-8")
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def test_a_bundle_reaches_the_screen_and_another_takes_its_place(system: System, tmp_path: Path) -> None:
    democontent.write(tmp_path / "demo")
    publishing.publish_content(system.hq_db, tmp_path / "demo", 0)
    wait_for(lambda: snapshot(system)["media"], "the bundle on the screen")
    shown = snapshot(system)
    assert [one["id"] for one in shown["media"]] == ["coffee-morning", "autumn-hills", "bread-of-the-day"]
    assert shown["shop"]["utc_offset_ms"] == 0
    with urllib.request.urlopen(system.url + shown["media"][0]["src"], timeout=10) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.read() == (tmp_path / "demo" / "coffee.png").read_bytes()
    wait_for(lambda: told(system, "content.applied"), "headquarters to know of it")
    assert not told(system, "content.refused")

    other = folder(
        tmp_path / "other",
        [{"id": "blue", "kind": "image", "file": "blue.png", "alt": {"en": "Blue"}}],
        {"blue.png": png(64, 48)},
    )
    publishing.publish_content(system.hq_db, other, 0)
    wait_for(lambda: [one["id"] for one in snapshot(system)["media"]] == ["blue"], "the other bundle")
    wait_for(lambda: len(list((system.data / "content").iterdir())) == 1, "the former files to go")
    assert len(list((system.folder / "hq.content").iterdir())) == 1


def test_a_long_film_survives_kills_at_both_ends(system: System, tmp_path: Path) -> None:
    film = webm(12 * PIECE_BYTES + 77, random.Random(5))
    films = folder(
        tmp_path / "films",
        [{"id": "film", "kind": "video", "file": "film.webm", "alt": {"de": "Ein Film"}}],
        {"film.webm": film},
    )
    publishing.publish_content(system.hq_db, films, 0)
    part = system.data / "content"
    wait_for(lambda: any(one.stat().st_size >= 3 * PIECE_BYTES for one in part.glob("*.part")), "some of the film")
    system.gateway.kill()
    system.gateway.start()
    system.wait_ready()
    wait_for(lambda: any(one.stat().st_size >= 6 * PIECE_BYTES for one in part.glob("*.part")), "more of it")
    system.hq.kill()
    system.hq.start()
    wait_for(lambda: snapshot(system)["media"], "the film on the screen")
    with urllib.request.urlopen(system.url + snapshot(system)["media"][0]["src"], timeout=10) as answer:
        assert answer.headers["Content-Type"] == "video/webm"
        assert answer.read() == film


def test_a_brand_reaches_every_page(system: System, tmp_path: Path) -> None:
    before = snapshot(system)["build"]
    (tmp_path / "logo.png").write_bytes(png(40, 20))
    file = tmp_path / "brand.toml"
    file.write_text('name = "Probierladen"\nlogo = "logo.png"\n[light]\naccent = "#7a1f5c"\n', encoding="utf-8")
    publishing.publish_brand(system.hq_db, file)
    wait_for(lambda: snapshot(system)["build"] != before, "another build")
    shown = snapshot(system)
    assert shown["brand"]["name"] == "Probierladen"
    with urllib.request.urlopen(system.url + shown["brand"]["logo"], timeout=10) as answer:
        assert answer.read() == png(40, 20)
    with urllib.request.urlopen(f"{system.url}/screen?id=coffee", timeout=10) as answer:
        page = answer.read().decode()
    assert f'data-build="{shown["build"]}"' in page
    sheet = page.partition("/brand.css?v=")[2].partition('"')[0]
    with urllib.request.urlopen(f"{system.url}/brand.css?v={sheet}", timeout=10) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert "--accent:#7a1f5c" in answer.read().decode()


def test_a_file_that_headquarters_lost_is_told_and_the_former_stays(system: System, tmp_path: Path) -> None:
    items = [{"id": "one", "kind": "image", "file": "one.png", "alt": {"de": "Eins"}}]
    publishing.publish_content(system.hq_db, folder(tmp_path / "good", items, {"one.png": png(8, 8)}), 0)
    wait_for(lambda: snapshot(system)["media"], "the bundle on the screen")
    system.gateway.stop()
    publishing.publish_content(system.hq_db, folder(tmp_path / "lost", items, {"one.png": png(9, 9)}), 0)
    for path in (system.folder / "hq.content").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    system.gateway.start()
    wait_for(lambda: told(system, "content.refused"), "the refusal")
    assert [body["reason"] for body in told(system, "content.refused")] == ["hash"]
    assert system.counts()["content.files_hash"] == 4  # it was asked for three times more
    assert snapshot(system)["media"][0]["id"] == "one"
    parts = {part["name"]: part["state"] for part in system.status()["parts"]}
    assert parts["content"] == "degraded"
