"""A peft adapter: what tuning changed, as low-rank matrices beside each linear layer, and the head.

A tuned model keeps merged weights. What LoRA added to a layer has the adapter's rank, so that the difference from the
base's weights gives its matrices back, up to rounding (truncated singular value decomposition).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from annotune.errors import AnnotuneError
from annotune.models.coder import Coder
from annotune.models.formats.answer_tokens import SCORING, by_transformers, speaks
from annotune.models.formats.format import Options
from annotune.models.formats.origin import HUB, write_origin
from annotune.models.formats.recipe import accompany, read_labels
from annotune.network.base import BY_NAME, Base, find_base, is_decoder, load_backbone, load_tokenizer, quiet
from annotune.network.reading import POOLING, Pooling

OPTIONS = ("base",)
FOLDER = True
CPU = torch.device("cpu")
HEAD = "head.safetensors"
MEAN = "vector = (vectors * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)"
FIRST = "vector = vectors[:, 0]"
LAST = "vector = vectors[torch.arange(len(texts)), mask.sum(1) - 1]  # of the last token, which has seen all others"
POOLED: dict[Pooling, str] = {"mean": MEAN, "first": FIRST, "last": LAST}

RECIPE = """
import json

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

{base}
about, head = json.load(open("labels.json", encoding="utf-8")), load_file("head.safetensors")
tokenizer, base = AutoTokenizer.from_pretrained(".", padding_side="right"), AutoModel.from_pretrained(BASE{pinned})
if len(tokenizer) > base.get_input_embeddings().num_embeddings:
    base.resize_token_embeddings(len(tokenizer))  # a token for padding
model = PeftModel.from_pretrained(base, ".").eval()

texts = [about["prefix"] + text for text in ("A text to code.", "Another one.")]
batch = tokenizer(texts, truncation=True, max_length=about["max_tokens"], padding=True, return_tensors="pt")
mask = batch["attention_mask"]
with torch.inference_mode():
    vectors = model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
{pooled}
embedding = torch.nn.functional.normalize(vector, dim=-1)
logits = (embedding @ head["weight"].T + head["bias"]).numpy()
"""


SAYING = """
import json

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

{base}
about = json.load(open("labels.json", encoding="utf-8"))
prompt = about["prompt"]
tokenizer, base = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(BASE{pinned})
if len(tokenizer) > base.get_input_embeddings().num_embeddings:
    base.resize_token_embeddings(len(tokenizer))  # a token for padding
model = PeftModel.from_pretrained(base, ".").eval()
"""


def require(coder: Coder, options: Options) -> None:
    """A model tuned with LoRA, whose base is at hand."""
    if coder.card["settings"]["method"] != "lora":
        raise AnnotuneError(
            "Only a model tuned with method='lora' has an adapter.", "Export this one as 'merged', with all weights."
        )
    if not coder.card["choices"]["epochs"]:
        raise AnnotuneError("Tuning kept the probe: the base is unchanged.", "Export the model as 'merged'.")
    _base(coder, options)


def tolerance(options: Options) -> float:
    """The same numbers, up to rounding."""
    return 1e-3


def require_runtime() -> None:
    """peft, which annotune itself rests on."""


def _base(coder: Coder, options: Options) -> Base:
    """The base that the model was tuned from, at the revision that its card names."""
    name, revision = coder.card["base"]["name"], coder.card["base"]["revision"]
    try:
        found = find_base(options.base or (name if "/" not in name else f"{name}@{revision}"))
    except AnnotuneError as error:
        raise AnnotuneError(f"The base {name} is needed: {error.what}", "Say where it is with base=.") from None
    if found.revision != revision:
        raise AnnotuneError(f"{options.base} is not the base {name} at {revision}.", "Give the one it was tuned from.")
    return found


def write(coder: Coder, place: Path, options: Options) -> None:
    """peft's two files, the head, the tokenizer, where the base came from, labels.json and a recipe."""
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import save_file

    place.mkdir()
    known = _base(coder, options)
    origin, base = write_origin(known, place), load_backbone(known, CPU, speaks(coder), weights="float32")
    tuned: Any = coder.model.backbone
    rank = coder.card["settings"]["rank"]
    added = added_matrices(base, tuned, rank)
    with quiet():
        adapted = get_peft_model(base, LoraConfig(r=rank, lora_alpha=rank, target_modules=sorted(added)))
        _fill(adapted, added)
        adapted.peft_config["default"].base_model_name_or_path = origin["repository"] or origin["name"]
        adapted.peft_config["default"].revision = _revision(origin)
        adapted.save_pretrained(str(place), save_embedding_layers=False)  # else it asks the hub whether they changed
        coder.tokenizer.backend_tokenizer.no_truncation()
        coder.tokenizer.save_pretrained(place)
    recipe = SAYING
    if not speaks(coder):
        state = coder.model.head.state_dict()
        save_file({key: weights.detach().cpu().contiguous() for key, weights in state.items()}, place / HEAD)
        recipe = RECIPE.replace("{pooled}", POOLED[coder.model.pooling])
    pinned = f", revision={_revision(origin)!r}" if _revision(origin) else ""
    recipe = recipe.replace("{base}", line_of_base(origin["name"])).replace("{pinned}", pinned)
    accompany(coder, place, recipe + (SCORING if speaks(coder) else ""))


