"""A tuned model leaves: written beside its place, run, compared with the original, and only then put there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.models.coder import Coder
from annotune.models.formats.format import Format, Options
from annotune.models.formats.parity import Parity, compare, gate_texts, require_same
from annotune.models.formats.recipe import answers, require_whole
from annotune.readable import Part, Readable
from annotune.records.files import replacing
from annotune.records.record import make_record, record_outputs, write_record
from annotune.records.sealed import fingerprints_of

FORMATS = ("adapter", "merged", "gguf", "onnx")
ROUGH = 0.05  # the difference that is accepted where numbers have 8 significant bits
RECORD = "annotune"  # in a folder; a file's record stands beside it


@dataclass(frozen=True, repr=False)
class Exported(Readable):
    """An export that was kept: where it is, its format, and what the gate found (None where it was not run)."""

    path: Path
    format: str
    parity: Parity | None

    def _parts(self) -> Iterator[Part]:
        """Where it is, and how far it agrees with the model."""
        yield f"Exported as {self.format} to {self.path}"
        if self.parity is None:
            yield "It was not run, nor compared with the model."
        else:
            yield (
                f"Run by {self.parity.runtime} on {self.parity.texts:,} texts: {self.parity.changed:,} have another "
                f"label, probabilities differ by {self.parity.largest:.2g} at most, and log-odds by "
                f"{self.parity.log_odds:.2g}."
            )


def export_model(
    coder: Coder,
    path: str | Path,
    format: str,
    options: Options,
    *,
    texts: Any,
    stored: Sequence[str],
    tolerance: float | None,
    check: bool,
) -> Exported:
    """See `Classifier.export`; `stored` are the texts to compare on when none are given."""
    target, module = Path(path), _format(format, options)
    if tolerance is not None and not 0 < tolerance < 1:
        raise AnnotuneError(f"tolerance={tolerance} is no difference of probabilities.", "Such as 0.01.")
    require_whole(coder)
    if coder.inputs.more:
        what = f"{coder.name} reads {listing(list(coder.inputs.more))} beside the text, and exports read texts alone."
        raise AnnotuneError(what, "Code with annotune, or export a model of the text alone.")
    module.require(coder, options)
    accepted = _usual(coder, module, options) if tolerance is None else tolerance
    if check:
        module.require_runtime()
    on = gate_texts(coder, texts, stored) if check else []
    require_place(target, module.FOLDER)
    with replacing(target) as draft:
        module.write(coder, draft, options)
        parity = _gate(coder, module, draft, on, accepted, format, options) if check else None
        record = make_record(
            "annotune export",
            format=format,
            **{name: getattr(options, name) for name in module.OPTIONS if name != "base"},
            parity=asdict(parity) if parity else None,
            model={**coder.card, "variable": coder.variable.model_dump(), "labels": list(coder.labels)},
        )
        if module.FOLDER:
            files = [{"file": name, "sha256": sha256} for name, sha256 in fingerprints_of(draft, draft).items()]
            write_record({**record, "outputs": files}, draft / RECORD)
    if not module.FOLDER:
        record_outputs(record, [target])
    if not check:
        warn(f"{target} was not run: whether it says what the model says is not known.")
    return Exported(target, format, parity)


def _format(name: str, options: Options) -> Format:
    if name not in FORMATS:
        raise AnnotuneError(f"There is no format {name!r}.", nearest(name, FORMATS))
    module = cast(Format, importlib.import_module(f"annotune.models.formats.{name}"))
    for option, value in asdict(options).items():
        if value is not None and option not in module.OPTIONS:
            raise AnnotuneError(f"{option}= means nothing to the format {name!r}.", "Leave it out.")
    return module


def _usual(coder: Coder, module: Format, options: Options) -> float:
    """The format's own tolerance; a model that is not held in float32 is rounded in other places by other programs."""
    held = {str(weights.dtype) for weights in coder.model.backbone.parameters()}
    return module.tolerance(options) if held == {"torch.float32"} else max(ROUGH, module.tolerance(options))


def _gate(
    coder: Coder,
    module: Format,
    draft: Path,
    texts: list[str],
    tolerance: float,
    format: str,
    options: Options,
) -> Parity:
    try:
        logits, runtime = module.run(draft, texts, options)
    except Exception as error:  # whatever another program says of a file that it does not take
        what = f"The {format} export cannot be run: {(str(error) or type(error).__name__).splitlines()[0].rstrip('.')}."
        raise AnnotuneError(what, "Nothing was kept; choose another format.") from error
    sets = coder.variable.kind == "multilabel"
    parity = compare(coder.logits(texts), logits, sets, partial(answers, coder), tolerance, runtime)
    require_same(parity, format)
    return parity


def require_place(target: Path, folder: bool) -> None:
    """Stop where an export would take the place of something else."""
    if not target.absolute().parent.is_dir():
        raise AnnotuneError(f"There is no folder {target.parent}.", "Make it, or choose another.")
    if folder and target.exists():
        ours = (target / f"{RECORD}.record.json").is_file()
        if target.is_file() or (any(target.iterdir()) and not ours):
            raise AnnotuneError(f"{target} holds something else.", "Choose a new folder for the export.")
    if not folder and target.is_dir():
        raise AnnotuneError(f"{target} is a folder.", "Give a file's name.")
