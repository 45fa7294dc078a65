"""A comparison of studies as JSON values."""

from __future__ import annotations

from typing import Any

from nercc_tune.export.comparison import COMPARED_SHARES, ComparedCode, Comparison, Setting
from nercc_tune.export.stretches import find_stretches, sentence_of
from nercc_tune.records import Interval, to_json

__all__ = ["describe_comparison"]


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values.

    It has `workload`, `studies` and `settings`; a setting has `queries`, `workers`, `stragglers` (for a reader),
    `other_draws` (studies), `sentence`, `deploy` (stretches: `upto`, `code`, `ties_with`) and `codes`. A code has
    `name`, `code`, `study`, `design`, `prob_mse`, `agreement`, `available`, `degraded` and `overall`, a list of `late`,
    `accuracy`, `is_bound` and `standing` (`best`, `tie`, `behind`, or null where it is not known).
    """
    return {
        "workload": comparison.workload,
        "studies": list(comparison.studies),
        "settings": list(map(_describe_setting, comparison.settings)),
    }


def _describe_setting(setting: Setting) -> dict[str, Any]:
    return {
        "queries": setting.queries,
        "workers": setting.workers,
        "stragglers": setting.count,
        "other_draws": list(setting.other_draws),
        "sentence": sentence_of(setting),
        "deploy": [
            {"upto": each.upto, "code": each.best.name, "ties_with": [code.name for code in each.ties]}
            for each in find_stretches(setting)
        ],
        "codes": [_describe_code(setting, code) for code in setting.codes],
    }


def _describe_code(setting: Setting, code: ComparedCode) -> dict[str, Any]:
    availability = code.availability
    return {
        "name": code.name,
        "code": code.code,
        "study": code.study,
        "design": code.design,
        "prob_mse": to_json(code.heldout.prob_mse),
        "agreement": to_json(code.heldout.agreement),
        "available": _describe(availability.available if availability else None),
        "degraded": _describe(code.degraded),
        "overall": [_describe_overall(setting, code, late) for late in COMPARED_SHARES],
    }


def _describe_overall(setting: Setting, code: ComparedCode, late: float) -> dict[str, Any]:
    overall = code.overall(late)
    return {
        "late": late,
        "accuracy": _describe(overall.accuracy if overall else None),
        "is_bound": overall is not None and overall.is_bound,
        "standing": setting.standing(code, late),
    }


def _describe(figure: Interval | None) -> Any:
    return None if figure is None else to_json(figure)
