"""Formulas typed by users: parsed against a whitelist, compiled once, never evaluated as Python.

A formula computes with numbers alone. What has no finite result (a division by zero, the root of a
negative number, anything computed from such a value) is NaN and stays NaN, in one value and in
columns alike; `if_` looks at the branch that its condition chooses and at no other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ciaas.interoperability import columnwise, pointwise
from ciaas.limits import FORMULA_CHARS_MAX, FORMULA_NODES_MAX

Columns = NDArray[np.float64]
_Value = TypeVar("_Value")
_Compiled = Callable[[Mapping[str, Any]], Any]

FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "abs": (1, 1),
    "ceil": (1, 1),
    "clamp": (3, 3),
    "exp": (1, 1),
    "floor": (1, 1),
    "if_": (3, 3),
    "log": (1, 1),
    "max": (2, FORMULA_NODES_MAX),
    "min": (2, FORMULA_NODES_MAX),
    "round": (1, 1),
    "sqrt": (1, 1),
}
"""Name → how many arguments it takes, fewest and most."""

_TOKEN = re.compile(
    r"\s+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|[A-Za-z_]\w*"
    r"|\*(?!\*)|/(?!/)|<=|>=|==|!=|[-+%(),<>]",
    re.ASCII,
)
_OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Mod: "remainder",
    ast.USub: "negative",
    ast.UAdd: "positive",
    ast.Not: "not_",
    ast.And: "and_",
    ast.Or: "or_",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


class FormulaError(ValueError):
    """The text is no formula, or a name has no value; the message says what to write instead."""

    def __init__(self, sentence: str, position: int):
        super().__init__(sentence)
        self.position = position
        """Of the character, counted from 1; 0 when the whole formula is meant."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A checked formula. Make it with `parse`; it may be shared between threads."""

    text: str
    names: frozenset[str]
    """The variables it reads."""
    _one: _Compiled
    _many: _Compiled

    @classmethod
    def parse(cls, text: str, names: Collection[str] | None = None) -> Formula:
        """Return the formula of a text.

        Args:
            text: such as ``0.7 * a + if_(b > 3, 1, 0)``.
            names: the variables there are; None allows any.

        Raises:
            FormulaError: it isn't a formula; ``position`` says where.
        """
        body = _read(text)
        check = _Check(text, None if names is None else frozenset(names))
        check.visit(body)
        return cls(
            text=text,
            names=frozenset(check.variables),
            _one=_compile(body, vars(pointwise)),
            _many=_compile(body, vars(columnwise)),
        )

    def value(self, values: Mapping[str, float]) -> float:
        """Return the result for one set of values, NaN when there is no finite one.

        Raises:
            FormulaError: a variable has no value.
        """
        try:
            return pointwise.finite(self._one(values))
        except KeyError as missing:
            raise FormulaError(f"there is no value for {missing.args[0]!r}", 0) from None

    def columns(self, values: Mapping[str, NDArray[Any]]) -> Columns:
        """Return the result row by row, NaN where there is no finite one.

        Args:
            values: columns of one length; also such as the formula does not read.

        Raises:
            FormulaError: a variable has no column.
        """
        try:
            with np.errstate(all="ignore"):
                result = columnwise.finite(self._many(values))
        except KeyError as missing:
            raise FormulaError(f"there is no value for {missing.args[0]!r}", 0) from None
        shape = np.broadcast_shapes(*(np.shape(column) for column in values.values()))
        return result if result.shape == shape else np.broadcast_to(result, shape).copy()


def _read(text: str) -> ast.expr:
    """Return the syntax tree of a text that consists of allowed words alone."""
    if len(text) > FORMULA_CHARS_MAX:
        raise FormulaError(f"a formula has at most {FORMULA_CHARS_MAX} characters", 0)
    at = depth = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise FormulaError(_why_not(text, at), at + 1)
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth < 0:
            raise FormulaError("this bracket closes none", at + 1)
        at = token.end()
    if not text.strip():
        raise FormulaError("the formula is empty; write for example a + b", 0)
    try:
        # In brackets, so that a space before it is no indentation.
        return ast.parse("(" + re.sub(r"\s", " ", text) + ")", mode="eval").body
    except SyntaxError as error:
        position = min(max((error.offset or 2) - 1, 1), len(text))
        raise FormulaError("this is not complete, or something is in the way", position) from None
    except (RecursionError, MemoryError):
        raise FormulaError("brackets within brackets are too deep", 0) from None


def _why_not(text: str, at: int) -> str:
    found = text[at : at + 2]
    if found == "**" or found.startswith("^"):
        return "there are no powers; write a product such as a * a, or sqrt(a)"
    if found == "//":
        return "write floor(a / b) for a whole division"
    if found.startswith("="):
        return "compare with =="
    if found[0] in "&|!":
        return "write and, or, not"
    if found[0] in "\"'":
        return "a formula computes with numbers alone, not with text"
    if found[0].isdigit() or found[0] == ".":
        return "this number isn't written as 12, 0.5 or 1e3"
    return f"{found[0]!r} means nothing in a formula"


