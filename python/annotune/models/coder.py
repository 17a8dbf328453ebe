"""A model that codes texts: from texts to logits, and from logits to codings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import SCHEMA, sound_codings
from annotune.data.corpus import Corpus, read_corpus
from annotune.data.deciding import with_numbers, with_passages
from annotune.data.inputs import Inputs, inputs_of, with_inputs
from annotune.errors import AnnotuneError, nearest, warn
from annotune.models.card import Card
from annotune.models.evidence import require_evidence
from annotune.models.share_check import warn_of_shares
from annotune.network.logits import decide, from_logits
from annotune.network.portions import MOST_READ, groups

if TYPE_CHECKING:
    from annotune.network.batches import Tokens
    from annotune.progress import Advance
    from annotune.runtimes.choice import Choice
    from annotune.runtimes.engines import Engine


def name_of(card: Mapping[str, Any]) -> str:
    """The name of a tuned model as a coder, by its card."""
    return f"{card['base']['name'].split('/')[-1].lower()}-{card['model_sha256'][:4]}"


@dataclass(frozen=True)
class Coder:
    """A model that codes one variable.

    Attributes
    ----------
    variable
        What it codes, as in the codebook.
    labels
        The labels it can give, in codebook order: those that occurred among the coded texts.
    card
        What it was made of and with: settings, choices, sizes of the parts, fingerprints, seconds (a dictionary; see
        `annotune.models.card.Card`).
    """

    model: Any  # an Encoder, or a Speaker where it was tuned to say the label
    tokenizer: Any
    variable: Variable
    labels: tuple[str, ...]
    card: Card

    @property
    def name(self) -> str:
        """The coder's name in tables of codings, such as `minilm-3f2a`."""
        return name_of(self.card)

    def classify(
        self,
        corpus: Any,
        *,
        precision: str | Choice = "float32",
        evidence: bool = False,
        coder: str | None = None,
        **columns: Any,
    ) -> pl.DataFrame:
        """Code every text.

        Parameters
        ----------
        corpus
            A frame with unit_id, text and whatever else the model reads, or what `read_corpus` takes
            (with `unit_id=` and `text=`).
        precision
            `float32`; `bfloat16`, which is two to three times as fast where the processor has it, and gives another
            label to some texts; `exact`, the fastest that computes in 32 bits; `auto`, the fastest of all that proves
            itself on these texts. Or a choice that was made before; see `choose_runtime`.
        evidence
            Whether the passage of each text that decided is handed out. A long text's logits are the means of its
            passages', so the margin of its label over the runner-up (of sets: over the label's cut-off) is the mean of
            its passages' margins. The share of a passage is its margin as a share of the sum of those above 0: shares
            sum to 1 over a text, and the passage with the largest decided.
        coder
            One of the coders whom the model was tuned with (`coders=` of `annotune.tune`): what that one would say, in
            place of what any one of them would.

        Returns
        -------
        polars.DataFrame
            A table of codings with a row per text, in the corpus's order (for a multi-label
            variable a row per label given), and a column `p_<label>` with the probability of every
            label. An empty text has the status `missing`; one for which the model gives no
            probabilities has `error`; a set without labels has `none`. Where labels are given more or less often
            than to held-out texts by more than chance, a warning says so (see `annotune.shares`).
            With `evidence`, of each label that is given also `evidence`, the passage word for word; `evidence_share`;
            and `evidence_start` and `evidence_end`, the number of its first character, from 0, and of the one after its
            last. Of a text that is one passage that is the whole text with a share of 1; where longer texts are cut,
            the start that was read.

        Raises
        ------
        AnnotuneError
            When columns that it reads are not there or identifiers are double, or the precision or the coder is
            unknown; with `evidence`, for a model that reads texts in a prompt, or more than them.
        """
        from annotune.models.trial import chosen
        from annotune.runtimes.engines import require_precision

        if isinstance(precision, str):
            require_precision(precision)
        if evidence:
            require_evidence(self.name, self.card["settings"])
        if evidence and coder is not None:
            what = "Passages are those that decided what any coder would say."
            raise AnnotuneError(what, "Ask for evidence or for one coder, not for both.")
        offsets = None if coder is None else self.offsets_of(coder)
        texts = self.read(read_corpus(corpus, **columns)).select("unit_id", "text")
        distinct = texts["text"].drop_nulls().unique(maintain_order=True)
        choice = chosen(self, distinct, precision) if isinstance(precision, str) else precision
        logits = self.logits(distinct.to_list(), choice.runtime, together=True, evidence=evidence)
        place = pl.DataFrame({"text": distinct, "_place": np.arange(len(distinct))})
        places = texts.join(place, on="text", how="left", maintain_order="left")["_place"].fill_null(-1)
        if offsets is not None:
            moved = self.as_codings(texts["unit_id"], logits + offsets, places.to_numpy())
            return sound_codings(moved.with_columns(coder=pl.lit(f"{self.name} as {coder}")))
        codings = self.as_codings(texts["unit_id"], logits, places.to_numpy())
        warn_of_shares(self.card["shares"], self.labels, codings)
        return with_passages(codings, texts) if evidence else codings

    def offsets_of(self, coder: str) -> np.ndarray:
        """What is added to its logits, (labels,), to say what this coder would.

        Raises
        ------
        AnnotuneError
            When it was not tuned with the coders' answers, these proved nothing, or the coder is none of them.
        """
        known = self.card["choices"]["coders"]
        if known is None:
            what = f"{self.name} does not know what single coders would say."
            raise AnnotuneError(what, "Tune it with coders=, on gold by the rule 'shares'.")
        if not known["by_coder"]:
            what = (
                f"{self.name} says nothing for single coders: on texts not seen that was no better than what any would."
            )
            raise AnnotuneError(what, "Leave coder= out.")
        if coder not in known["by_coder"]:
            what = f"{self.name} was tuned without answers of a coder {coder!r}."
            raise AnnotuneError(what, nearest(coder, list(known["by_coder"])))
        return np.array(known["by_coder"][coder])

    def choose_runtime(self, corpus: Any, precision: str = "auto", **columns: Any) -> Choice:
        """What computes the texts of a corpus fastest; with `auto`, as long as labels stay those of float32.

        All that this machine has is timed on some of the texts. What is faster than float32 has to prove itself on a
        thousand of them: with `exact` every label has to be the same; with `auto`, where numbers have fewer digits, 995
        in 1,000, and no label's share may leave the 95 % interval of its share by float32.

        Parameters
        ----------
        corpus
            As in `classify`.
        precision
            As in `classify`.

        Returns
        -------
        Choice
            `.runtime`, `.why` in a sentence, and `.trials`: what was tried, how fast it was, how many labels were the
            same. `classify` takes it as its `precision`.

        Raises
        ------
        AnnotuneError
            When the columns are not there or identifiers are double, or the precision is unknown.
        """
        from annotune.models.trial import chosen
        from annotune.runtimes.engines import require_precision

        require_precision(precision)
        texts = self.read(read_corpus(corpus, **columns))["text"]
        return chosen(self, texts.drop_nulls().unique(maintain_order=True), precision)

    @property
    def inputs(self) -> Inputs:
        """The columns that it reads."""
        return inputs_of(self.card["settings"])

    def read(self, corpus: pl.DataFrame) -> Corpus:
        """The corpus with what the model reads of each row as its text."""
        return with_inputs(corpus, self.inputs, self.name)

    def logits(
        self, texts: list[str], runtime: str = "float32", together: bool = False, evidence: bool = False
    ) -> np.ndarray:
        """Logits (texts, labels) as they come from the network; texts that are too long are cut, and counted.

        With `evidence`, the numbers of `deciding` stand behind them in each row.
        """
        from annotune.network.transfers import made_ahead
        from annotune.runtimes.engines import engine

        what, computing = f"Coding {self.variable.name}", engine(runtime, self.model)
        width = self.width if evidence else len(self.labels)
        parts, cut = [np.zeros((0, width), dtype=np.float32)], 0
        for group, tokens in made_ahead(self._with_tokens, groups(texts, self.most_read)):
            cut += tokens.cut
            if evidence:
                passages = computing.logits(tokens.passages, what, together)
                parts.append(self._with_deciding(group, tokens, passages))
            else:
                parts.append(computing.logits(tokens, what, together))
        if cut:
            longer = f"{cut:,} of {len(texts):,} distinct texts {'is' if cut == 1 else 'are'} longer"
            warn(f"{longer} than {self._limit} tokens; only the start is read.")
        return np.concatenate(parts)

    def steady_logits(
        self,
        texts: list[str],
        computing: Engine | None = None,
        advance: Advance | None = None,
        evidence: bool = False,
    ) -> tuple[np.ndarray, int]:
        """The same, each row the same to the last bit whatever the other texts are; and how many texts were cut."""
        from annotune.runtimes.engines import Engine

        tokens, steady = self.tokens(texts), computing or Engine(self.model)
        if evidence:
            return self._with_deciding(texts, tokens, steady.steady_logits(tokens.passages, advance)), tokens.cut
        return steady.steady_logits(tokens, advance), tokens.cut

    def _with_tokens(self, texts: list[str]) -> tuple[list[str], Tokens]:
        return texts, self.tokens(texts)

    def _with_deciding(self, texts: list[str], tokens: Tokens, passages: np.ndarray) -> np.ndarray:
        """Logits of texts, and behind them which of their passages decided, (texts, width), of those of passages."""
        from annotune.network.deciding import deciding
        from annotune.network.passages import read_spans

        logits, sets = tokens.pooled(passages), self.variable.kind == "multilabel"
        spans = read_spans(self.tokenizer, texts, self._limit, tokens.ends is not None)
        return np.hstack([logits.astype(np.float64), deciding(passages, logits, spans, sets, self._cutoffs)])

    @property
    def width(self) -> int:
        """The numbers of a text whose deciding passage is asked for."""
        n_labels = len(self.labels)
        return n_labels + 3 * (n_labels if self.variable.kind == "multilabel" else 1)

    def seconds_a_text(self, texts: list[str], computing: Engine | None = None) -> float:
        """How long one of these texts takes where there are many."""
        from annotune.runtimes.engines import Engine

        began = time.perf_counter()
        tokens = self.tokens(texts)
        beside = (time.perf_counter() - began) / len(texts)
        return beside + (computing or Engine(self.model)).seconds_a_text(tokens)

    def tokens(self, texts: list[str]) -> Tokens:
        """The texts as the network reads them."""
        from annotune.network.batches import tokenize
        from annotune.network.passages import read_texts

        if self._prompted:
            return tokenize(self.tokenizer, texts, self._limit, special=False)
        return read_texts(self.tokenizer, texts, self._limit, self.card["settings"]["long_texts"] == "whole")

    @property
    def most_read(self) -> int | None:
        """The characters of a text beyond which nothing can be read; None where texts are read whole."""
        return None if self.card["settings"]["long_texts"] == "whole" else MOST_READ

    @property
    def _limit(self) -> int:
        """The tokens beyond which a text is cut."""
        return int(min(self.card["settings"]["max_tokens"], self.tokenizer.model_max_length))

    @property
    def _prompted(self) -> bool:
        """Whether texts are read as they stand in a prompt."""
        return self.card["settings"]["objective"] == "label"

    @property
    def _cutoffs(self) -> Sequence[float] | None:
        """The numbers by which answers follow from logits (`annotune.network.logits.decide`)."""
        return self.card["choices"]["cutoffs"]

    def as_codings(
        self, units: pl.Series, logits: np.ndarray, place: np.ndarray, answers: np.ndarray | None = None
    ) -> pl.DataFrame:
        """One row per unit; `place` is its text's row in `logits`, -1 where it has no text.

        `answers`, one row per text as `annotune.network.logits.decide` gives them, replace the model's own. Where the
        numbers of deciding passages stand behind the logits, they are columns of the result.
        """
        sets, n_labels = self.variable.kind == "multilabel", len(self.labels)
        logits, numbers = logits[:, :n_labels].astype(np.float32, copy=False), logits[:, n_labels:]
        answers = decide(logits, sets, self._cutoffs) if answers is None else answers
        codings = codings_of(units, logits, place, answers, self.variable, self.labels, self.name)
        return with_numbers(codings, units, place, numbers, self.labels) if numbers.shape[1] else codings


