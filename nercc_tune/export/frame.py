"""The table as a data frame: every figure exactly, a row each entry."""

from __future__ import annotations

import math
from dataclasses import fields

import pandas as pd

from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    TOLD_SHARE,
    Availability,
    Design,
    Distrust,
    Heldout,
    Interval,
    Kernel,
    PolicyEntry,
    TunedEntry,
    WrongAnswers,
)

__all__ = ["table_frame"]

_METRICS = ("mse", "prob_mse", "rel_acc", "agreement")
_WITHOUT_ERRORS = ("none_wrong_prob_mse", "none_wrong_trusting_prob_mse", "distrust_cost")
_Row = dict[str, str | int | float]


def table_frame(table: TunedTable) -> pd.DataFrame:
    """Return the table as a data frame, one row a straggler count, ascending.

    A figure with an interval has three columns, for example `heldout_mse`, `heldout_mse_low`, `heldout_mse_high`; the
    prefixes are `heldout`, the names of `BASELINES` and `policy`; `prob_mse_minus_bacc` is the paired difference, and
    `gain_over_bacc` the share of the error that is saved. `policy_all`, `single_all` and `policy_minus_single` are
    expected over all counts, and the same in every row. What is not defined is NaN. `table_digest` tells which table a
    row is from.

    `heldout_available_accuracy` and `heldout_degraded_accuracy` are A_a and A_d of an `Availability`; where a tenth of
    the workers are late, `heldout_exposure` is φ and `heldout_overall_accuracy` A_o.

    `distrust_kind` and the like say how a decoder distrusts; the kind is empty where it believes all answers.
    `wrong_bound`, `false_alarms`, `distrust_cost`, `none_wrong_prob_mse` and `none_wrong_trusting_prob_mse` are fields
    of `WrongAnswers`. Each kind that some entry was judged with has `wrong_answers_<kind>` and `right_answers_<kind>`,
    how many there were, and `wrong_found_<kind>`, `wrong_accused_<kind>`, `wrong_prob_mse_<kind>`,
    `wrong_oracle_prob_mse_<kind>` and `wrong_ratio_<kind>`, as of a `Detection`.
    """
    policy = {entry.stragglers: entry for entry in table.policy.entries}
    overall = _overall_columns(table)
    rows = []
    for entry in table.entries:
        row: _Row = {"study": table.study, "table_digest": table.digest}
        row |= _entry_columns(entry)
        row |= {"policy_lambda_enc": table.policy.lambda_enc, "policy_df_enc": table.policy.df_enc}
        row |= _design_columns("policy_", table.policy.design)
        row |= _policy_columns(policy.get(entry.stragglers))
        rows.append(row | overall)
    return pd.DataFrame(rows)


def _entry_columns(entry: TunedEntry) -> _Row:
    plain = ("model", "data", "queries", "workers", "stragglers", "fewest", "weight")
    row: _Row = {name: getattr(entry, name) for name in plain}
    row["waiting"] = math.nan if entry.waiting is None else entry.waiting
    row |= _design_columns("", entry.design) | {"is_feasible": entry.is_feasible}
    row |= {"domain_low": entry.domain[0], "domain_high": entry.domain[1]}
    row |= {name: getattr(entry, name) for name in ("lambda_enc", "lambda_dec", "df_enc", "df_dec")}
    row |= _kernel_columns("", entry.kernel) | _distrust_columns("", entry.distrust)
    row |= {f"tuning_{name}": math.nan if value is None else value for name, value in vars(entry.tuning).items()}
    row |= _heldout_columns("heldout", entry.heldout)
    for name, heldout in entry.baselines.items():
        row |= _heldout_columns(name, heldout)
    for error, differences in (("mse", entry.mse_minus), ("prob_mse", entry.prob_mse_minus)):
        for name, difference in differences.items():
            row |= _interval_columns(f"{error}_minus_{name}", difference)
    for name, gain in entry.gains.items():
        row |= _interval_columns(f"gain_over_{name}", gain)
    row |= _wrong_columns(entry.wrong_answers)
    return row | {"trials": entry.trials, "forwards": entry.forwards}


def _design_columns(prefix: str, design: Design) -> _Row:
    names = ("ordering", "nodes", "chord_power", "assignment", "decode_space", "decoder")
    columns: _Row = {f"{prefix}{name}": getattr(design, name) for name in names}
    return columns | {f"{prefix}rack": math.nan if design.rack is None else design.rack}


def _kernel_columns(prefix: str, kernel: Kernel | None) -> _Row:
    """Return what a decoder that is no spline is set to; a spline has none of it."""
    return {f"{prefix}kernel_{item.name}": getattr(kernel, item.name, math.nan) for item in fields(Kernel)}


def _distrust_columns(prefix: str, distrust: Distrust | None) -> _Row:
    """Return how a decoder distrusts; one that believes all has none of it."""
    kind: _Row = {f"{prefix}distrust_kind": distrust.kind if distrust else ""}
    names = [item.name for item in fields(Distrust) if item.name != "kind"]
    return kind | {f"{prefix}distrust_{name}": getattr(distrust, name, math.nan) for name in names}


def _policy_columns(entry: PolicyEntry | None) -> _Row:
    pair: _Row = {
        "policy_lambda_dec": entry.lambda_dec if entry else math.nan,
        "policy_df_dec": entry.df_dec if entry else math.nan,
    }
    pair |= _kernel_columns("policy_", entry.kernel if entry else None)
    pair |= _distrust_columns("policy_", entry.distrust if entry else None)
    return pair | _heldout_columns("policy", entry.heldout if entry else None)


def _overall_columns(table: TunedTable) -> _Row:
    single = table.policy.single
    return {
        **_heldout_columns("policy_all", table.policy.heldout),
        "single_lambda_enc": single.lambda_enc,
        "single_lambda_dec": single.lambda_dec,
        **_distrust_columns("single_", single.distrust),
        **_design_columns("single_", single.design),
        **_heldout_columns("single_all", single.heldout),
        **_interval_columns("policy_minus_single", table.policy.minus_single),
    }


def _heldout_columns(prefix: str, heldout: Heldout | None) -> dict[str, float]:
    row: dict[str, float] = {}
    for metric in _METRICS:
        row |= _interval_columns(f"{prefix}_{metric}", getattr(heldout, metric) if heldout else None)
    return row | _availability_columns(prefix, heldout.availability if heldout else None)


def _availability_columns(prefix: str, availability: Availability | None) -> dict[str, float]:
    row = {f"{prefix}_exposure": availability.exposure(TOLD_SHARE) if availability else math.nan}
    figures = availability.figures() if availability else {}
    for name in ("available_accuracy", "degraded_accuracy", "overall_accuracy"):
        row |= _interval_columns(f"{prefix}_{name}", figures.get(name))
    return row


def _wrong_columns(wrong: WrongAnswers | None) -> dict[str, float]:
    row = dict.fromkeys(("wrong_bound", "false_alarms"), math.nan)
    for name in _WITHOUT_ERRORS:
        row |= _interval_columns(name, None)
    for name, figure in wrong.figures().items() if wrong else ():
        row |= {name: figure} if isinstance(figure, int | float) else _interval_columns(name, figure)
    return row


def _interval_columns(name: str, interval: Interval | None) -> dict[str, float]:
    interval = interval or Interval(mean=math.nan, low=math.nan, high=math.nan)
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
