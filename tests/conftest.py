"""What several tests share: small coded texts, base models that are tuned in a blink, encoders and decoders."""

import gc
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.pop("COLUMNS", None)  # what is printed is compared line by line, wherever the tests run
os.environ["ANNOTUNE_CACHE"] = str(Path(tempfile.gettempdir()) / "annotune-tests")  # and not the user's own

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings

import annotune as at
from annotune import cli
from annotune.data.codebook import Label, Variable
from annotune.tuning import task

collect_ignore = ["records/stopped.py", "records/sqlite_calls.py"]  # scripts that tests run

# A busy machine is no fault: how long an example takes is not what these tests are about. Examples are others each
# time, but on CI, where a fault that they find should be of the change that is tested.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("patient")


def pytest_collection_finish():
    """What was imported stays: looking through all of it, whenever garbage is collected, takes half a second."""
    gc.collect()
    gc.freeze()


# A few short texts stand for many: what is tuned is tested on them, too.
task.FEWEST_TO_TUNE = 0

WORDS = {
    "Health": ["hospital", "doctor", "patient", "nurse", "surgery", "vaccine"],
    "Law": ["court", "judge", "crime", "police", "prison", "sentence"],
    "Farming": ["cattle", "wheat", "farmer", "harvest", "soil", "milk"],
}
COMMON = ["the", "minister", "asked", "about", "new", "more", "year", "cost"]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TURNS = (  # like Gemma's: the beginning of text is in the template, and contents are trimmed
    "{{ bos_token }}{% for message in messages %}"
    "<|im_start|>{{ 'model' if message['role'] == 'assistant' else 'user' }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
)
SPECIAL = ["<|bos|>", "<|eos|>", "<|reserved_0|>", "<|im_start|>", "<|im_end|>"]
FAMILIES = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 16},
    "mistral": {"sliding_window": 96},
    "gemma3_text": {"head_dim": 16, "sliding_window": 96, "layer_types": ["sliding_attention", "full_attention"]},
}


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a verb as the command line does, in this process, which has loaded torch: `command("run", "study.yaml")`."""

    def run(*words):
        words = ["annotune", *map(str, words)]
        monkeypatch.setattr(sys, "argv", words)
        with warnings.catch_warnings():
            try:
                cli.main()
                code = 0
            except SystemExit as end:
                code = end.code or 0
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def topics():
    """90 short texts in 15 documents: unit_id, text, doc, label; Farming is rare."""
    rng = np.random.default_rng(7)
    rows = []
    for i in range(90):
        label = ("Health", "Law", "Health", "Law", "Health", "Farming")[i % 6]
        words = [*rng.choice(WORDS[label], 3), *rng.choice(COMMON, 4)]
        rows.append((f"q{i:03}", " ".join(rng.permutation(words)), f"doc{i // 6}", label))
    return pl.DataFrame(rows, schema=["unit_id", "text", "doc", "label"], orient="row")


@pytest.fixture(scope="session")
def book():
    """A codebook maker: `book("nominal", names)`."""

    def make(kind="nominal", names=tuple(WORDS)):
        labels = tuple(Label(code=code, name=name) for code, name in enumerate(names, start=1))
        return at.Codebook(variables=(Variable(name="topic", kind=kind, labels=labels),))

    return make


@pytest.fixture(scope="session")
def gold(topics):
    """The codings of `topics`."""
    return topics.select("unit_id", "label", variable=pl.lit("topic"), coder=pl.lit("gold"))


@pytest.fixture(scope="session")
def gold_with_shares(topics, book):
    """What four coders said of `topics`, as shares: one of them gives every other text the label after its own."""
    names = ("Health", "Law", "Farming")
    rows = [
        (unit, f"coder{coder}", names[(names.index(label) + (coder == 0 and i % 2)) % 3])
        for i, (unit, label) in enumerate(topics.select("unit_id", "label").iter_rows())
        for coder in range(4)
    ]
    codings = at.read_codings(pl.DataFrame(rows, schema=["unit_id", "coder", "label"], orient="row"), book())
    return at.resolve(codings, "shares", codebook=book())


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A folder with a BERT of two layers, made from a configuration, with random weights and whole words as tokens."""
    return tiny_bert(
        tmp_path_factory.mktemp("base") / "tiny", [*COMMON, *(word for topic in WORDS.values() for word in topic)]
    )


@pytest.fixture(scope="session")
def twenty_words(tmp_path_factory):
    """The same with another vocabulary."""
    words = "tax health school farm court road river ship steel coal trade milk wheat army prison police bank rent"
    return str(tiny_bert(tmp_path_factory.mktemp("base") / "twenty", [*words.split(), "health", "nurse"]))


@pytest.fixture(scope="session")
def demo_base(tmp_path_factory):
    """The same with the words of the simulated questions."""
    words = " ".join(at.demo(n=300, n_coded=40).corpus["text"]).lower().replace("?", " ").replace(",", " ").split()
    return tiny_bert(tmp_path_factory.mktemp("base") / "demo", sorted(set(words)))


def tiny_bert(folder, vocabulary):
    """A BERT of two layers, from a configuration, with random weights and whole words as tokens."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *vocabulary]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second one
    torch.manual_seed(1)
    config = AutoConfig.for_model("bert", vocab_size=len(words), max_position_embeddings=64, **sizes)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def train_tokenizer(texts, template):
    """Byte-level pairs learnt from `texts`; it begins texts with a token of its own where the template does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    if template == TURNS:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A", special_tokens=[("<|bos|>", tokenizer.token_to_id("<|bos|>"))]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        extra_special_tokens=SPECIAL[2:],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = template
    return fast


@pytest.fixture(scope="session")
def questions(topics):
    """300 texts of the words of `topics`, as random networks need many: a corpus and its gold."""
    rng = np.random.default_rng(3)
    said = {name: topics.filter(label=name)["text"].to_list() for name in topics["label"].unique(maintain_order=True)}
    labels = rng.choice(list(said), 300)
    texts = [" ".join(rng.permutation(" ".join(rng.choice(said[label], 2)).split())[:10]) for label in labels]
    corpus = pl.DataFrame({"unit_id": [f"n{i}" for i in range(300)], "text": texts})
    return corpus, corpus.select("unit_id", label=pl.Series(labels), variable=pl.lit("topic"), coder=pl.lit("gold"))


@pytest.fixture(scope="session")
def decoder(tmp_path_factory, topics):
    """A maker of base folders: `decoder("llama")`, with other sizes by name; the same call gives the same folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    made = {}

    def make(family="llama", template=CHATML, **sizes):
        key = (family, template, tuple(sorted(sizes.items())))
        if key in made:
            return made[key]
        folder = tmp_path_factory.mktemp("bases") / f"tiny-{family}"
        tokenizer = train_tokenizer([*topics["text"], " Health Law Farming absent low medium high"], template)
        tokenizer.save_pretrained(folder)
        plain = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
        plain |= {"num_key_value_heads": 2, "max_position_embeddings": 2048, "tie_word_embeddings": True}
        ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
        options = {"vocab_size": len(tokenizer), "initializer_range": 0.1, **plain, **FAMILIES[family], **ends, **sizes}
        torch.manual_seed(1)
        torch.set_num_threads(1)
        AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **options)).save_pretrained(folder)
        made[key] = folder
        return folder

    return make


@pytest.fixture(scope="session")
def templates():
    """Chat templates: one without a token that begins texts, and one that writes it itself."""
    return {"chatml": CHATML, "turns": TURNS}
