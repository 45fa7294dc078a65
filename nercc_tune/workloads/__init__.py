"""Models, data sets and preprocessing: what coded inference is run on."""

from nercc_tune.workloads.datasets import DATASETS
from nercc_tune.workloads.kept import keeping_queries
from nercc_tune.workloads.loading import load_workload
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.recipes import RECIPES, Recipe
from nercc_tune.workloads.training import TrainingResult, train
from nercc_tune.workloads.training_queries import TrainingQueries, load_training_queries
from nercc_tune.workloads.workload import QuerySource, Workload

__all__ = [
    "DATASETS",
    "MODELS",
    "RECIPES",
    "QuerySource",
    "Recipe",
    "TrainingQueries",
    "TrainingResult",
    "Workload",
    "keeping_queries",
    "load_training_queries",
    "load_workload",
    "train",
]
