"""Tuning a decoder to say the label: on the tokens that tell labels apart, with the codebook read once a batch."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from accelerate import Accelerator
from torch.nn import functional

import annotune as at
from annotune.measures.baselines import NO_INFORMATION
from annotune.network.base import find_base, load_pair
from annotune.network.batches import pad, tokenize
from annotune.network.encoder import Encoder, build, outputs
from annotune.network.logits import decide
from annotune.network.memory import recompute
from annotune.network.slots import deciding
from annotune.network.speaker import Speaker, recompute_texts, speaker_for
from annotune.tuning import fit, loop
from annotune.tuning.lora import add_lora
from annotune.tuning.losses import loss_function
from annotune.tuning.probe import Probe
from annotune.tuning.settings import Settings

CPU = torch.device("cpu")
QUICK = {"epochs": 6, "n_boot": 20, "test": 0.2, "learning_rate": 5e-3, "batch_texts": 8, "objective": "label"}


@pytest.fixture(scope="module")
def model(questions, book, decoder):
    return at.tune(*questions, book(), base=str(decoder("llama")), **QUICK)


@pytest.fixture
def speaker(decoder, book):
    tokenizer, backbone = load_pair(find_base(str(decoder("qwen3"))), CPU, speaking=True)
    return tokenizer, speaker_for(book().variable(), tokenizer, backbone, "chat")


def test_a_tuned_decoder_says_the_labels(model, questions):
    corpus, gold = questions
    assert isinstance(model.model, Speaker)
    assert model.card["choices"]["epochs"] > 0
    assert model.evaluation.get("accuracy") > 0.8 > 0.5 > model.evaluation.get("accuracy", NO_INFORMATION)
    coded = model.classify(corpus)
    assert (coded["label"] == gold["label"]).mean() > 0.8
    assert coded.select("^p_.*$").to_numpy().sum(1) == pytest.approx(np.ones(300))


def test_the_saved_model_says_the_same(model, questions, tmp_path):
    again = at.load(model.save(tmp_path / "model"))
    assert isinstance(again.model, Speaker)
    assert again.classify(questions[0]).equals(model.classify(questions[0]))
    assert not (tmp_path / "model" / "head.safetensors").exists()
    nothing = pl.DataFrame({"unit_id": ["a", "b"], "text": ["<|im_end|>", "<|im_end|><|im_end|>"]})
    assert again.classify(nothing)["status"].to_list() == ["ok", "ok"]


def test_a_speaker_that_is_no_better_than_the_probe_is_not_handed_out(questions, book, decoder, tmp_path):
    model = at.tune(*questions, book(), base=str(decoder("llama")), **(QUICK | {"learning_rate": 1e-9, "epochs": 1}))
    assert model.card["choices"]["epochs"] == 0
    assert not isinstance(model.model, Speaker)
    again = at.load(model.save(tmp_path / "model"))
    assert again.classify(questions[0]).equals(model.classify(questions[0]))


def test_loss_and_gradients_are_those_of_reading_each_text_with_its_own_codebook(speaker, topics):
    tokenizer, model = speaker
    tokens = tokenize(tokenizer, topics["text"].to_list()[:6], 64, special=False)
    ids, mask = pad(tokens, np.arange(6), CPU)
    target = torch.tensor([0, 1, 0, 1, 0, 2])
    add_lora(model, 4)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    model.train()
    loss = functional.cross_entropy(model(ids, mask), target)
    loss.backward()
    shared = {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}
    model.zero_grad()
    answers, stem = model.slots.paths[0], model.slots.stems[0]
    scores = []
    for i in range(6):
        for path, span in zip(answers, deciding(answers, stem), strict=True):
            whole = torch.tensor([model.slots.before + tokens.ids[i] + path])
            words = model.backbone(input_ids=whole, use_cache=False).logits[0].log_softmax(-1)
            start = whole.shape[1] - len(path)
            scores.append(torch.stack([words[start + place - 1, path[place]] for place in span]).mean())
    plain = functional.cross_entropy(torch.stack(scores).reshape(6, 3), target)
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), abs=1e-5)
    assert len(shared) == 2 * 2 * 7
    for name, weights in model.named_parameters():
        if weights.requires_grad:
            assert torch.allclose(shared[name], weights.grad, atol=1e-5), name


def test_what_stands_before_the_texts_is_read_once_a_batch(speaker, topics, monkeypatch):
    tokenizer, model = speaker
    tokens = tokenize(tokenizer, topics["text"].to_list()[:6], 64, special=False)
    read = []
    real = model.backbone.forward
    monkeypatch.setattr(model.backbone, "forward", lambda **k: read.append(k["input_ids"].shape[0]) or real(**k))
    model.train()
    model(*pad(tokens, np.arange(6), CPU))
    assert read == [1, 6]
    model.eval()
    for _ in range(2):
        model(*pad(tokens, np.arange(6), CPU))
    assert read[2:] == [1, 6, 6]


@pytest.fixture
def headed(decoder, topics, monkeypatch):
    """A decoder with a head, in full precision, and what it needs to learn the texts of `topics`."""
    monkeypatch.setattr(loop, "half_precision", lambda device: nullcontext())
    tokenizer, backbone = load_pair(find_base(str(decoder("llama"))), CPU)
    tokens = tokenize(tokenizer, topics["text"].to_list(), 64)
    targets = topics["label"].replace_strict({"Health": 0, "Law": 1, "Farming": 2}).to_numpy()
    return build(backbone, 3), tokens, targets


def summing(accelerator, model, tokens, targets, balanced):
    loss_of = loss_function(targets, model.n_outputs, balanced, CPU)
    return loop._Gradients(accelerator, model, model, tokens, targets, loss_of, seed=1)


def out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.filterwarnings("ignore:Memory ran out")
@pytest.mark.parametrize("balanced", [False, True])
def test_where_memory_runs_out_the_gradients_stay_the_same(headed, balanced, monkeypatch):
    model, tokens, targets = headed
    batch, forward = np.arange(11), Encoder.forward
    logits = forward(model, *pad(tokens, batch, CPU))
    whole = loss_function(targets, 3, balanced, CPU)(logits, torch.tensor(targets[batch]))
    whole.backward()
    expected, wanted = whole.item(), model.head.weight.grad.clone()
    for most, pieces in ((99, 1), (4, 4), (1, 16)):

        def cramped(self, ids, *rest, most=most):
            return forward(self, ids, *rest) if len(ids) <= most else out_of_memory()

        monkeypatch.setattr(Encoder, "forward", cramped)
        gradients = summing(Accelerator(cpu=True), model, tokens, targets, balanced)
        model.zero_grad()
        loss = gradients.of(batch)
        assert gradients.pieces == pieces
        assert loss == pytest.approx(expected, abs=1e-6)
        assert torch.allclose(model.head.weight.grad, wanted, atol=1e-6)


@pytest.mark.parametrize("n", [1, 5])
def test_several_processes_add_up_to_one(headed, n):
    """The mean of the processes' gradients, which they exchange, is the gradient of one with the whole batch."""
    model, tokens, targets = headed
    batch = np.arange(n)

    def gradient(index, processes):
        shared = SimpleNamespace(
            process_index=index, num_processes=processes, no_sync=nullcontext, backward=lambda loss: loss.backward()
        )
        model.zero_grad()
        loss = summing(shared, model, tokens, targets, True).of(batch)
        return loss.item(), model.head.weight.grad.clone()

    whole, parts = gradient(0, 1), [gradient(index, 2) for index in range(2)]
    assert torch.allclose((parts[0][1] + parts[1][1]) / 2, whole[1], atol=1e-6)
    assert parts[0][0] + parts[1][0] == pytest.approx(whole[0], abs=1e-6)


