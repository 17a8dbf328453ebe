"""Exports: each is run by the program it is for and says what the model says, or nothing is left of it."""

import importlib.util
import json
import re
import shutil
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

import annotune as at
from annotune.models.formats import adapter, gguf, merged, onnx
from annotune.models.formats.answer_tokens import speaks
from annotune.models.formats.format import Options
from annotune.models.formats.llama_vocabulary import read_vocabulary
from annotune.models.formats.origin import origin_of
from annotune.models.formats.parity import CHANGED, compare, require_same
from annotune.network import base as bases
from annotune.network.base import find_base, load_pair
from annotune.network.logits import from_logits, sigmoid
from annotune.records.fingerprints import file_sha256
from annotune.tuning import fit as fitting
from annotune.tuning.probe import Probe

WITH_LLAMA_CPP = pytest.mark.skipif(
    importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python, which is compiled, is not installed"
)
RATES = {"learning_rate": 3e-3, "epochs": 2, "test": 0.2, "n_boot": 20}


@pytest.fixture(scope="module")
def tuned(questions, book, decoder):
    """A maker of classifiers: `tuned("llama")`, tuned so that low-rank matrices have moved its base."""
    made = {}

    def make(family, **options):
        key = (family, *sorted(options.items()))
        if key not in made:
            base = decoder(family, **options)
            made[key] = at.tune(*questions, book(), base=str(base), **RATES), str(base)
            assert made[key][0].card["choices"]["epochs"] > 0
        return made[key]

    return make


@pytest.fixture(scope="module")
def encoder(questions, book, tiny_base):
    """What the probe knows is taken away, so that the network is tuned and differs from its base."""
    with pytest.MonkeyPatch.context() as patch:
        nothing = Probe(np.zeros((3, 32), np.float32), np.zeros(3), 10.0, False)
        patch.setattr(fitting, "fit_probe", lambda *_, **__: nothing)
        model = at.tune(*questions, book(), base=str(tiny_base), head_learning_rate=0.1, **RATES)
    assert model.card["choices"]["epochs"] > 0
    return model


@pytest.fixture(scope="module")
def sets(questions, book, decoder):
    """A classifier of label sets, whose cut-offs are not one half."""
    corpus, gold = questions
    answers = gold.with_columns(
        label=pl.when(pl.col("label") != "Farming").then("label"),
        status=pl.when(pl.col("label") == "Farming").then(pl.lit("none")).otherwise(pl.lit("ok")),
    )
    model = at.tune(corpus, answers, book("multilabel", ["Health", "Law"]), base=str(decoder("llama")), **RATES)
    assert any(abs(cut) > 0.01 for cut in model.card["choices"]["cutoffs"])
    return model


@pytest.fixture(scope="module")
def held_out(questions):
    return questions[0][:60]


def follow(folder, monkeypatch, **replaced):
    """What the recipe in an exported folder prints, run as it stands there."""
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL).group(1)
    for old, new in replaced.items():
        assert old in code
        code = code.replace(old, new)
    said = []
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {"print": said.append, "__name__": "__main__"})
    return said[0]


NURSES = "More nurses for our hospitals."


def printed_by_the_page(names, folder, monkeypatch):
    """What the program on docs/export-models.md that names this file prints, run in the folder."""
    page = (Path(__file__).parents[2] / "docs" / "export-models.md").read_text(encoding="utf-8")
    (code,) = [code for code in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if names in code]
    assert NURSES in code
    printed = []
    monkeypatch.chdir(folder)
    exec(compile(code, "export-models.md", "exec"), {"print": printed.append})
    return printed


def label_of_nurses(model):
    return model.classify(pl.DataFrame({"unit_id": ["a"], "text": [NURSES]}))["label"].to_list()


def own_labels(model):
    texts = ["A text to code.", "Another one."]
    return model.classify(pl.DataFrame({"unit_id": ["a", "b"], "text": texts}))["label"].to_list()


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma"])
def test_an_adapter_and_a_merged_folder_say_what_the_model_says(family, tuned, held_out, tmp_path, monkeypatch):
    model, base = tuned(family)
    for format, options in (("adapter", {"base": base}), ("merged", {})):
        done = model.export(tmp_path / format, format, texts=held_out, **options)
        assert (done.parity.texts, done.parity.changed) == (held_out["text"].n_unique(), 0)
        assert done.parity.largest < 1e-5
        replaced = {f"'tiny-{family}'": repr(base)} if format == "adapter" else {}
        assert follow(done.path, monkeypatch, **replaced) == own_labels(model)
        assert json.loads((done.path / "annotune.record.json").read_text())["parity"]["texts"] == done.parity.texts
        assert base not in "".join(path.read_text() for path in done.path.glob("*.json"))


