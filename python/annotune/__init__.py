"""annotune: from a codebook to a regression table.

The public names are loaded when they are first used: importing annotune does not import torch.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "load": "saved",
    "Classifier": "classifier",
    "Evaluation": "evaluation",
    "evaluate": "cross_validation",
    "CrossValidation": "cross_validation",
    "tune": "tuner",
    "zero_shot": "zeroshot",
    "calibration": "evidence.calibrated",
    "plot_calibration": "evidence.calibrated",
    "abstain": "evidence.abstention",
    "learning_curve": "evidence.curve",
    "plot_learning_curve": "evidence.curve_plot",
    "label_errors": "evidence.second_look",
    "compare": "evidence.comparison",
    "Comparison": "evidence.comparison",
    "AnnotuneError": "errors",
    "AnnotuneWarning": "errors",
    "Codebook": "codebook",
    "Label": "codebook",
    "Variable": "codebook",
    "read_codebook": "codebook",
    "read_corpus": "corpus",
    "read_codings": "codings",
    "bind": "codings",
    "resolve": "codings",
    "widen": "codings",
    "reliability": "agreement.reliability",
    "pairwise_reliability": "agreement.pairs",
    "category_reliability": "agreement.pairs",
    "compare_reliability": "agreement.pairs",
    "coder_quality": "agreement.quality",
    "reliability_regression": "agreement.regression",
    "plot_reliability": "agreement.plots",
    "plot_coders": "agreement.plots",
    "attach": "results",
    "run": "study.run",
    "Study": "study.file",
    "demo": "simulation",
    "Demo": "simulation",
    "crossfit": "downstream.crossfit",
    "correct": "downstream.regression",
    "dsl_columns": "downstream.dsl",
    "Correction": "downstream.result",
    "prevalence": "downstream.prevalence",
    "plot_prevalence": "downstream.plots",
    "error_model": "downstream.error_model",
    "plan_sample": "downstream.plan_sample",
    "write": "export.write",
    "report": "reporting.report",
    "to_r": "rbridge",
    "from_r": "rbridge",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'annotune' has no attribute {name!r}")
    return _public(name)


@functools.cache
def _public(name: str) -> Any:
    """What is called so; a function says in a sentence where it is called with what it cannot take."""
    from annotune.arguments import checked

    found = getattr(importlib.import_module(f"annotune.{_HOME[name]}"), name)
    if not inspect.isfunction(found):
        return found
    door = checked(found)
    door.__module__, door.__qualname__ = __name__, name  # where pickle finds it again
    return door


def __dir__() -> list[str]:
    return sorted(__all__)
