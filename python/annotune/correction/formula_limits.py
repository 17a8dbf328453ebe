"""How large a formula may become: what a few signs could blow up is refused before anything of it is expanded.

`(x + y) ** 200` stands for 2 ** 200 products, `I(9 ** 9 ** 9)` for a number of 370 million digits, and
`poly(x, 100000)` for as many columns. A formula comes from a study file, which may be anybody's.
"""

from __future__ import annotations

import ast
import math
from typing import Any

from annotune.errors import AnnotuneError

MOST_SIGNS, MOST_SHOWN = 20_000, 200
MOST_TERMS = 5_000  # before equal ones are made one
MOST_POWER = 20  # of terms
MOST_COLUMNS = 100  # of a polynomial or spline
MOST_DIGITS = 300  # of a power of two numbers
BASES = {"poly": {"degree": 1}, "bs": {"df": 1, "degree": 3}, "cr": {"df": 1}, "cc": {"df": 1}}
FEWER = "Write out the terms."
SPLIT = "Divide it, or compute columns from the data first."


def require_short(text: str) -> None:
    """Refuse a formula that is too long to be read."""
    if len(text) > MOST_SIGNS:
        what = f"The formula {text[:40]!r}... has {len(text):,} signs; {MOST_SIGNS:,} are the most."
        raise AnnotuneError(what, "Name fewer columns, or absorb groups of them after a |.")


def require_small(text: str, side: str) -> None:
    """Refuse a side of a formula, as formulaic reads it, whose terms or functions become too many or too large.

    `text` is the formula as the user wrote it.

    >>> require_small("y ~ (x + z) ** 200", "(x + z) ** 200")
    Traceback (most recent call last):
    annotune.errors.AnnotuneError: 'y ~ (x + z) ** 200': a power of terms can be 20 at most. Write out the terms.
    """
    if not any(sign in side for sign in "*/:("):
        return
    text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} ..."
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser

    try:
        tree = DefaultFormulaParser().get_ast(side)
    except FormulaicError:
        return  # which says later, with the data, what cannot be read
    except RecursionError:
        raise AnnotuneError(f"{text!r} is nested too deeply.", SPLIT) from None
    terms = _expanded(text, tree) if tree is not None else 0
    if terms > MOST_TERMS:
        number = f"{terms:,}" if terms < 10**12 else "more than 10^12"
        what = f"{text!r} stands for {number} products of terms; {MOST_TERMS:,} are the most."
        raise AnnotuneError(what, FEWER)


def _expanded(text: str, tree: Any) -> int:
    """The number of products of terms that the formula is expanded to."""
    counts: dict[int, int] = {}
    for node in _from_leaves(tree):
        if hasattr(node, "operator"):
            counts[id(node)] = _terms(text, str(node.operator), node.args, [counts[id(arg)] for arg in node.args])
        else:
            if node.kind.value == "python":
                _require_small_function(text, node.token)
            counts[id(node)] = 1
    return counts[id(tree)]


def _from_leaves(tree: Any) -> list[Any]:
    """All nodes, each after the nodes below it; without recursion, as a sum of many terms is a deep tree."""
    nodes: list[Any] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += getattr(node, "args", ())
    return nodes[::-1]


def _terms(text: str, operator: str, args: Any, counts: list[int]) -> int:
    """The number of products that an operator makes of those of its arguments."""
    if operator in ("**", "^"):
        power = getattr(args[1], "token", "")
        if power.isdecimal() and int(power[:9]) > MOST_POWER:
            raise AnnotuneError(f"{text!r}: a power of terms can be {MOST_POWER} at most.", FEWER)
        return int(counts[0] ** int(power)) if power.isdecimal() else counts[0]
    if operator == "*":
        return sum(counts) + math.prod(counts)
    if operator == "/":
        return counts[0] + math.prod(counts)
    return math.prod(counts) if operator in (":", "in", "%in%") else sum(counts)


def _require_small_function(text: str, call: str) -> None:
    """Refuse a function whose numbers alone make it large, whatever the data are."""
    try:
        tree = ast.parse(call, mode="eval")
    except (SyntaxError, ValueError):
        return  # which says later, with the data, what cannot be read
    except (RecursionError, MemoryError):
        raise AnnotuneError(f"{text!r} is nested too deeply.", SPLIT) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            _require_small_operation(text, node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BASES:
            _require_few_columns(text, node, node.func.id)


def _require_small_operation(text: str, node: ast.BinOp) -> None:
    """Refuse powers of numbers that have no end, shifted bits, and words or lists that are multiplied."""
    large = isinstance(node.op, ast.Pow) and not _has_column(node) and not _is_small_power(node)
    if large or isinstance(node.op, ast.LShift) or _is_sequence(node.left) or _is_sequence(node.right):
        what = f"{text!r}: {ast.unparse(node)[:60]!r} is no function of a column."
        raise AnnotuneError(what, "Write out the number.")


def _has_column(node: ast.AST) -> bool:
    functions = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    return any(isinstance(part, ast.Name) and id(part) not in functions for part in ast.walk(node))


def _is_small_power(node: ast.BinOp) -> bool:
    base, power = _number(node.left), _number(node.right)
    return base is not None and power is not None and power * math.log10(max(abs(base), 10)) <= MOST_DIGITS


def _is_sequence(node: ast.AST) -> bool:
    return isinstance(node, ast.Tuple) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _number(node: ast.AST) -> float | None:
    """The value of a number, with its sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _number(node.operand)
        return None if number is None else -number
    is_number = isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
    return min(float(node.value), 1e300) if is_number else None  # type: ignore[attr-defined]


def _require_few_columns(text: str, call: ast.Call, function: str) -> None:
    """Refuse a polynomial or spline of more columns than any data could tell apart."""
    sizes = {word.arg: word.value for word in call.keywords if word.arg in BASES[function]}
    sizes |= {name: call.args[place] for name, place in BASES[function].items() if place < len(call.args)}
    for name, value in sizes.items():
        number = _number(value)
        if not isinstance(value, ast.Constant) or (number is not None and number > MOST_COLUMNS):
            what = f"{text!r}: the {name} of {function}() is a number up to {MOST_COLUMNS}."
            raise AnnotuneError(what, f"Such as: {function}(year, 3).")
