"""What a plan must hold, and under which load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nercc_tune.records import Strict

__all__ = ["TAILS", "Conditions", "Goals"]

TAILS = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
"""The percentiles of the latency that there may be a limit on."""

_LEAST_SCALE = 1e-3  # of a floor of all answers, below which there is no room that a shortfall could be a share of


@dataclass(frozen=True, kw_only=True)
class Goals(Strict):
    """Limits on the latency, and a floor on how often answers agree with the model's own; None where there is none.

    Attributes:
        p50_s: The most that half of the queries may take at least, in seconds.
        p99_s: Likewise of 99 %.
        p999_s: Likewise of 99.9 %.
        agreement: The least share of answers that are what the model says without coding.

    Raises:
        ValueError: If there is no limit on the latency, or one is not positive, or the floor is not in (0, 1].
    """

    p50_s: float | None = None
    p99_s: float | None = None
    p999_s: float | None = None
    agreement: float | None = None

    def __post_init__(self) -> None:
        if not self.limits_s:
            raise ValueError("`p50_s`, `p99_s` or `p999_s` must be given: without a limit one worker will do.")
        for name, limit in self.limits_s.items():
            if not 0 < limit < math.inf:
                raise ValueError(f"`{name}_s` must be positive and finite, but got {limit}.")
        if self.agreement is not None and not 0 < self.agreement <= 1:
            raise ValueError(f"`agreement` must be above 0 and at most 1, but got {self.agreement}.")

    @property
    def limits_s(self) -> dict[str, float]:
        """The limits that there are, by names of `TAILS`."""
        limits = {"p50": self.p50_s, "p99": self.p99_s, "p999": self.p999_s}
        return {name: limit for name, limit in limits.items() if limit is not None}

    @property
    def tail(self) -> str:
        """The tail that tables and figures tell: p99 where it has a limit, else the rarest that has."""
        return "p99" if self.p99_s is not None else list(self.limits_s)[-1]

    def shortfalls(self, tails_s: Mapping[str, float], agreement: float) -> dict[str, float]:
        """Return by how much each goal is missed, as a share of what it allows; at most 0 where it is kept."""
        found = {name: tails_s[name] / limit - 1 for name, limit in self.limits_s.items()}
        if self.agreement is not None:
            found["agreement"] = (self.agreement - agreement) / max(1 - self.agreement, _LEAST_SCALE)
        return found


@dataclass(frozen=True, kw_only=True)
class Conditions(Strict):
    """What a plan is for, and how it is looked for.

    Attributes:
        rate: Queries per second, which come independently of each other.
        service_s: How long a task takes undisturbed, in seconds.
        slowness: What makes workers slow, a line for `make_slowness`.
        goals: What must be held.
        most_workers: The most that there may be.
        seed: Decides everything.
        queries: In each simulation, warm-up included; what is promised is for stretches of so many, less the warm-up.
        trials: Of each kind of scheme, before the best are simulated again.
        repeats: Simulations behind each promise; a scheme is chosen by up to 8 others.

    Raises:
        ValueError: If a value is out of its range.
    """

    rate: float
    service_s: float
    slowness: str
    goals: Goals
    most_workers: int = 64
    seed: int = 0
    queries: int = 5000
    trials: int = 30
    repeats: int = 20

    def __post_init__(self) -> None:
        for name in ("rate", "service_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive and finite, but got {value}.")
        for name, least in (("most_workers", 1), ("seed", 0), ("queries", 100), ("trials", 1), ("repeats", 2)):
            if not getattr(self, name) >= least:
                raise ValueError(f"`{name}` must be at least {least}, but got {getattr(self, name)}.")
        for name, limit in self.goals.limits_s.items():
            if not limit > self.service_s:
                raise ValueError(
                    f"`{name}_s` must be longer than a task takes, {self.service_s:g} s, but got {limit:g}."
                )
