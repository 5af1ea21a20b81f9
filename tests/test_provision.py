"""The provisioning file: what is said is read, what was changed or is another box's is refused, time is judged."""

import json

import pytest

from gateway.core import provision
from gateway.core.provision import MAX_FILE_BYTES, WHY, Provision
from tests.rigs.provisioned import CODE, NOW_MS, PASSWORD, file, provided


@pytest.mark.parametrize("code", ["", CODE])
def test_what_is_written_is_read(code: str) -> None:
    layout = {"screen": [{"id": "bar", "zone": "coffee"}]}
    more = {"layout": layout, "releases": (provided().hq_root,), "name": "Ulm Mitte"}
    assert provision.read(file(code, **more), code) == provided(**more)
    assert provision.read(b"\xef\xbb\xbf" + file(code, **more), code) == provided(**more)  # of an editor


def test_a_sealed_file_shows_nothing_and_opens_on_its_box_alone() -> None:
    sealed = file(CODE)
    assert PASSWORD.encode() not in sealed and b"b.example" not in sealed
    assert provision.is_sealed(sealed) and not provision.is_sealed(file())
    for other in ("", "ABCDEFGJ", "no code"):
        assert provision.read(sealed, other) == "code"
    other = json.loads(sealed) | {"gateway": "muster/bonn/gw1"}
    del other["check"]
    other["check"] = provision._check(other)
    assert provision.read(json.dumps(other).encode(), CODE) == "code"  # its head belongs to what is sealed


@pytest.mark.parametrize("code", ["", CODE])
def test_a_torn_or_changed_file_is_told(code: str) -> None:
    whole = file(code)
    for cut in range(0, len(whole) - 1, 7):
        assert provision.read(whole[:cut], code) == "form"  # no JSON any more
    assert provision.read(whole.replace(b"ulm", b"bonn"), code) == "torn"
    assert (
        provision.read(whole.replace(b'"store_gateway_provision":1', b'"store_gateway_provision":2'), code) == "newer"
    )


@pytest.mark.parametrize(
    "body",
    [
        {"mqtt": {"port": 1}},
        {"mqtt": {"host": "b", "ca_file": "/etc/shadow"}},
        {"mqtt": {"host": "b"}, "files": {"cert": "x"}},
        {"mqtt": {"host": "b"}, "files": {"../x": "x"}},
        {"mqtt": {"host": "b"}, "files": {"ca": "a\0b"}},
        {"mqtt": {"host": "b"}, "hq_root": "00" * 32},
        {"mqtt": {"host": "b"}, "releases": ["x"]},
        {"mqtt": {"host": "b"}, "layout": {"gateway": {"update_command": "/bin/sh"}}},
        {"mqtt": {"host": "b"}, "more": 1},
        [],
    ],
)
def test_what_says_more_or_less_than_it_may_is_refused(body: object) -> None:
    whole = json.loads(file())
    del whole["check"]
    whole["body"] = body
    whole["check"] = provision._check(whole)
    assert provision.read(json.dumps(whole).encode(), "") == "form"


def test_rubbish_is_refused_and_an_endless_file_is_not_read() -> None:
    for data in (b"", b"[]", b"null", b"1", b"\xff\xfe", b"{" * 9_000, b'{"store_gateway_provision": true}'):
        assert provision.read(data, CODE) == "form"
    assert provision.read(file() + b" " * MAX_FILE_BYTES, "") == "form"


def test_the_end_is_judged_by_what_is_known_of_the_time() -> None:
    own = provided()
    for known in (True, False):
        assert provision.ended(own, NOW_MS, known=known) == ""
        assert provision.ended(own, 0, known=known) == ""  # a box that begins in 1970 takes a good file
    assert provision.ended(own, own.until_ms, known=True) == "stale"
    assert provision.ended(own, own.until_ms, known=False) == "clock"


def test_headquarters_writes_nothing_that_a_box_refuses() -> None:
    for wrong in ({"gateway": "Muster/ulm/gw1"}, {"files": {"ca": "x" * MAX_FILE_BYTES}}, {"name": "x" * 81}):
        with pytest.raises(ValueError, match="refuse"):
            file(**wrong)  # type: ignore[arg-type]  # one of its words each


def test_codes_are_typed_as_people_do() -> None:
    made = provision.make_code(lambda n: n - 1)
    assert provision.is_code(made) and made == "99999999"
    assert provision.plain_code(" abcd-efgh ") == CODE == provision.plain_code(provision.shown_code(CODE))
    assert not provision.is_code("ABCDEFG0") and not provision.is_code("ABC")


def test_every_refusal_says_what_to_do() -> None:
    assert all(what and step.endswith((".", "ID", "none")) for what, step in WHY.values())


def test_secrets_are_in_no_representation() -> None:
    found = provision.read(file(), "")
    assert isinstance(found, Provision) and PASSWORD not in repr(found)