def test_an_adapter_is_small_and_has_the_rank_that_was_tuned(tuned, tmp_path):
    model, base = tuned("llama")
    model.export(tmp_path / "adapter", "adapter", base=base)
    settings = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert settings["r"] == model.card["settings"]["rank"] == 16
    assert {min(matrix.shape) for matrix in weights.values()} == {16}
    assert not any("embed" in name or "norm" in name for name in weights)


def test_an_adapter_knows_its_base_and_peft_takes_it_as_the_page_has_it(encoder, tiny_base, tmp_path, monkeypatch):
    done = encoder.export(tmp_path / "topic-adapter", "adapter", base=str(tiny_base))
    origin = json.loads((done.path / "base.json").read_text())
    assert {name: origin[name] for name in ("name", "repository", "commit")} == {
        "name": "tiny",
        "repository": None,
        "commit": None,
    }
    assert origin["files"] == {path.name: file_sha256(path) for path in tiny_base.iterdir() if path.is_file()}
    assert not any(
        str(tiny_base.parent) in path.read_text() for path in done.path.iterdir() if path.suffix in (".json", ".md")
    )
    shutil.copytree(tiny_base, tmp_path / "models" / "tiny")
    assert printed_by_the_page("topic-adapter", tmp_path, monkeypatch) == label_of_nurses(encoder)
    settings = tmp_path / "models" / "tiny" / "config.json"
    settings.write_text(settings.read_text() + " ")
    with pytest.raises(AssertionError, match=r"config\.json is another"):
        printed_by_the_page("topic-adapter", tmp_path, monkeypatch)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_folder_of_a_hubs_cache_is_its_repository_at_that_commit(encoder, tiny_base, tmp_path, monkeypatch):
    """As huggingface_hub lays it out: peft is told to ask for that repository and commit, and so is the recipe."""
    snapshot = tmp_path / "models--some--tiny" / "snapshots" / COMMIT
    shutil.copytree(tiny_base, snapshot)
    base = find_base(str(snapshot))
    assert (base.name, base.revision) == ("some/tiny", COMMIT)
    card = {**encoder.card, "base": {"name": base.name, "revision": base.revision}}
    model = replace(encoder, card=card)
    done = model.export(tmp_path / "out", "adapter", base=str(snapshot))
    origin = json.loads((done.path / "base.json").read_text())
    assert (origin["repository"], origin["commit"]) == ("some/tiny", COMMIT)
    settings = json.loads((done.path / "adapter_config.json").read_text())
    assert (settings["base_model_name_or_path"], settings["revision"]) == ("some/tiny", COMMIT)
    asked = []
    monkeypatch.setattr(bases, "_from_hub", lambda name: asked.append(name) or base)
    assert adapter.run(done.path, ["court"], Options())[0].shape == (1, 3)
    assert asked == [f"some/tiny@{COMMIT}"]
    readme = (done.path / "README.md").read_text()
    assert "BASE = 'some/tiny'" in readme
    assert f"AutoModel.from_pretrained(BASE, revision='{COMMIT}')" in readme


@pytest.mark.parametrize(("fingerprint", "commit"), [(None, COMMIT), ("0" * 64, None)])
def test_the_commit_of_a_download_is_known_while_weights_are_what_was_fetched(fingerprint, commit, tiny_base, tmp_path):
    """Notes as huggingface_hub itself writes them into a folder of one's own."""
    from huggingface_hub._local_folder import write_download_metadata

    folder = tmp_path / "mine"
    shutil.copytree(tiny_base, folder)
    sha256 = file_sha256(folder / "model.safetensors")
    write_download_metadata(folder, "model.safetensors", COMMIT, fingerprint or sha256)
    origin = origin_of(find_base(str(folder)))
    assert (origin["name"], origin["repository"], origin["commit"]) == ("mine", None, commit)


