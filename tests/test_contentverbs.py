import argparse
from pathlib import Path

import pytest

from gateway import contentverbs, democontent
from gateway.errors import ConfigError
from tests.rigs.pictures import png


@pytest.fixture
def parser(tmp_path: Path) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    verbs = made.add_subparsers()

    def verb(name, function, text):
        sub = verbs.add_parser(name, help=text)
        sub.set_defaults(verb=function, db=tmp_path / "hq.db")
        return sub

    contentverbs.add_verbs(verb, lambda: 1_800_000_000_000)
    return made


def run(parser: argparse.ArgumentParser, *words: str) -> int:
    arguments = parser.parse_args(words)
    return int(arguments.verb(arguments))


def test_a_bundle(parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    democontent.write(tmp_path / "demo")
    assert run(parser, "publish-content", str(tmp_path / "demo")) == 0
    assert "3 items stand in place of all others; version 1" in capsys.readouterr().out
    text = (tmp_path / "demo" / "content.toml").read_text().partition('[[item]]\nid = "autumn')[0]
    (tmp_path / "demo" / "content.toml").write_text(text + "until = 2020-01-01T00:00:00Z\n")
    assert run(parser, "publish-content", str(tmp_path / "demo")) == 0
    told = capsys.readouterr()
    assert "1 item stands in place of all others; version 2" in told.out
    assert "perhaps not meant: coffee-morning: is over already" in told.err + told.out


def test_mistakes(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"content\.toml: cannot be read"):
        run(parser, "publish-content", str(tmp_path))
    (tmp_path / "content.toml").write_text("")
    with pytest.raises(ConfigError, match="--empty"):
        run(parser, "publish-content", str(tmp_path))
    assert run(parser, "publish-content", str(tmp_path), "--empty") == 0


def test_a_brand(parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logo.png").write_bytes(png(5, 5))
    (tmp_path / "brand.toml").write_text('logo = "logo.png"\n[light]\naccent = "#7a1f5c"\n')
    assert run(parser, "publish-brand", str(tmp_path / "brand.toml")) == 0
    assert "recorded; version 1" in capsys.readouterr().out
