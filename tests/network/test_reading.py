"""Pooling and the words before a text are those that a base's own folder names, in every model that is made of it."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch

import annotune as at
from annotune.network.base import find_base, load_pair
from annotune.network.batches import tokenize
from annotune.network.encoder import build, outputs
from annotune.network.reading import pooling_of, prefix_of

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
TEXTS = ["court police", "milk wheat soil farmer", "hospital"]


def described(folder, pooling=None, prompts=None):
    """The folder with what sentence-transformers would find in it."""
    if pooling is not None:
        for path in ("1_Pooling", "2_Normalize"):
            (folder / path).mkdir(exist_ok=True)
        (folder / "modules.json").write_text(json.dumps(MODULES))
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **pooling}))
    if prompts is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


@pytest.fixture
def copy(tiny_base, tmp_path):
    return shutil.copytree(tiny_base, tmp_path / "own")


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "first"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode": "cls"}, "first"),
        ({"pooling_mode": "lasttoken"}, "last"),
    ],
)
def test_pooling_is_known_in_both_forms(tmp_path, settings, pooling):
    assert pooling_of(described(tmp_path, settings), "own") == pooling


@pytest.mark.parametrize(
    "settings", [{"pooling_mode": "max"}, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}]
)
def test_another_pooling_is_said_and_not_taken(tmp_path, settings):
    with pytest.warns(at.AnnotuneWarning, match="pools by (max|cls and mean)"):
        assert pooling_of(described(tmp_path, settings), "own") is None


def test_a_folder_that_says_nothing_is_read_as_usual(tiny_base, tmp_path):
    (tmp_path / "modules.json").write_text("not JSON")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pooling_of(tmp_path, "own") is None is pooling_of(tiny_base, "tiny")
    assert prefix_of(tiny_base) == prefix_of(tmp_path) == ""


@pytest.mark.parametrize(
    ("prompts", "prefix"),
    [
        ({"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"}, "query: "),
        ({"prompts": {"query": "query: "}, "default_prompt_name": None}, ""),
        ({"prompts": {"Classification": "task: classification | query: "}}, "task: classification | query: "),
        ({"prompts": {}}, ""),
    ],
)
def test_the_default_prompt_goes_before_a_text_or_that_for_classification(tmp_path, prompts, prefix):
    assert prefix_of(described(tmp_path, prompts=prompts)) == prefix


@pytest.mark.parametrize("mode", ["cls", "mean"])
def test_embeddings_are_those_of_sentence_transformers(copy, mode):
    from sentence_transformers import SentenceTransformer

    described(copy, {"pooling_mode": mode}, {"prompts": {"query": "new law: "}, "default_prompt_name": "query"})
    tokenizer, backbone = load_pair(find_base(str(copy)), torch.device("cpu"))
    ours = outputs(build(backbone, 2), tokenize(tokenizer, TEXTS, 32), embeddings=True)
    with torch.inference_mode():
        theirs = SentenceTransformer(str(copy), device="cpu", local_files_only=True).encode(TEXTS)
    assert np.allclose(ours, theirs, atol=1e-5)


def test_prompts_of_decoders_have_no_prefix(copy):
    described(copy, prompts={"prompts": {"query": "court "}, "default_prompt_name": "query"})
    tokenizer, _ = load_pair(find_base(str(copy)), torch.device("cpu"))
    bare = tokenize(tokenizer, ["milk"], 32, special=False)
    assert tokenizer.convert_ids_to_tokens(bare.ids[0]) == ["milk"]


def test_it_stays_with_the_model_wherever_that_goes(topics, gold, book, copy, tmp_path):
    described(copy, {"pooling_mode": "cls"}, {"prompts": {"query": "court "}, "default_prompt_name": "query"})
    model = at.tune(topics, gold, book(), base=str(copy), method="probe", test=0.2, n_boot=20)
    shutil.rmtree(copy)
    said = model.classify(topics)
    model.save(tmp_path / "model")
    again = at.load(tmp_path / "model")
    assert again.classify(topics).equals(said)
    assert again.model.pooling == "first"
    assert model.classify(topics.with_columns(text="judge " + topics["text"])).equals(said) is False
    for kind in ("merged", "onnx"):  # each is run by its own program and compared
        model.export(tmp_path / kind, kind)
    prompts = json.loads((tmp_path / "merged" / "config_sentence_transformers.json").read_text())
    assert prompts["prompts"][prompts["default_prompt_name"]] == "court "
