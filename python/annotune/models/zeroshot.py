"""zero_shot(): codes from a codebook and a decoder alone, by the probabilities of the labels' own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import ANSWERED, SCHEMA
from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError, listing, warn
from annotune.network.base import find_base, load_pair
from annotune.network.batches import tokenize
from annotune.network.encoder import outputs
from annotune.network.machine import choose_device
from annotune.network.memory import Weights
from annotune.network.prompts import Template, make_prompt
from annotune.network.slots import make_slots, room_for_text
from annotune.network.speaker import Speaker, require_exact
from annotune.network.steady import seconds_a_text, steady_logits
from annotune.progress import Advance

CONTENT_FREE = ("N/A", "", "[MASK]")  # the three of Zhao et al. (2021)
ONE_LABEL, FEWEST = 0.95, 20  # of so many different texts that share has one label: it is said
TIE = 1e-5  # probabilities that differ by less are equal: rounding depends on which texts are read together


@dataclass(frozen=True)
class Asked:
    """A decoder, ready to answer the questions about some variables."""

    model: Speaker
    tokenizer: Any
    variables: tuple[Variable, ...]
    max_tokens: int

    def logits(
        self, texts: Sequence[str], what: str = "", fast: bool = False, batch_tokens: int | None = None
    ) -> np.ndarray:
        """Mean log-probabilities (texts, answers), the questions beside each other; cut texts are counted."""
        if not len(texts):
            return np.zeros((0, self.model.n_outputs), dtype=np.float32)
        room = room_for_text(self.model.slots, self.tokenizer, self.max_tokens)
        tokens = tokenize(self.tokenizer, texts, room, special=False)
        if tokens.cut:
            warn(
                f"{tokens.cut:,} of {len(texts):,} distinct texts ({tokens.cut / len(texts):.1%}) are longer than "
                f"{room} tokens; only their start is read."
            )
        return outputs(self.model, tokens, what=what, fast=fast, batch_tokens=batch_tokens)

    def code(
        self,
        texts: pl.DataFrame,
        coder: str,
        *,
        calibrate: bool = True,
        fast: bool = False,
        batch_tokens: int | None = None,
        what: str = "Coding",
    ) -> pl.DataFrame:
        """A table of codings for texts (`unit_id`, `text`), as `zero_shot` gives it; equal texts are read once."""
        distinct = texts["text"].drop_nulls().unique(maintain_order=True)
        logits = self.logits(distinct.to_list(), what, fast, batch_tokens)
        empty = self.logits(CONTENT_FREE, fast=fast, batch_tokens=batch_tokens) if calibrate else None
        place = pl.DataFrame({"text": distinct, "_place": np.arange(len(distinct))})
        places = texts.join(place, on="text", how="left", maintain_order="left")["_place"].fill_null(-1)
        return self.as_codings(texts["unit_id"], logits, places.to_numpy(), coder, empty)

    def seconds_a_text(self, texts: Sequence[str], fast: bool = False) -> float:
        """How long one of these texts takes where there are many."""
        room = room_for_text(self.model.slots, self.tokenizer, self.max_tokens)
        return seconds_a_text(self.model, tokenize(self.tokenizer, texts, room, special=False), fast)

    def steady_logits(
        self, texts: Sequence[str], fast: bool = False, advance: Advance | None = None
    ) -> tuple[np.ndarray, int]:
        """`logits`, each row the same to the last bit whatever the other texts are; and how many texts were cut."""
        room = room_for_text(self.model.slots, self.tokenizer, self.max_tokens)
        tokens = tokenize(self.tokenizer, texts, room, special=False)
        return steady_logits(self.model, tokens, fast, advance), tokens.cut

    def as_codings(
        self, units: pl.Series, logits: np.ndarray, place: np.ndarray, coder: str, empty: np.ndarray | None = None
    ) -> pl.DataFrame:
        """A table of codings for units; `place` is a text's row in `logits`, -1 where there is no text.

        With `empty`, the logits of texts without content, the answers are calibrated by these.
        """
        answers = _split(self, logits)
        if empty is not None:
            answers = [_calibrated(given, free) for given, free in zip(answers, _split(self, empty), strict=True)]
        return _as_codings(units, place, self.variables, answers, coder)


def zero_shot(
    corpus: Any,
    codebook: Codebook | Sequence[Codebook],
    base: str,
    variable: str | Sequence[str] | None = None,
    *,
    examples: int = 0,
    template: Template = "chat",
    calibrate: bool = True,
    max_tokens: int = 512,
    batch_tokens: int | None = None,
    precision: str = "float32",
    weights: Weights = "auto",
    device: str = "auto",
    **columns: Any,
) -> pl.DataFrame:
    """Code texts with a decoder that was not tuned, by the codebook alone.

    The codebook is read once and shared by all texts. Each text is read once; each variable is a question that is
    answered without knowledge of the other answers, and each label's score is the mean log-probability of the tokens
    that tell it from the other labels. Nothing is generated, so there is no answer that cannot be read.

    Scores are calibrated (Zhao et al. 2021, section 5): a label's probability is divided by the one that it has for
    texts without content, and the results are scaled to sum to one.

    Parameters
    ----------
    corpus
        A frame with unit_id and text, or what `read_corpus` takes (with `unit_id=` and `text=`).
    codebook
        What is coded; or several codebooks, whose variables are asked together.
    base
        A decoder: a folder or a hub name, such as `Qwen/Qwen3-0.6B`.
    variable
        One or more of the variables; all when left out. Of a multi-label variable each label is a question, yes or no.
    examples
        How many of the codebook's examples of each label are shown to the model, with their answers.
    template
        `chat` is the base's own; `plain` is for bases without one.
    calibrate
        Whether to calibrate.
    max_tokens
        Longer texts are cut there; the codebook never is. How many were cut is said in a warning.
    batch_tokens
        A batch holds about so many tokens; by default 4,096, and 65,536 on a GPU.
    precision
        `float32`, or `bfloat16` for speed where the processor has it.
    weights
        How the base is held: `auto` takes `float32`, `bfloat16` or (with bitsandbytes) `4bit` as memory allows.
    device
        `auto`, `cpu`, `cuda` or `mps`.

    Returns
    -------
    polars.DataFrame
        A table of codings: for each text, in the corpus's order, a row a variable (for a multi-label variable a row
        per label given), and a column `p_<label>` for every label of any variable. The coder is named like
        `qwen3-0.6b-zero-shot`. An empty text has the status `missing`.

    Raises
    ------
    AnnotuneError
        When the base is no decoder or has no chat template, when labels are the same to its tokenizer, or when
        the codebook is longer than what it can read.

    Examples
    --------
    >>> import annotune as at
    >>> at.zero_shot(corpus, book, "Qwen/Qwen3-0.6B")  # doctest: +SKIP
    """
    if precision not in ("float32", "bfloat16"):
        raise AnnotuneError(f"The precision {precision!r} is unknown.", "Use 'float32' or 'bfloat16'.")
    if weights not in get_args(Weights):
        raise AnnotuneError(f"Weights cannot be held as {weights!r}.", f"Choose from {listing(get_args(Weights))}.")
    if examples < 0 or max_tokens < 1 or (batch_tokens is not None and batch_tokens < 1):
        raise AnnotuneError("examples, max_tokens and batch_tokens cannot be that small.", "Give 1 or more.")
    texts = read_corpus(corpus, **columns)
    options: dict[str, Any] = {"examples": examples, "template": template, "calibrate": calibrate}
    options |= {"max_tokens": max_tokens, "batch_tokens": batch_tokens, "precision": precision}
    codings = decoder(base, weights=weights, device=device, **options)(texts, choose_variables(codebook, variable))
    _warn_of_one_label(codings.join(texts.unique("text"), on="unit_id", how="semi", maintain_order="left"))
    return codings


def _warn_of_one_label(codings: pl.DataFrame) -> None:
    """Say so where nearly all different texts have got the same label of a variable."""
    answers = codings.filter(pl.col("status").is_in(ANSWERED))
    texts = answers.group_by("variable", maintain_order=True).agg(texts=pl.col("unit_id").n_unique())
    counts = answers.drop_nulls("label").group_by("variable", "label", maintain_order=True).agg(n=pl.len())
    often = pl.col("n") >= ONE_LABEL * pl.col("texts")
    alike = counts.join(texts, on="variable", maintain_order="left").filter(often & (pl.col("texts") >= FEWEST))
    for row in alike.iter_rows(named=True):
        warn(
            f"{row['n']:,} of {row['texts']:,} different texts have got the label {row['label']!r} of "
            f"{row['variable']}: the base may not tell texts apart. Code 50 texts by hand first, see with evaluate() "
            "how often its codes are right, and compare tune(method='probe') on the same texts."
        )


def decoder(
    base: str,
    *,
    examples: int = 0,
    template: Template = "chat",
    calibrate: bool = True,
    max_tokens: int = 512,
    batch_tokens: int | None = None,
    precision: str = "float32",
    weights: Weights = "auto",
    device: str = "auto",
) -> Callable[[pl.DataFrame, Codebook], pl.DataFrame]:
    """A decoder that codes texts by one codebook after the other; its weights are read once (see `zero_shot`)."""
    known = find_base(base)
    pair = load_pair(known, choose_device(device), speaking=True, weights=weights)
    coder = f"{known.name.split('/')[-1].lower()}-{'few' if examples else 'zero'}-shot"
    fast = precision == "bfloat16"

    def code(corpus: pl.DataFrame, codebook: Codebook) -> pl.DataFrame:
        asked = ready(codebook.variables, *pair, examples, template, max_tokens)
        texts = corpus.select("unit_id", "text")
        return asked.code(texts, coder, calibrate=calibrate, fast=fast, batch_tokens=batch_tokens)

    return code


def ready(
    variables: Sequence[Variable],
    tokenizer: Any,
    backbone: Any,
    examples: int = 0,
    template: Template = "chat",
    max_tokens: int = 512,
) -> Asked:
    """A decoder with its prompt, after a look at whether it can share the codebook between texts."""
    prompt = make_prompt(variables, tokenizer, template=template, examples=examples)
    model = Speaker(backbone, make_slots(prompt, tokenizer))
    require_exact(model)
    return Asked(model, tokenizer, tuple(variables), max_tokens)


def choose_variables(codebook: Codebook | Sequence[Codebook], variable: str | Sequence[str] | None = None) -> Codebook:
    """The variables to be asked for, of one codebook or of several, as one codebook."""
    books = [codebook] if isinstance(codebook, Codebook) else list(codebook)
    if not books:
        raise AnnotuneError("There is no codebook.", "Give at least one.")
    return Codebook(variables=tuple(entry for book in books for entry in book.variables)).only(variable)


def _split(asked: Asked, logits: np.ndarray) -> list[np.ndarray]:
    """For each question the probabilities (texts, answers), which sum to one."""
    parts = np.split(logits.astype(np.float64), np.cumsum(asked.model.slots.sizes)[:-1], axis=1)
    powers = [np.exp(part - part.max(1, keepdims=True)) for part in parts]
    return [power / power.sum(1, keepdims=True) for power in powers]


def _calibrated(given: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Zhao et al. (2021): W p with W = diag(p_cf)^-1, here scaled to sum to one."""
    weighed = given / free.mean(0)
    return np.asarray(weighed / weighed.sum(1, keepdims=True))


