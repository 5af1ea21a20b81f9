"""gateway.httptable: ports that differ, files together, and whether a proxy stands before us."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.httptable import HttpTable


def table(**keys: object) -> HttpTable:
    return HttpTable.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"https_port": 8080}, "another one than port"),
        ({"https_port": 8081, "phones_port": 8081}, "another one than port and phones_port"),
        ({"https_port": 0}, "greater than or equal to 1"),
        ({"https_port": 8443, "https_cert": "/c"}, "together"),
        ({"https_port": 8443, "https_key": "/k"}, "together"),
        ({"https_cert": "/c", "https_key": "/k"}, "beside an https_port"),
        ({"https_port": 8443, "https_cert": "c", "https_key": "/k"}, "absolute"),
    ],
)
def test_what_is_refused(keys: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        table(**keys)


def test_a_retailers_own_files() -> None:
    found = table(https_port=8443, https_cert="/c", https_key="/k")
    assert (found.https_cert, found.https_key) == (Path("/c"), Path("/k"))


@pytest.mark.parametrize(
    ("keys", "proxy", "app"),
    [
        ({}, False, False),
        ({"https_port": 8443}, False, True),
        ({"https_port": 8443, "shop_url": "http://gw.shop:8080"}, False, True),
        ({"https_port": 8443, "shop_url": "https://gw.shop:8443"}, False, True),
        ({"shop_url": "https://gw.shop:8443"}, True, True),
        ({"https_port": 8443, "shop_url": "https://gw.shop"}, True, True),
        ({"https_port": 8443, "public_url": "https://shop.example:8443"}, True, True),
    ],
)
def test_whether_a_proxy_stands_before_it_and_pages_may_be_apps(
    keys: dict[str, object], proxy: bool, app: bool
) -> None:
    assert (table(**keys).behind_proxy, table(**keys).installable) == (proxy, app)
