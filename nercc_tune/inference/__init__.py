"""Coded inference: forward passes, straggler masks, decoding and metrics."""

from nercc_tune.inference.availability import MaskedAvailability
from nercc_tune.inference.availability_meter import AvailabilityMeter
from nercc_tune.inference.decoders import SplineDecoder
from nercc_tune.inference.designs import check_designs
from nercc_tune.inference.device import describe_device, resolve_device, room_on
from nercc_tune.inference.distrust_meter import DistrustMeter, MaskedDistrust
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.draws import Draws, Inference
from nercc_tune.inference.evaluation import CellEvaluator
from nercc_tune.inference.forward import ForwardEngine
from nercc_tune.inference.groups import Split, check_size, load_groups, split_queries
from nercc_tune.inference.kept_files import Files, open_files
from nercc_tune.inference.layout import Features, Layout
from nercc_tune.inference.masks import MaskSource
from nercc_tune.inference.metrics import MaskedMetrics, Truth, measure
from nercc_tune.inference.outputs import Groups, WorkerOutputs
from nercc_tune.inference.stale import stale_networks
from nercc_tune.inference.store import OutputStore, tensor_key
from nercc_tune.inference.trained_codes import Reports, TrainedCodes, TrainingOutcome

__all__ = [
    "AvailabilityMeter",
    "CellEvaluator",
    "DistrustMeter",
    "DrawnGroups",
    "Draws",
    "Features",
    "Files",
    "ForwardEngine",
    "Groups",
    "Inference",
    "Layout",
    "MaskSource",
    "MaskedAvailability",
    "MaskedDistrust",
    "MaskedMetrics",
    "OutputStore",
    "Reports",
    "SplineDecoder",
    "Split",
    "TrainedCodes",
    "TrainingOutcome",
    "Truth",
    "WorkerOutputs",
    "check_designs",
    "check_size",
    "describe_device",
    "load_groups",
    "measure",
    "open_files",
    "resolve_device",
    "room_on",
    "split_queries",
    "stale_networks",
    "tensor_key",
]
