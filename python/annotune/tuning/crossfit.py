"""Predictions for every text, hand-coded or not, by models that have not seen it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import check
from annotune.data.corpus import read_corpus, sound_corpus
from annotune.data.deciding import EVIDENCE
from annotune.data.drawn import drawn_only, with_draws
from annotune.data.frames import as_frame
from annotune.data.wide import attach, require_room
from annotune.errors import AnnotuneError, nearest
from annotune.export.write import write
from annotune.measures.evaluation import Evaluation
from annotune.models.classifier import Classifier, load
from annotune.models.share_check import warn_of_shares
from annotune.network.base import find_base
from annotune.progress import within
from annotune.readable import Part, Readable
from annotune.records.checkpoints import Checkpoints
from annotune.records.files import folder_for
from annotune.records.fingerprints import fingerprint, frame_sha256, versions
from annotune.records.lock import locked
from annotune.tuning.settings import Settings
from annotune.tuning.task import read_as, read_settings
from annotune.tuning.tuner import tune
from annotune.tuning.uncoded import FoldCoder, alike, fold_coder, fold_model

ADDED = ("coded", "fold")
CODINGS = "codings.parquet"
N_BOOT = 1000  # of `tune`, where nothing else is asked for
Uncoded = Literal["folds", "model"]


@dataclass(frozen=True, repr=False)
class Crossfit(Readable):
    """Predictions that a correction may rest on.

    Attributes
    ----------
    codings
        A table of codings, a row a text (a row a label for a multi-label variable) in the corpus's order, with the
        columns `p_<label>`; `fold`: the fold whose model coded it and that left it out, null where the full model
        coded it; and `pi` where the corpus has it.
    data
        A row a text, for `correct`, `prevalence` and the others: the covariates, `<variable>` and its
        probabilities, `<variable>_gold`, `coded` (whether people coded it), `fold`, and `pi` where the corpus has it.
    model
        Tuned on all coded texts, for texts to come; it coded those without a fold.
    evaluation
        Of the out-of-fold predictions against the gold, beside the baselines.
    """

    codings: pl.DataFrame
    data: pl.DataFrame
    model: Classifier
    evaluation: Evaluation

    def _parts(self) -> Iterator[Part]:
        """How many texts were coded by whom, and how good the models are."""
        n, coded = len(self.data), int(self.data["coded"].sum())
        folds = self.codings["fold"].n_unique()
        yield f"{n:,} texts, {coded:,} of them coded by hand: {folds} folds, each predicted by a model of the others."
        yield from self.model._parts()


def crossfit(
    corpus: Any,
    gold: Any,
    codebook: Codebook,
    *,
    variable: str | None = None,
    folds: int = 5,
    group: str | None = None,
    uncoded: Uncoded = "folds",
    base: str = "minilm",
    seed: int = 1,
    out: str | Path | None = None,
    precision: str = "float32",
    draws: Any = None,
    **settings: Any,
) -> Crossfit:
    """Code the whole corpus so that no hand-coded text is coded by a model that was tuned on it.

    A model fits the texts it was tuned on better than others. Taken for its accuracy elsewhere, that makes any
    correction too small, so coded texts are predicted in folds, each by a model tuned on the others (cross-fitting:
    Chernozhukov et al. 2018). What is learnt about these models' errors holds for these models, so they code the texts
    that nobody coded, too (Zrnic and Candes 2024). A text that equals a coded one has the coded one's prediction.

    Parameters
    ----------
    corpus
        A frame with unit_id, text and covariates (as `read_corpus` returns it). A column `pi` holds the probability
        with which each text was drawn for hand coding.
    gold
        A table of codings with one answer a unit (as `resolve` returns it).
    codebook, variable
        What was coded.
    folds
        How many; a text in a fold is predicted by a model tuned on the others.
    group
        A column of the corpus: texts with the same value (a document, an author) are in one fold.
    uncoded
        Who codes the texts that nobody coded. `folds`: the model of one fold each, drawn at random, so that coded and
        uncoded texts are coded by the same models; corrections are then without bias whatever the models are like.
        `model`: the one tuned on all coded texts; its errors are taken to be those of the folds' models.
    base, seed
        The base model, and the seed of every draw.
    out
        A folder, for several variables a subfolder each, where every finished fold, the model and the codings are
        kept: what was stopped goes on from there, and what rests on other inputs or settings is done again.
    precision
        Of coding the texts that nobody coded; see `Classifier.classify`. `exact` and `auto` are `float32` here: a trial
        is for many texts, and the coded ones are always predicted in it.
    draws
        How texts were drawn for coding: a study's store (.annotune), or a table of draws as `sample` and `read_draws`
        give it. In place of a column `pi`; the result has `pi` and `wave`, and texts that no wave drew are not `coded`.
    **settings
        Others of `tune`: method, epochs, device, validation ...; `pi`, where the column has another name, or
        `prevalence` in its place.

    Returns
    -------
    Crossfit

    Raises
    ------
    AnnotuneError
        As `tune` does; and for a column `pi` that holds no probabilities above 0, or columns of the corpus whose
        names the result needs.

    Examples
    --------
    >>> import annotune as at
    >>> data = at.demo(n=120, n_coded=60)
    >>> gold = at.resolve(at.read_codings(data.coders["anna"], data.codebook, coder=None), rule="majority")
    >>> done = at.crossfit(data.corpus, gold, data.codebook, folds=2, method="probe")
    >>> done.data["coded"].sum(), sorted(done.data["fold"].drop_nulls().unique())
    (60, [1, 2])
    """
    texts, decided, entry = read_corpus(corpus), check(as_frame(gold)), codebook.variable(variable)
    if draws is not None:
        texts = sound_corpus(with_draws(texts, draws))
        decided = drawn_only(texts, decided)
    require_columns_free(texts, codebook, entry.name)
    if uncoded not in get_args(Uncoded):
        raise AnnotuneError(f"uncoded={uncoded!r} is unknown.", nearest(str(uncoded), get_args(Uncoded)))
    options = {"folds": folds, "group": group, "base": base, "seed": seed, **settings}
    return in_folds(texts, decided, codebook, entry.name, options, out, uncoded, precision)


def in_folds(
    texts: pl.DataFrame,
    decided: pl.DataFrame,
    codebook: Codebook,
    variable: str,
    options: dict[str, Any],
    out: str | Path | None = None,
    uncoded: Uncoded = "folds",
    precision: str = "float32",
    keep_models: bool = False,
) -> Crossfit:
    """What `crossfit` does once its inputs are read; `options` are those of `tune`.

    With `keep_models`, `out` keeps each fold's model too: what codes texts that come later.
    """
    chosen = {name: value for name, value in options.items() if name in Settings.model_fields}
    read = read_as(texts, read_settings(chosen))
    with nullcontext() if out is None else locked(folder_for(Path(out), variable)):
        how = [uncoded, precision]
        checkpoints = None if out is None else _kept(read, decided, codebook, variable, options, out, how)
        return _in_folds(
            checkpoints, texts, read, decided, codebook, variable, options, uncoded, precision, keep_models
        )


def _in_folds(
    kept: _Kept | None,
    texts: pl.DataFrame,
    read: pl.DataFrame,
    decided: pl.DataFrame,
    codebook: Codebook,
    variable: str,
    options: dict[str, Any],
    uncoded: Uncoded,
    precision: str,
    keep_models: bool,
) -> Crossfit:
    """The same, with what was kept of an earlier run in a folder that no other run uses meanwhile."""
    checkpoints = None if kept is None else kept.codings
    coder = None
    if uncoded == "folds":
        how = {name: options[name] for name in ("folds", "group", "seed")}
        coder = fold_coder(read, decided, codebook, variable, **how, precision=precision, checkpoints=checkpoints)
    model = _model(kept, read, decided, codebook, variable, options, coder, keep_models)
    assert model.held_out is not None
    assert model.evaluation is not None
    codings = _codings(checkpoints, model, read, precision, coder)
    data = attach(texts, codings, codebook=codebook, gold=decided)
    by_unit = codings.select("unit_id", "fold").unique("unit_id", keep="first")
    told = pl.col("unit_id").is_in(model.held_out["unit_id"].unique().implode()).alias("coded")
    data = data.join(by_unit, on="unit_id", how="left", maintain_order="left").with_columns(told)
    return Crossfit(codings, data, model, model.evaluation)


@dataclass(frozen=True)
class _Kept:
    """One folder: the folds' models and that of all rest on the coded texts, the codings on the whole corpus."""

    folds: Checkpoints
    model: Checkpoints
    codings: Checkpoints


