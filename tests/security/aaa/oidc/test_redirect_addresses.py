"""Addresses that browsers are sent back to: what may be registered, and what counts as it."""

from __future__ import annotations

import pytest

from security.aaa.errors import RuleBroken
from security.aaa.oidc.redirects import check_redirect, is_registered, origin_of

WEB = "https://app.example/in?a=1"
DESKTOP = "http://127.0.0.1/done"
SIX = "http://[::1]:8000/done"
NAMED = "http://localhost:3000/done"


@pytest.mark.parametrize(
    "uri", [WEB, DESKTOP, SIX, NAMED, "https://app.example", "https://a:8443/"]
)
def test_https_and_this_machine_may_be_registered(uri: str) -> None:
    check_redirect(uri)
    assert is_registered(uri, [uri])


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/in",
        "//app.example/in",
        "http://app.example/in",
        "http://127.0.0.1.evil.example/",
        "http://2130706433/",
        "https://",
        "https:///in",
        "https://app.example/in#",
        "https://maria:secret@app.example/",
        "https://app.example:99999/",
        "https://app.example/a/./b",
        "https://app.example/a b",
        "https://app.example/\u202e",
        "https://app.example\\@evil.example/",
        "https://*.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://app.example/",
        "com.example.app:/in",
    ],
)
def test_nothing_else_may(uri: str) -> None:
    with pytest.raises(RuleBroken):
        check_redirect(uri)


@pytest.mark.parametrize(
    ("uri", "registered", "expected"),
    [
        ("http://127.0.0.1:49152/done", DESKTOP, True),
        ("http://127.0.0.1:49152/done", "http://127.0.0.1:5/done", True),
        ("http://[::1]:49152/done", SIX, True),
        ("http://127.0.0.1:49152/other", DESKTOP, False),
        ("http://127.0.0.1:49152/done?x=1", DESKTOP, False),
        ("http://127.0.0.1:49152/done#x", DESKTOP, False),
        ("https://127.0.0.1:49152/done", DESKTOP, False),
        ("http://[::1]:49152/done", DESKTOP, False),
        ("http://localhost:49152/done", DESKTOP, False),
        ("http://localhost:49152/done", NAMED, False),
        ("http://maria@127.0.0.1:49152/done", DESKTOP, False),
        ("http://127.0.0.1:49152@evil.example/done", DESKTOP, False),
        ("http://127.0.0.1:port/done", DESKTOP, False),
        ("https://app.example:444/in?a=1", WEB, False),
        ("https://app.example/in", WEB, False),
        ("https://app.example/in?a=1&b=2", WEB, False),
        ("https://APP.example/in?a=1", WEB, False),
    ],
)
def test_only_the_port_of_this_machine_is_free(uri: str, registered: str, expected: bool) -> None:
    assert is_registered(uri, [registered]) is expected


def test_the_origin_is_what_browsers_call_so() -> None:
    assert origin_of(WEB) == "https://app.example"
    assert origin_of(SIX) == "http://[::1]:8000"