def _as_codings(
    units: pl.Series, place: np.ndarray, variables: tuple[Variable, ...], answers: list[np.ndarray], coder: str
) -> pl.DataFrame:
    """A row per unit and variable, or per label given, unit by unit; `place` is -1 where a unit has no text."""
    parts, remaining = [], iter(answers)
    for number, variable in enumerate(variables):
        if variable.kind == "multilabel":
            shares = np.stack([next(remaining)[:, 0] for _ in variable.labels], axis=1)
        else:
            shares = next(remaining)
        part = _of_variable(units, place, variable, shares).with_columns(
            pl.int_range(pl.len()).alias("_unit"), pl.lit(number).alias("_variable")
        )
        parts.append(part.explode("_given").unnest("_given"))
    codings = pl.concat(parts, how="diagonal").sort("_unit", "_variable", maintain_order=True)
    none = (pl.col("status") == "ok") & pl.col("label").is_null()
    codings = codings.with_columns(
        pl.lit(coder).alias("coder"), pl.when(none).then(pl.lit("none")).otherwise("status").alias("status")
    )
    labels = dict.fromkeys(f"p_{name}" for variable in variables for name in variable.names)
    return codings.select(*SCHEMA, *labels)


def _of_variable(units: pl.Series, place: np.ndarray, variable: Variable, shares: np.ndarray) -> pl.DataFrame:
    """A row a unit, with the list of labels given."""
    found = np.full((len(units), len(variable.labels)), np.nan)
    found[place >= 0] = shares[place[place >= 0]]
    coded = np.isfinite(found).all(1)
    given = [_given(variable, row) if ok else [None] for row, ok in zip(found, coded, strict=True)]
    dtype = pl.List(pl.Struct({"label": pl.String, "prob": pl.Float64}))
    columns = {f"p_{name}": found[:, i] for i, name in enumerate(variable.names)}
    return pl.DataFrame(
        {
            "unit_id": units,
            "variable": [variable.name] * len(units),
            "status": np.where(place < 0, "missing", np.where(coded, "ok", "error")),
            "_given": pl.Series(given, dtype=dtype),
            **columns,
        }
    ).with_columns(pl.col("^p_.*$").fill_nan(None))


def _given(variable: Variable, row: np.ndarray) -> list[Any]:
    """The likeliest label, of equal ones the codebook's first; of a set the labels that are likelier than not."""
    if variable.kind == "multilabel":
        chosen = np.flatnonzero(row > 0.5 + TIE).tolist()
    else:
        chosen = [int((row >= row.max() - TIE).argmax())]
    return [{"label": variable.names[i], "prob": float(row[i])} for i in chosen] or [None]
