"""Coded inference: forward passes, straggler masks, decoding and metrics."""

from nercc_tune.inference.device import describe_device, resolve_device
from nercc_tune.inference.draws import Draws, Inference
from nercc_tune.inference.evaluation import CellEvaluator, Evaluation
from nercc_tune.inference.forward import ForwardEngine
from nercc_tune.inference.groups import Split, check_size, load_groups, split_queries
from nercc_tune.inference.metrics import MaskedMetrics, Truth, measure
from nercc_tune.inference.outputs import Groups, WorkerOutputs
from nercc_tune.inference.profile import DecoderProfile
from nercc_tune.inference.store import OutputStore, tensor_key
from nercc_tune.inference.stragglers import exactly

__all__ = [
    "CellEvaluator",
    "DecoderProfile",
    "Draws",
    "Evaluation",
    "ForwardEngine",
    "Groups",
    "Inference",
    "MaskedMetrics",
    "OutputStore",
    "Split",
    "Truth",
    "WorkerOutputs",
    "check_size",
    "describe_device",
    "exactly",
    "load_groups",
    "measure",
    "resolve_device",
    "split_queries",
    "tensor_key",
]
