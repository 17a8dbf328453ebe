"""The card: its entries are those that the rest of annotune has, and cards of earlier models are still read."""

import json
from dataclasses import fields

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import annotune as at
from annotune.models.card import Card, CardChoices, CardScaling, CardSettings, up_to_date
from annotune.tuning.calibrate import Scaling
from annotune.tuning.choices import Choices
from annotune.tuning.settings import Settings


@pytest.fixture(scope="module")
def model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0.4, n_boot=0)


def test_the_entries_are_those_of_settings_choices_and_models(model):
    assert set(CardSettings.__annotations__) == set(Settings.model_fields)
    assert set(CardChoices.__annotations__) == {field.name for field in fields(Choices)}
    assert set(CardScaling.__annotations__) == {field.name for field in fields(Scaling)}
    assert set(Card.__annotations__) == set(model.card)
    for entry, kind in (("settings", CardSettings), ("choices", CardChoices)):
        assert set(model.card[entry]) == set(kind.__annotations__)


def test_a_card_of_today_is_left_as_it_is(model):
    assert up_to_date(model.card, 3) == model.card


@pytest.fixture
def earlier(model, tmp_path):
    """A folder as an earlier annotune wrote it: with a temperature, with patience, without shares and offsets."""
    folder = model.save(tmp_path / "earlier")
    card = json.loads((folder / "annotune.json").read_text())
    card["choices"] = {
        "penalty": 10.0, "balanced": False, "epochs": 0, "planned": 3, "scores": {"probe": 0.8}, "words": True,
        "temperature": 1.6, "cutoffs": None, "probe_temperature": 1.6, "probe_cutoffs": None,
    }  # fmt: skip
    for gone in ("shares", "drawn", "files", "sha256"):
        del card[gone]
    del card["settings"]["cutoffs"]
    card["settings"]["patience"] = 2
    (folder / "annotune.json").write_text(json.dumps(card))
    return folder


def test_a_model_of_an_earlier_annotune_codes_reports_and_is_saved_again(model, earlier, gold, topics, tmp_path):
    with pytest.warns(at.AnnotuneWarning, match="tuned by an earlier annotune"):
        old = at.load(earlier)
    assert (old.card["choices"]["scale"], list(old.card["choices"]["offsets"])) == (pytest.approx(1 / 1.6), [0.0] * 3)
    coded = old.classify(topics)
    assert_frame_equal(coded.select("^p_.*$"), model.classify(topics).select("^p_.*$"))
    likeliest = [old.labels[i] for i in coded.select("^p_.*$").to_numpy().argmax(1)]
    assert coded["label"].to_list() == likeliest
    stated = old.held_out.select("^p_.*$").to_numpy()
    truth = [old.labels.index(label) for label in old.held_out.join(gold, on="unit_id", how="left")["label_right"]]
    powers = stated**1.6  # by which the logits were divided
    own = (powers / powers.sum(1, keepdims=True))[np.arange(len(truth)), truth]
    found = at.calibration(old, gold, n_boot=0)
    assert found.get("log_loss", "before calibration") == pytest.approx(-np.log(own).mean(), rel=1e-4)
    page = at.report(tmp_path / "page.html", model=old, n_boot=100).read_text("utf-8")
    assert "It was also trained on the codebook" in page
    assert "Probabilities were scaled" not in page
    with pytest.raises(at.AnnotuneError, match="holds no shares of held-out texts"):
        at.shares(old, coded)
    with pytest.warns(at.AnnotuneWarning, match="tuned by an earlier annotune"):
        again = at.load(old.save(tmp_path / "again"))
    assert_frame_equal(again.classify(topics), coded)
    assert isinstance(again.held_out, pl.DataFrame)
