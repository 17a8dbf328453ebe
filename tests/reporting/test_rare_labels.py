"""The report has no figures of labels with fewer than five texts, and says so."""

from types import SimpleNamespace

import annotune as at
from annotune.reporting.tables import label_table


def table_of(truth):
    predicted = ["b" if label == "a" else label for label in truth]
    evaluation = at.evaluate(truth=truth, predicted=predicted, n_boot=0)
    return label_table(SimpleNamespace(evaluation=evaluation, coder="predicted", model=None))


def test_a_label_with_four_texts_has_no_figures():
    rows = {row[1]: row for row in table_of(["a"] * 4 + ["b"] * 5 + ["c"] * 9).rows}
    assert rows["a"][2:7] == ("–", "–", "–", "–", "4")
    assert rows["b"][2:5] == ("0.556", "1.000", "0.714")
    assert rows["c"][2:5] == ("1.000", "1.000", "1.000")
    assert "fewer than 5 texts have no figures" in table_of(["a"] * 4 + ["b"] * 9).notes[0]


def test_where_all_labels_have_enough_nothing_is_said():
    assert "have no figures" not in table_of(["a"] * 5 + ["b"] * 9).notes[0]