def codings_of(
    units: pl.Series,
    logits: np.ndarray,
    place: np.ndarray,
    answers: np.ndarray,
    variable: Variable,
    labels: tuple[str, ...],
    coder: str,
) -> pl.DataFrame:
    """One row per unit (of sets one per label given) with the answers and probabilities of its row, `place`."""
    sets = variable.kind == "multilabel"
    probabilities = np.full((len(units), len(labels)), np.nan)
    has_text = place >= 0
    probabilities[has_text] = from_logits(logits, sets)[place[has_text]]
    coded = np.isfinite(probabilities).all(1)
    status = np.where(~has_text, "missing", np.where(coded, "ok", "error"))
    frame = pl.DataFrame(
        {
            "unit_id": units,
            "status": status,
            **{f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)},
        }
    ).with_columns(
        pl.col("^p_.*$").fill_nan(None),
        pl.lit(variable.name).alias("variable"),
        pl.lit(coder).alias("coder"),
    )
    if sets:
        chosen = np.zeros((len(units), len(labels)), dtype=bool)
        chosen[coded] = answers[place[coded]]
        frame = _sets(frame, probabilities, chosen, labels)
    else:
        best = np.zeros(len(units), dtype=np.int64)
        best[coded] = answers[place[coded]]
        frame = _single(frame, probabilities, coded, best, labels)
    return sound_codings(frame.select(*SCHEMA, *(f"p_{label}" for label in labels)))


