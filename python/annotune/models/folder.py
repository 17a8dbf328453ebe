"""A saved model's folder: what is in it, and whether it still computes what it did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.inputs import inputs_of
from annotune.errors import AnnotuneError, warn
from annotune.models.card import OWN_TOKENS, Card, held_as, is_sound, model_sha256, speaks, up_to_date
from annotune.models.coder import Coder
from annotune.network.logits import softmax
from annotune.records.drafts import recover
from annotune.records.fingerprints import versions
from annotune.records.sealed import SEAL, differing, fingerprints_of, is_sealed, sealed

if TYPE_CHECKING:
    from annotune.measures.evaluation import Evaluation

CARD, HEAD, BACKBONE = "annotune.json", "head.safetensors", "backbone"
HELD_OUT, GOLD, CODER_SCORES = "held_out.parquet", "held_out_gold.parquet", "coder_scores.parquet"
# Texts of nobody's corpus, whose probabilities are stored with a model and computed again when it is loaded.
CHECK_TEXTS = (
    "The minister was asked about the cost of new hospitals.",
    "Farmers demand help after the drought.",
    "Quel est le calendrier de la réforme des retraites ?",
    "No.",
)
CHECK_TOLERANCE = 1e-3
ROUGH_TOLERANCE = 5e-2  # where numbers have 8 significant bits, there or here


def write(coder: Coder, folder: Path) -> None:
    """The network, in a folder that is there; without the card that `write_card` writes, it is no model yet."""
    from safetensors.torch import save_file

    from annotune.network.base import quiet

    backbone: Any = coder.model.backbone
    coder.tokenizer.backend_tokenizer.no_truncation()  # what it was last asked for is no part of the model
    with quiet():
        backbone.save_pretrained(folder / BACKBONE, safe_serialization=True)
        coder.tokenizer.save_pretrained(folder / BACKBONE)
    if not speaks(coder.card):
        head: Any = coder.model.head
        save_file({name: part.cpu().contiguous() for name, part in head.state_dict().items()}, folder / HEAD)


def write_held_out(
    folder: Path,
    evaluation: Evaluation | None,
    held_out: pl.DataFrame | None,
    gold: pl.DataFrame | None,
    coder_scores: pl.DataFrame | None = None,
) -> None:
    """How good the model is on held-out texts, and the codings behind that, beside the model."""
    if evaluation is not None:
        for part in ("measures", "labels", "confusion"):
            getattr(evaluation, part).write_parquet(folder / f"evaluation_{part}.parquet")
    for name, table in ((HELD_OUT, held_out), (GOLD, gold), (CODER_SCORES, coder_scores)):
        if table is not None:
            table.write_parquet(folder / name)


def write_card(coder: Coder, folder: Path) -> None:
    """What is known of the model, and the fingerprints of the card and of all files that were written before it."""
    card = {
        **coder.card,
        "variable": coder.variable.model_dump(),
        "labels": list(coder.labels),
        "check": {"texts": list(CHECK_TEXTS), "logits": coder.logits(list(CHECK_TEXTS)).round(6).tolist()},
        "files": fingerprints_of(folder, folder),
    }
    (folder / CARD).write_text(json.dumps(sealed(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def require_free(folder: Path) -> None:
    """Stop where a model cannot be saved because the folder holds something else than one."""
    recover(folder)
    if folder.exists() and not (folder / CARD).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise AnnotuneError(f"{folder} holds something else.", "Choose a new folder for the model.")


def read_coder(folder: Path, device: str = "auto") -> Coder:
    """The model in a folder, checked to give the probabilities that it was saved with.

    Raises
    ------
    AnnotuneError
        When the folder is no saved model, is incomplete, or computes something else here.
    """
    from annotune.network.base import Base, load_backbone, load_tokenizer
    from annotune.network.encoder import build
    from annotune.network.machine import choose_device
    from annotune.network.speaker import speaker_for

    recover(folder)
    saved = read_card(folder)
    compared, weights = _require_whole(saved, folder)
    variable, labels, check = _subject(saved, folder)
    card = _sound_card(saved, len(labels), variable.kind == "ordinal", folder)
    base = Base(folder / BACKBONE, card["base"]["name"], card["base"]["revision"])
    device_here = choose_device(device)
    with _damage_told(folder / BACKBONE, unless=compared):
        tokenizer, backbone = load_tokenizer(base), load_backbone(base, device_here, speaks(card))
    model: Any
    if speaks(card):
        asked = variable.model_copy(update={"labels": tuple(one for one in variable.labels if one.name in labels)})
        model = speaker_for(asked, tokenizer, backbone, card["settings"]["template"])
        model.scale_by(card["choices"]["scale"], card["choices"]["offsets"])
    else:
        model = build(backbone, len(labels))
        _load_head(model, folder / HEAD)
    coder = Coder(model, tokenizer, variable, labels, card)
    with _damage_told(folder / BACKBONE, unless=compared):
        _require_same(coder, check, folder, weights)
    return coder


def _require_whole(saved: dict[str, Any], folder: Path) -> tuple[bool, dict[str, str]]:
    """Stop where a file is not what was saved; whether that could be told, as of earlier models it cannot.

    Weights are compared once they are loaded, by a fingerprint of theirs; those of their files are returned.
    """
    compared = SEAL in saved
    if compared and not is_sealed(saved):
        raise _damaged(folder / CARD)
    saved.pop(SEAL, None)
    files = saved.pop("files", {})
    weights = {name: files[name] for name in files if name.endswith(".safetensors")}
    for name in differing({name: files[name] for name in files if name not in weights}, folder):
        raise _damaged(folder / name)
    return compared, weights


def _subject(saved: dict[str, Any], folder: Path) -> tuple[Variable, tuple[str, ...], dict[str, Any]]:
    """What is coded, with which labels, and what the model said of a few texts."""
    try:
        return Variable.model_validate(saved.pop("variable")), tuple(saved.pop("labels")), saved.pop("check")
    except (TypeError, ValueError):
        raise _damaged(folder / CARD) from None


@contextmanager
def _damage_told(path: Path, unless: bool) -> Iterator[None]:
    """Whatever libraries raise for a damaged file, in a sentence: tokenizers has no class of errors for it.

    `unless` the files were compared with their fingerprints: what is raised then is no damage.
    """
    try:
        yield
    except (AnnotuneError, MemoryError):
        raise
    except Exception as error:
        if unless or type(error).__name__ == "OutOfMemoryError":
            raise
        raise _damaged(path) from error


def _sound_card(saved: dict[str, Any], n_labels: int, ordered: bool, folder: Path) -> Card:
    """The card in today's form; weights have a fingerprint, and what makes codes of logits is looked at here."""
    try:
        card = up_to_date(saved, n_labels)
        sound = is_sound(card, n_labels, ordered)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise _damaged(folder / CARD)
    if inputs_of(card["settings"]).more and card["vector_of"] != OWN_TOKENS:
        what = f"The model in {folder} was tuned when what stands beside a text was read in another way."
        raise AnnotuneError(what, "Tune it again.")
    return card