def test_where_one_text_is_too_much_less_is_kept_and_then_it_stops(headed, monkeypatch):
    model, tokens, targets = headed
    forward, said, lean = Encoder.forward, [], []
    monkeypatch.setattr(loop, "warn", said.append)
    monkeypatch.setattr(loop, "recompute", lambda backbone: lean.append(recompute(backbone)))
    monkeypatch.setattr(Encoder, "forward", lambda *given: forward(*given) if lean else out_of_memory())
    gradients = summing(Accelerator(cpu=True), model, tokens, targets, False)
    model.train()
    assert gradients.of(np.arange(4)) > 0
    assert [note.split(";")[0] for note in said] == [
        "Memory ran out with 4 texts at a time",
        "Memory ran out with 2 texts at a time",
        "Memory ran out for a single text",
    ]
    monkeypatch.setattr(Encoder, "forward", out_of_memory)
    with pytest.raises(at.AnnotuneError, match="No memory is left for a single text"):
        gradients.of(np.arange(4))


def test_probes_have_no_words(questions, book, decoder):
    with pytest.raises(at.AnnotuneError, match="objective='label' is for a tuned decoder"):
        at.tune(*questions, book(), base=str(decoder("llama")), **QUICK, method="probe")


def test_an_encoder_cannot_say_labels(questions, book, tiny_base):
    with pytest.raises(at.AnnotuneError, match=r"\(bert\) is no decoder.*objective='head'"):
        at.tune(*questions, book(), base=str(tiny_base), **QUICK)