def _revision(origin: dict[str, Any]) -> str | None:
    """The commit that a hub is to be asked for."""
    return origin["commit"] if origin["repository"] else None


def line_of_base(name: str) -> str:
    """The line of a recipe that says which base it needs: a name on a hub, a folder, or one that annotune keeps itself.

    >>> line_of_base("minilm")
    "BASE = 'sentence-transformers/all-MiniLM-L6-v2'  # the model it was tuned from, a name or a folder: see base.json"
    """
    if name in BY_NAME and name not in HUB:
        return f"from annotune.network.base import find_base\n\nBASE = find_base({name!r}).folder"
    return f"BASE = {HUB.get(name, name)!r}  # the model it was tuned from, a name or a folder: see base.json"


def added_matrices(base: Any, tuned: Any, rank: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """For each linear layer that differs, (width out, rank) and (rank, width in), whose product is the difference.

    Raises
    ------
    AnnotuneError
        When something else than linear layers differs.
    """
    linear = {f"{name}.weight": name for name, layer in base.named_modules() if isinstance(layer, torch.nn.Linear)}
    before, added = dict(base.named_parameters()), {}
    for name, after in tuned.named_parameters():
        known = before[name].detach()  # a row for padding may have been added, which is never read
        difference = after.detach().cpu()[: len(known)].double() - known.double()
        if not difference.any():
            continue
        if name not in linear:
            raise AnnotuneError(f"Tuning changed {name}, which an adapter cannot.", "Export the model as 'merged'.")
        added[linear[name]] = _factors(difference, rank)
    return added


def _factors(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two factors of the nearest matrix of this rank; the draws of the method are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        left, values, right = torch.svd_lowrank(matrix, q=min(rank + 8, *matrix.shape), niter=4)
    root = values[:rank].sqrt()
    out, into = torch.zeros(len(matrix), rank), torch.zeros(rank, matrix.shape[1])
    out[:, : len(root)], into[: len(root)] = (left[:, :rank] * root).float(), (right[:, :rank] * root).T.float()
    return out, into


def _fill(adapted: Any, added: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
    layers = dict(adapted.base_model.model.named_modules())
    with torch.no_grad():
        for name, (out, into) in added.items():
            layers[name].lora_B["default"].weight.copy_(out)
            layers[name].lora_A["default"].weight.copy_(into)


def run(place: Path, texts: Sequence[str], options: Options) -> tuple[np.ndarray, str]:
    """By peft on the base, with transformers' tokenizer, from the files alone."""
    import peft
    from safetensors.torch import load_file

    about = read_labels(place)
    model, tokenizer = _loaded(place, options, "prompt" in about)
    name = f"peft {peft.__version__}"
    if "prompt" in about:
        return by_transformers(model, tokenizer, about, texts), name
    head, logits = load_file(place / HEAD), []
    usual: Pooling = "last" if is_decoder(model.config) else "mean"
    pooling: Pooling = getattr(model.config, POOLING, usual)
    for start in range(0, len(texts), 32):
        some = [about["prefix"] + text for text in texts[start : start + 32]]
        right = {"padding_side": "right", "return_tensors": "pt"}
        batch = tokenizer(some, truncation=True, max_length=about["max_tokens"], padding=True, **right)
        vector = _vectors(model, batch["input_ids"], batch["attention_mask"], pooling)
        logits.append((vector @ head["weight"].T + head["bias"]).numpy())
    return np.concatenate(logits), name


def _loaded(place: Path, options: Options, speaking: bool) -> tuple[Any, Any]:
    """The adapter on its base, and the tokenizer."""
    import peft

    named = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
    name, revision = named["base_model_name_or_path"], named["revision"]
    known = {hub: short for short, hub in HUB.items()}
    base = find_base(options.base or known.get(name) or (f"{name}@{revision}" if revision else name))
    tokenizer = load_tokenizer(Base(place, base.name, base.revision))
    backbone = load_backbone(base, CPU, speaking, weights="float32")
    if len(tokenizer) > backbone.get_input_embeddings().num_embeddings:
        with quiet():
            backbone.resize_token_embeddings(len(tokenizer))
    return peft.PeftModel.from_pretrained(backbone, str(place)).eval(), tokenizer


def _vectors(model: Any, ids: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Of length one: of the first or last token, or the mean over all."""
    with torch.inference_mode():
        vectors = model(input_ids=ids, attention_mask=mask).last_hidden_state
    if pooling == "first":
        return torch.nn.functional.normalize(vectors[:, 0], dim=-1)
    if pooling == "last":
        return torch.nn.functional.normalize(vectors[torch.arange(len(ids)), mask.sum(1) - 1], dim=-1)
    return torch.nn.functional.normalize((vectors * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True), dim=-1)
