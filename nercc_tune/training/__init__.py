"""Training the networks of codes that have some: groups drawn anew each epoch, kept by what decides them."""

from nercc_tune.training.checks import check_mixers
from nercc_tune.training.trainer import CodeTrainer

__all__ = ["CodeTrainer", "check_mixers"]
