"""definitions(): what coders sharpened while they coded, and how it comes back into the codebook's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from annotune.data.codebook import Codebook, read_codebook
from annotune.data.yaml_definitions import quoted, with_definitions
from annotune.errors import AnnotuneError
from annotune.hybrid.page.versions import changes, definitions_of, lacking, latest, of_version
from annotune.hybrid.store import Store, open_store
from annotune.records.files import replacing

SCHEMA = {
    "version": pl.Int64,
    "at": pl.String,
    "author": pl.String,
    "reason": pl.String,
    "variable": pl.String,
    "label": pl.String,
    "was": pl.String,
    "definition": pl.String,
    "in_file": pl.Boolean,
}
YAML = (".yaml", ".yml")
HEADING = "# Definitions that were sharpened while coding:"
Key = tuple[str, str]  # variable and label


def definitions(store: str | Path, file: str | Path | None = None, *, update: bool = False) -> pl.DataFrame:
    """Which definitions changed while people coded, by whom and why; on request they are put into the codebook's file.

    Parameters
    ----------
    store
        The study's store (.annotune).
    file
        The codebook's file, which is compared with what is coded with.
    update
        Whether definitions that the file lacks are put into it (.yaml), where they belong; comments, order and all else
        stay as they are. Each version's author, date and reason are added as comments at its end.

    Returns
    -------
    polars.DataFrame
        One row per version and label that it defines otherwise: `version`, `at`, `author` (empty where a file was
        brought in), `reason`, `variable`, `label`, `was`, `definition`, and `in_file`: whether the file defines the
        label so (null without one).

    Raises
    ------
    AnnotuneError
        For a store without a codebook, a file to update that is no .yaml, and one that defines a label in words that
        the store has never had: coding with it once (`code`) makes them known.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> from annotune.hybrid.page.versions import bring_in, sharpen
    >>> folder = Path(tempfile.mkdtemp())
    >>> book = folder / "codebook.yaml"
    >>> size = book.write_text("variables: [{name: a, labels: [{code: 1, name: Law}, {code: 2, name: War}]}]")
    >>> with open_store(folder / "study.annotune") as opened:
    ...     version = bring_in(opened, at.read_codebook(book))
    ...     version = sharpen(opened, "anna", "a", "Law", "Courts and prisons.", "Prisons were unclear.")
    >>> at.definitions(folder / "study.annotune", book, update=True)["in_file"].to_list()
    [True]
    >>> at.read_codebook(book).variable("a").labels[0].definition
    'Courts and prisons.'
    """
    path = None if file is None else Path(file)
    if update and (path is None or path.suffix.lower() not in YAML):
        what = "No codebook's file is named to be updated." if path is None else f"{path} cannot be updated."
        raise AnnotuneError(what, "Give a .yaml; others are brought up to date by hand.")
    with open_store(store, create=False) as kept:
        table = _history(kept)
        book = None if path is None else read_codebook(path)
        if update and path is not None and book is not None:
            book = _updated(kept, path, book, table)
    if book is None:
        return table
    of_file = definitions_of(book)
    stated = [of_file.get((row["variable"], row["label"])) == row["definition"] for row in table.iter_rows(named=True)]
    return table.with_columns(in_file=pl.Series(stated, dtype=pl.Boolean))


def _history(store: Store) -> pl.DataFrame:
    """Every definition that changed from one version to the next."""
    latest(store)  # refuses a store without a codebook
    rows: list[tuple[object, ...]] = []
    before: Codebook | None = None
    for version, at, author, reason in store.rows("SELECT version, at, author, reason FROM codebooks ORDER BY version"):
        after = of_version(store, version)
        if before is not None:
            was, now = definitions_of(before), definitions_of(after)
            about = (version, at, author, reason)
            rows += [(*about, *key, was.get(key, ""), now[key], None) for key in changes(before, after) if key in now]
        before = after
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _updated(store: Store, path: Path, book: Codebook, table: pl.DataFrame) -> Codebook:
    """The file, with the definitions that it lacks; it is written whole, and only where all else in it is as before."""
    absent = lacking(store, book)
    if not absent:
        return book
    _require_known(path, book, absent, table)
    wanted = _redefined(book, absent)
    text = with_definitions(path.read_bytes().decode("utf-8-sig"), absent)
    text = _with_reasons(text, table, absent)
    with replacing(path) as draft:
        draft.write_bytes(text.encode("utf-8"))
        if read_codebook(draft) != wanted:
            what = f"{path} is written in a way in which its definitions cannot be replaced."
            raise AnnotuneError(what, "Write them by hand, as definitions() shows them.")
    return wanted


def _require_known(path: Path, book: Codebook, absent: Mapping[Key, str], table: pl.DataFrame) -> None:
    """Stop where the file says something of its own, which would be lost."""
    own = definitions_of(book)
    for variable, label in absent:
        rows = table.filter(variable=variable, label=label)
        if own[variable, label] not in [*rows["was"], *rows["definition"]]:
            what = f"{path} defines {label!r} of {variable!r} in words that were never coded with."
            raise AnnotuneError(what, "Start the coding page with it once, which makes them known, or write by hand.")


def _redefined(book: Codebook, definitions: Mapping[Key, str]) -> Codebook:
    variables = []
    for entry in book.variables:
        labels = [
            label.model_copy(update={"definition": definitions.get((entry.name, label.name), label.definition)})
            for label in entry.labels
        ]
        variables.append(entry.model_copy(update={"labels": tuple(labels)}))
    return book.model_copy(update={"variables": tuple(variables)})


def _with_reasons(text: str, table: pl.DataFrame, absent: Mapping[Key, str]) -> str:
    """The text with who defined what anew, when and why, in comments at its end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [] if HEADING in text else [HEADING]
    for row in table.iter_rows(named=True):
        if (row["variable"], row["label"]) in absent:
            who = row["author"] or "from a file"
            about = f"version {row['version']}, {row['at'][:10]}, {who}, {row['variable']}: {row['label']}"
            comment = f"# {about}: {quoted(row['reason'])} (was: {quoted(row['was'])})"
            lines += [] if comment in text else [comment]
    return text.rstrip() + newline + newline.join(lines) + newline
