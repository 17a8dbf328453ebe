"""What is coded: variables, their labels, and the labels' codes and definitions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import pydantic

from annotune.data import qda_codebook
from annotune.data.yaml_file import Location, read_yaml
from annotune.errors import AnnotuneError, listing, nearest, nearest_file, warn
from annotune.readable import Part, Readable, shortened

Kind = Literal["nominal", "ordinal", "multilabel"]
Model = TypeVar("Model", bound=pydantic.BaseModel)
_SHEET = {"variable", "code", "name"}  # the columns that a codebook's sheet must have
_MORE = {"kind", "instruction", "definition", "examples", "parent"}  # and may have
_NO_KEY = "there is no such key"
_COMPLAINTS = {  # pydantic's commonest, in the words of a file's author
    "missing": "it is missing",
    "extra_forbidden": _NO_KEY,
    "model_type": "it must be a block of keys with values",
    "tuple_type": "it must be a list, one '- ' each",
    "string_type": "it must be one word or sentence",
    "string_too_short": "it is empty",
    "too_short": "it is empty",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "greater_than_equal": "it must be {ge:.12g} or more",
    "greater_than": "it must be more than {gt:.12g}",
    "less_than_equal": "it must be {le:.12g} or less",
    "less_than": "it must be less than {lt:.12g}",
}
_OF_CODES = " (a label such as -1 is a name, and has a code beside it)"


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Label(_Part):
    """One category: its whole-number code, its name, and what coders are told about it.

    Examples
    --------
    >>> Label(code=3, name="Public_health", definition="Hospitals, medicines, disease.").words
    'Public health: Hospitals, medicines, disease.'
    """

    code: int = pydantic.Field(ge=0, le=2_147_483_620)  # the largest that Stata's long can hold
    name: str = pydantic.Field(min_length=1)
    definition: str = ""
    examples: tuple[str, ...] = ()
    parent: int | None = None

    @property
    def words(self) -> str:
        """What it is called and defined as, in one line; examples are left out, as they may be texts of the corpus."""
        name = self.name.replace("_", " ")
        return f"{name}: {self.definition}" if self.definition else name


class Variable(_Part):
    """One thing that is coded; the order of its labels is the order of the file.

    Examples
    --------
    >>> vote = Variable(name="vote", labels=(Label(code=1, name="yes"), Label(code=0, name="no")))
    >>> vote.kind, vote.names, vote.codes
    ('nominal', ['yes', 'no'], {'yes': 1, 'no': 0})
    """

    name: str = pydantic.Field(min_length=1)
    kind: Kind = "nominal"
    instruction: str = ""
    labels: tuple[Label, ...]

    @property
    def names(self) -> list[str]:
        """The labels' names, in codebook order."""
        return [label.name for label in self.labels]

    @property
    def codes(self) -> dict[str, int]:
        """The code of each label's name."""
        return {label.name: label.code for label in self.labels}


