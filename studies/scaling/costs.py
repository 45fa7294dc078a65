"""What each operation of the lease protocol costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DESIGNED = 2  # proposals 0 and 1 share an encoder, and no sampler makes them
READING = ("sweep", "refresh", "take", "sample", "look", "add")
OPERATIONS = ("refresh", "take", "sample", "plan", "look", "tell", "add", "finish", "sweep")
READINGS = ("lease", "trial", "record")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an operation costs.

    Attributes:
        cpu_s: CPU time of the client; `server_s` is the time at the database, `trips` are round trips.
        held_cpu_s: The part of `cpu_s` under Optuna's lock of a study; likewise `held_server_s` and `held_trips`.
        growth_s: CPU time that each proposal of the study adds.
    """

    cpu_s: float = 0.0
    server_s: float = 0.0
    trips: float = 0.0
    held_cpu_s: float = 0.0
    held_server_s: float = 0.0
    held_trips: float = 0.0
    growth_s: float = 0.0


Costs = Mapping[str, Cost]
"""By `OPERATIONS`, `refresh` for one cell; and by `READINGS`, what one more to read adds."""

COSTS: Costs = {
    "sweep": Cost(cpu_s=0.00337, server_s=0.000963, trips=17.0, growth_s=3.06e-05),
    "refresh": Cost(cpu_s=0.00399, server_s=0.000619, trips=11.0, growth_s=7.87e-06),
    "take": Cost(
        cpu_s=0.0104,
        server_s=0.00241,
        trips=27.0,
        held_cpu_s=0.00363,
        held_server_s=0.000944,
        held_trips=6.0,
        growth_s=8.27e-06,
    ),
    "sample": Cost(
        cpu_s=0.0246,
        server_s=0.005,
        trips=70.0,
        held_cpu_s=0.00362,
        held_server_s=0.000932,
        held_trips=6.0,
        growth_s=3.53e-05,
    ),
    "plan": Cost(cpu_s=0.0018, server_s=0.000554, trips=6.0),
    "look": Cost(cpu_s=0.00424, server_s=0.000596, trips=11.0, growth_s=1.17e-05),
    "tell": Cost(cpu_s=0.00602, server_s=0.00187, trips=20.0),
    "add": Cost(
        cpu_s=0.0143,
        server_s=0.00362,
        trips=37.0,
        held_cpu_s=0.00775,
        held_server_s=0.00189,
        held_trips=14.0,
        growth_s=2.48e-05,
    ),
    "finish": Cost(cpu_s=0.00235, server_s=0.000717, trips=8.0),
    "lease": Cost(cpu_s=0.000188, server_s=3.36e-05),
    "trial": Cost(cpu_s=0.000264, server_s=4.32e-05),
    "record": Cost(cpu_s=0.000256, server_s=2.69e-05),
}
"""What `measure` said of five cells in PostgreSQL 16, which flushed each commit, on the same machine of two cores."""
