"""The command line: one thin function per verb; whatever it does, Python can do by the same name."""

from __future__ import annotations

import re
import sys
import warnings
from typing import Annotated

import typer

from annotune import __version__
from annotune.commands import agreement, coding, decoders, downstream, evidence, output, report, study
from annotune.commands.screen import errors
from annotune.errors import AnnotuneError, AnnotuneWarning

app = typer.Typer(
    help="From a codebook to a regression table.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
VERBS = (
    study.run,
    study.demo,
    agreement.reliability,
    agreement.reliability_regression,
    agreement.resolve,
    coding.tune,
    coding.classify,
    coding.evaluate,
    evidence.compare,
    evidence.curve,
    evidence.calibration,
    evidence.abstain,
    evidence.label_errors,
    decoders.zero_shot,
    decoders.export,
    output.write,
    report.report,
    downstream.crossfit,
    downstream.correct,
    downstream.dsl_columns,
    downstream.prevalence,
    downstream.error_model,
    downstream.plan_sample,
)
VALUE = r"'[^']*'|-?[^\W_][\w/-]*(?:\.\d+)?"  # what may follow a name and its equals sign in a message
for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Run a verb; what the user can mend is one sentence and exit code 2, never a traceback."""
    warnings.simplefilter("always", AnnotuneWarning)
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: object) -> None:
        if issubclass(category, AnnotuneWarning):
            errors.print("Note:", in_options(str(message)), style="yellow", markup=False)
        else:
            show_other(message, category, *rest)  # type: ignore[arg-type]

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


def in_options(told: str, known: typer.Typer = app) -> str:
    """A message in the words of the command line: `variable=` is `--variable` there, where the verb has that option."""
    verbs = getattr(typer.main.get_command(known), "commands", {})
    asked = next((verbs[word] for word in sys.argv[1:] if word in verbs), None)
    names = {
        str(param.name): next((name for name in param.opts if name.startswith("--")), None)
        for param in (asked.params if asked else ())
    }

    def spelt(found: re.Match[str]) -> str:
        option, value = names.get(found[1]), (found[2] or "").strip("'")
        return found[0] if option is None else f"{option} {value}".strip()

    return re.sub(rf"\b([a-z]\w*)=({VALUE})?", spelt, told)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"annotune {__version__}")
        raise typer.Exit


@app.callback()
def annotune(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a codebook to a regression table."""