def test_of_sets_each_label_is_learnt_as_yes_or_no(speaker, book, topics):
    tokenizer, single = speaker
    model = speaker_for(book("multilabel").variable(), tokenizer, single.backbone, "chat")
    tokens = tokenize(tokenizer, topics["text"].to_list()[:8], 64, special=False)
    targets = np.array([[i >> label & 1 for label in range(3)] for i in range(8)])  # none, all, and every pair
    torch.manual_seed(1)
    add_lora(model, 16)
    settings = Settings(objective="label", learning_rate=1e-2, seed=1)
    plan = {"epochs": 150, "balanced": False, "advance": lambda n: None}
    losses = list(loop.train(model, tokens, targets, settings, **plan))
    assert losses[-1] < 0.3 < 0.6 < losses[0]
    assert (decide(outputs(model, tokens), sets=True) == targets).mean() > 0.75


def test_steps_are_small_at_half_the_rate(speaker, topics):
    tokenizer, model = speaker
    tokens, targets = tokenize(tokenizer, topics["text"].to_list()[:20], 64, special=False), np.arange(20) % 3
    add_lora(model, 4)
    texts_a_step, settings = [], Settings(method="lora", seed=1)
    plan = {"epochs": 1, "balanced": False, "advance": texts_a_step.append}
    list(loop.train(model, tokens, targets, settings, **plan))
    assert sum(texts_a_step) == 20
    assert max(texts_a_step) == loop.TEXTS_A_STEP == settings.batch_texts / 4
    by_rate = [settings, settings.model_copy(update={"learning_rate": 0.01})]
    rates = [loop._optimizer(model, chosen).param_groups[0]["lr"] for chosen in by_rate]
    assert rates == [loop.LEARNING_RATES["lora"] / 2, 0.01]


def test_it_learns_what_a_head_learns(speaker, decoder, topics):
    tokenizer, model = speaker
    networks = {"label": model, "head": build(load_pair(find_base(str(decoder("qwen3"))), CPU)[1], 3)}
    targets = topics["label"].replace_strict({"Health": 0, "Law": 1, "Farming": 2}).to_numpy()
    plan = {"epochs": 20, "balanced": False, "advance": lambda n: None}
    settings = Settings(learning_rate=1e-2, head_learning_rate=1e-2, seed=1, batch_texts=8)
    learnt, others, right = np.arange(60), np.arange(60, 90), {}
    for objective, network in networks.items():
        torch.manual_seed(1)
        add_lora(network, 16)
        tokens = tokenize(tokenizer, topics["text"].to_list(), 64, special=objective == "head")
        list(loop.train(network, tokens.take(learnt), targets[learnt], settings, **plan))
        right[objective] = (outputs(network, tokens.take(others)).argmax(1) == targets[others]).mean()
    assert right["label"] >= max(0.8, right["head"] - 0.05)


