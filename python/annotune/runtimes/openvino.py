"""A network as OpenVINO computes it, converted in memory; what OpenVINO would tell its makers of that, it does not."""

from __future__ import annotations

import importlib.util
import warnings
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch

from annotune.errors import AnnotuneError
from annotune.extras import require
from annotune.network.base import quiet

HINTS = {"float32": "f32", "bfloat16": "bf16"}
EXAMPLE = 2, 8  # texts and tokens that the network is followed with
TELLING = ("convert_impl", "main", "telemetry_utils", "utils")  # modules that count conversions


def why_not_openvino(model: Any) -> str | None:
    """Why a network is not computed by OpenVINO; None where it can be."""
    from annotune.network.encoder import Encoder

    if importlib.util.find_spec("openvino") is None:
        return "OpenVINO is not installed."
    if not isinstance(model, Encoder) or model.pooling == "last" or getattr(model.backbone, "peft_config", None):
        return "Only encoders are computed by OpenVINO."
    return None if model.device.type == "cpu" else "Only on a processor are texts computed by OpenVINO."


class OpenVino:
    """An encoder that OpenVINO computes with as many threads as torch has; called like the encoder itself."""

    def __init__(self, model: Any, dtype: str) -> None:
        openvino = require("openvino", "This runtime needs")
        keep_silent()
        self.device, self.n_outputs = model.device, model.n_outputs
        self.overhead, self.most_texts = model.overhead, model.most_texts
        ones = torch.ones(EXAMPLE, dtype=torch.int64)
        threads = torch.get_num_threads()
        hints = {"INFERENCE_PRECISION_HINT": HINTS[dtype], "INFERENCE_NUM_THREADS": threads}
        # pinned, every process of a machine would compute on its first cores, and leave the others idle
        hints |= {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        try:
            with warnings.catch_warnings(), torch.no_grad(), quiet():
                warnings.simplefilter("ignore")  # of torch, about what is fixed by following one example
                network = openvino.convert_model(model.eval(), example_input=(ones, ones))
            for place, name in zip(network.inputs, ("ids", "mask"), strict=True):
                place.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
                place.get_tensor().set_names({name})
            network.validate_nodes_and_infer_types()
            self.request = openvino.compile_model(network, "CPU", hints).create_infer_request()
        except Exception as error:  # OpenVINO has no class of errors for networks that it cannot read
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise AnnotuneError(f"OpenVINO does not compute this network: {reason}") from None

    def eval(self) -> None:
        """Nothing is to be done: there is no dropout."""

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (texts, outputs)."""
        outputs = self.request.infer({"ids": ids.numpy(), "mask": mask.numpy()})
        return torch.from_numpy(next(iter(outputs.values())).copy())


def compiled(model: Any, dtype: str) -> OpenVino:
    """The network, compiled once for as long as it is there: that takes seconds."""
    networks = _COMPILED.setdefault(model, {})
    key = (dtype, torch.get_num_threads())
    if key not in networks:
        networks[key] = OpenVino(model, dtype)
    return networks[key]


_COMPILED: WeakKeyDictionary[Any, dict[tuple[str, int], OpenVino]] = WeakKeyDictionary()


def keep_silent() -> None:
    """Have OpenVINO count no conversions for its makers, whatever its settings on this machine are."""
    stub = importlib.import_module("openvino.tools.ovc.telemetry_stub")
    for name in TELLING:
        with suppress(ImportError):
            module: Any = importlib.import_module(f"openvino.tools.ovc.{name}")
            module.tm = stub
