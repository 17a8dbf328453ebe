"""The command line: one thin function per verb; whatever it does, Python can do by the same name."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from typing import Annotated, Any

import typer

from annotune.commands import (
    agreement,
    anchoring,
    bulk,
    codebook,
    coding,
    correction,
    drawing,
    evidence,
    label_shares,
    models,
    output,
    propose,
    replication,
    report,
    study,
)
from annotune.commands.encoded import with_encoding
from annotune.commands.once import Once
from annotune.commands.screen import errors
from annotune.errors import AnnotuneError, AnnotuneWarning
from annotune.faults import SEE, library, sentence, write_report
from annotune.version import __version__

app = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)
VERBS = (
    study.run,
    study.round_,
    study.demo,
    study.new,
    study.studies,
    study.verify,
    replication.why,
    replication.diff,
    study.multiverse,
    replication.bundle,
    replication.replicate,
    replication.share,
    drawing.sample,
    drawing.sheets,
    drawing.record,
    drawing.draws,
    anchoring.anchoring,
    anchoring.blind_gold,
    coding.code,
    codebook.definitions,
    codebook.levels,
    codebook.roll_up,
    agreement.reliability,
    agreement.reliability_regression,
    agreement.resolve,
    models.tune,
    models.classify,
    bulk.status,
    evidence.evaluate,
    evidence.compare,
    evidence.curve,
    evidence.calibration,
    evidence.abstain,
    evidence.shares,
    evidence.label_errors,
    models.zero_shot,
    codebook.test_codebook,
    propose.propose,
    models.bases,
    models.export,
    output.write,
    report.report,
    correction.crossfit,
    correction.correct,
    correction.dsl_columns,
    label_shares.prevalence,
    label_shares.drift,
    correction.error_model,
    correction.plan_sample,
)
WITHOUT_TABLES = {  # which read studies, bundles, stores and folders, or nothing
    study.run,
    study.round_,
    study.demo,
    study.new,
    study.studies,
    study.verify,
    replication.why,
    replication.diff,
    study.multiverse,
    replication.bundle,
    replication.replicate,
    replication.share,
    drawing.draws,
    bulk.status,
    models.bases,
}
FIRST = """\
annotune: from a codebook to a regression table, by a model tuned on coded texts
  annotune demo              first: all of it on simulated data, in some minutes
  annotune new my-study      a study to start from, with a comment on every key
  annotune run study.yaml    your own study; docs/study.md says what it holds
  annotune tune --help       help on a verb; annotune --help lists all verbs
  docs/                      a page on every step, in the folder of annotune"""
VALUE = r"\[[^\]]*\]|'[^']*'|-?[^\W_][\w/-]*(?:\.\d+)?"  # what may follow a name and its equals sign in a message
for verb in VERBS:
    name = verb.__name__.strip("_").replace("_", "-")
    app.command(name, cls=Once)(verb if verb in WITHOUT_TABLES else with_encoding(verb))


def main() -> None:
    """Run a verb; what the user can mend is one sentence and exit code 2, never a traceback.

    What only annotune's makers can mend is one sentence as well, with a report to send them, and exit code 1.
    """
    warnings.simplefilter("always", AnnotuneWarning)
    notes: set[str] = set()  # several steps of a verb may come upon the same

    def show(message: Warning | str, category: type[Warning], *rest: object) -> None:
        if issubclass(category, AnnotuneWarning):
            if str(message) not in notes:
                errors.print("Note:", in_options(str(message)), style="yellow", markup=False)
            notes.add(str(message))
        else:
            source = library(str(rest[0])) or category.__name__
            errors.print(f"Note from {source}:", " ".join(str(message).split()), style="dim", markup=False)

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        app()
    except AnnotuneError as error:
        errors.print("Error:", in_options(str(error)), style="bold red", markup=False)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that may not be written to
        what = f"{error.filename or 'A file'}: {error.strerror or error}. Check the path, the permissions and the disk."
        errors.print("Error:", what, style="bold red", markup=False)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of an interrupt
            errors.print("Stopped. What was finished is kept.", style="bold")
        raise
    except Exception as error:
        verb = _asked(app)
        options_of_verb = {
            name for param in (verb.params if verb else ()) for name in (*param.opts, *param.secondary_opts)
        }
        options = [name for word in sys.argv[1:] if (name := word.partition("=")[0]) in options_of_verb]
        report = write_report(error, str(verb.name) if verb else "none", options)
        errors.print("Error:", sentence(report), style="bold red", markup=False)
        if os.environ.get(SEE):
            traceback.print_exception(error)
        sys.exit(1)


def _asked(commands: typer.Typer) -> Any | None:
    """The verb that the command line names."""
    verbs: dict[str, Any] = getattr(typer.main.get_command(commands), "commands", {})
    return next((verbs[word] for word in sys.argv[1:] if word in verbs), None)


def in_options(message: str, commands: typer.Typer = app) -> str:
    """A message in the words of the command line: `variable=` is `--variable` there, where the verb has that option.

    And `resolve()` is `annotune resolve`, where there is such a verb.
    """
    verb = _asked(commands)
    params = verb.params if verb else ()
    names = {str(param.name): next((name for name in param.opts if name.startswith("--")), None) for param in params}
    names["for_"] = "--for" if "--for" in names.values() else None  # no parameter can be called so in Python

    def spelt(match: re.Match[str]) -> str:
        option, value = names.get(match[1]), (match[2] or "").strip("[]'").replace("', '", ",")
        typed = f"'{value}'" if " " in value else value  # as a shell takes it for one word
        return match[0] if option is None else f"{option} {typed}".strip()

    verbs = "|".join(one.__name__.strip("_") for one in VERBS)
    message = re.sub(rf"(?<![\w.])({verbs})\(\)", lambda match: f"annotune {match[1].replace('_', '-')}", message)
    return re.sub(rf"\b([a-z]\w*)=({VALUE})?", spelt, message)


def _version(is_asked_for: bool) -> None:
    if is_asked_for:
        print(f"annotune {__version__}")
        raise typer.Exit


@app.callback(help="From a codebook to a regression table.")
def annotune(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  (its callback does it all)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Without a verb: what to do first."""
    if context.invoked_subcommand is None:
        print(FIRST)