def _kept(
    texts: pl.DataFrame,
    decided: pl.DataFrame,
    codebook: Codebook,
    variable: str,
    options: dict[str, Any],
    out: str | Path,
    coding: list[str],
) -> _Kept:
    coded = texts.filter(pl.col("unit_id").is_in(decided["unit_id"].unique().implode()))
    chances = ("pi", "wave") if _unequal(coded) else ()
    columns = dict.fromkeys(("unit_id", "text", options["group"], options.get("pi"), *chances))
    seen = coded.select(name for name in columns if name in coded.columns)
    settings = read_settings({name: value for name, value in options.items() if name in Settings.model_fields})
    split = {name: value for name, value in options.items() if name not in Settings.model_fields}
    split = {name: value for name, value in split.items() if name != "n_boot" and value is not None}
    how = [settings.model_dump(), split, find_base(options["base"]).revision, versions()]
    basis = fingerprint([frame_sha256(seen), frame_sha256(decided), codebook.variable(variable), *how])
    folds = Checkpoints(folder_for(Path(out), variable), basis)
    model = replace(folds, basis=fingerprint([basis, options.get("n_boot", N_BOOT)]))  # its evaluation has intervals
    return _Kept(folds, model, replace(folds, basis=fingerprint([model.basis, frame_sha256(texts), *coding])))


def _unequal(coded: pl.DataFrame) -> bool:
    """Whether coded texts were drawn with unequal chances, so that they do not count alike."""
    return "pi" in coded.columns and coded["pi"].n_unique() > 1


