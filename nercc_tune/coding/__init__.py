"""Linear codes: what is sent to the workers, and how their answers are read."""

from collections.abc import Callable

from nercc_tune.coding.assignment import ASSIGNMENTS, worker_positions
from nercc_tune.coding.berrut import BerrutCode
from nercc_tune.coding.group_code import GroupCode, Placement, place
from nercc_tune.coding.kriging import KrigingCode, Predictor, Solved
from nercc_tune.coding.linear import BASE, LinearCode, NonFiniteAnswers
from nercc_tune.coding.moments import Moments, Sites, measure_moments
from nercc_tune.coding.nercc import NerccCode
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
from nercc_tune.coding.placed import PlacedCode
from nercc_tune.coding.repetition import DefaultCode, ReplicationCode, UncodedCode

__all__ = [
    "ASSIGNMENTS",
    "BASE",
    "BASELINE_CODES",
    "COPIES",
    "DOMAIN",
    "FITTED_NODES",
    "NODES",
    "ORDERINGS",
    "BerrutCode",
    "DefaultCode",
    "GroupCode",
    "KrigingCode",
    "LinearCode",
    "Moments",
    "NerccCode",
    "NodeSet",
    "NonFiniteAnswers",
    "PlacedCode",
    "Placement",
    "Predictor",
    "ReplicationCode",
    "Sites",
    "Solved",
    "UncodedCode",
    "chord_length",
    "copies_of",
    "measure_moments",
    "node_kinds",
    "node_set",
    "order_queries",
    "place",
    "query_features",
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
