"""Arguments that are of another kind than a public function takes: one sentence, and no traceback from deep inside.

pydantic's `validate_call` is no help here: strict, it refuses NumPy's whole numbers and arrays; lax, it takes True and
"3" for numbers; either way it hands on copies, and stumbles over annotations that only a type checker can resolve.
"""

from __future__ import annotations

import errno
import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin

from annotune.errors import AnnotuneError

P = ParamSpec("P")
T = TypeVar("T")

UNIONS = (typing.Union, types.UnionType)
NUMBERS = {int: Integral, float: Real}
WORDS = {str: "a text", bool: "True or False", int: "a whole number", float: "a number", Path: "a path"}
MOST_SHOWN = 40
UNWRITTEN = {errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # of the user's paths and disks


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """The function; before it begins, its arguments are held against its annotations.

    Only the kind is looked at: which words and numbers make sense is the function's own business. What the system says
    of a name that is too long, or of a disk without room, is a sentence as well.

    Examples
    --------
    >>> def halves(n: int, by: str | Sequence[str] | None = None) -> float:
    ...     return n / 2
    >>> checked(halves)(3)
    1.5
    >>> checked(halves)("a")
    Traceback (most recent call last):
    annotune.errors.AnnotuneError: n= of halves() cannot be 'a'. Give a whole number.
    >>> checked(halves)(3, by=3)
    Traceback (most recent call last):
    annotune.errors.AnnotuneError: by= of halves() cannot be 3. Give a text or a list.
    """

    @functools.wraps(function)
    def door(*args: P.args, **kwargs: P.kwargs) -> T:
        signature, kinds = _kinds(function)
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            parameters = ", ".join(signature.parameters)
            raise AnnotuneError(f"{function.__name__}(): {error}.", f"It takes {parameters}.") from None
        for name, argument in arguments.items():
            for value in _values(signature.parameters[name], argument):
                if not fits(value, kinds[name]):
                    what = f"{name}= of {function.__name__}() cannot be {_in_words(value)}."
                    raise AnnotuneError(what, _advice(value, kinds[name]))
        try:
            return function(*args, **kwargs)
        except OSError as error:
            if error.errno not in UNWRITTEN:
                raise
            name = str(error.filename or "A file")
            shown = name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}..."
            raise AnnotuneError(f"{shown}: {error.strerror}.", "Check the path and the disk.") from error

    return door


@functools.cache
def _kinds(function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    """The signature, and each parameter's annotation; one that only a type checker knows says nothing."""
    signature = inspect.signature(function)
    kinds = {name: _kind(function, parameter) for name, parameter in signature.parameters.items()}
    return signature, kinds


def _kind(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    one = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return typing.get_type_hints(one, getattr(function, "__globals__", {}))[parameter.name]
    except NameError:
        return Any


def _values(parameter: inspect.Parameter, value: Any) -> Iterable[Any]:
    """What a parameter was given: several values where it is `*args`, none of ours to judge where it is `**kwargs`."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return typing.cast(Iterable[Any], value)
    return () if parameter.kind is parameter.VAR_KEYWORD else (value,)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind that an annotation names; NumPy's numbers are numbers, any table is a table.

    Examples
    --------
    >>> fits([1, 2], Sequence[int] | None), fits("12", Sequence[int] | None), fits(True, int)
    (True, False, False)
    >>> fits({"topic": ["anna", "model"]}, Mapping[str, tuple[str, str]])
    True
    """
    if kind is Any or kind is inspect.Parameter.empty:
        return True
    origin, parts = get_origin(kind), get_args(kind)
    if origin in UNIONS:
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, tuple({type(part) for part in parts}))
    if origin is not None:
        return _holds(value, origin, parts)
    if kind in NUMBERS:
        return isinstance(value, NUMBERS[kind]) and not isinstance(value, bool)
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")
    if getattr(kind, "__name__", "") == "DataFrame":
        return hasattr(value, "columns")
    return not isinstance(kind, type) or isinstance(value, kind)


def _holds(value: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    """Whether a list, dictionary or function is one, and what it holds is of its kind."""
    if origin is Callable:
        return callable(value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(fits(key, parts[0]) and fits(value[key], parts[1]) for key in value)
    if origin is tuple:
        return isinstance(value, (tuple, list)) and len(value) == len(parts) and all(map(fits, value, parts))
    if origin is not Sequence:
        return isinstance(value, origin)
    if not isinstance(value, Iterable) or isinstance(value, (Mapping, bytes)):
        return False
    return not isinstance(value, Collection) or all(fits(part, parts[0]) for part in value)


def _advice(value: Any, kind: Any) -> str:
    words = f"Give {' or '.join(_kind_in_words(kind))}."
    column = isinstance(value, Collection) and fits("its name", kind)
    return words + (" A column of a table is given by its name." if column else "")


def _kind_in_words(kind: Any) -> list[str]:
    """The kind in words, one for each that there is; None is never advice."""
    origin = get_origin(kind)
    if origin in UNIONS:
        parts = [part for part in get_args(kind) if part is not types.NoneType]
        return list(dict.fromkeys(word for part in parts for word in _kind_in_words(part)))
    if origin is not None:
        return [{Mapping: "a dictionary", Literal: "a text", Callable: "a function"}.get(origin, "a list")]
    name = getattr(kind, "__name__", str(kind))
    return [WORDS.get(kind) or ("a table" if name == "DataFrame" else _with_article(name))]


def _in_words(value: Any) -> str:
    words = repr(value)
    plain = len(words) <= MOST_SHOWN and "\n" not in words and not words.startswith("<")
    return words if plain else _with_article(type(value).__name__)


def _with_article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"
