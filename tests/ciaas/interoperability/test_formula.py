"""Formulas: what may be written, what is refused and where, one value and columns alike."""

from __future__ import annotations

import math
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.interoperability.formula import Formula, FormulaError
from ciaas.limits import FORMULA_CHARS_MAX, FORMULA_NODES_MAX

NAMES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 +\n 2) * 3", 9),
        ("a % 3", 2),
        ("-a % 3", 1),
        ("not a", 0),
        ("1 < a < 9", 1),
        ("1 < a > 9", 0),
        ("a > 3 and b > 3", 0),
        ("a > 3 or b > 3", 1),
        ("min(a, b, 1.5)", 1.5),
        ("max(a, b)", 5),
        ("round(2.5) + round(3.5)", 6),
        ("floor(-1.5) + ceil(1.2)", 0),
        ("clamp(a, 0, 3)", 3),
        ("if_(a > b, 10, 20)", 10),
        ("if_(b, 10, 1 / 0)", 10),
        ("log(exp(a))", 5),
        ("sqrt(a * a)", 5),
        ("abs(-a)", 5),
        ("True + 1e1", 11),
    ],
)
def test_what_a_formula_computes(text: str, expected: float) -> None:
    formula = Formula.parse(text, NAMES)
    assert formula.value({"a": 5, "b": 2}) == pytest.approx(expected)
    columns = {"a": np.array([5.0, 5.0]), "b": np.array([2.0, 2.0])}
    assert formula.columns(columns) == pytest.approx([expected, expected])


@pytest.mark.parametrize(
    "text",
    ["1 / 0", "a / (b - b)", "sqrt(-1)", "log(0)", "exp(1e9)", "1e308 * 10", "5 % 0", "(1/0) > 1"],
)
def test_without_a_finite_result_it_is_nan(text: str) -> None:
    formula = Formula.parse(text, NAMES)
    assert math.isnan(formula.value({"a": 5, "b": 2}))
    assert np.isnan(formula.columns({"a": np.array([5.0]), "b": np.array([2.0])})).all()


def test_an_unknown_part_decides_nothing_that_the_other_part_decides() -> None:
    assert Formula.parse("a > 0 and 1 / a > 2").value({"a": 0}) == 0
    assert Formula.parse("a == 0 or 1 / a > 2").value({"a": 0}) == 1
    assert math.isnan(Formula.parse("a >= 0 and 1 / a > 2").value({"a": 0}))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("  ", 0),
        ("a ** b", 3),
        ("a ^ b", 3),
        ("a // b", 3),
        ("a = b", 3),
        ("a & b", 3),
        ("'x'", 1),
        ("a.b", 2),
        ("a[0]", 2),
        ("{}", 1),
        ("a, b", 1),
        ("min", 1),
        ("min(a)", 1),
        ("if_(a, b)", 1),
        ("foo(a)", 1),
        ("a + d", 5),
        ("1 +", 3),
        ("lambda: a", 7),
        ("a if b else c", 1),
        ("a is b", 1),
        ("a in b", 1),
        ("None", 1),
        ("min(a, *b)", 8),
        ("0x10", 1),
        ("1or 2", 1),
        ("1_0", 1),
        ("9" * 400, 1),
        ("é", 1),
        ("a\x00", 2),
        (")", 1),
        ("a) + (b", 2),
    ],
)
def test_what_is_refused_and_where(text: str, position: int) -> None:
    with pytest.raises(FormulaError) as refused:
        Formula.parse(text, NAMES)
    assert refused.value.position == position
    assert str(refused.value)


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
        "9**9**9",
        "9" * FORMULA_CHARS_MAX,
        "(" * 900 + "1" + ")" * 900,
        "-" * 1_900 + "1",
        "[a for a in range(9)]",
        "(lambda: 1)()",
        "f'{a}'",
        "b'x' * 999999999",
        "exec(a)",
        "(a := 1)",
        "a; b",
        "min(key=a)",
        "\u2028a",
        "abs.__globals__",
    ],
)
def test_attacks_are_refused(attack: str) -> None:
    with pytest.raises(FormulaError):
        Formula.parse(attack, None)


def test_the_bounds() -> None:
    most = "+".join(["1"] * (FORMULA_NODES_MAX // 2))
    assert Formula.parse(most).value({}) == FORMULA_NODES_MAX // 2
    with pytest.raises(FormulaError, match="at most 100"):
        Formula.parse(most + "+1")
    assert Formula.parse("1" + " " * (FORMULA_CHARS_MAX - 1)).value({}) == 1
    with pytest.raises(FormulaError, match="at most 2000 characters"):
        Formula.parse("1" + " " * FORMULA_CHARS_MAX)


def test_names_are_those_it_reads_and_each_needs_a_value() -> None:
    formula = Formula.parse("a + min(b, a)")
    assert formula.names == {"a", "b"}
    with pytest.raises(FormulaError, match="'b'"):
        formula.value({"a": 1})
    with pytest.raises(FormulaError, match="'b'"):
        formula.columns({"a": np.ones(2)})


def test_a_constant_fills_the_columns_it_stands_beside() -> None:
    assert Formula.parse("2").columns({"a": np.zeros(3)}).tolist() == [2, 2, 2]


_number = st.one_of(
    st.floats(allow_nan=True, allow_infinity=False, width=64),
    st.integers(-5, 5).map(float),
)
_leaf = st.one_of(
    st.sampled_from(NAMES), st.integers(0, 20).map(str), st.floats(0, 1e6).map(lambda f: f"{f:.4g}")
)


def _grown(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(part, part)
    operator = st.sampled_from(
        ["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or"]
    )
    return st.one_of(
        st.tuples(pairs, operator).map(lambda t: f"({t[0][0]} {t[1]} {t[0][1]})"),
        part.map(lambda p: f"(not {p})"),
        part.map(lambda p: f"(-{p})"),
        st.tuples(st.sampled_from(["abs", "round", "floor", "ceil", "sqrt"]), part).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), pairs).map(
            lambda t: f"{t[0]}({t[1][0]}, {t[1][1]})"
        ),
        st.tuples(st.sampled_from(["clamp", "if_"]), part, part, part).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]}, {t[3]})"
        ),
    )


@given(
    text=st.recursive(_leaf, _grown, max_leaves=12),
    rows=st.lists(st.tuples(_number, _number, _number), min_size=1, max_size=9),
)
def test_columns_are_the_values_row_by_row(
    text: str, rows: list[tuple[float, float, float]]
) -> None:
    try:
        formula = Formula.parse(text, NAMES)
    except FormulaError as error:
        assert "at most" in str(error)  # the only reason left to refuse one of these
        return
    columns = {name: np.array([row[at] for row in rows]) for at, name in enumerate(NAMES)}
    single = [formula.value(dict(zip(NAMES, row, strict=True))) for row in rows]
    np.testing.assert_array_equal(formula.columns(columns), np.array(single))


@given(
    text=st.text(alphabet=string.printable + "é∞\u2028", max_size=60)
    | st.lists(
        st.sampled_from(
            ["a", "(", ")", "+", "-", "*", "/", "min", "if_", ",", "1", "0.5", "and", "not", "<"]
        ),
        max_size=40,
    ).map(" ".join)
)
def test_any_text_is_a_formula_or_refused_with_a_sentence(text: str) -> None:
    try:
        formula = Formula.parse(text, NAMES)
    except FormulaError as error:
        assert 0 <= error.position <= max(len(text), 1)
        return
    result = formula.value(dict.fromkeys(NAMES, 1.0))
    assert isinstance(result, float) and not math.isinf(result)