class Codebook(Readable, _Part):
    """Everything that coders, people or models, may say about a text.

    Examples
    --------
    >>> topic = Variable(name="topic", labels=(Label(code=1, name="Health"), Label(code=3, name="Law")))
    >>> Codebook(variables=(topic,)).variable("topic").codes
    {'Health': 1, 'Law': 3}
    """

    name: str = ""
    language: str = "en"
    variables: tuple[Variable, ...]

    @pydantic.model_validator(mode="after")
    def _sound(self, info: pydantic.ValidationInfo) -> Codebook:
        if info.context is None:  # a reader checks by itself, because it can name the line
            for _, fault in _faults(self):
                raise AnnotuneError(fault, "Every code, name and variable may be there once.")
        return self

    def variable(self, name: str | None = None) -> Variable:
        """The variable of that name; without a name, the only one there is."""
        if name is None and len(self.variables) == 1:
            return self.variables[0]
        names = [variable.name for variable in self.variables]
        if name is None:
            raise AnnotuneError("The codebook has several variables.", f"Choose with variable=: {names}.")
        if name not in names:
            raise AnnotuneError(f"The codebook has no variable {name!r}.", nearest(name, names))
        return self.variables[names.index(name)]

    def only(self, names: str | Sequence[str] | None) -> Codebook:
        """The same with these variables alone, in this order; with all of them where none is named."""
        if names is None:
            return self
        chosen = [names] if isinstance(names, str) else list(dict.fromkeys(names))
        if not chosen:
            raise AnnotuneError("variable= names no variable.", "Leave it out to code all of them.")
        return self.model_copy(update={"variables": tuple(self.variable(name) for name in chosen)})

    def __str__(self) -> str:
        """The same as in a console."""
        return repr(self)

    def _parts(self) -> Iterator[Part]:
        """Its variables, each with its labels and their codes."""
        yield f"Codebook {self.name}".strip()
        for entry in self.variables:
            yield f"{entry.name} ({entry.kind})" + (f": {entry.instruction}" if entry.instruction else "")
            yield "  " + shortened([f"{label.code} {label.name}" for label in entry.labels], most=40)

    @property
    def sha256(self) -> str:
        """A fingerprint of the content, whatever the file's layout."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def read_codebook(path: str | Path, variable: str | None = None) -> Codebook:
    """Read a codebook: a YAML file, a sheet with a row per label, or a labelled column.

    Parameters
    ----------
    path
        `.yaml`/`.yml`; `.xlsx`, `.csv` or `.tsv` with the columns variable, code, name (and kind,
        definition, instruction, parent where wanted); `.dta`, `.sav` or `.rds`, whose value
        labels or factor levels become the labels of `variable`; or the codebook of a program for qualitative work:
        `.qdc` (REFI-QDA), or a sheet by Taguette, NVivo or MAXQDA. Its codes are one multilabel variable.
    variable
        The labelled column of a data file, all of them when left out; or how the codes of a program for qualitative
        work are called together, the file's name when left out.

    Raises
    ------
    AnnotuneError
        Naming the file and the line, for anything that is not a sound codebook.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "codebook.yaml"
    >>> size = path.write_text("variables: [{name: vote, labels: [{code: 1, name: yes}, {code: 0, name: no}]}]")
    >>> at.read_codebook(path).variable("vote").codes
    {'yes': 1, 'no': 0}
    """
    path = Path(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _from_yaml(path)
    if path.suffix.lower() == ".qdc":
        if not path.is_file():
            raise AnnotuneError(f"{path} is not there.", nearest_file(path))
        return _from_codes(path, qda_codebook.codes_of_qdc(path), variable)
    from annotune.tables import ALL_COLUMNS, read_table

    table = read_table(path, strings=ALL_COLUMNS)
    for note in table.notes:
        warn(note)
    if set(table.frame.columns) >= _SHEET:
        return _from_rows(path, table.frame.to_dicts(), table.first)
    if columns := qda_codebook.sheet_columns(table.frame.columns):
        return _from_codes(path, qda_codebook.codes_of_sheet(table.frame.to_dicts(), columns), variable)
    if table.labels:
        return _from_value_labels(path, table.labels, variable)
    raise AnnotuneError(
        f"{path} holds no codebook: no column has value labels, and {listing(sorted(_SHEET))} are not all columns.",
        f"There are: {listing(table.frame.columns)}.",
    )


def _faults(codebook: Codebook) -> Iterator[tuple[Location, str]]:
    """What pydantic's types cannot say: things that must be unique, and parents that must exist."""
    if not codebook.variables:
        yield ("variables",), "The codebook has no variable."
    names: set[str] = set()
    for v, variable in enumerate(codebook.variables):
        if variable.name in names:
            yield ("variables", v), f"The variable {variable.name!r} is there twice."
        names.add(variable.name)
        for place, fault in _label_faults(variable):
            yield ("variables", v, "labels", *place), fault