def require_columns_free(texts: pl.DataFrame, codebook: Codebook, variable: str) -> None:
    """Before anything is computed: room for what is added, and a `pi` that can be one."""
    require_room(texts, [codebook.variable(variable)], gold=True)
    taken = [name for name in ADDED if name in texts.columns]
    if taken:
        raise AnnotuneError(f"The corpus has a column {taken[0]!r} already.", "Rename it, or leave it out.")
    if "pi" in texts.columns:
        pi = texts["pi"]
        likely = pi.is_between(0, 1, closed="right") if pi.dtype.is_numeric() else pi.is_null() & False
        sound = bool((likely.fill_null(False) | texts["text"].is_null()).all())  # nobody can draw an empty text
        if not sound:
            what = "The corpus's column 'pi' is not a probability above 0 and up to 1 in every row."
            raise AnnotuneError(what, "Give each text's probability of being drawn for hand coding, or drop it.")


def _model(
    kept: _Kept | None,
    texts: pl.DataFrame,
    gold: pl.DataFrame,
    codebook: Codebook,
    variable: str,
    options: dict[str, Any],
    coder: FoldCoder | None,
    keep_models: bool,
) -> Classifier:
    """The model of all coded texts, with its out-of-fold predictions; from the checkpoints where it is there."""
    device = options.get("device", "auto")
    folder = None if kept is None else kept.folds.folder
    if kept is not None and coder is not None and not kept.codings.has(CODINGS):
        coder.recall(kept.folds, device)
    if kept is not None and kept.model.has("model") and (coder is None or kept.codings.has(CODINGS) or coder.whole):
        return load(kept.model.folder / "model", device)

    def each_fold(number: int, model: Classifier) -> None:
        if coder is not None:
            coder(number, model)
        if kept is not None and keep_models:
            _keep(kept.folds, fold_model(number), model)

    told = any(options.get(name) is not None for name in ("pi", "prevalence"))
    drawn = {"pi": "pi"} if "pi" in texts.columns and not told else {}
    model = tune(texts, gold, codebook, variable, keep=folder, each_fold=each_fold, **(options | drawn))
    if kept is not None:
        _keep(kept.model, "model", model)
    return model


def _keep(checkpoints: Checkpoints, name: str, model: Classifier) -> None:
    model.save(checkpoints.start(name))
    checkpoints.finish(name)


def _codings(
    checkpoints: Checkpoints | None, model: Classifier, texts: pl.DataFrame, precision: str, coder: FoldCoder | None
) -> pl.DataFrame:
    content = None if checkpoints is None else checkpoints.read(CODINGS)
    if content is not None:
        return pl.read_parquet(content)
    codings = in_corpus_order(model, texts, precision, coder)
    warn_of_shares(model.card["shares"], model.labels, codings)
    if "pi" in texts.columns:
        codings = codings.join(texts.select("unit_id", "pi"), on="unit_id", how="left", maintain_order="left")
    if checkpoints is not None:
        write(codings, checkpoints.start(CODINGS))
        checkpoints.finish(CODINGS)
    return codings


def in_corpus_order(
    model: Classifier, texts: pl.DataFrame, precision: str, coder: FoldCoder | None = None, evidence: bool = False
) -> pl.DataFrame:
    """Out-of-fold predictions for coded texts and those that equal one; for the others the folds' or the model's.

    All have the model's name as their coder. With `evidence`, these others have the passages that decided, as `coder`
    has kept them or the model gives them; predictions out of fold have none.
    """
    assert model.held_out is not None
    texts = model.read(texts)
    coded = texts.filter(pl.col("unit_id").is_in(model.held_out["unit_id"].unique().implode()))
    likeness = coded.unique("text", keep="first", maintain_order=True).select("text", _like="unit_id")
    placed = texts.select("unit_id", "text").join(likeness, on="text", how="left", maintain_order="left")
    own = pl.col("unit_id").is_in(coded["unit_id"].implode())
    placed = placed.with_columns(pl.when(own).then("unit_id").otherwise("_like").alias("_like"))
    seen, rest = placed.filter(pl.col("_like").is_not_null()), placed.filter(pl.col("_like").is_null())
    held = model.held_out.rename({"unit_id": "_like"})
    parts = [seen.select("unit_id", "_like").join(held, on="_like").select(model.held_out.columns)]
    if coder is not None and (shares := coder.codings()) is not None:
        wanted = [*model.held_out.columns, *(EVIDENCE if evidence else ())]
        parts.append(shares.with_columns(coder=pl.lit(model.name)).select(wanted))
    elif len(rest):
        with within("Texts that nobody coded"):
            others = rest.select("unit_id", "text")
            parts.append(model.classify(others, precision=alike(precision), evidence=evidence))
    if evidence:
        parts.append(pl.DataFrame(schema=EVIDENCE))  # where all texts are coded, too
    order = texts.select("unit_id", _row=pl.int_range(pl.len()))
    codings = pl.concat(parts, how="diagonal").join(order, on="unit_id")
    return codings.sort("_row", maintain_order=True).drop("_row")
