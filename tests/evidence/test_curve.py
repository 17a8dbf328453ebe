"""Learning curves: nested sets, one test set, runs that are kept, budgets, forecasts, and bad input."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.evidence import curve_points as module
from annotune.evidence import runs as runs_module
from annotune.evidence.paired import one_coder, resampling
from annotune.evidence.runs import TUNED
from annotune.evidence.sets import nested
from annotune.measures.baselines import NO_INFORMATION, TF_IDF
from annotune.measures.limits import wilson
from annotune.tuning.held_out import PROBE
from annotune.tuning.task import prepare, read_settings

ROWS = [TUNED, PROBE, TF_IDF, NO_INFORMATION]


@pytest.fixture(scope="module")
def draw(topics, gold, book, tiny_base):
    """`at.learning_curve` on the shared texts, quickly, with anything overruled by name."""

    def quickly(**options):
        given = {"corpus": topics, "gold": gold, "codebook": book(), "base": str(tiny_base), "method": "probe"}
        return at.learning_curve(**(given | {"sizes": [22, 40, 60], "seeds": 2, "n_boot": 50} | options))

    return quickly


@pytest.fixture(scope="module")
def drawn(draw):
    return draw()


def test_every_size_has_every_row_and_its_interval(drawn):
    lead = drawn.table.filter(measure="macro_f1")
    assert lead["n"].unique().sort().to_list() == [22, 40, 60]
    assert lead.filter(n=22)["model"].to_list() == ROWS
    assert (lead["ci_low"] <= lead["estimate"]).all()
    assert (lead["estimate"] <= lead["ci_high"] + 1e-9).all()
    assert lead["n_seeds"].unique().to_list() == [2]
    assert lead["n_units"].unique().to_list() == [23]
    tuned = lead.filter(model=TUNED)["estimate"].to_list()
    assert tuned[-1] > 0.8 > lead.filter(model=NO_INFORMATION)["estimate"].max()
    assert len(drawn.points.filter(model=TUNED, measure="macro_f1")) == 6


def test_several_bases_stand_beside_each_other_on_the_same_texts(draw, drawn, tiny_base, twenty_words):
    """The second base lacks most words of these texts."""
    with pytest.warns(at.AnnotuneWarning, match="twenty may hardly read these texts"):
        both = draw(base=[str(tiny_base), twenty_words])
    lead = both.table.filter(measure="macro_f1", n=60)
    of_bases = [f"{model}, {base}" for base in ("tiny", "twenty") for model in (TUNED, PROBE)]
    assert lead["model"].to_list() == [*of_bases, *ROWS[2:]]
    alone = drawn.table.filter(pl.col("model") == TUNED)
    first = both.table.filter(pl.col("model") == f"{TUNED}, tiny").with_columns(model=pl.lit(TUNED))
    assert first.drop("ci_low", "ci_high").equals(alone.drop("ci_low", "ci_high"))
    second = both.table.filter(pl.col("model") == f"{TUNED}, twenty")
    assert second["estimate"].to_list() != first["estimate"].to_list()
    assert both.fit.table.equals(both.fits[f"{TUNED}, tiny"].table)
    for name in ("tiny", "twenty"):
        assert f"Tuned model, {name}: 500 more labels" in both.in_words()
    assert len(at.plot_learning_curve(both).axes[0].get_legend().get_texts()) == 7


def test_bases_are_named_once(draw, tiny_base):
    with pytest.raises(at.AnnotuneError, match=r"The base 'minilm' is named twice\. Name each base once"):
        draw(base=["minilm", "minilm"])
    elsewhere = f"{tiny_base.parent}/./{tiny_base.name}"
    with pytest.raises(at.AnnotuneError, match=f"{tiny_base}' and '{elsewhere}' are the same base"):
        draw(base=[str(tiny_base), elsewhere])
    with pytest.raises(at.AnnotuneError, match="No base is named"):
        draw(base=[])


def test_a_base_that_is_not_there_is_said_before_any_run(draw, tiny_base, monkeypatch, tmp_path):
    monkeypatch.setattr(runs_module, "_run", lambda *_: pytest.fail("a model was tuned"))
    with pytest.raises(at.AnnotuneError, match="There is no base model at"):
        draw(base=[str(tiny_base), str(tmp_path / "none")])


def test_a_point_is_the_mean_over_seeds(drawn):
    """Accuracies of runs are shares of the 23 test texts."""
    runs = drawn.points.filter(model=TUNED, measure="accuracy", n=60)["estimate"]
    mean = drawn.table.filter(model=TUNED, measure="accuracy", n=60)["estimate"][0]
    assert mean == pytest.approx(runs.mean())
    assert all(run * 23 == pytest.approx(round(run * 23)) for run in runs)


@pytest.fixture(scope="module")
def task(topics, gold, book, tiny_base):
    def make(group=None):
        return prepare(topics, gold, book(), None, group, 0.15, read_settings({"base": str(tiny_base)}))

    return make


def test_sets_are_nested_and_spread_over_the_labels(task):
    mine = task()
    order = nested(mine, np.arange(90), 1)
    assert sorted(order) == list(range(90))
    for n in (12, 30, 60):
        counts = np.bincount(mine.coded.targets[order[:n]], minlength=3)
        assert np.abs(counts - n * np.bincount(mine.coded.targets) / 90).max() <= 1
    assert nested(mine, np.arange(90), 2).tolist() != order.tolist()


def test_groups_come_whole(task):
    mine = task("doc")
    groups = mine.cases.groups[nested(mine, np.arange(90), 1)]
    assert (np.diff(groups) != 0).sum() == len(np.unique(groups)) - 1


@pytest.mark.parametrize("group", [None, "doc"])
def test_no_test_text_is_ever_learnt_from(draw, monkeypatch, group):
    runs, real = [], runs_module.hold_out_once

    def spy(task, test, rest):
        runs.append((task.cases.groups, set(test), set(rest)))
        return real(task, test, rest)

    monkeypatch.setattr(runs_module, "hold_out_once", spy)
    draw(group=group, sizes=[24, 50], seeds=2)
    assert [len(rest) for _, _, rest in runs] == [24, 50, 24, 50]
    assert len({frozenset(test) for _, test, _ in runs}) == 1
    assert runs[0][2] < runs[1][2]
    assert runs[0][2] != runs[2][2]
    for groups, test, rest in runs:
        assert not test & rest
        assert not set(groups[list(test)]) & set(groups[list(rest)])


def test_finished_runs_are_kept_and_others_are_added(draw, tmp_path, monkeypatch):
    first = draw(out=tmp_path, sizes=[22, 40], seeds=1)
    done, real = [], runs_module._run
    monkeypatch.setattr(runs_module, "_run", lambda *given: done.append(given) or real(*given))
    again = draw(out=tmp_path, sizes=[22, 40], seeds=1)
    assert not done
    assert again.points.equals(first.points)
    more = draw(out=tmp_path, sizes=[22, 40, 60], seeds=2)
    assert len(done) == 4
    assert more.points.filter(seed=1, n=22, model=TUNED).equals(first.points.filter(n=22, model=TUNED))
    draw(out=tmp_path, sizes=[22], seeds=1, max_tokens=16)  # other settings: nothing that is there fits
    assert len(done) == 5
    draw(out=tmp_path, sizes=[22], seeds=1)  # nor does anything take its place
    assert len(done) == 5


def test_a_run_that_was_kept_by_half_is_done_again(draw, tmp_path):
    draw(out=tmp_path, sizes=[22, 40], seeds=1)
    next(tmp_path.glob("000022-*.npz")).write_bytes(b"")
    with pytest.warns(at.AnnotuneWarning, match="is damaged"):
        assert len(draw(out=tmp_path, sizes=[22, 40], seeds=1).points["n"].unique()) == 2


@pytest.mark.parametrize("n", [30, 60])
def test_intervals_cover_another_draw_of_training_texts(n):
    """Runs that rest on means of n of the same 60 texts: half of them, and all, which every seed has in common."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(300):
        pool = rng.normal(size=60)
        runs = [{"n": size, "seed": seed} for size in (15, 30, 60) for seed in (1, 2, 3, 4)]
        of = {"model": "m", "measure": "k"}
        rows = [run | of | {"estimate": rng.permutation(pool)[: run["n"]].sum() / run["n"] ** 0.5} for run in runs]
        drawn = {(row["n"], row["seed"] - 1, "m"): {"k": np.full(200, row["estimate"])} for row in rows}
        sizes, means, _ = module._replicates(pl.DataFrame(rows), drawn, "m", "k", rng, 60)
        low, high = np.quantile(means[1:, sizes.tolist().index(n)], [0.025, 0.975])
        held += low <= 0 <= high
    assert 0.9 < held / 300 < 0.98