def _label_faults(variable: Variable) -> Iterator[tuple[Location, str]]:
    where = f"of variable {variable.name!r}"
    enough = 1 if variable.kind == "multilabel" else 2
    if len(variable.labels) < enough:
        yield (), f"The labels {where} are too few: {variable.kind} variables need at least {enough}."
    codes: set[int] = set()
    names: set[str] = set()
    for i, label in enumerate(variable.labels):
        if label.code in codes:
            yield (i, "code"), f"The code {label.code} {where} is there twice."
        if label.name.casefold() in names:
            yield (i, "name"), f"The label {label.name!r} {where} is there twice (case does not count)."
        if variable.kind == "multilabel" and set(label.name) & set(";|"):
            yield (i, "name"), f"The label {label.name!r} {where} holds ; or |, which separate the labels of a text."
        codes.add(label.code)
        names.add(label.name.casefold())
    parents = {label.code: label.parent for label in variable.labels}
    for i, label in enumerate(variable.labels):
        if label.parent is not None and label.parent not in codes:
            yield (i, "parent"), f"The parent {label.parent} of label {label.name!r} {where} is no label's code."
        if label.code in _ancestors(label.code, parents):
            yield (i, "parent"), f"The label {label.name!r} {where} is its own ancestor."


def _ancestors(code: int, parents: dict[int, int | None]) -> set[int]:
    ancestors: set[int] = set()
    above = parents.get(code)
    while above is not None and above not in ancestors:
        ancestors.add(above)
        above = parents.get(above)
    return ancestors


def _from_yaml(path: Path) -> Codebook:
    content, lines = read_yaml(path)
    codebook = validate(Codebook, content, path, lines)
    for place, fault in _faults(codebook):
        raise AnnotuneError(f"{path}, line {line_of(place, lines)}: {fault}", "Mend it there.")
    return codebook


def validate(model: type[Model], content: Any, path: Path, lines: dict[Location, int], unit: str = "line") -> Model:
    """`content` as a `model`, or the first thing wrong with it, with file and line (or row, as `unit` says)."""
    try:
        return model.model_validate(content, context={"path": path})
    except pydantic.ValidationError as error:
        first = min(error.errors(), key=lambda fault: line_of(fault["loc"], lines))
    place: Location = first["loc"]
    what = "".join(f", {part[:60]}" if isinstance(part, str) else f" {part + 1}" for part in place)[2:] or "the file"
    own = _COMPLAINTS.get(first["type"])
    complaint = first["msg"] if own is None else own.format_map(first.get("ctx", {}))
    complaint += _OF_CODES if place[-1:] == ("code",) and first["type"] == "greater_than_equal" else ""
    advice = _spelling(model, place) if own == _NO_KEY else "Mend it there."
    raise AnnotuneError(f"{path}, {unit} {line_of(place, lines)}: {what}: {complaint}.", advice)


def _spelling(model: type[pydantic.BaseModel], place: Location) -> str:
    keys, name = _keys_at(model, place[:-1]), str(place[-1])
    if not keys:
        return "Check the spelling of the key."
    # of several words the first says most: tie_rule is meant for ties, and not for rule
    closest = max((name, name.split("_")[0]), key=lambda word: max(_likeness(word, key) for key in keys))
    return nearest(closest, keys)


def _likeness(word: str, key: str) -> float:
    return SequenceMatcher(None, word, key).ratio()


def _keys_at(model: type[pydantic.BaseModel] | None, place: Location) -> list[str]:
    """The keys that a block at this place of a model may have."""
    for part in place:
        if isinstance(part, str) and model is not None:
            names_are_free = issubclass(model, pydantic.RootModel)  # as those of clusters are
            model = _block_of(_keys_of(model).get("root" if names_are_free else part))
    return [] if model is None else list(_keys_of(model))


