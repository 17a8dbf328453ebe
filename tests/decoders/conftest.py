"""Decoders of two layers made from configurations, with a tokenizer trained on the texts of these tests."""

import numpy as np
import polars as pl
import pytest
import torch

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
