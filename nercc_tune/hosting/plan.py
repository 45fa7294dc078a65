"""What is served: as it was read here, and as it travels to the front."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from nercc_tune.service.codec import Codec
from nercc_tune.service.query_reading import QueryReader
from nercc_tune.service.scheme import Scheme

__all__ = ["Offer", "Plan"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Offer:
    """What is to be served.

    Attributes:
        scheme: How workers are used.
        codec: What they are sent, and how their answers are read.
        networks: What each of them runs.
        reader: Reads the queries.
        about: What it is, as JSON values, for whoever asks the service.
    """

    scheme: Scheme
    codec: Codec
    networks: tuple[nn.Module, ...]
    reader: QueryReader
    about: Mapping[str, Any]

    def __post_init__(self) -> None:
        if len(self.networks) != self.scheme.workers:
            raise ValueError(
                f"`networks` must hold one for each of {self.scheme.workers} workers, but got {len(self.networks)}."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What a front needs to serve an offer whose workers run.

    Attributes:
        workers: Names of their actors.
        timeout_s: How long a query may take.
        limit: How many queries may wait.
        drain_s: How long those that wait may take when another plan takes its place.
    """

    scheme: Scheme
    codec: Codec
    reader: QueryReader
    about: Mapping[str, Any]
    workers: tuple[str, ...]
    timeout_s: float
    limit: int
    drain_s: float

    def pack(self) -> bytes:
        """Return the plan as bytes, in which it travels between processes of one cluster."""
        packed: bytes = importlib.import_module("ray.cloudpickle").dumps(self)
        return packed

    @staticmethod
    def unpack(packed: bytes) -> Plan:
        """Return a plan of ours; it runs what the bytes say."""
        plan: Plan = importlib.import_module("ray.cloudpickle").loads(packed)
        return plan