def _keys_of(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _block_of(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The model in an annotation such as `tuple[Label, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return next((block for part in get_args(annotation) if (block := _block_of(part)) is not None), None)


def line_of(place: Location, lines: dict[Location, int]) -> int:
    """The line of the nearest thing at or around `place` that stands in the file."""
    while place not in lines and place:
        place = place[:-1]
    return lines.get(place, 1)


def _from_value_labels(path: Path, labels: Mapping[str, Mapping[Any, str]], variable: str | None) -> Codebook:
    if variable is not None and variable not in labels:
        raise AnnotuneError(f"{path} has no labelled column {variable!r}.", nearest(variable, labels))
    variables = []
    for name in [variable] if variable is not None else list(labels):
        codes = _whole_codes(path, name, labels[name])
        negative = [text for code, text in codes.items() if code < 0]
        if negative:
            warn(f"{path}, column {name!r}: negative codes mean missing, and were left out: {listing(negative)}.")
        entries = [{"code": code, "name": text} for code, text in codes.items() if code >= 0]
        variables.append({"name": name, "labels": entries})
    codebook = validate(Codebook, {"name": path.stem, "variables": variables}, path, {})
    for _, fault in _faults(codebook):
        raise AnnotuneError(f"{path}: {fault}", "Mend the value labels, or name another column with variable=.")
    return codebook


def _from_codes(path: Path, codes: Sequence[qda_codebook.Code], variable: str | None) -> Codebook:
    content = [qda_codebook.variable_of_codes(codes, variable or path.stem)]
    codebook = validate(Codebook, {"name": path.stem, "variables": content}, path, {})
    for _, fault in _faults(codebook):
        raise AnnotuneError(f"{path}: {fault}", "Rename or remove one of the codes.")
    warn(
        f"{path}: its {len(codes):,} codes were read as the labels of one multilabel variable, {content[0]['name']!r}."
    )
    return codebook


def _whole_codes(path: Path, column: str, labels: Mapping[Any, str]) -> dict[int, str]:
    """The labels by whole codes: 1, 2, ... in place of texts and fractions, as a codebook has whole numbers only."""
    if all(isinstance(code, int) for code in labels):
        return dict(labels)
    pairs = listing([f"{number} for {code}" for number, code in enumerate(labels, start=1)])
    warn(f"{path}, column {column!r}: its codes are not whole numbers, so that the codebook's are {pairs}.")
    return dict(enumerate(labels.values(), start=1))


def _from_rows(path: Path, rows: list[dict[str, Any]], first: int) -> Codebook:
    variables: dict[str, dict[str, Any]] = {}
    lines: dict[Location, int] = {(): first}
    for key in rows[0] if rows else ():
        if key not in _SHEET | _MORE and (similar := get_close_matches(key, _MORE, n=1, cutoff=0.8)):
            warn(f"{path}: the column {key!r} is not read. Did you mean {similar[0]!r}?")
    for row, record in enumerate(rows, start=first):
        cells = {key: _cell(value) for key, value in record.items() if value is not None}
        cells = {key: text for key, text in cells.items() if text not in ("", "NA") or (key == "name" and text)}
        name = cells.pop("variable", "")
        entry = variables.setdefault(name, {"name": name, "labels": []})
        entry |= {key: cells.pop(key) for key in ("kind", "instruction") if key in cells}
        place: Location = ("variables", list(variables).index(name))
        lines.setdefault(place, row)
        lines[(*place, "labels", len(entry["labels"]))] = row
        label: dict[str, Any] = {key: text for key, text in cells.items() if key in Label.model_fields}
        if "examples" in label:
            label["examples"] = label["examples"].splitlines()
        entry["labels"].append(label)
    codebook = validate(Codebook, {"name": path.stem, "variables": list(variables.values())}, path, lines, "row")
    for place, fault in _faults(codebook):
        raise AnnotuneError(f"{path}, row {line_of(place, lines)}: {fault}", "Mend it there.")
    return codebook


def _cell(value: Any) -> str:
    """A cell as it looks in the sheet: spreadsheets hold the code 1 as 1.0."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()
