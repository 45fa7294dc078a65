"""The choice of the pair, and what it is worth on held-out draws."""

from nercc_tune.selection.bootstrap import CrossedBootstrap
from nercc_tune.selection.choice import ChosenPolicy, choose_policy
from nercc_tune.selection.heldout import judge, mse_difference
from nercc_tune.selection.judging import Judge

__all__ = ["ChosenPolicy", "CrossedBootstrap", "Judge", "choose_policy", "judge", "mse_difference"]
