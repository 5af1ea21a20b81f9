"""gateway.verbs: every verb is there, also those that load alone; what they print is in test_main."""

import argparse

import pytest

from gateway import __main__, verbs


def test_every_verb_can_be_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    listed = next(action for action in verbs.parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert {"run", "scanner", "demo", "bench", "hq", "member"} <= listed.choices.keys()
    for name in listed.choices:
        with pytest.raises(SystemExit) as ended:
            __main__.main([name, "--help"])
        assert ended.value.code == 0
        assert f"usage: store-gateway {name}" in capsys.readouterr().out


def test_no_verb_and_an_unknown_one_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for given in ([], ["dance"]):
        with pytest.raises(SystemExit) as ended:
            __main__.main(given)
        assert ended.value.code == 2
        assert "COMMAND" in capsys.readouterr().err
