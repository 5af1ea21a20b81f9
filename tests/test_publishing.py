from contextlib import closing
from pathlib import Path

import pytest

from gateway import democontent
from gateway.core.fetching import Want
from gateway.errors import ConfigError
from sync.hq import publishing
from sync.hq.ledger import Ledger
from tests.rigs.pictures import png

GATEWAY = "acme/berlin/gw1"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "hq.db"


def standing(db: Path) -> list[dict]:
    with closing(Ledger(db)) as ledger:
        return ledger.changes_after(0, 10**6, GATEWAY)[0]


def files(db: Path) -> set[str]:
    return {path.name for path in db.with_suffix(".content").glob("*")}


def folder(path: Path, *names: str) -> Path:
    path.mkdir(exist_ok=True)
    text = ""
    for number, name in enumerate(names, start=1):
        (path / f"{name}.png").write_bytes(png(number, 7))
        text += f'[[item]]\nid = "{name}"\nkind = "image"\nfile = "{name}.png"\nalt = {{ de = "{name}" }}\n'
    (path / "content.toml").write_text(text)
    return path


def test_a_bundle_stands_in_place_of_the_one_before(db: Path, tmp_path: Path) -> None:
    count, version, doubts = publishing.publish_content(db, folder(tmp_path / "a", "x", "y"), 0)
    assert (count, version, doubts) == (2, 1, ())
    assert len(files(db)) == 2
    assert publishing.publish_content(db, folder(tmp_path / "a", "x", "y"), 0)[1] == 1  # no news
    assert publishing.publish_content(db, folder(tmp_path / "b", "x"), 0)[1] == 2
    (op,) = standing(db)
    assert [item["item_id"] for item in op["body"]["items"]] == ["x"]
    assert files(db) == {op["body"]["items"][0]["file"]["sha256"]}


def test_fewer_parts_leave_none_of_the_old_ones(db: Path, tmp_path: Path) -> None:
    words = '[[item]]\nid = "{}"\nkind = "template"\nart = "tea"\ntitle = {{ de = "{}" }}\ntext = {{ de = "{}" }}\n'
    many = tmp_path / "many"
    many.mkdir()
    (many / "content.toml").write_text("".join(words.format(f"w{n}", "ä" * 90, "ö" * 240) for n in range(200)))
    publishing.publish_content(db, many, 0)
    assert len(standing(db)) > 3
    publishing.publish_content(db, folder(tmp_path / "b", "x"), 0)
    assert len(standing(db)) == 1


def test_a_brand_keeps_the_bundles_files(db: Path, tmp_path: Path) -> None:
    publishing.publish_content(db, folder(tmp_path / "a", "x"), 0)
    (tmp_path / "logo.png").write_bytes(png(50, 50))
    brand = tmp_path / "brand.toml"
    brand.write_text('logo = "logo.png"\n')
    assert publishing.publish_brand(db, brand) == 2
    assert len(files(db)) == 2
    brand.write_text("")
    publishing.publish_brand(db, brand)
    assert len(files(db)) == 1


def test_nothing_is_published_where_something_is_wrong(db: Path, tmp_path: Path) -> None:
    wrong = folder(tmp_path / "a", "x", "y")
    (wrong / "y.png").write_text("no picture")
    with pytest.raises(ConfigError, match="item 2"):
        publishing.publish_content(db, wrong, 0)
    assert standing(db) == []
    assert files(db) == set()


def test_an_empty_folder_takes_all_away_only_when_that_is_meant(db: Path, tmp_path: Path) -> None:
    publishing.publish_content(db, folder(tmp_path / "a", "x"), 0)
    empty = folder(tmp_path / "b")
    with pytest.raises(ConfigError, match="--empty"):
        publishing.publish_content(db, empty, 0)
    assert publishing.publish_content(db, empty, 0, empty=True)[0] == 0
    assert files(db) == set()


def test_zones_that_headquarters_does_not_know_are_doubted(db: Path, tmp_path: Path) -> None:
    with closing(Ledger(db)) as ledger:
        ledger.record_ops([{"op": "config.put", "body": {"zones": {"wine": {"de": "Wein"}}}}])
    made = folder(tmp_path / "a", "x")
    (made / "content.toml").write_text((made / "content.toml").read_text() + 'zones = ["wein"]\n')
    assert publishing.publish_content(db, made, 0)[2] == ("x: no shop has the zone wein; headquarters knows wine",)


def test_the_ledger_answers_for_its_files(db: Path, tmp_path: Path) -> None:
    democontent.write(tmp_path / "demo")
    publishing.publish_content(db, tmp_path / "demo", 0)
    with closing(Ledger(db)) as ledger:
        wanted = ledger.wanted_files()
        assert wanted == files(db)
        assert len(wanted) == 2
        one = sorted(wanted)[0]
        piece = ledger.piece(Want(one, 0))
        assert piece.size == (ledger.folder / one).stat().st_size