def test_intervals_of_a_single_run_are_those_of_evaluate(draw):
    """Of an accuracy that is Wilson's; percentiles of resamples would be another."""
    rows = draw(seeds=1, sizes=[60]).table.filter(measure="accuracy").to_dicts()
    assert len(rows) == len(ROWS)
    for row in rows:
        low, high = wilson(np.array([row["estimate"]]), np.array([23.0]), np.array([1.959964]))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low[0], high[0]), abs=1e-6)


def test_several_runs_have_intervals_that_hold_other_training_texts_too(drawn):
    one = drawn.table.filter(measure="accuracy", n=22).to_dicts()
    for row in one:
        low, high = wilson(np.array([row["estimate"]]), np.array([23.0]), np.array([1.959964]))
        assert row["ci_low"] <= low[0] + 0.02
        assert row["ci_high"] >= high[0] - 0.02
    runs = drawn.points.filter(measure="accuracy", model=TUNED)
    moved = module._moved_by_training(runs, TUNED, "accuracy", 67)
    assert 0 < moved[22] < moved[60]  # sets of nearly all texts have most of them in common


def test_limits_of_a_mean_of_runs_hold_it():
    """Macro-F1 with a rare label on 60 test texts, by three runs of a model whose errors go together."""
    rng, held = np.random.default_rng(1), 0
    entry = at.Variable(name="v", labels=tuple(at.Label(code=i, name=str(i)) for i in range(4)))
    right, shares = np.array([0.9, 0.85, 0.7, 0.4]), np.array([0.5, 0.3, 0.15, 0.05])
    others = np.tile(shares, (4, 1)) / (1 - shares[:, None])
    np.fill_diagonal(others, 0)
    table = ((1 - right[:, None]) * others + np.diag(right)) * shares[:, None]
    f1 = 2 * np.diag(table) / (table.sum(0) + table.sum(1))
    for _ in range(300):
        truth, hard = rng.choice(4, 60, p=shares), rng.random(60)
        away = (rng.random((3, 60, 1)) > others[truth].cumsum(1)).sum(2)
        luck = np.where(rng.random((3, 60)) < 0.8, hard, rng.random((3, 60)))
        answers = np.where(luck < right[truth], truth, away)
        runs = [one_coder(truth, answer, np.ones(60, dtype=bool), entry) for answer in answers]
        drawing = resampling(runs, None, 1, 1)
        found = module._limits_of_mean([drawing.scores(run, entry)["macro_f1"] for run in runs], 0.0)
        wanted = np.mean([f1[np.union1d(truth, answer)].mean() for answer in answers])
        held += found["ci_low"] <= wanted <= found["ci_high"]
    assert 0.92 < held / 300 < 0.995


