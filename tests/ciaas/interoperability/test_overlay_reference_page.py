"""The reference page of overlays says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ciaas.interoperability.overlay import KNOWN_KEYS, PRECISION_MAX, check_overlay
from ciaas.kernel.sample import Reason
from ciaas.limits import OVERLAY_BYTES_MAX, OVERLAY_DEPTH_MAX, OVERLAY_NAME_CHARS_MAX

PAGE = (Path(__file__).parents[3] / "docs" / "reference-overlay.md").read_text(encoding="utf-8")


def test_the_example_is_a_sound_overlay() -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    document = json.loads(example)
    assert check_overlay(document) == document
    # One free key shows that none is imposed.
    assert set(document) - KNOWN_KEYS == {"inventory_number"}


def test_the_tables_name_every_key_and_no_other() -> None:
    first_cells = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells))) == KNOWN_KEYS


def test_the_reasons_named_exist() -> None:
    assert set(re.findall(r"\(`([A-Z_]+)`\)", PAGE)) <= set(Reason.__members__)
    assert "`OUT_OF_RANGE`" in PAGE


def test_the_bounds_named_are_those_of_the_code() -> None:
    assert f"names of up to {OVERLAY_NAME_CHARS_MAX} characters" in PAGE
    assert f"{OVERLAY_DEPTH_MAX} levels deep" in PAGE
    assert f"at most {OVERLAY_BYTES_MAX // 1024} KiB" in PAGE
    assert f"0 to {PRECISION_MAX}" in PAGE
