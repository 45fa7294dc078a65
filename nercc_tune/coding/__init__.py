"""Linear codes: what is sent to the workers, and how their answers are read."""

from collections.abc import Callable

from nercc_tune.coding.answer_reader import AnswerReader
from nercc_tune.coding.arrived import NonFiniteAnswers
from nercc_tune.coding.assignment import ASSIGNMENTS, worker_positions
from nercc_tune.coding.berrut import BerrutCode
from nercc_tune.coding.distrusting_code import DistrustingCode
from nercc_tune.coding.group_code import GroupCode, Placement, place
from nercc_tune.coding.kriging import KrigingCode, Predictor, Solved
from nercc_tune.coding.lagrange import LagrangeCode
from nercc_tune.coding.linear import BASE, LinearCode
from nercc_tune.coding.locators import bearable, locate
from nercc_tune.coding.mixers import MIXERS, Mixer, MixerKind, parity_weights
from nercc_tune.coding.moments import Moments, Sites, measure_moments
from nercc_tune.coding.nercc import NerccCode
from nercc_tune.coding.networks_file import AbsentNetwork, NetworksFile, Origin, pack_networks, read_networks
from nercc_tune.coding.nodal import NodalCode, nodal_code
from nercc_tune.coding.nodes import (
    COPIES,
    DOMAIN,
    FITTED_NODES,
    NODES,
    NodeSet,
    chord_length,
    copies_of,
    node_kinds,
    node_set,
)
from nercc_tune.coding.ordering import ORDERINGS, order_queries, query_features
from nercc_tune.coding.output_decoder import build_output_decoder
from nercc_tune.coding.placed import PlacedCode
from nercc_tune.coding.rational import RationalCode
from nercc_tune.coding.repetition import DefaultCode, ReplicationCode, UncodedCode
from nercc_tune.coding.trained import TrainedCode, subtraction_matrix
from nercc_tune.coding.typical import Typical, measure_typical

__all__ = [
    "ASSIGNMENTS",
    "BASE",
    "BASELINE_CODES",
    "COPIES",
    "DOMAIN",
    "FITTED_NODES",
    "MIXERS",
    "NODES",
    "ORDERINGS",
    "AbsentNetwork",
    "AnswerReader",
    "BerrutCode",
    "DefaultCode",
    "DistrustingCode",
    "GroupCode",
    "KrigingCode",
    "LagrangeCode",
    "LinearCode",
    "Mixer",
    "MixerKind",
    "Moments",
    "NerccCode",
    "NetworksFile",
    "NodalCode",
    "NodeSet",
    "NonFiniteAnswers",
    "Origin",
    "PlacedCode",
    "Placement",
    "Predictor",
    "RationalCode",
    "ReplicationCode",
    "Sites",
    "Solved",
    "TrainedCode",
    "Typical",
    "UncodedCode",
    "bearable",
    "build_output_decoder",
    "chord_length",
    "copies_of",
    "locate",
    "measure_moments",
    "measure_typical",
    "nodal_code",
    "node_kinds",
    "node_set",
    "order_queries",
    "pack_networks",
    "parity_weights",
    "place",
    "query_features",
    "read_networks",
    "subtraction_matrix",
    "worker_positions",
]

BASELINE_CODES: dict[str, Callable[[NodeSet], LinearCode]] = {
    "bacc": BerrutCode,
    "nercc_ag": lambda nodes: NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0),
    "replication": lambda nodes: ReplicationCode(queries=nodes.queries, workers=nodes.workers),
    "uncoded": lambda nodes: UncodedCode(queries=nodes.queries, workers=nodes.workers),
    "default": lambda nodes: DefaultCode(queries=nodes.queries, workers=nodes.workers),
}
"""The codes that every tuned pair is compared with, by name."""
