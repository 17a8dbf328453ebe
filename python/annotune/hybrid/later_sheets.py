"""sheets(): coding sheets of what a study drew and is still to be coded, written when they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.corpus import read_corpus
from annotune.data.drawn import require_same_study
from annotune.data.frames import unique_names
from annotune.errors import AnnotuneError, nearest
from annotune.hybrid.decisions import codebook_of
from annotune.hybrid.sheets import require_sheets, require_shown, sheet_paths, write_sheet
from annotune.hybrid.store import Store, open_store
from annotune.hybrid.waves import last_wave, settings_of
from annotune.tables.store import people_in_store

UNASSIGNED = """
    SELECT unit_id FROM draws WHERE unit_id NOT IN (SELECT unit_id FROM people) ORDER BY wave, unit_id
"""


def sheets(
    store: str | Path,
    corpus: Any,
    write: str | Path,
    *,
    codebook: Codebook | None = None,
    coders: str | Sequence[str] = (),
    show: str | Sequence[str] | None = None,
    before: str | None = None,
    after: str | None = None,
    **columns: Any,
) -> dict[str, Path]:
    """Write coding sheets of the texts that a study drew and that are still to be coded.

    `sample` writes them with the draw; this does so later, for texts that were drawn without sheets, and again for
    what is left when some sheets came back and were recorded.

    Parameters
    ----------
    store
        The study's store (.annotune), in which texts were drawn.
    corpus
        The texts: a file or a table with `unit_id` and `text`, or what `read_corpus` takes (with `unit_id=`, `text=`).
    write
        `coding_sheet.xlsx` becomes coding_sheet_anna.xlsx for the coder anna, with her texts that have no answer of
        hers, in her order; where texts were drawn for nobody in particular it is one sheet with all that nobody has
        coded. Drop-downs are in .xlsx alone (.csv and .parquet have none). A file that is there is never written over.
    codebook
        What is coded; by default the store's, in its last version.
    coders
        For whom; by default for everybody with texts left.
    show, before, after
        Further columns of the corpus that coders see, and those with the text before and after; by default as in the
        last draw.

    Returns
    -------
    dict
        The sheet of each coder with texts left; that for nobody in particular has the name "".

    Raises
    ------
    AnnotuneError
        For a store without draws or with nothing left to code, coders who have none of its texts, a corpus that lacks
        them, a codebook that is not there, and a sheet that is there already. None is written then.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b", "c", "d"], "text": ["Why?", "How?", "When?", "Who?"]})
    >>> _ = at.sample(corpus, 3, store=folder / "study.annotune", coders=["anna"])
    >>> labels = [{"code": 1, "name": "yes"}, {"code": 0, "name": "no"}]
    >>> book = at.Codebook(variables=[{"name": "polite", "labels": labels}])
    >>> at.sheets(folder / "study.annotune", corpus, folder / "left.csv", codebook=book)["anna"].name
    'left_anna.csv'
    """
    texts = read_corpus(corpus, **columns)
    with open_store(store, create=False) as kept:
        work = _work(kept, [coders] if isinstance(coders, str) else list(coders))
        require_same_study(texts, pl.concat([own.select("unit_id") for own in work.values()]))
        paths = sheet_paths(Path(write), [name for name in work if name])
        book = require_sheets(paths, codebook or codebook_of(kept))
        drawn_with = settings_of(kept, last_wave(kept))
    before, after = before or drawn_with.get("before"), after or drawn_with.get("after")
    names = [*unique_names(drawn_with.get("show", ()) if show is None else show), before, "text", after]
    columns_shown = [name for name in names if name is not None]
    require_shown(texts, columns_shown, book)
    written: list[Path] = []
    try:
        for name, path in paths.items():
            own = work[name].join(
                texts.select("unit_id", *columns_shown), on="unit_id", how="inner", maintain_order="left"
            )
            write_sheet(path, own, name, book)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return paths


def _work(store: Store, coders: Sequence[str]) -> dict[str, pl.DataFrame]:
    """The identifiers of the texts that are left to each coder, in order; under "" where nobody was named."""
    people = people_in_store(store.path)
    names = people["coder"].unique(maintain_order=True).to_list()
    strangers = [name for name in coders if name not in names]
    if strangers:
        what = f"{store.path} has no texts for {strangers[0]!r}."
        raise AnnotuneError(what, nearest(strangers[0], names) if names else "Its texts were drawn without coders.")
    if not last_wave(store):
        raise AnnotuneError(f"No texts were drawn in {store.path}.", "Draw them with sample first.")
    left = {name: people.filter(~pl.col("answered"), coder=name).select("unit_id") for name in coders or names}
    if not names:
        left = {"": store.table(UNASSIGNED, schema={"unit_id": pl.String})}
    left = {name: own for name, own in left.items() if len(own)}
    if not left:
        raise AnnotuneError(f"{store.path} has no text left to code.", "Draw a further wave with sample.")
    return left