def test_a_run_that_was_stopped_goes_on(draw, tmp_path, monkeypatch):
    real, done = runs_module._run, []

    def stops(*given):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given)
        return real(*given)

    monkeypatch.setattr(runs_module, "_run", stops)
    with pytest.raises(KeyboardInterrupt):
        draw(out=tmp_path)
    monkeypatch.setattr(runs_module, "_run", lambda *given: done.append(given) or real(*given))
    resumed = draw(out=tmp_path)
    assert len(done) == 6
    monkeypatch.setattr(runs_module, "_run", real)
    assert resumed.table.equals(draw().table)


def test_a_budget_leaves_out_what_does_not_fit(draw):
    with pytest.warns(at.AnnotuneWarning, match="5 of 6 models were not tuned"):
        short = draw(budget="0s")
    assert short.points["n"].unique().to_list() == [22]
    with pytest.raises(at.AnnotuneError, match="A curve needs 3 sizes, and 1 were measured"):
        short.forecast(100)
    assert short.in_words() == "No forecast: a curve needs three sizes, and 1 were measured."


def test_the_cost_is_told_before_it_starts(draw):
    told = []
    draw(say=told.append, sizes=[22, 40], seeds=1)
    assert len(told) == 1
    assert told[0].startswith("2 models to tune on 22 to 40 texts, about ")


