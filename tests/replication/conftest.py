"""A small study with a corrected regression, run once."""

import shutil

import pytest

import annotune as at

STUDY = """\
codebook: codebook.yaml
corpus: questions.csv
codings: [coder_anna.xlsx, coder_ben.dta, coder_carla.csv]
reliability: {coders: [anna, ben], n_boot: 100}
gold: {rule: adjudicated, coder: carla}
tune: {variable: topic, base: base, seed: 1, method: probe, folds: 2}
sample: simple
correct: {formulas: ["topic == 'Health' ~ party"], write: [regressions.csv]}
write: [results.dta, results.parquet]
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory, demo_base):
    """A study of 240 texts, 120 of them coded by two people, in folds; its base model is in its folder."""
    study = at.demo(tmp_path_factory.mktemp("finished") / "study", n=240, n_coded=120).study
    shutil.copytree(demo_base, study.parent / "base")
    study.write_text(STUDY)
    at.run(study)
    return study


@pytest.fixture
def study(finished, tmp_path):
    """A copy of it."""
    shutil.copytree(finished.parent, tmp_path / "study")
    return tmp_path / "study" / "study.yaml"
