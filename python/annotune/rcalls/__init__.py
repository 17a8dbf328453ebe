"""The Python half of the R package's boundary: plain lists and dictionaries in, the same out.

R's reticulate turns vectors into NumPy arrays, missing strings into 'NA' and long numbers into wrong ones, each version
in its own way; plain lists and dictionaries cross unharmed on all of them. So R wraps what is more than a word or a
number in a dictionary that says what it is under `.r`, and finds in the answer the same under `.py`.
"""

from __future__ import annotations

import contextlib
import io
import operator
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import annotune
from annotune.data.codebook import Codebook
from annotune.data.codings import ANSWERED
from annotune.data.corpus import read_corpus
from annotune.data.wide import attach, headings, require_room
from annotune.errors import AnnotuneError, AnnotuneWarning, PeopleNeeded
from annotune.export.write import require_writer, write
from annotune.faults import library, sentence, write_report
from annotune.models.classifier import Classifier
from annotune.models.shares import notes_of
from annotune.network.portions import TEXTS_AT_ONCE
from annotune.progress import Listener, listening
from annotune.rcalls import corrections
from annotune.rcalls.coding import FOR_R
from annotune.rcalls.packing import Packed, codes, pack, series, several
from annotune.records.files import require_writable
from annotune.records.fingerprints import fingerprint
from annotune.runtimes.choice import Choice
from annotune.study.run import run
from annotune.tables import Table
from annotune.tables.reasons import with_reasons_beside

if TYPE_CHECKING:
    from annotune.bulk.forecast import Forecast
    from annotune.bulk.status import RunStatus

SECONDS_BETWEEN = 0.1  # two reports of progress: R needs far longer for one than a step of work may take
BROKEN_LIBRARY = re.compile(r"\.(so|dll|dylib)\b")


def version() -> str:
    """Of annotune, which must fit the R package's."""
    return annotune.__version__


def call(name: str, arguments: Mapping[str, Any], listener: Listener | None = None) -> Packed:
    """Call a public name of annotune (`reliability`, `Classifier.classify`) with what R sent.

    Returns
    -------
    dict
        `value`, packed; `warnings`, a sentence each; and, where the call came to nothing, `error`
        (what, advice), `interrupted`: how many coded texts are kept for the next call, or `fault`: `what` is told of a
        fault of ours, and `traceback`, which may hold texts and stays in R's session.
    """
    notes: list[str] = []
    answer: Packed = {}
    try:
        with _own_libraries(), _collected(notes), contextlib.redirect_stdout(io.StringIO()), _reporting(listener):
            function = _HERE.get(name) or operator.attrgetter(name)(annotune)
            answer["value"] = pack(function(**{key: unpack(value) for key, value in arguments.items()}))
    except AnnotuneError as error:
        answer["error"] = {"what": error.what, "advice": error.advice}
    except ImportError:
        raise  # R knows how a Python that lacks a part is mended
    except OSError as error:
        if BROKEN_LIBRARY.search(str(error)):
            raise
        what = f"{error.filename or 'A file'}: {error.strerror or error}."
        answer["error"] = {"what": what, "advice": "Check the path, the permissions and the disk."}
    except Exception as error:
        what = sentence(write_report(error, name, arguments))
        answer["fault"] = {"what": what, "traceback": "".join(traceback.format_exception(error))}
    except KeyboardInterrupt:
        answer["interrupted"] = sum(len(part) for parts in _UNFINISHED.values() for part in parts)
    return answer | {"warnings": notes}


@contextlib.contextmanager
def _own_libraries() -> Iterator[None]:
    """Libraries loaded in here use what they brought with them.

    On Linux, R's plain libblas would otherwise hide torch's own functions of the same names, 25 times as fast.
    """
    flags, deep = getattr(sys, "getdlopenflags", None), getattr(os, "RTLD_DEEPBIND", 0)
    if flags is None or not deep:
        yield
        return
    before = flags()
    sys.setdlopenflags(before | deep)
    try:
        yield
    finally:
        sys.setdlopenflags(before)


