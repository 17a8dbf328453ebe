"""Whatever a public function is given: a sentence, and no traceback."""

import inspect
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.arguments import _kinds, fits

LONG = "x" * 300
FUNCTIONS = [name for name in at.__all__[1:] if inspect.isfunction(getattr(at, name))]


def some(kind):
    """Anything of that kind."""
    known = [value for value in ("x", pl.DataFrame(), ["x"]) if fits(value, kind)]
    return known[0] if known else kind.__new__(kind)


def checkable(name):
    """The parameters of a function that cannot be just anything."""
    signature, kinds = _kinds(inspect.unwrap(getattr(at, name)))
    keyword = [p for p in signature.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [p.name for p in keyword if not fits(object(), kinds[p.name])]


CASES = [(name, parameter) for name in FUNCTIONS for parameter in checkable(name)]


def test_most_parameters_can_be_checked():
    assert len(CASES) > 200
    without = {name for name in FUNCTIONS if not inspect.signature(inspect.unwrap(getattr(at, name))).parameters}
    assert {name for name, _ in CASES} >= set(FUNCTIONS) - without - {"bind", "from_r"}
    assert without == {"studies", "bases"}


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_wrong_kind_is_named(name, parameter):
    function = getattr(at, name)
    signature, kinds = _kinds(inspect.unwrap(function))
    single = [p for p in signature.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    given = {p.name: some(kinds[p.name]) for p in single if p.default is p.empty}
    with pytest.raises(at.AnnotuneError, match=rf"(?s)^{parameter}= of {name}\(\) cannot be an object\. Give "):
        function(**given | {parameter: object()})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: at.tune([], [], 3), "codebook= of tune() cannot be 3. Give a Codebook."),
        (lambda: at.evaluate(["a"], ["a"], seed="a"), "seed= of evaluate() cannot be 'a'. Give a whole number."),
        (lambda: at.evaluate(["a"], ["a"], n_boot=True), "n_boot= of evaluate() cannot be True."),
        (lambda: at.prevalence(pl.DataFrame(), by=3), "by= of prevalence() cannot be 3. Give a text or a list."),
        (lambda: at.prevalence(pl.DataFrame(), by=[3]), "by= of prevalence() cannot be [3]."),
        (lambda: at.reliability(pl.DataFrame(), variable=3), "variable= of reliability() cannot be 3. Give a text."),
        (lambda: at.read_corpus(), "read_corpus(): missing a required argument: 'path'. It takes path, unit_id"),
        (lambda: at.prevalence(pl.DataFrame(), cluster=pl.Series([1])), "A column of a table is given by its name."),
        (lambda: at.bind(sede=1), "got an unexpected keyword argument 'sede'. It takes codings."),
        (lambda: at.evaluate(["a"], ["a"], sede=1), "sede= is for models tuned in folds, which needs cv=."),
    ],
)
def test_the_sentence_says_what_and_what_to_do(call, says):
    with pytest.raises(at.AnnotuneError) as caught:
        call()
    assert says in str(caught.value)


def test_what_can_be_meant_is_taken():
    assert at.evaluate(["a", "b"], ["a", "b"], n_boot=np.int64(10), seed=np.int32(2)).get("accuracy") == 1
    frame = pl.DataFrame({"id": ["1"], "text": ["t"]})
    assert at.read_corpus(frame, unit_id="id", covariates=()).columns == ["unit_id", "text"]
    for numbers in ([1], (1,), np.array([1]), pl.Series([1]), {1}, range(2)):
        assert fits(numbers, Sequence[int])
    assert fits(Path("x"), str | Path)
    assert fits(2, float)
    assert fits(np.bool_(True), bool)


def test_public_functions_are_themselves():
    assert at.evaluate is at.evaluate
    assert pickle.loads(pickle.dumps(at.evaluate)) is at.evaluate
    assert at.evaluate.__doc__ == inspect.unwrap(at.evaluate).__doc__
    assert "truth" in inspect.signature(at.evaluate).parameters


def test_only_what_is_used_is_loaded():
    light = "import annotune, sys; annotune.read_corpus; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["read_corpus", "read_codings", "read_codebook", "load", "verify", "run", "demo"])
def test_a_name_that_is_too_long_is_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(at.AnnotuneError):
        getattr(at, name)(f"{LONG}.csv")
