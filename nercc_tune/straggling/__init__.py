"""Straggler models: which workers arrive, and how long is waited for them."""

from nercc_tune.straggling.arrivals import Arrivals
from nercc_tune.straggling.counted import Bursts, CountedModel, Exactly, FirstArrivals, WorstOf
from nercc_tune.straggling.latency import LAWS, LatencyModel, Law, Pareto, ShiftedExponential, WorkerGamma
from nercc_tune.straggling.random_count import Deadline, Independent, RandomCountModel
from nercc_tune.straggling.strata import Strata, make_strata, merge, occurring, reach, stratified
from nercc_tune.straggling.trace import Part, Trace, TraceLatencies
from nercc_tune.straggling.trace_reading import read_trace

__all__ = [
    "LAWS",
    "Arrivals",
    "Bursts",
    "CountedModel",
    "Deadline",
    "Exactly",
    "FirstArrivals",
    "Independent",
    "LatencyModel",
    "Law",
    "Pareto",
    "Part",
    "RandomCountModel",
    "ShiftedExponential",
    "Strata",
    "Trace",
    "TraceLatencies",
    "WorkerGamma",
    "WorstOf",
    "make_strata",
    "merge",
    "occurring",
    "reach",
    "read_trace",
    "stratified",
]