@contextlib.contextmanager
def _collected(notes: list[str]) -> Iterator[None]:
    """Our own warnings as sentences in `notes`, each once; those of others on the screen, with the library's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", AnnotuneWarning)

        def show(message: Warning | str, category: type[Warning], *where: Any, **_: Any) -> None:
            if issubclass(category, AnnotuneWarning):
                notes[:] = dict.fromkeys([*notes, str(message)])
            else:
                source = library(str(where[0])) or category.__name__
                print(f"Note from {source}:", *str(message).split(), file=sys.stderr)

        warnings.showwarning = show
        yield


def _reporting(listener: Listener | None) -> contextlib.AbstractContextManager[None]:
    """Progress to R, now and then, and always its end; R without a listener wants no bar from here either."""
    last = 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if listener is not None and (now - last >= SECONDS_BETWEEN or done >= total):
            last = now
            listener(what, int(done), int(total))

    return listening(report)


def unpack(value: Any) -> Any:
    """What R sent, as the public functions take it."""
    if isinstance(value, Mapping):
        make = _MAKERS.get(value.get(".r", ""))
        return make(value) if make else {key: unpack(part) for key, part in value.items()}
    return [unpack(part) for part in value] if isinstance(value, (list, tuple)) else value


def _table(sent: Mapping[str, Any]) -> Table:
    """A data frame with its value labels, its variable labels, and the reasons why cells are missing."""
    columns = {column["name"]: column for column in sent["columns"]}
    frame = pl.DataFrame([series(column, int(sent["rows"])) for column in columns.values()])
    labels = {name: codes(column) for name, column in columns.items() if "codes" in column}
    headings = {name: column["heading"] for name, column in columns.items() if column.get("heading")}
    why = {name: pl.Series(column["why"], dtype=pl.String) for name, column in columns.items() if "why" in column}
    return Table(with_reasons_beside(frame, why, "The data frame")[0], labels, headings)


def _remade(kind: str, sent: Mapping[str, Any]) -> Any:
    """A result that went to R in parts, such as `at_comparison`."""
    from annotune.correction.error_model import ErrorModel
    from annotune.correction.multiverse import Multiverse
    from annotune.evidence.comparison import Comparison
    from annotune.hybrid.anchoring import Anchoring
    from annotune.hybrid.rounds import Rounds
    from annotune.measures.evaluation import Evaluation

    types: Any = {"at_evaluation": Evaluation, "at_comparison": Comparison, "at_error_model": ErrorModel}
    type_of = (types | {"at_rounds": Rounds, "at_anchoring": Anchoring, "at_multiverse": Multiverse})[kind]
    names = [field.name for field in fields(type_of)]
    return type_of(**{name: unpack(part) for name, part in sent.items() if name in names})


def _write(data: Any, paths: Any, terms: Any = None, methods: Any = None, **options: Any) -> pl.DataFrame:
    """`write` for a data frame that knows its own labels, for a path, and for a correction, in .rds by R's names."""
    if terms is not None:
        of_r = [path for path in several(paths) if Path(path).suffix.lower() == ".rds"]
        others = [path for path in several(paths) if path not in of_r]
        parts = [(corrections.as_in_r(data, terms, methods), of_r), (corrections.as_in_r(data, None, methods), others)]
        return pl.concat([write(part, files, **options) for part, files in parts if files])
    if not isinstance(data, Table):
        return write(data, paths, **options)
    options["labels"] = {**data.labels, **options.get("labels", {})}
    options["headings"] = {**data.headings, **options.get("headings", {})}
    return write(data.frame, paths, **options)


_UNFINISHED: dict[str, list[np.ndarray]] = {}


class _Patient(Classifier):
    """A classifier that keeps what it had computed when it was interrupted, and goes on from there."""

    def logits(self, texts: list[str], *args: Any, **kwargs: Any) -> np.ndarray:
        key = fingerprint([self.card["model_sha256"], args, kwargs, texts])
        parts = _UNFINISHED.setdefault(key, [])
        for start in range(sum(map(len, parts)), max(len(texts), 1), TEXTS_AT_ONCE):
            parts.append(super().logits(texts[start : start + TEXTS_AT_ONCE], *args, **kwargs))
        return np.concatenate(_UNFINISHED.pop(key))


Say = Callable[[str], None]


def _classify(
    model: Classifier,
    corpus: Any,
    precision: str | Choice = "float32",
    say: Say | None = None,
    evidence: bool = False,
    coder: str | None = None,
) -> pl.DataFrame:
    texts = read_corpus(corpus)
    choice = _chosen(model, texts, precision, say) if isinstance(precision, str) else precision
    return _Patient(**vars(model)).classify(texts, precision=choice, evidence=evidence, coder=coder)


def _chosen(model: Classifier, corpus: Any, precision: str, say: Say | None) -> Choice:
    """What computes the texts; where that was tried, R says which it is."""
    choice = model.choose_runtime(corpus, precision)
    if say is not None and choice.trials:
        say(choice.why)
    return choice


def _predict(
    model: Classifier, texts: Any, precision: str, say: Say | None = None, beside: pl.DataFrame | Table | None = None
) -> pl.DataFrame:
    """The label and the probabilities of each text, in order; a multi-label variable's labels as a list.

    `beside` has the columns that the model reads beside a text.
    """
    words = pl.Series("text", several(texts), dtype=pl.String)
    frame = beside.frame if isinstance(beside, Table) else beside
    numbered = pl.DataFrame([words, *(() if frame is None else frame)]).with_row_index("unit_id")
    codings = _classify(model, numbered, precision, say) if len(words) else model.as_codings(words, *_nothing(model))
    if model.variable.kind == "multilabel":
        probabilities = [pl.col(f"p_{label}").first() for label in model.labels]
        sets = codings.group_by("unit_id", maintain_order=True).agg(
            pl.when(pl.col("status").is_in(ANSWERED).any()).then(pl.col("label").drop_nulls().implode()),
            *probabilities,
        )
        return sets.drop("unit_id")
    label = pl.col("label").cast(pl.Enum(model.labels))
    return codings.select(label, *(f"p_{name}" for name in model.labels))


