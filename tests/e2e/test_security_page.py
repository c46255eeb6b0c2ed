"""The page about security: each row of its maps names proofs that exist, none is left out."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter

import pytest

from tests.e2e.pages import DOCS

ROOT = DOCS.parent
PAGE = (DOCS / "security.md").read_text(encoding="utf-8")
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROOFS = sorted(set(PROOF.findall(PAGE)))
UNPROVED = {"not met", "not shown", "elsewhere"}
STATES = UNPROVED | {"met", "partly"}
PROVISIONS = {
    "5.0": "1",
    "5.1": "1 2 2A 3 4 5",
    "5.2": "1 2 3",
    "5.3": "1 2 3 4A 4B 5 6A 6B 7 8 9 10 11 12 13 14 15A 15B 16",
    "5.4": "1 2 3 4",
    "5.5": "1 2 3 4 5 6 7 8",
    "5.6": "1 2 3 4A 4B 5 6 7 8 9",
    "5.7": "1 2",
    "5.8": "1 2 3",
    "5.9": "1 2 3",
    "5.10": "1",
    "5.11": "1 2 3 4",
    "5.12": "1 2 3",
    "5.13": "1A 1B",
    "6": "1 2 3A 3B 4 5 6 7 8",
}
"""Of ETSI EN 303 645 V3.1.3, table B.1: clause to its provisions."""


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head and the rows of clause titles."""
    [section] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [row for row in cells if not row[0].startswith("**")]


ETSI = rows("ETSI EN 303 645 V3.1.3")
OWASP = rows("OWASP Internet of Things Top 10, 2018")
MODEL = rows("Where trust ends") + rows("Attackers")


@functools.cache
def collected(path: str) -> frozenset[str]:
    """Return the tests at the top of a file, read and not run."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, functions) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("path", "test"), PROOFS)
def test_each_proof_is_there(path: str, test: str) -> None:
    assert test in collected(path)


def test_each_provision_has_its_row() -> None:
    named = Counter(number for row in ETSI for number in row[0].split())
    expected = {
        f"{clause}-{number}" for clause, numbers in PROVISIONS.items() for number in numbers.split()
    }
    assert named == Counter(expected)
    assert re.findall(r"^\| \*\*([\d.]+)\*\* \w", PAGE, re.MULTILINE) == list(PROVISIONS)


def test_each_risk_has_its_row() -> None:
    assert [row[0].split()[0] for row in OWASP] == [f"I{number}" for number in range(1, 11)]


@pytest.mark.parametrize("row", ETSI + OWASP, ids=lambda row: row[0])
def test_what_counts_as_met_is_proved_and_all_else_is_explained(row: list[str]) -> None:
    _, state, explained, proof = row
    assert state in STATES and explained
    assert PROOF.search(proof) or state in UNPROVED
    assert not PROOF.sub("", proof).strip()


@pytest.mark.parametrize("row", MODEL, ids=lambda row: " ".join(row[:2]))
def test_each_line_of_the_model_is_proved(row: list[str]) -> None:
    assert all(row[1:]) and PROOF.search(row[-1])


def test_each_promise_is_named_by_a_row_or_as_one_about_other_things() -> None:
    _, _, elsewhere = PAGE.partition("\n## Promises about other things\n")
    others = set(re.findall(r"`(test_\w+\.py)`", elsewhere))
    cited = " ".join(row[-1] for row in MODEL + ETSI + OWASP)
    ours = {path.rpartition("/")[2] for path, _ in PROOF.findall(cited) if "/promises/" in path}
    assert not ours & others
    assert ours | others == {path.name for path in (ROOT / "tests/promises").glob("test_*.py")}


def test_each_link_leads_to_a_heading_that_is_there() -> None:
    for page, heading in re.findall(r"\]\(([\w-]+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (DOCS / page).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        assert not heading or heading in slugs, f"{page}#{heading}"
