"""Formulas as in R, parsed so that columns and labels may have any name.

Columns and comparisons with a label (`topic == 'Health'`) are replaced by plain names before formulaic reads
the formula; it evaluates functions, so only those listed here are allowed: a formula in a study file is data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from annotune.correction.formula_limits import require_short, require_small
from annotune.data.formula_sides import BARE, HELP, NAME, NUMBER, TEXT, grouped, plain, sides_of, unescaped, value_of
from annotune.errors import AnnotuneError, nearest

FUNCTIONS = {"C", "I", "log", "log10", "log2", "exp", "sqrt", "abs", "scale", "center", "poly", "bs", "cr", "cc"}
FUNCTIONS |= {f"contr.{name}" for name in ("treatment", "sum", "helmert", "poly", "diff")}
R_NAMES = {"factor": "C", "as.factor": "C", "ns": "cr"}
CONSTANTS = {"TRUE": "True", "FALSE": "False", "NULL": "None", "True": "True", "False": "False", "None": "None"}
SPELLING = {  # of functions that are read as a whole, or not at all
    "relevel": "Write it as: relevel(party, ref = 'Conservative').",
    "c": "Write it as: factor(party, levels = c('Conservative', 'Labour')).",
}
VALUE = rf"(?:{TEXT}|-?{NUMBER})"
FACTOR = r"(?:C|factor|as\.factor)\(\s*"
ATOM = re.compile(
    rf"""(?P<compared>{NAME})\s*(?P<sign>==|!=)\s*(?P<value>{VALUE})
    |relevel\(\s*(?P<wrapped>{FACTOR})?(?P<releveled>{NAME})\s*(?(wrapped)\)\s*),\s*(?:ref\s*=\s*)?(?P<base>{VALUE})\s*\)
    |{FACTOR}(?P<ordered>{NAME})\s*,\s*levels\s*=\s*c\((?P<levels>\s*{VALUE}(?:\s*,\s*{VALUE})*\s*)\)\s*\)
    |{FACTOR}(?P<category>{NAME})(?=\s*[,)])
    |(?P<function>{BARE})\s*\(
    |(?P<keyword>{BARE})\s*=(?!=)
    |(?P<column>{NAME})
    |(?P<other>{TEXT}|{NUMBER}|<=|>=|\*\*|[-+*/:^()<>,])
    |\s+""",
    re.VERBOSE,
)
COMPARES = re.compile(r"\s*[!=]=")
QUOTES = "Put the label in quotes, as in topic == 'Health'."
BACKTICKS = "Put names with blanks or signs in backticks: `party family`."
LABEL = re.compile(rf"""(?P<column>{NAME})\s*(?P<sign>==|!=)\s*(?P<quote>['"])(?P<label>.*)(?P=quote)""", re.DOTALL)
ALIAS = re.compile(r"_[vkc]\d+_")


@dataclass(frozen=True)
class Reference:
    """A column that a formula names; with `label`, whether it is (or, `negated`, is not) that label.

    Attributes
    ----------
    category
        Whether numbers in it are categories.
    order
        Its first categories, in the order that the formula asks for; the very first is the reference category. Empty
        where they keep the order of the data.
    closed
        Whether `order` names all of them.
    """

    column: str
    label: str | None = None
    negated: bool = False
    category: bool = False
    order: tuple[str, ...] = ()
    closed: bool = False

    @property
    def may_be_a_number(self) -> bool:
        """Whether the formula takes the column as it is: it neither compares it, nor orders categories of it."""
        return self.label is None and not self.category and not self.order

    def __str__(self) -> str:
        """The reference as in a formula."""
        if self.label is None:
            return self.column
        return f"{self.column} {'!=' if self.negated else '=='} {_quote(self.label)}"


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Attributes
    ----------
    text
        The formula as the user wrote it.
    outcome, terms
        Both sides for formulaic, with a plain name (a key of `references`) for every column and comparison.
    groups
        The columns after `|`, whose fixed effects are absorbed.
    """

    text: str
    outcome: str
    terms: str
    groups: tuple[str, ...]
    references: dict[str, Reference] = field(repr=False)

    @property
    def columns(self) -> list[str]:
        """All columns that the formula names, each once."""
        return list(dict.fromkeys([*(entry.column for entry in self.references.values()), *self.groups]))

    @property
    def explained(self) -> Reference | None:
        """The outcome, where it is a column or one of its labels and not a function of columns."""
        return self.references.get(self.outcome)

    def with_bases(self, bases: Mapping[str, str | float]) -> Formula:
        """The formula with these reference categories, by column.

        Raises
        ------
        AnnotuneError
            For a column that is not in the formula as a category, or whose categories the formula itself orders.
        """
        references = dict(self.references)
        for name, base in bases.items():
            aliases = [alias for alias, entry in references.items() if entry.column == name and entry.label is None]
            if not aliases:
                names = [entry.column for entry in references.values() if entry.label is None]
                what = f"{self.text!r} has no categories of {name!r}, of which one could be the reference."
                raise AnnotuneError(what, nearest(name, names))
            if any(references[alias].order for alias in aliases):
                what = f"The reference category of {name!r} is in {self.text!r}, and in reference= as well."
                raise AnnotuneError(what, "Say it once.")
            references |= {alias: replace(references[alias], order=(as_word(base),)) for alias in aliases}
        return replace(self, references=references)

    def within(self, side: str) -> dict[str, Reference]:
        """The references of one side."""
        return {name: self.references[name] for name in dict.fromkeys(ALIAS.findall(side))}

    def spoken(self, term: str) -> str:
        """A term of the design as the user named it: `party[opposition]`, `topic == 'Health':year`."""
        plain = term.replace("[T.", "[")
        return ALIAS.sub(lambda match: str(self.references[match.group()]), plain)


def parse(text: str) -> Formula:
    """Parse a formula.

    Raises
    ------
    AnnotuneError
        For a text that is not a formula, a sign that cannot be read, an unknown function, or a formula that stands for
        more terms, or larger numbers, than can be computed.

    Examples
    --------
    >>> formula = parse("topic == 'Public Health' ~ party + factor(year) | district")
    >>> formula.explained
    Reference(column='topic', label='Public Health', negated=False, category=False, order=(), closed=False)
    >>> formula.terms, formula.groups, formula.columns
    ('_v1_ + _k2_', ('district',), ['topic', 'party', 'year', 'district'])
    >>> parse("y ~ relevel(party, ref = 'Labour')").references["_k1_"].order
    ('Labour',)
    """
    if not isinstance(text, str):
        raise AnnotuneError(f"A formula is a text, not a {type(text).__name__}.", HELP)
    require_short(text)
    left, right = sides_of(text)
    right, groups = grouped(right)
    reader = _Reader(text)
    outcome, terms = reader.outcome(left), reader.read(right)
    for side in (outcome, terms):
        require_small(text, side)
    return Formula(text.strip(), outcome, terms, groups, reader.references)


class _Reader:
    """Reads both sides of a formula and collects their references."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.references: dict[str, Reference] = {}

    def outcome(self, side: str) -> str:
        bare = re.sub(r"^I\((.*)\)$", r"\1", side, flags=re.DOTALL).strip()
        match = LABEL.fullmatch(bare)  # a label on this side may hold quotes: topic == 'I don't know'
        if match:
            return self._alias(Reference(plain(match["column"]), unescaped(match["label"]), match["sign"] == "!="))
        return self.read(side).strip()

    def read(self, side: str) -> str:
        parts, place = [], 0
        while place < len(side):
            match = ATOM.match(side, place)
            if match is None:
                what = f"{self.formula!r} cannot be read at {side[place : place + 20]!r}."
                raise AnnotuneError(what, QUOTES if COMPARES.match(side, place) else BACKTICKS)
            parts.append(self._rewritten(match))
            place = match.end()
        return re.sub(r"\b[CI]\(\s*(_[kc]\d+_)\s*\)", r"\1", "".join(parts))

    def _rewritten(self, match: re.Match[str]) -> str:
        kind, text = match.lastgroup, match.group()
        if kind == "value":
            value = match["value"]
            return self._alias(Reference(plain(match["compared"]), value_of(value), match["sign"] == "!="))
        if kind == "base":
            return self._alias(Reference(plain(match["releveled"]), category=True, order=(value_of(match["base"]),)))
        if kind == "levels":
            order = tuple(value_of(value.strip()) for value in re.findall(VALUE, match["levels"]))
            return self._alias(Reference(plain(match["ordered"]), category=True, order=order, closed=True))
        if kind == "category":
            return "C(" + self._alias(Reference(plain(match["category"]), category=True))
        if kind == "function":
            return self._function(match["function"]) + "("
        if kind == "column" and text not in CONSTANTS:
            return self._alias(Reference(plain(text)))
        return {"^": "**"}.get(text, CONSTANTS.get(text, text))

    def _function(self, name: str) -> str:
        function = R_NAMES.get(name, name)
        if name in SPELLING:
            raise AnnotuneError(f"{self.formula!r}: {name}() cannot be read here.", SPELLING[name])
        if function not in FUNCTIONS:
            what = f"{self.formula!r}: the function {name!r} is not known."
            raise AnnotuneError(what, nearest(name, sorted(FUNCTIONS | set(R_NAMES))))
        return function

    def _alias(self, reference: Reference) -> str:
        for name, other in self.references.items():
            if other == reference:
                return name
        letter = "c" if reference.label is not None else "k" if reference.category else "v"
        name = f"_{letter}{len(self.references)}_"
        self.references[name] = reference
        return name


def as_word(value: object) -> str:
    """A value of a column as the name of a category; whole numbers without a decimal point.

    >>> as_word(1990.0), as_word("Labour")
    ('1990', 'Labour')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _quote(label: str) -> str:
    return f'"{label}"' if "'" in label and '"' not in label else "'" + label.replace("'", "\\'") + "'"
