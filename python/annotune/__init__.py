"""annotune: from a codebook to a regression table.

The public names are loaded when they are first used: importing annotune does not import torch.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

from annotune.version import __version__

_HOME = {
    "load": "models.classifier",
    "Classifier": "models.classifier",
    "Evaluation": "measures.evaluation",
    "evaluate": "evidence.evaluate",
    "CrossValidation": "evidence.evaluate",
    "classify": "bulk.classify",
    "status": "bulk.status",
    "tune": "tuning.tuner",
    "bases": "models.bases",
    "zero_shot": "models.zeroshot",
    "calibration": "evidence.calibrated",
    "plot_calibration": "evidence.calibrated",
    "abstain": "evidence.abstain",
    "shares": "models.shares",
    "learning_curve": "evidence.curve",
    "plot_learning_curve": "evidence.curve_plot",
    "label_errors": "evidence.second_look",
    "compare": "evidence.comparison",
    "Comparison": "evidence.comparison",
    "AnnotuneError": "errors",
    "AnnotuneWarning": "errors",
    "PeopleNeeded": "errors",
    "Codebook": "data.codebook",
    "Label": "data.codebook",
    "Variable": "data.codebook",
    "read_codebook": "data.codebook",
    "read_corpus": "data.corpus",
    "read_codings": "data.codings",
    "bind": "data.codings",
    "resolve": "agreement.gold",
    "widen": "data.codings",
    "levels": "data.hierarchy",
    "roll_up": "data.rolled_up",
    "reliability": "agreement.reliability",
    "pairwise_reliability": "agreement.pairs",
    "category_reliability": "agreement.pairs",
    "compare_reliability": "agreement.pairs",
    "replacement_test": "agreement.replacement",
    "coder_quality": "agreement.quality",
    "reliability_regression": "agreement.regression",
    "plot_reliability": "agreement.plots",
    "plot_coders": "agreement.plots",
    "attach": "data.wide",
    "run": "study.run",
    "rounds": "study.rounds",
    "Rounds": "hybrid.rounds",
    "plot_rounds": "hybrid.round_plot",
    "verify": "study.verification",
    "why": "replication.why",
    "diff": "replication.diff",
    "multiverse": "study.multiverse",
    "Multiverse": "correction.multiverse",
    "plot_multiverse": "correction.multiverse_plot",
    "bundle": "replication.bundle",
    "replicate": "replication.replication",
    "share": "replication.share",
    "Study": "study.file",
    "demo": "study.simulated",
    "new": "study.ready",
    "studies": "study.ready",
    "Demo": "study.simulated",
    "crossfit": "tuning.crossfit",
    "correct": "correction.regression",
    "dsl_columns": "correction.dsl",
    "Correction": "correction.result",
    "prevalence": "correction.prevalence",
    "plot_prevalence": "correction.plots",
    "drift": "correction.drift",
    "Drift": "correction.drift",
    "plot_drift": "correction.drift_plot",
    "plot_correction": "correction.coefficients",
    "plot_plan": "correction.plan_plot",
    "error_model": "correction.error_model",
    "plan_sample": "correction.plan_sample",
    "sample": "hybrid.sample",
    "Draw": "hybrid.sample",
    "record": "hybrid.decisions",
    "sheets": "hybrid.later_sheets",
    "anchoring": "hybrid.anchoring",
    "Anchoring": "hybrid.anchoring",
    "blind_gold": "hybrid.blind_gold",
    "code": "study.coding",
    "definitions": "hybrid.definitions",
    "test_codebook": "hybrid.codebook_tests",
    "read_draws": "data.drawn",
    "propose": "hybrid.propose.propose",
    "write": "export.write",
    "report": "reporting.report",
    "to_r": "export.r_session",
    "from_r": "export.r_session",
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

    public = getattr(importlib.import_module(f"annotune.{_HOME[name]}"), name)
    if not inspect.isfunction(public):
        return public
    door = checked(public)
    door.__module__, door.__qualname__ = __name__, name  # where pickle finds it again
    return door


def __dir__() -> list[str]:
    return sorted(__all__)