def test_an_encoder_leaves_as_adapter_and_merged_folder(encoder, tiny_base, held_out, tmp_path, monkeypatch):
    for format, options in (("adapter", {"base": str(tiny_base)}), ("merged", {})):
        done = encoder.export(tmp_path / format, format, texts=held_out, **options)
        assert done.parity.largest < 1e-5
        replaced = {"'tiny'": repr(str(tiny_base))} if format == "adapter" else {}
        assert follow(done.path, monkeypatch, **replaced) == own_labels(encoder)


@pytest.mark.filterwarnings("ignore:'Health' is given to")  # beginnings of few texts are no sample of the corpus
def test_onnx_runs_texts_of_any_length_in_batches_of_any_size(encoder, held_out, tmp_path, monkeypatch):
    long = [" ".join(held_out["text"][:i]) for i in range(1, 40)]
    with pytest.warns(at.AnnotuneWarning, match="longer than 64 tokens"):
        done = encoder.export(tmp_path / "onnx", "onnx", texts=[*long, "court"])
    assert done.parity.texts == 40
    assert done.parity.largest < 1e-5
    assert follow(done.path, monkeypatch) == own_labels(encoder)


def test_a_decoder_leaves_as_onnx(tuned, held_out, tmp_path, monkeypatch):
    model, _ = tuned("qwen2", num_hidden_layers=1)
    done = model.export(tmp_path / "onnx", "onnx", texts=held_out)
    assert done.parity.largest < 1e-5
    assert follow(done.path, monkeypatch) == own_labels(model)


def test_sets_leave_with_their_cut_offs(sets, held_out, tmp_path):
    done = sets.export(tmp_path / "sets", texts=held_out)
    about = json.loads((done.path / "labels.json").read_text())
    shares = sigmoid(merged.run(done.path, held_out["text"].to_list(), None)[0])
    coded = sets.classify(held_out).filter(status="ok").select("unit_id", "label").rows()
    given_ = shares > np.array(about["above"])
    units = held_out["unit_id"].to_list()
    assert set(coded) == {(units[i], about["labels"][j]) for i, j in zip(*np.nonzero(given_), strict=True)}


# Models that say the label


@pytest.fixture(scope="module")
def saying(questions, book, decoder):
    """A classifier tuned on its answers' tokens, the probe's knowledge taken away so that it is handed out."""
    base = decoder("llama")
    with pytest.MonkeyPatch.context() as patch:
        nothing = Probe(np.zeros((3, 64), np.float32), np.zeros(3), 10.0, False)
        patch.setattr(fitting, "fit_probe", lambda *_, **__: nothing)
        model = at.tune(*questions, book(), base=str(base), objective="label", **{**RATES, "learning_rate": 1e-2})
    assert speaks(Namespace(model=model.model))
    return model, str(base)


def test_a_model_that_says_the_label_leaves_with_its_prompt(saying, held_out, tmp_path, monkeypatch):
    model, base = saying
    for format, options in (("adapter", {"base": base}), ("merged", {})):
        done = model.export(tmp_path / format, format, texts=held_out[:20], **options)
        assert done.parity.largest < 1e-5
        replaced = {"'tiny-llama'": repr(base)} if format == "adapter" else {}
        assert follow(done.path, monkeypatch, **replaced) == own_labels(model)
    with pytest.raises(at.AnnotuneError, match="ONNX is written for models with a head"):
        model.export(tmp_path / "onnx", "onnx")


@WITH_LLAMA_CPP
def test_llama_cpp_scores_the_answers_as_the_model_does(saying, held_out, tmp_path):
    model, _ = saying
    parity = model.export(tmp_path / "x.gguf", "gguf", quantization="f16", texts=held_out[:8]).parity
    assert parity.changed == 0
    assert parity.largest < 0.002


def test_another_prompt_is_another_model(saying, held_out, tmp_path, monkeypatch):
    write = merged.write

    def write_and_cut(classifier, place, options):
        write(classifier, place, options)
        about = json.loads((place / "labels.json").read_text())
        about["prompt"]["before"] = about["prompt"]["before"][:5]
        (place / "labels.json").write_text(json.dumps(about))

    monkeypatch.setattr(merged, "write", write_and_cut)
    with pytest.raises(at.AnnotuneError, match="is another model"):
        saying[0].export(tmp_path / "x", texts=held_out[:8])
    assert not list(tmp_path.iterdir())


# GGUF


