"""A decoder with a head: it learns, pools at the true last token, and is the same model after saving."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch

import annotune as at
from annotune.measures.baselines import NO_INFORMATION
from annotune.network import base as bases
from annotune.network.base import Base, find_base, is_decoder, load_backbone, load_pair, read_config
from annotune.network.batches import tokenize
from annotune.network.encoder import build, outputs
from annotune.network.memory import choose_weights
from annotune.tuning import fit as fitting
from annotune.tuning import task
from annotune.tuning.fit import _copy
from annotune.tuning.lora import add_lora, merge_lora
from annotune.tuning.probe import Probe

CPU = torch.device("cpu")
QUICK = {"epochs": 4, "n_boot": 20, "test": 0.2}


@pytest.fixture(scope="module")
def model(topics, gold, book, decoder):
    return at.tune(topics, gold, book(), base=str(decoder("llama")), **QUICK)


def probabilities(codings):
    return codings.select("^p_.*$").to_numpy()


def test_kinds_of_bases_are_told_apart(decoder, tiny_base):
    assert not is_decoder(read_config(find_base(str(tiny_base))))
    for family in ("llama", "qwen2", "qwen3", "gemma", "mistral", "gemma3_text"):
        assert is_decoder(read_config(find_base(str(decoder(family)))))
    both_ways = decoder("gemma3_text", use_bidirectional_attention=True)
    assert not is_decoder(read_config(find_base(str(both_ways))))


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma"])
def test_tuning_with_a_head_learns_the_texts(family, questions, book, decoder):
    corpus, gold = questions
    model = at.tune(corpus, gold, book(), base=str(decoder(family)), **QUICK)
    assert model.evaluation.get("accuracy") > 0.8
    assert model.evaluation.get("accuracy", NO_INFORMATION) < 0.5
    assert model.name.startswith(f"tiny-{family}-")


def test_the_network_itself_learns_from_a_head_of_noughts(questions, book, decoder, monkeypatch):
    """What the probe knows is taken away, so that it is the low-rank matrices which learn."""
    empty = Probe(np.zeros((3, 64), np.float32), np.zeros(3), 10.0, False)
    monkeypatch.setattr(fitting, "fit_probe", lambda *_, **__: empty)
    rates = {"learning_rate": 1e-2, "head_learning_rate": 0.1}
    model = at.tune(*questions, book(), base=str(decoder("llama")), **QUICK, **rates)
    assert model.card["choices"]["epochs"] > 0
    assert model.evaluation.get("accuracy") > 0.8


def test_the_vector_is_that_of_the_texts_own_last_token(topics, decoder):
    tokenizer, backbone = load_pair(find_base(str(decoder("llama"))), CPU)
    texts = topics["text"].to_list()[:12]
    tokens = tokenize(tokenizer, [text + " and more" * (i % 4) for i, text in enumerate(texts)], 64)
    found = outputs(build(backbone, 3), tokens, embeddings=True)
    for ids, vector in zip(tokens.ids, found, strict=True):
        last = backbone(input_ids=torch.tensor([ids])).last_hidden_state[0, -1].detach().numpy()
        assert np.abs(last / np.linalg.norm(last) - vector).max() < 1e-5


def test_padding_is_a_token_of_its_own(topics, decoder, tmp_path):
    folder = decoder("llama")
    tokenizer, backbone = load_pair(find_base(str(folder)), CPU)
    assert tokenizer.pad_token == "<|reserved_0|>"
    assert backbone.config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id
    shutil.copytree(folder, tmp_path / "full")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = tmp_path / "full" / name
        path.write_text(path.read_text().replace("<|reserved_0|>", "<|other_0|>"))
    tokenizer, backbone = load_pair(find_base(str(tmp_path / "full")), CPU)
    assert tokenizer.pad_token == "<|pad|>"
    assert backbone.get_input_embeddings().num_embeddings == len(tokenizer)
    assert tokenizer.model_max_length == 2048


def test_a_saved_decoder_is_the_same_model(model, topics, tmp_path):
    again = at.load(model.save(tmp_path / "model"))
    assert again.classify(topics).equals(model.classify(topics))
    assert again.name == model.name
    assert not list((tmp_path / "model").rglob("*.bin"))
    card = json.loads((tmp_path / "model" / "annotune.json").read_text())
    assert np.ptp(card["check"]["logits"]) > 0


def test_order_and_company_of_the_texts_do_not_matter(model, topics):
    whole = model.classify(topics)
    order = np.random.default_rng(1).permutation(len(topics))
    assert np.abs(probabilities(model.classify(topics[order])) - probabilities(whole)[order]).max() < 1e-5
    alone = pl.concat([model.classify(topics[i]) for i in range(12)])
    assert np.abs(probabilities(alone) - probabilities(whole[:12])).max() < 1e-5


def test_a_text_of_which_nothing_is_left_keeps_its_row(model):
    coded = model.classify(pl.DataFrame({"unit_id": ["a", "b"], "text": ["<|im_end|>", "hospital"]}))
    assert coded["status"].to_list() == ["ok", "ok"]


def test_the_base_stays_as_it_was_and_is_not_held_twice_while_tuning(decoder, topics):
    backbone = load_backbone(find_base(str(decoder("llama"))), CPU)
    before = {name: weights.clone() for name, weights in backbone.state_dict().items()}
    model = build(_copy(backbone, frozen=True), 3)
    pointers = {weights.data_ptr() for weights in backbone.parameters()}
    assert {weights.data_ptr() for weights in model.backbone.parameters()} == pointers
    add_lora(model, 4)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.2)
    merge_lora(model)
    assert all(torch.equal(before[name], weights) for name, weights in backbone.state_dict().items())
    assert all(weights.requires_grad for weights in backbone.parameters())
    changed = [not torch.equal(before[name], weights) for name, weights in model.backbone.state_dict().items()]
    assert any(changed)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "vit"}, r"neither an encoder nor a decoder of texts"),
        ({"model_type": "t5"}, r"neither an encoder nor a decoder of texts"),
        (
            {"model_type": "their-own", "auto_map": {"AutoConfig": "code.Config"}},
            r"code of its own, which is never run",
        ),
    ],
)
def test_bases_that_read_no_texts_are_refused(config, message, decoder, tmp_path):
    shutil.copytree(decoder("llama"), tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    with pytest.raises(at.AnnotuneError, match=message):
        load_backbone(Base(tmp_path / "other", "other", "1"), CPU)


def test_pickled_weights_are_refused(decoder, tmp_path):
    shutil.copytree(decoder("llama"), tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").rename(tmp_path / "old" / "pytorch_model.bin")
    with pytest.raises(at.AnnotuneError, match=r"no \.safetensors"):
        find_base(str(tmp_path / "old"))


@pytest.mark.parametrize("objective", ["head", "label"])
def test_tuning_in_four_bits_gives_the_model_that_was_tuned(objective, questions, book, decoder, tmp_path, monkeypatch):
    """The matrices are merged into the numbers that the 4 bits stand for: the same logits before and after."""
    modules = pytest.importorskip("bitsandbytes.nn.modules", reason="bitsandbytes is not installed")
    monkeypatch.setattr(modules, "has_avx512bf16", lambda: False)  # on a CPU it would repack weights, for good
    logits, merge = [], fitting.merge_lora

    def compared(network):
        logits.append(outputs(network, network_tokens, fast=True))
        merge(network)
        logits.append(outputs(network, network_tokens, fast=True))

    base = find_base(str(decoder("llama", intermediate_size=128)))
    tokenizer, _ = load_pair(base, CPU)
    network_tokens = tokenize(tokenizer, questions[0]["text"].to_list()[:20], 64, special=objective == "head")

    def in_four_bits(base, device, speaking=False, **_):
        return load_pair(base, device, speaking, weights="4bit")

    monkeypatch.setattr(fitting, "merge_lora", compared)
    monkeypatch.setattr(task, "load_pair", in_four_bits)
    model = at.tune(*questions, book(), base=str(base.folder), **(QUICK | {"epochs": 1, "objective": objective}))
    assert np.abs(logits[1] - logits[0]).max() < 0.05 * np.ptp(logits[0]) + 0.02
    assert not any(weights.dtype == torch.uint8 for weights in model.model.parameters())
    again = at.load(model.save(tmp_path / "model"))
    assert (again.classify(questions[0])["label"] == model.classify(questions[0])["label"]).mean() > 0.97


def test_bfloat16_weights_are_tuned_saved_and_loaded(questions, book, decoder, tmp_path):
    model = at.tune(*questions, book(), base=str(decoder("qwen2")), **(QUICK | {"weights": "bfloat16"}))
    assert model.card["weights"] == "bfloat16"
    assert model.evaluation.get("accuracy") > 0.7
    again = at.load(model.save(tmp_path / "model"))
    assert again.name == model.name
    with pytest.raises(at.AnnotuneError, match="is for weights that stay as they are"):
        at.tune(*questions, book(), base=str(decoder("qwen2")), weights="4bit", method="full")
    with pytest.raises(at.AnnotuneError, match="Tuning in 4 bits needs a GPU"):
        at.tune(*questions, book(), base=str(decoder("qwen2")), weights="4bit", device="cpu")


def test_where_memory_is_short_a_model_is_loaded_in_fewer_bits_and_damage_is_still_seen(
    questions, book, decoder, tmp_path, monkeypatch
):
    """Rounded weights have another fingerprint than those that were saved; their file has the same."""
    model = at.tune(*questions, book(), base=str(decoder("llama")), **(QUICK | {"weights": "float32"}))
    folder = model.save(tmp_path / "model")
    monkeypatch.setattr(bases, "choose_weights", lambda *sizes, **kinds: "bfloat16")
    with pytest.warns(at.AnnotuneWarning, match="saved with numbers in float32, and memory has room for bfloat16 here"):
        again = at.load(folder)
    assert next(again.model.backbone.parameters()).dtype == torch.bfloat16
    assert (again.classify(questions[0])["label"] == model.classify(questions[0])["label"]).mean() > 0.97
    (weights,) = folder.rglob("model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # a bit that rounding to bfloat16 could hide
    weights.write_bytes(content)
    with pytest.warns(at.AnnotuneWarning), pytest.raises(at.AnnotuneError, match="is missing or damaged"):
        at.load(folder)


@pytest.mark.parametrize(
    ("billions", "gigabytes", "copies", "bf16", "gpu", "wanted"),
    [
        (0.6, 16, 2, True, True, "float32"),
        (3, 24, 2, True, True, "bfloat16"),
        (8, 24, 1, True, True, "bfloat16"),
        (8, 16, 2, True, True, "4bit"),
        (8, 24, 2, False, True, "4bit"),
        (8, 16, 2, True, False, "bfloat16"),
        (8, 16, 2, False, False, "float32"),
    ],
)
def test_weights_are_held_as_exactly_as_memory_allows(billions, gigabytes, copies, bf16, gpu, wanted):
    assert choose_weights(int(billions * 1e9), gigabytes * 2**30, copies, bf16=bf16, gpu=gpu) == wanted


def test_how_weights_are_held_follows_the_memory_that_is_free(decoder, monkeypatch):
    base = find_base(str(decoder("llama")))
    n = sum(weights.numel() for weights in load_backbone(base, CPU).parameters())
    monkeypatch.setattr(bases, "has_fast_bf16", lambda device: True)
    monkeypatch.setattr(bases, "free_memory", lambda device: 3 * n / 0.7)
    assert next(load_backbone(base, CPU).parameters()).dtype == torch.bfloat16
    monkeypatch.setattr(bases, "free_memory", lambda device: 5 * n / 0.7)
    assert next(load_backbone(base, CPU).parameters()).dtype == torch.float32
    assert next(load_backbone(base, CPU, copies=2).parameters()).dtype == torch.bfloat16
