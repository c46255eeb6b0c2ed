"""The start-up check that no stranger's package answers for us."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

import adapters
import security
from security.provenance import ForeignPackage, check_packages

ROOT = Path(__file__).resolve().parents[2]


def test_ours_pass() -> None:
    check_packages(ROOT, [security, adapters])


def test_a_package_found_first_on_the_path_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "borough_stranger").mkdir()
    (tmp_path / "borough_stranger" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        import borough_stranger  # type: ignore[import-not-found]  # it exists only in this test
    finally:
        sys.modules.pop("borough_stranger", None)
    with pytest.raises(ForeignPackage, match=r"'borough_stranger' was loaded from .*PyPI"):
        check_packages(ROOT, [security, borough_stranger])


def test_a_package_without_a_file_is_refused() -> None:
    with pytest.raises(ForeignPackage, match="loaded from no file"):
        check_packages(ROOT, [ModuleType("security")])
