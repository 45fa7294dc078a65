"""Straggler models: which workers arrive, how long is waited for them, and which of them lie."""

from nercc_tune.straggling.arrivals import Arrivals
from nercc_tune.straggling.counted import Bursts, CountedModel, Exactly, FirstArrivals, WorstOf
from nercc_tune.straggling.latency import LAWS, LatencyModel, Law, Pareto, ShiftedExponential, WorkerGamma
from nercc_tune.straggling.liars import Liars, draw_liars
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
    "Liars",
    "Pareto",
    "Part",
    "RandomCountModel",
    "ShiftedExponential",
    "Strata",
    "Trace",
    "TraceLatencies",
    "WorkerGamma",
    "WorstOf",
    "draw_liars",
    "make_strata",
    "merge",
    "occurring",
    "reach",
    "read_trace",
    "stratified",
]
