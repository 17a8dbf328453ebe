"""What benchmarks/gpu.py computes with: networks of known shapes with random weights, a tokenizer, made-up texts.

Nothing here needs more than torch and transformers. What annotune takes from packages that a machine for computing may
lack (a codebook's variable, settings of tuning) has a stand-in, which a test compares with the original.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

ENCODERS = {  # hidden, layers, heads, inner
    "MiniLM": (384, 6, 12, 1536),  # as all-MiniLM-L6-v2
    "BERT-base": (768, 12, 12, 3072),
    "tiny encoder": (32, 2, 2, 64),
}
DECODERS = {  # hidden, layers, heads, key/value heads, inner, words
    "1B": (2048, 16, 32, 8, 8192, 128256),  # as Llama-3.2-1B, -3B and Llama-3.1-8B
    "3B": (3072, 28, 24, 8, 8192, 128256),
    "8B": (4096, 32, 32, 8, 14336, 128256),
    "tiny decoder": (32, 2, 2, 2, 64, 3000),
}
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
AREAS = (
    "Macroeconomics: Growth, inflation, budgets, taxes",
    "Civil rights: Discrimination, voting, privacy, free speech",
    "Health: Hospitals, insurance, medicines, prevention",
    "Agriculture: Farms, food safety, fisheries, subsidies",
    "Labour: Wages, working time, unions, training",
    "Education: Schools, universities, pupils with special needs",
    "Environment: Water, waste, species, air",
    "Energy: Electricity, oil and gas, renewables, nuclear power",
    "Immigration: Asylum, visas, integration, borders",
    "Transport: Roads, railways, aviation, ports",
    "Law and crime: Courts, police, prisons, trafficking",
    "Social welfare: Pensions, poverty, care, families",
    "Housing: Rents, building, cities, rural areas",
    "Domestic commerce: Banks, companies, consumers, tourism",
    "Defence: Armed forces, alliances, weapons, veterans",
    "Technology: Research, space, telecommunications, media",
    "Foreign trade: Tariffs, agreements, exports, exchange rates",
    "International affairs: Aid, treaties, human rights abroad",
    "Government: Administration, elections, staff, procurement",
    "Public lands: Parks, minorities' lands, water resources",
    "Culture: Arts, heritage, language, sport",
)
SETTINGS: dict[str, Any] = {  # of `annotune.tuning.settings.Settings`, which needs pydantic
    "method": "lora",
    "learning_rate": None,
    "head_learning_rate": 1e-3,
    "rank": 16,
    "batch_tokens": 4096,
    "batch_texts": 32,
    "seed": 1,
}


@dataclass(frozen=True)
class Label:
    """As a label of a codebook."""

    name: str
    definition: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variable:
    """As a variable of a codebook."""

    name: str
    instruction: str
    labels: tuple[Label, ...]
    kind: str = "nominal"

    @property
    def names(self) -> list[str]:
        """Of its labels."""
        return [label.name for label in self.labels]


TOPIC: Any = Variable(
    "topic", "Which policy area is it mainly about?", tuple(Label(*area.split(": ", 1)) for area in AREAS)
)


def settings(**changes: Any) -> Any:
    """Settings of tuning, as they are by default but for these."""
    return SimpleNamespace(**SETTINGS | changes)


@lru_cache(8)
def made_up(n: int, words: int, seed: int = 1) -> tuple[list[str], np.ndarray]:
    """n different texts of about so many words, and their label numbers, which a fifth of the words tells."""
    draw = random.Random(seed)
    letters = "aeiou", "bdfgklmnprstvz"
    syllables = [consonant + vowel for consonant in letters[1] for vowel in letters[0]]
    known = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(1500)]
    targets = [draw.randrange(len(AREAS)) for _ in range(n)]
    texts = []
    for target in targets:
        size = max(3, round(draw.gauss(words, words / 4)))
        own = known[10 * target : 10 * target + 10]
        texts.append(" ".join(draw.choice(own if draw.random() < 0.2 else known) for _ in range(size)))
    return texts, np.array(targets)


def make_tokenizer() -> Any:
    """Byte-level pairs learnt from such texts, with turns."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special, alphabet = ["<|end|>", "<|pad|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*made_up(300, 30, seed=7)[0], *AREAS], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[0], pad_token=special[1])
    fast.chat_template, fast.model_max_length = CHAT, 2048
    return fast


def make_encoder(shape: str, tokenizer: Any, device: torch.device) -> Any:
    """A BERT with a head, with random weights in float32."""
    from transformers import BertConfig, BertForSequenceClassification

    hidden, layers, heads, inner = ENCODERS[shape]
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    config = BertConfig(
        **sizes,
        intermediate_size=inner,
        vocab_size=30522,
        max_position_embeddings=512,
        num_labels=len(AREAS),
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(1)
    with torch.device(device):
        return BertForSequenceClassification(config).eval()


def make_decoder(shape: str, tokenizer: Any, device: torch.device, dtype: torch.dtype = torch.bfloat16) -> Any:
    """A causal Llama with random weights, made where it computes."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from annotune.network.base import give_padding

    hidden, layers, heads, pairs, inner, words = DECODERS[shape]
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    sizes |= {"num_key_value_heads": pairs, "intermediate_size": inner, "vocab_size": words}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = LlamaConfig(max_position_embeddings=2048, tie_word_embeddings=shape != "8B", **sizes, **ends)
    torch.manual_seed(1)
    with torch.device(device):
        network = LlamaForCausalLM._from_config(config, dtype=dtype).eval()
    give_padding(tokenizer, network)
    return network


def operations(network: Any, lengths: np.ndarray, context: int = 0) -> float:
    """Operations of a forward pass a text: 2 a weight of the layers and token, and 4 a pair of tokens and width.

    With `context`, the tokens that stand before each text and were read before.
    """
    layers = network.encoder.layer if hasattr(network, "encoder") else network.layers
    weights = sum(one.numel() for one in layers.parameters())
    attention = 4 * network.config.hidden_size * len(layers) * lengths * (lengths + context)
    return float((2 * weights * lengths + attention).mean())


def timed(work: Callable[[], int], device: torch.device, least: float = 1.5, rounds: int = 5) -> float:
    """Units of work a second after a round that is not counted: the median of a few rounds, of one where it is long."""
    work()
    rates: list[float] = []
    spent = 0.0
    while not rates or (spent < least and len(rates) < rounds):
        began = now(device)
        n = work()
        elapsed = now(device) - began
        rates.append(n / getattr(n, "seconds", elapsed))
        spent += elapsed
    return median(rates)


def now(device: torch.device) -> float:
    """The time, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Operations a second of a large matrix product, on random numbers."""
    one = torch.randn(size, size, device=device, dtype=dtype)

    def work() -> int:
        for _ in range(10):
            one @ one
        return 10

    return timed(work, device) * 2 * size**3