def _single(
    frame: pl.DataFrame, probabilities: np.ndarray, coded: np.ndarray, best: np.ndarray, labels: tuple[str, ...]
) -> pl.DataFrame:
    names = pl.Series("label", [labels[i] if ok else None for i, ok in zip(best, coded, strict=True)], dtype=pl.String)
    prob = pl.Series("prob", np.where(coded, probabilities[np.arange(len(best)), best], np.nan)).fill_nan(None)
    return frame.with_columns(names, prob)


def _sets(frame: pl.DataFrame, probabilities: np.ndarray, chosen: np.ndarray, labels: tuple[str, ...]) -> pl.DataFrame:
    """A row per label above its cut-off; a unit without any keeps one row."""
    given: list[list[dict[str, Any] | None]] = [
        [{"label": labels[i], "prob": float(row[i])} for i in np.flatnonzero(above)] or [None]
        for row, above in zip(probabilities, chosen, strict=True)
    ]
    dtype = pl.List(pl.Struct({"label": pl.String, "prob": pl.Float64}))
    long = frame.with_columns(pl.Series("given", given, dtype=dtype)).explode("given").unnest("given")
    none = (pl.col("status") == "ok") & pl.col("label").is_null()
    return long.with_columns(pl.when(none).then(pl.lit("none")).otherwise(pl.col("status")).alias("status"))
