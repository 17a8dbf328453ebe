"""Sets of texts whose labels are all known, each with a cheap model's probabilities, a covariate and its formula.

A model of each set's five folds learns from 1,000 texts of the other folds (words and pairs of words, a logit): about
what a study that codes some hundred texts has. Predictions are made once and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import expit

DATA = Path(__file__).parents[2] / "shared" / "data"
FOLDS, LEARNED_FROM, SEED = 5, 1_000, 1
RIGHT = ["Con 2010", "UKIP 2010", "BNP 2010"]


@dataclass(frozen=True)
class Set:
    """N texts.

    Attributes
    ----------
    name, formula
        Of the table: the outcome and its covariate in words.
    truth, likely, covariate
        The label, its probability by the model, and the covariate, shape (N,) each.
    n
        Hand codings.
    """

    name: str
    formula: str
    truth: np.ndarray
    likely: np.ndarray
    covariate: np.ndarray
    n: int

    @property
    def design(self) -> np.ndarray:
        """A constant and the covariate, shape (N, 2)."""
        return np.column_stack([np.ones(len(self.truth)), self.covariate])


def manifestos() -> pl.DataFrame:
    """Sentences of British manifestos: text, manifesto, and whether most of the crowd saw immigration in it."""
    folder = DATA / "uk_manifestos_immigration"
    codings = pl.read_parquet(folder / "immigration_codings.parquet")
    share = codings.group_by("sentence_id").agg((pl.col("label_immigration") == "immigration").mean().alias("share"))
    texts = pl.read_parquet(folder / "immigration_sentences.parquet").join(share, on="sentence_id").sort("sentence_id")
    return texts.with_columns(immigration=pl.col("share") > 0.5)


def sets(cache: Path) -> list[Set]:
    """All of them; predictions are kept in the folder `cache`."""
    return [_manifestos(cache), _headlines(cache), _populism(cache), _questions(), simulated(), simulated(sure=2.5)]


def simulated(sure: float = 1.0, n: int = 5_000) -> Set:
    """Texts with a normal covariate; a model whose log odds are `sure` times what they should be."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=n)
    seen = rng.normal(-1.2 + 0.5 * x, 1.5)
    truth = rng.random(n) < expit(seen)
    name = "simulated" if sure == 1 else "simulated, a model too sure of itself"
    return Set(name, "y ~ x", truth.astype(float), expit(sure * seen), x, 400)


def _manifestos(cache: Path) -> Set:
    texts = manifestos()
    truth = texts["immigration"].to_numpy().astype(float)
    likely = _kept(cache / "manifestos.npy", texts["text"].to_list(), truth)
    right = texts["manifesto"].is_in(RIGHT).to_numpy().astype(float)
    return Set("uk_manifestos", "immigration ~ party of the right", truth, likely, right, 400)


def _headlines(cache: Path) -> Set:
    texts = pl.read_csv(DATA / "ecosent_dutch_headlines" / "headlines.csv")
    truth = (texts["label"] == -1).to_numpy().astype(float)
    likely = _kept(cache / "headlines.npy", texts["text"].to_list(), truth)
    newspaper = (texts["medtype"] == "Newspaper").to_numpy().astype(float)
    return Set("ecosent", "negative ~ newspaper (not web)", truth, likely, newspaper, 400)


def _populism(cache: Path) -> Set:
    folder = DATA / "popbert_bundestag"
    votes = pl.read_parquet(folder / "codings.parquet").group_by("unit_id").agg(pl.col("elite").sum())
    texts = pl.read_parquet(folder / "sentences.parquet").join(votes, on="unit_id").sort("unit_id")
    truth = (texts["elite"] >= 3).to_numpy().astype(float)
    likely = _kept(cache / "populism.npy", texts["text"].to_list(), truth)
    words = np.log(texts["text"].str.count_matches(r"\S+").to_numpy())
    return Set("popbert", "against elites ~ log(words)", truth, likely, words, 400)


def _questions() -> Set:
    """Labels by a tuned Llama, without probabilities: how often each stands for agriculture is counted in folds."""
    texts = pl.read_csv(DATA / "seed_cap_ep_questions" / "labels_predictions.csv").sort("id_coding")
    year = texts["question_id"].str.extract(r"/(\d{2,4})$").cast(pl.Int64)
    texts = texts.with_columns(
        year=pl.when(year < 50).then(year + 2000).when(year < 100).then(year + 1900).otherwise(year)
    )
    other = texts["question_id"].str.extract(r"-(\d{2})$").cast(pl.Int64) + 2000
    texts = texts.with_columns(pl.col("year").fill_null(other)).drop_nulls("year")
    truth = (texts["label"] == 4).to_numpy().astype(float)
    likely = _by_label(texts["llama2_7b_ft"].to_numpy(), truth)
    return Set("seed_cap", "agriculture ~ year", truth, likely, texts["year"].to_numpy().astype(float), 300)


def _by_label(label: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How often a label stands for the truth in other folds, with one text of the average label beside them."""
    fold = np.random.default_rng(SEED).permutation(len(label)) % FOLDS
    likely = np.zeros(len(label))
    for number in range(FOLDS):
        others = fold != number
        for each in np.unique(label[~others]):
            mine = truth[others & (label == each)]
            likely[~others & (label == each)] = (mine.sum() + truth[others].mean()) / (len(mine) + 1)
    return likely


def _kept(path: Path, texts: Sequence[str], truth: np.ndarray) -> np.ndarray:
    """Out-of-fold probabilities, from a file where they were made before."""
    if path.exists():
        return np.asarray(np.load(path))
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(SEED)
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True).fit_transform(texts)
    fold, likely = rng.permutation(len(truth)) % FOLDS, np.zeros(len(truth))
    for number in range(FOLDS):
        learned = rng.choice(np.flatnonzero(fold != number), LEARNED_FROM, replace=False)
        model = LogisticRegression(C=10, max_iter=1000).fit(words[learned], truth[learned])
        likely[fold == number] = model.predict_proba(words[fold == number])[:, 1]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, likely)
    return likely