@WITH_LLAMA_CPP
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_llama_cpp_says_what_the_model_says(family, tuned, held_out, tmp_path):
    model, _ = tuned(family)
    found = {
        kind: model.export(tmp_path / f"{kind}.gguf", "gguf", quantization=kind, texts=held_out).parity
        for kind in ("f32", "f16", "q8_0")
    }
    assert found["f32"].largest < 2e-3  # llama.cpp keeps keys and values in half precision
    assert found["f32"].mean < found["f16"].mean < found["q8_0"].mean
    assert {parity.changed for parity in found.values()} == {0}
    sizes = [(tmp_path / f"{kind}.gguf").stat().st_size for kind in found]
    assert sizes == sorted(sizes, reverse=True)
    assert json.loads((tmp_path / "f16.gguf.record.json").read_text())["quantization"] == "f16"


@WITH_LLAMA_CPP
def test_the_page_on_exports_runs_a_gguf_file(tuned, tmp_path, monkeypatch):
    model, _ = tuned("qwen2")
    model.export(tmp_path / "topic.gguf", "gguf", quantization="f16")
    assert printed_by_the_page("topic.gguf", tmp_path, monkeypatch) == label_of_nurses(model)


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("llama", {}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 128}),  # transformers' reader takes Qwen's own size for granted
        ("llama", {"tie_word_embeddings": False}),
    ],
)
def test_a_gguf_file_read_by_transformers_is_the_same_network(family, sizes, decoder, tmp_path):
    """A reader that shares nothing with ours turns the file back into a network."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer, network = load_pair(find_base(str(decoder(family, **sizes))), torch.device("cpu"), speaking=True)
    gguf.write_file(network, tokenizer, tmp_path / "x.gguf", "f32", "x", {}, pooled=False)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="x.gguf", dtype=torch.float32)
    ids = torch.arange(10, 40).reshape(2, 15)
    with torch.inference_mode():
        difference = (again(input_ids=ids).logits - network(input_ids=ids).logits).abs().max()
    assert difference < 1e-5


@WITH_LLAMA_CPP
def test_stretched_positions_arrive(decoder, tmp_path):
    """Llama 3's slower low frequencies, over more positions than the original had."""
    import llama_cpp
    import torch

    stretch = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope = {**stretch, "rope_theta": 10_000.0, "original_max_position_embeddings": 64}
    folder = decoder("llama", num_hidden_layers=3)
    settings = json.loads((folder / "config.json").read_text())
    plain = logits_by_llama_cpp(folder, tmp_path / "plain.gguf", llama_cpp)
    (folder / "config.json").write_text(json.dumps({**settings, "rope_parameters": rope}))
    try:
        stretched = logits_by_llama_cpp(folder, tmp_path / "stretched.gguf", llama_cpp)
        network = load_pair(find_base(str(folder)), torch.device("cpu"), speaking=True)[1]
    finally:
        (folder / "config.json").write_text(json.dumps(settings))
    with torch.inference_mode():
        wanted = network(input_ids=torch.tensor([LONG])).logits[0].numpy()
    assert np.abs(stretched - wanted).max() < 0.02 < np.abs(plain - wanted).max()


LONG = [10 + i % 200 for i in range(200)]


def logits_by_llama_cpp(folder, path, llama_cpp):
    import torch

    tokenizer, network = load_pair(find_base(str(folder)), torch.device("cpu"), speaking=True)
    gguf.write_file(network, tokenizer, path, "f32", "x", {}, pooled=False)
    model = llama_cpp.Llama(str(path), n_ctx=512, logits_all=True, verbose=False)
    model.eval(LONG)
    logits = np.array(model.scores[: len(LONG)])
    model.close()
    return logits


