"""What several tests share: small coded texts, and a base model that is tuned in a blink."""

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

import annotune as at
from annotune.codebook import Label, Variable

# A busy machine is no fault: how long an example takes is not what these tests are about.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

WORDS = {
    "Health": ["hospital", "doctor", "patient", "nurse", "surgery", "vaccine"],
    "Law": ["court", "judge", "crime", "police", "prison", "sentence"],
    "Farming": ["cattle", "wheat", "farmer", "harvest", "soil", "milk"],
}
COMMON = ["the", "minister", "asked", "about", "new", "more", "year", "cost"]


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
def tiny_base(tmp_path_factory):
    """A folder with a BERT of two layers, made from a configuration, with random weights and whole words as tokens."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base") / "tiny"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *COMMON, *(word for topic in WORDS.values() for word in topic)]
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