def read_held_out(folder: Path) -> dict[str, Any]:
    """What `write_held_out` wrote, by name: evaluation, held_out, gold and coder_scores; None where it is not there."""
    return {
        "evaluation": _saved_evaluation(folder),
        "held_out": _saved(folder / HELD_OUT),
        "gold": _saved(folder / GOLD),
        "coder_scores": _saved(folder / CODER_SCORES),
    }


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a saved model as it is written, before anything is compared."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except OSError:
        raise AnnotuneError(
            f"{folder} is no model saved by annotune.", "Give the folder that a model was saved to."
        ) from None
    except (ValueError, RecursionError):
        card = None
    needed = {"variable", "labels", "check", "base", "settings", "versions", "model_sha256"}
    if not isinstance(card, dict) or needed - set(card):
        raise _damaged(folder / CARD)
    return card


def _load_head(model: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.head.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError):
        raise _damaged(path) from None


def _saved(path: Path) -> pl.DataFrame | None:
    try:
        return pl.read_parquet(path) if path.exists() else None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise _damaged(path) from None


def _damaged(path: Path) -> AnnotuneError:
    return AnnotuneError(f"{path} is missing or damaged.", "Copy the model again, or save it again.")


def _saved_evaluation(folder: Path) -> Evaluation | None:
    from annotune.measures.evaluation import Evaluation

    parts = [_saved(folder / f"evaluation_{part}.parquet") for part in ("measures", "labels", "confusion")]
    return None if any(part is None for part in parts) else Evaluation(*parts)  # type: ignore[arg-type]


def _require_same(coder: Coder, check: dict[str, Any], folder: Path, weights: dict[str, str]) -> None:
    """Stop where its numbers or its probabilities are others than those it was saved with."""
    held, saved = held_as(coder.model), coder.card["weights"]
    in_fewer_bits = held not in (saved, "float32")  # for want of memory: rounded, they have another fingerprint
    if in_fewer_bits:
        warn(f"{folder} was saved with numbers in {saved}, and memory has room for {held} here.")
    if differing(weights, folder) if in_fewer_bits else model_sha256(coder.model) != coder.card["model_sha256"]:
        raise _damaged(folder / BACKBONE)
    stored = np.array(check["logits"], dtype=np.float32)
    now = coder.logits(check["texts"])
    difference = float(np.abs(softmax(now) - softmax(stored)).max())
    exact = saved == held == "float32"
    if not difference <= (CHECK_TOLERANCE if exact else ROUGH_TOLERANCE):
        here, there = versions(), coder.card["versions"]
        changed = [f"{name} {there.get(name)}, not {here[name]}" for name in here if there.get(name) != here[name]]
        raise AnnotuneError(
            f"{folder} computes other probabilities here than where it was saved (by up to {difference:.3f}).",
            f"Use the same versions ({'; '.join(changed)})." if changed else "Tune it again on this machine.",
        )