@WITH_LLAMA_CPP
@pytest.mark.parametrize("starts", [True, False])
def test_the_beginning_of_text_is_counted_once(starts, decoder, topics, tmp_path):
    import llama_cpp
    import torch

    template = "{{ bos_token }}{{ messages[0]['content'] }}" if starts else "{{ messages[0]['content'] }}"
    tokenizer, network = load_pair(find_base(str(decoder("llama"))), torch.device("cpu"))
    tokenizer.chat_template = template
    if starts:
        from tokenizers.processors import TemplateProcessing

        bos = (tokenizer.bos_token, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{bos[0]} $A", special_tokens=[bos])
    gguf.write_file(network, tokenizer, tmp_path / "x.gguf", "f32", "x", {}, pooled=True)
    reader = llama_cpp.Llama(str(tmp_path / "x.gguf"), vocab_only=True, verbose=False)
    for text in [*topics["text"][:20], "naïve Größe 12345, it's\n\n 🙂 court  judge "]:
        ids = reader.tokenize(text.encode())
        assert ids == tokenizer(text)["input_ids"]
        assert ids.count(tokenizer.bos_token_id) == starts


# The gate


def negate(path):
    weights = load_file(path)
    name = max(weights, key=lambda name: weights[name].size)
    save_file({**weights, name: -weights[name]}, path, metadata={"format": "pt"})


def swap_labels(path):
    weights = load_file(path)
    save_file({name: np.ascontiguousarray(matrix[::-1]) for name, matrix in weights.items()}, path)


def negate_onnx(path):
    import onnx as library

    network = library.load(path)
    matrix = max(network.graph.initializer, key=lambda part: len(part.raw_data))
    matrix.raw_data = (-np.frombuffer(matrix.raw_data, np.float32)).tobytes()
    library.save(network, path)


def negate_gguf(path):
    import gguf as library

    written = library.GGUFReader(path, "r+")
    tensor = next(tensor for tensor in written.tensors if tensor.name == "blk.0.ffn_down.weight")
    tensor.data[:] = -tensor.data
    written.data.flush()


FLIPS = [
    (adapter, "adapter", "adapter_model.safetensors", negate),
    (adapter, "adapter", "head.safetensors", swap_labels),
    (merged, "merged", "model.safetensors", negate),
    (merged, "merged", "3_Dense/model.safetensors", swap_labels),
    (onnx, "onnx", "model.onnx", negate_onnx),
    pytest.param(gguf, "gguf", "", negate_gguf, marks=WITH_LLAMA_CPP),
]


@pytest.mark.parametrize(("module", "format", "file", "flip"), FLIPS)
def test_an_export_with_other_weights_is_refused(
    module, format, file, flip, tuned, encoder, tiny_base, held_out, tmp_path, monkeypatch
):
    """The real file, its weights flipped after writing: nothing of it is left, and an earlier export stays."""
    model, base = tuned("llama") if format == "gguf" else (encoder, str(tiny_base))
    options = {"adapter": {"base": base}, "gguf": {"quantization": "f32"}}.get(format, {})
    target = tmp_path / "kept"
    if format != "onnx":  # which takes seconds to write
        model.export(target, format, texts=held_out, **options)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write = module.write

    def write_and_flip(classifier, place, given_):
        write(classifier, place, given_)
        flip(place / file if file else place)

    monkeypatch.setattr(module, "write", write_and_flip)
    with pytest.raises(at.AnnotuneError, match="is another model: a probability differs by"):
        model.export(target, format, texts=held_out, **options)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"half")])
def test_an_export_that_does_not_run_is_refused(damage, encoder, held_out, tmp_path, monkeypatch):
    write = merged.write

    def write_and_damage(classifier, place, options):
        write(classifier, place, options)
        damage(place / "model.safetensors")

    monkeypatch.setattr(merged, "write", write_and_damage)
    with pytest.raises(at.AnnotuneError, match="merged export cannot be run"):
        encoder.export(tmp_path / "x", texts=held_out)
    assert not list(tmp_path.iterdir())


def test_a_model_held_in_bfloat16_leaves_with_a_wider_tolerance(questions, book, decoder, held_out, tmp_path):
    model = at.tune(*questions, book(), base=str(decoder("llama")), weights="bfloat16", **RATES)
    parity = model.export(tmp_path / "x", texts=held_out).parity
    assert parity.tolerance == 0.05
    assert parity.log_odds < 0.2


@WITH_LLAMA_CPP
def test_a_second_beginning_of_text_is_refused(tuned, held_out, tmp_path, monkeypatch):
    model, _ = tuned("llama")
    assert not read_vocabulary(model.tokenizer, 700).starts
    monkeypatch.setattr(gguf, "read_vocabulary", lambda *given_: replace(read_vocabulary(*given_), starts=True))
    with pytest.raises(at.AnnotuneError, match="is another model"):
        model.export(tmp_path / "twice.gguf", "gguf", quantization="f16", texts=held_out)
    assert not list(tmp_path.iterdir())


