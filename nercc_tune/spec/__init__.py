"""Study files: what a user writes, validated once."""

from nercc_tune.spec.family import Family, build_family, load_family
from nercc_tune.spec.loading import build_study, load_study, parse_study
from nercc_tune.spec.search_settings import LambdaRange, SearchSettings
from nercc_tune.spec.settings import (
    CacheSettings,
    CodeSettings,
    EvaluationSettings,
    ResourceSettings,
    StorageSettings,
    StragglingSettings,
    WorkloadSettings,
)
from nercc_tune.spec.study import StudySpec
from nercc_tune.spec.training_settings import TrainingSettings

__all__ = [
    "CacheSettings",
    "CodeSettings",
    "EvaluationSettings",
    "Family",
    "LambdaRange",
    "ResourceSettings",
    "SearchSettings",
    "StorageSettings",
    "StragglingSettings",
    "StudySpec",
    "TrainingSettings",
    "WorkloadSettings",
    "build_family",
    "build_study",
    "load_family",
    "load_study",
    "parse_study",
]
