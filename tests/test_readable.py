"""What Python hands out says in a few lines what it is, in a console and in a notebook."""

import dataclasses
import html
import inspect

import polars as pl
import pytest

import annotune as at
from annotune.readable import MOST_ROWS, Readable, brief_table


@pytest.fixture(scope="module")
def demo():
    return at.demo(n=80, n_coded=60)


@pytest.fixture(scope="module")
def gold(demo):
    return at.read_codings(demo.coders["anna"], demo.codebook)


@pytest.fixture(scope="module")
def crossfit(demo, gold):
    return at.crossfit(demo.corpus, gold, demo.codebook, folds=2, method="probe", n_boot=20)


def lines(result):
    """The console's lines, after a look at the notebook's form: the same sentences, escaped, and no tag left open."""
    text, page = repr(result), result._repr_html_()
    assert max(map(len, text.splitlines())) <= 80
    assert page.count("<table>") == page.count("</table>")
    assert html.escape(text.split()[0]) in page
    return text.splitlines()


def test_a_model_is_no_list_of_its_layers(crossfit):
    model = crossfit.model
    said = lines(model)
    assert said[0] == f"A model for topic (nominal): {model.name}"
    assert "Labels: Economy, Health" in said[1]
    assert f"tuned on {model.card['parts']['coded']} coded texts" in said[2]
    assert "macro-F1" in " ".join(said)
    assert len(said) < 15
    assert "nn.Module" not in repr(model)
    assert "Linear(" not in repr(model)


def test_what_belongs_to_a_model_is_as_short(crossfit, demo, gold):
    assert lines(crossfit)[0].startswith("80 texts, 60 of them coded by hand")
    assert len(lines(crossfit)) < 18
    assert any(line.startswith("most frequent label") for line in lines(crossfit.evaluation))
    assert lines(at.calibration(crossfit.model, gold, n_boot=20))[0].startswith("On average the stated probability")
    assert lines(at.compare({"anna": gold, "model": crossfit.model.held_out}, gold, n_boot=20))[0].startswith("model")
    assert lines(demo)[0] == "Simulated: 80 questions, 60 of them coded by anna and ben."
    assert lines(demo.codebook)[1].startswith("topic (nominal): Which policy area")
    assert "3 Health" in repr(demo.codebook)
    assert str(demo.codebook) == repr(demo.codebook)


def test_every_result_that_python_hands_out_is_readable():
    public = [getattr(at, name) for name in at.__all__]
    answers = [inspect.signature(inspect.unwrap(one)).return_annotation for one in public if inspect.isfunction(one)]
    modules = {inspect.unwrap(one).__module__: inspect.unwrap(one) for one in public if inspect.isfunction(one)}
    by_name = {name: value for one in modules.values() for name, value in one.__globals__.items()}
    classes = [by_name[name] for name in answers if inspect.isclass(by_name.get(name))]
    results = [cls for cls in classes if cls.__module__.startswith("annotune") and not issubclass(cls, pl.DataFrame)]
    assert len(results) >= 10
    for cls in results:
        assert issubclass(cls, Readable), cls
        if dataclasses.is_dataclass(cls):
            assert "__repr__" not in vars(cls) or cls.__name__ == "Correction", cls


def test_a_long_table_is_cut_and_a_label_is_escaped():
    class Long(Readable):
        def _parts(self):
            yield brief_table(pl.DataFrame({"label": ["<b>"] * 50, "n": range(50)}))

    assert "... 30 more rows" in repr(Long())
    assert len(repr(Long()).splitlines()) == MOST_ROWS + 2
    assert "<b>" not in Long()._repr_html_()
    assert "&lt;b&gt;" in Long()._repr_html_()
