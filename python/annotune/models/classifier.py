"""A tuned model: it codes texts, knows how good it is, and can be saved and exported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from annotune.errors import warn
from annotune.models.coder import Coder
from annotune.models.coder_words import in_words
from annotune.models.folder import (
    CHECK_TEXTS,
    read_coder,
    read_held_out,
    require_free,
    write,
    write_card,
    write_held_out,
)
from annotune.models.hub import fetch_model, is_on_hub
from annotune.readable import Part, Readable, shortened
from annotune.records.files import replacing

if TYPE_CHECKING:
    from annotune.measures.evaluation import Evaluation
    from annotune.models.formats.export import Exported


@dataclass(frozen=True, repr=False)
class Classifier(Readable, Coder):
    """A model tuned to code one variable.

    Attributes
    ----------
    variable
        What it codes, as in the codebook.
    labels
        The labels it can give, in codebook order: those that occurred among the coded texts.
    card
        What it was made of and with: settings, choices, sizes of the parts, fingerprints, seconds (a dictionary; see
        `annotune.models.card.Card`).
    evaluation
        Agreement with held-out gold beside the baselines; None when nothing was held out.
    held_out
        The predictions behind that evaluation: a table of codings for texts it was not tuned on.
    gold
        The hand codings of the same texts.
    coder_scores
        Tuned with `coders=`: the log score of the same predictions against each coder's own answers, and of what they
        are for that coder (see `annotune.tune`).
    """

    evaluation: Evaluation | None = field(default=None, repr=False)
    held_out: pl.DataFrame | None = field(default=None, repr=False)
    gold: pl.DataFrame | None = field(default=None, repr=False)
    coder_scores: pl.DataFrame | None = field(default=None, repr=False)

    def _parts(self) -> Iterator[Part]:
        """What it codes, what it was tuned on, and how good it is."""
        yield f"A model for {self.variable.name} ({self.variable.kind}): {self.name}"
        yield f"Labels: {shortened(self.labels)}"
        yield f"Base: {self.card['base']['name']}; tuned on {self.card['parts']['coded']:,} coded texts."
        if self.evaluation is None:
            yield "Nothing was held out to measure it on."
        else:
            yield from self.evaluation._parts()
        if self.coder_scores is not None:
            yield in_words(self.coder_scores)

    def save(self, folder: str | Path) -> Path:
        """Save to a folder (safetensors and JSON) that `load` reads; it is written whole or not at all."""
        target = Path(folder)
        require_free(target)
        with replacing(target, make_folder=True) as draft:
            draft.mkdir()
            write(self, draft)
            write_held_out(draft, self.evaluation, self.held_out, self.gold, self.coder_scores)
            write_card(self, draft)
        return target

    def export(
        self,
        path: str | Path,
        format: str = "merged",
        *,
        texts: Any = None,
        tolerance: float | None = None,
        check: bool = True,
        quantization: str | None = None,
        base: str | None = None,
    ) -> Exported:
        """Export for other programs; the export is run and compared with this model before it is handed out.

        Parameters
        ----------
        path
            A new folder, or for `gguf` a file.
        format
            `adapter`: what tuning changed, for peft. `merged`: all weights, for sentence-transformers or transformers.
            `onnx`: for ONNX Runtime. `gguf`: for llama.cpp, models of the Llama and Qwen types.
        texts
            Texts to compare on (a corpus, or a list of texts), best the held-out ones. Without them, a few that come
            with every model and the codebook's own words.
        tolerance
            The largest accepted difference of a probability: 0.001, or 0.01 to 0.05 for gguf by its quantization.
            Log-odds may differ by four times as much: at one half that is the same, and nearer to 0 and 1, where
            probabilities hide differences, it is stricter. In any case no more than one text in a hundred may have
            another label.
        check
            Whether to run the export. Without, it is written unseen, and a warning says so.
        quantization
            Of gguf: `f32`, `f16` or `q8_0` (the default).
        base
            Of an adapter: the folder of the base model, where the model was tuned from a folder.

        Returns
        -------
        Exported
            Path, format, and `.parity`: how far the two agree.

        Raises
        ------
        AnnotuneError
            When the format cannot hold this model, or the exported model says something else; then nothing is kept.
        """
        from annotune.models.formats.export import export_model
        from annotune.models.formats.format import Options

        options = Options(quantization, base)
        compared = {"texts": texts, "stored": CHECK_TEXTS, "tolerance": tolerance, "check": check}
        return export_model(self, path, format, options, **compared)


def load(path: str | Path, device: str = "auto") -> Classifier:
    """Load a saved model, and check that it still gives the probabilities that it was saved with.

    Parameters
    ----------
    path
        The folder of a saved model; or `hf://user/name@commit`, a model that `share` put into a repository of the
        Hugging Face hub. Of that, files are fetched that its card names, safetensors and tables, and no code is run.
    device
        `auto`, `cpu`, `cuda` or `mps`.

    Raises
    ------
    AnnotuneError
        When the folder is no saved model, is incomplete, or computes something else here; for an address without a
        commit, and where the hub cannot be reached.
    """
    folder = fetch_model(path) if is_on_hub(path) else Path(path)
    coder = read_coder(folder, device)
    if coder.card["choices"]["rule"] is None:
        warn(
            f"{path} was tuned by an earlier annotune, which took its temperature and cut-offs from another model: its "
            "probabilities can be too sure, and shares of labels off. Tune it again for both to be its own."
        )
    return Classifier(**vars(coder), **read_held_out(folder))
