"""A GGUF file for llama.cpp: weights, tokenizer and head of a Llama or Qwen type model in one file.

llama.cpp computes the vector of a text's last token. The head is a small matrix that it has no place for in these
architectures; it travels in the file's metadata, and one product with it gives the labels. A model that says the label
travels with its prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotune import extras
from annotune.errors import AnnotuneError, nearest
from annotune.models.formats.answer_tokens import by_llama_cpp, speaks
from annotune.models.formats.llama_vocabulary import Vocabulary, read_vocabulary
from annotune.models.formats.recipe import describe, prefix_of

if TYPE_CHECKING:
    import gguf as library

from annotune.models.coder import Coder
from annotune.models.formats.format import Options

OPTIONS = ("quantization",)
FOLDER = False
ARCHITECTURES = {"llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3"}
QUANTIZATIONS = {"f32": "F32", "f16": "F16", "q8_0": "Q8_0"}
TOLERANCES = {"f32": 0.01, "f16": 0.01, "q8_0": 0.05}  # llama.cpp keeps keys and values in half precision in any case
USUAL = "q8_0"
FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}


def require(coder: Coder, options: Options) -> None:
    """A model of a type that is written, a tokenizer that llama.cpp has, and the gguf package."""
    extras.require("gguf", "The gguf export needs")
    if options.quantization is not None and options.quantization not in QUANTIZATIONS:
        raise AnnotuneError(
            f"There is no quantization {options.quantization!r} here.", nearest(options.quantization, QUANTIZATIONS)
        )
    network: Any = coder.model.backbone
    require_known(network.config)
    if not speaks(coder) and (coder.model.pooling != "last" or prefix_of(coder)):
        what = "GGUF tells of no words before a text, and of no vector but the last token's; the base wants others."
        raise AnnotuneError(what, "Export it as 'merged' or 'onnx'.")
    read_vocabulary(coder.tokenizer, network.get_input_embeddings().num_embeddings)


def require_known(config: Any) -> None:
    """Stop where the network is of another type, or a variant that is not written."""
    if config.model_type not in ARCHITECTURES:
        raise AnnotuneError(
            f"A GGUF file is written for models of the Llama and Qwen (2, 3) types; this one is {config.model_type}.",
            "Export it as 'merged' or 'onnx'.",
        )
    rope = config.rope_parameters["rope_type"]
    if rope not in ("default", "llama3", "linear") or (rope != "default" and config.model_type != "llama"):
        raise AnnotuneError(f"Positions that are stretched by {rope!r} are not written.", "Export it as 'merged'.")
    if "sliding_attention" in (getattr(config, "layer_types", None) or []):
        raise AnnotuneError("Attention within a window is not written.", "Export it as 'merged'.")


def tolerance(options: Options) -> float:
    """By what the quantization rounds."""
    return TOLERANCES[options.quantization or USUAL]


def require_runtime() -> None:
    """llama.cpp, by its Python package."""
    extras.require(
        "llama_cpp",
        "To run and compare it, the gguf export needs",
        " (it is compiled, which takes minutes); or export with check=False",
    )


def write(coder: Coder, place: Path, options: Options) -> None:
    """One file."""
    about: dict[str, Any] = {"annotune.about": json.dumps(describe(coder), ensure_ascii=False)}
    network, pooled = coder.model.backbone, not speaks(coder)
    if pooled:
        head = coder.model.head
        about["annotune.head.weight"] = head.weight.detach().flatten().tolist()
        about["annotune.head.bias"] = head.bias.detach().tolist()
    quantization = options.quantization or USUAL
    write_file(network, coder.tokenizer, place, quantization, coder.name, about, pooled)


def write_file(
    network: Any, tokenizer: Any, place: Path, quantization: str, name: str, about: dict[str, Any], pooled: bool
) -> None:
    """Write a network and its tokenizer; `pooled` for one vector a text, otherwise for probabilities of next tokens."""
    import gguf as library

    architecture = library.MODEL_ARCH[ARCHITECTURES[network.config.model_type]]
    writer = library.GGUFWriter(place, library.MODEL_ARCH_NAMES[architecture])
    try:
        writer.add_name(name)
        writer.add_file_type(library.LlamaFileType[FILE_TYPES[quantization]])
        writer.add_quantization_version(library.GGML_QUANT_VERSION)
        if pooled:
            writer.add_pooling_type(library.PoolingType.LAST)
        for key, value in about.items():
            writer.add_string(key, value) if isinstance(value, str) else writer.add_array(key, value)
        _sizes(writer, network.config)
        _words(writer, read_vocabulary(tokenizer, network.get_input_embeddings().num_embeddings))
        _weights(writer, network, architecture, quantization)
    finally:
        writer.close()


def _sizes(writer: library.GGUFWriter, config: Any) -> None:
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(width)
    writer.add_vocab_size(config.vocab_size)


def _words(writer: library.GGUFWriter, words: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.cut)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.kinds)
    writer.add_token_merges(words.merges)
    for name, number in words.special.items():
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(words.starts)
    writer.add_add_eos_token(words.ends)
    if words.template is not None:
        writer.add_chat_template(words.template)


def _weights(writer: library.GGUFWriter, network: Any, architecture: Any, quantization: str) -> None:
    """All weights by llama.cpp's names: first what they are, then one after the other, so that one is in memory."""
    import gguf as library

    names = library.get_tensor_name_map(architecture, network.config.num_hidden_layers)
    listed = []
    for name, weights in _tensors(network):
        short = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if short is None:
            raise AnnotuneError(f"There is no place for {name} in a GGUF file.", "Export the model as 'merged'.")
        kind = _kind(weights.shape, quantization)
        size = int(np.prod(library.quant_shape_to_byte_shape(weights.shape, kind)))
        writer.add_tensor_info(short, weights.shape, np.dtype(np.float32), size, raw_dtype=kind)
        listed.append(kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for (name, weights), kind in zip(_tensors(network), listed, strict=True):
        writer.write_tensor_data(library.quants.quantize(_turned(name, weights, network.config), kind))


def _tensors(network: Any) -> Iterator[tuple[str, Any]]:
    """Names as in a causal model, and weights; a matrix that is used twice comes once."""
    for name, weights in network.named_parameters():
        yield name if name.startswith(("model.", "lm_head.")) else f"model.{name}", weights
    factors = _stretch(network)
    if factors is not None:
        yield "rope_freqs.weight", factors


def _kind(shape: Sequence[int], quantization: str) -> Any:
    """Vectors stay exact; rows that cannot be cut into blocks of 32 are kept in half precision."""
    import gguf as library

    if len(shape) == 1:
        return library.GGMLQuantizationType.F32
    fits = quantization != "q8_0" or shape[-1] % 32 == 0
    return library.GGMLQuantizationType[QUANTIZATIONS[quantization] if fits else "F16"]


def _turned(name: str, weights: Any, config: Any) -> np.ndarray:
    """The numbers; in the Llama type, llama.cpp rotates neighbouring rows of a head, transformers its two halves."""
    numbers = np.ascontiguousarray(weights.detach().cpu().float().numpy())
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    layer = name.split(".")[-2] if "." in name else name
    if config.model_type != "llama" or layer not in heads:
        return numbers
    halves = numbers.reshape(heads[layer], 2, -1, *numbers.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(numbers.shape))


def _stretch(network: Any) -> Any:
    """By how much each frequency of the positions is slower than without stretching; None where none is."""
    import torch

    inner = getattr(network, "model", network)
    used = inner.rotary_emb.inv_freq.detach().cpu().double()
    steps = torch.arange(len(used), dtype=torch.float64) / len(used)
    factors = network.config.rope_parameters["rope_theta"] ** -steps / used
    return None if torch.allclose(factors, torch.ones_like(factors), rtol=1e-5) else factors.float()


def run(place: Path, texts: Sequence[str], options: Options) -> tuple[np.ndarray, str]:
    """By llama.cpp, its own tokenizer included, from the file alone."""
    import gguf as library
    import llama_cpp

    written, name = library.GGUFReader(place), f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
    about = json.loads(written.fields["annotune.about"].contents())
    if "prompt" in about:
        room = len(about["prompt"]["before"]) + about["max_tokens"] + max(map(len, about["prompt"]["answers"]))
        with closing(llama_cpp.Llama(str(place), n_ctx=room, logits_all=True, verbose=False)) as model:
            return by_llama_cpp(model, about, texts), name
    weight, bias = (np.array(written.fields[f"annotune.head.{part}"].contents()) for part in ("weight", "bias"))
    window = dict.fromkeys(("n_ctx", "n_batch", "n_ubatch"), about["max_tokens"])
    with closing(llama_cpp.Llama(str(place), embedding=True, verbose=False, **window)) as model:
        embeddings = np.array([model.embed(text, normalize=True) for text in texts])
    return embeddings @ weight.reshape(len(bias), -1).T + bias, name