def test_a_model_of_sets_is_saved_and_says_the_same(questions, book, decoder, tmp_path, monkeypatch):
    none = Probe(np.zeros((3, 64), np.float32), np.full(3, -9.0), 10.0, False)  # which any speaker is as good as
    monkeypatch.setattr(fit, "fit_probe", lambda *_, **__: none)
    corpus, gold = (frame[:100] for frame in questions)
    choices = QUICK | {"epochs": 1, "batch_texts": 32}
    model = at.tune(corpus, gold, book("multilabel"), base=str(decoder("llama")), **choices)
    assert isinstance(model.model, Speaker)
    assert len(model.card["choices"]["cutoffs"]) == 3
    coded = model.classify(corpus)
    shares = coded.unique("unit_id", maintain_order=True).select("^p_.*$").to_numpy()
    assert np.ptp(shares.sum(1)) > 1e-3  # each of its own, and not one divided among them
    again = at.load(model.save(tmp_path / "model"))
    assert again.classify(corpus).equals(coded)
    with pytest.raises(at.AnnotuneError, match="answer yes or no for each label are not exported"):
        model.export(tmp_path / "merged", "merged")


def test_of_sets_the_log_odds_are_those_of_yes_against_no_read_plainly(speaker, book, topics):
    tokenizer, single = speaker
    model = speaker_for(book("multilabel").variable(), tokenizer, single.backbone, "chat").eval()
    tokens = tokenize(tokenizer, topics["text"].to_list()[:4], 64, special=False)
    with torch.no_grad():
        found = model(*pad(tokens, np.arange(4), CPU))
        assert model.n_outputs == found.shape[1] == 3
        for i, ids in enumerate(tokens.ids):
            for label, answers in enumerate(model.slots.paths):
                stem = answers[0][: model.slots.stems[label]]
                whole = torch.tensor([model.slots.before + ids + stem])
                words = model.backbone(input_ids=whole).logits[0, -1].log_softmax(-1)
                yes, no = (words[answer[len(stem)]].item() for answer in answers)
                assert found[i, label].item() == pytest.approx(yes - no, abs=1e-4)


@pytest.mark.parametrize("kind", ["nominal", "multilabel"])
def test_with_less_kept_in_memory_the_gradients_stay_the_same(kind, decoder, book, topics):
    tokenizer, backbone = load_pair(find_base(str(decoder("qwen3"))), CPU, speaking=True)
    model = speaker_for(book(kind).variable(), tokenizer, backbone, "chat")
    tokens = tokenize(tokenizer, topics["text"].to_list()[:6], 64, special=False)
    add_lora(model, 4)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    model.train()

    def gradients():
        kept = []
        model.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()) or one, lambda one: one):
            loss = model(*pad(tokens, np.arange(6), CPU))[:, 0].sum()
        loss.backward()
        return sum(kept), {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}

    before, whole = gradients()
    recompute_texts(model.backbone)
    after, again = gradients()
    assert after < 0.7 * before
    assert whole.keys() == again.keys()
    assert all(torch.allclose(whole[name], again[name], atol=1e-6) for name in whole)


@pytest.mark.filterwarnings("ignore:Memory ran out")
def test_a_speaker_for_whom_one_text_is_too_much_keeps_less(speaker, topics, monkeypatch):
    tokenizer, model = speaker
    tokens = tokenize(tokenizer, topics["text"].to_list(), 64, special=False)
    targets = topics["label"].replace_strict({"Health": 0, "Law": 1, "Farming": 2}).to_numpy()
    forward, lean = Speaker.forward, []
    monkeypatch.setattr(loop, "recompute_texts", lambda backbone: lean.append(recompute_texts(backbone)))
    monkeypatch.setattr(Speaker, "forward", lambda *given: forward(*given) if lean else out_of_memory())
    model.train()
    assert summing(Accelerator(cpu=True), model, tokens, targets, False).of(np.arange(4)) > 0
    assert len(lean) == 1