def _nothing(model: Classifier) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0, len(model.labels)), dtype=np.float32), np.zeros(0, dtype=int)


def _code_files(
    model: Classifier,
    corpus: Any,
    paths: list[str],
    unit_id: str,
    text: str,
    precision: str,
    say: Say | None = None,
    evidence: bool = False,
    coder: str | None = None,
) -> pl.DataFrame:
    """Code a corpus and write it; what comes back is how many texts got each label."""
    targets = [Path(path) for path in paths]
    for target in targets:
        require_writer(target)
    require_writable(targets, [Path(corpus)] if isinstance(corpus, str) else [])
    table = corpus if isinstance(corpus, Table) else None
    texts = read_corpus(corpus if table is None else table.frame, unit_id, text)
    book = Codebook(variables=(model.variable,))
    require_room(texts, book.variables, gold=False, evidence=evidence)
    choice = _chosen(model, texts, precision, say)
    codings = _classify(model, texts, choice, evidence=evidence, coder=coder)
    data = attach(texts, codings, codebook=book)
    there, heading_of = Table(data) if table is None else table, headings(book, data.columns)
    labels = {name: of_codes for name, of_codes in there.labels.items() if name in data.columns}
    heading_of |= {name: heading for name, heading in there.headings.items() if name in data.columns}
    notes = notes_of(model, codings, choice, coder)
    write(data, targets, codebook=book, labels=labels, headings=heading_of, notes=notes)
    return codings.group_by("label", "status", maintain_order=True).len("n")


@contextlib.contextmanager
def _library_path(path: str | None) -> Iterator[None]:
    """Programs that are started meanwhile find libraries where the user's own do, and not first in R's folders.

    R puts these before the user's LD_LIBRARY_PATH. A worker would load R's libraries in place of its Python's, on a
    cluster as well: sbatch and Ray hand the environment on. None leaves it as it is.
    """
    before = os.environ.get("LD_LIBRARY_PATH")
    if path is None or before is None:
        yield
        return
    os.environ["LD_LIBRARY_PATH"] = path
    try:
        yield
    finally:
        os.environ["LD_LIBRARY_PATH"] = before


def _code_folder(
    path: Any, model: Any = None, shard: Any = None, library_path: str | None = None, **options: Any
) -> RunStatus | Forecast:
    """`classify` of files into a folder: how far it is, or with `dry_run` what it takes."""
    part = None if shard is None else (int(shard[0]), int(shard[1]))
    if "covariates" in options:
        options["covariates"] = several(options["covariates"])
    models = [] if model is None else several(model)
    with _library_path(library_path):
        found: RunStatus | Forecast = annotune.classify(several(path), models, shard=part, **options)
    return found


def _run(
    study: str,
    again: bool,
    data: bool,
    say: Callable[[str], None] | None = None,
    allow_upload: Sequence[str] = (),
    library_path: str | None = None,
) -> Packed:
    """`run`; without `data`, what is as long as the corpus stays in the files. `halt`: what people are to do first."""
    try:
        with _library_path(library_path):
            results = run(study, again=again, allow_upload=allow_upload, say=say)
    except PeopleNeeded as halt:
        return {"halt": [halt.what, halt.advice]}
    parts = {field.name: getattr(results, field.name) for field in fields(results)}
    return parts if data else parts | {"data": None, "codings": None}


def _replicate(bundle: str, library_path: str | None = None, **options: Any) -> Any:
    with _library_path(library_path):
        return annotune.replicate(bundle, **options)


def _share(consent: Callable[[str], bool], **options: Any) -> str:
    """`share`; `consent`, a function of R, is handed the plan in words and answers whether it is carried out."""
    place: str = annotune.share(confirm=lambda plan: bool(consent(plan.in_words())), **options)
    return place


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "frame": lambda sent: _table(sent).frame,
    "table": _table,
    "corpus": lambda sent: read_corpus(sent["path"], sent["unit_id"], sent["text"]),
    "codebook": lambda sent: Codebook.model_validate(sent["content"]),
    "labels": codes,
    "result": lambda sent: _remade(sent["kind"], sent["parts"]),
    "object": lambda sent: sent["object"].value,
}
_HERE: dict[str, Callable[..., Any]] = {
    **dict(FOR_R),
    "write": _write,
    "run": _run,
    "replicate": _replicate,
    "share": _share,
    "classify": _classify,
    "predict": _predict,
    "code_files": _code_files,
    "code_folder": _code_folder,
    "save": lambda model, folder: model.save(folder),
    "forecast": lambda curve, n, model=None: curve.forecast(n, model),
    "summary": corrections.summary,
    "notes": corrections.notes,
    "joint_test": corrections.joint_test,
    "contrast": corrections.contrast,
}
