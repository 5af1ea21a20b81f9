"""Nothing that an operator's file holds brings a verb down or takes long."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from sync.hq import tomlfiles
from sync.hq.tomlfiles import MAX_DEPTH, MAX_KEY_PARTS, MAX_NUMBER, MAX_TOML_BYTES

KEY = ".".join("a" * MAX_KEY_PARTS)
HALF = MAX_TOML_BYTES // 2


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        tomlfiles.read(path, "docs/content.md")
    return str(raised.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a = 1\nb = " + "[" * 100_000, "line 2 (b): expected at most 8 lists and tables in one another"),
        ("b = " + "[\n" * 100_000, "line 9: expected at most 8 lists and tables in one another"),
        ("b = " + "{a = " * 100_000, "line 1 (b): expected at most 8 lists and tables"),
        ("a.b = 1\n" + "a." * 50_000 + "a = 1", "line 2 (a.a.a.a.a.a.a.a."),
        ("a . " * 100_000 + "a = 1", "line 1 (a . a . a . a"),
        ("[" + "'a'.\"b\"." * 50_000 + "c]", "line 1: expected a key of at most 8 parts"),
        ('s = """\n.\n"""\nseconds = ' + "1" * 5_000, "line 4 (seconds): expected a number of at most 64 digits"),
        ("seconds = 0x" + "f" * 5_000, "line 1 (seconds): expected a number"),
        ("seconds = -" + "1" * 5_000, "line 1 (seconds): expected a number"),
        ("seconds = [1_" + "1" * 5_000, "line 1 (seconds): expected a number"),
        ("a" * HALF + " " * (HALF - 1), "Expected '=' after a key"),
        ('"""\\' * (HALF // 2), "Expected '=' after a key"),
        ("from = 2027-02-30T00:00:00Z", "Invalid date"),
        ("#" * (MAX_TOML_BYTES + 1), "expected at most 1024 KiB"),
    ],
)
def test_what_would_take_long_is_refused_by_its_place(tmp_path: Path, text: str, what: str) -> None:
    assert refused(tmp_path / "content.toml", text).startswith(what)


def test_what_stands_in_words_and_comments_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "content.toml"
    dots, number, brackets = ".".join("abcdefghijkl"), "1" * (MAX_NUMBER + 9), "[" * (MAX_DEPTH + 9)
    text = f"{KEY} = {'9' * MAX_NUMBER}\n" + "".join(
        f"{key} = {quote}{dots} {number} {brackets}{quote}  # it's {dots} {number} {brackets}\n"
        for key, quote in (("b", '"'), ("c", "'"), ("d", '"""'), ("e", "'''"))
    )
    path.write_text(text + f"x = {'[' * MAX_DEPTH}1{']' * MAX_DEPTH}\n", encoding="utf-8")
    found = tomlfiles.read(path, "")
    assert {found[key] for key in "bcde"} == {f"{dots} {number} {brackets}"}
    assert "x" in found


@pytest.mark.parametrize("data", [None, b"\xff"])
def test_a_file_that_cannot_be_read(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "content.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"content\.toml: "):
        tomlfiles.read(path, "docs/content.md")


@given(text=st.text(alphabet="ab.[]{}=\"'#\\\n 019-:T,_", max_size=60))
def test_no_text_brings_it_down(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    try:
        tomlfiles.read(path, "")
    except ConfigError as error:
        assert str(error).startswith(f"{path}: ")