def test_the_tolerance_decides(encoder, held_out, tmp_path, monkeypatch):
    run = merged.run

    def a_little_off(place, texts, options):
        logits, name = run(place, texts, options)
        logits[0] += 0.01 * np.array([1, 0, 0])
        return logits, name

    monkeypatch.setattr(merged, "run", a_little_off)
    with pytest.raises(at.AnnotuneError, match=r"log-odds by 0\.01 \(accepted: 0\.004\)"):
        encoder.export(tmp_path / "out", texts=held_out)
    parity = encoder.export(tmp_path / "out", texts=held_out, tolerance=0.003).parity
    assert parity.log_odds == pytest.approx(0.01, abs=1e-5)
    assert parity.largest < 0.003


def likeliest(logits):
    return logits.argmax(1)[:, None]


@pytest.mark.parametrize(("sets", "answers"), [(False, likeliest), (True, lambda logits: logits > 0)])
def test_a_network_that_is_sure_of_itself_is_compared_by_what_makes_it_sure(sets, answers):
    """Another network, by probabilities the same: each is within a ten-thousandth of 0 or 1."""
    expected = np.array([[12.0, -12.0], [-12.0, 12.0]])
    actual = 0.8 * expected
    assert np.abs(from_logits(expected, sets) - from_logits(actual, sets)).max() < 1e-4
    parity = compare(expected, actual, sets, answers, 0.001, "x")
    assert parity.changed == 0
    assert parity.largest < parity.tolerance
    assert not parity.same
    with pytest.raises(at.AnnotuneError, match=f"log-odds by {2.4 if sets else 4.8}"):
        require_same(parity, "onnx")


LOGITS = arrays(np.float64, (6, 3), elements=st.floats(-20, 20))


@given(expected=LOGITS, errors=arrays(np.float64, (6, 3), elements=st.floats(-0.1, 0.1)), sets=st.booleans())
def test_log_odds_within_four_tolerances_keep_probabilities_within_one(expected, errors, sets):
    parity = compare(expected, expected + errors, sets, likeliest, 0.01, "x")
    assert parity.largest <= parity.log_odds / 4 + 1e-12


@given(expected=LOGITS, shift=st.floats(-50, 50))
def test_what_is_added_to_all_labels_of_a_text_changes_nothing_where_one_is_given(expected, shift):
    assert compare(expected, expected + shift, False, lambda logits: np.zeros((6, 1)), 0.001, "x").same


@given(n=st.integers(1, 400), flipped=st.integers(0, 400))
def test_one_text_in_a_hundred_may_change_and_a_single_one_always(n, flipped):
    flipped = min(flipped, n)
    expected = np.tile([0.08, 0.0], (n, 1))
    actual = expected.copy()
    actual[:flipped] = [0.0, 0.08]
    parity = compare(expected, actual, False, likeliest, 0.05, "x")
    assert parity.changed == flipped
    assert parity.same == (flipped <= max(1, CHANGED * n))


@pytest.mark.parametrize(("sets", "answers"), [(False, likeliest), (True, lambda logits: logits > 0)])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_no_number_is_no_probability(number, sets, answers):
    expected = np.array([[2.0, 0.1], [-2.0, 3.0]])
    parity = compare(expected, np.array([[2.0, 0.1], [number, 3.0]]), sets, answers, 0.5, "x")
    assert (parity.largest, parity.changed) == (1, 1)
    with pytest.raises(at.AnnotuneError, match="is another model"):
        require_same(parity, "onnx")


def test_without_texts_the_codebooks_words_are_compared(encoder, tmp_path):
    parity = encoder.export(tmp_path / "out").parity
    assert parity.texts == 4 + len(encoder.labels)


# What cannot be exported


