"""A small network and texts for it."""

import numpy as np
import pytest
import torch

from annotune.network.base import find_base, load_backbone
from annotune.network.batches import Tokens
from annotune.network.encoder import build

WORDS = 20  # of the vocabulary


@pytest.fixture(scope="module")
def network(tiny_base):
    torch.manual_seed(2)
    return build(load_backbone(find_base(str(tiny_base)), torch.device("cpu")), 5).eval()


def texts_of(lengths, seed=1, limit=64):
    rng = np.random.default_rng(seed)
    return Tokens([rng.integers(1, WORDS, n).tolist() for n in lengths], 0, limit, 0)
