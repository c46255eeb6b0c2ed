"""The build runs beside a start of the platform and ends with it."""

from __future__ import annotations

from pathlib import Path

import psutil

from borough.console.beside import building
from borough.home import Home


def builders() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "borough.console.build" in child.cmdline()
    ]


def test_the_build_is_a_child_that_ends_with_the_block(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    with building(home, True):
        assert len(builders()) == 1
    assert builders() == []
    assert (home.logs / "console.log").exists()


def test_who_does_not_want_it_has_no_child(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    with building(home, False):
        assert builders() == []
    assert not (home.logs / "console.log").exists()