def test_without_llama_cpp_a_gguf_file_is_written_only_unseen(tuned, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    model, _ = tuned("llama")
    with pytest.raises(at.AnnotuneError, match=r"llama-cpp-python, which is not installed.*check=False"):
        model.export(tmp_path / "x.gguf", "gguf")
    assert not list(tmp_path.iterdir())
    with pytest.warns(at.AnnotuneWarning, match="was not run"):
        assert model.export(tmp_path / "x.gguf", "gguf", check=False).parity is None
    assert json.loads((tmp_path / "x.gguf.record.json").read_text())["parity"] is None


@pytest.mark.parametrize(("package", "format"), [("gguf", "gguf"), ("onnxscript", "onnx"), ("onnxruntime", "onnx")])
def test_a_package_that_is_not_there_is_named(package, format, tuned, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(at.AnnotuneError, match=rf"{package}, which is not .*pip install 'annotune\[{format}\]'"):
        tuned("llama")[0].export(tmp_path / "x", format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("format", "options", "says"),
    [
        ("onxn", {}, "no format 'onxn'. Did you mean 'onnx'"),
        ("merged", {"quantization": "f16"}, "quantization= means nothing"),
        ("gguf", {"base": "x"}, "base= means nothing"),
        ("gguf", {}, "Llama and Qwen .* this one is bert"),
        ("merged", {"tolerance": 0}, "no difference of probabilities"),
        ("merged", {"tolerance": float("nan")}, "no difference of probabilities"),
        ("merged", {"texts": ["", "  "]}, "no text to compare"),
        ("merged", {"texts": []}, "no text to compare"),
        ("merged", {"texts": pl.DataFrame({"unit_id": ["a"], "words": ["b"]})}, "no column 'text'"),
        ("adapter", {}, "The base tiny is needed"),
    ],
)
def test_what_cannot_be_is_one_sentence(format, options, says, encoder, tmp_path):
    with pytest.raises(at.AnnotuneError, match=says):
        encoder.export(tmp_path / "out", format, **options)
    assert not list(tmp_path.iterdir())


def test_a_quantization_that_is_not_written_is_refused(tuned, tmp_path):
    with pytest.raises(at.AnnotuneError, match="no quantization 'q4_k_m' here"):
        tuned("llama")[0].export(tmp_path / "x.gguf", "gguf", quantization="q4_k_m")


def test_another_base_is_not_the_base(tuned, decoder, tmp_path):
    with pytest.raises(at.AnnotuneError, match="is not the base tiny-llama"):
        tuned("llama")[0].export(tmp_path / "x", "adapter", base=str(decoder("qwen2")))


@pytest.mark.parametrize(("method", "says"), [("probe", "method='lora'"), ("full", "method='lora'")])
def test_only_low_rank_tuning_has_an_adapter(method, says, questions, book, tiny_base, tmp_path):
    model = at.tune(*questions, book(), base=str(tiny_base), method=method, epochs=1, test=0, n_boot=20)
    with pytest.raises(at.AnnotuneError, match=says):
        model.export(tmp_path / "x", "adapter", base=str(tiny_base))


def test_a_tokenizer_that_cuts_otherwise_is_refused(tuned):
    from tokenizers import normalizers, pre_tokenizers

    tokenizer = tuned("llama")[0].tokenizer
    backend = tokenizer.backend_tokenizer
    kept = backend.pre_tokenizer
    try:
        for other in (pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True)):
            backend.pre_tokenizer = other
            with pytest.raises(at.AnnotuneError, match="cuts texts in a way"):
                read_vocabulary(tokenizer, 700)
        backend.pre_tokenizer = kept
        backend.normalizer = normalizers.Lowercase()
        with pytest.raises(at.AnnotuneError, match="cuts texts in a way"):
            read_vocabulary(tokenizer, 700)
    finally:
        backend.pre_tokenizer, backend.normalizer = kept, normalizers.NFC()


def test_a_place_that_holds_something_else_is_left_alone(encoder, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(at.AnnotuneError, match="holds something else"):
        encoder.export(tmp_path / "thesis")
    with pytest.raises(at.AnnotuneError, match="There is no folder"):
        encoder.export(tmp_path / "nowhere" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "chapter.txt"]


def test_a_full_disk_leaves_nothing(encoder, tmp_path, monkeypatch):
    def fail(classifier, place, options):
        Path(place).mkdir()
        (Path(place) / "half").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merged, "write", fail)
    with pytest.raises(at.AnnotuneError, match="No space left"):
        encoder.export(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_command_line_exports(encoder, questions, tmp_path, monkeypatch, capsys):
    from annotune.cli import main

    encoder.save(tmp_path / "model")
    questions[0].write_csv(tmp_path / "texts.csv")
    arguments = ["annotune", "export", str(tmp_path / "model"), str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", [*arguments, "--texts", str(tmp_path / "texts.csv")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert f"on {questions[0]['text'].n_unique()} texts: another label for 0" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", [*arguments, "--format", "gguf"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
