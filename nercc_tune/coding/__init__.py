"""Linear codes: what is sent to the workers, and how their answers are read."""

from collections.abc import Callable

from nercc_tune.coding.berrut import BerrutCode
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nercc import NerccCode
from nercc_tune.coding.nodes import DOMAIN, NODES, NodeSet, node_set
from nercc_tune.coding.repetition import ReplicationCode, UncodedCode

__all__ = [
    "BASELINE_CODES",
    "DOMAIN",
    "NODES",
    "BerrutCode",
    "LinearCode",
    "NerccCode",
    "NodeSet",
    "ReplicationCode",
    "UncodedCode",
    "node_set",
]

BASELINE_CODES: dict[str, Callable[[NodeSet], LinearCode]] = {
    "bacc": BerrutCode,
    "nercc_ag": lambda nodes: NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0),
    "replication": lambda nodes: ReplicationCode(queries=len(nodes.alpha), workers=len(nodes.beta)),
    "uncoded": lambda nodes: UncodedCode(queries=len(nodes.alpha), workers=len(nodes.beta)),
}
"""The codes that every tuned pair is compared with, by name."""
