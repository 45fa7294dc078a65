"""The choice of the code, and what it is worth on held-out draws."""

from nercc_tune.selection.availability import expect_availability, overall_accuracy
from nercc_tune.selection.bootstrap import CrossedBootstrap
from nercc_tune.selection.choice import best_trials, non_dominated, policy_candidates
from nercc_tune.selection.forwards import search_forwards
from nercc_tune.selection.heldout import difference, expect, gain, judge
from nercc_tune.selection.judged import Judged
from nercc_tune.selection.judging import Judge
from nercc_tune.selection.policy import PolicyChoice

__all__ = [
    "CrossedBootstrap",
    "Judge",
    "Judged",
    "PolicyChoice",
    "best_trials",
    "difference",
    "expect",
    "expect_availability",
    "gain",
    "judge",
    "non_dominated",
    "overall_accuracy",
    "policy_candidates",
    "search_forwards",
]