def test_words_are_those_of_the_forecast(drawn):
    gain = drawn.fit.at(np.array([67, 99]))
    found = gain[0, 1] - gain[0, 0]
    words = drawn.in_words(more=32)
    assert words.startswith("32 more labels (99 instead of 67 to learn from) are expected to add ")
    assert f"{found:.2f}".lstrip("0") in words
    ahead = drawn.forecast([67, 99])
    assert ahead["estimate"].to_list() == pytest.approx(gain[0].tolist())
    assert drawn.forecast(np.int64(67)).equals(drawn.forecast(67.0))
    assert (ahead["ci_low"] <= ahead["estimate"]).all()
    assert "do not rely on it" in drawn.in_words(more=5_000)
    assert drawn.forecast(100, model=NO_INFORMATION)["estimate"][0] < 0.5


def test_a_tuned_curve_learns(draw):
    found = draw(method="lora", epochs=1, sizes=[22, 60], seeds=1)
    assert found.points.filter(model=TUNED)["seconds"].min() > 0
    assert found.table.filter(measure="macro_f1", model=TUNED, n=60)["estimate"][0] > 0.6


def test_sets_and_ordered_labels(draw, gold, book):
    sets = draw(codebook=book("multilabel"), sizes=[30, 60], seeds=1)
    assert "exact_set" in set(sets.table["measure"])
    names = {"Farming": "low", "Law": "medium", "Health": "high"}
    ordered = draw(
        gold=gold.with_columns(pl.col("label").replace(names)),
        codebook=book("ordinal", list(names.values())),
        measure="kappa_quadratic",
        seeds=1,
    )
    assert ordered.measure == "kappa_quadratic"
    assert ordered.in_words(10)


def test_the_picture(drawn, tmp_path):
    figure = at.plot_learning_curve(drawn, tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").stat().st_size > 5_000
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == [*ROWS, "fitted and forecast"]
    assert figure.axes[0].get_ylabel() == "macro-F1 on 23 other texts"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sizes": [5, 40]}, "sizes .* are not all from 20 to 67"),
        ({"sizes": [40, 68]}, "are not all from"),
        ({"sizes": []}, "are not all from"),
        ({"seeds": 0}, "seeds=0 is not from 1 to 100"),
        ({"budget": "soon"}, "budget='soon' is not a duration"),
        ({"measure": "f2"}, "no curve of 'f2'"),
        ({"measure": "exact_set"}, "no curve of 'exact_set'"),
        ({"test": 0}, "Nothing is held out"),
        ({"test": 0.8, "sizes": None}, "are too few for a curve"),
        ({"group": "dok"}, "no column 'dok'"),
        ({"group": "doc", "sizes": [5]}, "are not all from"),
        ({"epoch": 3}, "setting 'epoch'"),
        ({"validation": 2}, "validation=2 cannot be held out"),
        ({"n_boot": -1}, "n_boot=-1 replicates"),
    ],
)
def test_what_cannot_be_is_one_sentence(draw, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        draw(**options)


@pytest.mark.parametrize(("n", "more"), [([], 5), ([0], 0)])
def test_forecasts_of_nothing_are_refused(drawn, n, more):
    with pytest.raises(at.AnnotuneError, match="nothing to forecast"):
        drawn.forecast(n)
    with pytest.raises(at.AnnotuneError, match="no model 'tuned'"):
        drawn.forecast(10, model="tuned")


def test_a_folder_that_cannot_be_is_refused_at_once(draw, tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(at.AnnotuneError, match="cannot be made"):
        draw(out=tmp_path / "file" / "folder")
