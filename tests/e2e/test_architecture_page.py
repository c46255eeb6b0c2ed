"""The architecture page names every package and the tests that prove what it claims."""

from __future__ import annotations

import re

import pytest

from tests.e2e.pages import DOCS

ROOT = DOCS.parent
LAYERS = ("borough", "cpaas", "adapters", "ciaas", "security", "csaas_examples", "sdk")
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PROOFS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def _holds_modules(folder: str) -> bool:
    return any(path.name != "__init__.py" for path in (ROOT / folder).glob("*.py"))


def test_the_code_map_has_every_folder_with_modules_and_no_other() -> None:
    section = PAGE.partition("## Code map\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([\w/]+)` \|", section, re.MULTILINE))
    folders = {
        str(path.parent.relative_to(ROOT))
        for layer in LAYERS
        for path in (ROOT / layer).rglob("__init__.py")
    }
    assert named == {folder for folder in folders if _holds_modules(folder)}


def test_each_invariant_names_a_proof() -> None:
    section = PAGE.partition("## Invariants\n")[2].partition("\n\nImports")[0]
    rows = [row for row in section.splitlines() if row.startswith("| ")][1:]
    assert len(rows) == len(PROOFS) > 10


@pytest.mark.parametrize(("path", "test"), PROOFS)
def test_each_proof_is_there(path: str, test: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE)


def test_each_module_named_is_there() -> None:
    for name in re.findall(r"`((?:borough|cpaas|adapters|ciaas|security)/[\w/]+\.py)`", PAGE):
        assert (ROOT / name).is_file(), name


def test_decisions_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (DOCS / "decisions").iterdir())
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for number, name in enumerate(names, 1):
        title = (DOCS / "decisions" / name).read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith(f"# {number}. "), name