class _Check(ast.NodeVisitor):
    """Refuses each node that is not on the list, and gathers the variables."""

    def __init__(self, text: str, names: frozenset[str] | None):
        self.variables: set[str] = set()
        self._text, self._names, self._nodes = text, names, 0

    def visit(self, node: ast.AST) -> None:
        """Check one node and what is below it."""
        self._nodes += 1
        if self._nodes > FORMULA_NODES_MAX:
            raise FormulaError(
                f"a formula has at most {FORMULA_NODES_MAX} numbers, names and operations; "
                "compute a part of it in a node before",
                0,
            )
        match node:
            case ast.Constant(value=bool() | int() | float()):
                self._check_number(node)
            case ast.Name():
                self._check_variable(node)
            case ast.BinOp() | ast.UnaryOp() if type(node.op) in _OPERATORS:
                self._visit_all(node)
            case ast.BoolOp():
                self._visit_all(node)
            case ast.Compare() if all(type(op) in _OPERATORS for op in node.ops):
                self._visit_all(node)
            case ast.Call(func=ast.Name(), keywords=[]):
                self._check_call(node)
            case _:
                raise FormulaError(
                    "only numbers, names, + - * / %, comparisons, and or not, and "
                    f"{', '.join(FUNCTIONS)} may stand in a formula",
                    _position(node),
                )

    def _visit_all(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.visit(child)

    def _check_number(self, node: ast.Constant) -> None:
        try:
            finite = np.isfinite(float(node.value))  # type: ignore[arg-type]  # matched above
        except OverflowError:
            finite = np.False_
        if not finite:
            raise FormulaError("this number is too large", _position(node))

    def _check_variable(self, node: ast.Name) -> None:
        if node.id in FUNCTIONS:
            raise FormulaError(
                f"{node.id} is a function; write {node.id}(…) with its values", _position(node)
            )
        if self._names is not None and node.id not in self._names:
            there = ", ".join(sorted(self._names)) or "none"
            raise FormulaError(
                f"{node.id!r} is no name known here; there is {there}", _position(node)
            )
        self.variables.add(node.id)

    def _check_call(self, node: ast.Call) -> None:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name not in FUNCTIONS:
            raise FormulaError(
                f"{name!r} is no function; there is {', '.join(FUNCTIONS)}", _position(node)
            )
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(node.args) <= most:
            asked = f"{fewest}" if fewest == most else f"{fewest} or more"
            raise FormulaError(
                f"{name} takes {asked} value{'s' * (asked != '1')}, not {len(node.args)}",
                _position(node),
            )
        for argument in node.args:
            self.visit(argument)


def _position(node: ast.AST) -> int:
    column: int = getattr(node, "col_offset", 0)
    return max(column, 1)  # one bracket was put before the text, and counting starts at 1


def _compile(node: ast.expr, table: Mapping[str, Any]) -> _Compiled:
    """Return the tree as nested functions over one table of operations."""

    def below(part: ast.expr) -> _Compiled:
        return _compile(part, table)

    match node:
        case ast.Constant():
            number = float(node.value)  # type: ignore[arg-type]  # the check let numbers alone pass
            return lambda _values: number
        case ast.Name():
            name = node.id
            return lambda values: values[name]
        case ast.UnaryOp():
            return _apply(table[_OPERATORS[type(node.op)]], [below(node.operand)])
        case ast.BinOp():
            return _apply(table[_OPERATORS[type(node.op)]], [below(node.left), below(node.right)])
        case ast.BoolOp():
            return _fold(table[_OPERATORS[type(node.op)]], [below(part) for part in node.values])
        case ast.Compare():
            parts = [below(part) for part in (node.left, *node.comparators)]
            single = [
                _apply(table[_OPERATORS[type(op)]], [parts[at], parts[at + 1]])
                for at, op in enumerate(node.ops)
            ]
            return _fold(table["and_"], single)
        case ast.Call(func=ast.Name(id=called)):
            function = table[f"{called.removesuffix('_')}_"]
            compiled = [below(argument) for argument in node.args]
            if called in ("min", "max"):
                return _fold(function, compiled)
            return _apply(function, compiled)
    raise AssertionError(f"{type(node).__name__} passed the check")


def _apply(function: Callable[..., _Value], parts: list[_Compiled]) -> _Compiled:
    match parts:
        case [a]:
            return lambda values: function(a(values))
        case [a, b]:
            return lambda values: function(a(values), b(values))
        case [a, b, c]:
            return lambda values: function(a(values), b(values), c(values))
    raise AssertionError("the check allows one to three arguments")


def _fold(function: Callable[..., Any], parts: list[_Compiled]) -> _Compiled:
    folded = parts[0]
    for part in parts[1:]:
        folded = _apply(function, [folded, part])
    return folded
