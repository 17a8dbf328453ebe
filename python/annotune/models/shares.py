"""How often a model gives each label to a corpus, beside how often people and the model gave it to held-out texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from annotune.data.codings import check, of_variable
from annotune.data.frames import as_frame
from annotune.data.inputs import covariates_note
from annotune.data.wide import detach
from annotune.errors import AnnotuneError
from annotune.models.coder import Coder
from annotune.models.share_check import as_note, share_table
from annotune.runtimes.choice import Choice


def shares(model: Coder, codings: Any) -> pl.DataFrame:
    """How often each label was given to a corpus, beside how often people and the model gave it to held-out texts.

    Where the texts of the corpus are like the coded ones, the last two columns agree but for chance. Where they do not,
    either the corpus is of another kind, or coded texts were not drawn from it at random (see `pi` and `prevalence` of
    `tune`); what was measured on held-out texts does then not hold for the corpus.

    Parameters
    ----------
    model
        A tuned model that was measured on held-out texts.
    codings
        What it says of the corpus: the table of codings that `classify` returns, or coded texts with a column for the
        variable, as `attach` and `annotune classify` make them.

    Returns
    -------
    polars.DataFrame
        One row per label: label, people, held_out and corpus (shares of the texts with an answer), n_held_out (texts;
        with weights, as many as they are worth), n_corpus, and apart: whether held_out and corpus differ by more than
        chance (a z-test with Bonferroni's correction at .001, which allows for what models made anew vary).

    Raises
    ------
    AnnotuneError
        Where nothing was held out, the model was tuned before annotune kept these shares, or nobody coded the
        variable.

    Examples
    --------
    >>> import annotune as at
    >>> data = at.demo(n=150, n_coded=80)
    >>> gold = at.resolve(at.read_codings(data.coders["anna"], data.codebook, coder=None), rule="majority")
    >>> model = at.tune(data.corpus, gold, data.codebook, method="probe", folds=2, n_boot=0)
    >>> at.shares(model, model.classify(data.corpus)).columns
    ['label', 'people', 'held_out', 'corpus', 'n_held_out', 'n_corpus', 'apart']
    """
    known = model.card["shares"]
    if known is None:
        what = f"{model.name} holds no shares of held-out texts."
        raise AnnotuneError(what, "Tune a model with test= or folds=, so that something is held out.")
    frame = as_frame(codings)
    rows = check(frame) if "label" in frame.columns else detach(frame, model.variable)
    return share_table(known, model.labels, of_variable(rows, model.variable.name))


def notes_of(model: Coder, codings: pl.DataFrame, choice: Choice, as_coder: str | None = None) -> list[str]:
    """Notes for a file of coded texts: whose codes they are, what computed them, and how often labels were given."""
    of_labels = shares_of_all([] if as_coder else [model], codings)
    shares = [as_note(model.variable.name, of_labels)] if len(of_labels) else []
    read = [covariates_note(model.inputs.covariates)] if model.inputs.covariates else []
    whose = "" if as_coder is None else f" as the coder {as_coder} would"
    return [f"Coded by {model.name}{whose}.", choice.why, *shares, *read]


def shares_of_all(models: Iterable[Coder], codings: Any) -> pl.DataFrame:
    """What `shares` says of each of these models whose shares are known, with its variable in the first column."""
    schema: dict[str, Any] = {"variable": pl.String, "label": pl.String, "people": pl.Float64, "held_out": pl.Float64}
    schema |= {"corpus": pl.Float64, "n_held_out": pl.Int64, "n_corpus": pl.Int64, "apart": pl.Boolean}
    tables = [
        shares(model, codings).select(pl.lit(model.variable.name).alias("variable"), pl.all())
        for model in models
        if model.card["shares"] is not None
    ]
    return pl.concat([pl.DataFrame(schema=schema), *tables])
