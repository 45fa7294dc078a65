"""Where and how a service runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from nercc_tune.service.ray_workers import Placement
from nercc_tune.service.slowness import Slowness

__all__ = ["HostSettings"]


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """Where and how a service runs.

    Attributes:
        address: Of a Ray cluster: `local` for a new one, `auto`, or that of a head.
        host: The address that the entrance listens at; other machines reach another one than loopback.
        port: Of the entrance.
        metrics_port: Where a new cluster tells Prometheus all its metrics, on loopback; None for a port of Ray's
            choice.
        timeout_s: How long a query may take.
        limit: How many queries may wait; more are refused.
        drain_s: How long those that wait may take when the service stops, or its code is replaced.
        ready_s: How long the workers may take to be ready.
        placement: What each worker is given.
        slowness: What makes the workers slow, in a measurement.

    Raises:
        ValueError: If a number is out of range.
    """

    address: str = "local"
    host: str = "127.0.0.1"
    port: int = 8000
    metrics_port: int | None = None
    timeout_s: float = 30.0
    limit: int = 1000
    drain_s: float = 30.0
    ready_s: float = 300.0
    placement: Placement = field(default_factory=Placement)
    slowness: Slowness | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"`port` must be from 1 to 65535, but got {self.port}.")
        if not self.limit >= 1:
            raise ValueError(f"`limit` must be at least 1, but got {self.limit}.")
        for name in ("timeout_s", "drain_s", "ready_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive, but got {getattr(self, name)}.")

    @property
    def is_local(self) -> bool:
        """Whether a cluster is started for the service."""
        return self.address == "local"

    @property
    def url(self) -> str:
        """Where the entrance is reached from this machine."""
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - it is compared with
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}"
