"""gateway.terminal: words go beside the output, and numbers are checked."""

import argparse

import pytest

from gateway.terminal import Defaults, qr_code, rows, say, whole


def test_words_go_to_standard_error_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say("[bold]not markup[/bold] " + "x" * 300)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "[bold]not markup[/bold] " + "x" * 300 + "\n"


def test_rows_are_json_lines_and_their_absence_is_said_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    rows([{"title": "Käse [fein] " + "x" * 200}, {"n": None}], "nothing here")
    assert capsys.readouterr() == ('{"title": "Käse [fein] ' + "x" * 200 + '"}\n{"n": null}\n', "")
    rows([], "nothing here")
    assert capsys.readouterr() == ("", "nothing here\n")


@pytest.mark.parametrize("text", ["3", "7"])
def test_a_whole_number_within_its_bounds(text: str) -> None:
    assert whole(3, 7)(text) == int(text)


@pytest.mark.parametrize("text", ["2", "8", "", "x", "3.5", "-4"])
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="from 3 to 7"):
        whole(3, 7)(text)


def test_a_code_is_square() -> None:
    lines = qr_code("http://localhost/tablet?key=abc").splitlines()
    assert len({len(line) for line in lines}) == 1


def test_help_names_the_defaults_that_say_something() -> None:
    parser = argparse.ArgumentParser(formatter_class=Defaults)
    for name, default in (("--days", 14), ("--out", None), ("--name", "")):
        parser.add_argument(name, default=default, help="what it is")
    parser.add_argument("--again", action="store_true", help="once more")
    told = parser.format_help()
    assert told.count("(default: ") == 1 and "(default: 14)" in told
