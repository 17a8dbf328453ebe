"""A GPU gives what a processor gives. These are the checks of benchmarks/gpu.py; without a GPU, that they can fail.

They need no packages beside torch, transformers, accelerate and pytest, so that they can be run where there is a card:
python -m pytest --noconftest -c /dev/null tests/network/test_on_gpu.py
"""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = (
    "tuning learns",
    "float32: the labels of a processor",
    "float32: the logits of a processor, at MiniLM's size",
    "bfloat16: the labels of float32",
    "runs over files: the same bytes in any company",
    "decoders: scores with the codebook shared",
    "the same seed, the same steps",
    "memory that runs out",
)
CPU = torch.device("cpu")
QUICK = (NAMES[2], NAMES[4], NAMES[5])


@pytest.fixture(scope="module")
def gpu_checks():
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        patch.syspath_prepend(str(BENCHMARKS.parent / "python"))
        yield importlib.import_module("gpu_checks")
    for name in set(sys.modules) - before:
        if name.startswith("gpu_"):
            del sys.modules[name]


def test_every_check_is_run(gpu_checks):
    assert tuple(gpu_checks.CHECKS) == NAMES


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_passes(gpu_checks, name):
    right, words = gpu_checks.CHECKS[name](torch.device("cuda:0"))
    assert right is not False, words


@pytest.mark.parametrize("name", QUICK)
def test_a_processor_passes(gpu_checks, name):
    assert gpu_checks.CHECKS[name](CPU)[0]


@pytest.mark.parametrize(("name", "computed_by"), [*zip(QUICK, ("outputs", "steady_logits", "outputs"), strict=True)])
def test_wrong_numbers_are_found(gpu_checks, name, computed_by, monkeypatch):
    """A device that computes a little past what rounding does, or not the same twice, does not pass."""
    compute, rng = getattr(gpu_checks, computed_by), np.random.default_rng(1)

    def wrong(*given, **more):
        rows = compute(*given, **more)
        return rows + rng.normal(scale=0.01, size=rows.shape).astype(np.float32)

    monkeypatch.setattr(gpu_checks, computed_by, wrong)
    assert gpu_checks.CHECKS[name](CPU)[0] is False
